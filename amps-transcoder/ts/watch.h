/* watch.h - sees when a stream of the programme becomes another codec under its old PID, which
 * libavformat's demuxer of transport streams does not.  Pure. */
#ifndef AMPS_TS_WATCH_H
#define AMPS_TS_WATCH_H

#include "amps-transcoder/ts/parse.h"

struct ts_watch {
	struct ts_parse parse; /* of it PAT and PMT alone */
	struct ts_stream known[TS_STREAMS_MAX];
	unsigned count;
};

void ts_watch_init(struct ts_watch *w);

/* Feeds the next packet; true if it completes a PMT that makes a known stream another one. */
bool ts_watch_packet(struct ts_watch *w, const uint8_t *packet);

#endif
