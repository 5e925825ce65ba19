/* filter.h - the filter graph between decoders (or a generator) and one encoder.
 *
 * Only a graph of filter_complex has several inputs; it is built when each has had a frame.
 * The graph is built for the first frame, and again when the format of the frames changes or their
 * time jumps.  Once the encoder is open (filter_fix), all frames are converted to its format.
 * Pictures in the memory of a device stay there as long as the filters work there, and are copied
 * to the main memory for others; an encoder of the device gets them there.
 * Times are 90 kHz ticks on both sides.  One thread. */
#ifndef AMPS_FILTER_H
#define AMPS_FILTER_H

#include <libavfilter/avfilter.h>
#include "amps-transcoder/encode/hardware.h"
#include "amps-transcoder/options/profile.h"

#define FILTER_WAITING_MAX 64

struct filter_input {
	enum AVMediaType type;
	AVRational rate; /* pictures a second; 0/0 unknown */
	AVFilterContext *source;
	bool known; /* has had a frame; of the last one: */
	int width, height, format, sample_rate;
	AVRational aspect;
	enum AVColorSpace colour_space;
	enum AVColorRange colour_range;
	AVChannelLayout layout;
	AVBufferRef *frames; /* owned; the device's memory that the pictures are in, or NULL */
	int64_t last_90k;    /* its end */
	AVFrame *waiting[FILTER_WAITING_MAX]; /* for a first frame of another input */
	unsigned waiting_count;
	bool ended; /* its stream has stopped; the graph is built again if it comes back */
};

struct filter {
	enum AVMediaType type;		 /* of its output */
	const struct profile *profile;	 /* borrowed */
	const struct hardware *hardware; /* borrowed; NULL = software */
	AVFilterGraph *graph;
	struct filter_input inputs[COMPLEX_INPUTS_MAX];
	unsigned input_count;
	AVFilterContext *sink;
	AVFrame *frame;
	/* what the encoder was opened with; 0 = not yet */
	int fixed_width, fixed_height, fixed_rate, frame_size;
	char fixed_layout[64];
};

/* `hardware`: for pictures, or NULL.  0 or -ENOMEM. */
must_check int filter_init(struct filter *f, enum AVMediaType type, const struct profile *profile,
			   const struct hardware *hardware);
void filter_done(struct filter *f); /* accepts a zeroed struct */

/* Puts a frame into an input (a reference is taken).  0 or a libav error. */
must_check int filter_put(struct filter *f, unsigned input, AVFrame *frame);

/* No frame will follow: flushes the graph. */
void filter_end(struct filter *f);

/* The next frame, borrowed until the next call; NULL when it needs more. */
AVFrame *filter_take(struct filter *f);

/* From now on frames have this encoder's size, or its rate, layout and number of samples. */
void filter_fix(struct filter *f, const AVCodecContext *encoder);

/* Frame rate of the output; valid after the first frame. */
AVRational filter_rate(const struct filter *f);

#endif
