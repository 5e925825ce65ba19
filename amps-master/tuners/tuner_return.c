/* tuner_return.c - a channel goes back to an earlier source.
 *
 * While a later source plays, a second ingest job (SEAT_PROBE) tries an earlier one, with a ring
 * without readers.  When it has run for streaming.return_after, or when the source that plays is
 * lost, it is given the channel's next ring, begins there like a new job behind the frontier of the
 * present ring, and takes the seat of the source with its first access point.  The job before it
 * takes the other seat until its process has ended.
 *
 * The slate plays behind the last source, and ends in the same way, but at once: while it plays,
 * sources are tried as their back-off says, and the first one that runs takes over. */
#include "amps-master/tuners/tuner.h"

#include <assert.h>
#include <string.h>

#include "common/log/log.h"
#include "common/msg/peer.h"
#include "common/text/text.h"

#define OVERLAPS_MAX	3
#define OVERLAP_MAX_90K (10 * 90000ull)
/* The job before writes so much more until it has stopped; behind a cushion it writes 100 ms at a
 * time. */
#define STOPS_90K 13500
/* A slate begins slightly ahead of real time, and how far a source's clock references are ahead of
 * its pictures is known a moment after its first access point. */
#define SLATE_RETURN_US 500000
#define SLOW_FOUND_US	12000000ull /* a job has reported a slow source by then */
#define AGAIN_MS	500	    /* while the present job moves to a larger ring */

static struct job *probe_of(const struct tuner *t)
{
	struct job *j = t->jobs[SEAT_PROBE];

	return j && j->state != JOB_STOPPING ? j : NULL;
}

static bool plays(const struct tuner *t)
{
	const struct job *source = t->jobs[SEAT_SOURCE];

	return source && source->state == JOB_ALIVE && t->state == TUNER_RUNNING;
}

/* A page is not tried: each look-up would ask its site again.  Nor is a film beside another source:
 * it would begin again. */
static bool may_try(const struct tuner *t, unsigned at)
{
	const struct lineup_source *s = &t->def->sources[at];

	return !s->lookup && (!t->health[at].finite || tuner_on_slate(t)) && !t->health[at].raw &&
	       s->address != tuner_source(t)->address;
}

/* The one whose back-off ends first. */
static int soonest_candidate(const struct tuner *t)
{
	int soonest = -1;

	for (unsigned at = 0; at < t->def->source_count; at++)
		if (may_try(t, at) &&
		    (soonest < 0 || t->health[at].at_us < t->health[soonest].at_us))
			soonest = (int)at;
	return soonest;
}

/* The earlier source that is tried next: those that showed nothing last; -1 = none. */
static int candidate(const struct tuner *t)
{
	int found = -1;

	if (tuner_on_slate(t))
		return soonest_candidate(t);
	for (unsigned step = 0; step < t->source_at; step++) {
		unsigned at = (t->probe_source + step) % t->source_at;

		if (may_try(t, at) &&
		    (found < 0 || tuner_shows_us(t, at) < tuner_shows_us(t, (unsigned)found)))
			found = (int)at;
	}
	return found;
}

static bool wanted(const struct tuner *t)
{
	return t->def && (!t->own || tuner_on_slate(t)) && !tuner_both(t) && output_source(t) &&
	       t->state != TUNER_ENDED && !t->owner->shutting_down &&
	       (t->probe_switches || (plays(t) && candidate(t) >= 0));
}

void tuner_return_cancel(struct tuner *t)
{
	struct output *o = output_source(t);

	if (t->probe_switches && o)
		output_drop_next(o);
	t->probe_switches = false;
	if (probe_of(t))
		job_stop(probe_of(t));
}

static uint64_t setting_us(const struct tuner *t)
{
	if (tuner_on_slate(t))
		return SLATE_RETURN_US;
	return (uint64_t)t->owner->lineup->settings.return_after_ms * 1000;
}

/* How long a source must be stable.  One that was slow runs until that would show again, which
 * takes longer if it delivers in bursts. */
static uint64_t return_after_us(const struct tuner *t)
{
	uint64_t after_us = setting_us(t), slow_us;

	/* what plays shows nothing */
	if (tuner_on_slate(t) || t->content != CONTENT_GOOD)
		return MIN(after_us, SLATE_RETURN_US);
	assert(t->probe_source <= CHANNEL_SOURCES_MAX);
	slow_us = t->health[t->probe_source].slow_after_us;
	if (!slow_us)
		return after_us;
	slow_us += slow_us / 3;
	return MAX(after_us, MAX(slow_us, SLOW_FOUND_US));
}

/* The next try follows after as long as a source must be stable, a second at least. */
static void try_later(struct tuner *t, uint64_t now_us)
{
	t->probe_at_us = now_us + MAX(setting_us(t), RETURN_FIRST_MS * 1000ull);
}

static void take_over(struct tuner *t, struct job *j)
{
	struct output *o = output_source(t);

	assert(o && j->running_us);
	t->probe_switches = true;
	t->probe_at_us = clock_mono_us() + t->owner->lineup->settings.start_timeout_ms * 1000ull;
	if (output_give_ring(o, j, output_ring_bytes(o), false) < 0)
		tuner_return_cancel(t);
}

/* It is not to be used; another one is tried next, if there is. */
static void give_up(struct tuner *t, const struct job *j)
{
	tuner_return_cancel(t);
	t->probe_source = j->source + 1;
	if (tuner_on_slate(t) && j->source < t->def->source_count)
		tuner_source_failed(t, j->source);
	else if (!j->running_us)
		t->health[j->source].failed_us = clock_mono_us();
	try_later(t, clock_mono_us());
}

/* When the next source is tried. */
static uint64_t try_us(const struct tuner *t)
{
	int at = candidate(t);

	assert(at >= 0);
	return tuner_on_slate(t) ? t->health[at].at_us
				 : MAX(t->probe_at_us, tuner_shows_us(t, (unsigned)at));
}

bool tuner_return_ready(const struct tuner *t)
{
	const struct job *j = probe_of(t);

	return t->probe_switches || (j && j->running_us);
}

bool tuner_return_at_once(struct tuner *t)
{
	struct job *j = probe_of(t);

	if (t->probe_switches)
		return true;
	if (!j || !j->running_us || !output_source(t))
		return false;
	take_over(t, j);
	return t->probe_switches;
}

/* When the job that runs takes over; now_us = it does. */
static uint64_t due_us(const struct tuner *t, const struct job *j, uint64_t now_us)
{
	const struct output *o = output_source(t);
	uint64_t at_us = j->running_us + return_after_us(t);

	if (now_us < at_us)
		return at_us;
	return o->next_ring.fd >= 0 || o->ordered.generation ? now_us + AGAIN_MS * 1000 : now_us;
}

void tuner_return(struct tuner *t, uint64_t now_us, uint64_t *next_us)
{
	struct job *j = probe_of(t);
	uint64_t at_us;

	if (!wanted(t)) {
		tuner_return_cancel(t);
		return;
	}
	if (j && !j->running_us)
		return;
	if (!j)
		at_us = t->jobs[SEAT_PROBE] ? UINT64_MAX : try_us(t);
	else
		at_us = t->probe_switches ? t->probe_at_us : due_us(t, j, now_us);
	if (now_us < at_us) {
		*next_us = MIN(*next_us, at_us);
	} else if (j && t->probe_switches) {
		give_up(t, j);
		*next_us = now_us;
	} else if (j) {
		take_over(t, j);
		*next_us = MIN(*next_us, t->probe_at_us);
	} else {
		try_later(t, now_us);
		t->probe_source = (unsigned)candidate(t);
		if (job_start_probe(t, t->probe_source) < 0) {
			log_warn("a source cannot be tried, trying again later channel=%s", t->key);
			tuner_source_failed(t, t->probe_source);
			*next_us = MIN(*next_us, try_us(t));
		}
	}
}

int tuner_return_ring(struct job *j)
{
	struct tuner *t = j->tuner;
	const struct output *o = output_source(t);
	struct output_ring r = {.fd = -1,
				.generation = ++t->owner->generation,
				.data_bytes = ring_class(RING_BYTES_FIRST)};
	struct msg_job_output m = {.generation = r.generation,
				   .data_bytes = r.data_bytes,
				   .track = "",
				   .continue_90k = TIME_NONE,
				   .continue_clock_90k = TIME_NONE,
				   .spec = ""};

	assert(o && t->probe.fd < 0);
	r.fd = ring_create("amps-ring", r.data_bytes, r.generation);
	if (r.fd < 0)
		return r.fd;
	m.output = o->slot;
	t->probe = r;
	peer_send_job_output(j->peer, &m, &r.fd);
	return 0;
}

static int on_mapped(struct job *j, const struct msg *m)
{
	struct tuner *t = j->tuner;
	const struct output *o = output_source(t);
	struct msg_job_mapped mapped;

	if (msg_decode_job_mapped(m->bytes, m->len, &mapped) < 0)
		return -EBADMSG;
	if (mapped.generation != t->probe.generation)
		return job_on_mapped(j, m);
	if (!o || t->probe.map.header)
		return o ? -EBADMSG : 0;
	return output_ring_open(o, &t->probe);
}

/* It has the seat of the source from now on. */
static void promote(struct job *j)
{
	struct tuner *t = j->tuner;
	struct job *before = t->jobs[SEAT_SOURCE];

	assert(t->probe_switches && j->source < t->def->source_count);
	if (tuner_on_slate(t))
		log_info("a source works, the slate ends channel=%s source=%u", t->key,
			 j->source + 1);
	else
		log_info("the channel returns to an earlier source channel=%s from=%u to=%u",
			 t->key, t->source_at + 1, j->source + 1);
	output_ring_drop(&t->probe);
	t->probe_switches = false;
	t->health[j->source].slow_us = t->health[j->source].slow_after_us = 0;
	tuner_leaves_content(t);
	t->jobs[SEAT_SOURCE] = j;
	j->seat = SEAT_SOURCE;
	t->jobs[SEAT_PROBE] = before;
	if (before) {
		before->seat = SEAT_PROBE;
		job_stop(before);
	}
	/* a slate is no source: the one before it may go on */
	if (!tuner_on_slate(t) || t->source_lost != j->source)
		history_add(&t->history, clock_mono_us(), j->source,
			    &(struct history_counts){.switches = 1});
	/* of the ring that workers still read */
	tuner_count(t, clock_mono_us());
	tuner_set_source(t, j->source);
	t->source_hash = tuner_source(t)->hash;
	t->live = j->live;
	t->pictures = j->pictures;
	if (t->jobs[SEAT_WATCH])
		job_stop(t->jobs[SEAT_WATCH]);
	try_later(t, clock_mono_us());
}

/* How far `first` lies before `limit` and what is still written behind it; both are a job's. */
static int64_t before(int64_t first, int64_t limit)
{
	uint64_t behind = (uint64_t)first - (uint64_t)limit, by = (uint64_t)limit - (uint64_t)first;

	if (first >= limit)
		return behind > STOPS_90K ? 0 : STOPS_90K - (int64_t)behind + 1;
	return (int64_t)MIN(by, OVERLAP_MAX_90K) + STOPS_90K + 1;
}

/* By how much the next ring begins before the present one's frontier, or before its clock; 0: it
 * does not.  Sources deliver in bursts.  With another ring the job begins again, that much later.
 */
static int64_t overlap_90k(const struct output *o)
{
	const struct ring_header *h = o->next_ring.map.header;
	int64_t frontier = output_frontier_90k(o), overlap, clock, first_clock;

	if (frontier == TIME_NONE)
		return 0;
	overlap = before(atomic_load_explicit(&h->first_90k, memory_order_relaxed), frontier);
	clock = ring_clock_90k(&o->current.map);
	first_clock = atomic_load_explicit(&h->first_clock_90k, memory_order_relaxed);
	if (clock != TIME_NONE && first_clock != TIME_NONE)
		overlap = MAX(overlap, before(first_clock, clock));
	return overlap;
}

static int on_running(struct job *j, const struct msg *m)
{
	struct tuner *t = j->tuner;
	struct output *o = output_source(t);
	struct msg_job_running running;
	int64_t overlap;

	if (msg_decode_job_running(m->bytes, m->len, &running) < 0)
		return -EBADMSG;
	if (running.generation == t->probe.generation) {
		if (!t->probe.map.header || j->running_us)
			return -EBADMSG;
		j->running_us = clock_mono_us();
		t->health[j->source].start_took_us = j->running_us - j->started_us;
		t->health[j->source].failed_us = 0;
		tuner_update_soon(t);
		return 0;
	}
	/* a film that has ended meanwhile ends the channel */
	if (!t->probe_switches || t->state == TUNER_ENDED || !o ||
	    running.generation != o->next_ring.generation)
		return 0;
	if (!o->next_ring.map.header)
		return -EBADMSG;
	overlap = overlap_90k(o);
	if (overlap > 0) {
		if (t->probe_overlaps++ < OVERLAPS_MAX) {
			t->probe_ahead_90k += overlap;
			take_over(t, j);
		} else {
			t->probe_overlaps = 0;
			t->probe_ahead_90k = 0;
			give_up(t, j);
		}
		tuner_update_soon(t);
		return 0;
	}
	t->probe_overlaps = 0;
	t->probe_ahead_90k = 0;
	promote(j);
	tuner_update_soon(t);
	return job_on_running(j, m);
}

/* It has come back with less than what plays. */
static bool lacks_pictures(const struct job *j)
{
	const struct tuner *t = j->tuner;

	return t->pictures && !j->pictures && !tuner_on_slate(t) && t->content == CONTENT_GOOD;
}

static int on_source(struct job *j, const struct msg *m)
{
	struct msg_job_source source;

	if (msg_decode_job_source(m->bytes, m->len, &source) < 0 ||
	    source.kind >= SOURCE_KIND_COUNT_)
		return -EBADMSG;
	j->live = source.live;
	j->pictures = source.pictures;
	if (lacks_pictures(j)) {
		log_info("source %u has sound only, staying with source %u channel=%s",
			 j->source + 1, j->tuner->source_at + 1, j->tuner->key);
		tuner_note_sound_only(j->tuner, j->source);
		give_up(j->tuner, j);
		return 0;
	}
	if (source.kind != SOURCE_RAW)
		return 0;
	/* it needs a job in both roles; beside a slate its end is awaited for the reason */
	if (tuner_on_slate(j->tuner))
		j->tuner->health[j->source].raw = true;
	else
		give_up(j->tuner, j);
	return 0;
}

/* The channel's next ring is made for what this source needs. */
static int on_ring_small(struct job *j, const struct msg *m)
{
	struct msg_job_ring_small small;

	if (msg_decode_job_ring_small(m->bytes, m->len, &small) < 0)
		return -EBADMSG;
	j->tuner->hint_bytes = MAX(j->tuner->hint_bytes, ring_class(small.wanted_bytes));
	return 0;
}

static int on_failed(struct job *j, const struct msg *m)
{
	struct msg_job_failed failed;
	char text[ERROR_TEXT_MAX];

	if (msg_decode_job_failed(m->bytes, m->len, &failed) < 0)
		return -EBADMSG;
	text_copy_foreign(text, sizeof(text), failed.text);
	if (j->tuner->health[j->source].raw) {
		text_copy(j->tuner->last_error, sizeof(j->tuner->last_error), text);
		return 0;
	}
	log_info("source %u does not work yet (%s), trying again later channel=%s", j->source + 1,
		 text, j->tuner->key);
	return 0;
}

static int on_rate(struct job *j, const struct msg *m)
{
	struct msg_job_rate rate;

	if (msg_decode_job_rate(m->bytes, m->len, &rate) < 0 || rate.permil == 0 ||
	    rate.permil >= 1000)
		return -EBADMSG;
	if (!j->tuner->def || tuner_on_slate(j->tuner) || j->source >= j->tuner->def->source_count)
		return 0;
	tuner_note_slow(j->tuner, j, j->source, rate.permil);
	give_up(j->tuner, j);
	tuner_update_soon(j->tuner);
	return 0;
}

/* The rest of what it had goes on without it: it is no better than before. */
static int on_content(struct job *j, const struct msg *m)
{
	struct msg_job_content content;

	if (msg_decode_job_content(m->bytes, m->len, &content) < 0 ||
	    content.fault >= CONTENT_FAULT_COUNT_)
		return -EBADMSG;
	if (content.fault == CONTENT_GOOD)
		return 0;
	give_up(j->tuner, j);
	tuner_update_soon(j->tuner);
	return 0;
}

int tuner_return_message(struct job *j, const struct msg *m)
{
	static int (*const handlers[MSG_TYPE_COUNT_])(struct job * j, const struct msg *m) = {
		[MSG_HELLO] = job_on_hello,
		[MSG_JOB_MAPPED] = on_mapped,
		[MSG_JOB_RUNNING] = on_running,
		[MSG_JOB_SOURCE] = on_source,
		[MSG_JOB_RING_SMALL] = on_ring_small,
		[MSG_JOB_FAILED] = on_failed,
		[MSG_JOB_RATE] = on_rate,
		[MSG_JOB_CONTENT] = on_content,
	};

	/* what else it reports concerns a channel that plays it */
	return handlers[m->type] ? handlers[m->type](j, m) : 0;
}

/* Profiles can play the source, and a plain one is not to be waited for. */
static void leave_slate_raw(struct tuner *t, unsigned at)
{
	tuner_leave_slate(t, at);
	t->retry[SEAT_SOURCE].at_us = 0; /* it works */
	if (t->jobs[SEAT_SOURCE])
		tuner_replace_source(t);
	tuner_lost_raw(t);
}

void tuner_return_lost(struct job *j)
{
	struct tuner *t = j->tuner;

	assert(j->state == JOB_STOPPING);
	give_up(t, j);
	if (tuner_on_slate(t) && j->source < t->def->source_count && t->health[j->source].raw &&
	    !tuner_plain_elsewhere(t))
		leave_slate_raw(t, j->source);
}
