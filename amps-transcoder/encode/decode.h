/* decode.h - a decoder of one stream: packets in, frames out, both on the job's 90 kHz timeline.
 * One thread calls it; libav may use more inside. */
#ifndef AMPS_DECODE_H
#define AMPS_DECODE_H

#include <libavcodec/avcodec.h>
#include "amps-transcoder/encode/hardware.h"
#include "common/base.h"

struct decoder {
	AVCodecContext *ctx;
	AVFrame *frame; /* the last one taken */
	bool wait_key;	/* pictures are useless until the next key frame */
};

/* On a device (NULL: in software), whose pictures stay in its memory; what the device cannot decode
 * is decoded in software.  0, or a libav error (its log has the reason). */
must_check int decoder_open(struct decoder *d, const AVCodecParameters *parameters,
			    const struct hardware *hardware);
void decoder_close(struct decoder *d); /* accepts a zeroed struct */

/* Decodes a packet (NULL: end of stream).  A damaged one is ignored. */
void decoder_put(struct decoder *d, const AVPacket *packet);

/* The next frame, borrowed until the next call; NULL when it needs more packets. */
AVFrame *decoder_take(struct decoder *d);

#endif
