/* intake.h - what a role that owns the source connection does whatever it reads: it takes orders,
 * keeps to the pace and the time-outs, counts rounds and says why the job ends. */
#ifndef AMPS_INTAKE_H
#define AMPS_INTAKE_H

#include "amps-transcoder/job/job.h"
#include "amps-transcoder/source/pace.h"
#include "amps-transcoder/source/source.h"
#include "amps-transcoder/ts/sink.h"

/* What a step of a job's loop leads to.  At INTAKE_END it has said why the job ends, and its
 * out-parameter has the exit code. */
enum intake_step { INTAKE_ON, INTAKE_END };

static inline enum intake_step intake_end(int code, int *ret_code)
{
	*ret_code = code;
	return INTAKE_END;
}

struct intake {
	struct job *job;
	struct source source;
	struct ts_sink *sink;
	struct pace pace;
	uint64_t begin_us; /* when the source was asked for */
	uint64_t data_us;  /* when media last came (or was not asked for); 0 = none yet */
	uint64_t start_timeout_us, stall_timeout_us;
	uint64_t round_bytes;	/* read since the last rewind */
	uint64_t media_packets; /* of the sink, at data_us */
	bool told;		/* the master knows what the source is */
};

/* Takes all waiting orders; false once the job is to end. */
bool intake_take_orders(struct intake *in);

/* Waits while the source's clock is ahead of ours; returns when something may be read, or orders
 * have come (false: ask again). */
bool intake_may_read(struct intake *in, int64_t clock_90k);

/* Sets the job's deadline for the next blocking call: start or stall timeout. */
void intake_set_deadline(struct intake *in);
void intake_got_data(struct intake *in, size_t bytes);

/* The end: what a failed or finished read means for the job.  Returns the exit code. */
int intake_failed(struct intake *in, int error);
int intake_finished(struct intake *in);

/* At the end of a finite source: goes on from its begin if a round is left.  The caller rewinds. */
bool intake_next_round(struct intake *in);

#endif
