/* tuner_lookup.c - a tuner whose source is a page: yt-dlp finds the address before each start, and
 * again before it expires. */
#include "amps-master/tuners/tuner.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/log/log.h"
#include "common/text/text.h"

bool tuner_must_look_up(const struct tuner *t, uint64_t now_us)
{
	return tuner_source(t)->lookup &&
	       (!t->found_us || now_us - t->found_us > LOOKUP_KEEP_MS * 1000ull);
}

static bool runs(const struct tuner *t)
{
	const struct job *source = t->jobs[SEAT_SOURCE];

	return source && source->state != JOB_STOPPING;
}

static void found(struct tuner *t, const struct found_source *f)
{
	found_source_done(&t->found);
	t->found = *f;
	t->found_us = clock_mono_us();
	if (!runs(t))
		return;
	log_info("the source's address expires, continuing with a new one channel=%s", t->key);
	tuner_replace_source(t);
}

/* A source that runs goes on until its address expires. */
static void failed(struct tuner *t, bool silent, const char *reason)
{
	if (runs(t)) {
		log_warn("a new address for the source was not found (%s), trying again in %d s "
			 "channel=%s",
			 reason, LOOKUP_AGAIN_MS / 1000, t->key);
		t->lookup_us = clock_mono_us() + LOOKUP_AGAIN_MS * 1000ull;
		return;
	}
	text_copy(t->last_error, sizeof(t->last_error), reason);
	t->last_status = silent ? 504 : 502;
	t->health[t->source_at].failed_us = clock_mono_us();
	tuner_back_off(t, SEAT_SOURCE, true, "address of the source", LOST_FAILED);
	tuner_lost_source(t);
}

void tuner_send_turn(const struct want *w)
{
	const struct tuners *ts = w->output->tuner->owner;
	struct msg_output_turn m = {.want = w->id, .waits = w->output->tuner->lookup_turn != 0};

	ts->env.output_turn(ts->env.owner, w->worker, &m);
}

/* 0: it does not wait any more. */
static void set_turn(struct tuner *t, uint64_t turn)
{
	bool told = (turn != 0) == (t->lookup_turn != 0);

	t->lookup_turn = turn;
	for (const struct want *w = t->owner->wants; w && !told; w = w->next)
		if (w->output->tuner == t)
			tuner_send_turn(w);
}

/* The first that waits; NULL = none. */
static struct tuner *first_waiting(const struct tuners *ts)
{
	struct tuner *first = NULL;

	for (struct tuner *t = ts->all; t; t = t->next)
		if (t->lookup_turn && (!first || t->lookup_turn < first->lookup_turn))
			first = t;
	return first;
}

/* The next may begin, if there is room. */
static void wake_next(const struct tuners *ts)
{
	struct tuner *next = ts->lookups < LOOKUPS_MAX ? first_waiting(ts) : NULL;

	if (next)
		tuner_update_soon(next);
}

static void lookup_over(struct tuner *t)
{
	assert(t->owner->lookups > 0);
	t->lookup = NULL;
	t->owner->lookups--;
	wake_next(t->owner);
}

static void on_answer(void *owner, struct helper_result *result)
{
	struct tuner *t = owner;
	struct found_source f;
	char reason[ERROR_TEXT_MAX];

	lookup_over(t);
	if (lookup_read(result, clock_wall_us(), &f, reason, sizeof(reason)) == 0)
		found(t, &f);
	else
		failed(t, result->error == -ETIMEDOUT, reason);
	tuner_update(t);
}

bool tuner_looks_up(const struct tuner *t)
{
	return t->lookup || t->lookup_turn;
}

/* False: it is not this tuner's turn yet. */
static bool take_turn(struct tuner *t)
{
	struct tuners *ts = t->owner;
	const struct tuner *first = first_waiting(ts);

	assert(!t->lookup && ts->lookups <= LOOKUPS_MAX);
	if (ts->lookups < LOOKUPS_MAX && (!first || first == t)) {
		set_turn(t, 0);
		return true;
	}
	if (!t->lookup_turn)
		set_turn(t, ++ts->lookup_turns);
	return false;
}

void tuner_look_up(struct tuner *t)
{
	char reason[ERROR_TEXT_MAX];
	int r;

	assert(t->def && tuner_source(t)->lookup);
	if (t->lookup || !take_turn(t))
		return;
	r = lookup_start(t->owner->env.helpers, tuner_source(t), t->owner->lineup->lookup_program,
			 on_answer, t, &t->lookup);
	assert((r == 0) == (t->lookup != NULL));
	t->owner->lookups += r == 0;
	wake_next(t->owner);
	if (r == 0)
		return;
	if (r == -ENOENT)
		snprintf(reason, sizeof(reason),
			 "yt-dlp was not found (install it, or name it in yt_dlp_path)");
	else
		snprintf(reason, sizeof(reason), "yt-dlp cannot be started: %s", strerror(-r));
	failed(t, false, reason);
	tuner_update_soon(t);
}

void tuner_leave_queue(struct tuner *t)
{
	if (!t->lookup_turn)
		return;
	set_turn(t, 0);
	wake_next(t->owner);
}

void tuner_look_up_cancel(struct tuner *t)
{
	bool ran = t->lookup;

	set_turn(t, 0);
	t->lookup = helper_cancel(t->lookup);
	if (ran)
		lookup_over(t);
	else
		wake_next(t->owner);
}

void tuner_look_up_used(struct tuner *t)
{
	int64_t left_us, lead_us;

	assert(t->found.source);
	t->lookup_us = 0;
	if (t->found.expires_wall_us == TIME_NONE)
		return;
	left_us = t->found.expires_wall_us - clock_wall_us();
	lead_us = MIN(LOOKUP_LEAD_MS * 1000ll, left_us / 2);
	t->lookup_us =
		clock_mono_us() + (uint64_t)MAX(left_us - lead_us, LOOKUP_PERIOD_MS * 1000ll);
}

/* Live sources only: a film would start from its beginning again, so it keeps its connection. */
void tuner_look_ahead(struct tuner *t, uint64_t now_us, uint64_t *next_us)
{
	if (!runs(t) || !t->def || !tuner_source(t)->lookup || !t->lookup_us || t->lookup)
		return;
	if (now_us < t->lookup_us)
		*next_us = MIN(*next_us, t->lookup_us);
	else if (t->live)
		tuner_look_up(t);
	else
		t->lookup_us = 0;
}
