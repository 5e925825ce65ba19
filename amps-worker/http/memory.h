/* memory.h - how much memory a worker's clients may hold, and what happens above that.
 *
 * Two sums are bounded (limits.h), because a client that reads slowly holds both for as long as it
 * likes:
 *	bodies   rendered answers that live: cached, being sent, or both
 *	sockets  what the kernel keeps to be sent to viewers that do not read
 * Above its bound the memory of a sum is taken back from those who read slowest, never from those
 *who read.  Part of the worker; owns nothing. */
#ifndef AMPS_MEMORY_H
#define AMPS_MEMORY_H

#include "common/base.h"

struct worker;

/* The bytes of all living bodies.  Each body adds itself when it is made and subtracts itself when
 * its last reference goes (reply.h). */
struct body_account {
	size_t bytes;
};

struct memory {
	struct body_account bodies;
	size_t bodies_max;  /* BODIES_MAX; tests set less */
	size_t sockets_max; /* this worker's share of what the kernel has for TCP */
};

/* Reads the kernel's limits: before the sandbox closes, and once `workers` is known. */
void memory_init(struct memory *m, unsigned workers);

/* Is there room for one more body?  Otherwise drops cached bodies that nobody is sent, then ends
 * the slowest answers that are older than ANSWER_SHED_MS.  May free connections in SEND, no others.
 */
bool memory_make_room(struct worker *w);

/* How large the send buffer of a connection may be that would like `wanted` bytes. */
int memory_sndbuf(const struct worker *w, size_t wanted);

/* Ends viewers that do not read, the longest stopped first, while the kernel keeps too much for
 * them. After each viewer_sweep() of all; may free connections. */
void memory_shed_viewers(struct worker *w);

#endif
