#include "amps-master/tuners/lookup.h"

#include "unit.h"
#include <stdio.h>
#include <string.h>

#include "amps-master/lineup/yt_dlp.h"
#include "common/clock.h"

#define NOW_S  1700000000ll
#define NOW_US (NOW_S * 1000000)

static int parse(const char *text, struct found_source *f)
{
	*f = (struct found_source){.expires_wall_us = TIME_NONE};
	return found_source_parse(text, strlen(text), NOW_US, f);
}

static void expect(const char *text, const char *source, const char *sound)
{
	struct found_source f;

	cr_assert_eq(parse(text, &f), 0, "%s", text);
	cr_expect_str_eq(f.source, source);
	if (sound == NULL)
		cr_expect_null(f.sound, "%s", text);
	else
		cr_expect_str_eq(f.sound, sound);
	found_source_done(&f);
	found_source_done(&f);
}

Test(lookup, one_address)
{
	expect("{\"url\":\"http://h/a\"}\n{}\n", "http://h/a", NULL);
	expect("{\"url\":\"http://h/a\"}\nNA\n", "http://h/a", NULL);
	expect("{\"url\":\"HTTPS://h/a\"}", "HTTPS://h/a", NULL);
	expect("{\"protocol\":\"https+https\"}\n[{\"url\":\"http://h/v\"},{\"url\":\"http://h/a\"}]",
	       "http://h/v", "http://h/a");
	expect("[{\"url\":\"http://h/v\"}]", "http://h/v", NULL);
}

/* The parts of a manifest are played by its demuxer together. */
Test(lookup, a_manifest_is_one_address)
{
	expect("[{\"url\":\"http://h/1/\",\"manifest_url\":\"http://h/m\","
	       "\"protocol\":\"http_dash_segments\"},"
	       "{\"url\":\"http://h/2/\",\"manifest_url\":\"http://h/m\","
	       "\"protocol\":\"http_dash_segments\"}]",
	       "http://h/m", NULL);
	expect("{\"url\":\"http://h/v\",\"manifest_url\":\"http://h/m\","
	       "\"protocol\":\"m3u8_native\"}",
	       "http://h/v", NULL);
}

Test(lookup, nothing_usable)
{
	static const char *const texts[] = {"",
					    "\n\n",
					    "null\nnull\n",
					    "{}\n{}\n",
					    "[]",
					    "[[]]",
					    "{\"url\":1}",
					    "{\"url\":null}",
					    "{\"url\":\"http://h/a\"",
					    "NA",
					    "\xff\xfe",
					    "5",
					    "\"http://h/a\""};
	struct found_source f;

	for (size_t i = 0; i < array_size(texts); i++)
		cr_expect_eq(parse(texts[i], &f), -ENODATA, "%s", texts[i]);
}

Test(lookup, only_addresses_of_servers_are_allowed)
{
	static const char *const urls[] = {"/etc/passwd",
					   "file:///etc/passwd",
					   "file:/etc/passwd",
					   "concat:http://h/a|b",
					   "data:text/plain,x",
					   "pipe:0",
					   "subfile,,start,0,:/a",
					   "crypto+http://h/a",
					   "async:http://h/a",
					   "cache:http://h/a",
					   "tee:http://h/a",
					   "ftp://h/a",
					   "tcp://h:1",
					   "udp://239.1.1.1:1",
					   "srt://h:1",
					   "unix:/run/x",
					   "gopher://h/a",
					   "http:/h/a",
					   "http:///a",
					   "http://",
					   "httpx://h/a",
					   "http://h/a b",
					   "http://h/\\u000d\\u000aX",
					   "",
					   "ffconcat://h/a",
					   "rtp://h:1",
					   "-i"};
	struct found_source f;
	char text[256];

	for (size_t i = 0; i < array_size(urls); i++) {
		snprintf(text, sizeof(text), "{\"url\":\"%s\"}", urls[i]);
		cr_expect_eq(parse(text, &f), -EPROTONOSUPPORT, "%s", urls[i]);
		snprintf(text, sizeof(text), "[{\"url\":\"http://h/a\"},{\"url\":\"%s\"}]",
			 urls[i]);
		cr_expect_eq(parse(text, &f), -EPROTONOSUPPORT, "%s", urls[i]);
	}
}

Test(lookup, a_long_address_is_refused)
{
	char text[LOOKUP_URL_MAX + 64];
	int at = snprintf(text, sizeof(text), "{\"url\":\"http://h/");
	struct found_source f;

	memset(text + at, 'x', LOOKUP_URL_MAX - 9);
	strcpy(text + at + LOOKUP_URL_MAX - 9, "\"}");
	cr_expect_eq(parse(text, &f), 0);
	found_source_done(&f);
	memset(text + at, 'x', LOOKUP_URL_MAX - 8);
	strcpy(text + at + LOOKUP_URL_MAX - 8, "\"}");
	cr_expect_eq(parse(text, &f), -EPROTONOSUPPORT);
}

static void expect_headers(const char *source, const char *headers, const char *kept)
{
	_cleanup_(freep) char *text = NULL;
	struct buf line = BUF_INIT;
	struct found_source f;

	buf_printf(&line, "{\"url\":\"%s\",\"http_headers\":%s}", source, headers);
	cr_assert_eq(parse(line.data, &f), 0);
	text = json_dumps(f.headers, JSON_COMPACT);
	cr_expect_str_eq(text, kept);
	found_source_done(&f);
	buf_done(&line);
}

Test(lookup, headers_are_kept)
{
	expect_headers("http://h/a", "{\"User-Agent\":\"x; y\",\"X_Key-1\":\"\"}",
		       "[[\"User-Agent\",\"x; y\"],[\"X_Key-1\",\"\"]]");
	expect_headers("http://h/a", "{\"host\":\"x\",\"RANGE\":\"x\",\"Accept-Encoding\":\"x\"}",
		       "[]");
	expect_headers("http://h/a",
		       "{\"A\":\"b\\r\\nC: d\",\"E\\r\\n\":\"f\",\"G H\":\"i\",\"\":\"j\"}", "[]");
	expect_headers("http://h/a", "{\"A\":5,\"B\":null}", "[]");
	expect_headers("http://h/a", "[1]", "[]");
	expect_headers("rtmp://h/a/b", "{\"A\":\"b\"}", "[]");
}

Test(lookup, the_members_of_a_spec)
{
	struct buf spec = BUF_INIT;
	struct found_source f;

	cr_assert_eq(parse("[{\"url\":\"http://h/v\",\"http_headers\":{\"A\":\"\\\"\"}},"
			   "{\"url\":\"http://h/a\"}]",
			   &f),
		     0);
	found_source_print(&f, &spec);
	cr_expect_str_eq(spec.data, ",\"source\":\"http://h/v\",\"sound\":\"http://h/a\","
				    "\"http_headers\":[[\"A\",\"\\\"\"]]");
	found_source_done(&f);
	buf_done(&spec);
}

static void expect_expiry(const char *url, int64_t wall_s)
{
	int64_t want = wall_s != 0 ? wall_s * 1000000 : TIME_NONE;

	cr_expect_eq(found_source_expiry(url, NOW_US), want, "%s", url);
}

Test(lookup, when_an_address_expires)
{
	expect_expiry("http://h/a?expire=1700000100&x=1", 1700000100);
	expect_expiry("http://h/a?x=1&Expires=1700000100", 1700000100);
	expect_expiry("http://h/videoplayback/expire/1700000100/ei/x", 1700000100);
	expect_expiry("http://h/a?hdnts=st=1~exp=1700000100~acl=/*", 1700000100);
	expect_expiry("http://h/a?e=1700000100000", 1700000100);
	expect_expiry("http://h/a?expires=1700000200&exp=1700000100", 1700000100);
	/* in the past, not a time, another name */
	expect_expiry("http://h/a?expire=1699999999", 0);
	expect_expiry("http://h/a?expire=1700000000", 0);
	expect_expiry("http://h/a?expire=17000001", 0);
	expect_expiry("http://h/a?expire=17000001000", 0);
	expect_expiry("http://h/a?expire=", 0);
	expect_expiry("http://h/a?noexpire=1700000100", 0);
	expect_expiry("http://h/a?expired=1700000100", 0);
	expect_expiry("", 0);
}

Test(lookup, the_earlier_of_two_addresses_counts)
{
	struct found_source f;

	cr_assert_eq(parse("[{\"url\":\"http://h/v?expire=1700000200\"},"
			   "{\"url\":\"http://h/a?expire=1700000100\"}]",
			   &f),
		     0);
	cr_expect_eq(f.expires_wall_us, 1700000100ll * 1000000);
	found_source_done(&f);
	cr_assert_eq(parse("{\"url\":\"http://h/v\"}", &f), 0);
	cr_expect_eq(f.expires_wall_us, TIME_NONE);
	found_source_done(&f);
}

static void expect_reason(int error, const char *said, const char *reason)
{
	struct helper_result result = {.error = error, .output_fd = -1};
	struct found_source f;
	char text[ERROR_TEXT_MAX];

	snprintf(result.said, sizeof(result.said), "%s", said);
	snprintf(result.reason, sizeof(result.reason), "it took longer than 20 s");
	cr_expect_eq(lookup_read(&result, NOW_US, &f, text, sizeof(text)), error);
	cr_expect_str_eq(text, reason);
}

Test(lookup, the_last_error_is_the_reason)
{
	expect_reason(-EIO, "ERROR: a\nERROR: [x] b; please report this issue on  http://i\nlast\n",
		      "yt-dlp: [x] b");
	expect_reason(-EIO, "ERROR: no http://u:p@h/a?token=1234567\n",
		      "yt-dlp: no http://***@h/a?token=***");
	expect_reason(-ETIMEDOUT, "ERROR: a\n", "yt-dlp: it took longer than 20 s");
}

static char *config_of(const char *entry, const char *page)
{
	json_t *tree = json_loads(entry, JSON_DECODE_ANY, NULL);
	char *text;

	cr_assert(tree != NULL, "%s", entry);
	text = yt_dlp_config(tree, page);
	json_decref(tree);
	return text;
}

static void expect_line(const char *entry, const char *page, const char *line, bool there)
{
	_cleanup_(freep) char *text = config_of(entry, page);
	char whole[256];

	snprintf(whole, sizeof(whole), "\n%s\n", line);
	cr_expect((strstr(text, whole) != NULL) == there, "%s in %s", line, text);
}

Test(lookup, what_yt_dlp_is_told)
{
	expect_line("{}", "http://h/p", "'--format=best'", true);
	expect_line("{}", "http://h/p", "'http://h/p'", true);
	expect_line("{}", "http://h/p", "'--playlist-items=1'", true);
	expect_line("{\"yt_dlp_format\":\"a\"}", "p", "'--format=a'", true);
	expect_line("{\"yt_dlp_format\":\"a\",\"source_handler\":{\"format\":\"b\"}}", "p",
		    "'--format=b'", true);
	expect_line("{\"source_handler\":{\"options\":{\"retries\":3}}}", "p", "'--retries=3'",
		    true);
	expect_line("{\"source_handler\":{\"options\":{\"live_from_start\":true}}}", "p",
		    "'--live-from-start'", true);
	expect_line("{\"source_handler\":{\"options\":{\"live_from_start\":false}}}", "p",
		    "'--live-from-start'", false);
	expect_line("{\"source_handler\":{\"options\":{\"format_sort\":[\"res\",\"fps\"]}}}", "p",
		    "'--format-sort=res,fps'", true);
	expect_line("{\"source_handler\":{\"options\":{\"playlist_items\":2}}}", "p",
		    "'--playlist-items=1'", false);
	expect_line("{\"source_handler\":{\"options\":{\"exec\":\"x\"}}}", "p", "'--exec=x'",
		    false);
	expect_line("{}", "a'b\\c", "'a'\\''b\\c'", true);
}

Test(lookup, which_channels_need_it)
{
	static const struct {
		const char *entry;
		bool wanted;
	} rows[] = {{"{}", false},
		    {"{\"use_yt_dlp\":false}", false},
		    {"{\"use_yt_dlp\":true}", true},
		    {"{\"source_handler\":{\"type\":\"yt_dlp\"}}", true},
		    {"{\"source_handler\":{\"type\":\"yt_dlp\"},\"use_yt_dlp\":false}", true},
		    {"{\"use_yt_dlp\":true,\"custom_ffmpeg\":\"x\"}", false}};
	char text[128];

	for (size_t i = 0; i < array_size(rows); i++) {
		json_t *entry = json_loads(rows[i].entry, 0, NULL);

		cr_expect_eq(yt_dlp_wanted(entry), rows[i].wanted, "%s", rows[i].entry);
		json_decref(entry);
	}
	cr_expect(yt_dlp_page_wrong("-o/tmp/x", text, sizeof(text)));
	cr_expect_not(yt_dlp_page_wrong("http://h/-o", text, sizeof(text)));
	cr_expect_not(yt_dlp_page_wrong("ytsearch:news", text, sizeof(text)));
}

static void expect_cookies(const char *url, const char *cookies, const char *expected)
{
	char text[512];
	struct found_source f;

	snprintf(text, sizeof(text), "{\"url\":\"%s\",\"cookies\":\"%s\"}", url, cookies);
	cr_assert_eq(parse(text, &f), 0, "%s", text);
	if (expected == NULL)
		cr_expect_null(f.cookies, "%s: %s", cookies, f.cookies);
	else
		cr_expect_str_eq(f.cookies, expected, "%s: %s", cookies, f.cookies);
	found_source_done(&f);
}

Test(lookup, cookies_go_to_their_site)
{
	expect_cookies("http://h/a", "id=5", "id=5; path=/; domain=h\n");
	expect_cookies("http://h/a",
		       "id=5; Domain=.h; Path=/p; Expires=1800000000; b=x=y; Domain=h",
		       "id=5; path=/p; domain=.h\nb=x=y; path=/; domain=h\n");
	expect_cookies("https://h/a", "id=5; Secure; Version=1", "id=5; path=/; domain=h\n");
	expect_cookies("http://h/a", "id=5; Secure; Path=/; b=1", "b=1; path=/; domain=h\n");
	expect_cookies("http://u:p@h:80?a", "id=5; Domain=h", "id=5; path=/; domain=h:80\n");
	expect_cookies("http://u:p@h:8080/a@b:1", "id=5", "id=5; path=/; domain=h:8080\n");
	expect_cookies("http://[::1]/a", "id=5", "id=5; path=/; domain=[::1]\n");
	expect_cookies("http://h/a", "id=5; Secure", NULL);
	expect_cookies("http://h/a", "Domain=.h; Path; ; x", NULL);
	expect_cookies("http://h/a", "id=5\\r\\nEvil: 1", NULL);
	expect_cookies("rtmp://h/a", "id=5", NULL);
}
