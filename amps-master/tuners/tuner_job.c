/* tuner_job.c - the processes of a tuner: started through the nursery, one socket each, asked to
 * end, then killed if they do not. */
#include "amps-master/tuners/tuner.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "common/text/buf.h"
#include "common/log/log.h"
#include "common/msg/peer.h"
#include "common/process.h"
#include "common/text/text.h"

#define JOB_STOP_US  2000000 /* from SHUTDOWN to SIGKILL */
#define JOB_HELLO_US 3000000 /* from the nursery, or from another job's HELLO, to its own HELLO */
#define JOB_SILENCE_US                                                                             \
	5000000 /* without a heartbeat once it runs: a codec may be busy for a while */
#define JOB_START_SLACK_US                                                                         \
	5000000		       /* beyond start_timeout, whose viewers the workers have answered */
#define SLATE_AFTER_MS 1000    /* beyond what a source's last start took */
#define JOB_BRIEF_US   1000000 /* a job that ran so long was useful: its successor starts at once */
#ifdef AMPS_SANITIZED
#define SANITIZER_MEMORY 4 /* their shadow memory and their quarantine of freed memory */
#else
#define SANITIZER_MEMORY 1
#endif

enum filling { FILLS_SOURCE, FILLS_DERIVED, FILLS_OF_TS, FILLS_NOTHING };

static const struct role {
	const char *name;
	const char *title; /* what it adds to its name in the log */
	enum job_seat seat;
	enum filling fills;
	unsigned memory_mb;
} roles[JOB_ROLE_COUNT_] = {
	[JOB_INGEST] = {"ingest", "", SEAT_SOURCE, FILLS_SOURCE, JOB_MEMORY_INGEST_MB},
	[JOB_DERIVE] = {"derive", " derive", SEAT_DERIVE, FILLS_DERIVED, JOB_MEMORY_DERIVE_MB},
	[JOB_BOTH] = {"ingest and derive", "", SEAT_SOURCE, FILLS_DERIVED, JOB_MEMORY_DERIVE_MB},
	[JOB_SEGMENT] = {"segment", " segment", SEAT_SEGMENT, FILLS_OF_TS, JOB_MEMORY_INGEST_MB},
	[JOB_SLATE] = {"slate", " slate", SEAT_SOURCE, FILLS_SOURCE, JOB_MEMORY_DERIVE_MB},
	[JOB_WATCH] = {"watch", " watch", SEAT_WATCH, FILLS_NOTHING, JOB_MEMORY_DERIVE_MB},
};

static enum filling filling_of(const struct output *o)
{
	if (form_reads_ts(o->id.form))
		return FILLS_OF_TS;
	return o->source ? FILLS_SOURCE : FILLS_DERIVED;
}

/* Is the output one that a job of this role fills? */
static bool role_fills(enum job_role role, const struct output *o)
{
	return roles[role].fills == filling_of(o);
}

/* Is there a source's ring whose content is to be watched? */
static bool watch_needed(const struct tuner *t)
{
	const struct output *o = output_source(t);

	return t->def && t->def->watch_content && !tuner_on_slate(t) && !tuner_both(t) &&
	       t->state == TUNER_RUNNING && o && o->current.fd >= 0;
}

bool role_needed(enum job_role role, const struct tuner *t)
{
	if (roles[role].fills == FILLS_NOTHING)
		return watch_needed(t);
	for (const struct output *o = t->outputs; o; o = o->next)
		if (role_fills(role, o) && !o->ended)
			return true;
	return false;
}

struct job *job_filling(const struct output *o)
{
	struct job *probe = o->tuner->jobs[SEAT_PROBE];

	if (o->source && o->tuner->probe_switches && probe && probe->state != JOB_STOPPING)
		return probe;
	for (size_t i = 0; i < SEAT_PROBE; i++) {
		struct job *j = o->tuner->jobs[i];

		if (j && j->state != JOB_STOPPING && role_fills(j->role, o))
			return j;
	}
	return NULL;
}

static const char *name_of(const struct job *j)
{
	return roles[j->role].name;
}

static bool owns_source(const struct job *j)
{
	return j->seat == SEAT_SOURCE;
}

static struct retry *retry_of(struct job *j)
{
	return &j->tuner->retry[j->seat];
}

static struct job **place_of(struct job *j)
{
	return &j->tuner->jobs[j->seat];
}

void job_kill(struct job *j)
{
	if (j->pid > 0)
		kill(j->pid, SIGKILL);
}

static void job_set_state(struct job *j, enum job_state state)
{
	static const bool legal[][JOB_STOPPING + 1] = {
		[JOB_WAITS_FOR_NURSERY] = {[JOB_ALIVE] = true, [JOB_STOPPING] = true},
		[JOB_ALIVE] = {[JOB_STOPPING] = true},
		[JOB_STOPPING] = {0},
	};

	assert(legal[j->state][state]);
	j->state = state;
}

/* To be called while the tuner does not have the job itself: counts the first job that starts and
 * the last one that exits. */
static void count_running(const struct tuner *t, int step)
{
	if (!tuner_has_jobs(t))
		count_fact(&chantab_header(t->owner)->tuners_running, step);
}

/* A later error stays when the job keeps up again. */
static void job_set_slow(struct job *j, bool slow)
{
	static const char text[] = "the encoder is too slow for the source, skipping ahead";
	struct tuner *t = j->tuner;

	if (j->slow == slow)
		return;
	j->slow = slow;
	if (slow)
		text_copy(t->last_error, sizeof(t->last_error), text);
	else if (strcmp(t->last_error, text) == 0)
		t->last_error[0] = '\0';
}

void job_free(struct job *j)
{
	assert(*place_of(j) == j && j->tuner->owner->jobs > 0);
	job_set_slow(j, false);
	*place_of(j) = NULL;
	if (j->seat == SEAT_WATCH || j->seat == SEAT_SOURCE)
		tuner_forget_content(j->tuner, j->seat);
	if (j->seat == SEAT_DERIVE)
		j->tuner->encoder_permil = 0;
	if (j->seat == SEAT_PROBE) {
		j->tuner->probe_switches = false;
		output_ring_drop(&j->tuner->probe);
	}
	count_running(j->tuner, -1);
	j->tuner->owner->jobs--;
	close_fd(&j->child_fd);
	j->peer = peer_free(j->peer);
	free(j);
}

void job_stop(struct job *j)
{
	if (j->state == JOB_STOPPING)
		return;
	j->stop_us = clock_mono_us();
	if (j->state == JOB_WAITS_FOR_NURSERY)
		close_fd(&j->child_fd); /* no process has it: the peer sees the end at once */
	else
		peer_send_shutdown(j->peer, &(struct msg_shutdown){}, NULL);
	job_set_state(j, JOB_STOPPING);
	if (j->seat == SEAT_WATCH || j->seat == SEAT_SOURCE)
		tuner_forget_content(j->tuner, j->seat);
}

void job_hand_over(struct job *j)
{
	const struct tuners_env *env = &j->tuner->owner->env;

	assert((j->child_fd >= 0) == (j->state == JOB_WAITS_FOR_NURSERY));
	if (j->state != JOB_WAITS_FOR_NURSERY || env->fork_job(env->owner, j->child_fd) < 0)
		return;
	close_fd(&j->child_fd);
	j->handed_us = clock_mono_us();
	job_set_state(j, JOB_ALIVE);
}

/* Is what happens to it a fault of the channel? */
static bool is_channels(const struct job *j)
{
	return j->seat != SEAT_PROBE && j->seat != SEAT_WATCH;
}

static uint64_t heartbeat_us(const struct job *j)
{
	uint64_t newest = j->beat_us;

	for (const struct output *o = j->tuner->outputs; o; o = o->next) {
		const struct output_ring *rings[] = {
			j->seat == SEAT_PROBE ? &j->tuner->probe : &o->current, &o->next_ring};

		if (!role_fills(j->role, o))
			continue;
		for (size_t i = 0; i < array_size(rings); i++)
			if (rings[i]->map.header)
				newest = MAX(newest, atomic_load_explicit(
							     &rings[i]->map.header->heartbeat_us,
							     memory_order_relaxed));
	}
	return newest;
}

/* True with the reason if the job uses more memory than it may. */
static bool is_too_large(const struct job *j, char *why, size_t cap)
{
	unsigned configured = j->tuner->owner->lineup->settings.memory_mb;
	unsigned limit_mb = configured ? configured : roles[j->role].memory_mb;
	uint64_t used_mb = process_own_bytes(j->pid) >> 20;

	if (used_mb <= (uint64_t)limit_mb * SANITIZER_MEMORY)
		return false;
	snprintf(why, cap,
		 configured ? "its process used more than limits.memory_mb (%llu MB of %u)"
			    : "its process used too much memory (%llu MB of %u; limits.memory_mb "
			      "sets the limit)",
		 (unsigned long long)used_mb, limit_mb);
	return true;
}

/* Is it to have media of its own in time?  A segment job waits for those of others. */
static bool must_run(const struct job *j)
{
	return j->role != JOB_SEGMENT && roles[j->role].fills != FILLS_NOTHING;
}

void job_check(struct job *j, uint64_t now_us)
{
	char too_large[160];
	const struct lineup_settings *s = &j->tuner->owner->lineup->settings;
	uint64_t start_us = (uint64_t)s->start_timeout_ms * 1000 + JOB_START_SLACK_US;
	uint64_t beat_us = heartbeat_us(j);
	/* a watch job gives no sign of life while it decodes a picture */
	uint64_t silence_us = j->seat == SEAT_WATCH ? 3 * JOB_SILENCE_US : JOB_SILENCE_US;
	const char *why = NULL;

	/* stop_us and started_us may be later than now_us: a job that was checked before this one
	 * may have stopped it or started it */
	if (j->state == JOB_STOPPING && now_us > j->stop_us + JOB_STOP_US)
		why = "it did not stop in time";
	else if (j->state == JOB_ALIVE && must_run(j) && !j->running_us &&
		 now_us > j->started_us + start_us)
		why = "it delivered nothing in time";
	else if (j->state == JOB_ALIVE && j->running_us && beat_us &&
		 now_us > beat_us + silence_us && now_us > j->running_us + silence_us)
		why = "it sent no heartbeat";
	else if (j->state == JOB_ALIVE && is_too_large(j, too_large, sizeof(too_large)))
		why = too_large;
	/* a nursery that is still forking other jobs is late, not hung */
	if (j->state == JOB_ALIVE && !j->pid &&
	    now_us > MAX(j->handed_us, j->tuner->owner->born_us) + JOB_HELLO_US)
		j->tuner->owner->env.nursery_hangs(j->tuner->owner->env.owner);
	if (!why)
		return;
	log_warn("the %s job does not work (%s), killing it channel=%s pid=%d", name_of(j), why,
		 j->tuner->key, (int)j->pid);
	if (!j->explained && is_channels(j))
		text_copy(j->tuner->last_error, sizeof(j->tuner->last_error), why);
	j->explained = true;
	job_kill(j);
	/* a job without a HELLO has no known pid: only its socket can end it */
	if (j->pid <= 0) {
		struct tuner *t = j->tuner;

		job_free(j);
		tuner_update(t);
	}
}

/* ---------- messages ---------- */

static struct output *output_of(struct job *j, uint32_t slot)
{
	struct output *o = slot < OUTPUTS_MAX ? j->tuner->owner->output_slots[slot] : NULL;

	if (!o || o->tuner != j->tuner || !role_fills(j->role, o))
		return NULL;
	assert(o->slot == slot);
	return o;
}

/* The job reports its own pid, and only a child of this process may be signalled later: returns the
 * pid, -1 if it was reaped before its message was read, or 0 if it is not a child. */
static pid_t child_of_ours(pid_t pid)
{
	siginfo_t info;

	if (pid <= 1)
		return 0;
	if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0)
		return pid;
	return kill(pid, 0) < 0 && errno == ESRCH ? -1 : 0;
}

int job_on_hello(struct job *j, const struct msg *m)
{
	struct msg_hello hello;
	int r = msg_decode_hello(m->bytes, m->len, &hello);
	pid_t pid = r < 0 ? 0 : child_of_ours((pid_t)hello.pid);

	if (!pid || j->pid || strcmp(hello.version, AMPS_VERSION) != 0)
		return -EBADMSG;
	j->pid = pid;
	j->tuner->unborn = 0;
	j->tuner->owner->born_us = clock_mono_us();
	tuner_publish(j->tuner);
	return 0;
}

int job_on_mapped(struct job *j, const struct msg *m)
{
	struct msg_job_mapped mapped;
	int r = msg_decode_job_mapped(m->bytes, m->len, &mapped);
	struct output *o = r < 0 ? NULL : output_of(j, mapped.output);

	if (r < 0 || !o)
		return r;
	/* an output or a ring that was withdrawn in the meantime is not the job's fault */
	r = output_on_mapped(o, mapped.generation);
	return r == -ESTALE ? 0 : r;
}

int job_on_running(struct job *j, const struct msg *m)
{
	struct msg_job_running running;
	struct tuner *t = j->tuner;
	int r = msg_decode_job_running(m->bytes, m->len, &running);
	struct output *o = r < 0 ? NULL : output_of(j, running.output);

	if (r < 0 || !o)
		return r;
	if (j->ended)
		return -EBADMSG; /* after its ENDED */
	r = output_on_running(o, running.generation);
	if (r < 0)
		return r == -ESTALE ? 0 : r;
	if (!j->running_us) {
		j->running_us = clock_mono_us();
		if (owns_source(j))
			t->health[t->source_at].start_took_us = j->running_us - j->started_us;
		if (owns_source(j))
			t->health[t->source_at].failed_us = 0;
		log_info("the channel is running channel=%s job=%s pid=%d after_ms=%d", t->key,
			 name_of(j), (int)j->pid, (int)((j->running_us - j->started_us) / 1000));
	}
	if (t->own && !t->shown)
		tuner_own_result(t, 0, NULL);
	t->seat_shown[j->seat] = true;
	t->shown = true;
	if (owns_source(j)) {
		/* what failed was in the format of the source before */
		if (t->def && !tuner_on_slate(t))
			t->health[t->def->source_count].silent_starts = 0;
		tuner_set_state(t, TUNER_RUNNING);
		tuner_update_soon(t); /* an earlier source may be tried now */
	}
	return 0;
}

/* The wanted size comes from the job's own measurement; it is hostile until clamped. */
static int on_ring_small(struct job *j, const struct msg *m)
{
	struct msg_job_ring_small small;
	int r = msg_decode_job_ring_small(m->bytes, m->len, &small);
	struct output *o = r < 0 ? NULL : output_of(j, small.output);
	uint64_t bytes;

	if (r < 0 || !o)
		return r;
	bytes = ring_class(small.wanted_bytes);
	if (o->next_ring.fd >= 0 || o->ordered.generation || bytes <= o->current.data_bytes)
		return 0;
	if (o->source)
		j->tuner->hint_bytes = bytes;
	log_info("the channel gets a larger ring channel=%s bytes=%llu", j->tuner->key,
		 (unsigned long long)bytes);
	r = output_give_ring(o, j, bytes, true);
	if (r < 0)
		log_warn("a larger ring cannot be made (%s), keeping the small one channel=%s",
			 strerror(-r), j->tuner->key);
	return 0;
}

static int on_source(struct job *j, const struct msg *m)
{
	struct msg_job_source source;
	int r = msg_decode_job_source(m->bytes, m->len, &source);

	if (r < 0 || source.kind >= SOURCE_KIND_COUNT_)
		return -EBADMSG;
	j->tuner->live = source.live;
	j->tuner->pictures = source.pictures;
	if (source.kind == SOURCE_RAW && j->role == JOB_INGEST)
		j->tuner->health[j->tuner->source_at].raw = true;
	return 0;
}

static int on_ended(struct job *j, const struct msg *m)
{
	struct msg_job_ended ended;
	struct tuner *t = j->tuner;
	int r = msg_decode_job_ended(m->bytes, m->len, &ended);

	if (r < 0)
		return r;
	j->explained = j->ended = true;
	/* a want that arrives before its process has exited is for the next showing */
	if (owns_source(j))
		tuner_set_state(t, TUNER_ENDED);
	for (struct output *o = t->outputs; o; o = o->next) {
		if (!role_fills(j->role, o))
			continue;
		o->ended = true;
		output_gone(o, GONE_ENDED, 404, "the programme has ended");
	}
	log_info("the source has come to its end channel=%s job=%s", t->key, name_of(j));
	return 0;
}

/* One output's profile is at fault: its viewers get the reason, the others are not affected.  The
 * slot of an output that was switched off may be reused: the ring's generation identifies it. */
static int on_output_failed(struct job *j, const struct msg *m)
{
	struct msg_job_output_failed failed;
	struct tuner *t = j->tuner;
	int r = msg_decode_job_output_failed(m->bytes, m->len, &failed);
	struct output *o = r < 0 ? NULL : output_of(j, failed.output);

	if (r < 0 || !o || !output_has_ring(o, failed.generation))
		return r;
	text_copy_foreign(t->last_error, sizeof(t->last_error), failed.text);
	log_warn("an output cannot be made (%s), continuing without it channel=%s variant=%s",
		 t->last_error, t->key, o->id.variant);
	if (failed.status == 503)
		segments_hold(t->owner);
	output_fail(o, failed.status == 503 || failed.status == 504 ? failed.status : 502,
		    t->last_error);
	tuner_update_soon(t);
	return 0;
}

static int on_notice(struct job *j, const struct msg *m)
{
	struct msg_job_notice notice;
	struct tuner *t = j->tuner;
	int r = msg_decode_job_notice(m->bytes, m->len, &notice);

	if (r < 0 || j->state == JOB_STOPPING)
		return r;
	text_copy_foreign(t->last_error, sizeof(t->last_error), notice.text);
	log_warn("something is not served as configured (%s), continuing with the rest channel=%s",
		 t->last_error, t->key);
	tuner_publish(t);
	return 0;
}

static int on_failed(struct job *j, const struct msg *m)
{
	struct msg_job_failed failed;
	struct tuner *t = j->tuner;
	int r = msg_decode_job_failed(m->bytes, m->len, &failed);

	if (r < 0)
		return r;
	j->explained = true;
	/* the text may come from the source */
	text_copy_foreign(t->last_error, sizeof(t->last_error), failed.text);
	t->last_status = failed.status == 504 ? 504 : 502;
	if (j->cause != LOST_SILENT)
		j->cause = failed.status == 504 ? LOST_SILENT : LOST_FAILED;
	return 0;
}

static int on_stalled(struct job *j, const struct msg *m)
{
	struct msg_job_stalled stalled;
	int r = msg_decode_job_stalled(m->bytes, m->len, &stalled);

	if (r == 0)
		j->cause = LOST_SILENT;
	if (r == 0 && j->tuner->state == TUNER_RUNNING)
		tuner_set_state(j->tuner, TUNER_STALLED);
	return r;
}

static int on_slow(struct job *j, const struct msg *m)
{
	struct msg_job_slow slow;
	int r = msg_decode_job_slow(m->bytes, m->len, &slow);

	if (r == 0) {
		job_set_slow(j, slow.slow != 0);
		tuner_publish(j->tuner);
	}
	return r;
}

static int on_effort(struct job *j, const struct msg *m)
{
	struct msg_job_effort effort;
	int r = msg_decode_job_effort(m->bytes, m->len, &effort);

	if (r < 0)
		return r;
	if (j->role != JOB_DERIVE)
		return -EBADMSG;
	j->tuner->encoder_permil = effort.permil;
	/* whatever a job says: the counter never goes back, and fits JSON */
	j->tuner->frames_dropped +=
		MIN(effort.dropped, (uint64_t)INT64_MAX - j->tuner->frames_dropped);
	return 0;
}

static void lost(struct job *j);

/* With another source at hand it counts as lost. */
static int on_rate(struct job *j, const struct msg *m)
{
	struct tuner *t = j->tuner;
	struct msg_job_rate rate;

	if (msg_decode_job_rate(m->bytes, m->len, &rate) < 0 || rate.permil == 0 ||
	    rate.permil >= 1000 || !owns_source(j))
		return -EBADMSG;
	if (t->state != TUNER_RUNNING || tuner_on_slate(t))
		return 0;
	/* its place in the present list, which may be another one than when the job began */
	tuner_note_slow(t, j, t->source_at, rate.permil);
	if (tuner_better_source(t, clock_mono_us()) < 0)
		return 0;
	snprintf(t->last_error, sizeof(t->last_error), "the source delivers only %u%% of real time",
		 rate.permil / 10);
	j->explained = true;
	j->cause = LOST_SLOW;
	job_stop(j);
	lost(j);
	tuner_update_soon(t);
	return 0;
}

static int on_content(struct job *j, const struct msg *m)
{
	struct msg_job_content content;
	int r = msg_decode_job_content(m->bytes, m->len, &content);

	if (r < 0)
		return r;
	if ((j->role != JOB_WATCH && !owns_source(j)) || content.fault >= CONTENT_FAULT_COUNT_)
		return -EBADMSG;
	if (j->role == JOB_WATCH) {
		j->beat_us = clock_mono_us();
		j->running_us = j->running_us ? j->running_us : j->beat_us;
	}
	tuner_content(j->tuner, j->seat, (enum content_fault)content.fault);
	return 0;
}

static int on_gop(struct job *j, const struct msg *m)
{
	struct msg_job_gop gop;
	int r = msg_decode_job_gop(m->bytes, m->len, &gop);

	if (r == 0)
		j->tuner->gop_ms = MIN(gop.longest_ms, SEGMENT_SECONDS_MAX * 1000u);
	return r;
}

/* Its names are those that the job and the keeper of its command have in their own log. */
static int on_log_line(struct job *j, const struct msg *m)
{
	char program[TUNER_KEY_MAX + 16];
	struct msg_log_line line;
	int r = msg_decode_log_line(m->bytes, m->len, &line);

	if (r < 0)
		return r;
	snprintf(program, sizeof(program), "%s[%s%s]", line.command ? "command" : "job",
		 j->tuner->key, line.command ? "" : roles[j->role].title);
	return child_log_take(&j->tuner->log, program, line.command ? 0 : j->pid, &line);
}

static int on_ready(struct job *j, const struct msg *m)
{
	struct msg_ready ready;

	(void)j;
	return msg_decode_ready(m->bytes, m->len, &ready);
}

static int (*const handlers[MSG_TYPE_COUNT_])(struct job *j, const struct msg *m) = {
	[MSG_HELLO] = job_on_hello,
	[MSG_READY] = on_ready,
	[MSG_LOG_LINE] = on_log_line,
	[MSG_JOB_MAPPED] = job_on_mapped,
	[MSG_JOB_RUNNING] = job_on_running,
	[MSG_JOB_RING_SMALL] = on_ring_small,
	[MSG_JOB_SOURCE] = on_source,
	[MSG_JOB_ENDED] = on_ended,
	[MSG_JOB_OUTPUT_FAILED] = on_output_failed,
	[MSG_JOB_NOTICE] = on_notice,
	[MSG_JOB_FAILED] = on_failed,
	[MSG_JOB_STALLED] = on_stalled,
	[MSG_JOB_SLOW] = on_slow,
	[MSG_JOB_RATE] = on_rate,
	[MSG_JOB_EFFORT] = on_effort,
	[MSG_JOB_GOP] = on_gop,
	[MSG_JOB_CONTENT] = on_content,
};

static int on_message(void *owner, struct peer *p, struct msg *m)
{
	struct job *j = owner;

	(void)p;
	if (!handlers[m->type])
		return -EBADMSG;
	/* What a stopping job says is about a definition, a source or outputs that are no longer
	 * wanted.  Its pid is needed to kill it. */
	if (j->state == JOB_STOPPING && m->type != MSG_HELLO && m->type != MSG_LOG_LINE)
		return 0;
	if (j->seat == SEAT_PROBE && j->state != JOB_STOPPING && m->type != MSG_LOG_LINE)
		return tuner_return_message(j, m);
	return handlers[m->type](j, m);
}

/* ---------- the end ---------- */

void tuner_back_off(struct tuner *t, enum job_seat seat, bool young, const char *what,
		    enum lost_cause cause)
{
	bool source = seat == SEAT_SOURCE;
	struct history_counts count = {0};
	struct retry *retry = &t->retry[seat];
	uint64_t now_us = clock_mono_us();
	uint32_t delay_ms;

	assert(cause < LOST_CAUSE_COUNT_);
	/* before another source takes its place */
	if (source)
		tuner_count(t, now_us);
	count.lost[cause] = 1;
	history_add(&t->history, now_us,
		    source && !tuner_on_slate(t) ? t->source_at : HISTORY_OTHER_JOBS, &count);

	if (source) {
		delay_ms = tuner_next_source(t, young, cause);
	} else {
		delay_ms = backoff_next_ms(&retry->backoff, young);
		retry->at_us = now_us + (uint64_t)delay_ms * 1000;
	}
	t->restarts++;
	log_warn("the %s is lost (%s), trying again in %u ms channel=%s", what, t->last_error,
		 delay_ms, t->key);
}

static void note_failure(struct job *j)
{
	struct tuner *t = j->tuner;
	bool young = !j->running_us || clock_mono_us() - j->running_us < JOB_BRIEF_US;
	char what[64];

	if (owns_source(j)) {
		struct source_health *h = &t->health[t->source_at];

		h->silent_starts = j->running_us ? 0 : h->silent_starts + 1;
		h->failed = !j->running_us;
		h->failed_us = young ? clock_mono_us() : 0;
		if (j->running_us)
			h->finite = !t->live;
		t->found_us = 0; /* the address may be what has failed */
	}
	count_fact(&chantab_header(t->owner)->jobs_failed, 1);
	snprintf(what, sizeof(what), "%s job", name_of(j));
	tuner_back_off(t, j->seat, young, what, j->cause);
}

/* Fails the wants of a job that never produced media; the source continues. */
static void fail_filled(struct job *j)
{
	struct tuner *t = j->tuner;

	for (struct output *o = t->outputs; o; o = o->next)
		if (role_fills(j->role, o))
			output_fail(o, t->last_status ? t->last_status : 502, t->last_error);
}

void tuner_lost_raw(struct tuner *t)
{
	struct output *source = output_source(t);

	log_info("a transport stream cannot carry the source as it is (%s), only profiles "
		 "can play it channel=%s",
		 t->last_error, t->key);
	/* a derive job would wait for a source's ring that never comes */
	if (t->jobs[SEAT_DERIVE])
		job_stop(t->jobs[SEAT_DERIVE]);
	if (source)
		output_fail(source, 502, t->last_error);
	if (!role_needed(JOB_BOTH, t))
		tuner_set_state(t, TUNER_FAILED);
}

/* The channel plays without it. */
static void lost_watch(struct job *j)
{
	struct retry *retry = retry_of(j);
	uint64_t now_us = clock_mono_us();
	/* what kills it may come with a later key frame */
	bool young = now_us - j->started_us < JOB_BACKOFF_MAX_MS * 1000ull;
	uint32_t delay_ms = backoff_next_ms(&retry->backoff, young);

	retry->at_us = now_us + delay_ms * 1000ull;
	count_fact(&chantab_header(j->tuner->owner)->jobs_failed, 1);
	log_warn("the %s job is lost, trying again in %u ms channel=%s", name_of(j), delay_ms,
		 j->tuner->key);
}

static void lost(struct job *j)
{
	struct tuner *t = j->tuner;

	if (j->seat == SEAT_WATCH) {
		lost_watch(j);
		return;
	}
	if (!j->explained)
		text_copy(t->last_error, sizeof(t->last_error), "its process died unexpectedly");
	if (tuner_raw(t) && j->role == JOB_INGEST && !tuner_plain_elsewhere(t)) {
		tuner_lost_raw(t);
		return;
	}
	note_failure(j);
	if (!owns_source(j)) {
		if (!t->seat_shown[j->seat])
			fail_filled(j);
	} else {
		tuner_lost_source(t);
	}
}

/* A job without a HELLO was lost together with the nursery.  The source is not at fault, so the
 * start is repeated a few times. */
static bool was_never_born(struct job *j, int error)
{
	struct tuner *t = j->tuner;

	if (j->pid || error != -EPIPE || ++t->unborn > JOB_UNBORN_MAX)
		return false;
	retry_of(j)->at_us = clock_mono_us() + RESPAWN_MIN_MS * 1000;
	log_info("the %s job did not start, trying again channel=%s", name_of(j), t->key);
	return true;
}

static void on_broken(void *owner, struct peer *p, int error)
{
	struct job *j = owner;
	struct tuner *t = j->tuner;

	(void)p;
	if (error != -EPIPE) {
		log_error("the %s job sent a malformed message (%s), killing it channel=%s",
			  name_of(j), strerror(-error), t->key);
		if (is_channels(j))
			text_copy(t->last_error, sizeof(t->last_error),
				  "its process broke the protocol");
		j->explained = true;
	}
	job_kill(j);
	if (j->seat == SEAT_PROBE && j->state != JOB_STOPPING) {
		job_set_state(j, JOB_STOPPING);
		tuner_return_lost(j);
	} else if (!j->ended && j->state != JOB_STOPPING && !was_never_born(j, error)) {
		job_set_state(j, JOB_STOPPING); /* nothing is sent to it any more */
		lost(j);
	}
	job_free(j);
	tuner_update(t);
}

static const struct peer_handler job_handler = {on_message, on_broken};

/* ---------- the start ---------- */

/* A source that has run is expected to answer about as fast again, so a connection that is accepted
 * and never answered times out before start_timeout; with other sources at hand any does.  Each try
 * without media doubles the time, for a source that is slow. */
static uint32_t restart_ms(const struct tuner *t)
{
	const struct lineup_settings *s = &t->owner->lineup->settings;
	const struct source_health *h = &t->health[t->source_at];
	/* for the first bytes, not until the cushion was full */
	uint64_t took_ms = h->start_took_us / 1000 -
			   MIN(h->start_took_us / 1000, (uint64_t)t->def->cushion_ms);
	uint64_t ms = 2 * (s->stall_timeout_ms + took_ms) << MIN(h->silent_starts, 16u);
	bool soon = t->def->source_count > 1 || (t->shown && h->start_took_us);

	/* where viewers can be shown something else, a source that was faster is not waited for */
	if (h->start_took_us && tuner_may_show_slate(t) && !tuner_on_slate(t))
		ms = MIN(ms, took_ms + SLATE_AFTER_MS);
	return soon ? (uint32_t)MIN(ms, s->start_timeout_ms) : 0;
}

/* Is one of the variants the source as it is?  The others have its key frames then. */
static bool copies_beside(const struct lineup_tuner *def)
{
	for (size_t i = 0; i < def->output_count; i++)
		if (def->outputs[i].form == OUTPUT_TS && def->outputs[i].plain)
			return true;
	return false;
}

/* Of a job that reads a ring and no source. */
static json_t *ring_spec(const struct tuner *t)
{
	json_int_t nice = t->owner->lineup->settings.nice;

	return json_pack("{sI so*}", "channel", (json_int_t)t->channel, "nice",
			 nice ? json_integer(nice) : NULL);
}

/* Without memory there is none, and the job fails. */
static void spec_put(json_t *object, struct buf *spec)
{
	_cleanup_(freep) char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

	buf_puts(spec, text ? text : "{}");
}

static void slate_spec(const struct tuner *t, struct buf *spec)
{
	const struct channel_list *channels = &t->owner->lineup->channels;
	size_t at = channel_list_find(channels, t->channel);
	bool found = at < channels->count && channels->at[at]->id == t->channel;
	json_auto_t *object = ring_spec(t);

	assert(t->def->slate);
	json_object_set_new(object, "name", json_string(found ? channels->at[at]->name : ""));
	json_object_set_new(object, "slate", json_string(t->def->slate));
	spec_put(object, spec);
}

/* The definition's spec, with those of the derived outputs for a job that fills them: their filters
 * may read files, which the job must know before it drops its rights.  Without memory the outputs
 * are left out. */
static void job_spec(const struct job *j, struct buf *spec)
{
	const struct lineup_tuner *def = j->tuner->def;
	const struct lineup_source *source = tuner_source_at(j->tuner, j->source);
	const char *between = "";

	if (j->role == JOB_SEGMENT) {
		segments_spec(j->tuner, spec);
		return;
	}
	if (j->role == JOB_WATCH) {
		json_auto_t *object = ring_spec(j->tuner);

		spec_put(object, spec);
		return;
	}
	if (j->role == JOB_SLATE) {
		slate_spec(j->tuner, spec);
		return;
	}
	buf_printf(spec, "%.*s", (int)strlen(source->spec) - 1, source->spec);
	if (source->lookup && owns_source(j))
		found_source_print(&j->tuner->found, spec);
	if (j->source + 1u < def->source_count)
		buf_puts(spec, ",\"next_source\":true");
	buf_puts(spec, ",\"outputs\":[");
	for (size_t i = 0; roles[j->role].fills == FILLS_DERIVED && i < def->output_count; i++) {
		/* the sound alone has no filters beyond those of the transport stream */
		if (def->outputs[i].plain || def->outputs[i].form != OUTPUT_TS)
			continue;
		buf_printf(spec, "%s%s", between, def->outputs[i].spec);
		between = ",";
	}
	buf_printf(spec, "]%s}", copies_beside(def) ? ",\"source_keys\":true" : "");
}

static void send_job(struct job *j)
{
	_cleanup_(buf_done) struct buf spec = BUF_INIT;
	struct tuner *t = j->tuner;
	const struct tuners_env *env = &t->owner->env;
	struct output *source = output_source(t);
	struct msg_job m = {
		.role = (uint8_t)j->role,
		.master_pid = (uint32_t)getpid(),
		.key = t->key,
		.spec = NULL,
		.continue_90k = source && t->shown && j->seat != SEAT_PROBE
					? output_frontier_90k(source)
					: TIME_NONE,
		.continue_mono_us = clock_mono_us(),
		.epoch_mono_us = env->epoch_mono_us,
		.restart_ms = owns_source(j) ? restart_ms(t) : 0,
		.log_level = env->log_level,
		.log_json = env->log_json,
	};

	job_spec(j, &spec);
	m.spec = buf_ok(&spec) && spec.len < JOB_SPEC_MAX ? spec.data
							  : tuner_source_at(t, j->source)->spec;
	peer_send_job(j->peer, &m, NULL);
}

/* The rings it fills, and for a derive job the ring it reads, for a slate the one whose format it
 * takes. */
static int send_rings(struct job *j)
{
	struct tuner *t = j->tuner;
	struct output *source = output_source(t);

	if (j->seat == SEAT_PROBE)
		return tuner_return_ring(j);
	for (struct output *o = t->outputs; o; o = o->next) {
		int r;

		if (!role_fills(j->role, o))
			continue;
		r = output_give_ring(o, j, output_ring_bytes(o), false);
		if (r < 0)
			return r;
	}
	if (j->role == JOB_SEGMENT)
		peer_send_job_window(j->peer,
				     &(struct msg_job_window){.percent = t->owner->media.percent},
				     NULL);
	if ((j->role == JOB_DERIVE || j->role == JOB_SLATE || j->role == JOB_WATCH) && source &&
	    source->current.fd >= 0) {
		struct msg_job_source_ring m = {.generation = source->current.generation,
						.data_bytes = source->current.data_bytes,
						.unit_bytes = TS_PACKET};

		peer_send_job_source_ring(j->peer, &m, &source->current.fd);
	}
	return 0;
}

static int start(struct tuner *t, enum job_role role, enum job_seat seat, unsigned source)
{
	struct job *j = calloc(1, sizeof(*j));
	int fds[2], r;

	assert(t->slot >= 0);
	if (!j)
		return -ENOMEM;
	r = role == JOB_SEGMENT ? segments_make_folders(t) : 0;
	if (r == 0)
		r = msg_socketpair(fds);
	if (r < 0) {
		free(j);
		return r;
	}
	j->tuner = t;
	j->role = role;
	j->seat = seat;
	j->source = source;
	j->address = tuner_source_at(t, source)->address;
	j->child_fd = fds[1];
	j->started_us = clock_mono_us();
	count_running(t, 1);
	assert(*place_of(j) == NULL);
	*place_of(j) = j;
	t->owner->jobs++;
	r = peer_new(t->owner->env.base, fds[0], &job_handler, j, &j->peer);
	if (r == 0) {
		send_job(j);
		r = send_rings(j);
	}
	if (r < 0) {
		job_free(j);
		return r;
	}
	if (seat != SEAT_PROBE)
		t->last_status = 0;
	if (tuner_source(t)->lookup && owns_source(j))
		tuner_look_up_used(t);
	count_fact(&chantab_header(t->owner)->jobs_started, 1);
	job_hand_over(j);
	return 0;
}

int job_start(struct tuner *t, enum job_role role)
{
	return start(t, role, roles[role].seat, t->source_at);
}

int job_start_probe(struct tuner *t, unsigned source)
{
	return start(t, JOB_INGEST, SEAT_PROBE, source);
}
