/* gone_watch.h - notices that the pictures or the sounds of a programme are gone while the others
 * go on, whatever its PMT says.
 *
 * What counts is the time of the media, as sources deliver in bursts, and that of the clock, as
 * times jump.  A kind that never came is not missed.  Pure; times are given. */
#ifndef AMPS_TS_GONE_WATCH_H
#define AMPS_TS_GONE_WATCH_H

#include "amps-transcoder/ts/parse.h"
#include "common/msg/msg_list.h"

#define GONE_S 10

struct gone_watch {
	struct gone_kind {
		int64_t pts_90k;  /* of the newest unit; TIME_NONE = none has come */
		uint64_t seen_us; /* when it came */
	} picture, sound;
};

#define GONE_WATCH_INIT                                                                            \
	((struct gone_watch){.picture.pts_90k = TIME_NONE, .sound.pts_90k = TIME_NONE})

/* The streams have come this far at now_us. */
void gone_watch_streams(struct gone_watch *w, const struct ts_parse *p, uint64_t now_us);

/* CONTENT_GOOD, CONTENT_NO_PICTURE or CONTENT_NO_SOUND. */
must_check enum content_fault gone_watch_verdict(const struct gone_watch *w, uint64_t now_us);

#endif
