#include <stdio.h>
#include <string.h>
#include "amps-worker/lineup/playlist.h"
#include "unit.h"
#include "worker/catalog_fixture.h"
#include "worker/m3u_reader.h"

static char *render(struct fixture *f, struct playlist_params w, int64_t *ret_expires_us)
{
	struct buf out = BUF_INIT;
	struct playlist *list;
	int64_t expires;
	int r;

	w.base = w.base ? w.base : "http://tv:5000";
	w.rtsp_base = w.rtsp_base ? w.rtsp_base : "rtsp://tv:8554";
	w.region = w.region ? w.region : "";
	w.link_region = w.link_region ? w.link_region : "";
	w.link_token = w.link_token ? w.link_token : "";
	w.groups = w.groups ? w.groups : "";
	w.ids = w.ids ? w.ids : "";
	w.wall_us = w.wall_us ? w.wall_us : FIXTURE_NOW;
	list = playlist_begin(f->catalog, NULL, &w);
	do
		r = playlist_step(list, &out, &expires);
	while (r > 0);
	playlist_end(list);
	cr_assert_eq(r, 0);
	if (ret_expires_us)
		*ret_expires_us = expires;
	return out.data;
}

Test(playlist, is_written_byte_for_byte)
{
	static const char *const variants[][2] = {{"sd", "SD"}, {"HD+", "Full HD"}};
	struct fixture *f = fixture_new();
	struct catalog_channel *ch = fixture_channel(f, 3, "News, 24", "Public");
	struct catalog_program p[2] = {
		fixture_program(f, "Now", "2023-11-14T22:00:00Z", FIXTURE_NOW - 1),
		fixture_program(f, "Then", "2023-11-14 23:00", FIXTURE_NOW + 5)};
	char *text;

	p[1].description_at = fixture_text(f, "All \"of\" it");
	ch->tvg_id_at = fixture_text(f, "news.tv");
	ch->tvg_name_at = fixture_text(f, "News24");
	ch->logo_at = fixture_text(f, "http://x/logo.png");
	ch->number_at = fixture_text(f, "7.1");
	ch->description_at = fixture_text(f, "What,\r\nhappens");
	ch->program_feed_at = fixture_text(f, "http://x/feed");
	fixture_regions(f, ch, "USCA", "CN");
	fixture_variants(f, ch, variants, 2);
	fixture_programs(f, ch, p, 2);
	fixture_channel(f, 12, "Plain", NULL);
	cr_assert_eq(fixture_publish(f, 1), 0);
	text = render(f,
		      (struct playlist_params){.region = "US",
					       .link_region = "US",
					       .link_token = "a b&c",
					       .variants = true},
		      NULL);
#define LINES                                                                                      \
	"#EXTREM:AMP-NEXT title=\"Then\" start=\"2023-11-14 23:00\" "                              \
	"description=\"All 'of' it\"\n"                                                            \
	"#EXTREM:AMP-PROGRAM-FEED url=\"http://x/feed\"\n"                                         \
	"#EXTREM:AMP-DESCRIPTION What,happens\n"                                                   \
	"#EXTREM:AMP-REGION allow=US,CA block=CN\n"
#define INFO                                                                                       \
	"#EXTINF:-1 tvg-id=\"news.tv\" tvg-name=\"News24\" tvg-logo=\"http://x/logo.png\" "        \
	"group-title=\"Public\" channel-number=\"7.1\" tvg-chno=\"7.1\","
#define KODI "#KODIPROP:mimetype=video/mp2t\n"
	cr_expect_str_eq(text,
			 "#EXTM3U x-tvg-url=\"http://tv:5000/epg.xml?region=US&token=a%20b%26c\" "
			 "url-tvg=\"http://tv:5000/epg.xml?region=US&token=a%20b%26c\"\n" INFO
			 "News 24\n" KODI LINES
			 "http://tv:5000/stream/3.ts?region=US&token=a%20b%26c\n" INFO
			 "News 24 (SD)\n" KODI "#EXTREM:AMP-VARIANT name=\"sd\"\n" LINES
			 "http://tv:5000/stream/3.ts?variant=sd&region=US&token=a%20b%26c\n" INFO
			 "News 24 (Full HD)\n" KODI "#EXTREM:AMP-VARIANT name=\"HD+\"\n" LINES
			 "http://tv:5000/stream/3.ts?variant=HD%2B&region=US&token=a%20b%26c\n"
			 "#EXTINF:-1 tvg-id=\"12\" tvg-name=\"Plain\",Plain\n" KODI
			 "http://tv:5000/stream/12.ts?region=US&token=a%20b%26c\n");
	free(text);
	fixture_free(f);
}

/* The ids of the entries in order, as "3 5 5 ". */
static char *ids_of(const char *text)
{
	struct buf ids = BUF_INIT;

	buf_puts(&ids, "");
	for (const char *at = text; (at = strstr(at, "/stream/")); at++)
		buf_printf(&ids, "%d ", atoi(at + 8));
	return ids.data;
}

static void expect_ids(struct fixture *f, struct playlist_params w, const char *expected)
{
	char *text = render(f, w, NULL), *ids = ids_of(text);

	cr_expect_str_eq(ids, expected, "got %s, not %s", ids, expected);
	free(ids);
	free(text);
}

static struct fixture *filter_fixture(void)
{
	static const char *const variants[][2] = {{"sd", "SD"}};
	struct fixture *f = fixture_new();
	struct catalog_channel *ch;

	fixture_channel(f, 0, "zero", "News");
	ch = fixture_channel(f, 1, "one", "Sport");
	fixture_variants(f, ch, variants, 1);
	ch = fixture_channel(f, 2, "two", "Öffentlich");
	fixture_regions(f, ch, "USCA", NULL);
	ch = fixture_channel(f, 3, "three", NULL);
	fixture_regions(f, ch, NULL, "CN");
	cr_assert_eq(fixture_publish(f, 1), 0);
	return f;
}

#define PARAMS(...) ((struct playlist_params){__VA_ARGS__})

Test(playlist, filters)
{
	struct fixture *f = filter_fixture();

	expect_ids(f, PARAMS(.variants = true), "0 1 1 3 ");
	expect_ids(f, PARAMS(.variants = false), "0 1 3 ");
	expect_ids(f, PARAMS(.region = "US"), "0 1 2 3 ");
	expect_ids(f, PARAMS(.region = "CN"), "0 1 ");
	expect_ids(f, PARAMS(.groups = " news ,SPORT"), "0 1 ");
	expect_ids(f, PARAMS(.groups = "öffentLICH", .region = "CA"), "2 ");
	expect_ids(f, PARAMS(.groups = "New"), "");
	expect_ids(f, PARAMS(.ids = "3,1"), "1 3 ");
	expect_ids(f, PARAMS(.ids = "x, 0 ,1.5,-1"), "0 ");
	expect_ids(f, PARAMS(.ids = "x,,y"), "0 1 3 ");
	expect_ids(f, PARAMS(.ids = "77"), "");
	fixture_free(f);
}

Test(playlist, shows_a_token_its_groups_only)
{
	struct fixture *f = filter_fixture();
	struct token_entry limited = {.group_count = 2, .groups = {"SPORT", "öffentlich "}};
	struct token_entry open = {.group_count = 0};

	expect_ids(f, PARAMS(.token = &limited), "1 ");
	expect_ids(f, PARAMS(.token = &limited, .region = "US"), "1 2 ");
	expect_ids(f, PARAMS(.token = &limited, .groups = "News"), "");
	expect_ids(f, PARAMS(.token = &open), "0 1 3 ");
	fixture_free(f);
}

Test(playlist, knows_when_it_changes)
{
	struct fixture *f = fixture_new();
	struct catalog_channel *ch = fixture_channel(f, 1, "one", NULL);
	struct catalog_program p[3] = {fixture_program(f, "A", "a", FIXTURE_NOW - 100),
				       fixture_program(f, "C", "c", FIXTURE_NOW + 900),
				       fixture_program(f, "B", "b", FIXTURE_NOW + 500)};
	int64_t expires;
	char *text;

	fixture_programs(f, ch, p, 3);
	ch = fixture_channel(f, 2, "later", NULL);
	ch->flags |= CHANNEL_SCHEDULED;
	ch->start_wall_us = FIXTURE_NOW + 300;
	ch->end_wall_us = FIXTURE_NOW + 1200;
	cr_assert_eq(fixture_publish(f, 1), 0);

	text = render(f, PARAMS(.wall_us = FIXTURE_NOW), &expires);
	cr_expect(strstr(text, "title=\"C\"") && !strstr(text, "later"));
	cr_expect_eq(expires, FIXTURE_NOW + 300);
	free(text);
	text = render(f, PARAMS(.wall_us = expires), &expires);
	cr_expect(strstr(text, "title=\"C\"") && strstr(text, "later"));
	cr_expect_eq(expires, FIXTURE_NOW + 900);
	free(text);
	text = render(f, PARAMS(.wall_us = expires), &expires);
	cr_expect(strstr(text, "title=\"A\""), "all have started: the first listed");
	cr_expect_eq(expires, FIXTURE_NOW + 1200);
	free(text);
	text = render(f, PARAMS(.wall_us = expires), &expires);
	cr_expect(!strstr(text, "later"));
	cr_expect_eq(expires, INT64_MAX);
	free(text);
	fixture_free(f);
}

Test(playlist, no_value_ends_like_an_attribute)
{
	struct fixture *f = fixture_new();
	char *text;

	fixture_channel(f, 1, "x group-title=", "tvg-logo=");
	cr_assert_eq(fixture_publish(f, 1), 0);
	text = render(f, PARAMS(.variants = true), NULL);
	cr_expect(strstr(text, " tvg-name=\"x group-title= \" group-title=\"tvg-logo= \",x group"));
	free(text);
	fixture_free(f);
}

/* Hostile text: quotes, commas, line ends, control characters, multi-byte, words of the format. */
static void random_text(unsigned *seed, char dst[512], size_t pieces)
{
	size_t n = 0;

	static const char *const words[] = {"a",
					    "Z9",
					    " ",
					    "\"",
					    ",",
					    "\n",
					    "\r",
					    "\r\n",
					    "#EXTINF:-1,x",
					    "=",
					    "\t",
					    "\\",
					    "'",
					    "<b>",
					    "\x7f",
					    "\x01",
					    "ü",
					    "日本",
					    "\" tvg-id=\"0",
					    "http://evil/",
					    "#EXTM3U",
					    "\xe2\x80\xa8",
					    "\xe2\x80\xa6",
					    "\xc2\x85",
					    "\xc2\x9b",
					    "\xc2\xa0",
					    "\xc2\xa0",
					    "😀",
					    "|user-agent=x",
					    "&amp;"};

	dst[0] = '\0';
	while (pieces-- > 0)
		n += (size_t)snprintf(dst + n, 512 - n, "%s",
				      words[(unsigned)rand_r(seed) % array_size(words)]);
}

/* What a reader must read from it. */
static void expected_text(const char *text, bool commas, char *dst)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x20 || c == 0x7f || (c == ',' && !commas))
			continue;
		if (c == 0xc2 && (unsigned char)text[1] < 0xa0) {
			text += 1;
			continue;
		}
		if (!strncmp(text, "\xe2\x80\xa8", 3) || !strncmp(text, "\xe2\x80\xa9", 3)) {
			text += 2;
			continue;
		}
		*dst++ = c == '"' ? '\'' : (char)c;
	}
	*dst = '\0';
}

struct texts {
	char name[512], group[512], description[512], title[512];
};

static void check_entry(const struct m3u_entry *e, const struct texts *t, uint32_t id)
{
	char text[512], url[64];

	expected_text(t->name, false, text);
	if (!text[strspn(text, " ")])
		snprintf(text, sizeof(text), "%u", id);
	cr_expect_str_eq(e->name, text);
	expected_text(t->group, true, text);
	cr_expect_str_eq(m3u_get(e, "group-title"), text);
	expected_text(t->name, true, text);
	cr_expect_str_eq(m3u_get(e, "tvg-name"), text);
	snprintf(text, sizeof(text), "%u", id);
	cr_expect_str_eq(m3u_get(e, "tvg-id"), text);
	snprintf(url, sizeof(url), "http://tv:5000/stream/%u.ts", id);
	cr_expect_str_eq(e->url, url);
	expected_text(t->description, true, text);
	if (!text[strspn(text, " ")]) {
		cr_expect_eq(e->option_count, 2);
		return;
	}
	cr_expect_eq(e->option_count, 3);
	cr_expect_str_eq(e->options[2] + strlen("#EXTREM:AMP-DESCRIPTION "), text);
}

Test(playlist, reads_back_and_cannot_be_forged)
{
	static struct texts texts[1000];
	unsigned seed = 7;
	struct fixture *f = fixture_new();
	const char *rest;
	char *text;

	for (uint32_t i = 0; i < array_size(texts); i++) {
		struct texts *t = &texts[i];
		struct catalog_channel *ch;
		struct catalog_program p;

		random_text(&seed, t->name, (size_t)(rand_r(&seed) % 12));
		random_text(&seed, t->group, (size_t)(rand_r(&seed) % 12));
		random_text(&seed, t->description, (size_t)(rand_r(&seed) % 20));
		random_text(&seed, t->title, (size_t)(rand_r(&seed) % 12));
		ch = fixture_channel(f, i, t->name, t->group);
		ch->description_at = fixture_text(f, t->description);
		p = fixture_program(f, t->title, "x", TIME_NONE);
		fixture_programs(f, ch, &p, 1);
	}
	cr_assert_eq(fixture_publish(f, 1), 0);
	text = render(f, PARAMS(.variants = true), NULL);
	rest = m3u_first(text);
	for (uint32_t i = 0; i < array_size(texts); i++) {
		struct m3u_entry e;

		cr_assert(m3u_next(&rest, &e), "entry %u is missing", i);
		check_entry(&e, &texts[i], i);
		m3u_done(&e);
	}
	cr_expect_eq(*rest, '\0', "a line was forged: %.60s", rest);
	free(text);
	fixture_free(f);
}

Test(playlist, is_made_once_for_equal_requests)
{
	struct fixture *f = filter_fixture();
	char *first = fixture_get(f, "/playlist.m3u?group=News", "");
	char *again = fixture_get(f, "/playlist.m3u?group=News", "");
	char *other;

	cr_expect_eq(fixture_status(first), 200);
	cr_expect_str_eq(first, again);
	cr_expect_eq(body_cache_count(f->facts.cache), 1);
	other = fixture_get(f, "/playlist.m3u8?group=Sport", "");
	cr_expect_str_neq(first, other);
	free(other);
	other = fixture_get(f, "/playlist.m3u?group=News", "X-Region: us\r\n");
	cr_expect(strstr(other, "0.ts?region=US\n"));
	cr_expect_eq(body_cache_count(f->facts.cache), 3);
	free(other);
	cr_assert_eq(fixture_publish(f, 2), 0);
	other = fixture_get(f, "/playlist.m3u?group=News", "");
	cr_expect_eq(body_cache_count(f->facts.cache), 3, "a catalog without changes");
	cr_expect_str_eq(first, other);
	free(other);
	fixture_channel(f, 77, "seventy-seven", "News");
	cr_assert_eq(fixture_publish(f, 3), 0);
	other = fixture_get(f, "/playlist.m3u?group=News", "");
	cr_expect_eq(body_cache_count(f->facts.cache), 4);
	cr_expect(strstr(other, "seventy-seven"));
	free(other);
	free(again);
	free(first);
	fixture_free(f);
}

Test(playlist, carries_the_right_token)
{
	struct fixture *f = filter_fixture();
	char *text;

	f->settings.auth_enabled = true;
	fixture_token(f, "shared", TOKEN_VIEWER, TOKEN_SHARED);
	fixture_token(f, "chief", TOKEN_ADMIN, 0);
	fixture_token(f, "mine", TOKEN_VIEWER, 0);
	cr_assert_eq(fixture_publish(f, 1), 0);
	text = fixture_get(f, "/playlist.m3u", "X-Amps-Token: mine\r\n");
	cr_expect(strstr(text, "/stream/0.ts?token=mine\n"));
	free(text);
	text = fixture_get(f, "/playlist.m3u?token=chief", "");
	cr_expect(strstr(text, "/stream/0.ts?token=shared\n") && !strstr(text, "chief"));
	free(text);
	text = fixture_get(f, "/playlist.m3u?token=none", "");
	cr_expect_eq(fixture_status(text), 401);
	free(text);
	fixture_free(f);
}

Test(playlist, of_ten_thousand_channels_is_quick)
{
	struct fixture *f = fixture_new();
	uint64_t before;
	char *text;

	for (uint32_t i = 0; i < 10000; i++) {
		struct catalog_channel *ch =
			fixture_channel(f, i, "A channel of some name", "Group");

		ch->logo_at = fixture_text(f, "https://example.org/logos/of/this/channel.png");
		ch->description_at = fixture_text(f, "Some words on what is shown there");
	}
	cr_assert_eq(fixture_publish(f, 1), 0);
	before = clock_mono_us();
	text = fixture_get(f, "/playlist.m3u", "Accept-Encoding: gzip\r\n");
	fprintf(stderr, "first: %llu us", (unsigned long long)(clock_mono_us() - before));
	cr_expect(strstr(text, "Content-Encoding: gzip\r\n"));
	free(text);
	before = clock_mono_us();
	for (int i = 0; i < 100; i++) {
		struct http_request http;
		struct reply r;

		cr_assert(fixture_request("GET /playlist.m3u HTTP/1.0\r\n\r\n", &http));
		reply_init(&r);
		route_dispatch(worker_routes, &http, &f->facts, &r);
		cr_expect_eq(r.kind, REPLY_SHARED);
		reply_done(&r);
	}
	before = (clock_mono_us() - before) / 100;
	fprintf(stderr, "again: %llu us", (unsigned long long)before);
	cr_expect_lt(before, 2000, "from the cache it takes %llu us", (unsigned long long)before);
	fixture_free(f);
}
