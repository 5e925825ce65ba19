/* intake.h - what a role that owns the source connection does whatever it reads: it takes orders,
 * applies pace and timeouts, counts rounds and reports why the job ends. */
#ifndef AMPS_INTAKE_H
#define AMPS_INTAKE_H

#include "amps-transcoder/job/job.h"
#include "amps-transcoder/source/pace.h"
#include "amps-transcoder/source/rate_watch.h"
#include "amps-transcoder/source/source.h"
#include "common/shm/ring_layout.h"

/* What a step of a job's loop leads to.  At INTAKE_END the reason is reported, and the
 * out-parameter has the exit code. */
enum intake_step { INTAKE_ON, INTAKE_END };

static inline enum intake_step intake_end(int code, int *ret_code)
{
	*ret_code = code;
	return INTAKE_END;
}

/* Receives the media of the source. */
struct intake_target {
	/* Follows a JOB_EVENT_OUTPUT or JOB_EVENT_OUTPUT_OFF. */
	void (*order)(void *owner, struct job_event *e);
	/* True if the source may be read. */
	bool (*ready)(const void *owner);
	/* True once something playable has come. */
	bool (*running)(const void *owner);
	/* Until when it holds back what has come, if nothing more comes; 0 = it does not.  NULL: it
	 * never does. */
	uint64_t (*holds_until_us)(const void *owner);
	/* What has come before and is missing now; NULL: it does not look. */
	enum content_fault (*gone)(const void *owner);
	/* The source has ended for good. */
	void (*ended)(void *owner);
};

struct intake {
	struct job *job; /* borrowed, as the next two are */
	const struct intake_target *target;
	void *owner; /* of the target */
	struct source source;
	struct pace pace;
	struct rate_watch rate;
	uint64_t begin_us; /* when the source was asked for */
	uint64_t data_us;  /* when media last came (or was not asked for); 0 = none yet */
	uint64_t start_timeout_us, stall_timeout_us;
	uint64_t cushion_us;	 /* the target holds so much back; 0 = nothing */
	uint64_t round_bytes;	 /* read since the last rewind */
	enum content_fault gone; /* of a live source, as it was reported last */
};

/* Reads the job's spec; nothing is opened yet.  Close it with source_close(&in->source), also
 * after INTAKE_END. */
must_check enum intake_step intake_init(struct intake *in, struct job *job,
					const struct intake_target *target, void *owner,
					int *ret_code);

/* Takes all waiting orders; false once the job is to end. */
bool intake_take_orders(struct intake *in);

/* The pace of a source of this kind. */
void intake_begin_pace(struct intake *in, enum pace_kind kind);

/* Waits until the target is ready; false once the job is to end. */
bool intake_await_target(struct intake *in);

/* Waits while the source's clock is ahead of real time.  True: the next read is due; false: orders
 * have come, ask again. */
bool intake_may_read(struct intake *in, int64_t clock_90k);

/* Until when the target holds something back, if nothing more comes; 0 = it does not. */
uint64_t intake_holds_until_us(const struct intake *in);

/* Sets the job's deadline for the next blocking call: start or stall timeout. */
void intake_set_deadline(struct intake *in);
void intake_got_data(struct intake *in, size_t bytes);

/* What was counted of the legs so far; false where the source is no pair. */
must_check bool intake_pair_counts(const struct intake *in, uint64_t counts[RING_PAIR_COUNT_]);

/* Since asked_us the job has waited for the source. */
void intake_waited(struct intake *in, uint64_t asked_us);

/* The source's times have not advanced for so long.  Ends the job if that is too long, and all that
 * came before has been shown. */
enum intake_step intake_clock_stands(struct intake *in, uint64_t stands_us, int *ret_code);

/* The end: what a failed or finished read means for the job.  `error` is ours or libav's.  Returns
 * the exit code. */
int intake_failed(struct intake *in, int error);
int intake_finished(struct intake *in);

/* At the end of a finite source: true if another round is left, which then counts as begun.  The
 * caller rewinds. */
bool intake_next_round(struct intake *in);

#endif
