#include "common/text/text.h"

#include <stdio.h>
#include <string.h>
#include "common/limits.h"
#include "unit.h"

Test(text, untrusted_text_is_cleaned)
{
	char text[32];

	cr_assert(text_copy_foreign(text, sizeof(text), "a\xff\x1b[1m\n\xc3("));
	cr_assert_str_eq(text, "a?"
			       "?[1m?"
			       "?(");
	cr_assert(text_copy_foreign(text, sizeof(text),
				    "F\xc3\xbc\xc3\x9f \xed\xa0\x80 \xf0\x9f\x98\x80"));
	cr_assert_str_eq(text, "F\xc3\xbc\xc3\x9f ??? \xf0\x9f\x98\x80");
	cr_assert_not(text_copy_foreign(text, 4, "ab\xc3\xbc"));
	cr_assert_str_eq(text, "ab");
	cr_assert_not(text_copy_foreign(text, 1, "\xff"));
	cr_assert_str_eq(text, "");
}

Test(text, the_last_line_with_a_prefix_is_found)
{
	char line[16];

	text_last_line("first\nlast one\r\n\n", "", line, sizeof(line));
	cr_expect_str_eq(line, "last one");
	text_last_line("ERROR: a\nERROR: \x1b[1m\nrest", "ERROR:", line, sizeof(line));
	cr_expect_str_eq(line, "ERROR: ?[1m");
	text_last_line("an ERROR: a\n", "ERROR:", line, sizeof(line));
	cr_expect_str_eq(line, "");
	text_last_line("0123456789abcdefgh", "", line, sizeof(line));
	cr_expect_str_eq(line, "0123456789abcde");
}

Test(text, copy_fits)
{
	char dst[6];

	cr_assert(text_copy(dst, sizeof(dst), "hello"));
	cr_assert_str_eq(dst, "hello");
	cr_assert(text_copy(dst, 1, ""));
	cr_assert_str_eq(dst, "");
	cr_assert_not(text_copy(dst, 0, "x"));
	cr_assert(text_copy(dst, 0, ""));
}

Test(text, copy_cuts_between_characters)
{
	char dst[5];

	cr_assert_not(text_copy(dst, sizeof(dst), "hello"));
	cr_assert_str_eq(dst, "hell");
	cr_assert_not(text_copy(dst, 5, "abc\xc3\xa9"));
	cr_assert_str_eq(dst, "abc");
	cr_assert_not(text_copy(dst, 4, "a\xe2\x82\xac"));
	cr_assert_str_eq(dst, "a");
	cr_assert(text_copy(dst, 5, "a\xe2\x82\xac"));
	cr_assert_str_eq(dst, "a\xe2\x82\xac");
	cr_assert_not(text_copy(dst, 4, "\xf0\x9f\x93\xba"));
	cr_assert_str_eq(dst, "");
}

Test(text, copy_of_invalid_utf8_ends_anywhere)
{
	char dst[8];

	cr_assert_not(text_copy(dst, sizeof(dst), "\x80\x80\x80\x80\x80\x80\x80\x80\x80"));
	cr_assert_eq(strlen(dst), 7);
}

Test(text, numbers)
{
	uint64_t n = 77;

	cr_assert_eq(text_parse_u64("0", 10, &n), 0);
	cr_assert_eq(n, 0);
	cr_assert_eq(text_parse_u64("007", 10, &n), 0);
	cr_assert_eq(n, 7);
	cr_assert_eq(text_parse_u64("18446744073709551615", UINT64_MAX, &n), 0);
	cr_assert_eq(n, UINT64_MAX);
	n = 77;
	cr_assert_eq(text_parse_u64("11", 10, &n), -ERANGE);
	cr_assert_eq(text_parse_u64("18446744073709551616", UINT64_MAX, &n), -ERANGE);
	cr_assert_eq(text_parse_u64("99999999999999999999999", UINT64_MAX, &n), -ERANGE);
	/* wraps to something small */
	cr_assert_eq(text_parse_u64("18446744073709551617", 10, &n), -ERANGE);
	cr_assert_eq(text_parse_u64("99999999999999999999999x", UINT64_MAX, &n), -EINVAL);
	cr_assert_eq(text_parse_u64("", 10, &n), -EINVAL);
	cr_assert_eq(text_parse_u64("-1", 10, &n), -EINVAL);
	cr_assert_eq(text_parse_u64("+1", 10, &n), -EINVAL);
	cr_assert_eq(text_parse_u64(" 1", 10, &n), -EINVAL);
	cr_assert_eq(text_parse_u64("1 ", 10, &n), -EINVAL);
	cr_assert_eq(text_parse_u64("1e3", 10000, &n), -EINVAL);
	cr_assert_eq(n, 77);
}

static void check_redacted(const char *url, const char *expected)
{
	char dst[256];

	text_redact_url(url, dst, sizeof(dst));
	cr_assert_str_eq(dst, expected, "%s became %s", url, dst);
}

Test(text, redacts_userinfo)
{
	check_redacted("http://host/path", "http://host/path");
	check_redacted("http://user:pass@host:80/a?b=c", "http://***@host:80/a?b=c");
	check_redacted("rtsp://user@host/", "rtsp://***@host/");
	check_redacted("http://u:p@ss@host/x", "http://***@host/x");
	check_redacted("http://host/mail@example.com", "http://host/mail@example.com");
	check_redacted("http://host?to=a@b", "http://host?to=a@b");
	check_redacted("concat:http://a:b@c/1|http://d:e@f/2",
		       "concat:http://***@c/1|http://***@f/2");
	check_redacted("http://proxy/?of=http://me:pw@host/", "http://proxy/?of=http://***@host/");
	check_redacted("/srv/films/a@b.ts", "/srv/films/a@b.ts");
	check_redacted("", "");
}

Test(text, redacts_the_path_of_an_iptv_panel)
{
	check_redacted("http://h:8080/live/me/pw/123.ts", "http://h:8080/live/***/***/123.ts");
	check_redacted("http://a:b@h/Movie/me/pw/9.mkv?x=1",
		       "http://***@h/Movie/***/***/9.mkv?x=1");
	check_redacted("http://h/timeshift/me/pw/60/2026-01-01/5.ts",
		       "http://h/timeshift/***/***/60/2026-01-01/5.ts");
	check_redacted("http://h/me/pw/123", "http://h/***/***/123");
	check_redacted("http://h/me/pw/123.m3u8|User-Agent=x",
		       "http://h/***/***/123.m3u8|User-Agent=x");
	check_redacted("http://h/series/me/pw/7", "http://h/series/***/***/7");
	check_redacted("http://h/a/b/LIVE/11/22/5/index.m3u8?x=1",
		       "http://h/a/b/LIVE/***/***/5/index.m3u8?x=1");
	check_redacted("http://h/1/2/3/4/live/me/pw/5", "http://h/1/2/3/4/live/***/***/5");
	check_redacted("http://h/live/me/5#pw/6", "http://h/live/me/5#pw/6");
	check_redacted("http://h/token=x/live/me/pw/5.ts?pw=y",
		       "http://h/token=***/live/***/***/5.ts?pw=***");
	check_redacted("http://h/user=me/pw/5.ts", "http://h/***/***/5.ts");
	check_redacted("http://h/a;pin=1/live/me/pw/5.ts&x=2", "http://h/a;pin=***&x=2");
	check_redacted("concat:http://h/me/pw/1|http://h/live/me/pw/2.ts",
		       "concat:http://h/***/***/1|http://h/live/***/***/2.ts");
	check_redacted("http://me@/a/pw/5", "http://***@/a/pw/5");
	check_redacted("http://h/live//5.ts", "http://h/live//5.ts");
	check_redacted("http://h/live//pw/5.ts", "http://h/live//pw/5.ts");
	check_redacted("http://h/live/me/pw/5x", "http://h/live/me/pw/5x");
	check_redacted("http://h/get.php?username=me&password=pw&type=m3u_plus",
		       "http://h/get.php?username=***&password=***&type=m3u_plus");
	check_redacted("http://h/tv/hd/index.m3u8", "http://h/tv/hd/index.m3u8");
	check_redacted("http://h/live/one/1.ts", "http://h/live/one/1.ts");
	check_redacted("http://h/live/sport/hd/index.m3u8", "http://h/live/sport/hd/index.m3u8");
	check_redacted("http://h/a/b/c/1.ts", "http://h/a/b/c/1.ts");
	check_redacted("http://h/1/2/3/4/5/6/7/8.ts", "http://h/1/2/3/4/5/6/7/8.ts");
	check_redacted("file:///srv/tv/1.ts", "file:///srv/tv/1.ts");
	check_redacted("http://h/livestream/a/b/1.ts", "http://h/livestream/a/b/1.ts");
	check_redacted("http://h/a/12.ts", "http://h/a/12.ts");
	check_redacted("http://h///", "http://h///");
	check_redacted("/live/me/pw/1.ts", "/live/me/pw/1.ts");
}

Test(text, redacts_stream_keys)
{
	check_redacted("rtmp://h/live/k-e-y", "rtmp://h/live/***");
	check_redacted("rtmps://u:p@h:443/app/a/b?x=1", "rtmps://***@h:443/app/***?x=1");
	check_redacted("rtmp://h/live", "rtmp://h/live");
	check_redacted("rtmp://h/live/", "rtmp://h/live/");
	check_redacted("http://h/rtmp/a", "http://h/rtmp/a");
	check_redacted("srt://h:9?streamid=#!::r=a,u=me", "srt://h:9?streamid=***");
	check_redacted("srt://h:9?streamid=publish:key&mode=caller",
		       "srt://h:9?streamid=***&mode=caller");
}

Test(text, redacts_inside_of_an_encoded_url)
{
	check_redacted("/?u2=http%3A%2F%2Fh%2F%3Ftoken%3Dabc%26x%3D1&y=2",
		       "/?u2=http%3A%2F%2Fh%2F%3Ftoken%3D***%26x%3D1&y=2");
	check_redacted("/?of=%253fa%253D1%2526pass%253Db", "/?of=%253fa%253D1%2526pass%253D***");
	check_redacted("/?of=%3Ftoken=abc", "/?of=%3Ftoken=***");
	check_redacted("/?of=%3Fname%3Dabc%", "/?of=%3Fname%3Dabc%");
	check_redacted("/%2", "/%2");
}

static void check_hidden(const char *text, const char *source, const char *expected)
{
	char dst[256];

	text_hide_source(text, source, dst, sizeof(dst));
	cr_assert_str_eq(dst, expected);
}

Test(text, hides_the_source)
{
	check_hidden("the source http://h:8/a closed the connection", "http://h:8/a",
		     "the source closed the connection");
	check_hidden("http://h/a: HTTP error 404 Not Found", "http://h/a",
		     "the source: HTTP error 404 Not Found");
	check_hidden("/srv/my films/a.ts: No such file", "/srv/my films/a.ts",
		     "the source: No such file");
	check_hidden("x: Failed to resolve hostname tv.example: later", "http://tv.example/a",
		     "x: Failed to resolve hostname the source: later");
	check_hidden("Connection to tcp://10.0.0.1:80 failed", "http://h/a",
		     "Connection to the source failed");
	check_hidden("it read '/etc/x', then stopped", "http://h/a",
		     "it read 'the source', then stopped");
	check_hidden("1/2 of and/or", "http:", "1/2 of and/or");
	check_hidden("no such encoder", "", "no such encoder");
}

Test(text, redacts_secret_parameters)
{
	check_redacted("http://h/?token=abc", "http://h/?token=***");
	check_redacted("http://h/?a=1&token=abc&b=2", "http://h/?a=1&token=***&b=2");
	check_redacted("http://h/?X-Amps-Token=abc#top", "http://h/?X-Amps-Token=***#top");
	check_redacted("http://h/?x=3;API_KEY=1;2&y=4", "http://h/?x=3;API_KEY=***&y=4");
	check_redacted("http://h/a|Authorization=Basic%20Zm9v&Referer=b|x",
		       "http://h/a|Authorization=***&Referer=b|x");
	check_redacted("srt://h:9?passphrase=hidden&mode=caller",
		       "srt://h:9?passphrase=***&mode=caller");
	check_redacted("http://h/#access_token=z", "http://h/#access_token=***");
	check_redacted("http://h/?tok%65n=abc", "http://h/?tok%65n=***");
	check_redacted("http://h/?client_secret=a=b=c&d=e", "http://h/?client_secret=***&d=e");
	check_redacted("http://h/?token=", "http://h/?token=");
	check_redacted("http://h/?token", "http://h/?token");
	check_redacted("http://h/?authorization=Bearer x", "http://h/?authorization=***");
	check_redacted("http://h/?x=1&&?y=2", "http://h/?x=1&&?y=2");
	check_redacted("http://h/?token=a?password=b", "http://h/?token=***");
}

Test(text, redacts_iptv_links)
{
	static const char *const names[] = {
		"pw",	  "pin",      "PIN",	     "jwt",   "hmac",	   "hdnts",	"hdnea",
		"hdntl",  "session",  "sess",	     "sid",   "PHPSESSID", "cred",	"user",
		"userid", "username", "user%5Fname", "login", "loginname", "account",	"u",
		"P",	  "code",     "hash",	     "st",    "my_pw",	   "file-hash", "auth[pin]",
		"mac",	  "md5",      "%70"};
	static const char *const harmless[] = {
		"channel",    "id",	      "bitrate", "variant",  "User-Agent",
		"user_agent", "country_code", "mapping", "ping",     "q",
		"uu",	      "start",	      "pu",	 "side",     "stamp",
		"expires",    "upwind",	      "codec",	 "rehashed", "e"};
	char url[128], hidden[128];

	for (size_t i = 0; i < array_size(names); i++) {
		snprintf(url, sizeof(url), "http://h/a?channel=5&%s=SECRET&id=7", names[i]);
		snprintf(hidden, sizeof(hidden), "http://h/a?channel=5&%s=***&id=7", names[i]);
		check_redacted(url, hidden);
	}
	for (size_t i = 0; i < array_size(harmless); i++) {
		snprintf(url, sizeof(url), "http://h/%s=1/a?channel=5&%s=x&id=7", harmless[i],
			 harmless[i]);
		check_redacted(url, url);
	}
	check_redacted("http://h/?u=b&p=SECRET", "http://h/?u=***&p=***");
	check_redacted("http://h/?x=exp=1~acl=/*~hmac=SECRET&y=2",
		       "http://h/?x=exp=1~acl=/*~hmac=***&y=2");
}

Test(text, redacts_secrets_in_the_segments_of_a_path)
{
	check_redacted("http://h/a/hdnts=exp=1~acl=/*~hmac=SECRET/b/i.m3u8?x=1",
		       "http://h/a/hdnts=***/*~hmac=***");
	check_redacted("http://h/hdntl=exp=1~acl=%2f*~hmac=SECRET/b/i.m3u8?x=1",
		       "http://h/hdntl=***/b/i.m3u8?x=1");
	check_redacted("rtsp://h:554/user=admin&password=SECRET&channel=1&stream=0.sdp?x",
		       "rtsp://h:554/user=***&password=***&channel=1&stream=0.sdp?x");
	check_redacted("rtsp://h/user=admin_password=SECRET_channel=1.sdp", "rtsp://h/user=***");
	check_redacted("http://h/i.m3u8;jsessionid=SECRET?x=1", "http://h/i.m3u8;jsessionid=***");
	check_redacted("http://h/~joe/a=b/?x/y=1", "http://h/~joe/a=b/?x/y=1");
	check_redacted("http://h/?x/token=a/b&y=1", "http://h/?x/token=***&y=1");
}

/* A text of some length whose every part could be looked at from every other would take minutes. */
Test(text, redacting_takes_linear_time_and_room, .timeout = 60)
{
	static const char *const units[] = {
		"://",	  "://h/",  "://h/a/b/", "://a@", "/",		"~",
		"?",	  "&u=b",   "/u=b",	 "~p=c",  "://h///5",	"://@/a/b/5",
		"/live/", "//h:/1", "?/~&;#|",	 "u=",	  "://h/1/1/1", "%75"};

	for (size_t i = 0; i < array_size(units); i++) {
		size_t n = strlen(units[i]), len = n * ((1u << 20) / n), cap = 2 * len + 8;
		char *url = malloc(len + 1), *dst = malloc(cap);

		for (size_t at = 0; at < len; at += n)
			memcpy(url + at, units[i], n);
		url[len] = '\0';
		text_redact_url(url, dst, cap);
		cr_expect_lt(strlen(dst), cap - 1, "%s was cut", units[i]);
		free(url);
		free(dst);
	}
}

Test(text, redacted_text_is_cut_without_a_secret)
{
	const char *url = "http://user:pass@host/?token=abcdef";

	for (size_t cap = 1; cap < 40; cap++) {
		char dst[40];

		memset(dst, 'x', sizeof(dst));
		text_redact_url(url, dst, cap);
		cr_assert_lt(strlen(dst), cap);
		cr_assert_null(strstr(dst, "pass"));
		cr_assert_null(strstr(dst, "abc"));
	}
	text_redact_url(url, (char *)1, 0);
}

Test(text, regions)
{
	char out[3];

	cr_assert(text_region("us", 2, out));
	cr_assert_str_eq(out, "US");
	cr_assert(text_region("gBxx", 2, out));
	cr_assert_str_eq(out, "GB");
	cr_assert_not(text_region("usa", 3, out));
	cr_assert_not(text_region("u", 1, out));
	cr_assert_not(text_region("", 0, out));
	cr_assert_not(text_region("u1", 2, out));
	cr_assert_not(text_region("@[", 2, out));
	cr_assert_not(text_region("`{", 2, out));
	cr_assert_not(text_region("!!", 2, out));
	cr_assert_not(text_region("\xc1\xc2", 2, out));
	cr_assert_not(text_region("\x01\x02", 2, out));
}

Test(text, suggestions)
{
	static const char *const names[] = {"food",	  "source", "ffmpeg_profile",
					    "tvg_id",	  "id",	    "adaptive_bitrates",
					    "low_bitrate"};
	size_t n = array_size(names);

	cr_assert_str_eq(text_suggest("foo", names, n), "food");
	cr_assert_str_eq(text_suggest("fodo", names, n), "food");
	cr_assert_str_eq(text_suggest("suorce", names, n), "source");
	cr_assert_str_eq(text_suggest("Source", names, n), "source");
	cr_assert_str_eq(text_suggest("ffmpeg_profil", names, n), "ffmpeg_profile");
	cr_assert_str_eq(text_suggest("adaptive_bitrate", names, n), "adaptive_bitrates");
	cr_assert_str_eq(text_suggest("lowbitrates", names, n), "low_bitrate");
	cr_assert_null(text_suggest("colour", names, n));
	cr_assert_null(text_suggest("x", names, n));
	cr_assert_null(text_suggest("", names, n));
	cr_assert_null(text_suggest("food", names, 0));
}

Test(text, suggestions_are_bounded)
{
	char word[1000], other[1000];
	const char *names[] = {other};

	memset(word, 'a', sizeof(word));
	word[999] = '\0';
	memcpy(other, word, sizeof(word));
	cr_assert_null(text_suggest(word, names, 1));
	word[64] = '\0';
	cr_assert_null(text_suggest(word, names, 1));
	other[63] = '\0';
	cr_assert_not_null(text_suggest(word, names, 1));
}
