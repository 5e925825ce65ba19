#include "amps-master/lineup/options_list.h"

#include "unit.h"

static void expect_list(const char *mapping, const char *expected)
{
	json_t *object = json_loads(mapping, JSON_DECODE_ANY, NULL);
	json_t *list = options_list(object);
	char *text = json_dumps(list, JSON_COMPACT);

	cr_expect_str_eq(text, expected, "%s gave %s", mapping, text);
	free(text);
	json_decref(list);
	json_decref(object);
}

Test(options_list, values_are_written_out)
{
	expect_list("{}", "[]");
	expect_list("null", "[]");
	expect_list("{\"vcodec\":\"copy\",\"vn\":null}", "[[\"vcodec\",\"copy\"],[\"vn\",null]]");
	expect_list("{\"r\":25,\"crf\":18.5,\"x\":true,\"y\":false}",
		    "[[\"r\",\"25\"],[\"crf\",\"18.5\"],[\"x\",\"1\"],[\"y\",\"0\"]]");
	expect_list("{\"map\":[\"0:v\",\"0:a\"]}", "[[\"map\",\"0:v\"],[\"map\",\"0:a\"]]");
	expect_list("{\"a\":{\"b\":1},\"c\":[[1],{}]}", "[]");
}

Test(options_list, the_keys_of_amps_are_left_out)
{
	expect_list("{\"output_format\":\"hls\",\"ll_hls\":true,\"audio_only\":true,"
		    "\"hwaccel\":{\"type\":\"vaapi\"},\"g\":50}",
		    "[[\"g\",\"50\"]]");
}

Test(options_list, second_names_are_kept_for_the_job)
{
	expect_list("{\"video_bitrate\":\"800k\",\"audio_bitrate\":128000}",
		    "[[\"video_bitrate\",\"800k\"],[\"audio_bitrate\",\"128000\"]]");
}
