#include <string.h>
#include "unit.h"

#include "amps-transcoder/av/compat.h"
#include "amps-transcoder/encode/filter.h"

static struct profile profile;
static struct filter f;

static void begin(AVRational rate)
{
	memset(&profile, 0, sizeof(profile));
	profile.pix_fmt = AV_PIX_FMT_NONE;
	profile.video.codec = avcodec_find_encoder(AV_CODEC_ID_MPEG2VIDEO);
	cr_assert_eq(filter_init(&f, AVMEDIA_TYPE_VIDEO, &profile, NULL), 0);
	f.inputs[0].rate = rate;
}

/* Puts one small picture in; how many come out. */
static unsigned put(int64_t pts, int64_t duration)
{
	AVFrame *frame = av_frame_alloc();
	unsigned out = 0;

	frame->format = AV_PIX_FMT_YUV420P;
	frame->width = frame->height = 16;
	cr_assert_geq(av_frame_get_buffer(frame, 0), 0);
	frame->pts = pts;
	av_compat_set_duration(frame, duration);
	cr_assert_geq(filter_put(&f, 0, frame), 0);
	av_frame_free(&frame);
	while (filter_take(&f))
		out++;
	return out;
}

Test(filter, an_impossible_rate_counts_as_unknown)
{
	static const AVRational odd[] = {{90000, 1}, {301, 1}, {1, 11}, {0, 0}, {25, 0}, {-25, 1}};

	for (size_t i = 0; i < array_size(odd); i++) {
		begin(odd[i]);
		put(0, 3600);
		cr_expect_leq(put(90000, 3600), 30);
		cr_expect_eq(av_cmp_q(filter_rate(&f), (AVRational){25, 1}), 0);
		filter_done(&f);
	}
}

Test(filter, a_plausible_rate_is_used)
{
	static const AVRational likely[] = {{300, 1}, {30000, 1001}, {1, 10}};

	for (size_t i = 0; i < array_size(likely); i++) {
		begin(likely[i]);
		put(0, 300);
		put(90000, 300);
		cr_expect_eq(av_cmp_q(filter_rate(&f), likely[i]), 0);
		filter_done(&f);
	}
}

Test(filter, a_long_picture_duration_does_not_fill_a_gap)
{
	begin((AVRational){25, 1});
	put(900000, 90000LL * 3600);
	cr_expect_leq(put(900000 + 90000LL * 3600, 3600), 25);
	filter_done(&f);
}

/* What the encoder writes into the stream comes from the filtered picture. */
Test(filter, a_scaled_picture_keeps_its_colours)
{
	AVFrame *frame = av_frame_alloc();
	const AVFrame *filtered;

	begin((AVRational){25, 1});
	profile.width = 8;
	profile.height = 8;
	frame->format = AV_PIX_FMT_YUV420P;
	frame->width = frame->height = 16;
	frame->colorspace = AVCOL_SPC_BT709;
	frame->color_range = AVCOL_RANGE_MPEG;
	frame->color_primaries = AVCOL_PRI_BT709;
	frame->color_trc = AVCOL_TRC_BT709;
	cr_assert_geq(av_frame_get_buffer(frame, 0), 0);
	for (frame->pts = 0; !(filtered = filter_take(&f)); frame->pts += 3600) {
		cr_assert_lt(frame->pts, 90000);
		cr_assert_geq(filter_put(&f, 0, frame), 0);
	}
	cr_expect_eq(filtered->width, 8);
	cr_expect_eq(filtered->colorspace, AVCOL_SPC_BT709);
	cr_expect_eq(filtered->color_range, AVCOL_RANGE_MPEG);
	cr_expect_eq(filtered->color_primaries, AVCOL_PRI_BT709);
	cr_expect_eq(filtered->color_trc, AVCOL_TRC_BT709);
	av_frame_free(&frame);
	filter_done(&f);
}

static void begin_mix(void)
{
	char problem[256];

	memset(&profile, 0, sizeof(profile));
	profile.sample_fmt = AV_SAMPLE_FMT_NONE;
	profile.audio.codec = avcodec_find_encoder(AV_CODEC_ID_AAC);
	cr_assert_eq(complex_add(&profile.complex, "[0:a:0][0:a:1]amix=dropout_transition=0",
				 problem, sizeof(problem)),
		     0);
	profile.audio.part = &profile.complex.parts[0];
	cr_assert_eq(filter_init(&f, AVMEDIA_TYPE_AUDIO, &profile, NULL), 0);
}

/* Puts a second of sound into an input; how many samples come out. */
static int sound(unsigned input, int second)
{
	int out = 0;

	for (int i = 0; i < 50; i++) {
		AVFrame *frame = av_frame_alloc();

		frame->format = AV_SAMPLE_FMT_FLTP;
		frame->sample_rate = 48000;
		frame->nb_samples = 960;
		av_channel_layout_default(&frame->ch_layout, 2);
		cr_assert_geq(av_frame_get_buffer(frame, 0), 0);
		memset(frame->data[0], 0, 960 * sizeof(float));
		memset(frame->data[1], 0, 960 * sizeof(float));
		frame->pts = second * 90000 + i * 1800;
		cr_assert_geq(filter_put(&f, input, frame), 0);
		av_frame_free(&frame);
		while (filter_take(&f))
			out += f.frame->nb_samples;
	}
	return out;
}

Test(filter, a_graph_of_two_sounds_begins_when_both_are_there)
{
	begin_mix();
	cr_expect_eq(sound(0, 10), 0);
	cr_expect_gt(sound(1, 10), 40000);
	filter_done(&f);
	profile_done(&profile);
}

Test(filter, a_graph_goes_on_without_a_sound_that_stops)
{
	int out = 0;

	begin_mix();
	sound(0, 10);
	sound(1, 10);
	for (int second = 11; second < 20; second++)
		out += sound(0, second);
	cr_expect_gt(out, 8 * 48000, "%d", out);
	/* the sound is back */
	cr_expect_eq(sound(0, 20), 48000);
	sound(1, 20);
	out = sound(0, 21) + sound(1, 21);
	cr_expect_gt(out, 40000, "%d", out);
	filter_done(&f);
	profile_done(&profile);
}
