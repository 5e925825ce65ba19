#include "unit.h"

#include "amps-transcoder/source/source.h"

static uint64_t stall_of(const char *format, bool live)
{
	AVInputFormat input = {.name = format};
	AVFormatContext demuxer = {.iformat = &input};

	return source_stall_us(&demuxer, live, 2000000);
}

Test(remux, only_live_playlists_may_be_silent_for_a_segment)
{
	cr_expect_eq(stall_of("hls", true), 30000000);
	cr_expect_eq(stall_of("dash", true), 30000000);
	cr_expect_eq(stall_of("hls", false), 2000000);
	cr_expect_eq(stall_of("matroska,webm", true), 2000000);
	cr_expect_eq(stall_of("rtsp", true), 2000000);
}
