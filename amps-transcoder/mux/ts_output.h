/* ts_output.h - packets of one output into its ring, as a transport stream made by libavformat's
 * muxer: times stay as they are, PCR ahead of every DTS (ts/pcr.h), PAT and PMT every 100 ms and at
 * key frames, several frames of sound in one PES as long as that makes them no later than 75 ms.
 *
 * One thread. */
#ifndef AMPS_TS_OUTPUT_H
#define AMPS_TS_OUTPUT_H

#include <libavcodec/bsf.h>
#include <libavformat/avformat.h>
#include "amps-transcoder/mux/ts_muxer.h"

#define TS_OUTPUT_STREAMS_MAX 16

/* A stream that may be carried.  Its place in the list is its place in the PMT and gives its PID,
 * also while others come and go. */
struct ts_output_stream {
	const AVCodecParameters *parameters; /* NULL: not carried */
	const char *language;
	const char *bsf; /* bitstream filters for its packets; NULL = none */
};

struct ts_output {
	struct ts_muxer muxer;
	bool begun;
	struct ts_sink *sink; /* borrowed, as the next three are */
	const char *service;
	const AVDictionary *metadata, *options;
	unsigned tables;			  /* how often the streams were announced */
	int stream_of[TS_OUTPUT_STREAMS_MAX];	  /* the muxer's stream, -1 = not carried */
	int64_t last_dts[TS_OUTPUT_STREAMS_MAX];  /* by place in the list */
	AVBSFContext *bsf[TS_OUTPUT_STREAMS_MAX]; /* the same; NULL = none */
};

/* `service` is the name in the SDT unless the metadata has one. */
void ts_output_init(struct ts_output *o, struct ts_sink *sink, const char *service,
		    const AVDictionary *metadata, const AVDictionary *options);

/* Writes a header with these streams.  Called again, it flushes the muxer and continues the
 * counters with a new version of the PMT; `cut` marks a discontinuity.  The muxer waits `lag_90k`
 * longer for a stream that lags so far behind the others. 0 or a libav error. */
must_check int ts_output_begin(struct ts_output *o, const struct ts_output_stream *streams,
			       unsigned count, int64_t lag_90k, bool cut);
bool ts_output_carries(const struct ts_output *o, unsigned stream);

/* The largest DTS written; AV_NOPTS_VALUE. */
int64_t ts_output_time_90k(const struct ts_output *o);

/* Writes a packet (its data is referenced, not taken), times in 90 kHz ticks.  0 or an error. */
must_check int ts_output_write(struct ts_output *o, unsigned stream, const AVPacket *packet);
void ts_output_close(struct ts_output *o); /* accepts a zeroed struct; writes what is inside */

#endif
