#include "unit.h"
#include <libavformat/avformat.h>

#include "amps-transcoder/options/value.h"

static int disposition(const char *text, int from)
{
	return value_disposition(text, &from) < 0 ? -1 : from;
}

Test(value, dispositions_replace_or_change)
{
	const int d = AV_DISPOSITION_DEFAULT, f = AV_DISPOSITION_FORCED;

	cr_expect_eq(disposition("default", f), d);
	cr_expect_eq(disposition("+default", f), d | f);
	cr_expect_eq(disposition("-forced+default", f), d);
	cr_expect_eq(disposition("default+forced", 0), d | f);
	cr_expect_eq(disposition("0", f), 0);
	cr_expect_eq(disposition("first", f), -1);
	cr_expect_eq(disposition("", f), -1);
	cr_expect_eq(disposition("default+", f), -1);
}

Test(value, stream_ids)
{
	unsigned stream, id;

	cr_assert_eq(value_stream_id("1:0x101", &stream, &id), 0);
	cr_expect_eq(stream, 1);
	cr_expect_eq(id, 0x101);
	cr_expect_eq(value_stream_id("16:256", &stream, &id), -EINVAL);
	cr_expect_eq(value_stream_id("0:31", &stream, &id), -EINVAL);
	cr_expect_eq(value_stream_id("0", &stream, &id), -EINVAL);
	cr_expect_eq(value_stream_id("0:100x", &stream, &id), -EINVAL);
}

Test(value, loudness)
{
	double lufs;

	cr_assert_eq(value_loudness(NULL, &lufs), 0);
	cr_expect_eq(lufs, LOUDNESS_USUAL);
	cr_assert_eq(value_loudness("-16.5", &lufs), 0);
	cr_expect_eq(lufs, -16.5);
	cr_assert_eq(value_loudness("0", &lufs), 0);
	cr_expect_eq(lufs, 0);
	cr_expect_eq(value_loudness("-71", &lufs), -EINVAL);
	cr_expect_eq(value_loudness("5", &lufs), -EINVAL);
	cr_expect_eq(value_loudness("nan", &lufs), -EINVAL);
	cr_expect_eq(value_loudness("loud", &lufs), -EINVAL);
}
