/* tuner_health.c - what is known of a tuner's sources, and which one is taken.
 *
 * A source that may start but was slow, or showed nothing, is second choice: it is taken after the
 * others.  One that plays is left for its content or its speed only if there is one to go to that
 * has also brought media lately: a bad picture is better than none. */
#include "amps-master/tuners/tuner.h"

#include <assert.h>
#include <string.h>

#include "common/clock.h"
#include "common/log/log.h"
#include "common/text/text.h"

#define CONTENT_AGAIN_US                                                                           \
	1000000ull /* while a source shows nothing, others are looked at so often */
#define SLOW_AFTER_MAX_US 120000000ull /* no longer is the proof awaited that a source is slow */

void tuner_health_forget(struct source_health *h)
{
	h->at_us = h->slow_us = h->slow_after_us = h->failed_us = h->shows_us = 0;
	h->shows_wait_ms = 0;
	backoff_init(&h->backoff, JOB_BACKOFF_MIN_MS, JOB_BACKOFF_MAX_MS);
}

bool tuner_is_slow(const struct tuner *t, unsigned at, uint64_t now_us)
{
	uint64_t slow_us = t->health[at].slow_us;

	return slow_us && now_us - slow_us < SOURCE_DOUBT_MS * 1000ull;
}

/* Longer the more often it did in a row: each try of it costs a source that plays. */
static bool failed_lately(const struct source_health *h, uint64_t now_us)
{
	uint64_t for_ms = (uint64_t)SOURCE_DOUBT_MS << MIN(h->silent_starts, 4u);

	return h->failed_us && now_us - h->failed_us < for_ms * 1000;
}

uint64_t tuner_shows_us(const struct tuner *t, unsigned at)
{
	const struct source_health *h = &t->health[at];

	return t->def && (t->def->watch_content || h->shows_part) ? h->shows_us : 0;
}

static bool is_second_choice(const struct tuner *t, unsigned at, uint64_t now_us)
{
	return tuner_is_slow(t, at, now_us) || tuner_shows_us(t, at) > now_us;
}

unsigned tuner_choose_source(const struct tuner *t, unsigned first, bool plain, uint64_t now_us)
{
	unsigned n = t->def->source_count, soonest = n, second = n;
	/* is there one of second choice that may start?  It is preferred to what has failed */
	bool choice = false;

	assert(n > 0);
	first = first > n ? 0 : first; /* behind the slate */
	plain = plain && tuner_has_plain_source(t);
	for (unsigned i = 0; i < n; i++)
		choice = choice || (t->health[i].at_us <= now_us &&
				    is_second_choice(t, i, now_us) && !(plain && t->health[i].raw));
	for (unsigned step = 0; step < n; step++) {
		unsigned i = (first + step) % n;

		if (plain && t->health[i].raw)
			continue;
		if (t->health[i].at_us <= now_us && !is_second_choice(t, i, now_us) &&
		    !(choice && failed_lately(&t->health[i], now_us)))
			return i;
		if (t->health[i].at_us <= now_us && is_second_choice(t, i, now_us) && second == n)
			second = i;
		if (soonest == n || t->health[i].at_us < t->health[soonest].at_us)
			soonest = i;
	}
	assert(soonest < n);
	return second < n ? second : soonest;
}

int tuner_better_source(const struct tuner *t, uint64_t now_us)
{
	unsigned n = t->def ? t->def->source_count : 0;

	for (unsigned step = 1; step < n; step++) {
		unsigned i = (t->source_at + step) % n;
		const struct source_health *h = &t->health[i];

		if (h->at_us <= now_us && !h->raw && !failed_lately(h, now_us) &&
		    !is_second_choice(t, i, now_us))
			return (int)i;
	}
	return -1;
}

void tuner_source_failed(struct tuner *t, unsigned at)
{
	struct source_health *h = &t->health[at];

	assert(t->def && at < t->def->source_count);
	h->failed_us = clock_mono_us();
	h->at_us = h->failed_us + backoff_next_ms(&h->backoff, true) * 1000ull;
}

void tuner_note_slow(struct tuner *t, const struct job *j, unsigned at, unsigned permil)
{
	struct source_health *h = &t->health[at];
	uint64_t now_us = clock_mono_us(), ran_us = j->running_us ? now_us - j->running_us : 0;

	assert(permil > 0 && permil < 1000);
	if (!tuner_is_slow(t, at, now_us))
		log_warn("source %u delivers only %u%% of real time, %s channel=%s", at + 1,
			 permil / 10,
			 at == t->source_at && tuner_better_source(t, now_us) < 0
				 ? "there is no other one, continuing with it"
				 : "preferring another one",
			 t->key);
	h->slow_us = now_us;
	h->slow_after_us = MAX(h->slow_after_us, MIN(ran_us, SLOW_AFTER_MAX_US));
	h->rate_permil = permil;
}

const char *tuner_content_text(enum content_fault fault)
{
	static const char *const texts[CONTENT_FAULT_COUNT_] = {
		[CONTENT_BLACK] = "its picture is black",
		[CONTENT_FROZEN] = "its picture is frozen",
		[CONTENT_SILENT] = "its sound is silent",
		[CONTENT_NO_PICTURE] = "its picture is gone",
		[CONTENT_NO_SOUND] = "its sound is gone",
	};

	assert(fault < CONTENT_FAULT_COUNT_ && texts[fault]);
	return texts[fault];
}

/* How long it is not returned to: longer each time, unless it showed something for so long. */
static uint32_t shows_wait_ms(const struct source_health *h, uint64_t showed_us)
{
	if (!h->shows_wait_ms || showed_us > CONTENT_RETRY_MS * 1000ull)
		return CONTENT_RETRY_MS;
	return MIN(2 * h->shows_wait_ms, CONTENT_RETRY_MAX_MS);
}

/* There is no return to it before that time. */
static void note_shows(struct source_health *h, uint64_t showed_us)
{
	h->shows_wait_ms = shows_wait_ms(h, showed_us);
	h->shows_us = clock_mono_us() + h->shows_wait_ms * 1000ull;
}

void tuner_note_sound_only(struct tuner *t, unsigned at)
{
	assert(at < t->def->source_count);
	note_shows(&t->health[at], 0);
	t->health[at].shows_part = true;
}

void tuner_leaves_content(struct tuner *t)
{
	struct source_health *h = &t->health[t->source_at];
	const struct job *j = t->jobs[SEAT_SOURCE];
	bool ran = j && j->running_us && j->running_us < t->content_us;

	if (t->content == CONTENT_GOOD || tuner_on_slate(t))
		return;
	note_shows(h, ran ? t->content_us - j->running_us : 0);
	h->shows_part = t->gone != CONTENT_GOOD;
	h->finite = !t->live;
}

/* The source is left for a better one; it may be started again at once if that does not work. */
static void leave_content(struct tuner *t)
{
	unsigned was = t->source_at;

	tuner_leaves_content(t);
	t->found_us = 0; /* another look at its page may find something else */
	text_copy(t->last_error, sizeof(t->last_error), tuner_content_text(t->content));
	tuner_back_off(t, SEAT_SOURCE, false, "source", LOST_CONTENT);
	assert(t->source_at != was);
	tuner_replace_source(t);
	if (t->jobs[SEAT_WATCH])
		job_stop(t->jobs[SEAT_WATCH]);
	tuner_tell_failed(t);
}

/* Notes what the job in this seat has found.  Returns what counts now: what is gone cannot be
 * judged otherwise. */
static enum content_fault weigh(struct tuner *t, enum job_seat seat, enum content_fault fault)
{
	assert(seat == SEAT_WATCH || seat == SEAT_SOURCE);
	if (seat == SEAT_WATCH)
		t->looks = fault;
	else
		t->gone = fault;
	return t->gone != CONTENT_GOOD ? t->gone : t->looks;
}

void tuner_forget_content(struct tuner *t, enum job_seat seat)
{
	enum content_fault was = t->content;

	t->content = weigh(t, seat, CONTENT_GOOD);
	/* what the source's job has found is why it was left */
	if (seat == SEAT_WATCH && was != t->content && t->state == TUNER_RUNNING &&
	    strcmp(t->last_error, tuner_content_text(was)) == 0)
		t->last_error[0] = '\0';
}

void tuner_judge_content(struct tuner *t, uint64_t now_us, uint64_t *next_us)
{
	const struct job *source = t->jobs[SEAT_SOURCE];

	if (t->content == CONTENT_GOOD || t->state != TUNER_RUNNING || tuner_on_slate(t) ||
	    !source || source->state == JOB_STOPPING)
		return;
	/* an earlier source that is being tried takes over by itself */
	if (tuner_return_ready(t) || tuner_better_source(t, now_us) < 0)
		*next_us = MIN(*next_us, now_us + CONTENT_AGAIN_US);
	else
		leave_content(t);
}

void tuner_content(struct tuner *t, enum job_seat seat, enum content_fault found)
{
	enum content_fault was = t->content, fault = weigh(t, seat, found);

	if (fault == was)
		return;
	if (was == CONTENT_GOOD)
		t->content_us = clock_mono_us();
	t->content = fault;
	if (fault == CONTENT_GOOD) {
		if (strcmp(t->last_error, tuner_content_text(was)) == 0)
			t->last_error[0] = '\0';
		log_info("the source shows something again channel=%s", t->key);
	} else {
		text_copy(t->last_error, sizeof(t->last_error), tuner_content_text(fault));
		log_warn("the source shows nothing (%s) channel=%s", t->last_error, t->key);
	}
	tuner_publish(t);
	tuner_update_soon(t);
}
