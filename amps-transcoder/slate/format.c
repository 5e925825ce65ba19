#include "amps-transcoder/slate/format.h"

#include <assert.h>
#include <libavformat/avformat.h>

#include "amps-transcoder/av/memory_avio.h"
#include "common/text/text.h"

#define SIZE_MIN      16
#define SIZE_MAX_SIDE 8192
#define CHANNELS_MAX  8
/* of a sound whose source does not say */
#define USUAL_SAMPLE_RATE 48000
#define USUAL_CHANNELS	  2

/* What is measured from a few pictures is never exact. */
static AVRational usual_rate(AVRational measured)
{
	static const AVRational usual[] = {{25, 1},	  {50, 1}, {30000, 1001}, {60000, 1001},
					   {24000, 1001}, {24, 1}, {30, 1},	  {60, 1}};
	double rate = measured.den > 0 ? av_q2d(measured) : 0;

	for (size_t i = 0; i < array_size(usual); i++)
		if (rate == av_q2d(usual[i]))
			return usual[i];
	for (size_t i = 0; i < array_size(usual); i++)
		if (rate > av_q2d(usual[i]) * 0.98 && rate < av_q2d(usual[i]) * 1.02)
			return usual[i];
	return usual[0];
}

/* False: it cannot be described. */
static bool read_stream(AVFormatContext *ic, AVStream *st, struct slate_stream *s)
{
	const AVCodecParameters *par = st->codecpar;
	const AVDictionaryEntry *language = av_dict_get(st->metadata, "language", NULL, 0);

	*s = (struct slate_stream){.type = par->codec_type,
				   .codec = par->codec_id,
				   .pid = (unsigned)st->id,
				   .disposition = st->disposition};
	if (language)
		text_copy(s->language, sizeof(s->language), language->value);
	if (par->codec_type == AVMEDIA_TYPE_VIDEO) {
		s->width = par->width & ~1;
		s->height = par->height & ~1;
		s->rate = usual_rate(av_guess_frame_rate(ic, st, NULL));
		s->aspect = par->sample_aspect_ratio;
		return s->width >= SIZE_MIN && s->height >= SIZE_MIN && s->width <= SIZE_MAX_SIDE &&
		       s->height <= SIZE_MAX_SIDE;
	}
	s->sample_rate = par->sample_rate > 0 ? par->sample_rate : USUAL_SAMPLE_RATE;
	s->channels = par->ch_layout.nb_channels > 0 ? MIN(par->ch_layout.nb_channels, CHANNELS_MAX)
						     : USUAL_CHANNELS;
	return par->codec_type == AVMEDIA_TYPE_AUDIO;
}

/* Of several programmes the one with the best picture. */
static const AVProgram *programme_of(AVFormatContext *ic)
{
	int best = av_find_best_stream(ic, AVMEDIA_TYPE_VIDEO, -1, -1, NULL, 0);

	if (best < 0)
		best = av_find_best_stream(ic, AVMEDIA_TYPE_AUDIO, -1, -1, NULL, 0);
	return best < 0 ? NULL : av_find_program_from_stream(ic, NULL, best);
}

static int read_streams(AVFormatContext *ic, struct slate_format *f)
{
	const AVProgram *programme = programme_of(ic);
	bool picture = false;

	*f = (struct slate_format){.pmt_pid = programme ? programme->pmt_pid : 0,
				   .programme = programme ? programme->id : 0};
	for (unsigned i = 0; programme && i < programme->nb_stream_indexes; i++) {
		AVStream *st = ic->streams[programme->stream_index[i]];
		struct slate_stream s;
		bool is_picture = st->codecpar->codec_type == AVMEDIA_TYPE_VIDEO;

		if (f->count == SLATE_STREAMS_MAX)
			break;
		/* the first picture; a place is kept for it behind the sounds */
		if (!read_stream(ic, st, &s) || (is_picture && picture) ||
		    (!is_picture && !picture && f->count == SLATE_STREAMS_MAX - 1))
			continue;
		picture = picture || is_picture;
		f->streams[f->count++] = s;
	}
	assert(f->count <= SLATE_STREAMS_MAX);
	return f->count ? 0 : AVERROR_STREAM_NOT_FOUND;
}

int slate_format_read(struct buf *bytes, struct slate_format *ret)
{
	AVFormatContext *ic = avformat_alloc_context();
	AVIOContext *pb = memory_avio_open(bytes);
	AVDictionary *options = NULL;
	int r = ic && pb ? 0 : AVERROR(ENOMEM);

	if (r == 0) {
		av_dict_set(&options, "correct_ts_overflow", "0", 0);
		ic->pb = pb;
		/* frees the context if it fails */
		r = avformat_open_input(&ic, NULL, av_find_input_format("mpegts"), &options);
		av_dict_free(&options);
	}
	if (r >= 0)
		r = avformat_find_stream_info(ic, NULL);
	if (r >= 0)
		r = read_streams(ic, ret);
	avformat_close_input(&ic);
	memory_avio_close(pb);
	return MIN(r, 0);
}
