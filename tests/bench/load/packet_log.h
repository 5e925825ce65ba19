/* packet_log.h - what the source must have been, put together from what verified clients received.
 *
 * A log of one 64-bit hash a transport packet, in stream order.  The client that is furthest ahead
 * appends, all others are compared: each must be a contiguous run of the log.  A client enters at a
 * random access point, found by its hash; until somebody else has got there too its hashes wait in
 * a queue of its own. */
#ifndef BENCH_PACKET_LOG_H
#define BENCH_PACKET_LOG_H

#include "common/base.h"

#define PACKET_LOG_MAX	 (1u << 20) /* hashes; three minutes at 8 Mbit/s */
#define PACKET_QUEUE_MAX 65536u	    /* hashes of a client that is not placed yet */

struct packet_log {
	uint64_t *hashes;
	size_t count;
};

enum run_place {
	RUN_SEEKING, /* not yet at a random access point */
	RUN_QUEUED,  /* past one that the log does not have yet */
	RUN_PLACED,  /* compared */
	RUN_ASTRAY   /* the last packet was not the expected one */
};

/* One client's place in the log. */
struct packet_run {
	enum run_place place;
	size_t at; /* the log's next packet for it */
	uint64_t *queue;
	size_t queued;
	uint64_t compared;  /* packets found where they belong */
	uint64_t lost;	    /* packets of the log it did not get, and no mark said so */
	uint64_t alien;	    /* packets that are nowhere ahead in the log */
	uint64_t abandoned; /* queues given up */
};

must_check int packet_log_init(struct packet_log *l);
void packet_log_done(struct packet_log *l);

/* The client starts at this packet, a random access point. */
void packet_run_enter(struct packet_run *r, struct packet_log *l, uint64_t hash);

/* The client's next packet.  `filler`: a null packet, by which nobody finds a place. */
void packet_run_next(struct packet_run *r, struct packet_log *l, uint64_t hash, bool filler);

/* A mark: whatever follows is a new run. */
void packet_run_leave(struct packet_run *r);

/* Tries to place what is queued. */
void packet_run_settle(struct packet_run *r, struct packet_log *l);

uint64_t packet_hash(const uint8_t *packet);

#endif
