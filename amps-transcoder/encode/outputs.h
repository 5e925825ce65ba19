/* outputs.h - all outputs of a job that makes some, and the decoders they share: each stream of the
 * source is decoded once, however many outputs encode it.
 *
 * Times become one steady timeline here (encode/timeline.h), the same for every output.  An output
 * whose profile or codec fails is given up with its reason, and the others go on.  A stream that
 * cannot be decoded is left out, unless it is all there is.  One thread. */
#ifndef AMPS_OUTPUTS_H
#define AMPS_OUTPUTS_H

#include "amps-transcoder/encode/decode.h"
#include "amps-transcoder/encode/output.h"
#include "amps-transcoder/encode/timeline.h"

struct outputs {
	struct job *job; /* borrowed */
	struct output *list[TUNER_OUTPUTS_MAX];
	unsigned count;
	AVFormatContext *source;			/* borrowed; NULL while there is none */
	unsigned stream_count;				/* known ones, when the outputs chose */
	struct decoder *decoders[TIMELINE_STREAMS_MAX]; /* by stream; NULL = not needed yet */
	bool undecodable[TIMELINE_STREAMS_MAX];
	struct timeline timeline;
	int64_t sound_90k[TIMELINE_STREAMS_MAX]; /* length of a stream's frames of sound, or 0 */
	bool begun;
	bool joined; /* an output was switched on while others run; the owner clears it */
};

void outputs_init(struct outputs *s, struct job *job);
void outputs_done(struct outputs *s);

/* Follows JOB_EVENT_OUTPUT and JOB_EVENT_OUTPUT_OFF. */
void outputs_event(struct outputs *s, struct job_event *event);

/* The source was opened (its streams are new) or is closed (NULL). */
void outputs_set_source(struct outputs *s, AVFormatContext *source);

/* The source was opened again at an earlier place, for an output that has just been switched on:
 * the others go on where they were. */
void outputs_rewind(struct outputs *s, AVFormatContext *source);

/* A packet of the source (its times are changed). */
void outputs_packet(struct outputs *s, AVPacket *packet);

/* A frame of stream `index` from elsewhere, already in 90 kHz ticks. */
void outputs_frame(struct outputs *s, unsigned index, const AVFrame *frame, AVRational rate);

/* The source came to its end: empties the decoders. */
void outputs_drain(struct outputs *s);

/* Nothing will follow: empties the outputs as well; their rings are complete. */
void outputs_end(struct outputs *s);

/* Where a fresh timeline begins so that nobody's goes back; TIME_NONE. */
int64_t outputs_continue_90k(const struct outputs *s);

#endif
