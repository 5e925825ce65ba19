/* tuner.c - from the facts of one tuner to what happens next. */
#include "amps-master/tuners/tuner.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/shm/chantab.h"
#include "common/log/log.h"
#include "common/text/text.h"
#include "common/timer.h"

static const bool legal[TUNER_STATE_COUNT_][TUNER_STATE_COUNT_] = {
	[TUNER_IDLE] = {[TUNER_STARTING] = true, [TUNER_FAILED] = true},
	[TUNER_STARTING] = {[TUNER_RUNNING] = true,
			    [TUNER_FAILED] = true,
			    [TUNER_IDLE] = true,
			    [TUNER_RESTARTING] = true,
			    [TUNER_ENDED] = true},
	[TUNER_RUNNING] = {[TUNER_STALLED] = true,
			   [TUNER_RESTARTING] = true,
			   [TUNER_ENDED] = true,
			   [TUNER_IDLE] = true,
			   [TUNER_FAILED] = true},
	[TUNER_STALLED] = {[TUNER_RUNNING] = true,
			   [TUNER_RESTARTING] = true,
			   [TUNER_ENDED] = true,
			   [TUNER_IDLE] = true,
			   [TUNER_FAILED] = true},
	[TUNER_RESTARTING] = {[TUNER_RUNNING] = true,
			      [TUNER_IDLE] = true,
			      [TUNER_ENDED] = true,
			      [TUNER_FAILED] = true},
	[TUNER_ENDED] = {[TUNER_STARTING] = true, [TUNER_IDLE] = true, [TUNER_FAILED] = true},
	[TUNER_FAILED] = {[TUNER_STARTING] = true, [TUNER_IDLE] = true},
};

static int64_t wall_of(uint64_t mono_us)
{
	return clock_wall_us() - (int64_t)(clock_mono_us() - mono_us);
}

const struct lineup_source *tuner_source_at(const struct tuner *t, unsigned at)
{
	/* a changed text restarts nothing */
	static const struct lineup_source slate = {
		.spec = "", .text = "slate", .hash = UINT64_MAX, .address = UINT64_MAX};

	assert(at <= t->def->source_count);
	return at == t->def->source_count ? &slate : &t->def->sources[at];
}

bool tuner_on_slate(const struct tuner *t)
{
	return t->def && t->source_at == t->def->source_count;
}

bool tuner_may_show_slate(const struct tuner *t)
{
	const struct output *o = output_source(t);

	/* the format is that of the ring before; what TS cannot carry is not tried beside it.  A
	 * film is begun again, and is paced by the times that it continues: it cannot overtake a
	 * slate */
	if (!t->def || !t->def->slate || !t->shown || !t->live || !o || o->current.fd < 0)
		return false;
	for (unsigned i = 0; i < t->def->source_count; i++)
		if (t->health[i].raw)
			return false;
	return !t->health[t->def->source_count].silent_starts;
}

bool tuner_both(const struct tuner *t)
{
	return tuner_raw(t) || (t->def && t->def->both);
}

static void slot_give_back(struct tuner *t)
{
	struct tuner_slot none = {0};

	if (t->slot < 0)
		return;
	assert(t->owner->slots[t->slot] == t);
	assert(tuner_empty(t)); /* on_pulse() skips tuners without a slot */
	chantab_put_tuner(t->owner->env.chantab, (size_t)t->slot, &none);
	t->owner->slots[t->slot] = NULL;
	if (t->own)
		count_fact(&chantab_header(t->owner)->overlap_running, -1);
	t->slot = -1;
}

static bool slot_take(struct tuner *t)
{
	struct tuner **slots = t->owner->slots;

	/* second round: reuse the slot of a tuner that only shows its last error */
	for (int round = 0; round < 2; round++)
		for (int i = 0; t->slot < 0 && i < (int)TUNERS_MAX; i++) {
			if (round && slots[i] && tuner_empty(slots[i]))
				tuner_set_state(slots[i], TUNER_IDLE);
			if (!slots[i]) {
				t->slot = i;
				slots[i] = t;
				if (t->own)
					count_fact(&chantab_header(t->owner)->overlap_running, 1);
			}
		}
	return t->slot >= 0;
}

static uint64_t relaxed(const _Atomic uint64_t *value)
{
	return atomic_load_explicit(value, memory_order_relaxed);
}

static const struct ring_header *source_header(const struct tuner *t)
{
	const struct output *o = output_source(t);

	return o ? o->current.map.header : NULL;
}

struct tuner_facts tuner_facts(const struct tuner *t)
{
	const struct ring_header *h = source_header(t);
	struct tuner_facts facts = {0};

	if (h) {
		facts.pcr_interval_ms = relaxed(&h->pcr_interval_us) / 1000;
		facts.pcr_jitter_ms = relaxed(&h->pcr_jitter_us) / 1000;
	}
	for (const struct output *o = t->outputs; o; o = o->next)
		if (!form_is_segments(o->id.form) && (!o->source || output_used(o)))
			facts.rate_out_bps += o->rate_bps;
	return facts;
}

void tuner_publish(struct tuner *t)
{
	const struct tuner_facts facts = tuner_facts(t);
	struct tuner_slot slot = {
		.state = t->state,
		.channel = t->channel,
		.pid = t->jobs[SEAT_SOURCE] ? MAX(t->jobs[SEAT_SOURCE]->pid, 0) : 0,
		.derive_pid = t->jobs[SEAT_DERIVE] ? MAX(t->jobs[SEAT_DERIVE]->pid, 0) : 0,
		.restarts = t->restarts,
		.started_wall_us = t->started_wall_us,
		.source = tuner_on_slate(t) ? 0 : t->source_at + 1,
		.cc_errors = t->history.total.cc_errors,
		.jumps = t->history.total.jumps,
		.switches = t->history.total.switches,
		.start_ms = t->health[t->source_at].start_took_us / 1000,
		.pcr_interval_ms = facts.pcr_interval_ms,
		.pcr_jitter_ms = facts.pcr_jitter_ms,
		.bitrate_out = facts.rate_out_bps,
		.frames_dropped = t->frames_dropped,
		.encoder_permil = t->encoder_permil,
	};

	if (t->slot < 0)
		return;
	assert(t->owner->slots[t->slot] == t);
	static_assert(array_size(slot.lost) == LOST_CAUSE_COUNT_, "a number for each cause");
	static_assert(sizeof(slot.pair) == sizeof(t->history.total.pair), "the same numbers");
	memcpy(slot.pair, t->history.total.pair, sizeof(slot.pair));
	for (size_t i = 0; i < LOST_CAUSE_COUNT_; i++)
		slot.lost[i] = t->history.total.lost[i];
	if (tuner_both(t))
		slot.derive_pid = slot.pid;
	for (const struct output *o = t->outputs; o; o = o->next) {
		slot.wants += o->wants;
		if (o->source && o->current.map.header)
			slot.bitrate_in = atomic_load_explicit(&o->current.map.header->bitrate_in,
							       memory_order_relaxed);
	}
	text_copy(slot.key, sizeof(slot.key), t->key);
	text_copy(slot.last_error, sizeof(slot.last_error), t->last_error);
	chantab_put_tuner(t->owner->env.chantab, (size_t)t->slot, &slot);
}

bool tuner_has_plain_source(const struct tuner *t)
{
	for (unsigned i = 0; t->def && i < t->def->source_count; i++)
		if (!t->health[i].raw)
			return true;
	return false;
}

/* Is the source as it is watched? */
static bool plain_used(const struct tuner *t)
{
	const struct output *o = output_source(t);

	return o && output_used(o);
}

bool tuner_plain_elsewhere(const struct tuner *t)
{
	return plain_used(t) && tuner_has_plain_source(t);
}

/* Counts how long viewers have waited for media since it was counted last. */
static void count_away(struct tuner *t, uint64_t now_us)
{
	struct history_counts more = {0};

	if (!t->away_us || now_us <= t->away_us)
		return;
	more.away_ms = (now_us - t->away_us) / 1000;
	if (more.away_ms == 0)
		return;
	history_add(&t->history, now_us, t->source_lost, &more);
	t->away_us += more.away_ms * 1000;
}

/* Begins to count, or ends it.  A slate is no media of the channel. */
static void follow_away(struct tuner *t, enum tuner_state state)
{
	uint64_t now_us = clock_mono_us();

	count_away(t, now_us);
	if (state == TUNER_STALLED || state == TUNER_RESTARTING ||
	    (state == TUNER_RUNNING && tuner_on_slate(t))) {
		if (!t->away_us)
			t->source_lost = t->source_at;
		t->away_us = t->away_us ? t->away_us : now_us;
	} else {
		t->away_us = 0;
	}
}

void tuner_set_source(struct tuner *t, unsigned at)
{
	assert(at <= CHANNEL_SOURCES_MAX);
	if (at == t->source_at)
		return;
	tuner_look_up_cancel(t);
	t->found_us = 0;
	t->source_at = at;
}

void tuner_leave_slate(struct tuner *t, unsigned at)
{
	assert(tuner_on_slate(t) && at < t->def->source_count);
	tuner_set_source(t, at);
	t->retry[SEAT_SOURCE].at_us = t->health[at].at_us;
}

void tuner_choose_plain_source(struct tuner *t)
{
	assert(t->def && !tuner_has_jobs(t));
	tuner_set_source(t, tuner_choose_source(t, 0, true, clock_mono_us()));
}

static void tell(const struct tuner *t, enum tuner_news news)
{
	t->owner->env.news(t->owner->env.owner, news, t->channel, t->key, t->state,
			   news == NEWS_FAILED ? t->last_error : "");
}

void tuner_tell_failed(struct tuner *t)
{
	if (t->failing)
		return;
	t->failing = true;
	tell(t, NEWS_FAILED);
}

/* What its state says to the operator; that a source is lost is said in tuner_lost_source(). */
static void follow_news(struct tuner *t, enum tuner_state was)
{
	if (t->state == TUNER_STALLED || t->state == TUNER_FAILED) {
		tuner_tell_failed(t);
	} else if (t->state == TUNER_IDLE || t->state == TUNER_ENDED) {
		t->failing = false;
	} else if (t->state == TUNER_RUNNING && !tuner_on_slate(t)) {
		if (t->failing)
			tell(t, NEWS_RECOVERED);
		else if (was == TUNER_STARTING)
			tell(t, NEWS_STARTED);
		t->failing = false;
	}
}

void tuner_set_state(struct tuner *t, enum tuner_state state)
{
	enum tuner_state was = t->state;
	bool changed = was != state;

	if (changed) {
		assert(legal[was][state]);
		log_debug("the tuner changes its state channel=%s from=%s to=%s", t->key,
			  tuner_state_name(was), tuner_state_name(state));
		if (state == TUNER_STARTING) {
			t->last_error[0] = '\0';
			if (t->def)
				t->health[t->def->source_count].silent_starts = 0;
			for (size_t i = 0; i < array_size(t->health); i++)
				t->health[i].failed = false;
			tuner_set_source(t, t->def ? tuner_choose_source(t, 0, plain_used(t),
									 clock_mono_us())
						   : 0);
		}
		if (state == TUNER_IDLE && tuner_on_slate(t))
			tuner_set_source(t, 0);
		t->forget = false;
	}
	follow_away(t, state);
	assert(state == TUNER_IDLE || t->slot >= 0);
	t->state = state;
	if (state == TUNER_IDLE)
		slot_give_back(t);
	else
		tuner_publish(t);
	for (struct output *o = t->outputs; o; o = o->next)
		output_publish(o);
	if (changed)
		t->owner->env.state_changed(t->owner->env.owner, t->channel, t->key, state,
					    t->last_error);
	follow_news(t, was);
}

/* The counters of a job only grow; others are not believed. */
static uint64_t grown(uint64_t *counted, uint64_t now)
{
	uint64_t more = now > *counted && now - *counted < UINT32_MAX ? now - *counted : 0;

	*counted = now;
	return more;
}

void tuner_count(struct tuner *t, uint64_t now_us)
{
	const struct output *o = output_source(t);
	const struct ring_header *h = source_header(t);
	struct history_counts more = {0};

	count_away(t, now_us);
	if (!h)
		return;
	if (o->current.generation != t->counted_generation && !o->current.same_job) {
		t->counted_bytes = t->counted_errors = t->counted_jumps = 0;
		memset(t->counted_pair, 0, sizeof(t->counted_pair));
	}
	t->counted_generation = o->current.generation;
	more.packets = grown(&t->counted_bytes, relaxed(&h->bytes_in)) / TS_PACKET;
	more.cc_errors = grown(&t->counted_errors, relaxed(&h->errors_in));
	more.jumps = grown(&t->counted_jumps, relaxed(&h->jumps_in));
	for (size_t i = 0; i < RING_PAIR_COUNT_; i++)
		more.pair[i] = grown(&t->counted_pair[i], relaxed(&h->pair[i]));
	if (!tuner_on_slate(t) && (more.packets || more.cc_errors || more.jumps))
		history_add(&t->history, now_us, t->source_at, &more);
}

void tuner_give_up(struct tuner *t, enum gone_reason reason, unsigned status, const char *text)
{
	for (struct output *o = t->outputs; o; o = o->next)
		output_gone(o, reason, status, text);
	t->shown = false;
}

void tuner_viewers_text(const struct lineup_tuner *def, const char *text,
			char shown[ERROR_TEXT_MAX])
{
	char hidden[ERROR_TEXT_MAX];

	text_hide_source(text, "", shown, ERROR_TEXT_MAX);
	for (size_t i = 0; def && i < def->source_count; i++) {
		text_copy(hidden, sizeof(hidden), shown);
		text_hide_source(hidden, def->sources[i].text, shown, ERROR_TEXT_MAX);
	}
}

void tuner_fail(struct tuner *t, unsigned status, const char *text)
{
	char reason[ERROR_TEXT_MAX];

	text_copy(reason, sizeof(reason), text);
	text_copy(t->last_error, sizeof(t->last_error), reason);
	t->last_status = status;
	tuner_set_state(t, TUNER_FAILED);
	tuner_give_up(t, GONE_FAILED, status, reason);
	tuner_stop_jobs(t);
}

void tuner_replace_source(struct tuner *t)
{
	assert(t->jobs[SEAT_SOURCE]);
	job_stop(t->jobs[SEAT_SOURCE]);
	if (t->state == TUNER_RUNNING || t->state == TUNER_STALLED)
		tuner_set_state(t, TUNER_RESTARTING);
}

void tuner_lost_source(struct tuner *t)
{
	unsigned status = t->last_status ? t->last_status : 502;

	if (t->shown) {
		if (!tuner_return_at_once(t))
			tuner_return_cancel(t);
		tuner_set_state(t, TUNER_RESTARTING);
		tuner_tell_failed(t);
		return;
	}
	/* another source may start now, and each is tried once: silent ones fail so late that the
	 * back-off of the first is over again */
	if (t->def && t->def->source_count > 1 && !t->health[t->source_at].failed &&
	    t->retry[SEAT_SOURCE].at_us <= clock_mono_us())
		return;
	if (t->own)
		tuner_own_result(t, status, t->last_error);
	tuner_fail(t, status, t->last_error);
}

void tuner_stop_jobs(struct tuner *t)
{
	tuner_look_up_cancel(t);
	for (size_t i = 0; i < SEAT_COUNT_; i++)
		if (t->jobs[i])
			job_stop(t->jobs[i]);
}

bool tuner_has_jobs(const struct tuner *t)
{
	for (size_t i = 0; i < SEAT_COUNT_; i++)
		if (t->jobs[i])
			return true;
	return false;
}

bool tuner_empty(const struct tuner *t)
{
	return !t->outputs && !tuner_has_jobs(t);
}

/* When an output is freed: 0 = at once, UINT64_MAX = not before something changes. */
static uint64_t output_expires_us(const struct output *o, uint64_t idle_us)
{
	const struct tuner *t = o->tuner;

	if (output_used(o))
		return UINT64_MAX;
	if (o->ended || t->own || t->state == TUNER_FAILED || !t->def || (!o->source && !o->def))
		return 0;
	return idle_us ? o->idle_since_us + idle_us : UINT64_MAX;
}

/* Frees those without viewers that read another output, or those that do not. */
static void drop_idle_derived(struct tuner *t, bool readers, uint64_t now_us, uint64_t idle_us,
			      uint64_t *next_us)
{
	struct output *next;

	for (struct output *o = t->outputs; o; o = next) {
		uint64_t expires_us;

		next = o->next;
		if (o->source || (o->reads != NULL) != readers)
			continue;
		expires_us = output_expires_us(o, idle_us);
		if (now_us >= expires_us)
			output_switch_off(o);
		else
			*next_us = MIN(*next_us, expires_us);
	}
}

/* Frees outputs without viewers for the idle time, each before what it reads, the source's after
 * all others. */
static void drop_idle_outputs(struct tuner *t, uint64_t now_us, uint64_t idle_us, uint64_t *next_us)
{
	struct output *o;
	uint64_t expires_us;

	drop_idle_derived(t, true, now_us, idle_us, next_us);
	drop_idle_derived(t, false, now_us, idle_us, next_us);
	o = t->outputs;
	if (!o || !o->source || o->next)
		return;
	expires_us = output_expires_us(o, idle_us);
	if (now_us < expires_us)
		*next_us = MIN(*next_us, expires_us);
	else if (t->jobs[SEAT_SOURCE])
		job_stop(t->jobs[SEAT_SOURCE]); /* a restart continues from the frontier of the ring
						 */
	else
		output_free(o);
}

/* A job whose resolved definition changed is replaced; the old source connection closes before the
 * new one opens. */
static void stop_outdated(struct tuner *t)
{
	struct job *source = t->jobs[SEAT_SOURCE];

	if (!t->def)
		return;
	if (tuner_both(t) && t->jobs[SEAT_DERIVE])
		job_stop(t->jobs[SEAT_DERIVE]);
	/* it was switched off while it plays */
	if (tuner_on_slate(t) && !t->def->slate)
		tuner_leave_slate(t, tuner_choose_source(t, 0, plain_used(t), clock_mono_us()));
	if (t->source_hash == tuner_source(t)->hash)
		return;
	tuner_look_up_cancel(t);
	if (source && source->state != JOB_STOPPING)
		tuner_replace_source(t);
}

static bool has_wants(const struct tuner *t)
{
	for (const struct output *o = t->outputs; o; o = o->next)
		if (o->wants)
			return true;
	return false;
}

static void begin_source(struct tuner *t)
{
	if (!t->shown)
		t->started_wall_us = wall_of(clock_mono_us());
	if (t->state == TUNER_IDLE || t->state == TUNER_ENDED || t->state == TUNER_FAILED)
		tuner_set_state(t, TUNER_STARTING);
	t->source_hash = tuner_source(t)->hash; /* the state may have chosen another one */
}

static void start_job(struct tuner *t, enum job_role role, uint64_t *next_us)
{
	int r = job_start(t, role);

	tuner_publish(t);
	if (r == 0)
		return;
	tuner_fail(t, 503, "there is no memory or descriptor for this channel's job");
	*next_us = 0; /* look again: outputs without wants can be freed */
}

/* When one job in both roles becomes two, or two become one, the job that fills the derived outputs
 * must have ended before its successor starts: the successor continues its timeline. */
static bool predecessor_is_there(const struct tuner *t)
{
	const struct job *source = t->jobs[SEAT_SOURCE];

	return tuner_both(t) ? t->jobs[SEAT_DERIVE] != NULL : source && source->role == JOB_BOTH;
}

static enum job_role source_role(const struct tuner *t)
{
	if (tuner_both(t))
		return JOB_BOTH;
	return tuner_on_slate(t) ? JOB_SLATE : JOB_INGEST;
}

static void start_source(struct tuner *t, uint64_t now_us, uint64_t *next_us)
{
	const struct job *probe = t->jobs[SEAT_PROBE];

	/* the old connection closes before the new one opens */
	if (t->lookup || (probe && probe->address == tuner_source(t)->address))
		return;
	if (now_us < t->retry[SEAT_SOURCE].at_us) {
		*next_us = MIN(*next_us, t->retry[SEAT_SOURCE].at_us);
		tuner_leave_queue(t);
		return;
	}
	begin_source(t);
	/* one job in both roles needed no ring between them, two do */
	if (!tuner_both(t) && !output_get(t, NULL, "")) {
		tuner_fail(t, 503, "there is no memory for this channel");
		return;
	}
	if (tuner_must_look_up(t, now_us))
		tuner_look_up(t);
	else
		start_job(t, source_role(t), next_us);
}

/* Returns when. */
static uint64_t retry_later(struct retry *r, uint64_t now_us)
{
	r->at_us = now_us + backoff_next_ms(&r->backoff, true) * 1000ull;
	return r->at_us;
}

/* A job that reads what the tuner's other jobs make. */
static void start_reader(struct tuner *t, enum job_role role, enum job_seat seat, uint64_t now_us,
			 uint64_t *next_us)
{
	if (!role_needed(role, t) || t->jobs[seat] || t->state == TUNER_FAILED)
		return;
	if (now_us < t->retry[seat].at_us)
		*next_us = MIN(*next_us, t->retry[seat].at_us);
	else if (role != JOB_WATCH)
		start_job(t, role, next_us);
	else if (job_start(t, role) < 0)
		/* the channel plays without it */
		*next_us = MIN(*next_us, retry_later(&t->retry[seat], now_us));
}

/* Starts the jobs that are wanted and missing; a retry that is not due yet sets the timer. */
static void start_jobs(struct tuner *t, uint64_t now_us, uint64_t *next_us)
{
	bool both = tuner_both(t);

	if (!t->outputs || t->state == TUNER_FAILED || t->owner->shutting_down || !t->def)
		return;
	if (predecessor_is_there(t))
		return;
	if (!t->jobs[SEAT_SOURCE] && t->state != TUNER_ENDED && !t->probe_switches)
		start_source(t, now_us, next_us);
	/* without a source the others would only wait, and not for long */
	if (tuner_looks_up(t) && !t->jobs[SEAT_SOURCE])
		return;
	if (!both)
		start_reader(t, JOB_DERIVE, SEAT_DERIVE, now_us, next_us);
	start_reader(t, JOB_SEGMENT, SEAT_SEGMENT, now_us, next_us);
	start_reader(t, JOB_WATCH, SEAT_WATCH, now_us, next_us);
}

static void arm(struct tuner *t, uint64_t now_us, uint64_t next_us)
{
	if (next_us == UINT64_MAX)
		event_del(t->timer);
	else
		timer_set(t->timer, next_us > now_us ? next_us - now_us : 1000);
}

/* A tuner without outputs and jobs becomes idle.  One that failed or ended keeps its slot: its
 * reason can be read, and new requests are answered with it at once.  A viewer's own tuner does
 * not, because it is never requested again. */
static void settle(struct tuner *t, uint64_t now_us, uint64_t *next_us)
{
	bool keep = !t->own && !t->forget && (t->state == TUNER_ENDED || t->state == TUNER_FAILED);

	if (!tuner_empty(t)) {
		t->empty_us = 0;
		return;
	}
	if (!t->empty_us)
		t->empty_us = now_us;
	/* players still read the last segments of a film */
	if (keep && t->state == TUNER_ENDED && t->tracks &&
	    now_us < t->empty_us + SEGMENTS_STAY_MS * 1000ull)
		*next_us = MIN(*next_us, t->empty_us + SEGMENTS_STAY_MS * 1000ull);
	else
		segments_sweep(t);
	if (keep) {
		if (t->state == TUNER_FAILED && t->retry[SEAT_SOURCE].at_us > now_us)
			*next_us = MIN(*next_us, t->retry[SEAT_SOURCE].at_us);
		return;
	}
	t->shown = false;
	tuner_set_state(t, TUNER_IDLE);
}

static void stop_unneeded(struct tuner *t, enum job_role role, enum job_seat seat)
{
	if (role_needed(role, t))
		return;
	t->seat_shown[seat] = false;
	if (t->jobs[seat])
		job_stop(t->jobs[seat]);
}

void tuner_update(struct tuner *t)
{
	uint64_t now_us = clock_mono_us(), next_us = UINT64_MAX;
	const struct lineup_settings *s = &t->owner->lineup->settings;

	stop_outdated(t);
	drop_idle_outputs(t, now_us, (uint64_t)s->idle_timeout_ms * 1000, &next_us);
	stop_unneeded(t, JOB_DERIVE, SEAT_DERIVE);
	stop_unneeded(t, JOB_SEGMENT, SEAT_SEGMENT);
	stop_unneeded(t, JOB_WATCH, SEAT_WATCH);
	tuner_judge_content(t, now_us, &next_us);
	if (t->jobs[SEAT_SOURCE] && !t->outputs)
		job_stop(t->jobs[SEAT_SOURCE]);
	if (!t->outputs)
		tuner_look_up_cancel(t);
	if (has_wants(t) || t->jobs[SEAT_SOURCE] || t->probe_switches)
		start_jobs(t, now_us, &next_us);
	else
		tuner_leave_queue(t);
	tuner_look_ahead(t, now_us, &next_us);
	tuner_return(t, now_us, &next_us);
	settle(t, now_us, &next_us);
	arm(t, now_us, next_us);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	tuner_update(arg);
}

void tuner_update_soon(struct tuner *t)
{
	timer_set(t->timer, 0);
}

void tuner_retry_now(struct retry *r)
{
	r->at_us = 0;
	backoff_init(&r->backoff, JOB_BACKOFF_MIN_MS, JOB_BACKOFF_MAX_MS);
}

/* `t` may be NULL. */
static void forget_overlap(struct tuner *t)
{
	if (!t)
		return;
	free(t->overlap);
	t->overlap = NULL;
}

void tuner_forget_failures(struct tuner *t)
{
	for (size_t i = 0; i < SEAT_COUNT_; i++)
		tuner_retry_now(&t->retry[i]);
	for (size_t i = 0; i < array_size(t->health); i++)
		tuner_health_forget(&t->health[i]);
}

/* A slate goes on beside any sources: the new ones are tried at once. */
static bool slate_goes_on(const struct tuner *t)
{
	const struct job *source = t->jobs[SEAT_SOURCE];

	return t->def->slate && source && source->role == JOB_SLATE &&
	       source->state != JOB_STOPPING;
}

void tuner_follow_sources(struct tuner *t, const struct lineup_tuner *was)
{
	int at = lineup_find_source(t->def, t->source_hash);
	int from = at >= 0 && was ? lineup_find_source(was, t->source_hash) : -1;
	unsigned place = (unsigned)MAX(at, 0);
	struct source_health known = {0};

	if (from >= 0)
		known = t->health[from];
	tuner_return_cancel(t);
	t->probe_source = 0;
	t->source_at = slate_goes_on(t) ? t->def->source_count : place;
	/* what was counted of the places in the old list does not apply to this one */
	tuner_count(t, clock_mono_us());
	history_forget_hour(&t->history);
	t->source_lost = place;
	if (at < 0) {
		/* what is known about the old source does not apply to this one */
		t->gop_ms = 0;
		t->found_us = 0;
	}
	forget_overlap(t);
	if (t->state == TUNER_FAILED)
		t->forget = true;
	for (size_t i = 0; i < array_size(t->health); i++) {
		t->health[i] = (struct source_health){0};
		tuner_health_forget(&t->health[i]);
	}
	t->health[place].raw = known.raw;
	t->health[place].start_took_us = known.start_took_us;
	tuner_retry_now(&t->retry[SEAT_SOURCE]);
}

static void log_next(const struct tuner *t, unsigned next)
{
	if (t->def && next == t->def->source_count)
		log_info("no source works, showing a slate channel=%s", t->key);
	else
		log_info("the channel continues with another source channel=%s from=%u to=%u",
			 t->key, t->source_at + 1, next + 1);
}

uint32_t tuner_next_source(struct tuner *t, bool young, enum lost_cause cause)
{
	struct source_health *h = &t->health[t->source_at];
	uint64_t now_us = clock_mono_us();
	uint32_t delay_ms = backoff_next_ms(&h->backoff, young);
	bool slate = tuner_may_show_slate(t);
	unsigned next;
	int better;

	/* with another one at hand, what has failed at once is not tried twice in a row; and where
	 * viewers have waited for a silent source, they are shown something first */
	if (t->def && ((young && t->def->source_count > 1) || (slate && cause == LOST_SILENT)))
		delay_ms = MAX(delay_ms, JOB_BACKOFF_MIN_MS);
	h->at_us = now_us + (uint64_t)delay_ms * 1000;
	better = cause == LOST_SLOW || t->content != CONTENT_GOOD ? tuner_better_source(t, now_us)
								  : -1;
	if (better >= 0)
		next = (unsigned)better;
	else
		next = t->def ? tuner_choose_source(t, t->source_at + 1, plain_used(t), now_us)
			      : t->source_at;
	if (slate && t->health[next].at_us > now_us &&
	    t->health[t->def->source_count].at_us <= t->health[next].at_us)
		next = t->def->source_count;
	if (next != t->source_at) {
		log_next(t, next);
		if (!t->away_us)
			t->source_lost = t->source_at;
		t->away_us = t->away_us || !t->shown ? t->away_us : now_us;
		tuner_set_source(t, next);
		t->probe_source = 0;
		t->probe_at_us = now_us + RETURN_FIRST_MS * 1000;
		if (!tuner_on_slate(t))
			history_add(&t->history, now_us, next,
				    &(struct history_counts){.switches = 1});
	}
	h = &t->health[next];
	assert(next <= CHANNEL_SOURCES_MAX);
	t->retry[SEAT_SOURCE].at_us = h->at_us;
	return h->at_us > now_us ? (uint32_t)((h->at_us - now_us) / 1000) : 0;
}

static struct tuner *tuner_find(const struct tuners *ts, const char *key)
{
	struct tuner *t = ts->all;

	while (t && strcmp(t->key, key) != 0)
		t = t->next;
	return t;
}

static struct tuner *tuner_new(struct tuners *ts, const char *key)
{
	struct tuner *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->owner = ts;
	t->slot = -1;
	t->probe.fd = -1;
	tuner_forget_failures(t);
	text_copy(t->key, sizeof(t->key), key);
	t->timer = evtimer_new(ts->env.base, on_timer, t);
	if (!t->timer) {
		free(t);
		return NULL;
	}
	t->next = ts->all;
	ts->all = t;
	return t;
}

/* A tuner for one viewer alone: an idle one is reused, so that their number stays bounded by the
 * viewers of one moment; else a new one with the next number. */
static struct tuner *tuner_own(struct tuners *ts, const struct lineup_tuner *def)
{
	char key[TUNER_KEY_MAX];
	unsigned last = 0;
	struct tuner *t;
	int id;

	for (t = ts->all; t; t = t->next) {
		if (!t->own || t->def != def)
			continue;
		if (t->slot < 0)
			return t;
		last = MAX(last, t->own);
	}
	/* The number follows the channel's, which has only digits: a variant's name may hold '#'.
	 */
	id = (int)strspn(def->key, "0123456789");
	snprintf(key, sizeof(key), "%.*s#%u%s", id, def->key, last + 1, def->key + id);
	assert(!tuner_find(ts, key));
	t = tuner_new(ts, key);
	if (t)
		t->own = last + 1;
	return t;
}

const struct lineup_tuner *tuner_definition(const struct tuner *t)
{
	char key[TUNER_KEY_MAX];

	if (t->own)
		snprintf(key, sizeof(key), "%u%s", t->channel, t->key + strcspn(t->key, "/"));
	else
		text_copy(key, sizeof(key), t->key);
	return lineup_find_key(t->owner->lineup, key);
}

static struct tuner *tuner_shared(struct tuners *ts, const struct lineup_tuner *def)
{
	struct tuner *t = tuner_find(ts, def->key);

	if (!t)
		t = tuner_new(ts, def->key);
	if (t) {
		t->def = def;
		t->channel = def->channel;
	}
	return t;
}

struct tuner *tuner_get(struct tuners *ts, const struct lineup_tuner *def, const struct msg_want *m)
{
	struct tuner *t = m->own ? tuner_own(ts, def) : tuner_shared(ts, def);

	if (!t)
		return NULL;
	if (m->own) {
		tuner_forget_failures(t); /* they were those of an earlier viewer */
		t->own_address = m->address;
		t->own_token = m->token;
		t->def = def;
		t->channel = def->channel;
	}
	return slot_take(t) ? t : NULL;
}

static unsigned refuse_over_limit(const struct tuners *ts, const struct msg_want *m,
				  const char **ret_text)
{
	unsigned all = 0, address = 0, token = 0;

	for (const struct tuner *t = ts->all; t; t = t->next) {
		if (!t->own || t->slot < 0)
			continue;
		all++;
		address += m->address && t->own_address == m->address;
		token += m->token && t->own_token == m->token;
	}
	if (token >= OVERLAP_TOKEN_MAX)
		*ret_text = "the token has all the streams with overlap=true it may have";
	else if (address >= OVERLAP_ADDRESS_MAX)
		*ret_text = "this address has all the streams with overlap=true it may have";
	else if (all >= ts->lineup->settings.max_overlap)
		*ret_text = "the server has all the streams with overlap=true it may have";
	else
		return 0;
	count_fact(&chantab_header(ts)->overlap_refused, 1);
	return token >= OVERLAP_TOKEN_MAX || address >= OVERLAP_ADDRESS_MAX ? 429 : 503;
}

unsigned tuner_refuse_own(const struct tuners *ts, const struct lineup_tuner *def,
			  const struct msg_want *m, const char **ret_text)
{
	const struct tuner *shared = tuner_find(ts, def->key);
	uint64_t now_us = clock_mono_us();

	if (shared && now_us < shared->retry[SEAT_SOURCE].at_us) {
		*ret_text = shared->last_error;
		return shared->last_status ? shared->last_status : 502;
	}
	if (shared && shared->overlap && now_us < shared->overlap->retry.at_us) {
		*ret_text = shared->overlap->text;
		return shared->overlap->status;
	}
	return refuse_over_limit(ts, m, ret_text);
}

void tuner_own_result(const struct tuner *own, unsigned status, const char *text)
{
	struct tuner *shared = NULL;
	struct overlap_failure *f;
	uint64_t now_us = clock_mono_us();

	if (!own->def)
		return;
	if (!text) {
		forget_overlap(tuner_find(own->owner, own->def->key));
		return;
	}
	shared = tuner_shared(own->owner, own->def);
	if (!shared)
		return;
	f = shared->overlap;
	/* several that were started at once fail together: that is one failure */
	if (f && now_us < f->retry.at_us)
		return;
	if (!f) {
		f = shared->overlap = calloc(1, sizeof(*f));
		if (!f)
			return;
		shared->source_hash = shared->jobs[SEAT_SOURCE] ? shared->source_hash
								: tuner_source(shared)->hash;
		tuner_retry_now(&f->retry);
	}
	f->status = status;
	text_copy(f->text, sizeof(f->text), text);
	f->retry.at_us = now_us + backoff_next_ms(&f->retry.backoff, true) * 1000ull;
}

void tuner_free(struct tuner *t)
{
	struct tuner **at = &t->owner->all;

	while (*at && *at != t)
		at = &(*at)->next;
	assert(*at == t);
	*at = t->next;
	for (size_t i = 0; i < SEAT_COUNT_; i++)
		if (t->jobs[i])
			job_free(t->jobs[i]);
	outputs_free(t);
	segments_sweep(t);
	slot_give_back(t);
	tuner_look_up_cancel(t);
	found_source_done(&t->found);
	event_free(t->timer);
	free(t->overlap);
	free(t);
}
