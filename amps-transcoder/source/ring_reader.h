/* ring_reader.h - the source ring of a derive or watch job as a libavformat demuxer.
 *
 * Follows the ring (ring_follow.h) from a recent random access point with its PSI in front, and
 * waits for new bytes.  While it waits it calls the owner, which takes orders with
 * ring_reader_take_orders() and may end the wait.
 * A completed ring is read to its last byte and ends like a file.  A reader that was lapped must be
 * reopened, because the data in its demuxer is incomplete; so must one whose source changed a
 * codec, and it then continues after that place. */
#ifndef AMPS_RING_READER_H
#define AMPS_RING_READER_H

#include <libavformat/avformat.h>
#include "amps-transcoder/source/ring_follow.h"
#include "amps-transcoder/ts/watch.h"

#define RING_READER_STAGE (RING_INTRO_MAX + 64 * TS_PACKET)

/* All are called with ring_reader.owner. */
struct ring_reader_user {
	/* Waits a moment and takes orders; true = stop reading. */
	bool (*wait)(void *owner);
	/* An order that is not about the ring; NULL: there are none. */
	void (*order)(void *owner, struct job_event *event);
};

struct ring_reader {
	struct job *job;
	struct ring_follow follow;
	bool replaced; /* there is another ring: open it */
	bool other;  /* this demuxer reads another ring than the last one, maybe another source's */
	bool lapped; /* packets of the demuxer are invalid from here on */
	bool ended;  /* the ring is complete, and all of it was read */
	struct ts_watch watch;
	bool changed; /* a stream has another codec from follow.from_pos on */
	uint8_t stage[RING_READER_STAGE];
	size_t staged, stage_at;
	AVFormatContext *demuxer;
	const struct ring_reader_user *user;
	void *owner;
};

void ring_reader_init(struct ring_reader *r, struct job *job, const struct ring_reader_user *user,
		      void *owner);
void ring_reader_done(struct ring_reader *r);

/* Takes all waiting orders of the job.  Reading must stop afterwards if `replaced` is set. */
void ring_reader_take_orders(struct ring_reader *r);

/* Opens the demuxer at an access point, and clears `replaced`.  Streams are known afterwards by
 * codec only; nothing was probed.  0 (`other` is set or cleared) or a libav error (AVERROR_EXIT:
 * the owner ended the wait), after which `replaced` is as it was, or set. */
must_check int ring_reader_open(struct ring_reader *r);

/* The next packet.  0 or a libav error; check `lapped` as well. */
must_check int ring_reader_read(struct ring_reader *r, AVPacket *packet);
void ring_reader_close(struct ring_reader *r);

#endif
