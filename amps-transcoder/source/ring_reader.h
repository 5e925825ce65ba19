/* ring_reader.h - the source ring of a derive job as a libavformat demuxer.
 *
 * Reads from a random access point a moment old with its PSI in front, waits where the ring has
 * nothing yet, and moves to a larger ring of the same job without a seam.  Waiting calls back into
 * the owner, who takes orders meanwhile and may end it.  A ring that its job has completed is read
 * to its last byte and ends like a file.  A reader that was lapped must be opened again: what its
 * demuxer still holds is cut.  So must one whose source became another codec; it then goes on
 * behind that place. */
#ifndef AMPS_RING_READER_H
#define AMPS_RING_READER_H

#include <libavformat/avformat.h>
#include "amps-transcoder/job/job.h"
#include "amps-transcoder/ts/watch.h"
#include "common/shm/ring.h"

#define RING_READER_STAGE (RING_INTRO_MAX + 64 * TS_PACKET)

struct ring_reader {
	struct ring ring, larger; /* larger: to move to once ring is read to its end */
	bool has_ring, has_larger, started;
	bool lapped; /* what the demuxer gives from here on is worth nothing */
	bool ended;  /* the ring is complete, and all of it was read */
	struct ts_watch watch;
	bool changed;	      /* a stream is another one from changed_pos on */
	uint64_t changed_pos; /* of `ring`; 0 = from its beginning */
	uint64_t pos;
	uint8_t stage[RING_READER_STAGE];
	size_t staged, stage_at;
	AVFormatContext *demuxer;
	/* Waits a moment; true = stop reading. */
	bool (*wait)(void *owner);
	void *owner;
};

void ring_reader_init(struct ring_reader *r, bool (*wait)(void *owner), void *owner);
void ring_reader_done(struct ring_reader *r);

/* Takes the ring of a JOB_EVENT_SOURCE_RING.  0 (`*ret_again`: open the demuxer anew) or -Exxx. */
must_check int ring_reader_take(struct ring_reader *r, struct job_event *event, bool *ret_again);

/* True when there is a place to start from. */
bool ring_reader_ready(struct ring_reader *r);

/* True when there will be none any more: the ring is complete, and what was left of it behind the
 * change has no access point. */
bool ring_reader_over(const struct ring_reader *r);

/* Opens the demuxer at an access point.  Streams are known afterwards by codec only; nothing was
 * probed.  0 or a libav error (AVERROR_EXIT: the owner ended the wait). */
must_check int ring_reader_open(struct ring_reader *r);

/* The next packet.  0 or a libav error; `lapped` must be asked for as well. */
must_check int ring_reader_read(struct ring_reader *r, AVPacket *packet);
void ring_reader_close(struct ring_reader *r);

#endif
