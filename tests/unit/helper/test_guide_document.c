/* test_guide_document.c - guides that are read, and guides that are refused with the line. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include "amps-helper/guide/document.h"
#include "amps-helper/guide/time.h"
#include "amps-helper/guide/xml_repair.h"
#include "common/text/buf.h"
#include "unit.h"

#define NOW_S 1700000000 /* 2023-11-14T22:13:20Z */

static char reason[512];

struct world {
	json_t *targets;
	struct guide_match *match;
	struct guide_spool spool;
	struct guide_document document;
};

static void world_open(struct world *w, const char *targets)
{
	struct guide_parse_env env = {
		.spool = &w->spool, .from_s = NOW_S - 86400, .until_s = NOW_S + 86400};

	*w = (struct world){.targets = json_loads(targets, 0, NULL)};
	cr_assert_eq(guide_match_new(w->targets, &w->match), 0);
	w->spool.fd = memfd_create("spool", MFD_CLOEXEC);
	env.match = w->match;
	cr_assert_eq(guide_document_init(&w->document, &env), 0);
	reason[0] = '\0';
}

static void world_close(struct world *w)
{
	guide_document_done(&w->document);
	guide_spool_done(&w->spool);
	close_fd(&w->spool.fd);
	guide_match_free(w->match);
	json_decref(w->targets);
}

/* Reads a document in pieces of `step` bytes.  0 or -Exxx. */
static int feed(struct world *w, const char *bytes, size_t n, size_t step)
{
	int r = 0;

	for (size_t at = 0; r == 0 && at < n; at += step)
		r = guide_document_add(&w->document, bytes + at, MIN(step, n - at), reason,
				       sizeof(reason));
	return r == 0 ? guide_document_end(&w->document, reason, sizeof(reason)) : r;
}

static int read_document(const void *bytes, size_t n)
{
	struct world w;
	int r;

	world_open(&w, "[[\"a\"]]");
	r = feed(&w, bytes, n, 4096);
	world_close(&w);
	return r;
}

static size_t refused;

static void expect_refused(const void *bytes, size_t n, const char *what)
{
	int r = read_document(bytes, n);
	unsigned line = 0;
	int at = 0;

	cr_assert_lt(r, 0, "%s is not refused", what);
	cr_assert(sscanf(reason, "line %u: %n", &line, &at) == 1 && line >= 1 && reason[at],
		  "%s: '%s' names no line", what, reason);
	refused++;
}

static const char GOOD[] =
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE tv SYSTEM \"xmltv.dtd\">\n"
	"<tv>\n<channel id=\"a\"><display-name>A &amp; B</display-name></channel>\n"
	"<programme start=\"20231114220000 +0000\" channel=\"a\"><title>T\xc3\xa9</title>\n"
	"<desc><![CDATA[x]]></desc></programme>\n</tv>\n";

/* Packs with zlib's gzip form. */
static struct buf packed(const char *bytes, size_t n, size_t times)
{
	struct buf out = BUF_INIT;
	z_stream z = {0};

	cr_assert_eq(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, 0), Z_OK);
	for (size_t i = 0; i <= times; i++) {
		z.next_in = (Bytef *)(uintptr_t)bytes;
		z.avail_in = i < times ? (uInt)n : 0;
		do {
			z.next_out = (Bytef *)buf_reserve(&out, 65536);
			z.avail_out = 65536;
			deflate(&z, i == times ? Z_FINISH : Z_NO_FLUSH);
			out.len += 65536 - z.avail_out;
		} while (z.avail_out == 0);
	}
	deflateEnd(&z);
	return out;
}

static void refuse_truncated(void)
{
	size_t n = sizeof(GOOD) - 1, last = (size_t)(strstr(GOOD, "</tv>") - GOOD) + 5;

	for (size_t cut = 0; cut < last; cut += last / 90) {
		char what[64];

		snprintf(what, sizeof(what), "a guide of %zu bytes", cut);
		expect_refused(GOOD, cut, what);
	}
	cr_assert_eq(read_document(GOOD, n), 0, "%s", reason);
}

static void refuse_packed(void)
{
	struct buf gz = packed(GOOD, sizeof(GOOD) - 1, 1);
	char bytes[1024];

	cr_assert_eq(read_document(gz.data, gz.len), 0, "%s", reason);
	cr_assert_lt(gz.len, sizeof(bytes));
	for (size_t cut = 7; cut < gz.len; cut += MAX(gz.len / 40, 1u))
		expect_refused(gz.data, cut, "a cut gzip file");
	for (size_t at = 20; at < gz.len; at += MAX(gz.len / 20, 1u)) {
		memcpy(bytes, gz.data, gz.len);
		bytes[at] ^= 0x55;
		if (read_document(bytes, gz.len) < 0)
			expect_refused(bytes, gz.len, "a damaged gzip file");
	}
	buf_done(&gz);
}

static void refuse_texts(void)
{
	static const char *const cases[] = {
		"",
		" ",
		"\n\n\n",
		"no XML",
		"{\"error\": 404}",
		"\x1f\x8b",
		"\x1f\x8b\x08\x00nothing",
		"\xfd"
		"7zXZ\x00nothing here",
		"<html><body>404</body></html>",
		"<!DOCTYPE html>\n<html><head><title>Moved</title></head></html>",
		"<!doctype html>\n<html lang=en><meta charset=utf-8><br></html>",
		"<?xml version=\"1.0\"?><rss><channel/></rss>",
		"<tv>",
		"<tv></TV>",
		"<tv><tv></tv>",
		"<tv><programme></tv>",
		"<tv><programme channel=\"a\" start=20231114></programme></tv>",
		"<tv><a b=\"1\" b=\"2\"/></tv>",
		"<tv><a b=\"<\"/></tv>",
		"<tv></tv><tv></tv>",
		"<tv></tv>text",
		"<tv><![CDATA[</tv>",
		"<tv><!-- </tv>",
		"<tv><!-- -- --></tv>",
		"<tv><?xml version=\"1.0\"?></tv>",
		"\n<?xml version=\"1.0\"?><tv/>",
		"<?xml version=\"1.0\" encoding=\"no-such\"?><tv/>",
		"<?xml version=\"1.0\" encoding=\"UTF-16\"?><tv/>",
		"<?xml version=\"1.0\" encoding=\"windows-1251\"?><tv/>",

		"<?xml encoding=\"UTF-8\"?><tv/>",
		"<tv><title>caf\xe9</title></tv>",
		"<tv>\xc3\x28</tv>",
		"<tv>\xed\xa0\x80</tv>",
		"<tv>\xf8\x88\x80\x80\x80</tv>",
		"<tv>\xc0\x80</tv>",
		"<tv a=\"\xe9\"/>",
		"\xff\xfe<\x00t",
		"\xfe\xff\x00<",
		"<tv><1/></tv>",
		"<tv>< a/></tv>",
		"<tv/ >",
		"<!DOCTYPE tv [<!ENTITY a \"b\">]><tv>&a;</tv>",
		"<!DOCTYPE tv [<!ENTITY % a SYSTEM \"file:///etc/passwd\">%a;]><tv/>",
		"<!DOCTYPE tv [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><tv>&a;</tv>",
		"<!DOCTYPE tv [<!ENTITY a \"&b;&b;\"><!ENTITY b \"&a;&a;\">]><tv>&a;</tv>",
		"<!DOCTYPE tv [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">"
		"<!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;\">]><tv>&c;</tv>",
	};

	for (size_t i = 0; i < array_size(cases); i++)
		expect_refused(cases[i], strlen(cases[i]), cases[i]);
}

/* `unit` so many times between two texts. */
static void expect_repeated_refused(const char *front, const char *unit, size_t times,
				    const char *what)
{
	struct buf b = BUF_INIT;

	buf_puts(&b, front);
	for (size_t i = 0; i < times; i++)
		buf_puts(&b, unit);
	buf_puts(&b, "</tv>");
	expect_refused(b.data, b.len, what);
	buf_done(&b);
}

static void refuse_bombs(void)
{
	static char spaces[1 << 20];
	struct buf bomb;

	memset(spaces, ' ', sizeof(spaces));
	bomb = packed(spaces, sizeof(spaces), 80);
	expect_refused(bomb.data, bomb.len, "a gzip bomb");
	buf_done(&bomb);
	expect_repeated_refused("<tv>", "<a>", 1000000, "a million elements in each other");
	expect_repeated_refused("<tv><programme channel=\"a\" start=\"20231114220000\">",
				"<credits>", 1000, "elements of a programme in each other");
	expect_repeated_refused("<tv a=\"", "0123456789abcdef", 200000, "a tag of 3 MB");
	expect_repeated_refused("<tv><!--", "0123456789abcdef", 200000, "a comment of 3 MB");
}

static void refuse_wrong_bytes(void)
{
	char bytes[sizeof(GOOD)];
	const char *title = strstr(GOOD, "<title>") + 7;

	for (int c = 0x80; c < 0x100; c += 4) {
		memcpy(bytes, GOOD, sizeof(GOOD));
		bytes[title - GOOD] = (char)c;
		expect_refused(bytes, sizeof(GOOD) - 1, "a byte that is not UTF-8");
	}
}

Test(guide_document, two_hundred_broken_guides_are_refused_with_their_line)
{
	refuse_truncated();
	refuse_packed();
	refuse_texts();
	refuse_bombs();
	refuse_wrong_bytes();
	cr_assert_geq(refused, 200u, "%zu", refused);
}

static void expect_kept(struct world *w, size_t index, const char *elements)
{
	char text[UINT16_MAX];

	cr_assert_lt(index, w->spool.count);
	cr_assert_eq(guide_spool_read(&w->spool, &w->spool.list[index], text), 0);
	text[w->spool.list[index].bytes] = '\0';
	cr_assert_str_eq(text, elements);
}

Test(guide_document, what_is_lenient_is_read_however_it_comes)
{
	static const char text[] =
		"\xef\xbb\xbf<tv>\r\n<channel id=\"x\"><display-name>a hd</display-name></channel>"
		"<programme start=\"20231114230000 +0100\" stop=\"20231114240000 +0100\" channel=\"x\">"
		"<odd><title>no</title></odd><new/><category>C</category>"
		"<title>R&D &amp; x &nbsp;&#0;&#233; \x01</title><desc></desc><category>B</category>"
		"<star-rating><icon src=\"i\"/></star-rating><desc>D<b>bold</b>E</desc></programme>\n"
		"<programme start=\"20231114210000\" channel=\"x\"><desc>no title</desc></programme>"
		"<programme start=\"20231114213000\" stop=\"20231114223000\" channel=\"x\"><title>o</title>"
		"</programme><programme start=\"20231114213000\" channel=\"x\"><title>again</title>"
		"</programme><programme start=\"20201114213000\" channel=\"x\"/></tv>";
	static const size_t steps[] = {1, 7, 4096};

	for (size_t i = 0; i < array_size(steps); i++) {
		struct world w;

		world_open(&w, "[[\"1\",\"A\"]]");
		cr_assert_eq(feed(&w, text, sizeof(text) - 1, steps[i]), 0, "%s", reason);
		cr_assert_eq(guide_spool_finish(&w.spool, NOW_S - 86400), 0);
		cr_assert_eq(w.spool.count, 3);
		/* sorted; an end that is missing or behind the next start is the next start */
		cr_assert_eq(w.spool.list[0].start_s, NOW_S - 800 - 3600);
		cr_assert_eq(w.spool.list[0].end_s, w.spool.list[1].start_s);
		cr_assert_eq(w.spool.list[1].end_s, w.spool.list[2].start_s);
		cr_assert_eq(w.spool.list[2].end_s, NOW_S - 800 + 3600);
		expect_kept(&w, 0, "<title>a hd</title><desc>no title</desc>");
		expect_kept(&w, 1, "<title>o</title>");
		expect_kept(&w, 2,
			    "<title>R&amp;D &amp; x  &amp;#0;\xc3\xa9</title><desc>DE</desc>"
			    "<category>C</category><category>B</category><new/>");
		guide_match_resolve(w.match);
		cr_assert_eq(guide_match_target(w.match, 0)->how, GUIDE_BY_NAME);
		world_close(&w);
	}
}

Test(guide_document, times_are_read_in_all_their_forms)
{
	static const struct {
		const char *text;
		int64_t s; /* -1: refused */
	} cases[] = {
		{"20231114221320 +0000", NOW_S},
		{"20231114231320 +0100", NOW_S},
		{"20231114221320", NOW_S},
		{"20231114171320 EST", NOW_S},
		{"202311142213", NOW_S - 20},
		{"20231114", NOW_S - 80000},
		{"20231114221320+01:00", NOW_S - 3600},
		{"20231114221320.5 Z", NOW_S},
		{"20231115121320 +1400", NOW_S},
		{"", -1},
		{"tomorrow", -1},
		{"20231314221320", -1},
		{"20231114221320 MOON", -1},
		{"00011114221320", -1},
		{"20231114221320 +9900", -1},
		{"20231114221320 +1500", -1},
		{"20231114221320 +0160", -1},
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		uint32_t s = 0;
		int r = guide_time_parse(cases[i].text, false, 0, &s);

		cr_expect_eq(r, cases[i].s < 0 ? -EINVAL : 0, "%s", cases[i].text);
		cr_expect(r < 0 || s == cases[i].s, "%s: %u", cases[i].text, s);
	}
}

Test(guide_document, times_without_a_zone_are_local_and_all_are_shifted)
{
	static const struct {
		const char *text;
		bool local;
		int64_t shift_s, s;
	} cases[] = {
		{"20231114171320", true, 0, NOW_S},
		{"20231114171320", false, 0, NOW_S - 5 * 3600},
		/* in summer */
		{"20230701181320", true, 0, NOW_S - 136 * 86400},
		/* a zone of its own counts more */
		{"20231114221320 +0000", true, 0, NOW_S},
		{"20231114231320 CET", true, 0, NOW_S},
		{"20231114171320", true, 3600, NOW_S + 3600},
		{"20231114221320", false, -5400, NOW_S - 5400},
		{"20231114231320 +0100", false, 3600, NOW_S + 3600},
	};

	/* the eastern time of North America, which needs no file of zones */
	setenv("TZ", "EST5EDT,M3.2.0,M11.1.0", 1);
	tzset();
	for (size_t i = 0; i < array_size(cases); i++) {
		uint32_t s = 0;

		cr_expect_eq(guide_time_parse(cases[i].text, cases[i].local, cases[i].shift_s, &s),
			     0, "%s", cases[i].text);
		cr_expect_eq(s, cases[i].s, "%s: %u", cases[i].text, s);
	}
}

Test(guide_document, a_guide_may_be_one_long_line)
{
	enum { PROGRAMMES = 2600, WORDS = 600 };
	struct buf b = BUF_INIT;
	char words[WORDS + 1], start[16];
	struct world w;

	memset(words, 'x', WORDS);
	words[WORDS] = '\0';
	buf_puts(&b, "<tv><channel id=\"a\"/>");
	for (time_t i = 0; i < PROGRAMMES; i++) {
		time_t at = NOW_S + 30 * i;

		strftime(start, sizeof(start), "%Y%m%d%H%M%S", gmtime(&at));
		buf_printf(&b,
			   "<programme channel=\"a\" start=\"%s\"><title>%d</title><desc>%s</desc>"
			   "</programme>",
			   start, (int)i, words);
	}
	buf_puts(&b, "</tv>");
	cr_assert(buf_ok(&b) && b.len > 1500000 && !memchr(b.data, '\n', b.len));
	world_open(&w, "[[\"a\"]]");
	cr_assert_eq(feed(&w, b.data, b.len, 4096), 0, "%s", reason);
	cr_assert_eq(guide_spool_finish(&w.spool, NOW_S), 0);
	cr_expect_eq(w.spool.count, PROGRAMMES);
	for (size_t i = 0; i < w.spool.count; i++)
		cr_assert_eq(w.spool.list[i].start_s, NOW_S + 30 * i);
	world_close(&w);
	buf_done(&b);
}

/* A guide with channels g0, g1 ... of these names, matched with a channel of the line-up. */
static void match_names(struct world *w, const char *target, const char *const *names)
{
	char targets[128];

	snprintf(targets, sizeof(targets), "[[\"id\",\"%s\"]]", target);
	world_open(w, targets);
	for (uint32_t i = 0; names[i]; i++) {
		char id[8];
		uint32_t channel;

		snprintf(id, sizeof(id), "g%u", i);
		cr_assert_eq(guide_match_channel(w->match, id, &channel), 0);
		cr_assert_eq(guide_match_name(w->match, channel, names[i]), 0);
	}
	guide_match_resolve(w->match);
}

Test(guide_document, names_with_most_words_in_common_are_suggested)
{
	static const char *const names[] = {
		"Sports Two",	  "World Movies", "News Europe", "World Business",
		"World News Now", "Kids",	  NULL};
	static const char *const wanted[] = {"World News Now", "World Movies", "News Europe"};
	const struct guide_target *t;
	struct world w;

	match_names(&w, "World News", names);
	t = guide_match_target(w.match, 0);
	cr_expect_eq(t->how, GUIDE_NOTHING);
	cr_expect_eq(t->channel, GUIDE_NONE);
	cr_assert_eq(t->hint_count, array_size(wanted));
	for (size_t i = 0; i < array_size(wanted); i++)
		cr_expect_str_eq(guide_match_channel_name(w.match, t->hints[i]), wanted[i]);
	world_close(&w);
}

static enum guide_how how_of(const char *target, const char *const *names)
{
	struct world w;
	enum guide_how how;

	match_names(&w, target, names);
	how = guide_match_target(w.match, 0)->how;
	cr_assert((how == GUIDE_BY_NAME) ==
		  (guide_match_target(w.match, 0)->channel != GUIDE_NONE));
	world_close(&w);
	return how;
}

Test(guide_document, names_match_as_people_read_them)
{
	static const struct {
		const char *target;
		const char *names[4];
		enum guide_how how;
	} cases[] = {
		{"ZDF HD", {"zdf"}, GUIDE_BY_NAME},
		{"DE: ZDF", {"Z D F"}, GUIDE_BY_NAME},
		{"BBC One (UK)", {"BBC ONE FHD"}, GUIDE_BY_NAME},
		{"\xc3\x89toile", {"\xc3\xa9toile"}, GUIDE_BY_NAME},
		{"Canal+", {"Canal"}, GUIDE_NOTHING},
		{"News", {"News HD", "News SD"}, GUIDE_AMBIGUOUS},
		/* the exact one counts more */
		{"News HD", {"News HD", "News SD"}, GUIDE_BY_NAME},
		{"News", {"News", "news"}, GUIDE_AMBIGUOUS},
		{"Three", {"Two"}, GUIDE_NOTHING},
	};

	for (size_t i = 0; i < array_size(cases); i++)
		cr_expect_eq(how_of(cases[i].target, cases[i].names), cases[i].how, "%s",
			     cases[i].target);
}
