/* tuner.h - one tuner: a source connection, its jobs, its outputs and who wants them.  Private to
 * tuners.c, tuner.c, tuner_health.c, tuner_job.c, tuner_lookup.c, tuner_output.c, tuner_report.c,
 * tuner_return.c, tuner_segments.c and tuner_why.c.
 *
 *	tuners > tuner > job (ingest, derive, segment, slate, watch)      owned, in this order
 *	               > output > want
 *
 * States (tuner_set_state is the only writer):
 *
 *	idle -> starting -> running <-> stalled
 *	            |          |  ^        |
 *	            v          v  |        v
 *	         failed      restarting <--+      running -> ended
 *
 * Everything that happens (a want, a message, a death, a timer) changes facts and then calls
 * tuner_update(), the one place that starts and stops jobs from those facts. */
#ifndef AMPS_TUNER_H
#define AMPS_TUNER_H

#include "amps-master/util/backoff.h"
#include "amps-master/util/child_log.h"
#include "amps-master/tuners/history.h"
#include "amps-master/tuners/lookup.h"
#include "amps-master/tuners/segments.h"
#include "amps-master/tuners/output.h"
#include "amps-master/tuners/tuners_env.h"
#include "amps-master/lineup/lineup.h"
#include "common/shm/chantab_layout.h"
#include "common/shm/ring.h"

/* The places for jobs in a tuner; the table of roles in tuner_job.c says which role takes which. */
enum job_seat {
	SEAT_SOURCE,
	SEAT_DERIVE,
	SEAT_SEGMENT,
	SEAT_WATCH,
	SEAT_PROBE, /* an ingest job that tries an earlier source (tuner_return.c) */
	SEAT_COUNT_
};

enum job_state { JOB_WAITS_FOR_NURSERY, JOB_ALIVE, JOB_STOPPING };

struct job {
	struct tuner *tuner;
	enum job_role role;
	enum job_seat seat;
	unsigned source;     /* which one of the tuner's it reads, if it does */
	uint64_t address;    /* of that source */
	bool live, pictures; /* that source, as a job that tries it has reported */
	enum job_state state;
	struct peer *peer;
	int child_fd; /* the job's end, until the nursery has received it */
	pid_t pid;    /* from its HELLO; 0 before, -1 once it is reaped */
	uint64_t started_us;
	uint64_t handed_us;  /* to the nursery */
	uint64_t running_us; /* its first random access point; 0 = none yet */
	uint64_t stop_us;    /* when it was told to stop */
	bool explained;	     /* the reason is known: last_error has it, or the job sent ENDED */
	bool ended;
	enum lost_cause cause; /* if it is lost */
	bool slow;	       /* a derive job that skips; last_error says so */
	uint64_t beat_us;      /* a watch job's last sign of life */
};

/* When the next start of a kind of job may happen. */
struct retry {
	struct backoff backoff;
	uint64_t at_us; /* 0 = at once */
};

/* What is known of one of the tuner's sources; forgotten when the definition changes. */
struct source_health {
	struct backoff backoff;
	uint64_t at_us;		/* not started before that */
	uint64_t start_took_us; /* from its last start to its first media; 0 = not known */
	unsigned silent_starts; /* in a row without media since then */
	bool failed;		/* it brought no media since the tuner began to start */
	bool raw;		/* TS cannot carry it: one job in both roles */
	uint64_t failed_us;	/* when it brought no media; 0 = it has, since then */
	uint64_t slow_us;	/* when it delivered less than real time; 0 = never */
	uint64_t slow_after_us; /* how long that took to be seen at most */
	unsigned rate_permil;	/* of real time, at that moment */
	uint64_t shows_us;	/* it showed nothing: no return to it before that */
	uint32_t shows_wait_ms; /* how long that was */
	bool shows_part;	/* its picture or sound was missing: counts without `watch`, too */
	bool finite;		/* it was a film when it was lost: never tried beside another one */
};

/* Why, and until when, no viewer gets a tuner of its own of this definition: the shared tuner holds
 * the back-off for all of them. */
struct overlap_failure {
	struct retry retry;
	unsigned status;
	char text[ERROR_TEXT_MAX];
};

/* A variant that may have files in the folder of this number, which stays the same until there are
 * none any more. */
struct media_track {
	bool used;
	char variant[VARIANT_NAME_MAX + 1];
};

struct tuner {
	struct tuner *next;
	struct tuners *owner;
	char key[TUNER_KEY_MAX];
	uint32_t channel;
	unsigned own; /* n of "5#n" or "5#n/sd", for one viewer alone; 0 = shared */
	uint64_t own_address, own_token; /* whose; 0 = unknown */
	const struct lineup_tuner *def;	 /* NULL once the line-up has dropped it */
	uint64_t source_hash;		 /* of what the running ingest was started with */
	unsigned source_at; /* which source of the definition plays, or is next; behind the last
			       one: the slate */
	struct source_health health[CHANNEL_SOURCES_MAX + 1]; /* by the source's place */
	enum tuner_state state;
	struct child_log log; /* of its jobs */
	int slot;	      /* of the channel table; -1 while idle: no outputs and no jobs */
	bool forget;	      /* FAILED or ENDED is over: becomes idle when its jobs have exited */
	bool failing;	      /* NEWS_FAILED was told and NEWS_RECOVERED was not */
	bool shown;	      /* has had a random access point since its first viewer came */
	bool seat_shown[SEAT_COUNT_]; /* what the job there fills has been shown */
	bool live, pictures;	      /* its source, as its job has reported */
	/* What its watch job has found, and its source's job, of streams that are gone; the one
	 * that counts. */
	enum content_fault looks, gone, content;
	uint64_t content_us;	    /* since when it is no good */
	struct media_track *tracks; /* [SEGMENT_TRACKS_MAX], by number; NULL = none */
	uint64_t empty_us;	    /* without outputs and jobs since then; 0 = it has some */
	unsigned gop_ms;	 /* longest distance of the source's access points; 0 = not known */
	unsigned encoder_permil; /* how fast its derive job could go; 0 = not known */
	uint64_t frames_dropped; /* pictures that derive jobs have left out */
	uint64_t hint_bytes;	 /* ring size that fitted the source last time */
	struct job *jobs[SEAT_COUNT_];	 /* NULL = none */
	struct output_ring probe;	 /* of the job that tries an earlier source */
	bool probe_switches;		 /* it has the channel's next ring, and takes over */
	unsigned probe_overlaps;	 /* in a row, of the rings with which it was to take over */
	int64_t probe_ahead_90k;	 /* so much later the next of them begins */
	unsigned probe_source;		 /* which source is tried next */
	uint64_t probe_at_us;		 /* when; or the end of its time to take over */
	struct retry retry[SEAT_COUNT_]; /* that of the source follows from `health` */
	struct helper *lookup;	   /* yt-dlp looks for the source of the next start; or NULL */
	uint64_t lookup_turn;	   /* order among those that wait to look it up; 0 = it does not */
	struct found_source found; /* what it found last */
	uint64_t found_us;	   /* when; 0 = nothing, or it has failed since then */
	uint64_t lookup_us; /* when to look again because the running source expires; 0 = never */
	struct overlap_failure *overlap; /* of tuners of this definition that are one viewer's own;
					    NULL = none since the definition changed */
	struct output *outputs;
	unsigned restarts;
	struct history history;
	unsigned source_lost; /* the source that was lost while viewers wait for media */
	uint64_t away_us;     /* since when they wait and it is not counted; 0 = they do not */
	/* of the source's ring: what was counted last */
	uint64_t counted_generation, counted_bytes, counted_errors, counted_jumps;
	uint64_t counted_pair[RING_PAIR_COUNT_];
	unsigned unborn; /* starts in a row of which no job came */
	int64_t started_wall_us;
	struct event *timer;
	char last_error[ERROR_TEXT_MAX]; /* since it was idle; also once it runs again */
	unsigned last_status;
};

struct tuners {
	struct tuners_env env;
	struct lineup *lineup;
	struct tuner *all;
	struct tuner *slots[TUNERS_MAX];
	struct output *output_slots[OUTPUTS_MAX];
	struct want *wants;
	struct ring_pool *ring_pool; /* makes the large rings */
	uint64_t generation;	     /* of the newest ring; unique in the server */
	struct event *pulse;	     /* heartbeats and rates, while there are jobs */
	unsigned jobs;
	struct media_use media;
	uint64_t born_us;      /* when a job introduced itself last */
	unsigned lookups;      /* running, LOOKUPS_MAX at most */
	uint64_t lookup_turns; /* that have been given out */
	bool shutting_down;
};

/* The facts for /metrics in the channel table. */
static inline struct chantab_header *chantab_header(const struct tuners *ts)
{
	return ts->env.chantab;
}

static inline void count_fact(_Atomic uint64_t *fact, int step)
{
	atomic_fetch_add_explicit(fact, (uint64_t)step, memory_order_relaxed);
}

/* tuner.c: facts -> actions */
/* The tuner of this definition, or a new one for this viewer alone; NULL: no memory, or no slot. */
struct tuner *tuner_get(struct tuners *ts, const struct lineup_tuner *def,
			const struct msg_want *m);
/* May one more viewer have a tuner of its own?  0, or the HTTP status of the refusal and why. */
unsigned tuner_refuse_own(const struct tuners *ts, const struct lineup_tuner *def,
			  const struct msg_want *m, const char **ret_text);
/* A tuner of one viewer's own has failed before its first media; or it runs (text NULL). */
void tuner_own_result(const struct tuner *own, unsigned status, const char *text);
/* Its definition in the current line-up; NULL = removed. */
const struct lineup_tuner *tuner_definition(const struct tuner *t);
void tuner_retry_now(struct retry *r); /* what failed before counts no longer */
void tuner_forget_failures(struct tuner *t);
void tuner_free(struct tuner *t);
/* The step must be a legal one. */
void tuner_set_state(struct tuner *t, enum tuner_state state);
void tuner_publish(struct tuner *t);
void tuner_update(struct tuner *t);
void tuner_update_soon(struct tuner *t); /* from the loop: for callers inside a job's message */
bool tuner_both(const struct tuner *t);	 /* one job in both roles? */
/* Can only a profile play the source that plays, or is next? */
static inline bool tuner_raw(const struct tuner *t)
{
	return t->health[t->source_at].raw;
}
/* Is there a source that TS can carry, as far as is known? */
bool tuner_has_plain_source(const struct tuner *t);
/* And is it needed? */
bool tuner_plain_elsewhere(const struct tuner *t);
/* Goes to the first one of them. */
void tuner_choose_plain_source(struct tuner *t);
/* The source at this place, where the slate has one, too.  Only with a definition. */
const struct lineup_source *tuner_source_at(const struct tuner *t, unsigned at);
/* The source that plays, or is next. */
static inline const struct lineup_source *tuner_source(const struct tuner *t)
{
	return tuner_source_at(t, t->source_at);
}
bool tuner_on_slate(const struct tuner *t);	  /* does the slate play, or is it next? */
bool tuner_may_show_slate(const struct tuner *t); /* if no source can be started */
/* The definition is another one than `was` (NULL = there was none): goes on with the source that
 * plays if it is still listed, or with the slate. */
void tuner_follow_sources(struct tuner *t, const struct lineup_tuner *was);
/* The source at this place plays, or is next. */
void tuner_set_source(struct tuner *t, unsigned at);
/* The source at this place is next, as soon as its back-off is over; the caller ends the slate. */
void tuner_leave_slate(struct tuner *t, unsigned at);
/* The source is lost: its back-off begins, and the next one that may start takes its place.
 * Returns how long to wait for that. */
must_check uint32_t tuner_next_source(struct tuner *t, bool young, enum lost_cause cause);
/* Answers and frees all wants of the tuner (or of one output). */
void tuner_give_up(struct tuner *t, enum gone_reason reason, unsigned status, const char *text);
/* A reason as viewers may read it, without the source's address.  `def` may be NULL. */
void tuner_viewers_text(const struct lineup_tuner *def, const char *text,
			char shown[ERROR_TEXT_MAX]);
/* Gives up a tuner that cannot go on: answers its wants, stops its jobs. */
void tuner_fail(struct tuner *t, unsigned status, const char *text);
void tuner_stop_jobs(struct tuner *t);
/* The running source is to make way for another one; its viewers stay. */
void tuner_replace_source(struct tuner *t);
/* The source is lost: before its first media a channel's viewers get last_error, afterwards they
 * stay. */
void tuner_lost_source(struct tuner *t);
/* TS cannot carry the source, nor another one: wants for the unchanged source get last_error, the
 * others one job in both roles. */
void tuner_lost_raw(struct tuner *t);
bool tuner_has_jobs(const struct tuner *t);
bool tuner_empty(const struct tuner *t); /* no outputs, no jobs */

/* What the source's ring says at the moment; zeroes without one. */
struct tuner_facts {
	uint64_t pcr_interval_ms, pcr_jitter_ms;
	uint64_t rate_out_bps; /* of what its jobs make, without segments */
};
struct tuner_facts tuner_facts(const struct tuner *t);
/* Adds to the history what the source's ring has counted, and how long viewers have waited for
 * media, since the last call. */
void tuner_count(struct tuner *t, uint64_t now_us);

/* The channel's source does not work. */
void tuner_tell_failed(struct tuner *t);

/* tuner_health.c: which source is taken */
/* The first one from `first` on that may start now, in a circle, those last that were slow or
 * showed nothing; else the one that may start soonest.  `plain`: of those that TS can carry, if
 * there are any. */
unsigned tuner_choose_source(const struct tuner *t, unsigned first, bool plain, uint64_t now_us);
/* The one to go to from a source that plays but is slow or shows nothing; -1 = there is none. */
int tuner_better_source(const struct tuner *t, uint64_t now_us);
/* The source at this place came to nothing while another one plays.  Its back-off begins. */
void tuner_source_failed(struct tuner *t, unsigned at);
void tuner_health_forget(struct source_health *h);
/* Has the source at this place delivered less than real time lately? */
bool tuner_is_slow(const struct tuner *t, unsigned at, uint64_t now_us);
/* The source at this place, which the job reads, delivers less than real time. */
void tuner_note_slow(struct tuner *t, const struct job *j, unsigned at, unsigned permil);
/* Until when the source at this place is not returned to, because it showed nothing. */
uint64_t tuner_shows_us(const struct tuner *t, unsigned at);
/* The job in this seat, which watches or reads the source, has found this. */
void tuner_content(struct tuner *t, enum job_seat seat, enum content_fault fault);
/* The job in this seat ends: what it has found is not known of what follows. */
void tuner_forget_content(struct tuner *t, enum job_seat seat);
/* The source at this place has come back with sound only. */
void tuner_note_sound_only(struct tuner *t, unsigned at);
/* Another source takes the place of this one: if it showed nothing, that is noted. */
void tuner_leaves_content(struct tuner *t);
/* Leaves a source that shows nothing if there is a better one. */
void tuner_judge_content(struct tuner *t, uint64_t now_us, uint64_t *next_us);
/* "its picture is black"; not of CONTENT_GOOD. */
const char *tuner_content_text(enum content_fault fault);

/* tuner_lookup.c: the address of a source that is a page */
/* Must an address be found before the source can be started? */
bool tuner_must_look_up(const struct tuner *t, uint64_t now_us);
/* Begins, unless it has begun; tuner_update() follows.  While others run it waits for its turn. */
void tuner_look_up(struct tuner *t);
bool tuner_looks_up(const struct tuner *t); /* or waits for its turn */
/* Reports to the want's worker whether the tuner waits for its turn. */
void tuner_send_turn(const struct want *w);
/* It cannot take its turn now: the next one may. */
void tuner_leave_queue(struct tuner *t);
void tuner_look_up_cancel(struct tuner *t);
/* A job starts with the address that was found. */
void tuner_look_up_used(struct tuner *t);
/* Finds a new address for the running source in time. */
void tuner_look_ahead(struct tuner *t, uint64_t now_us, uint64_t *next_us);

/* tuner_return.c: back to an earlier source */
/* Begins, ends or completes what is due; no earlier than *next_us something else is. */
void tuner_return(struct tuner *t, uint64_t now_us, uint64_t *next_us);
/* Does a job that tries an earlier source run, or take over already? */
bool tuner_return_ready(const struct tuner *t);
/* The source that plays is lost.  True: the job that tries another one takes over now. */
bool tuner_return_at_once(struct tuner *t);
void tuner_return_cancel(struct tuner *t);
/* A message of the job that tries a source.  0 or -Exxx. */
must_check int tuner_return_message(struct job *j, const struct msg *m);
/* Its process has ended. */
void tuner_return_lost(struct job *j);
/* What the first ring of that job is told to be, and the ring.  0 or -Exxx. */
must_check int tuner_return_ring(struct job *j);

/* tuner_job.c: processes */
/* The messages of any job about its output: its ring is mapped, or runs; it introduces itself. */
must_check int job_on_hello(struct job *j, const struct msg *m);
must_check int job_on_mapped(struct job *j, const struct msg *m);
must_check int job_on_running(struct job *j, const struct msg *m);
/* Starts an ingest job that tries this source. */
must_check int job_start_probe(struct tuner *t, unsigned source);
/* Delays the next start; `young`: the last one came to nothing.  `what` was lost, for the log. */
void tuner_back_off(struct tuner *t, enum job_seat seat, bool young, const char *what,
		    enum lost_cause cause);
/* Does an output that has not ended need a job of this role? */
bool role_needed(enum job_role role, const struct tuner *t);
/* The job that fills it, or NULL while there is none that takes orders. */
struct job *job_filling(const struct output *o);
must_check int job_start(struct tuner *t, enum job_role role);
void job_hand_over(struct job *j); /* to the nursery, unless it has it already */
void job_stop(struct job *j);	   /* asks it to exit; SIGKILL follows from job_check() */
void job_kill(struct job *j);
void job_free(struct job *j);
/* Kills what is silent, too slow to start or to stop.  Returns the next moment to look again. */
void job_check(struct job *j, uint64_t now_us);

/* tuners.c */
void want_free(struct tuners *ts, struct want *w);

#endif
