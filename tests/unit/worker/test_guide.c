#include <zlib.h>
#include "common/shm/programmes.h"
#include "unit.h"
#include "worker/catalog_fixture.h"

#define MINUTE_US 60000000ll

static struct fixture *guide_fixture(void)
{
	struct fixture *f = fixture_new();
	struct catalog_channel *ch = fixture_channel(f, 3, "News & <24>", "Public");
	struct catalog_program p[4] = {
		fixture_program(f, "Then", "2023-11-14T23:00:00Z", FIXTURE_NOW + 40 * MINUTE_US),
		fixture_program(f, "Now \"x\"", "2023-11-14T22:10:00Z",
				FIXTURE_NOW - 3 * MINUTE_US),
		fixture_program(f, "When?", "tomorrow", TIME_NONE),
		fixture_program(f, NULL, "2023-11-15T00:00:00Z", FIXTURE_NOW + 90 * MINUTE_US)};

	p[1].description_at = fixture_text(f, "All\nof it");
	p[0].end_wall_us = FIXTURE_NOW + 500 * MINUTE_US;
	ch->tvg_id_at = fixture_text(f, "news.tv");
	ch->logo_at = fixture_text(f, "http://x/l.png?a=1&b=2");
	ch->number_at = fixture_text(f, "7.1");
	fixture_programs(f, ch, p, 4);
	fixture_channel(f, 12, "Plain", NULL);
	ch = fixture_channel(f, 13, "News again", NULL);
	ch->tvg_id_at = fixture_text(f, "news.tv");
	fixture_programs(f, ch, p, 4);
	f->facts.lineup_s = FIXTURE_NOW / 1000000 - 3600;
	cr_assert_eq(fixture_publish(f, 1), 0);
	return f;
}

static const char *const DOCUMENT =
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	"<!DOCTYPE tv SYSTEM \"xmltv.dtd\">\n"
	"<tv generator-info-name=\"Amps " AMPS_VERSION "\">\n"
	"<channel id=\"news.tv\"><display-name>News &amp; &lt;24&gt;</display-name>"
	"<display-name>7.1</display-name><icon src=\"http://x/l.png?a=1&amp;b=2\"/>"
	"<url>http://tv.lan:5000/stream/3.ts?region=DE</url></channel>\n"
	"<channel id=\"12\"><display-name>Plain</display-name>"
	"<url>http://tv.lan:5000/stream/12.ts?region=DE</url></channel>\n"
	"<programme start=\"20231114221020 +0000\" stop=\"20231114225320 +0000\" "
	"channel=\"news.tv\"><title>Now &quot;x&quot;</title><desc>All of it</desc></programme>\n"
	"<programme start=\"20231114225320 +0000\" stop=\"20231114234320 +0000\" "
	"channel=\"news.tv\"><title>Then</title></programme>\n"
	"<programme start=\"20231114234320 +0000\" stop=\"20231115004320 +0000\" "
	"channel=\"news.tv\"><title>News &amp; &lt;24&gt;</title></programme>\n"
	"</tv>\n";

static const char *body_of(const char *answer)
{
	return strstr(answer, "\r\n\r\n") + 4;
}

Test(guide, is_written_byte_for_byte)
{
	struct fixture *f = guide_fixture();
	char *answer = fixture_get(f, "/epg.xml?region=de", "");

	cr_assert_str_eq(body_of(answer), DOCUMENT);
	cr_assert(strstr(answer, "Content-Type: application/xml\r\n"));
	cr_assert(strstr(answer, "Last-Modified: Tue, 14 Nov 2023 21:13:20 GMT\r\n"));
	free(answer);
	fixture_free(f);
}

/* The bytes behind the head; their number is in Content-Length. */
static size_t length_of(const char *answer)
{
	return strtoul(strstr(answer, "Content-Length: ") + 16, NULL, 10);
}

static void expect_packed(struct fixture *f, const char *target, const char *fields)
{
	char *answer = fixture_get(f, target, fields), text[8192];
	z_stream z = {.next_in = (Bytef *)body_of(answer),
		      .avail_in = (uInt)length_of(answer),
		      .next_out = (Bytef *)text,
		      .avail_out = sizeof(text)};

	cr_assert_eq(inflateInit2(&z, 15 + 16), Z_OK);
	cr_assert_eq(inflate(&z, Z_FINISH), Z_STREAM_END, "%s", target);
	cr_assert_eq(z.avail_in, 0);
	text[z.total_out] = '\0';
	inflateEnd(&z);
	cr_assert_str_eq(text, DOCUMENT);
	free(answer);
}

Test(guide, is_one_gzip_member_when_packed)
{
	struct fixture *f = guide_fixture();

	expect_packed(f, "/epg.xml?region=de", "Accept-Encoding: gzip\r\n");
	expect_packed(f, "/epg.xml.gz?region=de", "");
	fixture_free(f);
}

Test(guide, has_the_type_of_the_packed_file_without_a_coding)
{
	struct fixture *f = guide_fixture();
	char *answer = fixture_get(f, "/epg.xml.gz", "Accept-Encoding: gzip\r\n");

	cr_assert(strstr(answer, "Content-Type: application/gzip\r\n"));
	cr_assert_not(strstr(answer, "Content-Encoding"));
	free(answer);
	fixture_free(f);
}

Test(guide, is_not_sent_to_a_client_that_has_it)
{
	struct fixture *f = guide_fixture();
	static const struct {
		const char *fields;
		int status;
	} cases[] = {
		{"If-Modified-Since: Tue, 14 Nov 2023 21:13:20 GMT\r\n", 304},
		{"If-Modified-Since: Tue, 14 Nov 2023 21:13:19 GMT\r\n", 200},
		{"If-Modified-Since: yesterday\r\n", 200},
		{"If-None-Match: *\r\n", 304},
		/* the tag decides where there are both */
		{"If-None-Match: \"x\"\r\nIf-Modified-Since: Wed, 15 Nov 2023 21:13:20 GMT\r\n",
		 200},
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		char *answer = fixture_get(f, "/epg.xml", cases[i].fields);

		cr_assert_eq(fixture_status(answer), cases[i].status, "%s", cases[i].fields);
		free(answer);
	}
	fixture_free(f);
}

Test(guide, says_no_time_within_the_second_of_a_change)
{
	struct fixture *f = guide_fixture();
	char *answer;

	f->facts.lineup_s = FIXTURE_NOW / 1000000 + 1;
	answer = fixture_get(f, "/epg.xml", "If-Modified-Since: Wed, 15 Nov 2023 21:13:20 GMT\r\n");
	cr_assert_eq(fixture_status(answer), 200);
	cr_assert_not(strstr(answer, "Last-Modified"));
	free(answer);
	fixture_free(f);
}

/* The document that is cached may be one that was current before the last change, too. */
Test(guide, is_as_new_as_the_last_change_though_it_was_made_before)
{
	struct fixture *f = guide_fixture();
	char *answer = fixture_get(f, "/epg.xml", "");

	free(answer);
	f->facts.lineup_s += 60;
	answer = fixture_get(f, "/epg.xml", "If-Modified-Since: Tue, 14 Nov 2023 21:13:20 GMT\r\n");
	cr_assert_eq(fixture_status(answer), 200);
	cr_assert(strstr(answer, "Last-Modified: Tue, 14 Nov 2023 21:14:20 GMT\r\n"));
	free(answer);
	fixture_free(f);
}

Test(guide, is_as_new_as_a_channel_that_came_on_air)
{
	struct fixture *f = fixture_new();
	struct catalog_channel *ch = fixture_channel(f, 1, "One", NULL);
	char *answer;

	ch->flags |= CHANNEL_SCHEDULED;
	ch->start_wall_us = FIXTURE_NOW - MINUTE_US;
	f->facts.lineup_s = FIXTURE_NOW / 1000000 - 3600;
	cr_assert_eq(fixture_publish(f, 1), 0);
	answer = fixture_get(f, "/epg.xml", "");
	cr_assert(strstr(answer, "Last-Modified: Tue, 14 Nov 2023 22:12:21 GMT\r\n"), "%s", answer);
	free(answer);
	fixture_free(f);
}

/* What JSON says changes by the clock alone, too. */
Test(guide, as_json_is_as_new_as_what_is_on)
{
	struct fixture *f = guide_fixture();
	static const struct {
		const char *target, *fields, *modified; /* NULL = 304 */
	} cases[] = {
		{"/api/epg", "", "Tue, 14 Nov 2023 21:13:20 GMT"},
		{"/api/epg", "If-Modified-Since: Tue, 14 Nov 2023 21:13:20 GMT\r\n", NULL},
		{"/api/epg?now=true", "If-Modified-Since: Tue, 14 Nov 2023 21:13:20 GMT\r\n",
		 "Tue, 14 Nov 2023 22:10:21 GMT"},
		{"/api/epg?now=true", "If-Modified-Since: Tue, 14 Nov 2023 22:10:21 GMT\r\n", NULL},
		{"/api/epg?now=true&ids=12", "", "Tue, 14 Nov 2023 21:13:20 GMT"},
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		char *answer = fixture_get(f, cases[i].target, cases[i].fields), line[64];

		cr_assert_eq(fixture_status(answer), cases[i].modified ? 200 : 304, "%zu", i);
		snprintf(line, sizeof(line), "Last-Modified: %s\r\n",
			 cases[i].modified ? cases[i].modified : "");
		cr_assert(!cases[i].modified || strstr(answer, line), "%zu: %s", i, answer);
		free(answer);
	}
	fixture_free(f);
}

static bool same_programme(const struct programme *a, const struct programme *b)
{
	return a->start_us == b->start_us && a->end_us == b->end_us &&
	       strcmp(a->title, b->title) == 0;
}

static int64_t last_change(const struct programme *list, ssize_t count, int64_t wall_us)
{
	int64_t found = TIME_NONE;

	for (ssize_t i = 0; i < count; i++) {
		if (list[i].start_us <= wall_us)
			found = list[i].start_us;
		if (list[i].end_us <= wall_us)
			found = list[i].end_us;
	}
	return found;
}

/* What one pass finds is what the list in order has. */
Test(guide, what_is_ahead_is_found_in_one_pass)
{
	struct fixture *f = fixture_new();
	const struct catalog *c;

	srand(1);
	for (uint32_t id = 1; id <= 60; id++) {
		struct catalog_program p[8];
		uint32_t count = id % 9;

		for (uint32_t i = 0; i < count; i++) {
			/* no two begin together: which of them is kept is not said */
			int64_t start = FIXTURE_NOW + (rand() % 20 - 10) * 8 + i;
			char title[16];

			snprintf(title, sizeof(title), "P%u", i);
			p[i] = fixture_program(f, title, "x", rand() % 8 ? start : TIME_NONE);
			if (rand() % 2)
				p[i].end_wall_us = start + rand() % 40 - 4;
		}
		fixture_programs(f, fixture_channel(f, id, "Name", NULL), p, count);
	}
	cr_assert_eq(fixture_publish(f, 1), 0);
	c = f->facts.catalog;
	for (size_t at = 0; at < catalog_channel_count(c); at++)
		for (int64_t wall = FIXTURE_NOW - 90; wall < FIXTURE_NOW + 120; wall++) {
			const struct catalog_channel *ch = catalog_channel_at(c, at);
			struct programmes_ahead ahead;
			struct programme *list;
			ssize_t n = programmes_read(c, ch, &list), first = 0;

			while (first < n && list[first].end_us <= wall)
				first++;
			programmes_ahead(c, ch, wall, &ahead);
			cr_assert_eq(ahead.count, MIN((size_t)(n - first), PROGRAMMES_AHEAD));
			cr_assert_eq(ahead.end_us, n ? list[n - 1].end_us : TIME_NONE);
			cr_assert_eq(ahead.changed_us, last_change(list, n, wall));
			for (size_t i = 0; i < ahead.count; i++)
				cr_assert(same_programme(&ahead.list[i], &list[(size_t)first + i]));
			free(list);
		}
	fixture_free(f);
}

Test(guide, lists_of_what_is_on_are_made_again_at_full_minutes)
{
	cr_expect_eq(programmes_minute(5 * MINUTE_US), 5 * MINUTE_US);
	cr_expect_eq(programmes_minute(5 * MINUTE_US + 1), 6 * MINUTE_US);
	cr_expect_eq(programmes_minute(6 * MINUTE_US - 1), 6 * MINUTE_US);
}

Test(guide, has_the_filters_of_the_playlist)
{
	struct fixture *f = guide_fixture();
	char *answer = fixture_get(f, "/epg.xml?ids=12,13&group=", "");

	cr_assert(strstr(answer, "id=\"12\"") && strstr(answer, "/stream/13.ts"));
	cr_assert_not(strstr(answer, "/stream/3.ts"));
	free(answer);
	answer = fixture_get(f, "/epg.xml?group=public", "");
	cr_assert(strstr(answer, "/stream/3.ts") && !strstr(answer, "/stream/12.ts"));
	free(answer);
	fixture_free(f);
}

Test(guide, as_json_has_what_was_written)
{
	struct fixture *f = guide_fixture();
	char *answer = fixture_get(f, "/api/epg?ids=3", "");

	cr_assert_str_eq(
		body_of(answer),
		"[{\"id\":3,\"epg_id\":\"news.tv\",\"name\":\"News & <24>\",\"group\":\"Public\","
		"\"logo\":\"http://x/l.png?a=1&b=2\",\"programs\":["
		"{\"title\":\"Then\",\"start\":\"2023-11-14T23:00:00Z\"},"
		"{\"title\":\"Now \\\"x\\\"\",\"start\":\"2023-11-14T22:10:00Z\","
		"\"description\":\"All\\nof it\"},"
		"{\"title\":\"When?\",\"start\":\"tomorrow\"},"
		"{\"start\":\"2023-11-15T00:00:00Z\"}]}]\n");
	free(answer);
	answer = fixture_get(f, "/api/epg?ids=3&now=true", "");
	cr_assert(strstr(answer,
			 "\"programs\":["
			 "{\"title\":\"Now \\\"x\\\"\",\"start\":\"2023-11-14T22:10:20Z\","
			 "\"end\":\"2023-11-14T22:53:20Z\",\"description\":\"All\\nof it\"},"
			 "{\"title\":\"Then\",\"start\":\"2023-11-14T22:53:20Z\","
			 "\"end\":\"2023-11-14T23:43:20Z\"}]"));
	free(answer);
	fixture_free(f);
}
