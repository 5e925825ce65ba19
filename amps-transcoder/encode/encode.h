/* encode.h - an encoder of one stream of one output: filtered frames in, packets out, on the job's
 * 90 kHz timeline.
 *
 * Key frames of all outputs of a job lie on the same timestamps: they are forced where the absolute
 * timeline crosses a grid (two seconds, or the profile's g or force_key_frames, which may also be
 * another rule), or, as long as some output copies the picture, where the source has them.  Groups
 * are closed; scene cuts make no key frames of their own unless the profile asks for them.
 *
 * Delay is bounded for live use: x264 and x265 look ahead at most ten pictures unless the profile
 * names a tune or a look-ahead of its own (zerolatency would cost a fifth of the picture's quality
 * for less than half a second).  One thread calls it; the encoder has threads of its own. */
#ifndef AMPS_ENCODE_H
#define AMPS_ENCODE_H

#include "amps-transcoder/encode/filter.h"
#include "amps-transcoder/options/key_rule.h"

struct encoder {
	AVCodecContext *ctx; /* NULL until opened */
	AVPacket *packet;
	enum AVMediaType type;
	int64_t last_pts; /* in ctx->time_base; of the last frame put */
	struct key_rule keys;
	int64_t frame_90k; /* length of a frame */
};

/* Opens for frames like this one, which came out of `filter`.  0 or a libav error. */
must_check int encoder_open(struct encoder *e, const struct profile *profile,
			    const struct filter *filter, const AVFrame *frame);
void encoder_close(struct encoder *e); /* accepts a zeroed struct */

/* Encodes a frame (its pts may be changed).  source_keys: key frames where the source has them. 0
 * or a libav error. */
must_check int encoder_put(struct encoder *e, AVFrame *frame, enum key_frames keys);

/* No frame will follow: flushes the encoder. */
void encoder_end(struct encoder *e);

/* The next packet in 90 kHz ticks, with its duration; borrowed until the next call; NULL when it
 * needs more frames. */
AVPacket *encoder_take(struct encoder *e);

#endif
