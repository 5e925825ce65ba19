#include <stdio.h>
#include <string.h>
#include "amps-worker/live/output.h"
#include "common/shm/chantab_layout.h"
#include "common/shm/worker_page.h"
#include "unit.h"
#include "worker/catalog_fixture.h"

/* Channels: 1 plain, 2 for US only, 3 not on air, 4 unavailable, 5 of form audio, 6 in "Kids". */
static struct fixture *make(bool auth)
{
	static const char *const variants[][2] = {{"sd", "SD"}, {"HD+", "HD+"}};
	struct fixture *f = fixture_new();
	struct catalog_channel *ch = fixture_channel(f, 1, "one", "News");

	fixture_variants(f, ch, variants, 2);
	fixture_regions(f, fixture_channel(f, 2, "two", NULL), "US", NULL);
	ch = fixture_channel(f, 3, "three", NULL);
	ch->flags = CHANNEL_SCHEDULED;
	ch->end_wall_us = FIXTURE_NOW - 1;
	ch = fixture_channel(f, 4, "four", NULL);
	ch->unavailable_at = fixture_text(f, "custom_ffmpeg comes \"later\"");
	fixture_channel(f, 5, "five", NULL)->form = FORM_AUDIO;
	fixture_channel(f, 6, "six", "Kids");
	if (auth) {
		struct token_entry *e;

		f->settings.auth_enabled = true;
		fixture_token(f, "shared", TOKEN_VIEWER, TOKEN_SHARED);
		e = fixture_token(f, "kids", TOKEN_VIEWER, 0);
		e->group_count = 1;
		memcpy(e->groups[0], "KIDS", 4);
		fixture_token(f, "old", TOKEN_VIEWER, 0)->expires_wall_us = FIXTURE_NOW;
	}
	cr_assert_eq(fixture_publish(f, 1), 0);
	return f;
}

static void expect(struct fixture *f, const char *target, const char *fields, int status,
		   const char *holds)
{
	char *answer = fixture_get(f, target, fields);

	cr_expect_eq(fixture_status(answer), status, "%s: %d, not %d", target,
		     fixture_status(answer), status);
	if (holds)
		cr_expect(strstr(answer, holds), "%s lacks %s: %s", target, holds, answer);
	if (status >= 400)
		cr_expect(strstr(answer, "\r\n\r\n{\"error\": \""), "%s: %s", target, answer);
	free(answer);
}

Test(route, answers_every_address)
{
	struct fixture *f = make(false);

	expect(f, "/", "", 200, "text/html");
	expect(f, "/ui", "", 200, "default-src 'none'");
	expect(f, "/watch/5", "", 200, "<title>Amps</title>");
	expect(f, "/ui/page.js", "", 200, "text/javascript");
	expect(f, "/ui/page.css", "", 200, "text/css");
	expect(f, "/playlist.m3u", "", 200, "audio/x-mpegurl; charset=utf-8");
	expect(f, "/playlist.m3u8", "", 200, "#EXTM3U");
	expect(f, "/healthz", "", 200, "ok");
	expect(f, "/metrics", "", 200, "# TYPE");
	expect(f, "/readyz", "", 503, "Retry-After: 1\r\n");
	expect(f, "/stream/1", "", 200, "video/mp2t");
	expect(f, "/stream/1.ts", "", 200, "video/mp2t");
	expect(f, "/nothing", "", 404, NULL);
	expect(f, "/stream", "", 404, NULL);
	expect(f, "/stream/", "", 404, NULL);
	expect(f, "/stream/1/2", "", 404, NULL);
	expect(f, "/playlist.m3u/", "", 404, NULL);
	expect(f, "/Playlist.m3u", "", 404, NULL);
	expect(f, "//playlist.m3u", "", 404, NULL);
	expect(f, "/hls/1/nothing.m3u8", "", 404, "Access-Control-Allow-Origin: *");
	expect(f, "/hls/99999/index.m3u8", "", 404, NULL);
	fixture_free(f);
}

Test(route, streams_only_what_the_client_may_watch)
{
	struct fixture *f = make(false);

	expect(f, "/stream/2.ts?region=us", "", 200, NULL);
	expect(f, "/stream/2.ts", "", 403, "region");
	expect(f, "/stream/2.ts?region=DE", "", 403, "DE");
	expect(f, "/stream/2.ts", "CF-IPCountry: us\r\n", 200, NULL);
	expect(f, "/stream/3.ts", "", 404, "off the air");
	expect(f, "/stream/4.ts", "", 502, "custom_ffmpeg comes \\\"later\\\"");
	expect(f, "/stream/5", "", 200, "audio/aac");
	expect(f, "/audio/2?region=us", "", 200, "audio/aac");
	expect(f, "/audio/2", "", 403, "region");
	expect(f, "/audio/3", "", 404, "off the air");
	expect(f, "/audio/4", "", 502, "custom_ffmpeg comes \\\"later\\\"");
	expect(f, "/audio/9", "", 404, "channel");
	expect(f, "/audio/1.aac", "", 404, NULL);
	expect(f, "/audio/1?lang=DEU", "", 200, NULL);
	expect(f, "/audio/1?lang=", "", 200, NULL);
	expect(f, "/audio/1?lang=d", "", 400, "lang");
	expect(f, "/audio/1?lang=1eu", "", 400, "lang");
	expect(f, "/audio/1?lang=deutsch", "", 400, "lang");
	expect(f, "/audio/1?variant=SD", "", 404, "variant");
	expect(f, "/stream/5?format=ts", "", 200, NULL);
	expect(f, "/stream/5.ts", "", 200, NULL);
	expect(f, "/stream/9.ts", "", 404, "no such channel");
	expect(f, "/stream/x.ts", "", 404, NULL);
	expect(f, "/stream/-1", "", 404, NULL);
	expect(f, "/stream/99999999999999999999", "", 404, NULL);
	expect(f, "/stream/%31.ts", "", 200, NULL);
	expect(f, "/stream/1.ts?variant=sd", "", 200, NULL);
	expect(f, "/stream/1.ts?variant=HD%2B", "", 200, NULL);
	expect(f, "/stream/1.ts?variant=SD", "", 404, "variant");
	expect(f, "/stream/1.ts?variant=%zz", "", 400, NULL);
	expect(f, "/stream/1.ts?join_ms=x", "", 400, NULL);
	expect(f, "/stream/1.ts?join_ms=600001", "", 400, NULL);
	expect(f, "/stream/1.ts?overlap=perhaps", "", 400, "overlap");
	expect(f, "/stream/1.ts?overlap=", "", 400, "overlap");
	expect(f, "/stream/1?format=flv", "", 400, NULL);
	expect(f, "/stream/1?format=mp4", "", 200, "video/mp4");
	expect(f, "/stream/1.ts?format=mp4", "", 200, "video/mp2t");
	expect(f, "/watch/1", "", 200, "text/html");
	expect(f, "/ui/player.js", "", 200, "text/javascript");
	expect(f, "/ui/nothing.js", "", 404, NULL);
	fixture_free(f);
}

Test(route, gives_a_stream_its_parameters)
{
	struct fixture *f = make(false);
	struct http_request http;
	struct reply r;

	cr_assert(
		fixture_request("GET /stream/1?variant=HD%2B&join_ms=70 HTTP/1.0\r\n\r\n", &http));
	reply_init(&r);
	route_dispatch(worker_routes, &http, &f->facts, &r);
	cr_expect_eq(r.kind, REPLY_STREAM);
	cr_expect_eq(r.stream->id.channel, 1);
	cr_expect_eq(r.stream->options.join_ms, 70);
	cr_expect_eq(r.stream->id.form, OUTPUT_TS);
	cr_expect_str_eq(r.stream->id.variant, "HD+");
	cr_expect(r.media);
	reply_done(&r);
	cr_assert(fixture_request("GET /stream/1 HTTP/1.0\r\n\r\n", &http));
	reply_init(&r);
	route_dispatch(worker_routes, &http, &f->facts, &r);
	cr_expect_eq(r.stream->options.join_ms, 500);
	cr_expect_str_eq(r.stream->id.variant, "");
	cr_expect_not(r.stream->own);
	reply_done(&r);
	fixture_free(f);
}

Test(route, overlap_asks_for_a_tuner_of_its_own)
{
	static const struct {
		const char *value;
		bool own;
	} cases[] = {{"true", true}, {"True", true},   {"1", true},   {"yes", true}, {"on", true},
		     {"0", false},   {"false", false}, {"NO", false}, {"off", false}};
	struct fixture *f = make(false);

	for (size_t i = 0; i < array_size(cases); i++) {
		char head[100];
		struct http_request http;
		struct reply r;

		snprintf(head, sizeof(head), "GET /stream/1.ts?overlap=%s HTTP/1.0\r\n\r\n",
			 cases[i].value);
		cr_assert(fixture_request(head, &http));
		reply_init(&r);
		route_dispatch(worker_routes, &http, &f->facts, &r);
		cr_expect_eq(r.kind, REPLY_STREAM, "%s", cases[i].value);
		cr_expect_eq(r.stream->own, cases[i].own, "%s", cases[i].value);
		reply_done(&r);
	}
	fixture_free(f);
}

Test(route, requires_a_token_for_data)
{
	struct fixture *f = make(true);

	expect(f, "/", "", 200, NULL);
	expect(f, "/ui/page.js", "", 200, NULL);
	expect(f, "/healthz", "", 200, NULL);
	expect(f, "/metrics", "", 200, NULL);
	expect(f, "/stream/1.ts", "", 401, "WWW-Authenticate: Bearer");
	expect(f, "/stream/9.ts", "", 401, NULL);
	expect(f, "/playlist.m3u", "", 401, NULL);
	expect(f, "/nothing", "", 401, NULL);
	expect(f, "/stream/1.ts?token=shared", "", 200, NULL);
	expect(f, "/stream/1.ts?token=share", "", 401, NULL);
	expect(f, "/stream/1.ts?token=sharedd", "", 401, NULL);
	expect(f, "/stream/1.ts?token=", "", 401, NULL);
	expect(f, "/stream/1.ts?token=old", "", 401, NULL);
	expect(f, "/stream/1.ts", "Authorization: bearer shared\r\n", 200, NULL);
	expect(f, "/stream/1.ts", "Authorization: Basic shared\r\n", 401, NULL);
	expect(f, "/stream/1.ts", "X-Amps-Token: shared\r\n", 200, NULL);
	expect(f, "/stream/6.ts?token=kids", "", 200, NULL);
	expect(f, "/stream/1.ts?token=kids", "", 403, "group");
	expect(f, "/stream/2.ts?token=kids&region=US", "", 403, "group");
	expect(f, "/nothing?token=kids", "", 404, NULL);
	f->facts.tokens = NULL;
	expect(f, "/stream/1.ts?token=shared", "", 401, NULL);
	fixture_free(f);
}

static void expect_method(struct fixture *f, const char *head, int status, const char *holds)
{
	char *answer = fixture_answer(f, head);

	cr_expect_eq(fixture_status(answer), status, "%s: %s", head, answer);
	if (holds)
		cr_expect(strstr(answer, holds), "%s: %s", head, answer);
	free(answer);
}

#define WITH(method, path) method " " path " HTTP/1.1\r\nHost: a\r\n\r\n"

Test(route, knows_methods)
{
	struct fixture *f = make(true);
	char *answer;

	expect_method(f, WITH("POST", "/playlist.m3u"), 405, "Allow: GET, HEAD, OPTIONS\r\n");
	expect_method(f, WITH("BREW", "/playlist.m3u"), 405, "Allow: GET, HEAD, OPTIONS\r\n");
	expect_method(f, WITH("OPTIONS", "/stream/1.ts"), 204, "Access-Control-Allow-Headers: X-A");
	expect_method(f, WITH("OPTIONS", "/stream/1.ts"), 204,
		      "Access-Control-Allow-Origin: *\r\n");
	expect_method(f, WITH("OPTIONS", "*"), 204, "Allow: GET, HEAD, OPTIONS\r\n");
	expect_method(f, WITH("OPTIONS", "/metrics"), 204, "Allow: GET, HEAD, OPTIONS\r\n");
	expect_method(f, WITH("HEAD", "/stream/1.ts"), 401, "WWW-Authenticate");
	answer = fixture_answer(f, WITH("HEAD", "/stream/1.ts?token=shared"));
	cr_expect_eq(fixture_status(answer), 200);
	cr_expect(strstr(answer, "Content-Type: video/mp2t\r\n"));
	cr_expect_null(strstr(answer, "Content-Length"));
	cr_expect_str_eq(answer + strlen(answer) - 4, "\r\n\r\n");
	free(answer);
	fixture_free(f);
}

Test(route, does_not_take_a_body_for_a_request)
{
	struct fixture *f = make(false);

	expect_method(f, "GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", 200,
		      "Connection: close\r\n");
	expect_method(f, "GET /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
		      200, "Connection: close\r\n");
	fixture_free(f);
}

Test(route, is_ready_when_the_master_says_so)
{
	static struct chantab_header table;
	struct fixture *f = make(true);

	f->facts.chantab = &table;
	expect(f, "/readyz", "", 503, NULL);
	atomic_store(&table.ready, READINESS_READY);
	expect(f, "/readyz", "", 200, "ready");
	atomic_store(&table.ready, READINESS_DATABASE_LOCKED);
	expect(f, "/readyz", "", 503, "the database is locked by another process");
	atomic_store(&table.ready, READINESS_DATABASE_GONE);
	expect(f, "/readyz", "", 503, "the database file was moved or deleted");
	atomic_store(&table.ready, READINESS_COUNT_);
	expect(f, "/readyz", "", 503, "starting");
	f->facts.draining = true;
	expect(f, "/readyz", "", 503, "shutting down");
	expect(f, "/healthz", "", 200, NULL);
	fixture_free(f);
}

/* Workers whose pages are known to each other. */
static void give_pages(struct fixture *f, const void *pages[2])
{
	for (unsigned i = 0; i < 2; i++)
		pages[i] = calloc(1, WORKER_PAGE_BYTES);
	f->facts.worker_pages = pages;
	f->facts.worker_count = 2;
}

static void free_pages(const void *pages[2])
{
	for (unsigned i = 0; i < 2; i++)
		free((void *)(uintptr_t)pages[i]);
}

/* A request to that worker. */
static void expect_at(struct fixture *f, unsigned worker, const char *target, const char *fields,
		      int status)
{
	f->facts.page = (void *)(uintptr_t)f->facts.worker_pages[worker];
	expect(f, target, fields, status, status == 429 ? "Retry-After: 60\r\n" : NULL);
}

Test(route, refuses_only_wrong_tokens_of_a_client_that_sends_many)
{
	struct fixture *f = make(true);
	const void *pages[2];

	give_pages(f, pages);
	for (unsigned i = 0; i < WRONG_TOKENS_MAX; i++) {
		f->facts.mono_us += 1000000;
		expect_at(f, i % 2, i % 3 ? "/stream/1.ts?token=old" : "/nothing?token=wrong", "",
			  401);
	}
	expect_at(f, 0, "/stream/1.ts?token=wrong", "", 429);
	expect_at(f, 1, "/api/streams?token=%zz", "", 429);
	expect_at(f, 1, "/stream/1.ts", "X-Amps-Token: wrong\r\nX-Forwarded-For: 9.9.9.9\r\n", 429);
	expect_at(f, 0, "/stream/1.ts?token=shared", "", 200);
	expect_at(f, 0, "/stream/1.ts", "", 401);
	expect_at(f, 0, "/stream/1.ts?token=", "", 401);
	expect_at(f, 0, "/healthz?token=wrong", "", 200);
	f->facts.peer.s6_addr[15]++;
	expect_at(f, 0, "/stream/1.ts?token=wrong", "", 401);
	f->facts.peer.s6_addr[15]--;
	f->facts.mono_us += (WRONG_TOKENS_S - 1) * 1000000;
	expect_at(f, 0, "/stream/1.ts?token=wrong", "", 401);
	free_pages(pages);
	fixture_free(f);
}

Test(route, an_ipv6_network_is_one_client_and_wrong_tokens_take_bounded_memory)
{
	struct fixture *f = make(true);
	const void *pages[2];

	give_pages(f, pages);
	f->facts.peer = (struct in6_addr){{{0x20, 1, 0xd, 0xb8}}};
	for (unsigned i = 0; i < WRONG_TOKENS_MAX; i++) {
		f->facts.peer.s6_addr[15]++;
		expect_at(f, 0, "/stream/1.ts?token=wrong", "", 401);
	}
	expect_at(f, 0, "/stream/1.ts?token=wrong", "", 429);
	f->facts.peer.s6_addr[7]++;
	expect_at(f, 0, "/stream/1.ts?token=wrong", "", 401);
	/* more clients than places, all later than the first two */
	f->facts.mono_us += 1000000;
	for (unsigned i = 0; i < 2 * WRONG_TOKEN_SETS * WRONG_TOKEN_WAYS; i++) {
		f->facts.peer.s6_addr[4] = (uint8_t)(i >> 8);
		f->facts.peer.s6_addr[5] = (uint8_t)i;
		expect_at(f, 0, "/stream/1.ts?token=wrong", "", 401);
	}
	free_pages(pages);
	fixture_free(f);
}
