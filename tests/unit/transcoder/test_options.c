#include <string.h>
#include "unit.h"

#include "amps-transcoder/options/options.h"
#include "amps-transcoder/options/stream_map.h"

static void expect_split(const char *key, const char *name, char media)
{
	char got[64], m = '?';

	cr_assert(option_split(key, got, sizeof(got), &m), "%s", key);
	cr_expect_str_eq(got, name);
	cr_expect_eq(m, media, "%s: '%c'", key, m);
}

Test(options, keys_lose_specifiers_and_second_names)
{
	char got[4], m;

	expect_split("b:v", "b", 'v');
	expect_split("profile:v:0", "profile", 'v');
	expect_split("vcodec", "c", 'v');
	expect_split("c:a", "c", 'a');
	expect_split("video_bitrate", "b", 'v');
	expect_split("vf", "filter", 'v');
	expect_split("format", "f", 0);
	expect_split("metadata:g:0", "metadata", 'g');
	expect_split("preset", "preset", 0);
	cr_expect_not(option_split("", got, sizeof(got), &m));
	cr_expect_not(option_split(":v", got, sizeof(got), &m));
	cr_expect_not(option_split("preset", got, sizeof(got), &m), "too long for 4 bytes");
}

Test(options, keys_may_name_one_stream)
{
	static const struct {
		const char *key;
		int number;
	} rows[] = {{"b", -1},
		    {"b:a", -1},
		    {"b:a:0", 0},
		    {"c:v:3", 3},
		    {"vcodec", -1},
		    {"metadata:s:a:1", 1},
		    {"metadata:s:a", -1},
		    {"metadata:g:0", -1},
		    {"metadata", -1},
		    {"b:a:15", 15},
		    {"b:a:16", -EINVAL},
		    {"b:a:x", -EINVAL},
		    {"b:a:", -EINVAL},
		    {"b:", -EINVAL},
		    {"b:0", -EINVAL},
		    {"b:a:-1", -EINVAL},
		    {"b:ab", -EINVAL},
		    {"metadata:s:x:0", -EINVAL}};

	for (size_t i = 0; i < array_size(rows); i++)
		cr_expect_eq(option_stream(rows[i].key), rows[i].number, "%s: %d", rows[i].key,
			     option_stream(rows[i].key));
	expect_split("metadata:s:a:1", "metadata", 'a');
	expect_split("metadata:s:v", "metadata", 'v');
}

Test(options, no_option_has_two_rows_for_one_side)
{
	for (size_t i = 0; i < option_table_count; i++)
		for (size_t j = 0; j < i; j++)
			cr_expect(strcmp(option_table[i].name, option_table[j].name) != 0 ||
					  !(option_table[i].sides & option_table[j].sides),
				  "%s", option_table[i].name);
}

Test(options, classes)
{
	struct option_target t = {.video = avcodec_find_encoder_by_name("libx264"),
				  .audio = avcodec_find_encoder_by_name("aac"),
				  .muxer = av_guess_format("mpegts", NULL, NULL)};
	static const struct {
		const char *name;
		enum option_kind kind;
	} rows[] = {
		{"preset", OPTION_ENCODER},
		{"b", OPTION_ENCODER},
		{"aac_coder", OPTION_ENCODER},
		{"x264-params", OPTION_ENCODER},
		{"mpegts_flags", OPTION_MUXER},
		{"flush_packets", OPTION_MUXER},
		{"c", OPTION_OURS},
		{"hls_time", OPTION_SEGMENTER},
		{"loglevel", OPTION_IGNORED},
		{"filter_complex", OPTION_OURS},
		{"filter_complex_script", OPTION_REFUSED},
		{"cpu-used", OPTION_ELSEWHERE},
		{"nonsense", OPTION_UNKNOWN},
		{"t", OPTION_IGNORED},
	};

	for (size_t i = 0; i < array_size(rows); i++)
		cr_expect_eq(option_classify(rows[i].name, 0, OPTION_OUTPUT, &t), rows[i].kind,
			     "%s", rows[i].name);
	cr_expect_eq(option_classify("t", 0, OPTION_INPUT, &t), OPTION_OURS);
	cr_expect_eq(option_classify("user_agent", 0, OPTION_INPUT, &t), OPTION_DEMUXER);
	cr_expect_eq(option_classify("nonsense", 0, OPTION_INPUT, &t), OPTION_UNKNOWN);
	cr_expect_eq(option_classify("preset", 'a', OPTION_OUTPUT, &t), OPTION_ELSEWHERE,
		     "aac has no preset");
}

Test(options, maps)
{
	struct stream_map m;

	cr_assert_eq(stream_map_parse("0:v:1?", &m), 0);
	cr_expect_str_eq(m.spec, "v:1");
	cr_expect(m.optional);
	cr_expect_not(m.negative);
	cr_assert_eq(stream_map_parse("-0:a", &m), 0);
	cr_expect(m.negative);
	cr_expect_not(m.label);
	cr_assert_eq(stream_map_parse("0", &m), 0);
	cr_expect_str_eq(m.spec, "");
	cr_expect_eq(stream_map_parse("1:v", &m), -EINVAL);
	cr_assert_eq(stream_map_parse("[out]", &m), 0);
	cr_expect(m.label);
	cr_expect_str_eq(m.spec, "out");
	cr_expect_eq(stream_map_parse("[]", &m), -EINVAL);
	cr_expect_eq(stream_map_parse("", &m), -EINVAL);
	cr_expect_eq(stream_map_parse("0:x", &m), -EINVAL);
}
