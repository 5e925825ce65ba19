/* ingest.h - the job that owns the source connection and fills the plain ring with the whole
 * source, whatever the profile says. */
#ifndef AMPS_INGEST_H
#define AMPS_INGEST_H

#include "amps-transcoder/job.h"
#include "amps-transcoder/pace.h"
#include "amps-transcoder/source.h"
#include "amps-transcoder/ts_sink.h"

/* What a step of a job's loop leads to.  At INGEST_END it has said why the job ends, and its
 * out-parameter has the exit code. */
enum ingest_step { INGEST_ON, INGEST_END };

static inline enum ingest_step ingest_end(int code, int *ret_code)
{
	*ret_code = code;
	return INGEST_END;
}

struct ingest {
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

/* Runs the job's source to its end; returns the exit code. */
int ingest_run(struct job *job);

/* For remux.c.  Takes all waiting orders; false once the job is to end. */
bool ingest_take_orders(struct ingest *in);

/* Waits while the source's clock is ahead of ours; returns when something may be read, or orders
 * have come (false: ask again). */
bool ingest_may_read(struct ingest *in, int64_t clock_90k);

/* Sets the job's deadline for the next blocking call: start or stall timeout. */
void ingest_set_deadline(struct ingest *in);
void ingest_got_data(struct ingest *in, size_t bytes);

/* The end: what a failed or finished read means for the job.  Returns the exit code. */
int ingest_failed(struct ingest *in, int error);
int ingest_finished(struct ingest *in);

/* At the end of a finite source: goes on from its begin if a round is left.  The caller rewinds. */
bool ingest_next_round(struct ingest *in);

#endif
