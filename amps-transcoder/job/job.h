/* job.h - one job process: its orders, its messages to the master, its heartbeats.
 *
 * The nursery hands an idle child the socket of a job; job_run.h reads the JOB message, gives up
 * rights and runs the role: ingest_run(), derive_run() or both_run().  A role owns the process from
 * then on; it returns the exit code (0 after ENDED or SHUTDOWN, 1 after FAILED), which job_end_*()
 * give it.
 *
 * Orders arrive at any time.  A role takes them with job_poll() from its own loop, or waits with
 * job_wait().  While it is blocked inside libav, job_interrupt (an AVIOInterruptCB) reads the
 * socket for it: orders are queued for the next job_poll(), and SHUTDOWN or a passed deadline ends
 * the blocking call.  All of them also write the heartbeat of every ring the job has announced with
 * job_ring_add().
 *
 * One thread only (codec threads never call this). */
#ifndef AMPS_JOB_H
#define AMPS_JOB_H

#include <jansson.h>
#include <sys/types.h>
#include "common/base.h"
#include "common/defaults.h"
#include "common/limits.h"
#include "common/msg/msg.h"
#include "common/shm/form.h"
#include "common/shm/ring_writer.h"

#define JOB_EVENTS_MAX	64			/* orders not taken yet */
#define JOB_RINGS_MAX	(2 * TUNER_OUTPUTS_MAX) /* a ring and its larger successor */
#define JOB_NOTICES_MAX 32			/* distinct notices that a job sends */

enum job_event_kind {
	JOB_EVENT_NONE,
	JOB_EVENT_OUTPUT,      /* a ring for an output: new, or the larger one to move to */
	JOB_EVENT_OUTPUT_OFF,  /* switch `output` off */
	JOB_EVENT_SOURCE_RING, /* what a derive or segment job reads; also each later generation */
	JOB_EVENT_WINDOW,      /* a segment job may keep `percent` of its windows */
	JOB_EVENT_SHUTDOWN,    /* finish, or the master is gone; every later poll repeats it */
};

/* An order.  Owns fd and spec: job_event_done() releases what was not taken (TAKE_FD). */
struct job_event {
	enum job_event_kind kind;
	int fd; /* ring; -1 if the kind has none */
	uint32_t output;
	uint64_t generation;
	uint64_t data_bytes;
	uint32_t unit_bytes; /* of a ring that is read */
	enum output_form form;
	char track[TRACK_NAME_MAX + 1];
	int64_t continue_90k;
	int64_t continue_clock_90k; /* of the clock references before; TIME_NONE */
	uint64_t continue_mono_us;  /* clock_mono_us() at which these were read */
	bool same_job;
	unsigned percent;
	json_t *spec; /* the output's profile; NULL for the plain ring of an ingest */
};
#define JOB_EVENT_INIT ((struct job_event){.fd = -1})
void job_event_done(struct job_event *e);

struct job {
	int socket;
	int keeper; /* socket to the keeper of its command (command/keeper.h); -1 = none */
	enum job_role role;
	char key[TUNER_KEY_MAX]; /* "5", "5/sd" */
	json_t *spec;		 /* lineup.h has its members; never NULL once running */
	json_t *hardware;     /* verdicts on devices (encode/hardware.h); NULL = none were tried */
	int64_t continue_90k; /* go on from this pts, TIME_NONE = a fresh start */
	uint64_t continue_mono_us;
	int64_t epoch_mono_us;
	uint64_t start_timeout_us; /* for the source's first bytes */
	uint64_t deadline_us;	   /* clock_mono_us() at which a blocking call must end; 0 = none */
	/* The rest is job.c's own. */
	bool shutdown;
	bool broken; /* the master sent an unknown message, or is gone */
	struct job_event events[JOB_EVENTS_MAX];
	unsigned event_first, event_count;
	struct ring_writer *rings[JOB_RINGS_MAX];
	void (*tick)(void *owner); /* NULL = none */
	void *tick_owner;
	uint64_t heartbeat_us, looked_us;
	uint64_t notices[JOB_NOTICES_MAX]; /* hashes of those sent */
	unsigned notice_count;
	pid_t master_pid;
	char program[TUNER_KEY_MAX + 16]; /* for the log */
};

/* The start of a job, for job_run.c: job_open() takes the socket and sends HELLO and READY;
 * job_await_orders() waits for the JOB message and configures the log; job_follow_master() makes
 * the kernel kill us when the master dies. 0 or -Exxx (the process should exit). */
must_check int job_open(struct job *job, int socket);
must_check int job_await_orders(struct job *job);
must_check int job_follow_master(const struct job *job);
void job_close(struct job *job);

/* Takes the next order without waiting; kind NONE when there is none.  Never fails: a broken socket
 * is a SHUTDOWN. */
void job_poll(struct job *job, struct job_event *ret);

/* Sleeps up to timeout_ms.  True, and at once, if an order has come (take it with job_poll()).
 * Heartbeats go on. */
bool job_wait(struct job *job, unsigned timeout_ms);

/* How long a read may wait for its source before the role calls job_poll() again. */
int job_read_ms(const struct job *job);

/* For AVIOInterruptCB, opaque = the job.  1: give up (shutdown, or job->deadline_us has passed). */
int job_interrupt(void *opaque);
bool job_deadline_passed(const struct job *job);

/* True once SHUTDOWN came or the master is gone. */
bool job_ending(const struct job *job);

/* At the end: is an order to switch this output off among those that were not taken? */
bool job_switched_off(const struct job *job, uint32_t output);

/* Heartbeats for this ring from now on / no longer.  Borrowed until removed. */
void job_ring_add(struct job *job, struct ring_writer *w);
void job_ring_remove(struct job *job, struct ring_writer *w);

/* Calls `tick` from now on, out of job_poll(), job_wait() and job_interrupt: some forty times a
 * second, ten times while a protocol of libav waits for its source; NULL: no longer.  It calls none
 * of these. */
void job_on_tick(struct job *job, void (*tick)(void *owner), void *owner);

/* Messages to the master.  They wait up to a second when the socket is full; a broken socket shows
 * as SHUTDOWN at the next poll. */
void job_report_mapped(struct job *job, uint32_t output,
		       uint64_t generation); /* before any write */
void job_report_running(struct job *job, uint32_t output, uint64_t generation);
void job_report_ring_small(struct job *job, uint32_t output, uint64_t wanted_bytes);
/* `streams`, for the log: "0:video:h264,1:audio:aac", the source's own order, as `map` counts. */
void job_report_source(struct job *job, enum source_kind kind, bool live, bool pictures,
		       const char *streams);
/* A stream or an option is not served as asked, and the job goes on without it: the master puts the
 * sentence into the log and into last_error.  The same text is sent once. */
void job_report_notice(struct job *job, const char *format, ...) printf_like(2, 3);
/* The longest distance of two access points of the source so far. */
void job_report_gop(struct job *job, unsigned longest_ms);
/* What a watch job has found. */
void job_report_content(struct job *job, enum content_fault fault);
/* A derive job is too slow for its source and skips, or keeps up again. */
void job_report_slow(struct job *job, bool slow);
/* A derive job could go so fast, and has left out so many pictures since the last report. */
void job_report_effort(struct job *job, unsigned permil, uint64_t dropped);
/* The source delivers so many permil of real time. */
void job_report_rate(struct job *job, unsigned permil);
/* One output is given up, the job goes on.  `generation` is that of the ring it was given. averror
 * 0: `what` is the whole reason; else libav's last log lines are added to it. */
void job_report_output_failed(struct job *job, uint32_t output, uint64_t generation,
			      const char *what, int averror);
/* The same because there is no room: 503. */
void job_report_output_full(struct job *job, uint32_t output, uint64_t generation, const char *why);

/* Final messages; each returns the exit code of the process. */
int job_end_shutdown(struct job *job);
int job_end_ended(struct job *job);
/* A source that sent nothing for timeout_us: 504, and STALLED before it if it had sent something.
 * `shown` is the source without credentials. */
int job_end_silent(struct job *job, const char *shown, bool begun, uint64_t timeout_us);
/* `status` is 502 or 504.  URLs in the text must have gone through text_redact_url(). */
int job_end_failed(struct job *job, unsigned status, const char *format, ...) printf_like(3, 4);
/* "what: the last lines libav logged", or the meaning of averror when it logged none. */
int job_end_failed_av(struct job *job, unsigned status, const char *what, int averror);

/* " derive", for titles: "" for a job that owns the source. */
const char *job_role_name(const struct job *job);

/* Members of the spec with their defaults. */
const char *job_spec_text(const struct job *job, const char *name, const char *otherwise);
int64_t job_spec_int(const struct job *job, const char *name, int64_t otherwise);
bool job_spec_bool(const struct job *job, const char *name);

#endif
