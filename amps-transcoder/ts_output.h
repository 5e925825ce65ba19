/* ts_output.h - packets of one output into its ring, as a transport stream made by libavformat's
 * muxer (times stay as they are, PAT and PMT at key frames, PCR ahead of every DTS).
 *
 * One thread. */
#ifndef AMPS_TS_OUTPUT_H
#define AMPS_TS_OUTPUT_H

#include <libavformat/avformat.h>
#include "amps-transcoder/ts_sink.h"

#define TS_OUTPUT_STREAMS_MAX 16

struct ts_output {
	AVFormatContext *muxer;
	struct ts_sink *sink; /* borrowed */
	bool begun;
	int64_t last_dts[TS_OUTPUT_STREAMS_MAX]; /* of each stream */
};

/* `service` is the name in the SDT unless the metadata has one.  0 or a libav error. */
must_check int ts_output_open(struct ts_output *o, struct ts_sink *sink, const char *service,
			      const AVDictionary *metadata);
/* The index of the new stream or a libav error. */
must_check int ts_output_add(struct ts_output *o, const AVCodecParameters *parameters,
			     const char *language);
/* All streams are there: writes the header.  0 or a libav error. */
must_check int ts_output_begin(struct ts_output *o, const AVDictionary *options);
/* Writes a packet (its data is referenced, not taken), times in 90 kHz ticks.  0 or an error. */
must_check int ts_output_write(struct ts_output *o, unsigned stream, const AVPacket *packet);
void ts_output_close(struct ts_output *o); /* accepts a zeroed struct; writes what is inside */

#endif
