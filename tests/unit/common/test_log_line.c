#include "common/log/log_line.h"

#include <stdio.h>
#include <string.h>
#include "unit.h"

static struct log_text render(bool json, const char *format, ...) printf_like(2, 3);
static struct log_text render(bool json, const char *format, ...)
{
	struct log_text t;
	va_list args;

	va_start(args, format);
	log_text_format(&t, json, format, args);
	va_end(args);
	return t;
}

Test(log_line, sentence_and_fields_part)
{
	struct log_text t =
		render(false, "worker %u died (%s), replacing it pid=%d why=%s size=%zu", 3,
		       "a = b", -7, "two words", sizeof(t));

	cr_expect_str_eq(t.message, "worker 3 died (a = b), replacing it");
	char want[80];
	snprintf(want, sizeof(want), " pid=-7 why=\"two words\" size=%zu", sizeof(t));
	cr_expect_str_eq(t.fields, want);
	cr_expect_eq(t.channel, 0);
	t = render(true, "100%% of %.2s pid=%d key=%s ll=%llu", "abc", 4, "5/sd", 1ull << 40);
	cr_expect_str_eq(t.message, "100% of ab");
	cr_expect_str_eq(t.fields, "\"pid\":4,\"key\":\"5/sd\",\"ll\":1099511627776");
}

Test(log_line, no_value_can_forge_a_line_or_a_field)
{
	struct log_text t =
		render(false, "he said %s name=%s", "x\ny pid=1", "a\" admin=1 \x1b[2J");

	cr_expect_str_eq(t.message, "he said x\\x0ay pid\\x3d1");
	cr_expect_str_eq(t.fields, " name=\"a\\\" admin=1 \\x1b[2J\"");
	/* C1 controls, a turned direction, and what is no UTF-8 */
	t = render(false, "%s",
		   "\xc2\x9b"
		   "31m \xe2\x80\xae \xff\xc3 \xc3\xa9");
	cr_expect_str_eq(t.message, "\\x9b31m \\u202e \\xff\\xc3 \xc3\xa9");
	t = render(true, "%s", "\xc2\x9b\xff\"\\\n\xc3\xa9");
	cr_expect_str_eq(t.message, "\\u009b\\ufffd\\\"\\\\\\u000a\xc3\xa9");
	t = render(false, "%s", "404 OK channel=77 pid=1");
	cr_expect_str_eq(t.message, "404 OK channel\\x3d77 pid\\x3d1");
	t = render(false, "(%s)", "channel=7 http://h/?a=1&b=2");
	cr_expect_str_eq(t.message, "(channel\\x3d7 http://h/?a=1&b=2)");
	t = render(false, "empty name=%s", "");
	cr_expect_str_eq(t.fields, " name=\"\"");
}

Test(log_line, long_values_are_cut_between_characters)
{
	char many[4 * LOG_MESSAGE_MAX];
	struct log_text t;

	for (size_t i = 0; i + 2 < sizeof(many); i += 2)
		memcpy(many + i, "\xc3\xa9", 3);
	for (int json = 0; json < 2; json++) {
		t = render(json, "%s%s%s%s a=%s b=%s c=%s d=%s", many, many, many, many, many, many,
			   many, many);
		cr_expect_lt(strlen(t.message), sizeof(t.message));
		cr_expect_str_eq(t.message + strlen(t.message) - 3, "...");
		cr_expect_null(strstr(t.message, "\\x"));
		cr_expect_null(strstr(t.message, "\\u"));
		/* a field is whole or not there */
		cr_expect_eq(t.fields[strlen(t.fields) - 1], '"');
		cr_expect_not_null(strstr(t.fields, json ? ",\"b\":" : " b="));
		cr_expect_null(strstr(t.fields, json ? "\"d\":" : " d="));
	}
}

Test(log_line, the_channel_is_known)
{
	uint64_t five = render(false, "x channel=%s", "5").channel;

	cr_expect_neq(five, 0);
	cr_expect_eq(render(true, "y pid=%d channel=%s", 1, "5").channel, five);
	cr_expect_eq(render(false, "z channel=%u", 5).channel, five);
	cr_expect_neq(render(false, "x channel=%s", "6").channel, five);
	cr_expect_eq(render(false, "x %s", "channel=5").channel, 0);
}
