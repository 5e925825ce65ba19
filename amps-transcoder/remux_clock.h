/* remux_clock.h - one timeline in 90 kHz from a demuxer's timestamps: 33 bits unwrapped, leaps
 * closed, every stream's DTS growing.  Pure. */
#ifndef AMPS_REMUX_CLOCK_H
#define AMPS_REMUX_CLOCK_H

#include "common/base.h"
#include "common/clock.h"

#define REMUX_START_90K (10 * 90000) /* where the timeline begins: well above zero */

struct remux_clock {
	int64_t ref_90k;		     /* last DTS of the source, unwrapped; TIME_NONE */
	int64_t offset_90k;		     /* added to the source's times */
	int64_t old_ref_90k, old_offset_90k; /* of the timeline before, for its late packets */
	int64_t begun_90k;		     /* frontier when the present timeline began */
	int64_t frontier_90k;		     /* largest pts + duration written; TIME_NONE */
	bool rebase;			     /* the next packet begins another timeline */
	uint64_t leaps;
};

void remux_clock_init(struct remux_clock *c);

/* What follows begins anew (a loop, a seek): it is placed at the frontier. */
void remux_clock_splice(struct remux_clock *c);

/* Places one packet: *dts and *pts in 90 kHz of the source in, of our timeline out.  `wraps`: they
 * have 33 bits.  `last_dts` is this stream's, kept by the caller (TIME_NONE at first). */
void remux_clock_place(struct remux_clock *c, bool wraps, int64_t duration_90k, int64_t *last_dts,
		       int64_t *dts, int64_t *pts);

#endif
