/* tuner_output.c - an output of a tuner: its rings, generation by generation, and their readers. */
#include "amps-master/tuners/tuner.h"

#include <assert.h>
#include <string.h>

#include "amps-master/tuners/ring_pool.h"
#include "common/shm/chantab.h"
#include "common/log/log.h"
#include "common/msg/peer.h"
#include "common/shm/segment.h"
#include "common/shm/shm.h"
#include "common/text/text.h"

void output_ring_drop(struct output_ring *r)
{
	ring_close(&r->map);
	close_fd(&r->fd);
	*r = (struct output_ring){.fd = -1};
}

/* What rings of a form are like. */
static const struct ring_kind {
	uint32_t unit_bytes;
	uint64_t
		first_bytes; /* of a ring whose source has not been measured; 0 = as the source's */
} ring_kinds[OUTPUT_FORM_COUNT_] = {
	[OUTPUT_TS] = {TS_PACKET, 0},
	[OUTPUT_ADTS] = {1, RING_BYTES_MIN},
	/* see segments_index_bytes */
	[OUTPUT_HLS_TS] = {sizeof(struct segment), RING_BYTES_LEAST},
	[OUTPUT_CMAF_PICTURE] = {sizeof(struct segment), RING_BYTES_LEAST},
	[OUTPUT_CMAF_SOUND] = {sizeof(struct segment), RING_BYTES_LEAST},
	[OUTPUT_MP4] = {1, 0},
};

struct output *output_source(const struct tuner *t)
{
	struct output *o = t->outputs;

	while (o && !o->source)
		o = o->next;
	return o;
}

/* Is it the ring of the ingest as it is? */
static bool is_source(const struct tuner *t, const struct lineup_output *def)
{
	return !def || (def->plain && !tuner_both(t));
}

struct output *output_find(struct tuner *t, const struct lineup_output *def, const char *track)
{
	if (is_source(t, def))
		return output_source(t);
	for (struct output *o = t->outputs; o; o = o->next)
		if (!o->source && o->id.form == def->form && !strcmp(o->id.track, track) &&
		    !strcmp(o->id.variant, lineup_made_as(def)))
			return o;
	return NULL;
}

static void output_set_reads(struct output *o, struct output *reads)
{
	assert(reads != o && (!o->reads || o->reads->readers > 0));
	if (o->reads && --o->reads->readers == 0 && !o->reads->wants)
		o->reads->idle_since_us = o->idle_since_us ? o->idle_since_us : clock_mono_us();
	o->reads = reads;
	if (reads)
		reads->readers++;
}

/* Sends the ring of what an output reads to the job that fills it. */
static void feed_reader(const struct output *o)
{
	const struct output_ring *r = &o->reads->current;
	const struct job *j = job_filling(o);
	struct msg_job_source_ring m = {.output = o->slot,
					.generation = r->generation,
					.data_bytes = r->data_bytes,
					.unit_bytes = ring_kinds[o->reads->id.form].unit_bytes,
					.same_job = r->same_job};

	if (j && r->fd >= 0)
		peer_send_job_source_ring(j->peer, &m, &r->fd);
}

struct output *output_get(struct tuner *t, const struct lineup_output *def, const char *track)
{
	struct output *o = output_find(t, def, track);
	struct output_id id = {.channel = t->channel};
	bool source = is_source(t, def);
	unsigned slot = 0, count = 0, place;

	if (o)
		return o;
	if (!source) {
		id.form = def->form;
		text_copy(id.variant, sizeof(id.variant), lineup_made_as(def));
		text_copy(id.track, sizeof(id.track), track);
	}
	place = segments_place(t, &id);
	for (o = t->outputs; o; o = o->next)
		count++;
	if (count == TUNER_OUTPUTS_MAX || place == SEGMENT_SOUNDS_MAX)
		return NULL;
	while (slot < OUTPUTS_MAX && t->owner->output_slots[slot])
		slot++;
	o = slot < OUTPUTS_MAX ? calloc(1, sizeof(*o)) : NULL;
	if (!o)
		return NULL;
	assert(t->slot >= 0 && count < TUNER_OUTPUTS_MAX);
	o->tuner = t;
	o->id = id;
	o->source = source;
	o->def = source ? NULL : def;
	o->slot = slot;
	o->place = place;
	o->current.fd = o->next_ring.fd = o->ordered.fd = -1;
	o->idle_since_us = clock_mono_us();
	t->owner->output_slots[slot] = o;
	o->next = t->outputs;
	t->outputs = o;
	if (output_follow_source(o) < 0) {
		output_free(o);
		return NULL;
	}
	return o;
}

struct output *output_renew(struct tuner *t, const struct lineup_output *def, const char *track)
{
	struct output *last = output_find(t, def, track);

	if (last && !last->source && last->ended && !output_used(last))
		output_switch_off(last);
	return output_get(t, def, track);
}

int output_follow_source(struct output *o)
{
	struct tuner *t = o->tuner;
	struct output *reads;

	if (!form_reads_ts(o->id.form) || !o->def)
		return 0;
	reads = output_renew(t, lineup_reads(t->def, o->def), "");
	if (!reads)
		return -ENOMEM;
	if (reads != o->reads) {
		output_set_reads(o, reads);
		feed_reader(o);
	}
	return output_fill(reads);
}

int output_fill(struct output *o)
{
	struct job *filler = job_filling(o);

	if (!filler || o->current.fd >= 0 || o->next_ring.fd >= 0 || o->ordered.generation)
		return 0;
	return output_give_ring(o, filler, output_ring_bytes(o), false);
}

/* Is it the last of the wants for the same output?  The last one represents all of them. */
static bool want_is_last(const struct want *w)
{
	const struct want *other = w->next;

	while (other && (other->output != w->output || !output_id_equal(&other->asked, &w->asked)))
		other = other->next;
	return !other;
}

static void offer_as(const struct output *o, int worker, const struct output_id *asked)
{
	const struct tuner *t = o->tuner;
	const struct tuners_env *env = &t->owner->env;
	const struct msg_output_offer m = {.channel = t->channel,
					   .form = (uint8_t)o->id.form,
					   .output = o->slot,
					   .generation = o->current.generation,
					   .data_bytes = o->current.data_bytes,
					   .unit_bytes = ring_kinds[o->id.form].unit_bytes,
					   .live = t->live,
					   .variant = asked->variant,
					   .track = asked->track};

	env->output_offer(env->owner, worker, &m, o->current.fd);
}

void output_offer(struct output *o, int worker)
{
	if (o->current.fd < 0 || o->tuner->own)
		return;
	/* the only worker may have died with all wants, and its clients come back */
	if (!o->wants && o->offered)
		offer_as(o, worker, &o->asked);
	for (const struct want *w = o->tuner->owner->wants; w; w = w->next) {
		if (w->output != o || !want_is_last(w))
			continue;
		offer_as(o, worker, &w->asked);
		o->offered = true;
	}
}

void output_offer_end(struct output *o)
{
	const struct tuners_env *env = &o->tuner->owner->env;

	if (o->offered)
		env->output_offer_end(env->owner,
				      &(struct msg_output_offer_end){.output = o->slot});
	o->offered = false;
}

void output_free(struct output *o)
{
	struct output **at = &o->tuner->outputs;
	struct output_slot none = {0};

	assert(!output_used(o) && o->tuner->owner->output_slots[o->slot] == o);
	output_set_reads(o, NULL);
	while (*at != o)
		at = &(*at)->next;
	*at = o->next;
	output_offer_end(o);
	chantab_put_output(o->tuner->owner->env.chantab, o->slot, &none);
	o->tuner->owner->output_slots[o->slot] = NULL;
	output_ring_drop(&o->current);
	output_ring_drop(&o->next_ring);
	free(o);
}

void outputs_free(struct tuner *t)
{
	struct output *next;

	for (struct output *o = t->outputs; o; o = next) {
		next = o->next;
		if (o->reads)
			output_free(o);
	}
	while (t->outputs)
		output_free(t->outputs);
}

void output_switch_off(struct output *o)
{
	struct job *j = job_filling(o);

	/* a job without a process reads this after the order itself */
	if (j)
		peer_send_job_output_off(j->peer, &(struct msg_job_output_off){.output = o->slot},
					 NULL);
	output_free(o);
}

void output_publish(struct output *o)
{
	struct tuner *t = o->tuner;
	struct output_slot slot = {.state = t->state,
				   .tuner = (uint32_t)MAX(t->slot, 0),
				   .form = o->id.form,
				   .generation = o->current.generation};

	text_copy(slot.variant, sizeof(slot.variant), o->id.variant);
	text_copy(slot.track, sizeof(slot.track), o->id.track);
	chantab_put_output(t->owner->env.chantab, o->slot, &slot);
}

int64_t output_frontier_90k(const struct output *o)
{
	return o->current.map.header ? ring_frontier_90k(&o->current.map) : TIME_NONE;
}

/* Sends a finished ring to the job that fills it.  That of an index begins with what the one before
 * lists. */
static void hand_ring(struct output *o, struct job *j, const struct output_ring *r)
{
	const struct lineup_output *def = o->source ? NULL : o->def;
	bool segments = def && form_is_segments(def->form);
	_cleanup_(freep) char *made =
		segments ? segments_output_spec(def->segments, segments_track(o->tuner, def),
						o->place)
			 : NULL;
	const char *spec = def && !segments ? def->spec : made;
	const struct ring *before = o->current.map.header ? &o->current.map : NULL;
	int64_t frontier = output_frontier_90k(o),
		clock = before ? ring_clock_90k(before) : TIME_NONE;
	int64_t ahead = j->seat == SEAT_PROBE ? o->tuner->probe_ahead_90k : 0;
	struct msg_job_output m = {
		.output = o->slot,
		.generation = r->generation,
		.data_bytes = r->data_bytes,
		.form = (uint8_t)o->id.form,
		.track = o->id.track,
		.continue_90k = r->same_job || frontier == TIME_NONE ? TIME_NONE : frontier + ahead,
		.continue_clock_90k = r->same_job || clock == TIME_NONE ? TIME_NONE : clock + ahead,
		.continue_mono_us = clock_mono_us(),
		.spec = spec ? spec : ""};

	assert(r->fd >= 0 && !r->map.header); /* a ring that no job has seen */
	if (segments && o->current.map.header)
		segments_carry(&o->current.map, r->fd, r->data_bytes);
	output_ring_drop(&o->next_ring);
	o->next_ring = *r;
	peer_send_job_output(j->peer, &m, &r->fd);
	if (o->reads)
		feed_reader(o);
}

uint64_t output_ring_bytes(const struct output *o)
{
	uint64_t first = ring_kinds[o->id.form].first_bytes, hint = o->tuner->hint_bytes;

	if (form_is_segments(o->id.form) && o->def)
		first = segments_index_bytes(o->def);
	return first ? first : hint ? hint : RING_BYTES_FIRST;
}

int output_give_ring(struct output *o, struct job *j, uint64_t bytes, bool same_job)
{
	struct tuner *t = o->tuner;
	struct output_ring r = {.fd = -1,
				.generation = ++t->owner->generation,
				.data_bytes = ring_class(bytes),
				.same_job = same_job};

	o->ended = false;
	o->ordered = (struct output_ring){.fd = -1}; /* what was ordered before is void */
	if (r.data_bytes > RING_BYTES_FIRST) {
		o->ordered = r;
		return ring_pool_request(t->owner->ring_pool, o->slot, r.generation, r.data_bytes);
	}
	r.fd = ring_create("amps-ring", r.data_bytes, r.generation);
	if (r.fd < 0)
		return r.fd;
	hand_ring(o, j, &r);
	return 0;
}

/* Out of memory for a ring: without the source's the tuner fails, without a derived output's the
 * rest continues. */
static void output_without_ring(struct output *o)
{
	static const char reason[] = "there is no memory for this channel";

	if (o->source && o->tuner->probe_switches) {
		tuner_return_cancel(o->tuner); /* the channel plays on */
	} else if (o->source) {
		tuner_fail(o->tuner, 503, reason);
	} else {
		output_fail(o, 503, reason);
	}
	tuner_update_soon(o->tuner);
}

void output_on_ordered(struct output *o, uint64_t generation, int fd)
{
	struct tuner *t = o->tuner;
	struct job *j = job_filling(o);
	struct output_ring r = o->ordered;

	if (r.generation != generation || !j) {
		close_fd(&fd);
		return;
	}
	o->ordered = (struct output_ring){.fd = -1};
	r.fd = fd;
	if (fd < 0 && r.same_job)
		log_warn("a larger ring cannot be made (%s), keeping the small one channel=%s",
			 strerror(-fd), t->key);
	else if (fd < 0)
		output_without_ring(o);
	else
		hand_ring(o, j, &r);
}

int output_ring_open(const struct output *o, struct output_ring *r)
{
	int e = shm_seal_writer(r->fd);

	assert(!r->map.header);
	if (e < 0)
		return e;
	return ring_open(&r->map, r->fd, r->data_bytes, ring_kinds[o->id.form].unit_bytes);
}

void output_drop_next(struct output *o)
{
	output_ring_drop(&o->next_ring);
	o->ordered = (struct output_ring){.fd = -1};
}

int output_on_mapped(struct output *o, uint64_t generation)
{
	struct output_ring *r = &o->next_ring;

	if (r->fd < 0 || r->generation != generation)
		return -ESTALE;
	if (r->map.header)
		return -EBADMSG;
	return output_ring_open(o, r);
}

void output_send_ring(struct output *o, const struct want *w, bool follows)
{
	const struct output_ring *r = &o->current;
	const struct tuners_env *env = &o->tuner->owner->env;
	struct msg_output_ring m = {.want = w->id,
				    .output = o->slot,
				    .generation = r->generation,
				    .data_bytes = r->data_bytes,
				    .unit_bytes = ring_kinds[o->id.form].unit_bytes,
				    .same_job = r->same_job && follows,
				    .live = o->tuner->live};

	if (r->fd >= 0)
		env->output_ring(env->owner, w->worker, &m, r->fd);
}

bool output_has_ring(const struct output *o, uint64_t generation)
{
	return (o->current.fd >= 0 && o->current.generation == generation) ||
	       (o->next_ring.fd >= 0 && o->next_ring.generation == generation);
}

/* The jobs that read the ring of the source itself. */
static void feed_source_readers(struct output *o)
{
	static const enum job_seat seats[] = {SEAT_DERIVE, SEAT_WATCH};
	struct tuner *t = o->tuner;
	struct msg_job_source_ring m = {.generation = o->current.generation,
					.data_bytes = o->current.data_bytes,
					.unit_bytes = TS_PACKET,
					.same_job = o->current.same_job};

	for (size_t i = 0; i < array_size(seats); i++) {
		struct job *j = t->jobs[seats[i]];

		if (j && j->state != JOB_STOPPING && o->current.fd >= 0)
			peer_send_job_source_ring(j->peer, &m, &o->current.fd);
	}
}

/* A derive job reads the source's ring, and a segment job those of its outputs: each generation. */
static void feed_readers(struct output *o)
{
	for (const struct output *x = o->tuner->outputs; x; x = x->next)
		if (x->reads == o)
			feed_reader(x);
	if (o->source)
		feed_source_readers(o);
}

int output_on_running(struct output *o, uint64_t generation)
{
	struct tuner *t = o->tuner;

	if (o->next_ring.fd < 0 || o->next_ring.generation != generation)
		return -ESTALE;
	if (!o->next_ring.map.header)
		return -EBADMSG;
	assert(o->next_ring.generation != o->current.generation);
	output_ring_drop(&o->current);
	o->current = o->next_ring;
	o->next_ring = (struct output_ring){.fd = -1};
	o->rate_us = 0;
	for (struct want *w = t->owner->wants; w; w = w->next)
		if (w->output == o)
			output_send_ring(o, w, true);
	output_offer_end(o); /* variants that are no longer wanted still offer the previous ring */
	output_offer(o, -1);
	feed_readers(o);
	output_publish(o);
	return 0;
}

void output_gone(struct output *o, enum gone_reason reason, unsigned status, const char *text)
{
	struct tuners *ts = o->tuner->owner;
	char shown[ERROR_TEXT_MAX];
	struct want *next;

	output_offer_end(o);
	tuner_viewers_text(o->tuner->def, text, shown);
	for (struct want *w = ts->wants; w; w = next) {
		struct msg_output_gone m = {
			.want = w->id, .reason = (uint8_t)reason, .status = status, .text = shown};

		next = w->next;
		if (w->output != o)
			continue;
		ts->env.output_gone(ts->env.owner, w->worker, &m);
		want_free(ts, w);
	}
}

/* Bits a second over the last seconds, smoothed. */
void output_measure(struct output *o, uint64_t now_us)
{
	uint64_t commit, span_us = now_us - o->rate_us;

	if (!o->current.map.header)
		return;
	assert(now_us >= o->rate_us);
	commit = ring_commit(&o->current.map);
	if (o->rate_us && span_us >= 900000 && commit >= o->rate_commit) {
		uint64_t bps = (commit - o->rate_commit) * 8 * 1000000 / span_us;

		o->rate_bps = o->rate_bps ? (o->rate_bps * 3 + bps) / 4 : bps;
	} else if (o->rate_us) {
		return;
	}
	o->rate_commit = commit;
	o->rate_us = now_us;
}

void output_fail(struct output *o, unsigned status, const char *text)
{
	o->ended = true;
	output_gone(o, GONE_FAILED, status, text);
	for (struct output *x = o->tuner->outputs; x; x = x->next)
		if (x->reads == o)
			output_fail(x, status, text);
}
