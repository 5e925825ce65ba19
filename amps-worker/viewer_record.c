/* viewer_record.c - see viewer_record.h */
#include "amps-worker/viewer_record.h"

#include <string.h>

#include "amps-worker/conn.h"
#include "amps-worker/worker.h"
#include "common/text.h"

#define SERIAL_SHIFT 40 /* serial = worker index << 40 | count */

bool viewer_record_free(const struct worker *w)
{
	return w->free_count > 0 || w->record_count < WORKER_VIEWERS_MAX;
}

static uint16_t take_index(struct worker *w)
{
	if (w->free_count)
		return w->free_records[--w->free_count];
	atomic_store_explicit(&w->page->records_used, w->record_count + 1, memory_order_relaxed);
	return (uint16_t)w->record_count++;
}

static void fill(struct viewer_record *rec, const struct conn *c, const struct http_request *q,
		 const struct stream_wish *wish)
{
	struct span agent = http_field(q, "User-Agent");
	size_t n = agent.at ? MIN(agent.len, sizeof(rec->user_agent) - 1) : 0;

	rec->channel = wish->channel;
	rec->output = UINT32_MAX;
	rec->since_wall_us = clock_wall_us();
	rec->port = c->port;
	rec->protocol = VIEWER_TS;
	memcpy(rec->address, &c->peer, sizeof(rec->address));
	text_copy(rec->variant, sizeof(rec->variant), wish->variant);
	memset(rec->user_agent, 0, sizeof(rec->user_agent));
	for (size_t i = 0; i < n; i++)
		rec->user_agent[i] = agent.at[i] >= ' ' && agent.at[i] < 127 ? agent.at[i] : '?';
	atomic_store_explicit(&rec->token, wish->token, memory_order_relaxed);
	atomic_store_explicit(&rec->pos, 0, memory_order_relaxed);
	atomic_store_explicit(&rec->bytes, 0, memory_order_relaxed);
	atomic_store_explicit(&rec->lag, 0, memory_order_relaxed);
}

void viewer_record_take(struct viewer *v, const struct http_request *q,
			const struct stream_wish *wish)
{
	struct worker *w = v->conn->worker;
	uint16_t index = take_index(w);
	struct viewer_record *rec = &w->records[index];

	fill(rec, v->conn, q, wish);
	/* readers take a record for whole when they meet one serial before and after */
	atomic_store_explicit(&rec->serial, (uint64_t)w->index << SERIAL_SHIFT | ++w->serials,
			      memory_order_release);
	w->viewers[index] = v;
	v->record = rec;
	page_add(&w->page->viewers_open, 1);
	page_add(&w->page->viewers_total, 1);
}

void viewer_record_give(struct viewer *v)
{
	struct worker *w = v->conn->worker;
	size_t index = (size_t)(v->record - w->records);

	atomic_store_explicit(&v->record->serial, 0, memory_order_relaxed);
	atomic_thread_fence(memory_order_release); /* before the next viewer's fields */
	w->viewers[index] = NULL;
	w->free_records[w->free_count++] = (uint16_t)index;
	v->record = NULL;
	page_add(&w->page->viewers_open, UINT64_MAX); /* one less */
}

struct viewer *viewer_record_find(const struct worker *w, uint64_t serial)
{
	for (uint32_t i = 0; i < w->record_count; i++) {
		if (w->viewers[i] &&
		    atomic_load_explicit(&w->records[i].serial, memory_order_relaxed) == serial)
			return w->viewers[i];
	}
	return NULL;
}
