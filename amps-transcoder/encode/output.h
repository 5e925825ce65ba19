/* output.h - one output of a derive job: its profile, its encoders or copied streams, its muxer,
 * its ring.
 *
 * 	frames  -> filter -> encoder -\
 * 	packets (copy) ---------------- muxer -> ring
 *
 * The muxer begins when every stream is known, in the order of the source's PMT.  It waits longest
 * for a stream whose frames are inside a filter, shorter for the only picture or sound, and
 * shortest for a further one.  A stream without data by then is named in a notice and added when it
 * comes, with a new version of the PMT.  A copied stream that changes its codec is announced in the
 * same way, with a discontinuity.  One thread. */
#ifndef AMPS_OUTPUT_H
#define AMPS_OUTPUT_H

#include "amps-transcoder/av/stream_text.h"
#include "amps-transcoder/encode/encode.h"
#include "amps-transcoder/job/job.h"
#include "amps-transcoder/mux/muxer.h"

#define OUTPUT_PENDING_MAX 4096

/*	awaited -> late -> ready
 *	   |         |
 *	   +-> ready +-> left out        (track_set_state() is the only writer) */
enum track_state {
	TRACK_AWAITED,	/* no data yet */
	TRACK_LATE,	/* no data yet, and the output has begun without it */
	TRACK_READY,	/* `parameters` are set */
	TRACK_LEFT_OUT, /* cannot be served */
};

/* A stream of the source that feeds a track. */
struct track_input {
	unsigned stream; /* its index */
	int64_t put_90k; /* time of the last frame or packet taken; TIME_NONE */
	bool rewound;	 /* the source was rewound: skip what was taken before */
};

/* One stream of the output. */
struct track {
	enum track_state state;
	struct profile profile; /* of this stream */
	struct track_input inputs[COMPLEX_INPUTS_MAX];
	unsigned input_count; /* 0 = the source has no stream for it at the moment */
	enum AVMediaType type;
	char language[64]; /* "" = unknown; subtitles may have several */
	int disposition;
	char name[STREAM_TEXT_MAX]; /* for messages */
	bool copy;
	bool wait_key;		       /* drop copied pictures until the next key frame */
	int64_t from_90k;	       /* drop what is earlier; TIME_NONE */
	AVCodecParameters *parameters; /* of what is muxed; NULL = not known yet */
	struct filter filter;
	struct encoder encoder;
};

struct output {
	struct job *job; /* borrowed */
	enum output_form form;
	char lang[TRACK_NAME_MAX + 1];	 /* of the sound alone; "" = the first */
	json_t *spec;			 /* its options; owned */
	struct profile profile;		 /* for all streams */
	const struct hardware *hardware; /* its device; borrowed, NULL = software */
	struct muxer *mux;		 /* owned */
	struct track tracks[MUXER_STREAMS_MAX];
	unsigned track_count;
	int64_t after_90k;	 /* nothing before this goes out; TIME_NONE */
	uint64_t begin_until_us; /* the muxer must begin by then */
	int64_t newest_90k;	 /* largest DTS that was ready for the muxer */
	int64_t lag_90k;	 /* largest distance behind newest_90k at the start of a stream */
	AVPacket *pending[OUTPUT_PENDING_MAX]; /* until the muxer begins; stream_index = track */
	unsigned pending_count;
	const char *failed_at; /* what a returned error is about; static */
};

/* Switches an output on (a JOB_EVENT_OUTPUT), after hardware_settle().  0, -EINVAL (`problem` says
 * why) or -Exxx. */
must_check int output_new(struct job *job, struct job_event *event, const struct hardware *hardware,
			  struct output **ret, char *problem, size_t cap);
struct output *output_free(struct output *o); /* returns NULL; accepts NULL */

/* The settings of a profile for pictures or for sound. */
const struct profile_kind *output_kind(const struct profile *p, enum AVMediaType type);
void track_set_state(struct track *t, enum track_state state);

/* Chooses the streams (encode/output_select.c).  Called again when the source was reopened or has
 * more streams: tracks keep their place and are matched to streams again, new streams become new
 * tracks. 0 or -ENOENT (nothing fits the profile). */
must_check int output_select(struct output *o, AVFormatContext *source);

bool output_wants_frames(const struct output *o, unsigned stream);
/* The device that is to decode this stream; NULL = software. */
const struct hardware *output_decodes_on(const struct output *o, unsigned stream);
bool output_wants_packets(const struct output *o, unsigned stream);
bool output_copies_picture(const struct output *o);

/* Bytes of the source were skipped: copied pictures start again at a key frame. */
void output_jump(struct output *o);

/* The source was rewound: skip what each track has taken already. */
void output_rewind(struct output *o);

/* A decoded frame of a stream (borrowed, unchanged).  0 or a libav error. */
must_check int output_frame(struct output *o, unsigned stream, const AVFrame *frame,
			    AVRational rate, enum key_frames keys);

/* A packet of a copied stream.  0 or a libav error. */
must_check int output_packet(struct output *o, unsigned stream, const AVPacket *packet,
			     const AVCodecParameters *parameters);

/* No decoder for this stream: leave it out. 0, or AVERROR_DECODER_NOT_FOUND when no other stream is
 * left. */
must_check int output_undecodable(struct output *o, unsigned stream);

/* The source ended: flushes filters, encoders and muxer into the ring, which is then complete. 0 or
 * a libav error. */
must_check int output_end(struct output *o);

#endif
