/* output.h - one output of a derive job: its profile, its encoders or copied streams, its muxer,
 * its ring.
 *
 *	frames  -> filter -> encoder -\
 *	packets (copy) ---------------- muxer -> ring
 *
 * The muxer begins when every stream is known; one that shows nothing for a second and a half while
 * others do is left out.  One thread. */
#ifndef AMPS_OUTPUT_H
#define AMPS_OUTPUT_H

#include "amps-transcoder/encode.h"
#include "amps-transcoder/job.h"
#include "amps-transcoder/ts_output.h"

#define OUTPUT_PENDING_MAX 2048

/* One stream of the output. */
struct track {
	unsigned source; /* index of the source's stream */
	enum AVMediaType type;
	char language[64]; /* "" = unknown; subtitles may have several */
	bool copy;
	int mux; /* stream of the muxer, -1 = not known yet */
	bool left_out;
	bool wait_key;		      /* a copied picture is useless until the next key frame */
	int64_t put_90k;	      /* the last frame or packet that was taken; TIME_NONE */
	AVCodecParameters *subtitles; /* they may be silent for long: known beforehand; or NULL */
	bool rewound;		      /* what was taken comes again and is left out */
	struct filter filter;
	struct encoder encoder;
};

struct output {
	struct job *job;      /* borrowed */
	struct ts_sink *sink; /* owned */
	struct profile profile;
	struct ts_output mux;
	struct track tracks[TS_OUTPUT_STREAMS_MAX];
	unsigned track_count;
	int64_t after_90k;		       /* nothing before this goes out; TIME_NONE */
	int64_t first_90k;		       /* of the pending packets */
	AVPacket *pending[OUTPUT_PENDING_MAX]; /* until the muxer begins; stream_index = track */
	unsigned pending_count;
	const char *failed_at; /* what a returned error is about; static */
};

/* Switches an output on (a JOB_EVENT_OUTPUT).  0, -EINVAL (`problem` says why) or -Exxx. */
must_check int output_new(struct job *job, struct job_event *event, struct output **ret,
			  char *problem, size_t cap);
struct output *output_free(struct output *o); /* returns NULL; accepts NULL */

/* Chooses the streams.  Called again when the source was opened anew: the tracks stay, the streams
 * they come from are found again.  0 or -ENOENT (nothing fits the profile). */
must_check int output_select(struct output *o, AVFormatContext *source);

bool output_wants_frames(const struct output *o, unsigned stream);
bool output_wants_packets(const struct output *o, unsigned stream);
bool output_copies_picture(const struct output *o);

/* Bytes of the source were skipped: copied pictures start again at a key frame. */
void output_jump(struct output *o);

/* The source comes again from an earlier place: go on where it was left. */
void output_rewind(struct output *o);

/* A decoded frame of a stream (borrowed, unchanged).  0 or a libav error. */
must_check int output_frame(struct output *o, unsigned stream, const AVFrame *frame,
			    AVRational rate, bool source_keys);

/* A packet of a copied stream.  0 or a libav error. */
must_check int output_packet(struct output *o, unsigned stream, const AVPacket *packet,
			     const AVCodecParameters *parameters);

/* The source ended: everything that is inside goes into the ring, which is then complete.
 * 0 or a libav error. */
must_check int output_end(struct output *o);

#endif
