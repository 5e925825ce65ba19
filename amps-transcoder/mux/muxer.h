/* muxer.h - packets of one output into its ring, in the output's form.
 *
 * A form is a row of functions (struct muxer_ops) and a file here; what all of them need is done
 * once: bitstream filters, times that grow, streams that come and go.  One thread. */
#ifndef AMPS_MUXER_H
#define AMPS_MUXER_H

#include <libavcodec/bsf.h>
#include <libavformat/avformat.h>
#include "amps-transcoder/job/job.h"

#define MUXER_STREAMS_MAX 16

/* A stream that may be carried.  Its place in the list is its place in the output, also while
 * others come and go. */
struct muxer_stream {
	const AVCodecParameters *parameters; /* NULL: not carried */
	const char *language;
	const char *bsf; /* bitstream filters for its packets; NULL = none */
	int disposition; /* AV_DISPOSITION_*; the default sound is listed before other sound */
	unsigned id;	 /* what the form calls it (a PID); 0 = chosen here */
};

struct muxer;

/* Functions that return an int return 0 or a libav error, attach -Exxx. */
struct muxer_ops {
	const char *name; /* for messages */
	size_t size;	  /* of the form's struct, which begins with struct muxer */
	bool (*fits)(enum AVCodecID id);
	int (*init)(struct muxer *m);
	void (*done)(struct muxer *m); /* also after a failed init */
	int (*attach)(struct muxer *m, const struct job_event *e);
	uint64_t (*generation)(const struct muxer *m);
	/* A header: open, add_stream for each, begin; `cut` marks a discontinuity.  Called again
	 * after end(). */
	int (*open)(struct muxer *m, int64_t lag_90k);
	int (*add_stream)(struct muxer *m, unsigned place, const AVCodecParameters *parameters,
			  const struct muxer_stream *from);
	int (*begin)(struct muxer *m, bool cut);
	/* Takes the packet's reference; times in 90 kHz ticks. */
	int (*write)(struct muxer *m, unsigned place, AVPacket *packet);
	void (*end)(struct muxer *m);	/* writes what is inside */
	void (*ended)(struct muxer *m); /* no byte will follow */
};

struct muxer {
	const struct muxer_ops *ops;
	struct job *job; /* borrowed, as the next two are */
	const AVDictionary *metadata, *options;
	uint32_t output; /* slot of the channel table */
	bool begun;
	bool carries[MUXER_STREAMS_MAX];      /* by place */
	int64_t last_dts[MUXER_STREAMS_MAX];  /* AV_NOPTS_VALUE */
	AVBSFContext *bsf[MUXER_STREAMS_MAX]; /* NULL = none */
};

/* Makes the muxer of this form and takes the ring of the order.  `sound`: the codec that the
 * profile names for sound, of which sound alone may have a form of its own.  0 or -Exxx. */
must_check int muxer_new(enum output_form form, enum AVCodecID sound, struct job *job,
			 const struct job_event *event, const AVDictionary *metadata,
			 const AVDictionary *options, struct muxer **ret);
struct muxer *muxer_free(struct muxer *m); /* writes what is inside; NULL; accepts NULL */

/* Writes a header with these streams.  Called again, it flushes and continues with the new set;
 * `cut` marks a discontinuity.  The muxer waits `lag_90k` longer for a stream that lags so far
 * behind the others.  0 or a libav error. */
must_check int muxer_begin(struct muxer *m, const struct muxer_stream *streams, unsigned count,
			   int64_t lag_90k, bool cut);

/* The largest DTS written; AV_NOPTS_VALUE. */
int64_t muxer_time_90k(const struct muxer *m);

/* Writes a packet (its data is referenced, not taken), times in 90 kHz ticks.  0 or an error. */
must_check int muxer_write(struct muxer *m, unsigned place, const AVPacket *packet);

/* The source ended: writes what is inside; the ring is complete. */
void muxer_end(struct muxer *m);

/* For the rows: a stream of libav's muxer with these parameters, in 90 kHz ticks.  NULL without
 * memory. */
AVStream *muxer_new_stream(AVFormatContext *context, const AVCodecParameters *parameters);

/* The rows. */
extern const struct muxer_ops muxer_ts, muxer_adts, muxer_mp3;

#endif
