/* dash.h - live DASH, played by libavformat's demuxer of HLS.
 *
 * libavformat's own DASH demuxer loses its place each time it reads a live manifest again (segments
 * twice, segments left out).  We read the manifest (source/mpd.h) and give its segments to the HLS
 * demuxer as playlists in memory, rendered whenever it asks for them. libavformat plays a
 * presentation that is not live. */
#ifndef AMPS_DASH_H
#define AMPS_DASH_H

#include <libavformat/avformat.h>
#include "common/base.h"

struct dash;

/* All members are borrowed and must outlive the struct dash. */
struct dash_origin {
	const char *url;	     /* the manifest's, as the operator wrote it */
	const AVDictionary *options; /* of every connection */
	AVIOInterruptCB interrupt;
	bool *live; /* cleared once the presentation is over */
};

/* Reads the manifest: `head`, which was read already, and the rest of the connection `pb`.  0 and
 * *ret; -ENOTSUP: it is not live, or not such that we could play it; another negative value: it
 * cannot be read. */
must_check int dash_new(const struct dash_origin *origin, AVIOContext *pb, const void *head,
			size_t head_len, struct dash **ret);

/* The duration of its longest segment, rounded up to seconds. */
unsigned dash_target_s(const struct dash *d);

struct dash *dash_free(struct dash *d); /* call it after avformat_close_input() */

/* Prepares a fresh context (nothing but its interrupt callback set) and the options for
 * avformat_open_input(ic, dash_url(), HLS, options). */
must_check int dash_prepare(struct dash *d, AVFormatContext *ic, AVDictionary **options);
const char *dash_url(void);

#endif
