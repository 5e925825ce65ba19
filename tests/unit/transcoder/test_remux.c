#include "unit.h"

#include "amps-transcoder/source/source.h"

static uint64_t stall_of(const char *format, bool live, unsigned target_s)
{
	AVInputFormat input = {.name = format};
	AVFormatContext demuxer = {.iformat = &input};
	struct source s = {.live = live, .playlists.target_s = target_s};

	return source_stall_us(&s, &demuxer, 2000000);
}

Test(remux, only_live_playlists_may_be_silent_for_three_target_durations)
{
	cr_expect_eq(stall_of("hls", true, 2), 6000000);
	cr_expect_eq(stall_of("hls", true, 10), 30000000);
	cr_expect_eq(stall_of("hls", true, 0), 30000000, "not known");
	cr_expect_eq(stall_of("dash", true, 0), 30000000);
	cr_expect_eq(stall_of("hls", false, 2), 2000000);
	cr_expect_eq(stall_of("matroska,webm", true, 0), 2000000);
	cr_expect_eq(stall_of("rtsp", true, 0), 2000000);
}
