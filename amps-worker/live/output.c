#include "amps-worker/live/output.h"

#include <assert.h>
#include <string.h>

#include "amps-worker/context/context.h"
#include "common/clock.h"
#include "common/log/log.h"
#include "common/text/text.h"

static struct output_bucket *bucket_of(struct outputs *all, uint32_t channel)
{
	return &all->buckets[channel % OUTPUT_BUCKETS];
}

void outputs_init(struct outputs *all, struct context *context, struct schedule *schedule)
{
	all->context = context;
	all->schedule = schedule;
	for (unsigned i = 0; i < OUTPUT_BUCKETS; i++)
		LIST_INIT(&all->buckets[i]);
}

struct output *outputs_find(struct outputs *all, uint32_t want)
{
	struct output *o;

	for (unsigned i = 0; i < OUTPUT_BUCKETS; i++) {
		LIST_FOREACH (o, &all->buckets[i], in_bucket) {
			if (o->want && o->want == want)
				return o;
		}
	}
	return NULL;
}

static struct output *find_shared(struct outputs *all, const struct output_id *id)
{
	struct output *o;

	LIST_FOREACH (o, bucket_of(all, id->channel), in_bucket) {
		if (!o->own && output_id_equal(&o->id, id))
			return o;
	}
	return NULL;
}

struct output *outputs_next(struct outputs *all, uint32_t channel, const struct output *before)
{
	struct output *o =
		before ? LIST_NEXT(before, in_bucket) : LIST_FIRST(bucket_of(all, channel));

	while (o && (o->own || o->id.channel != channel))
		o = LIST_NEXT(o, in_bucket);
	return o;
}

static struct output *output_new(struct outputs *all, const struct output_id *id)
{
	struct output *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->all = all;
	o->slot = UINT32_MAX;
	o->id = *id;
	TAILQ_INIT(&o->waiting);
	TAILQ_INIT(&o->watches);
	TAILQ_INIT(&o->rings);
	LIST_INSERT_HEAD(bucket_of(all, id->channel), o, in_bucket);
	return o;
}

/* Its first viewer has come. */
static void output_want(struct output *o)
{
	struct outputs *all = o->all;
	struct stream_ring *offered = output_ring(o);

	assert(!o->want && o->users && !o->gone);
	o->want = ++all->wants;
	o->queued = false;
	o->turn_us = 0;
	if (offered)
		schedule_add_ring(all->schedule, offered);
	peer_send_want(all->context->master,
		       &(struct msg_want){.want = o->want,
					  .channel = o->id.channel,
					  .form = (uint8_t)o->id.form,
					  .own = o->own,
					  .address = o->address,
					  .token = o->token,
					  .variant = o->id.variant,
					  .track = o->id.track},
		       NULL);
}

struct output *output_reserve(struct outputs *all, const struct stream_params *p)
{
	struct output *o = p->own ? NULL : find_shared(all, &p->id);

	if (!o) {
		o = output_new(all, &p->id);
		if (!o)
			return NULL;
		o->own = p->own;
		o->address = p->address;
		o->token = p->own && p->limited ? p->token : 0;
	}
	assert(!o->gone && (!o->own || !o->users));
	o->users++;
	return o;
}

void output_begin(struct output *o)
{
	if (!o->want && !o->gone)
		output_want(o);
}

struct output *output_use(struct outputs *all, const struct stream_params *p)
{
	struct output *o = output_reserve(all, p);

	if (o)
		output_begin(o);
	return o;
}

static void stream_ring_free(struct stream_ring *r)
{
	assert(TAILQ_EMPTY(&r->viewers));
	if (r->output->want)
		schedule_remove_ring(r->output->all->schedule, r);
	TAILQ_REMOVE(&r->output->rings, r, in_output);
	ring_close(&r->map);
	free(r);
}

static void output_free(struct output *o)
{
	struct stream_ring *r;

	assert(!o->users && TAILQ_EMPTY(&o->waiting) && TAILQ_EMPTY(&o->watches));
	if (!o->gone)
		LIST_REMOVE(o, in_bucket);
	while ((r = TAILQ_FIRST(&o->rings)))
		stream_ring_free(r);
	free(o);
}

void outputs_free(struct outputs *all)
{
	struct output *o;

	for (unsigned i = 0; i < OUTPUT_BUCKETS; i++)
		while ((o = LIST_FIRST(&all->buckets[i])))
			output_free(o);
}

void output_unuse(struct output *o)
{
	assert(o->users);
	if (--o->users)
		return;
	if (!o->gone && o->want)
		peer_send_release(o->all->context->master, &(struct msg_release){.want = o->want},
				  NULL);
	if (!o->offered) {
		output_free(o);
		return;
	}
	output_trim(o);
	if (o->want && output_ring(o))
		schedule_remove_ring(o->all->schedule, output_ring(o));
	o->want = 0;
}

struct stream_ring *output_ring(const struct output *o)
{
	return TAILQ_LAST(&o->rings, ring_list);
}

static struct stream_ring *add_ring(struct output *o, int fd, uint64_t data_bytes,
				    uint32_t unit_bytes, uint64_t generation)
{
	struct stream_ring *r = calloc(1, sizeof(*r)), *before = output_ring(o);
	int e;

	if (!r)
		return NULL;
	e = ring_open(&r->map, fd, data_bytes, unit_bytes);
	if (e < 0) {
		log_warn("a ring cannot be used (%s), waiting for the next channel=%u",
			 strerror(-e), o->id.channel);
		free(r);
		return NULL;
	}
	assert(!o->gone);
	r->output = o;
	r->number = ++o->all->rings;
	r->generation = generation;
	r->waiting = &o->waiting;
	if (before)
		before->waiting = NULL;
	TAILQ_INIT(&r->viewers);
	TAILQ_INSERT_TAIL(&o->rings, r, in_output);
	if (o->want)
		schedule_add_ring(o->all->schedule, r);
	return r;
}

bool output_add_ring(struct output *o, const struct msg_output_ring *m, int fd)
{
	struct stream_ring *r = add_ring(o, fd, m->data_bytes, m->unit_bytes, m->generation);

	if (!r)
		return false;
	r->same_job = m->same_job;
	o->slot = m->output;
	o->live = m->live;
	return true;
}

/* Nothing is offered any more of an output that is not wanted; users that may not begin yet keep
 * it. */
static void drop_offer(struct output *o)
{
	struct stream_ring *r;

	assert(!o->want && !o->offered);
	if (!o->users) {
		output_free(o);
		return;
	}
	while ((r = TAILQ_FIRST(&o->rings)))
		stream_ring_free(r);
	o->slot = UINT32_MAX;
}

int outputs_on_offer(struct outputs *all, const struct msg_output_offer *m, int fd)
{
	struct output_id id = {.channel = m->channel, .form = m->form};
	struct output *o;

	if (m->form >= OUTPUT_FORM_COUNT_ ||
	    !text_copy(id.variant, sizeof(id.variant), m->variant) ||
	    !text_copy(id.track, sizeof(id.track), m->track))
		return -EBADMSG;
	o = find_shared(all, &id);
	if (!o)
		o = output_new(all, &id);
	if (!o)
		return 0; /* viewers ask the master, as without an offer */
	o->offered = true;
	/* a wanted one gets its rings in OUTPUT_RING */
	if (o->want)
		return 0;
	o->slot = m->output;
	o->live = m->live;
	if (!add_ring(o, fd, m->data_bytes, m->unit_bytes, m->generation)) {
		o->offered = false;
		drop_offer(o);
		return 0;
	}
	output_trim(o);
	return 0;
}

void outputs_on_offer_end(struct outputs *all, uint32_t slot)
{
	struct output *o, *next;

	for (unsigned i = 0; i < OUTPUT_BUCKETS; i++) {
		for (o = LIST_FIRST(&all->buckets[i]); o; o = next) {
			next = LIST_NEXT(o, in_bucket);
			if (o->slot != slot)
				continue;
			o->offered = false;
			if (!o->want)
				drop_offer(o);
		}
	}
}

void outputs_on_turn(struct outputs *all, const struct msg_output_turn *m)
{
	struct output *o = outputs_find(all, m->want);

	if (!o)
		return;
	o->queued = m->waits;
	o->turn_us = clock_mono_us();
}

uint64_t output_start_until(const struct output *o, uint64_t now_us)
{
	uint64_t timeout_ms = catalog_settings(context_catalog(o->all->context))->start_timeout_ms;
	uint64_t until_us = (o->queued ? now_us : o->turn_us) + timeout_ms * 1000;

	return (o->queued || o->turn_us) && until_us > now_us ? until_us : 0;
}

void output_set_gone(struct output *o, bool ended)
{
	assert(!o->gone && o->want);
	o->gone = true;
	o->offered = false;
	o->ended = ended;
	LIST_REMOVE(o, in_bucket);
}

void output_trim(struct output *o)
{
	struct stream_ring *r, *next;

	/* the rings of one that is gone are being iterated over, or drain and end together */
	for (r = o->gone ? NULL : TAILQ_FIRST(&o->rings); r; r = next) {
		next = TAILQ_NEXT(r, in_output);
		if (next && TAILQ_EMPTY(&r->viewers)) {
			/* viewers that come from an earlier ring see a gap */
			next->same_job = false;
			stream_ring_free(r);
		}
	}
}
