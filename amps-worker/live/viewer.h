/* viewer.h - one client that follows one ring.
 *
 * A viewer sends straight from the ring's mapping, everything there is, in one call.  Its position
 * is always a packet's first byte: when a send stops inside a packet, the rest of that packet is
 * copied out at once, so that whatever happens to the ring meanwhile, what goes out is whole
 * packets.  Bytes of its own (the answer's head, the PAT and PMT before a random access point, that
 * rest) wait in `pending` and always go first.
 *
 *	waits for a ring or its first random access point    ring NULL, in output->waiting
 *	follows a ring                                       in ring->viewers
 *	blocked: the socket is full                          passes leave it alone, EV_WRITE feeds
 *it
 *
 * Falling behind: further from the newest byte than ring_guard() is too slow.  It then goes on at
 * the newest random access point, marked as a discontinuity, or is dropped
 * (streaming.slow_viewer).  A blocked viewer is judged when its socket has room again, so that a
 * paused player may sleep as long as its TCP lives: dropped is only whose peer acknowledges nothing
 * at all for VIEWER_STOPPED_MS, probes included.  A client that only shut its own side is served on
 * and ends with the first reset, or after VIEWER_HALF_CLOSED_MS without anything to send. */
#ifndef AMPS_VIEWER_H
#define AMPS_VIEWER_H

#include "amps-worker/live/output.h"
#include "common/shm/worker_page.h"

struct conn;
struct http_request;

struct viewer {
	TAILQ_ENTRY(viewer) link; /* ring->viewers or output->waiting */
	struct conn *conn;
	struct output *output;
	struct stream_ring *ring;
	struct viewer_record *record;
	uint64_t pos;	      /* multiple of TS_PACKET */
	uint64_t swept_bytes; /* sent when viewer_sweep() last looked */
	uint8_t *pending;
	uint16_t pending_at, pending_len, pending_cap;
	uint16_t head_left; /* bytes of pending that are not media */
	uint32_t join_ms;
	bool blocked;
	bool half_closed;
	uint16_t idle_sweeps; /* in a row without a byte sent */
};

/* What became of a viewer; the caller frees the connection of one that is gone. */
enum viewer_verdict { VIEWER_GOES_ON, VIEWER_GONE };

/* Makes the connection a viewer of this wish; `head` is the rendered answer.  It may already be
 * streaming on return.  0, -EUSERS (the server is full), -ENOMEM, -EPIPE (it is gone). */
must_check int viewer_start(struct conn *c, const struct http_request *q,
			    const struct stream_wish *wish, const struct buf *head);
struct viewer *viewer_free(struct viewer *v); /* returns NULL; accepts NULL */

/* Starts one that waits, if its ring has a random access point; else it waits on. */
enum viewer_verdict viewer_try_begin(struct viewer *v, struct stream_ring *r);

/* Sends what there is; moves to the next ring when this one is drained. */
enum viewer_verdict viewer_feed(struct viewer *v);

/* A pass met it blocked: keeps its record, and drops it where that is the rule. */
enum viewer_verdict viewer_blocked(struct viewer *v);

/* Every few seconds: has the peer stopped answering? */
enum viewer_verdict viewer_sweep(struct viewer *v);
#define VIEWER_SWEEP_US 2500000u

static inline bool viewer_waits(const struct viewer *v)
{
	return v->ring == NULL;
}

#endif
