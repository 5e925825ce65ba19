/* packet_log.h - reconstructs the source's packets from what the verified clients receive.
 *
 * The log holds one 64-bit hash for each transport packet, in stream order.  The client that is
 * furthest ahead appends to it; the packets of every other client must be a contiguous run of it.
 * A client starts at a random access point, which is searched in the log by its hash.  If the log
 * has not reached that point, the client's hashes are queued until it has. */
#ifndef BENCH_PACKET_LOG_H
#define BENCH_PACKET_LOG_H

#include "common/base.h"

#define PACKET_LOG_MAX	 (1u << 20) /* hashes; three minutes at 8 Mbit/s */
#define PACKET_QUEUE_MAX 65536u	    /* hashes of a client whose place is not known yet */

struct packet_log {
	uint64_t *hashes;
	size_t count;
};

enum run_place {
	RUN_SEEKING, /* no random access point was received yet */
	RUN_QUEUED,  /* behind a random access point that the log does not have yet */
	RUN_PLACED,  /* packets are compared with the log */
	RUN_ASTRAY   /* the last packet was not the expected one */
};

/* One client's place in the log. */
struct packet_run {
	enum run_place place;
	size_t at; /* index in the log of the next expected packet */
	uint64_t *queue;
	size_t queued;
	uint64_t compared;  /* packets that were as expected */
	uint64_t lost;	    /* packets of the log that it did not receive, without a mark */
	uint64_t alien;	    /* packets that the log does not have behind `at` */
	uint64_t abandoned; /* queues that were dropped because they were full */
};

must_check int packet_log_init(struct packet_log *l);
void packet_log_done(struct packet_log *l);

/* The client's first packet, a random access point. */
void packet_run_enter(struct packet_run *r, struct packet_log *l, uint64_t hash);

/* The client's next packet.  `filler`: a null packet, which identifies no place in the log. */
void packet_run_next(struct packet_run *r, struct packet_log *l, uint64_t hash, bool filler);

/* Ends the run, at a mark: the next random access point starts a new one. */
void packet_run_leave(struct packet_run *r);

/* Compares the queued packets, if the log has reached the place where they begin. */
void packet_run_settle(struct packet_run *r, struct packet_log *l);

uint64_t packet_hash(const uint8_t *packet);

#endif
