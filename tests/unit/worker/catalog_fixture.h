/* catalog_fixture.h - catalogs and tokens for tests, built by hand into the layout of
 * common/shm/catalog_layout.h, and what a handler needs beside them.
 *
 * Offsets grow with the buffer, so structures are filled through offsets, never kept pointers. */
#ifndef AMPS_CATALOG_FIXTURE_H
#define AMPS_CATALOG_FIXTURE_H

#include <stdio.h>
#include <string.h>
#include "amps-worker/http/body_maker.h"
#include "common/hash.h"
#include "amps-worker/routes.h"
#include "amps-worker/context/context.h"
#include "amps-worker/http/route.h"
#include "common/shm/shm.h"
#include "tests/unit/snapshots.h"

#define FIXTURE_NOW 1700000000000000ll /* 2023-11-14T22:13:20Z */

struct fixture {
	struct buf image; /* the catalog under construction */
	struct catalog_settings settings;
	struct catalog_channel channels[16384];
	uint32_t channel_count;
	struct token_entry entries[8];
	uint32_t entry_count;
	struct facts facts;
	struct event_base *base; /* for the maker */
	struct body_account bodies;
	struct catalog *catalog;
	struct tokens *tokens;
};

static inline uint32_t fixture_put(struct fixture *f, const void *bytes, size_t n)
{
	static const char zeros[8];
	uint32_t at;

	buf_add(&f->image, zeros, (8 - f->image.len % 8) % 8);
	at = (uint32_t)f->image.len;
	buf_add(&f->image, bytes, n);
	return at;
}

static inline uint32_t fixture_text(struct fixture *f, const char *text)
{
	return text ? fixture_put(f, text, strlen(text) + 1) : 0;
}

static inline bool fixture_room(void *owner)
{
	(void)owner;
	return true;
}

static inline struct fixture *fixture_new(void)
{
	struct catalog_header header = {0};
	struct fixture *f = calloc(1, sizeof(*f));

	f->settings = (struct catalog_settings){
		.flags = SETTING_REGION_QUERY | SETTING_REGION_HEADERS, .join_ms = 500};
	fixture_put(f, &header, sizeof(header));
	f->facts.wall_us = FIXTURE_NOW;
	f->facts.mono_us = 100000000;
	f->facts.port = 5000;
	f->facts.peer.s6_addr[10] = f->facts.peer.s6_addr[11] = 0xff;
	memcpy(f->facts.peer.s6_addr + 12, (const char[]){(char)192, 0, 2, 7}, 4);
	f->facts.cache = body_cache_new(BODY_CACHE_BYTES);
	f->base = event_base_new();
	event_base_priority_init(f->base, PRIORITY_COUNT_);
	f->facts.maker = body_maker_new(f->base, f->facts.cache,
					&(struct body_room){&f->bodies, fixture_room, NULL});
	return f;
}

/* Channels must be added in the order of their ids. */
static inline struct catalog_channel *fixture_channel(struct fixture *f, uint32_t id,
						      const char *name, const char *group)
{
	struct catalog_channel *ch = &f->channels[f->channel_count++];
	char text[16];

	snprintf(text, sizeof(text), "%u", id);
	*ch = (struct catalog_channel){.id = id,
				       .name_at = fixture_text(f, name),
				       .tvg_id_at = fixture_text(f, text),
				       .group_at = fixture_text(f, group),
				       .start_wall_us = TIME_NONE,
				       .end_wall_us = TIME_NONE};
	ch->tvg_name_at = ch->name_at;
	return ch;
}

static inline void fixture_variants(struct fixture *f, struct catalog_channel *ch,
				    const char *const (*names)[2], uint32_t count)
{
	struct catalog_variant v[VARIANTS_MAX] = {0};

	for (uint32_t i = 0; i < count; i++) {
		v[i].name_at = fixture_text(f, names[i][0]);
		v[i].label_at = fixture_text(f, names[i][1]);
	}
	ch->variants_at = fixture_put(f, v, count * sizeof(v[0]));
	ch->variant_count = count;
}

static inline struct catalog_program fixture_program(struct fixture *f, const char *title,
						     const char *start, int64_t start_us)
{
	return (struct catalog_program){.title_at = fixture_text(f, title),
					.start_at = fixture_text(f, start),
					.start_wall_us = start_us,
					.end_wall_us = TIME_NONE};
}

static inline void fixture_programs(struct fixture *f, struct catalog_channel *ch,
				    const struct catalog_program *p, uint32_t count)
{
	ch->programs_at = fixture_put(f, p, count * sizeof(*p));
	ch->program_count = count;
}

static inline void fixture_regions(struct fixture *f, struct catalog_channel *ch,
				   const char *allowed, const char *blocked)
{
	if (allowed) {
		ch->regions_allowed_at = fixture_text(f, allowed);
		ch->regions_allowed_count = (uint32_t)strlen(allowed) / 2;
	}
	if (blocked) {
		ch->regions_blocked_at = fixture_text(f, blocked);
		ch->regions_blocked_count = (uint32_t)strlen(blocked) / 2;
	}
}

static inline struct token_entry *fixture_token(struct fixture *f, const char *token,
						enum token_role role, uint32_t flags)
{
	struct token_entry *e = &f->entries[f->entry_count++];

	*e = (struct token_entry){.role = role, .flags = flags, .expires_wall_us = TIME_NONE};
	memcpy(e->token, token, strlen(token));
	return e;
}

static inline int fixture_open_tokens(struct fixture *f)
{
	struct tokens_header h = {.snapshot = {.magic = TOKENS_MAGIC,
					       .version = TOKENS_VERSION,
					       .header_bytes = sizeof(h),
					       .generation = 1}};
	size_t n = f->entry_count * sizeof(f->entries[0]);
	struct buf image = BUF_INIT;
	int fd, r;

	h.count = f->entry_count;
	h.snapshot.total_bytes = sizeof(h) + n;
	buf_add(&image, &h, sizeof(h));
	buf_add(&image, f->entries, n);
	fd = shm_snapshot("test-tokens", image.data, image.len);
	r = fd < 0 ? fd : open_tokens(fd, image.len, &f->tokens);
	close_fd(&fd);
	buf_done(&image);
	f->facts.tokens = f->tokens;
	return r;
}

/* Publishes what was added so far as the catalog of this generation.  0 or -Exxx. */
static inline int fixture_publish(struct fixture *f, uint64_t generation)
{
	struct catalog_header h = {.snapshot = {.magic = CATALOG_MAGIC,
						.version = CATALOG_VERSION,
						.header_bytes = sizeof(h),
						.generation = generation}};
	size_t built = f->image.len;
	int fd, r;

	h.channel_count = f->channel_count;
	h.channel_bytes = sizeof(struct catalog_channel);
	h.variant_bytes = sizeof(struct catalog_variant);
	h.program_bytes = sizeof(struct catalog_program);
	h.settings_at = fixture_put(f, &f->settings, sizeof(f->settings));
	h.channels_at = fixture_put(f, f->channels, f->channel_count * sizeof(f->channels[0]) + 8);
	h.snapshot.total_bytes = f->image.len;
	h.content_hash = hash_end(
		hash_bytes(HASH_START, f->image.data + sizeof(h), f->image.len - sizeof(h)));
	memcpy(f->image.data, &h, sizeof(h));
	fd = shm_snapshot("test-catalog", f->image.data, f->image.len);
	close_catalog(f->catalog);
	f->catalog = NULL;
	r = fd < 0 ? fd : open_catalog(fd, h.snapshot.total_bytes, &f->catalog);
	close_fd(&fd);
	f->image.len = built;
	f->facts.catalog = f->catalog;
	if (r == 0 && f->entry_count && !f->tokens)
		r = fixture_open_tokens(f);
	return r;
}

static inline void fixture_free(struct fixture *f)
{
	body_maker_free(f->facts.maker);
	body_cache_free(f->facts.cache);
	event_base_free(f->base);
	close_catalog(f->catalog);
	close_tokens(f->tokens);
	buf_done(&f->image);
	free(f);
}

/* Parses "GET /path HTTP/1.1\r\n..." which must be complete and good. */
static inline bool fixture_request(const char *head, struct http_request *ret)
{
	size_t scanned = 0;
	const char *reason;
	int status;

	return http_parse_head(head, strlen(head), &scanned, ret, &status, &reason) ==
	       HTTP_HEAD_COMPLETE;
}

static inline void fixture_ready(void *owner, const struct held_error *error)
{
	if (error)
		reply_error(owner, error->status, 0, "%s", error->text);
}

/* Waits for the reply, as a connection would. */
static inline void fixture_await(struct fixture *f, struct reply *r)
{
	struct holds holds;

	if (!held_waits(&r->held))
		return;
	holds_init(&holds);
	holds_add(&holds, &r->held, 0, fixture_ready, r);
	while (held_waits(&r->held))
		event_base_loop(f->base, EVLOOP_ONCE);
}

/* Answers a whole request: the head and the body as one NUL-ended text, to be freed. */
static inline char *fixture_answer(struct fixture *f, const char *head)
{
	struct http_request http;
	struct reply_terms terms;
	struct buf out = BUF_INIT;
	struct span body = {0};
	struct reply r;

	if (!fixture_request(head, &http))
		return strdup("(the head did not parse)");
	reply_init(&r);
	route_dispatch(worker_routes, &http, &f->facts, &r);
	fixture_await(f, &r);
	terms = reply_terms(&http);
	if (reply_render(&r, &terms, f->facts.wall_us, &out, &body) < 0)
		abort();
	buf_add(&out, body.at, body.len);
	for (size_t i = 0; r.tail && i < r.tail->count; i++)
		buf_add(&out, r.tail->runs[i].at, r.tail->runs[i].len);
	reply_done(&r);
	return out.data;
}

/* GET of a target with further header lines (each ended with CRLF). */
static inline char *fixture_get(struct fixture *f, const char *target, const char *fields)
{
	char *head = NULL, *answer;

	if (asprintf(&head, "GET %s HTTP/1.1\r\nHost: tv.lan:5000\r\n%s\r\n", target, fields) < 0)
		abort();
	answer = fixture_answer(f, head);
	free(head);
	return answer;
}

static inline int fixture_status(const char *answer)
{
	return atoi(answer + strcspn(answer, " "));
}

#endif
