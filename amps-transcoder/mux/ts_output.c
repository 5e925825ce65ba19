#include "amps-transcoder/mux/ts_output.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The PCR is ahead of its DTS by twice this, so that a large picture arrives in time; the muxer
 * gathers sound for one PES for half of it. */
#define MAX_DELAY_US	   "150000"
#define INTERLEAVE_WAIT_US 2000000 /* how long a paused stream may delay the others */
#define FIRST_PID	   0x100   /* the muxer's own, too */
#define GENERATION_STEP	   7	   /* versions between two jobs; a job may use so many */

static const AVRational ticks = {1, 90000};

void ts_output_init(struct ts_output *o, struct ts_sink *sink, const char *service,
		    const AVDictionary *metadata, const AVDictionary *options)
{
	*o = (struct ts_output){
		.sink = sink, .service = service, .metadata = metadata, .options = options};
	ts_muxer_init(&o->muxer, sink);
	for (size_t i = 0; i < TS_OUTPUT_STREAMS_MAX; i++) {
		o->stream_of[i] = -1;
		o->last_dts[i] = AV_NOPTS_VALUE;
	}
}

static int open_muxer(struct ts_output *o, int64_t lag_90k)
{
	int r = ts_muxer_open(&o->muxer);
	AVFormatContext *context = o->muxer.context;

	if (r < 0)
		return r;
	context->max_interleave_delta = INTERLEAVE_WAIT_US + lag_90k * 100 / 9;
	if (o->service && *o->service)
		av_dict_set(&context->metadata, "service_name", o->service, 0);
	av_dict_set(&context->metadata, "service_provider", "Amps", 0);
	av_dict_copy(&context->metadata, o->metadata, 0);
	return 0;
}

static unsigned option_number(const struct ts_output *o, const char *name, unsigned otherwise)
{
	const AVDictionaryEntry *e = av_dict_get(o->options, name, NULL, 0);

	return e ? (unsigned)strtoul(e->value, NULL, 0) : otherwise;
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

static int add_stream(struct ts_output *o, unsigned place, const struct ts_output_stream *from)
{
	AVStream *stream = avformat_new_stream(o->muxer.context, NULL);
	const AVCodecParameters *parameters = from->parameters;
	int r = 0;

	if (!stream)
		return AVERROR(ENOMEM);
	if (from->bsf && *from->bsf) {
		r = open_bsf(from->bsf, parameters, &o->bsf[place]);
		if (r >= 0)
			parameters = o->bsf[place]->par_out;
	}
	if (r >= 0)
		r = avcodec_parameters_copy(stream->codecpar, parameters);
	if (r < 0)
		return r;
	o->stream_of[place] = stream->index;
	stream->id = (int)(option_number(o, "mpegts_start_pid", FIRST_PID) + place);
	stream->codecpar->codec_tag = 0;
	stream->time_base = ticks;
	if (from->language && *from->language)
		av_dict_set(&stream->metadata, "language", from->language, 0);
	/* a copied stream has none unless it was decoded, and the muxer requires one */
	if (stream->codecpar->codec_type == AVMEDIA_TYPE_AUDIO &&
	    stream->codecpar->sample_rate <= 0)
		stream->codecpar->sample_rate = 48000;
	return 0;
}

/* Players cache the tables by version: each job and each new set of streams needs another one. */
static unsigned tables_version(const struct ts_output *o)
{
	uint64_t version = option_number(o, "tables_version", 0) + o->tables +
			   GENERATION_STEP * ts_sink_generation(o->sink);

	return (unsigned)(version % TS_VERSIONS);
}

static int write_header(struct ts_output *o, bool cut)
{
	AVDictionary *all = NULL;
	int r;

	av_dict_set(&all, "mpegts_copyts", "1", 0);
	av_dict_set(&all, "max_delay", MAX_DELAY_US, 0);
	av_dict_set(&all, "pcr_period", "20", 0);
	av_dict_copy(&all, o->options, 0);
	if (cut)
		av_dict_set(&all, "mpegts_flags", "+initial_discontinuity", AV_DICT_APPEND);
	av_dict_set_int(&all, "tables_version", tables_version(o), 0);
	r = avformat_write_header(o->muxer.context, &all);
	av_dict_free(&all);
	return r < 0 ? r : 0;
}

/* Enforces the muxer's rules: the DTS of a stream grows, no PTS is before its DTS. */
static void straighten(struct ts_output *o, unsigned stream, AVPacket *packet)
{
	int64_t *last = &o->last_dts[stream];

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
static int mux(struct ts_output *o, unsigned place, AVPacket *packet)
{
	assert(o->begun && o->stream_of[place] >= 0);
	packet->stream_index = o->stream_of[place];
	packet->time_base = ticks;
	packet->pos = -1;
	straighten(o, place, packet);
	av_packet_rescale_ts(packet, ticks,
			     o->muxer.context->streams[packet->stream_index]->time_base);
	return av_interleaved_write_frame(o->muxer.context, packet);
}

/* A filter may hold packets back, or make several of one.  `packet` is emptied; NULL flushes. */
static int filter_and_mux(struct ts_output *o, unsigned place, AVPacket *packet)
{
	AVBSFContext *bsf = o->bsf[place];
	AVPacket *filtered = av_packet_alloc();
	int r = filtered ? av_bsf_send_packet(bsf, packet) : AVERROR(ENOMEM);

	while (r >= 0) {
		r = av_bsf_receive_packet(bsf, filtered);
		if (r < 0)
			break;
		av_packet_rescale_ts(filtered, bsf->time_base_out, ticks);
		r = mux(o, place, filtered);
	}
	av_packet_free(&filtered);
	return r == AVERROR(EAGAIN) || r == AVERROR_EOF ? 0 : r;
}

static void close_muxer(struct ts_output *o)
{
	if (!o->muxer.context)
		return;
	for (unsigned i = 0; i < TS_OUTPUT_STREAMS_MAX; i++) {
		if (o->begun && o->bsf[i])
			(void)!filter_and_mux(o, i, NULL);
		av_bsf_free(&o->bsf[i]);
	}
	if (o->begun)
		av_write_trailer(o->muxer.context);
	ts_muxer_close(&o->muxer);
	o->begun = false;
}

int ts_output_begin(struct ts_output *o, const struct ts_output_stream *streams, unsigned count,
		    int64_t lag_90k, bool cut)
{
	int r;

	assert(count <= TS_OUTPUT_STREAMS_MAX);
	if (o->begun) {
		close_muxer(o);
		o->tables++;
		ts_pcr_resume(&o->muxer.pcr);
		ts_sink_resume(o->sink);
	}
	r = open_muxer(o, lag_90k);
	for (unsigned i = 0; i < count && r >= 0; i++) {
		o->stream_of[i] = -1;
		if (streams[i].parameters)
			r = add_stream(o, i, &streams[i]);
	}
	if (r >= 0)
		r = write_header(o, cut);
	o->begun = r >= 0;
	return r;
}

bool ts_output_carries(const struct ts_output *o, unsigned stream)
{
	return o->stream_of[stream] >= 0;
}

int64_t ts_output_time_90k(const struct ts_output *o)
{
	int64_t latest = AV_NOPTS_VALUE;

	for (size_t i = 0; i < TS_OUTPUT_STREAMS_MAX; i++)
		latest = MAX(latest, o->last_dts[i]);
	return latest;
}

int ts_output_write(struct ts_output *o, unsigned stream, const AVPacket *packet)
{
	AVPacket *copy = av_packet_clone(packet);
	int r;

	assert(stream < TS_OUTPUT_STREAMS_MAX);
	if (!copy)
		return AVERROR(ENOMEM);
	r = o->bsf[stream] ? filter_and_mux(o, stream, copy) : mux(o, stream, copy);
	av_packet_free(&copy);
	return r;
}

void ts_output_close(struct ts_output *o)
{
	close_muxer(o);
	memset(o, 0, sizeof(*o));
}
