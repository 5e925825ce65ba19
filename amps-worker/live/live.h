/* live.h - the live side of a worker: streams, from the outputs it wants to the viewers it feeds.
 */
#ifndef AMPS_LIVE_H
#define AMPS_LIVE_H

#include "amps-worker/live/rights.h"
#include "amps-worker/live/units.h"
#include "amps-worker/live/viewer.h"

struct live {
	struct schedule schedule;
	struct outputs outputs;
	struct records records;
	struct grants grants;
	struct viewers viewers;
	struct units units;
	struct rights rights;
	uint64_t sweep_us; /* when viewers are looked at next */
};

/* `context` is borrowed.  0 or -ENOMEM; live_done() is needed either way, after all connections
 * are gone. */
must_check int live_init(struct live *l, struct context *context);
void live_done(struct live *l);

/* What connections call for streams. */
struct conn_hooks live_hooks(struct live *l);

/* Messages. */
void live_on_output_ring(struct live *l, const struct msg_output_ring *m, int fd);
void live_on_output_gone(struct live *l, const struct msg_output_gone *m);
void live_on_kick(struct live *l, uint64_t serial);

/* Every second or more often: ends viewers whose peer is gone without a reset, then live_shed(). */
void live_tick(struct live *l);

/* Ends viewers that do not read, the longest stopped first, while the kernel holds too much memory
 * for them (context.sockets_max). */
void live_shed(struct live *l);

#endif
