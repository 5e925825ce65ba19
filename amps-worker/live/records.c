#include "amps-worker/live/records.h"

#include <assert.h>
#include "amps-worker/context/context.h"
#include "common/clock.h"

int records_init(struct records *all, struct context *context)
{
	*all = (struct records){.context = context, .next_end_wall_us = INT64_MAX};
	/* higher than the serials of a worker that died in this slot, unless it had 1,000 viewers
	 * every second */
	all->serials = clock_mono_us() / 1000;
	all->free = calloc(WORKER_VIEWERS_MAX, sizeof(*all->free));
	all->owners = calloc(WORKER_VIEWERS_MAX, sizeof(*all->owners));
	for (unsigned i = 0; i < VIEWER_FRONTS; i++)
		all->fronts[all->front_count++] = (uint16_t)(i + 1);
	return all->free && all->owners ? 0 : -ENOMEM;
}

void records_done(struct records *all)
{
	free(all->free);
	free(all->owners);
}

static bool owned(const struct record_owner *o)
{
	return o->viewer || o->session;
}

bool records_left(const struct records *all)
{
	return all->free_count > 0 || all->used < WORKER_VIEWERS_MAX;
}

struct viewer_record *records_take(struct records *all, struct record_owner owner,
				   struct viewer_record *from)
{
	struct context *x = all->context;
	uint32_t index = all->free_count ? all->free[--all->free_count] : all->used++;
	uint64_t token = atomic_load_explicit(&from->token, memory_order_relaxed);

	assert(index < WORKER_VIEWERS_MAX && owned(&owner) && !owned(&all->owners[index]));
	atomic_store_explicit(&x->page->records_used, all->used, memory_order_relaxed);
	if (!atomic_load_explicit(&from->serial, memory_order_relaxed))
		from->serial = (uint64_t)x->index << VIEWER_SERIAL_SHIFT | ++all->serials;
	atomic_store_explicit(&from->waits, owner.uncounted, memory_order_relaxed);
	worker_page_put(x->page, index, from);
	if (token && !owner.uncounted)
		worker_page_add_token(x->page, token, 1);
	all->owners[index] = owner;
	if (from->until_wall_us)
		all->next_end_wall_us = MIN(all->next_end_wall_us, from->until_wall_us);
	page_add(&x->page->viewers_open, 1);
	page_add(&x->page->viewers_total, 1);
	return &worker_page_records(x->page)[index];
}

void records_count_token(struct records *all, struct viewer_record *rec)
{
	struct worker_page *page = all->context->page;
	struct record_owner *owner = &all->owners[rec - worker_page_records(page)];

	assert(owned(owner) && owner->uncounted);
	owner->uncounted = false;
	atomic_store_explicit(&rec->waits, 0, memory_order_relaxed);
	worker_page_add_token(page, atomic_load_explicit(&rec->token, memory_order_relaxed), 1);
}

void records_set_agent(struct viewer_record *rec, const char *agent, size_t len)
{
	size_t n = agent ? MIN(len, sizeof(rec->user_agent) - 1) : 0;

	for (size_t i = 0; i < n; i++)
		rec->user_agent[i] = agent[i] >= ' ' && agent[i] < 127 ? agent[i] : '?';
	rec->user_agent[n] = '\0';
}

void records_set_output(struct records *all, struct viewer_record *rec, uint32_t slot)
{
	struct worker_page *page = all->context->page;
	uint32_t before = atomic_load_explicit(&rec->output, memory_order_relaxed);

	if (slot == before)
		return;
	worker_page_add_output(page, before, -1);
	worker_page_add_output(page, slot, 1);
	atomic_store_explicit(&rec->output, slot, memory_order_relaxed);
}

static void give_front(struct records *all, const struct viewer_record *rec)
{
	uint32_t front = atomic_load_explicit(&rec->front, memory_order_relaxed);

	if (front == VIEWER_FRONT_NONE || front == VIEWER_FRONT_LOST)
		return;
	assert(all->front_count < VIEWER_FRONTS);
	all->fronts[all->front_count++] = (uint16_t)front;
}

/* The place for the front of one that has had this one. */
static uint32_t take_front(struct records *all, uint32_t had, size_t len)
{
	if (len > VIEWER_FRONT_MAX)
		return VIEWER_FRONT_LOST;
	if (had != VIEWER_FRONT_NONE && had != VIEWER_FRONT_LOST)
		return had;
	return all->front_count ? all->fronts[--all->front_count] : VIEWER_FRONT_LOST;
}

void records_move(struct records *all, struct viewer_record *rec, const struct viewer_place *to)
{
	struct worker_page *page = all->context->page;
	uint32_t front = atomic_load_explicit(&rec->front, memory_order_relaxed);

	if (to->front_len) {
		front = take_front(all, front, to->front_len);
	} else {
		give_front(all, rec);
		front = VIEWER_FRONT_NONE;
	}
	worker_page_move(page, (size_t)(rec - worker_page_records(page)), to, front);
}

void records_give(struct records *all, struct viewer_record *rec)
{
	static const struct viewer_record none;
	struct worker_page *page = all->context->page;
	size_t index = (size_t)(rec - worker_page_records(page));
	uint64_t token = atomic_load_explicit(&rec->token, memory_order_relaxed);

	assert(index < all->used && owned(&all->owners[index]));
	records_set_output(all, rec, UINT32_MAX);
	give_front(all, rec);
	if (token && !all->owners[index].uncounted)
		worker_page_add_token(page, token, -1);
	worker_page_put(page, index, &none);
	assert(all->free_count < all->used);
	all->owners[index] = (struct record_owner){0};
	all->free[all->free_count++] = (uint16_t)index;
	page_add(&page->viewers_open, UINT64_MAX); /* one less */
}

const struct record_owner *records_find(const struct records *all, uint64_t serial)
{
	for (uint32_t i = 0; i < all->used; i++) {
		const struct viewer_record *rec = &worker_page_records(all->context->page)[i];

		if (owned(&all->owners[i]) &&
		    atomic_load_explicit(&rec->serial, memory_order_relaxed) == serial)
			return &all->owners[i];
	}
	return NULL;
}
