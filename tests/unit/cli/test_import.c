#include <string.h>
#include "amps-cli/import/channel.h"
#include "amps-cli/yaml.h"
#include "unit.h"

static void expect_quoted(const char *text, const char *yaml)
{
	struct buf b = BUF_INIT;

	yaml_put_value(&b, text);
	cr_expect_str_eq(b.data, yaml);
	buf_done(&b);
}

Test(yaml_put, escapes_what_yaml_would_change)
{
	expect_quoted("NO", "\"NO\"");
	expect_quoted("", "\"\"");
	expect_quoted("a\"b\\c", "\"a\\\"b\\\\c\"");
	expect_quoted("\x01\t\n\x7f", "\"\\x01\\x09\\x0a\\x7f\"");
	expect_quoted("\xc2\x85\xe2\x80\xa8\xe2\x80\xa9\xef\xbb\xbf",
		      "\"\\x85\\u2028\\u2029\\ufeff\"");
	expect_quoted("é€😀", "\"é€😀\"");
	expect_quoted("${A} $${B} $", "\"$${A} $$${B} $\"");
	expect_quoted("\xff", "\"?\"");
}

static void expect(const struct m3u_entry *entry, const char *yaml)
{
	struct buf b = BUF_INIT;

	json_t *channel = import_channel(entry, 3, "copy");

	import_put_yaml(&b, 3, channel);
	json_decref(channel);
	cr_expect_str_eq(b.data, yaml);
	buf_done(&b);
}

#define HEAD(name, source)                                                                         \
	"  - id: 3\n    name: \"" name "\"\n    source: \"" source "\"\n    ffmpeg_profile: "      \
	"\"copy\"\n"

Test(import, known_attributes_get_their_keys_and_others_stay)
{
	static const struct m3u_pair pairs[] = {
		{"channel-number", "6"}, {"tvg-chno", "5"}, {"tvg-id", "a"},  {"catchup", "x"},
		{"catchup", "y"},	 {"source", "z"},   {"tvg-name", "N"}};
	const struct m3u_entry entry = {1, "A", "G", "u", pairs, array_size(pairs)};

	expect(&entry, HEAD("A", "u") "    epg_id: \"a\"\n    tvg_name: \"N\"\n    group: \"G\"\n"
				      "    channel_number: \"5\"\n    \"catchup\": \"x\"\n"
				      "    \"m3u-source\": \"z\"\n");
}

Test(import, names_of_any_letters_are_keys)
{
	static const struct m3u_pair pairs[] = {{"größe", "5"},	    {"x:y", "a b"}, {"\\", "${c}"},
						{"m3u-id", "d"},    {"id", "e"},    {"<<", "f"},
						{"m3u-logo", "g"},  {"logo", "h"},  {"source", "i"},
						{"m3u-source", "j"}};
	const struct m3u_entry entry = {1, "A", "", "u", pairs, array_size(pairs)};

	expect(&entry,
	       HEAD("A", "u") "    logo: \"h\"\n    \"größe\": \"5\"\n    \"x:y\": \"a b\"\n"
			      "    \"\\\\\": \"$${c}\"\n    \"m3u-id\": \"d\"\n"
			      "    \"m3u-<<\": \"f\"\n    \"m3u-logo\": \"g\"\n"
			      "    \"m3u-source\": \"i\"\n");
}

Test(import, a_channel_always_has_a_name)
{
	static const struct m3u_pair pairs[] = {{"tvg-name", "N"}};
	const struct m3u_entry named = {1, "", "", "u", pairs, 1};
	const struct m3u_entry bare = {1, "", "", "u", NULL, 0};

	expect(&named, HEAD("N", "u") "    tvg_name: \"N\"\n");
	expect(&bare, HEAD("Channel 3", "u"));
}

Test(import, request_fields_of_an_http_source)
{
	static const struct m3u_pair pairs[] = {{"vlc-http-user-agent", "UA"},
						{"vlc-http-referrer", "R"}};
	const struct m3u_entry vlc = {1, "A", "", "http://h/1", pairs, 2};
	const struct m3u_entry kodi = {
		1, "A", "", "https://h/1|User-Agent=K%2f1+x&X-A=b%0D%0AC: d&=e&f", pairs, 1};
	const struct m3u_entry udp = {1, "A", "", "udp://h:1", pairs, 1};
	const struct m3u_entry pipe = {1, "A", "", "http://h/a|b", NULL, 0};

	expect(&vlc, HEAD("A", "http://h/1") "    input_options:\n      user_agent: \"UA\"\n"
					     "      referer: \"R\"\n");
	expect(&kodi, HEAD("A", "https://h/1") "    input_options:\n      user_agent: \"K/1 x\"\n"
					       "      headers: \"X-A: bC: d\\x0d\\x0a\"\n");
	expect(&udp, HEAD("A", "udp://h:1") "    \"vlc-http-user-agent\": \"UA\"\n");
	expect(&pipe, HEAD("A", "http://h/a|b"));
}

/* %XX may stand for any byte, and JSON takes UTF-8 only. */
Test(import, a_field_that_is_no_utf8_is_repaired)
{
	const struct m3u_entry kodi = {
		1, "A", "", "https://h/1|user-agent=caf%e9&referer=%c3%a9", NULL, 0};

	expect(&kodi, HEAD("A", "https://h/1") "    input_options:\n      user_agent: \"café\"\n"
					       "      referer: \"é\"\n");
}
