/* viewer_record.c - see viewer_record.h */
#include "amps-worker/live/viewer_record.h"

#include <string.h>

#include "amps-worker/http/conn.h"
#include "amps-worker/worker.h"
#include "common/text/text.h"

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

	*rec = (struct viewer_record){
		.channel = wish->channel,
		.output = UINT32_MAX,
		.since_wall_us = clock_wall_us(),
		.port = c->port,
		.protocol = VIEWER_TS,
		.token = wish->token,
	};
	memcpy(rec->address, &c->peer, sizeof(rec->address));
	text_copy(rec->variant, sizeof(rec->variant), wish->variant);
	for (size_t i = 0; i < n; i++)
		rec->user_agent[i] = agent.at[i] >= ' ' && agent.at[i] < 127 ? agent.at[i] : '?';
}

void viewer_record_take(struct viewer *v, const struct http_request *q,
			const struct stream_wish *wish)
{
	struct worker *w = v->conn->worker;
	uint16_t index = take_index(w);
	struct viewer_record rec;

	fill(&rec, v->conn, q, wish);
	rec.serial = (uint64_t)w->index << SERIAL_SHIFT | ++w->serials;
	worker_page_put(w->page, index, &rec);
	if (wish->token)
		worker_page_add_token(w->page, wish->token, 1);
	w->viewers[index] = v;
	v->record = &w->records[index];
	page_add(&w->page->viewers_open, 1);
	page_add(&w->page->viewers_total, 1);
}

void viewer_record_set_output(struct viewer *v, uint32_t slot)
{
	struct worker_page *page = v->conn->worker->page;
	uint32_t before = atomic_load_explicit(&v->record->output, memory_order_relaxed);

	if (slot == before)
		return;
	worker_page_add_output(page, before, -1);
	worker_page_add_output(page, slot, 1);
	atomic_store_explicit(&v->record->output, slot, memory_order_relaxed);
}

void viewer_record_give(struct viewer *v)
{
	static const struct viewer_record none;
	struct worker *w = v->conn->worker;
	size_t index = (size_t)(v->record - w->records);
	uint64_t token = atomic_load_explicit(&v->record->token, memory_order_relaxed);

	viewer_record_set_output(v, UINT32_MAX);
	if (token)
		worker_page_add_token(w->page, token, -1);
	worker_page_put(w->page, index, &none);
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
