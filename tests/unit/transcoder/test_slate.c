/* test_slate.c - the slate: its picture, the format that it takes from a ring, and the job */
#include "fake_master.h"
#include "media_file.h"

#include <libavutil/log.h>

#include "amps-transcoder/slate/format.h"
#include "amps-transcoder/slate/media.h"
#include "amps-transcoder/slate/picture.h"

#define WIDTH  320u
#define HEIGHT 180u
#define GREY   40
#define RING   (8u << 20)

/* The box around what was drawn; false: nothing was. */
static bool drawn(const char *text, unsigned *ret_left, unsigned *ret_right)
{
	static uint8_t luma[HEIGHT][WIDTH];
	bool any = false;

	memset(luma, GREY, sizeof(luma));
	slate_draw_text(luma[0], WIDTH, WIDTH, HEIGHT, text);
	*ret_left = WIDTH;
	*ret_right = 0;
	for (unsigned y = 0; y < HEIGHT; y++)
		for (unsigned x = 0; x < WIDTH; x++)
			if (luma[y][x] != GREY) {
				any = true;
				*ret_left = MIN(*ret_left, x);
				*ret_right = MAX(*ret_right, x);
			}
	return any;
}

Test(slate, text_is_in_the_middle_of_the_picture)
{
	unsigned left, right;

	cr_assert(drawn("HHHH", &left, &right));
	cr_expect_gt(left, WIDTH / 10);
	cr_expect_lt(right, WIDTH - WIDTH / 10);
	cr_expect_leq(left, WIDTH - right + 12);
	cr_expect_leq(WIDTH - right, left + 12);
	cr_expect(!drawn("", &left, &right));
	cr_expect(!drawn(" \n ", &left, &right));
}

Test(slate, any_text_stays_inside_of_the_picture)
{
	static uint8_t luma[HEIGHT][WIDTH];
	char text[600];
	unsigned left, right;

	memset(text, 'W', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	cr_expect(drawn(text, &left, &right));
	cr_expect_geq(left, WIDTH / 10);
	/* marks are left out, an unknown character is '?', a broken one does no harm */
	cr_expect(drawn("Caf\u00e9 \u0141\u00f3d\u017a \u4e2d\u6587 \xff\xc3", &left, &right));
	cr_expect(drawn("a\n\n\n\n\n\n\n\n\nb", &left, &right));
	slate_draw_text(luma[0], WIDTH, 16, 16, "too small");
	slate_draw_text(luma[0], WIDTH, 1, 1, "x");
}

static struct buf bytes_of(const char *path)
{
	struct buf b = BUF_INIT;
	static char chunk[65536];
	FILE *f = fopen(path, "rb");
	size_t n;

	cr_assert_not_null(f);
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(&b, chunk, n);
	fclose(f);
	return b;
}

static const char *other_film(void)
{
	return media_file("slate50.ts",
			  "-f lavfi -i testsrc2=size=720x576:rate=50 -f lavfi -i "
			  "sine=frequency=440:sample_rate=44100 -t 2 -c:v mpeg2video -g 25 -b:v 1M "
			  "-c:a mp2 -ac 2 -metadata:s:a:0 language=deu -streamid 0:300 -f mpegts");
}

static bool goes_on(void *owner)
{
	(void)owner;
	return false;
}

static const struct slate_stop on = {goes_on, NULL};

/* True from the tenth frame on. */
static bool stops(void *owner)
{
	return ++*(unsigned *)owner >= 10;
}

Test(slate, it_has_the_format_of_the_stream_before)
{
	struct buf bytes = bytes_of(other_film()), none = BUF_INIT;
	struct slate_format f;
	struct slate_media m;

	cr_assert_eq(slate_format_read(&bytes, &f), 0);
	cr_assert_eq(f.count, 2);
	cr_expect_eq(f.streams[0].codec, AV_CODEC_ID_MPEG2VIDEO);
	cr_expect_eq(f.streams[0].pid, 300);
	cr_expect_eq(f.streams[0].width, 720);
	cr_expect_eq(f.streams[0].height, 576);
	cr_expect_eq(f.streams[0].rate.num, 50);
	cr_expect_eq(f.streams[1].codec, AV_CODEC_ID_MP2);
	cr_expect_eq(f.streams[1].sample_rate, 44100);
	cr_expect_eq(f.streams[1].channels, 2);
	cr_expect_str_eq(f.streams[1].language, "deu");
	cr_assert_eq(slate_media_make(&f, "x", &on, &m), 0);
	cr_assert_eq(m.count, 2);
	cr_expect_eq(m.tracks[0].parameters->codec_id, AV_CODEC_ID_MPEG2VIDEO);
	cr_expect_eq(m.tracks[0].count, 50, "a second");
	cr_expect(m.tracks[0].packets[0]->flags & AV_PKT_FLAG_KEY);
	cr_expect_eq(m.tracks[1].count, 1);
	cr_expect_eq(m.tracks[1].step.num, 1152);
	slate_media_done(&m);
	/* a codec that nothing here encodes */
	f.streams[0].codec = AV_CODEC_ID_CAVS;
	f.streams[1].codec = AV_CODEC_ID_DTS;
	cr_assert_eq(slate_media_make(&f, "x", &on, &m), 0);
	cr_expect_eq(m.count, 2);
	slate_media_done(&m);
	av_log_set_level(AV_LOG_QUIET);
	buf_puts(&none, "this is no transport stream");
	cr_expect_lt(slate_format_read(&none, &f), 0);
}

/* What a decoder makes of a packet; the frame is the caller's. */
static AVFrame *decoded(const struct slate_track *t, unsigned packet)
{
	const AVCodec *codec = avcodec_find_decoder(t->parameters->codec_id);
	AVCodecContext *ctx = avcodec_alloc_context3(codec);
	AVFrame *frame = av_frame_alloc();

	cr_assert(codec && ctx && frame);
	cr_assert_geq(avcodec_parameters_to_context(ctx, t->parameters), 0);
	cr_assert_eq(avcodec_open2(ctx, codec, NULL), 0);
	cr_assert_eq(avcodec_send_packet(ctx, t->packets[packet]), 0);
	cr_assert_eq(avcodec_send_packet(ctx, NULL), 0);
	cr_assert_eq(avcodec_receive_frame(ctx, frame), 0);
	avcodec_free_context(&ctx);
	return frame;
}

/* Whether all samples of both channels are zero; those of the decoder of MP2 are planar. */
static bool is_silent(const AVFrame *frame)
{
	size_t bytes = (size_t)frame->nb_samples * (size_t)av_get_bytes_per_sample(frame->format);
	bool silent = true;

	cr_assert(av_sample_fmt_is_planar(frame->format) && bytes > 0);
	for (unsigned channel = 0; channel < 2; channel++)
		for (size_t i = 0; i < bytes; i++)
			silent = silent && frame->extended_data[channel][i] == 0;
	return silent;
}

/* Pixels of the colour of text. */
static unsigned light_of(const AVFrame *frame)
{
	unsigned found = 0;

	for (int y = 0; y < frame->height; y++)
		for (int x = 0; x < frame->width; x++)
			found += frame->data[0][y * frame->linesize[0] + x] > 160;
	return found;
}

Test(slate, it_is_silent_and_shows_its_text)
{
	struct buf bytes = bytes_of(other_film());
	static const char *const texts[] = {"", "I", "Back at 6 pm"};
	unsigned light = 0;
	struct slate_format f;

	cr_assert_eq(slate_format_read(&bytes, &f), 0);
	for (size_t i = 0; i < array_size(texts); i++) {
		struct slate_media m;
		AVFrame *picture, *sound;

		cr_assert_eq(slate_media_make(&f, texts[i], &on, &m), 0);
		picture = decoded(&m.tracks[0], 0);
		sound = decoded(&m.tracks[1], 0);
		cr_expect(is_silent(sound));
		/* more text is more light, and none is none */
		cr_expect(i ? light_of(picture) > light : light_of(picture) == 0, "%s", texts[i]);
		light = light_of(picture);
		av_frame_free(&picture);
		av_frame_free(&sound);
		slate_media_done(&m);
	}
}

Test(slate, a_slate_that_is_not_needed_any_more_is_not_encoded)
{
	struct buf bytes = bytes_of(other_film());
	unsigned frames = 0;
	const struct slate_stop stop = {stops, &frames};
	struct slate_format f;
	struct slate_media m;

	cr_assert_eq(slate_format_read(&bytes, &f), 0);
	cr_expect_eq(slate_media_make(&f, "x", &stop, &m), AVERROR_EXIT);
	cr_expect_eq(frames, 10);
	slate_media_done(&m);
}

/* The tables list it, but its packets are missing. */
Test(slate, a_sound_that_tells_nothing_has_the_usual_parameters)
{
	struct buf bytes = bytes_of(other_film()), again = bytes_of(other_film());
	struct slate_format f;
	struct slate_media m;
	size_t kept = 0;
	unsigned pid;

	cr_assert_eq(slate_format_read(&bytes, &f), 0);
	pid = f.streams[1].pid;
	for (size_t at = 0; at + TS_PACKET <= again.len; at += TS_PACKET) {
		const uint8_t *packet = (const uint8_t *)again.data + at;

		if (((packet[1] & 0x1fu) << 8 | packet[2]) == pid)
			continue;
		memmove((uint8_t *)again.data + kept, packet, TS_PACKET);
		kept += TS_PACKET;
	}
	cr_assert_lt(kept, again.len);
	again.len = kept;
	av_log_set_level(AV_LOG_QUIET);
	cr_assert_eq(slate_format_read(&again, &f), 0);
	cr_assert_eq(f.count, 2);
	cr_expect_eq(f.streams[1].pid, pid);
	cr_expect_eq(f.streams[1].sample_rate, 48000);
	cr_expect_eq(f.streams[1].channels, 2);
	cr_assert_eq(slate_media_make(&f, "x", &on, &m), 0);
	cr_expect_eq(m.count, 2);
	slate_media_done(&m);
}

Test(slate, a_long_name_leaves_room_for_the_rest)
{
	char title[SLATE_TITLE_MAX], name[400];

	slate_title("Five", title);
	cr_expect_str_eq(title, "Five");
	slate_title("", title);
	cr_expect_str_eq(title, "");
	slate_title("The channel of a name that does not fit into two lines of text", title);
	cr_expect_str_eq(title, "The channel of a name that\ndoes not fit into two lines");
	memset(name, 'W', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	slate_title(name, title);
	cr_expect_eq(strlen(title), SLATE_TITLE_MAX - 1);
	cr_expect_eq(title[28], '\n');
}

/* As the master does when a source is lost: the slate continues behind what the ring holds. */
Test(slate, the_job_goes_on_in_real_time)
{
	struct fake_master fm;
	struct fake_job ingest, slate;
	static char spec[8192];
	struct msg_job m = {.role = JOB_SLATE,
			    .master_pid = (uint32_t)getpid(),
			    .key = "5",
			    .spec = "{\"channel\":5,\"name\":\"t\",\"slate\":\"\"}",
			    .continue_90k = TIME_NONE,
			    .epoch_mono_us = (int64_t)clock_mono_us(),
			    .log_level = 2};
	struct msg_job_source_ring before = {
		.generation = 1, .data_bytes = RING, .unit_bytes = TS_PACKET};
	struct ring_rap rap;
	int64_t first_90k, frontier_90k, clock_90k;
	uint64_t began_us;
	int pair[2], fd;

	snprintf(spec, sizeof(spec), "{\"channel\":5,\"name\":\"t\",\"source\":\"%s\"}",
		 media_file("h264.ts", MEDIA_H264_AAC "-t 6 -f mpegts"));
	master_start(&fm);
	job_start(&fm, &ingest, spec, TIME_NONE, RING);
	fd = dup(ingest.ring_fd);
	cr_assert(job_await(&ingest, &ingest.running, 10000), "%s", ingest.text);
	cr_assert(job_await_bytes(&ingest, 200000, 10000));
	frontier_90k = ring_frontier_90k(&ingest.ring);
	clock_90k = ring_clock_90k(&ingest.ring);
	cr_expect(clock_90k != TIME_NONE && clock_90k < frontier_90k);
	slate = (struct fake_job){0};
	cr_assert_eq(msg_socketpair(pair), 0);
	slate.socket = pair[0];
	m.continue_mono_us = clock_mono_us();
	cr_assert_eq(msg_send_job(slate.socket, &m, NULL), 0);
	job_give_ring(&slate, RING, frontier_90k);
	cr_assert_eq(msg_send_job_source_ring(slate.socket, &before, &fd), 0);
	cr_assert_eq(msg_send_fork_job(fm.socket, &(struct msg_fork_job){}, &pair[1]), 0);
	close(pair[1]);
	cr_assert(job_await(&slate, &slate.running, 10000), "%s", slate.text);
	cr_expect_eq(slate.live, 1);
	cr_assert_eq(ring_oldest_rap(&slate.ring, 0, &rap), 0);
	cr_expect_geq(rap.pts_90k, frontier_90k);
	/* it is known a moment after the first access point */
	while (ring_frontier_90k(&slate.ring) == TIME_NONE)
		job_await(&slate, &slate.failed, 10);
	began_us = clock_mono_us();
	first_90k = ring_frontier_90k(&slate.ring);
	while (ring_rap_count(&slate.ring) < 3 && clock_mono_us() < began_us + 10000000)
		job_await(&slate, &slate.failed, 50);
	cr_assert_geq(ring_rap_count(&slate.ring), 3, "a key frame each second");
	/* as much time in the stream as on the clock */
	cr_expect_leq(llabs(ring_frontier_90k(&slate.ring) - first_90k -
			    (int64_t)(clock_mono_us() - began_us) * 9 / 100),
		      90000);
	cr_expect_eq(job_stop(&slate), 0);
	job_stop(&ingest);
	close(fd);
	master_stop(&fm);
}
