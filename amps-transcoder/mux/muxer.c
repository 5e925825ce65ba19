#include "amps-transcoder/mux/muxer.h"

#include <assert.h>
#include <stdlib.h>

static const AVRational ticks = {1, 90000};

static const struct muxer_ops *const forms[OUTPUT_FORM_COUNT_] = {
	[OUTPUT_TS] = &muxer_ts, [OUTPUT_ADTS] = &muxer_adts};

int muxer_new(enum output_form form, enum AVCodecID sound, struct job *job,
	      const struct job_event *event, const AVDictionary *metadata,
	      const AVDictionary *options, struct muxer **ret)
{
	const struct muxer_ops *ops = form < OUTPUT_FORM_COUNT_ ? forms[form] : NULL;
	struct muxer *m;
	int r;

	if (ops == &muxer_adts && sound == AV_CODEC_ID_MP3)
		ops = &muxer_mp3;
	assert(ops);
	m = calloc(1, ops->size);
	if (!m)
		return -ENOMEM;
	*m = (struct muxer){.ops = ops,
			    .job = job,
			    .metadata = metadata,
			    .options = options,
			    .output = event->output};
	for (size_t i = 0; i < MUXER_STREAMS_MAX; i++)
		m->last_dts[i] = AV_NOPTS_VALUE;
	r = ops->init(m);
	if (r == 0)
		r = ops->attach(m, event);
	if (r < 0) {
		muxer_free(m);
		return r;
	}
	*ret = m;
	return 0;
}

AVStream *muxer_new_stream(AVFormatContext *context, const AVCodecParameters *parameters)
{
	AVStream *stream = avformat_new_stream(context, NULL);

	if (!stream || avcodec_parameters_copy(stream->codecpar, parameters) < 0)
		return NULL;
	stream->codecpar->codec_tag = 0;
	stream->time_base = ticks;
	/* a copied stream has none unless it was decoded, and libav's muxers require one */
	if (stream->codecpar->codec_type == AVMEDIA_TYPE_AUDIO &&
	    stream->codecpar->sample_rate <= 0)
		stream->codecpar->sample_rate = 48000;
	return stream;
}

/* Opens the filters for packets of these parameters. */
static int open_bsf(const char *text, const AVCodecParameters *parameters, AVBSFContext **ret)
{
	AVBSFContext *bsf = NULL;
	int r = av_bsf_list_parse_str(text, &bsf);

	if (r >= 0)
		r = avcodec_parameters_copy(bsf->par_in, parameters);
	if (r >= 0) {
		bsf->time_base_in = ticks;
		r = av_bsf_init(bsf);
	}
	if (r < 0) {
		av_log(NULL, AV_LOG_ERROR, "bsf '%s' cannot be used for %s\n", text,
		       avcodec_get_name(parameters->codec_id));
		av_bsf_free(&bsf);
	}
	*ret = bsf;
	return r;
}

static int add_stream(struct muxer *m, unsigned place, const struct muxer_stream *from)
{
	const AVCodecParameters *parameters = from->parameters;
	int r = 0;

	if (from->bsf && *from->bsf) {
		r = open_bsf(from->bsf, parameters, &m->bsf[place]);
		if (r >= 0)
			parameters = m->bsf[place]->par_out;
	}
	if (r >= 0)
		r = m->ops->add_stream(m, place, parameters, from);
	m->carries[place] = r >= 0;
	return r;
}

/* Enforces the rules of libav's muxers: the DTS of a stream grows, no PTS is before its DTS. */
static void straighten(struct muxer *m, unsigned place, AVPacket *packet)
{
	int64_t *last = &m->last_dts[place];

	if (packet->dts == AV_NOPTS_VALUE)
		packet->dts = packet->pts;
	if (packet->dts == AV_NOPTS_VALUE)
		packet->dts = *last == AV_NOPTS_VALUE ? 0 : *last + 1;
	if (*last != AV_NOPTS_VALUE && packet->dts <= *last)
		packet->dts = *last + 1;
	if (packet->pts == AV_NOPTS_VALUE || packet->pts < packet->dts)
		packet->pts = packet->dts;
	assert(packet->pts >= packet->dts);
	*last = packet->dts;
}

/* Takes the reference to the data of the packet. */
static int mux(struct muxer *m, unsigned place, AVPacket *packet)
{
	assert(m->begun && m->carries[place]);
	packet->time_base = ticks;
	packet->pos = -1;
	straighten(m, place, packet);
	return m->ops->write(m, place, packet);
}

/* A filter may hold packets back, or make several of one.  `packet` is emptied; NULL flushes. */
static int filter_and_mux(struct muxer *m, unsigned place, AVPacket *packet)
{
	AVBSFContext *bsf = m->bsf[place];
	AVPacket *filtered = av_packet_alloc();
	int r = filtered ? av_bsf_send_packet(bsf, packet) : AVERROR(ENOMEM);

	while (r >= 0) {
		r = av_bsf_receive_packet(bsf, filtered);
		if (r < 0)
			break;
		av_packet_rescale_ts(filtered, bsf->time_base_out, ticks);
		r = mux(m, place, filtered);
	}
	av_packet_free(&filtered);
	return r == AVERROR(EAGAIN) || r == AVERROR_EOF ? 0 : r;
}

static void flush(struct muxer *m)
{
	for (unsigned i = 0; i < MUXER_STREAMS_MAX; i++) {
		if (m->begun && m->bsf[i])
			(void)!filter_and_mux(m, i, NULL);
		av_bsf_free(&m->bsf[i]);
	}
	if (m->begun)
		m->ops->end(m);
	m->begun = false;
}

struct muxer *muxer_free(struct muxer *m)
{
	if (!m)
		return NULL;
	flush(m);
	m->ops->done(m);
	free(m);
	return NULL;
}

static bool is_sound(const struct muxer_stream *s)
{
	return s->parameters && s->parameters->codec_type == AVMEDIA_TYPE_AUDIO;
}

/* Places in the order in which streams are listed: players choose the first sound. */
static void list_order(const struct muxer_stream *streams, unsigned count, unsigned *order)
{
	unsigned first = 0, chosen = 0;

	while (first < count && !is_sound(&streams[first]))
		first++;
	while (chosen < count && !(is_sound(&streams[chosen]) &&
				   streams[chosen].disposition & AV_DISPOSITION_DEFAULT))
		chosen++;
	for (unsigned i = 0; i < count; i++)
		order[i] = i;
	if (chosen == count)
		return;
	for (unsigned i = chosen; i > first; i--)
		order[i] = i - 1;
	order[first] = chosen;
}

int muxer_begin(struct muxer *m, const struct muxer_stream *streams, unsigned count,
		int64_t lag_90k, bool cut)
{
	unsigned order[MUXER_STREAMS_MAX];
	int r;

	assert(count <= MUXER_STREAMS_MAX);
	flush(m);
	r = m->ops->open(m, lag_90k);
	list_order(streams, count, order);
	for (unsigned i = 0; i < count && r >= 0; i++) {
		unsigned place = order[i];

		m->carries[place] = false;
		if (streams[place].parameters)
			r = add_stream(m, place, &streams[place]);
	}
	if (r >= 0)
		r = m->ops->begin(m, cut);
	m->begun = r >= 0;
	return r;
}

int64_t muxer_time_90k(const struct muxer *m)
{
	int64_t latest = AV_NOPTS_VALUE;

	for (size_t i = 0; i < MUXER_STREAMS_MAX; i++)
		latest = MAX(latest, m->last_dts[i]);
	return latest;
}

int muxer_write(struct muxer *m, unsigned place, const AVPacket *packet)
{
	AVPacket *copy = av_packet_clone(packet);
	int r;

	assert(place < MUXER_STREAMS_MAX);
	if (!copy)
		return AVERROR(ENOMEM);
	r = m->bsf[place] ? filter_and_mux(m, place, copy) : mux(m, place, copy);
	av_packet_free(&copy);
	return r;
}

void muxer_end(struct muxer *m)
{
	flush(m);
	m->ops->ended(m);
}
