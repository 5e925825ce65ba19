/* lavfi.h - a source that is the text of a filter graph and generates pictures and sound.
 *
 * The graph has no inputs and one or more open outputs ("testsrc2=size=1280x720:rate=25", or
 * "...[out0];sine[out1]"); they are the source's streams in this order.  Frames follow the wall
 * clock: a short lead at the start fills the encoders, then each frame is returned when it is due.
 * A job that cannot keep up skips time instead of catching up. */
#ifndef AMPS_LAVFI_H
#define AMPS_LAVFI_H

#include <libavfilter/avfilter.h>
#include <libavformat/avformat.h>
#include "common/base.h"

#define LAVFI_STREAMS_MAX 16

struct lavfi {
	AVFilterGraph *graph;
	AVFormatContext *streams; /* describes the outputs, for `map`; nothing else */
	struct lavfi_stream {
		AVFilterContext *sink;
		AVFrame *frame;	 /* made but not due yet; empty = make one */
		int64_t pts_90k; /* of `frame`, from the graph's own zero */
		bool ended;
		int error; /* of libav, for good; 0 = none */
	} list[LAVFI_STREAMS_MAX];
	unsigned count;
	uint64_t start_us; /* clock_mono_us() that belongs to the graph's zero */
	int64_t base_90k;  /* of the outputs' timeline, likewise */
	int64_t skipped_90k;
	bool primed; /* the lead has been returned */
	uint64_t skips;
};

/* Builds the graph; the timeline begins at base_90k.  0 or a libav error (its log says why). */
must_check int lavfi_open(struct lavfi *l, const char *graph, int64_t base_90k);
void lavfi_close(struct lavfi *l); /* accepts a zeroed struct */

/* Sets the clock: the next frame is due at once, with a lead behind it. */
void lavfi_start(struct lavfi *l, uint64_t now_us);

/* The next frame, its stream and when it is due; borrowed until lavfi_pop().  The frame's pts is in
 * 90 kHz ticks of the timeline.  NULL when all streams have ended (`*ret_error` 0) or the graph
 * failed. */
AVFrame *lavfi_next(struct lavfi *l, uint64_t now_us, unsigned *ret_stream, uint64_t *ret_due_us,
		    int *ret_error);
void lavfi_pop(struct lavfi *l, unsigned stream);

AVRational lavfi_rate(const struct lavfi *l, unsigned stream);

#endif
