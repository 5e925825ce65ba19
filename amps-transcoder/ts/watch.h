/* watch.h - detects that a stream of the programme changes its codec under the same PID;
 * libavformat's demuxer does not.  Pure. */
#ifndef AMPS_TS_WATCH_H
#define AMPS_TS_WATCH_H

#include "amps-transcoder/ts/parse.h"

struct ts_watch {
	struct ts_parse parse; /* only its PAT and PMT are used */
	struct ts_stream known[TS_STREAMS_MAX];
	unsigned count;
};

void ts_watch_init(struct ts_watch *w);

/* Feeds the next packet; true if it completes a PMT in which a known stream has changed. */
bool ts_watch_packet(struct ts_watch *w, const uint8_t *packet);

#endif
