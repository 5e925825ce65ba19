#include "amps-worker/live/live.h"

#include <assert.h>

#include "amps-worker/live/feed.h"
#include "common/clock.h"
#include "common/log/log.h"

int live_init(struct live *l, struct context *context)
{
	*l = (struct live){.viewers = {.context = context,
				       .schedule = &l->schedule,
				       .outputs = &l->outputs,
				       .records = &l->records,
				       .grants = &l->grants,
				       .units = &l->units}};
	grants_init(&l->grants, context);
	feed_init(&l->schedule, context->base);
	outputs_init(&l->outputs, context, &l->schedule);
	return records_init(&l->records, context);
}

void live_done(struct live *l)
{
	if (!l->viewers.context)
		return;
	outputs_free(&l->outputs);
	feed_done(&l->schedule);
	records_done(&l->records);
}

static int start_stream(void *owner, struct conn *c, const struct http_request *q,
			const struct stream_params *params, const struct buf *head)
{
	return viewer_start(&((struct live *)owner)->viewers, c, q, params, head, NULL);
}

static void catch_up(void *owner)
{
	feed_catch_up(&((struct live *)owner)->schedule);
}

struct conn_hooks live_hooks(struct live *l)
{
	return (struct conn_hooks){start_stream, catch_up, l};
}

void live_on_output_ring(struct live *l, const struct msg_output_ring *m, int fd)
{
	struct output *o = outputs_find(&l->outputs, m->want);
	struct stream_ring *newest = o ? output_ring(o) : NULL;
	struct output_watch *w, *next;

	/* our release and this message may have passed each other */
	if (!o || (newest && m->generation == newest->generation))
		return;
	if (!output_add_ring(o, m, fd))
		return;
	if (newest)
		schedule_hurry(&l->schedule, newest); /* its viewers can move over */
	o->users++;
	output_trim(o);
	viewer_begin_waiting(o);
	for (w = TAILQ_FIRST(&o->watches); w; w = next) {
		next = TAILQ_NEXT(w, link);
		w->on_ring(w);
	}
	output_unuse(o);
}

/* Ends the viewers that follow a ring of this output; those that may drain it are ended by passes.
 */
static void end_viewers(struct live *l, struct output *o)
{
	struct stream_ring *r;
	struct viewer *v, *next;

	TAILQ_FOREACH (r, &o->rings, in_output) {
		if (o->ended) {
			schedule_hurry(&l->schedule, r);
			continue;
		}
		for (v = TAILQ_FIRST(&r->viewers); v; v = next) {
			next = TAILQ_NEXT(v, link);
			viewer_end(v, VIEWER_END_FAILURE);
		}
	}
}

void live_on_output_gone(struct live *l, const struct msg_output_gone *m)
{
	struct output *o = outputs_find(&l->outputs, m->want);
	unsigned status = m->status >= 400 && m->status < 600 ? m->status : 502;
	struct output_watch *w;
	struct viewer *v, *next;

	if (!o)
		return;
	output_set_gone(o, m->reason == GONE_ENDED);
	o->users++;
	for (v = TAILQ_FIRST(&o->waiting); v; v = next) {
		next = TAILQ_NEXT(v, link);
		viewer_refuse(v, (int)status, m->text);
	}
	assert(TAILQ_EMPTY(&o->waiting));
	end_viewers(l, o);
	while ((w = TAILQ_FIRST(&o->watches)))
		w->on_gone(w, (int)status, m->text);
	output_unuse(o);
}

void live_on_kick(struct live *l, uint64_t serial)
{
	const struct record_owner *o = records_find(&l->records, serial);

	if (o && o->viewer)
		viewer_end(o->viewer, VIEWER_END_KICKED);
	else if (o)
		o->end(o->session);
}

/* Ends the longest stopped viewers until `bytes`, what all of them hold, is no longer too much. */
static void end_stopped(const struct records *all, size_t bytes)
{
	const struct context *x = all->context;
	struct conn_holder *list = malloc(all->used * sizeof(*list));
	size_t count = 0, ended = 0;

	for (uint32_t i = 0; list && i < all->used; i++) {
		const struct viewer *v = all->owners[i].viewer;

		if (v && viewer_stopped(v, &list[count]))
			count++;
	}
	if (count)
		conn_sort_holders(list, count);
	assert(count <= all->used);
	while (ended < count && bytes > x->sockets_max / 4 * 3) {
		bytes -= MIN(bytes, list[ended].bytes);
		conn_free(list[ended++].conn);
	}
	free(list);
	page_add(&x->page->viewers_dropped, ended);
	log_warn("viewers that do not read held %zu MiB of the kernel's memory, ended the longest "
		 "stopped viewers=%zu",
		 x->sockets_max >> 20, ended);
}

void live_shed(struct live *l)
{
	const struct records *all = &l->records;
	const struct context *x = all->context;
	struct conn_holder holder;
	size_t bytes = 0;

	for (uint32_t i = 0; i < all->used; i++) {
		const struct viewer *v = all->owners[i].viewer;

		if (v && viewer_stopped(v, &holder))
			bytes += holder.bytes;
	}
	atomic_store_explicit(&x->page->socket_bytes, bytes, memory_order_relaxed);
	if (bytes > x->sockets_max)
		end_stopped(all, bytes);
}

void live_tick(struct live *l)
{
	uint64_t now = clock_mono_us();

	if (now < l->sweep_us)
		return;
	l->sweep_us = now + VIEWER_SWEEP_US;
	for (uint32_t i = 0; i < l->records.used; i++) {
		struct viewer *v = l->records.owners[i].viewer;

		if (v && viewer_sweep(v) == VIEWER_GONE)
			viewer_close(v);
	}
	live_shed(l);
}
