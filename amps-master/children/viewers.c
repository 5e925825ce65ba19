#include "amps-master/children/viewers.h"

#include <string.h>
#include "common/clock.h"
#include "common/shm/worker_page.h"
#include "common/text/address.h"

/* viewers that come while they are being listed */
#define VIEWERS_MARGIN 1024

static const char *const protocol_names[VIEWER_PROTOCOL_COUNT_] = {
	[VIEWER_TS] = "ts",	[VIEWER_AUDIO] = "audio",  [VIEWER_HLS] = "hls",
	[VIEWER_DASH] = "dash", [VIEWER_WEBSOCKET] = "ws", [VIEWER_RTSP] = "rtsp",
	[VIEWER_MP4] = "mp4"};

void viewers_init(struct viewers *v, const struct worker_pool *pool, unsigned worker_count)
{
	*v = (struct viewers){.pool = pool, .worker_count = worker_count};
	v->sample_us = clock_mono_us();
}

static uint32_t records_used(const struct worker_page *page)
{
	uint32_t used = atomic_load_explicit(&page->records_used, memory_order_relaxed);

	return MIN(used, (uint32_t)WORKER_VIEWERS_MAX);
}

/* Calls `visit` for every viewer until it returns false. */
static void each_viewer(const struct viewers *v,
			bool (*visit)(void *context, unsigned worker,
				      const struct viewer_record *r),
			void *context)
{
	for (unsigned worker = 0; worker < v->worker_count; worker++) {
		const void *page = worker_pool_page(v->pool, worker);
		uint32_t used = page ? records_used(page) : 0;

		for (uint32_t i = 0; i < used; i++) {
			struct viewer_record r;

			if (worker_page_get(page, i, &r) == 0 && !visit(context, worker, &r))
				return;
		}
	}
}

uint64_t viewers_of_output(const struct viewers *v, uint32_t output_slot)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < v->worker_count; i++) {
		const void *page = worker_pool_page(v->pool, i);

		n += page ? worker_page_output_viewers(page, output_slot) : 0;
	}
	return n;
}

uint64_t viewers_bytes_sent(const struct viewers *v)
{
	uint64_t bytes = worker_pool_past_bytes(v->pool);

	for (unsigned i = 0; i < v->worker_count; i++) {
		const struct worker_page *page = worker_pool_page(v->pool, i);

		if (page)
			bytes += atomic_load_explicit(&page->bytes_sent, memory_order_relaxed);
	}
	return bytes;
}

uint64_t viewers_open(const struct viewers *v)
{
	uint64_t open = 0;

	for (unsigned i = 0; i < v->worker_count; i++) {
		const struct worker_page *page = worker_pool_page(v->pool, i);

		if (page)
			open += atomic_load_explicit(&page->viewers_open, memory_order_relaxed);
	}
	return open;
}

void viewers_done(struct viewers *v)
{
	free(v->seen);
	v->seen = NULL;
	v->seen_count = 0;
}

struct seen_list {
	struct viewer_seen *at;
	size_t count, cap;
};

static bool see_one(void *context, unsigned worker, const struct viewer_record *r)
{
	struct seen_list *list = context;
	struct viewer_seen *s;

	(void)worker;
	if (list->count == list->cap)
		return false;
	s = &list->at[list->count++];
	*s = (struct viewer_seen){
		.id = atomic_load_explicit(&r->serial, memory_order_relaxed),
		.channel = r->channel,
		.protocol = r->protocol,
		.since_wall_us = r->since_wall_us,
		.bytes = atomic_load_explicit(&r->bytes, memory_order_relaxed),
		.token = atomic_load_explicit(&r->token, memory_order_relaxed),
	};
	memcpy(s->address, r->address, sizeof(s->address));
	memcpy(s->variant, r->variant, sizeof(s->variant));
	return true;
}

static int by_id(const void *a, const void *b)
{
	const struct viewer_seen *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

/* Both lists are in the order of their ids. */
static void report_changes(const struct viewers *v, const struct seen_list *now)
{
	size_t o = 0, n = 0;

	while (o < v->seen_count || n < now->count) {
		const struct viewer_seen *was = o < v->seen_count ? &v->seen[o] : NULL;
		const struct viewer_seen *is = n < now->count ? &now->at[n] : NULL;

		if (!is || (was && was->id < is->id))
			v->changed(v->owner, false, was);
		else if (!was || is->id < was->id)
			v->changed(v->owner, true, is);
		o += was && (!is || was->id <= is->id);
		n += is && (!was || is->id <= was->id);
	}
}

static void sample_viewers(struct viewers *v)
{
	struct seen_list now = {.cap = viewers_open(v) + VIEWERS_MARGIN};

	now.at = calloc(now.cap, sizeof(*now.at));
	if (!now.at)
		return;
	each_viewer(v, see_one, &now);
	qsort(now.at, now.count, sizeof(*now.at), by_id);
	report_changes(v, &now);
	viewers_done(v);
	v->seen = now.at;
	v->seen_count = now.count;
}

void viewers_sample(struct viewers *v)
{
	uint64_t now = clock_mono_us(), bytes = viewers_bytes_sent(v);

	if (now <= v->sample_us)
		return;
	v->throughput_bps = (bytes - v->sample_bytes) * 8 * 1000000 / (now - v->sample_us);
	v->sample_us = now;
	v->sample_bytes = bytes;
	if (v->changed)
		sample_viewers(v);
}

static const char *describe_address(const uint8_t bytes[16], char text[INET6_ADDRSTRLEN])
{
	struct in6_addr address;

	memcpy(&address, bytes, sizeof(address));
	address_text(&address, text);
	return text;
}

/* A client's User-Agent may hold any bytes; JSON takes UTF-8 only. */
static json_t *describe_text(const char *text, size_t cap)
{
	char clean[256];
	size_t n = strnlen(text, MIN(cap, sizeof(clean)));
	json_t *value = json_stringn(text, n);

	if (value)
		return value;
	for (size_t i = 0; i < n; i++)
		clean[i] = (signed char)text[i] < 0 ? '?' : text[i];
	return json_stringn(clean, n);
}

static const char *describe_protocol(uint8_t protocol)
{
	return protocol < VIEWER_PROTOCOL_COUNT_ ? protocol_names[protocol] : "?";
}

json_t *viewers_describe_seen(const struct viewer_seen *s)
{
	char address[INET6_ADDRSTRLEN], since[32];

	time_format_iso8601(s->since_wall_us, since);
	return json_pack("{s:I, s:s, s:I, s:o, s:s, s:s, s:I}", "id", (json_int_t)s->id, "address",
			 describe_address(s->address, address), "stream_id", (json_int_t)s->channel,
			 "variant",
			 s->variant[0] ? describe_text(s->variant, sizeof(s->variant))
				       : json_null(),
			 "protocol", describe_protocol(s->protocol), "since", since, "bytes",
			 (json_int_t)s->bytes);
}

json_t *viewers_describe(const void *record)
{
	const struct viewer_record *r = record;
	uint32_t rtt_us = atomic_load_explicit(&r->rtt_us, memory_order_relaxed);
	uint64_t rate_bps = atomic_load_explicit(&r->delivery_bps, memory_order_relaxed);
	bool tcp = rtt_us > 0; /* a connection of its own, seen once */
	char address[INET6_ADDRSTRLEN], since[32];

	time_format_iso8601(r->since_wall_us, since);
	return json_pack(
		"{s:I, s:s, s:I, s:o, s:s, s:s, s:I, s:o, s:I, s:o, s:o, s:o, s:I}", "id",
		(json_int_t)atomic_load_explicit(&r->serial, memory_order_relaxed), "address",
		describe_address(r->address, address), "stream_id", (json_int_t)r->channel,
		"variant",
		r->variant[0] ? describe_text(r->variant, sizeof(r->variant)) : json_null(),
		"protocol", describe_protocol(r->protocol), "since", since, "bytes",
		(json_int_t)atomic_load_explicit(&r->bytes, memory_order_relaxed), "user_agent",
		describe_text(r->user_agent, sizeof(r->user_agent)), "lag_bytes",
		(json_int_t)atomic_load_explicit(&r->lag, memory_order_relaxed), "rtt_ms",
		tcp ? json_real((double)rtt_us / 1000) : json_null(), "retransmits",
		tcp ? json_integer(atomic_load_explicit(&r->retransmits, memory_order_relaxed))
		    : json_null(),
		"delivery_bps", rate_bps ? json_integer((json_int_t)rate_bps) : json_null(),
		"skips", (json_int_t)atomic_load_explicit(&r->skips, memory_order_relaxed));
}

static bool add_one(void *context, unsigned worker, const struct viewer_record *r)
{
	(void)worker;
	return json_array_append_new(context, viewers_describe(r)) == 0;
}

json_t *viewers_report(const struct viewers *v)
{
	json_t *list = json_array();

	if (list)
		each_viewer(v, add_one, list);
	return list;
}

struct search {
	uint64_t serial;
	unsigned worker;
	bool found;
};

static bool match_one(void *context, unsigned worker, const struct viewer_record *r)
{
	struct search *s = context;

	if (atomic_load_explicit(&r->serial, memory_order_relaxed) != s->serial)
		return true;
	s->worker = worker;
	s->found = true;
	return false;
}

int viewers_find(const struct viewers *v, uint64_t serial, unsigned *ret_worker)
{
	struct search s = {.serial = serial};

	each_viewer(v, match_one, &s);
	if (!s.found)
		return -ENOENT;
	*ret_worker = s.worker;
	return 0;
}
