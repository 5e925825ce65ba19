/* source.h - the one connection to a channel's source.
 *
 * A local file and UDP are read directly; everything else through libav.  Opening
 * inspects the first bytes: a transport stream is read as bytes, anything else with a demuxer. */
#ifndef AMPS_SOURCE_H
#define AMPS_SOURCE_H

#include <libavformat/avformat.h>
#include "amps-transcoder/job/job.h"
#include "amps-transcoder/options/source_options.h"
#include "amps-transcoder/source/command.h"
#include "amps-transcoder/source/dash.h"
#include "amps-transcoder/source/playlist_watch.h"
#include "amps-transcoder/source/udp_pair.h"

struct source;

/* What a source gives. */
enum source_gives {
	SOURCE_BYTES,	/* a transport stream, or what libav's demuxer reads */
	SOURCE_PACKETS, /* of a demuxer that makes its own connections */
	SOURCE_FRAMES,	/* of a generator (lavfi.h) */
};

/* A way to reach a source; the rows are in source_ops.c. */
struct source_ops {
	enum source_gives gives;
	bool local;	/* nothing on the way can stall or break off */
	bool datagrams; /* a transport stream in whole packets, gathered where they are read */
	bool protocol;	/* took protocol options when it was opened; s->left are the others */
	/* Opens the connection and sets `live`, `size`, `is_ts`.  0 or -Exxx. */
	int (*open)(struct source *s);
	/* The number of bytes, 0 (the end), AVERROR(EAGAIN) (nothing for a moment), or another
	 * libav error. */
	int (*read)(struct source *s, uint8_t *dst, size_t cap);
	/* Back to the first byte.  0 or -Exxx. */
	int (*rewind)(struct source *s);
	/* The open connection for libav's demuxer, at its first byte; NULL: libav opens it itself.
	 */
	AVIOContext *(*avio)(struct source *s);
	void (*close)(struct source *s); /* also when it was not opened */
};

struct source {
	struct job *job;
	const char *url;   /* the spec's */
	const char *pair;  /* the second leg of an RTP feed, `url` is the first; or NULL */
	const char *sound; /* where the sound is, if it comes apart from the picture; or NULL */
	bool looked_up;	   /* the address was found on a page, and may expire */
	bool demuxing;	   /* libav's demuxer is open */
	unsigned refusals; /* HTTP answers 403 and 410 before that */
	char shown[512];   /* without credentials */
	char scheme[16];   /* "file" for a path */
	struct source_options options;
	const struct source_ops *ops; /* NULL before source_init() and after source_close() */
	bool is_ts;
	bool live;     /* true unless it is known to end */
	bool playlist; /* HLS: a live playlist may end later */
	bool complete; /* the part that the operator wants (-t) was read */
	int fd;	       /* a file, pipe or device */
	struct udp udp;
	struct udp_pair *legs; /* of a pair; NULL while it is not open */
	struct command command;
	AVIOContext *avio; /* of libav's protocol */
	struct playlist_watch playlists;
	/* the demuxer's own ways to open and close connections */
	int (*io_open)(AVFormatContext *ic, AVIOContext **pb, const char *url, int flags,
		       AVDictionary **options);
	int (*io_close)(AVFormatContext *ic, AVIOContext *pb);
	struct dash *dash;  /* the live presentation that the demuxer plays */
	AVIOContext *own;   /* our reader as an AVIOContext */
	AVDictionary *left; /* the options that the protocol did not take */
	uint8_t head[1024]; /* the first bytes, returned by the first reads */
	size_t head_len, head_at;
	int64_t size; /* bytes, -1 unknown */
};

/* Reads the spec; nothing is opened yet.  0, -EINVAL (*ret_problem says why; static). */
must_check int source_init(struct source *s, struct job *job, const char **ret_problem);

/* Opens the connection and decides is_ts and live.  0, -ETIMEDOUT, -ECANCELED (shutdown), or
 * another -Exxx (libav's log has the reason). */
must_check int source_open(struct source *s);

/* Reads up to cap bytes of a transport stream, blocking no longer than the job's deadline.
 * > 0, 0 (the end), -EAGAIN (nothing for a moment; look at orders), -ECANCELED, -ETIMEDOUT, -Exxx.
 */
must_check ssize_t source_read(struct source *s, uint8_t *dst, size_t cap);

/* Back to the first byte, for a loop.  0 or -Exxx. */
must_check int source_rewind(struct source *s);

/* A packet of media was demuxed. */
void source_note_media(struct source *s);

/* Why we gave the source up, if the reason is not in the log of libav; else NULL. */
const char *source_problem(const struct source *s);

/* Opens libav's demuxer on the source (not for a transport stream unless asked by -ss, -t or -f).
 * *ret is read and closed with the two functions below.  0 or a libav error. */
must_check int source_demuxer_open(struct source *s, AVFormatContext **ret);

/* As av_read_frame() and avformat_close_input(). */
must_check int source_demuxer_read(struct source *s, AVFormatContext *ic, AVPacket *packet);
void source_demuxer_close(struct source *s, AVFormatContext **ic);

/* How long this source may send nothing: a live playlist has new media only once in a segment, so
 * it has three target durations at least; for everything else it is stall_us. */
uint64_t source_stall_us(const struct source *s, const AVFormatContext *demuxer, uint64_t stall_us);

/* Seeks to where the operator wants it to begin (-ss), else to its beginning.  0 or a libav error.
 */
must_check int source_demuxer_to_begin(const struct source *s, AVFormatContext *ic);

/* How far it was read; either time may be TIME_NONE.  True, and noted, once that is the part that
 * the operator wants (-t). */
bool source_note_time(struct source *s, int64_t begin_90k, int64_t time_90k);

/* What was counted of a pair; zeros of any other source. */
struct rtp_pair_stats source_pair_stats(const struct source *s);

/* At the end of reading: true if the source has ended, false if the connection was lost.  May read
 * from the source again, until the deadline of the job. */
bool source_has_ended(struct source *s);

void source_close(struct source *s);

/* Ends the job because the source failed with this error (-Exxx or a code of libav).  Reports the
 * cause in plain words if it is known, else the log of libav.  Returns the exit code. */
int source_failed(const struct source *s, int error);

const struct source_ops *source_ops_of(const struct source *s);

/* For the rows, in source.c: reads the first bytes and judges them; the reason why a call of libav
 * ended, as -Exxx; the operator's options and the mandatory ones; our reader as an AVIOContext. */
must_check int source_fill_head(struct source *s);
int source_why_ended(const struct source *s, int averror);
AVDictionary *source_libav_options(const struct source *s);
AVIOInterruptCB source_interrupt(struct source *s);
AVIOContext *source_own_avio(struct source *s);

#endif
