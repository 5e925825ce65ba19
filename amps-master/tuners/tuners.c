/* tuners.c - see tuners.h: passes requests, line-ups and exits to the tuner concerned. */
#include "amps-master/tuners/tuners.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include "amps-master/tuners/ring_pool.h"
#include "amps-master/tuners/tuner.h"
#include "common/log/log.h"
#include "common/text/text.h"
#include "common/timer.h"

#define PULSE_MS 500

static const char no_memory[] = "there is no memory for this channel";

static void on_pulse(evutil_socket_t fd, short what, void *arg)
{
	struct tuners *ts = arg;
	uint64_t now_us = clock_mono_us();

	(void)fd;
	(void)what;
	segments_pulse(ts);
	for (struct tuner *t = ts->all; t; t = t->next) {
		if (t->slot < 0)
			continue;
		for (struct output *o = t->outputs; o; o = o->next)
			output_measure(o, now_us);
		tuner_count(t, now_us);
		for (size_t i = 0; i < SEAT_COUNT_; i++)
			if (t->jobs[i])
				job_check(t->jobs[i], now_us);
		tuner_publish(t);
	}
}

static void on_ring_made(void *owner, uint32_t slot, uint64_t generation, int fd)
{
	struct tuners *ts = owner;
	struct output *o;

	assert(slot < OUTPUTS_MAX);
	o = ts->output_slots[slot];
	assert(!o || o->slot == slot);
	if (o)
		output_on_ordered(o, generation, fd);
	else
		close_fd(&fd);
}

int tuners_new(const struct tuners_env *env, struct tuners **ret)
{
	struct tuners *ts = calloc(1, sizeof(*ts));

	if (!ts)
		return -ENOMEM;
	ts->env = *env;
	ts->media.percent = 100;
	ts->pulse = event_new(env->base, -1, EV_PERSIST, on_pulse, ts);
	if (!ts->pulse || timer_set(ts->pulse, PULSE_MS * 1000) < 0 ||
	    ring_pool_new(env->base, on_ring_made, ts, &ts->ring_pool) < 0) {
		tuners_free(ts);
		return -ENOMEM;
	}
	*ret = ts;
	return 0;
}

void tuners_kill(struct tuners *ts)
{
	for (struct tuner *t = ts->all; t; t = t->next)
		for (size_t i = 0; i < SEAT_COUNT_; i++)
			if (t->jobs[i])
				job_kill(t->jobs[i]);
}

struct tuners *tuners_free(struct tuners *ts)
{
	if (!ts)
		return NULL;
	while (ts->wants)
		want_free(ts, ts->wants);
	tuners_kill(ts);
	while (ts->all)
		tuner_free(ts->all);
	ring_pool_free(ts->ring_pool);
	if (ts->pulse)
		event_free(ts->pulse);
	lineup_unref(ts->lineup);
	free(ts);
	return NULL;
}

const struct lineup *tuners_lineup(const struct tuners *ts)
{
	return ts->lineup;
}

/* ---------- wants ---------- */

void want_free(struct tuners *ts, struct want *w)
{
	struct want **at = &ts->wants;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	assert(!w->output || w->output->wants > 0);
	if (w->output && --w->output->wants == 0)
		w->output->idle_since_us = clock_mono_us();
	free(w);
}

static struct want *want_find(struct tuners *ts, unsigned worker, uint32_t id)
{
	struct want *w = ts->wants;

	while (w && (w->worker != worker || w->id != id))
		w = w->next;
	return w;
}

static void refuse(struct tuners *ts, unsigned worker, uint32_t id, enum gone_reason reason,
		   unsigned status, const char *text)
{
	struct msg_output_gone m = {
		.want = id, .reason = (uint8_t)reason, .status = status, .text = text};

	ts->env.output_gone(ts->env.owner, worker, &m);
}

/* A new want for a film that ended restarts it: frees what is left of the last showing. */
static void forget_last_showing(struct tuner *t)
{
	tuner_give_up(t, GONE_ENDED, 404, "the programme has ended");
	tuner_stop_jobs(t);
	outputs_free(t);
}

static int want_attach(struct tuners *ts, struct tuner *t, unsigned worker,
		       const struct msg_want *m, const struct output_id *asked,
		       const struct lineup_output *def)
{
	struct want *w = calloc(1, sizeof(*w));
	struct output *o;
	/* a derived output needs the source's ring beside its own */
	bool source_ok;
	int r;

	o = w ? output_renew(t, def, m->track) : NULL;
	source_ok = tuner_both(t) || (o && output_get(t, NULL, ""));

	if (!o || !source_ok) {
		free(w);
		return -ENOMEM;
	}
	w->worker = worker;
	w->id = m->want;
	w->output = o;
	w->asked = o->asked = *asked;
	o->wants++;
	o->idle_since_us = 0;
	w->next = ts->wants;
	ts->wants = w;
	output_send_ring(o, w, false);
	output_offer(o, -1);
	if (t->lookup_turn)
		tuner_send_turn(w);
	r = output_fill(o);
	/* the worker is refused and forgets the want, so it would never be released */
	if (r < 0)
		want_free(ts, w);
	return r;
}

/* Is there such an output, and has it not ended? */
static bool output_lives(struct tuner *t, const struct lineup_output *def, const char *track)
{
	const struct output *o = output_find(t, def, track);

	return o && !o->ended;
}

void tuners_want(struct tuners *ts, unsigned worker, const struct msg_want *m)
{
	const struct lineup_tuner *def;
	const struct lineup_output *output;
	struct output_id asked = {.channel = m->channel, .form = m->form};
	const char *text = "";
	char shown[ERROR_TEXT_MAX];
	struct tuner *t;
	unsigned status;

	if (want_find(ts, worker, m->want))
		return;
	if (!ts->lineup || !text_copy(asked.variant, sizeof(asked.variant), m->variant) ||
	    !text_copy(asked.track, sizeof(asked.track), m->track) ||
	    lineup_resolve(ts->lineup, &asked, &def, &output) < 0) {
		refuse(ts, worker, m->want, GONE_REMOVED, 404, "there is no such channel");
		return;
	}
	if (def->unavailable || ts->shutting_down) {
		refuse(ts, worker, m->want, GONE_FAILED, def->unavailable ? 502 : 503,
		       def->unavailable ? def->unavailable : "the server is shutting down");
		return;
	}
	if (form_is_segments(output->form) && m->own) {
		refuse(ts, worker, m->want, GONE_FAILED, 502, "segments are always shared");
		return;
	}
	status = m->own ? tuner_refuse_own(ts, def, m, &text) : 0;
	if (status) {
		tuner_viewers_text(def, text, shown);
		refuse(ts, worker, m->want, GONE_FAILED, status, shown);
		return;
	}
	t = tuner_get(ts, def, m);
	if (!t) {
		refuse(ts, worker, m->want, GONE_FAILED, 503, "all tuners are in use");
		return;
	}
	if (t->state == TUNER_FAILED && clock_mono_us() < t->retry[SEAT_SOURCE].at_us) {
		tuner_viewers_text(def, t->last_error, shown);
		refuse(ts, worker, m->want, GONE_FAILED, t->last_status ? t->last_status : 502,
		       shown);
		return;
	}
	if (lineup_reads(def, output)->plain && tuner_empty(t) && t->def &&
	    tuner_has_plain_source(t))
		tuner_choose_plain_source(t);
	if (tuner_raw(t) && lineup_reads(def, output)->plain) {
		refuse(ts, worker, m->want, GONE_FAILED, 502,
		       "a transport stream cannot carry this source's codecs, a variant that "
		       "encodes could");
		tuner_update(t); /* it may be idle, and stays so */
		return;
	}
	if (form_is_segments(output->form) && !output_lives(t, output, m->track) &&
	    segments_full(ts)) {
		refuse(ts, worker, m->want, GONE_FAILED, 503,
		       "the folder for segments is full (media_limit_mb)");
		tuner_update(t);
		return;
	}
	if (t->state == TUNER_ENDED || t->state == TUNER_FAILED) {
		forget_last_showing(t);
		tuner_set_state(t, TUNER_STARTING);
	}
	if (want_attach(ts, t, worker, m, &asked, output) < 0)
		refuse(ts, worker, m->want, GONE_FAILED, 503, no_memory);
	tuner_update(t);
}

void tuners_release(struct tuners *ts, unsigned worker, uint32_t id)
{
	struct want *w = want_find(ts, worker, id);
	struct tuner *t = w ? w->output->tuner : NULL;

	if (!w)
		return;
	want_free(ts, w);
	tuner_update(t);
}

void tuners_offer(struct tuners *ts, unsigned worker)
{
	for (struct tuner *t = ts->all; t; t = t->next)
		for (struct output *o = t->outputs; o; o = o->next)
			if (o->offered)
				output_offer(o, (int)worker);
}

void tuners_worker_gone(struct tuners *ts, unsigned worker)
{
	struct want *next;

	for (struct want *w = ts->wants; w; w = next) {
		next = w->next;
		if (w->worker == worker)
			want_free(ts, w);
	}
	for (struct tuner *t = ts->all; t; t = t->next)
		if (t->slot >= 0)
			tuner_update(t);
}

/* ---------- line-ups ---------- */

/* What an output reads may have become a copy, or is no longer one. */
static void readers_follow(struct tuner *t)
{
	for (struct output *o = t->outputs; o; o = o->next)
		if (o->reads && output_follow_source(o) < 0)
			output_fail(o, 503, no_memory);
}

/* Points the outputs of a tuner to the new definitions; a changed hash restarts the job that fills
 * them, and their viewers stay.  An output that has become a copy is no longer the derive job's.
 * `segments`: the segment job is to restart in any case. */
static void outputs_follow(struct tuner *t, bool segments)
{
	bool changed = false;

	for (struct output *o = t->outputs; o; o = o->next) {
		const struct lineup_output *def = NULL;
		uint32_t old = o->def ? o->def->hash : 0;

		if (o->source)
			continue;
		for (size_t i = 0; t->def && i < t->def->output_count; i++)
			if (t->def->outputs[i].form == o->id.form &&
			    !strcmp(t->def->outputs[i].variant, o->id.variant))
				def = &t->def->outputs[i];
		o->def = def && def->plain && !tuner_both(t) ? NULL : def;
		if (o->reads)
			segments = segments || !o->def || def->hash != old;
		else
			changed = changed || !o->def || def->hash != old || def->plain;
	}
	if (t->def)
		readers_follow(t);
	if (segments)
		tuner_retry_now(&t->retry[SEAT_SEGMENT]);
	if (segments && t->jobs[SEAT_SEGMENT])
		job_stop(t->jobs[SEAT_SEGMENT]);
	if (changed)
		tuner_retry_now(&t->retry[SEAT_DERIVE]);
	if (changed && t->jobs[SEAT_DERIVE])
		job_stop(t->jobs[SEAT_DERIVE]);
	if (changed && t->jobs[SEAT_SOURCE] && tuner_both(t))
		job_stop(t->jobs[SEAT_SOURCE]);
}

/* A want whose variant has become a copy (or is no longer one) moves to the output that fills it
 * now; a want whose variant was removed is answered. */
static void wants_follow(struct tuners *ts, struct tuner *t)
{
	struct want *next;

	for (struct want *w = ts->wants; w; w = next) {
		const struct lineup_tuner *def;
		const struct lineup_output *output;
		struct output *from = w->output, *to;

		next = w->next;
		if (from->tuner != t)
			continue;
		if (lineup_resolve(ts->lineup, &w->asked, &def, &output) < 0 || def != t->def) {
			refuse(ts, w->worker, w->id, GONE_REMOVED, 404, "there is no such variant");
			want_free(ts, w);
			continue;
		}
		to = output_get(t, output, w->asked.track);
		if (!to || to == from)
			continue;
		assert(from->wants > 0);
		if (--from->wants == 0)
			from->idle_since_us = clock_mono_us();
		to->wants++;
		to->idle_since_us = 0;
		to->asked = w->asked;
		w->output = to;
		output_send_ring(to, w, false);
		output_offer_end(from);
		output_offer(from, -1);
		output_offer(to, -1);
		if (output_fill(to) < 0) {
			refuse(ts, w->worker, w->id, GONE_FAILED, 503, no_memory);
			want_free(ts, w);
		}
	}
}

static void tuner_follow(struct tuners *ts, struct tuner *t)
{
	const struct lineup_tuner *def = tuner_definition(t), *was = t->def;

	/* the same channel, shared by both line-ups */
	if (def && def == t->def)
		return;
	t->def = def;
	if (t->def && t->def->unavailable)
		t->def = NULL;
	if (t->def && !lineup_same_sources(was, t->def))
		tuner_follow_sources(t, was);
	outputs_follow(t, segments_lack_track(t));
	if (t->def) {
		wants_follow(ts, t);
		/* one job in both roles needed no ring between them, two do */
		if (t->outputs && !tuner_both(t) && !output_get(t, NULL, ""))
			tuner_fail(t, 503, no_memory);
	} else {
		tuner_give_up(t, GONE_REMOVED, 404, "the channel has been removed");
		tuner_stop_jobs(t);
	}
}

void tuners_set_log_level(struct tuners *ts, enum log_level level)
{
	ts->env.log_level = level;
}

/* One without a definition and without jobs.  Its end is told as every other one. */
static void tuner_remove(struct tuner *t)
{
	assert(!t->def && !tuner_has_jobs(t));
	outputs_free(t);
	if (t->state != TUNER_IDLE)
		tuner_set_state(t, TUNER_IDLE);
	tuner_free(t);
}

struct lineup *tuners_set_lineup(struct tuners *ts, struct lineup *l)
{
	struct lineup *old = ts->lineup;
	struct tuner *next;

	assert(l);
	ts->lineup = l;
	for (struct tuner *t = ts->all; t; t = t->next)
		tuner_follow(ts, t);
	for (struct tuner *t = ts->all; t; t = next) {
		next = t->next;
		if (!t->def && !tuner_has_jobs(t))
			tuner_remove(t);
		else if (t->slot >= 0)
			tuner_update(t);
	}
	return old;
}

/* ---------- nursery, reaper, control ---------- */

void tuners_nursery_ready(struct tuners *ts)
{
	for (struct tuner *t = ts->all; t; t = t->next)
		for (size_t i = 0; i < SEAT_COUNT_; i++)
			if (t->jobs[i])
				job_hand_over(t->jobs[i]);
}

static bool job_reaped(struct job *j, pid_t pid, int wait_status)
{
	assert(pid > 0);
	if (!j || j->pid != pid)
		return false;
	j->pid = -1; /* the pid may be reused from now on */
	if (WIFSIGNALED(wait_status) && !j->explained && j->seat != SEAT_PROBE) {
		j->explained = true;
		snprintf(j->tuner->last_error, sizeof(j->tuner->last_error),
			 "its process was killed by signal %d", WTERMSIG(wait_status));
	}
	return true;
}

bool tuners_child_exited(struct tuners *ts, pid_t pid, int wait_status)
{
	for (struct tuner *t = ts->all; t; t = t->next)
		for (size_t i = 0; i < SEAT_COUNT_; i++)
			if (job_reaped(t->jobs[i], pid, wait_status))
				return true;
	return false;
}

/* Ends a profile-only variant, "5/sd" of tuner "5".  Viewers of a copy share the source's output;
 * the variant in their want identifies them.  False = it does not run. */
static bool stop_variant(struct tuners *ts, struct tuner *t, const char *variant)
{
	bool runs = false;
	struct want *next;

	for (struct want *w = ts->wants; w; w = next) {
		next = w->next;
		if (w->output->tuner != t || strcmp(w->asked.variant, variant) != 0)
			continue;
		runs = true;
		refuse(ts, w->worker, w->id, GONE_STOPPED, 503, "the variant was stopped");
		want_free(ts, w);
	}
	for (struct output *o = t->outputs; o; o = o->next) {
		if (o->source || o->wants || strcmp(o->id.variant, variant) != 0)
			continue;
		o->ended = true;
		runs = true;
	}
	if (runs)
		tuner_update(t);
	return runs;
}

static void stop_tuner(struct tuner *t)
{
	tuner_give_up(t, GONE_STOPPED, 503, "the channel was stopped");
	tuner_forget_failures(t);
	for (struct output *o = t->outputs; o; o = o->next)
		o->ended = true;
	t->forget = true;
	tuner_update(t);
}

int tuners_stop(struct tuners *ts, const char *key)
{
	for (struct tuner *t = ts->all; t; t = t->next) {
		size_t n = strlen(t->key);

		if (t->slot < 0 || strncmp(key, t->key, n) != 0)
			continue;
		if (key[n] == '/' && key[n + 1] != '\0' && stop_variant(ts, t, key + n + 1))
			return 0;
		if (key[n] != '\0')
			continue;
		stop_tuner(t);
		return 0;
	}
	return -ENOENT;
}

unsigned tuners_job_count(const struct tuners *ts)
{
	return ts->jobs;
}

void tuners_shutdown(struct tuners *ts)
{
	ts->shutting_down = true;
	for (struct tuner *t = ts->all; t; t = t->next)
		tuner_stop_jobs(t);
}
