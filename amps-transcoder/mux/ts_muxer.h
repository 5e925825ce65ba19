/* ts_muxer.h - libavformat's muxer of MPEG-TS, writing into a ring with enough clocks (ts/pcr.h).
 * The owner sets what it wants in `context`, adds streams and writes the header. */
#ifndef AMPS_TS_MUXER_H
#define AMPS_TS_MUXER_H

#include <libavformat/avformat.h>
#include "amps-transcoder/ts/pcr.h"
#include "amps-transcoder/ts/sink.h"

struct ts_muxer {
	AVFormatContext *context; /* NULL while closed */
	struct ts_pcr pcr;
};

/* `sink` is borrowed. */
void ts_muxer_init(struct ts_muxer *m, struct ts_sink *sink);

/* A muxer without streams; may be opened again once it was closed.  0 or a libav error, then it is
 * still closed. */
must_check int ts_muxer_open(struct ts_muxer *m);

/* Frees it without a trailer; accepts a closed or zeroed one. */
void ts_muxer_close(struct ts_muxer *m);

/* Can this codec be carried in a transport stream? */
bool ts_muxer_fits(enum AVCodecID id);

#endif
