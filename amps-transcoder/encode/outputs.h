/* outputs.h - the outputs of a derive or both job, and their decoders: each stream of the source is
 * decoded once for all outputs.
 *
 * All outputs share one timeline (encode/timeline.h).  An output whose profile or codec fails is
 * given up with its reason, and the others go on.  A stream that cannot be decoded is left out,
 * unless it is all there is.  One thread. */
#ifndef AMPS_OUTPUTS_H
#define AMPS_OUTPUTS_H

#include "amps-transcoder/encode/decode.h"
#include "amps-transcoder/encode/output.h"
#include "amps-transcoder/encode/timeline.h"

struct outputs {
	struct job *job; /* borrowed */
	struct output *list[TUNER_OUTPUTS_MAX];
	unsigned count;
	AVFormatContext *source; /* borrowed; NULL while there is none */
	unsigned stream_count;	 /* known streams when the outputs chose theirs */
	struct decoder *decoders[TIMELINE_STREAMS_MAX]; /* by stream; NULL = not needed yet */
	struct hardware_set hardware;
	bool undecodable[TIMELINE_STREAMS_MAX];
	struct timeline timeline;
	int64_t sound_90k[TIMELINE_STREAMS_MAX]; /* of a frame of sound; 0 = unknown */
	bool same_clock; /* the source's times go on where they were when this job began */
	bool begun;
	bool joined; /* an output was switched on while others run; the owner clears it */
};

void outputs_init(struct outputs *s, struct job *job);
void outputs_done(struct outputs *s);

/* Follows JOB_EVENT_OUTPUT and JOB_EVENT_OUTPUT_OFF. */
void outputs_event(struct outputs *s, struct job_event *event);

/* The source was opened (its streams are new) or is closed (NULL). */
void outputs_set_source(struct outputs *s, AVFormatContext *source);

/* The source was reopened at an earlier place for a new output; the other outputs skip what they
 * have taken. */
void outputs_rewind(struct outputs *s, AVFormatContext *source);

/* A packet of the source (its times are changed). */
void outputs_packet(struct outputs *s, AVPacket *packet);

/* A decoded frame of stream `index`, in 90 kHz ticks. */
void outputs_frame(struct outputs *s, unsigned index, const AVFrame *frame, AVRational rate);

/* The source has ended: flushes the decoders. */
void outputs_drain(struct outputs *s);

/* Nothing will follow: flushes the outputs, too; their rings are complete. */
void outputs_end(struct outputs *s);

/* Earliest start of a new timeline at which no output goes back in time; TIME_NONE. */
int64_t outputs_continue_90k(const struct outputs *s);

#endif
