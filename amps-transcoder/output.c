#include "amps-transcoder/output.h"

#include <string.h>

#include "amps-transcoder/remux.h"
#include "common/text.h"

#define WAIT_90K 135000 /* how long the muxer waits for a stream that shows nothing */

int output_new(struct job *job, struct job_event *event, struct output **ret, char *problem,
	       size_t cap)
{
	struct output *o = calloc(1, sizeof(*o));
	int r = -ENOMEM;

	if (!o)
		return r;
	o->job = job;
	o->after_90k = event->continue_90k;
	o->first_90k = AV_NOPTS_VALUE;
	/* the timeline is continued here, alike for all outputs, and not by rewriting each */
	event->continue_90k = TIME_NONE;
	r = profile_init(&o->profile, event->spec, problem, cap);
	if (r == 0)
		r = ts_sink_new(job, (unsigned)job_spec_int(job, "ring_seconds", 10), &o->sink);
	if (r == 0)
		r = ts_sink_attach(o->sink, event);
	if (r == 0 && ts_output_open(&o->mux, o->sink, job_spec_text(job, "name", ""),
				     o->profile.metadata) < 0)
		r = -ENOMEM;
	if (r < 0) {
		output_free(o);
		return r;
	}
	*ret = o;
	return 0;
}

static void drop_pending(struct output *o)
{
	for (unsigned i = 0; i < o->pending_count; i++)
		av_packet_free(&o->pending[i]);
	o->pending_count = 0;
}

struct output *output_free(struct output *o)
{
	if (!o)
		return NULL;
	ts_output_close(&o->mux);
	drop_pending(o);
	for (unsigned i = 0; i < o->track_count; i++) {
		filter_done(&o->tracks[i].filter);
		avcodec_parameters_free(&o->tracks[i].subtitles);
		encoder_close(&o->tracks[i].encoder);
	}
	profile_done(&o->profile);
	o->sink = ts_sink_free(o->sink);
	free(o);
	return NULL;
}

static const struct profile_kind *kind_of(const struct output *o, enum AVMediaType type)
{
	return type == AVMEDIA_TYPE_VIDEO ? &o->profile.video : &o->profile.audio;
}

/* Streams of other kinds (data, attachments) are not for this muxer. */
static bool usable(const struct output *o, const AVStream *stream)
{
	enum AVMediaType type = stream->codecpar->codec_type;

	if (stream->disposition & AV_DISPOSITION_ATTACHED_PIC || stream->discard == AVDISCARD_ALL)
		return false;
	if (type == AVMEDIA_TYPE_SUBTITLE)
		return o->profile.subtitles && !o->profile.without_subtitles &&
		       remux_codec_fits(stream->codecpar->codec_id);
	if (type != AVMEDIA_TYPE_VIDEO && type != AVMEDIA_TYPE_AUDIO)
		return false;
	return kind_of(o, type)->wish != WISH_OFF;
}

/* True if the stream belongs to the first programme, or there are none. */
static bool in_first_program(AVFormatContext *source, unsigned index)
{
	if (source->nb_programs == 0)
		return true;
	for (unsigned i = 0; i < source->programs[0]->nb_stream_indexes; i++)
		if (source->programs[0]->stream_index[i] == index)
			return true;
	return false;
}

/* Nothing was probed, so "best" is the first of its kind in the first programme. */
static unsigned choose_best(const struct output *o, AVFormatContext *source, unsigned *chosen)
{
	static const enum AVMediaType types[] = {AVMEDIA_TYPE_VIDEO, AVMEDIA_TYPE_AUDIO,
						 AVMEDIA_TYPE_SUBTITLE};
	unsigned n = 0;

	for (size_t t = 0; t < array_size(types); t++)
		for (unsigned i = 0; i < source->nb_streams; i++) {
			if (source->streams[i]->codecpar->codec_type != types[t] ||
			    !usable(o, source->streams[i]) || !in_first_program(source, i))
				continue;
			chosen[n++] = i;
			break;
		}
	return n;
}

static void remove_chosen(unsigned *chosen, unsigned *n, unsigned stream)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < *n; i++)
		if (chosen[i] != stream)
			chosen[kept++] = chosen[i];
	*n = kept;
}

/* The profile's maps in their order; -ENOENT when one that is not optional finds nothing. */
static int choose_mapped(const struct output *o, AVFormatContext *source, unsigned *chosen,
			 unsigned *ret_count)
{
	unsigned n = 0;

	for (unsigned m = 0; m < o->profile.map_count; m++) {
		const struct stream_map *map = &o->profile.maps[m];
		bool found = false;

		for (unsigned i = 0; i < source->nb_streams; i++) {
			if (!stream_map_matches(map, source, i))
				continue;
			found = true;
			if (map->negative)
				remove_chosen(chosen, &n, i);
			else if (n < TS_OUTPUT_STREAMS_MAX && usable(o, source->streams[i]))
				chosen[n++] = i;
		}
		if (!found && !map->negative && !map->optional)
			return -ENOENT;
	}
	*ret_count = n;
	return 0;
}

static int add_track(struct output *o, AVFormatContext *source, unsigned index)
{
	struct track *t = &o->tracks[o->track_count];
	const AVStream *stream = source->streams[index];
	const AVDictionaryEntry *language = av_dict_get(stream->metadata, "language", NULL, 0);
	enum AVMediaType type = stream->codecpar->codec_type;

	memset(t, 0, sizeof(*t));
	t->source = index;
	t->type = type;
	t->mux = -1;
	t->put_90k = TIME_NONE;
	if (language)
		text_copy(t->language, sizeof(t->language), language->value);
	o->track_count++;
	if (type == AVMEDIA_TYPE_SUBTITLE) {
		t->copy = true;
		t->subtitles = avcodec_parameters_alloc();
		if (!t->subtitles || avcodec_parameters_copy(t->subtitles, stream->codecpar) < 0)
			return -ENOMEM;
		return 0;
	}
	t->copy = kind_of(o, type)->wish == WISH_COPY;
	t->wait_key = t->copy && type == AVMEDIA_TYPE_VIDEO;
	return filter_init(&t->filter, type, &o->profile);
}

int output_select(struct output *o, AVFormatContext *source)
{
	unsigned chosen[TS_OUTPUT_STREAMS_MAX], n = 0;
	bool again = o->track_count > 0;
	int r = 0;

	if (o->profile.map_count == 0)
		n = choose_best(o, source, chosen);
	else
		r = choose_mapped(o, source, chosen, &n);
	if (r < 0 || n == 0)
		return -ENOENT;
	if (!again) {
		for (unsigned i = 0; i < n && r == 0; i++)
			r = add_track(o, source, chosen[i]);
		return r;
	}
	/* each track goes on with the next chosen stream of its kind */
	for (unsigned t = 0, used = 0; t < o->track_count; t++) {
		o->tracks[t].source = UINT32_MAX;
		for (unsigned i = 0; i < n; i++) {
			if (used & 1u << i ||
			    source->streams[chosen[i]]->codecpar->codec_type != o->tracks[t].type)
				continue;
			o->tracks[t].source = chosen[i];
			used |= 1u << i;
			break;
		}
	}
	return 0;
}

static bool wants(const struct output *o, unsigned stream, bool copy)
{
	for (unsigned i = 0; i < o->track_count; i++)
		if (o->tracks[i].source == stream && o->tracks[i].copy == copy &&
		    !o->tracks[i].left_out)
			return true;
	return false;
}

bool output_wants_frames(const struct output *o, unsigned stream)
{
	return wants(o, stream, false);
}

bool output_wants_packets(const struct output *o, unsigned stream)
{
	return wants(o, stream, true);
}

bool output_copies_picture(const struct output *o)
{
	for (unsigned i = 0; i < o->track_count; i++)
		if (o->tracks[i].copy && o->tracks[i].type == AVMEDIA_TYPE_VIDEO)
			return true;
	return false;
}

static bool all_known(const struct output *o)
{
	for (unsigned i = 0; i < o->track_count; i++)
		if (o->tracks[i].mux < 0 && !o->tracks[i].left_out && !o->tracks[i].subtitles)
			return false;
	return true;
}

static int write_pending(struct output *o)
{
	int r = 0;

	for (unsigned i = 0; i < o->pending_count && r >= 0; i++)
		r = ts_output_write(&o->mux, (unsigned)o->tracks[o->pending[i]->stream_index].mux,
				    o->pending[i]);
	drop_pending(o);
	return r;
}

static int begin(struct output *o)
{
	int r = 0;

	o->failed_at = "the muxer";
	for (unsigned i = 0; i < o->track_count && r >= 0; i++) {
		struct track *t = &o->tracks[i];

		if (t->mux < 0 && t->subtitles)
			r = t->mux = ts_output_add(&o->mux, t->subtitles, t->language);
		else if (t->mux < 0)
			t->left_out = true;
	}
	if (r >= 0)
		r = ts_output_begin(&o->mux, o->profile.mux);
	return r < 0 ? r : write_pending(o);
}

/* A packet that is ready for the muxer. */
static int put_packet(struct output *o, unsigned track, const AVPacket *packet)
{
	AVPacket *copy;

	if (o->mux.begun)
		return ts_output_write(&o->mux, (unsigned)o->tracks[track].mux, packet);
	copy = av_packet_clone(packet);
	if (!copy)
		return AVERROR(ENOMEM);
	copy->stream_index = (int)track;
	o->pending[o->pending_count++] = copy;
	if (o->first_90k == AV_NOPTS_VALUE)
		o->first_90k = packet->pts;
	/* what has no time of its own says nothing about how long it has been */
	if (all_known(o) || o->pending_count == OUTPUT_PENDING_MAX ||
	    (packet->pts != AV_NOPTS_VALUE && packet->pts - o->first_90k > WAIT_90K))
		return begin(o);
	return 0;
}

/* libavformat would write any codec into a transport stream, but nobody could play it. */
static int check_codec(struct output *o, enum AVCodecID id)
{
	if (remux_codec_fits(id))
		return 0;
	o->failed_at = "the muxer";
	av_log(NULL, AV_LOG_ERROR, "%s cannot be carried in MPEG-TS\n", avcodec_get_name(id));
	return AVERROR(EINVAL);
}

static int open_encoder(struct output *o, struct track *t, const AVFrame *frame)
{
	AVCodecParameters *parameters;
	int r;

	if (o->mux.begun) {
		t->left_out = true; /* too late to be announced */
		return 0;
	}
	r = check_codec(o, kind_of(o, t->type)->codec->id);
	if (r < 0)
		return r;
	o->failed_at = "the encoder";
	r = encoder_open(&t->encoder, &o->profile, &t->filter, frame);
	if (r < 0)
		return r;
	filter_fix(&t->filter, t->encoder.ctx);
	parameters = avcodec_parameters_alloc();
	if (!parameters)
		return AVERROR(ENOMEM);
	r = avcodec_parameters_from_context(parameters, t->encoder.ctx);
	if (r >= 0)
		r = t->mux = ts_output_add(&o->mux, parameters, t->language);
	avcodec_parameters_free(&parameters);
	return r < 0 ? r : 0;
}

static int encode(struct output *o, struct track *t, AVFrame *frame, bool source_keys)
{
	AVPacket *packet;
	int r;

	if (o->after_90k != TIME_NONE && frame->pts < o->after_90k)
		return 0;
	if (t->encoder.ctx && t->type == AVMEDIA_TYPE_AUDIO && t->filter.frame_size > 0 &&
	    frame->nb_samples < t->filter.frame_size)
		return 0; /* what is left when a graph ends: the encoder takes full ones only */
	o->failed_at = "the encoder";
	r = encoder_put(&t->encoder, frame, source_keys);
	if (r < 0)
		return r;
	while (r >= 0 && (packet = encoder_take(&t->encoder)))
		r = put_packet(o, (unsigned)(t - o->tracks), packet);
	return r;
}

/* Everything the filters have goes through the encoder. */
static int encode_filtered(struct output *o, struct track *t, bool source_keys)
{
	AVFrame *filtered;
	int r = 0;

	while (r >= 0 && !t->left_out && (filtered = filter_take(&t->filter))) {
		bool first = !t->encoder.ctx;

		if (first)
			r = open_encoder(o, t, filtered);
		/* the first piece of sound was cut before the encoder could say how long */
		if (first && t->type == AVMEDIA_TYPE_AUDIO && t->filter.frame_size > 0)
			continue;
		if (r >= 0 && !t->left_out)
			r = encode(o, t, filtered, source_keys);
	}
	return r;
}

static int filter_and_encode(struct output *o, struct track *t, AVFrame *frame, bool source_keys)
{
	int r;

	o->failed_at = "the filters";
	r = filter_put(&t->filter, frame);
	return r < 0 ? r : encode_filtered(o, t, source_keys);
}

static int end_track(struct output *o, struct track *t)
{
	AVPacket *packet;
	int r;

	filter_end(&t->filter);
	r = encode_filtered(o, t, false);
	if (!t->encoder.ctx)
		return r;
	encoder_end(&t->encoder);
	while (r >= 0 && (packet = encoder_take(&t->encoder)))
		r = put_packet(o, (unsigned)(t - o->tracks), packet);
	return r;
}

int output_end(struct output *o)
{
	int r = 0;

	for (unsigned i = 0; i < o->track_count && r >= 0; i++)
		if (!o->tracks[i].copy && !o->tracks[i].left_out)
			r = end_track(o, &o->tracks[i]);
	if (r >= 0 && !o->mux.begun && o->pending_count > 0)
		r = begin(o);
	ts_output_close(&o->mux);
	ts_sink_ended(o->sink);
	return r;
}

void output_jump(struct output *o)
{
	for (unsigned i = 0; i < o->track_count; i++)
		o->tracks[i].wait_key =
			o->tracks[i].copy && o->tracks[i].type == AVMEDIA_TYPE_VIDEO;
}

void output_rewind(struct output *o)
{
	for (unsigned i = 0; i < o->track_count; i++)
		o->tracks[i].rewound = o->tracks[i].put_90k != TIME_NONE;
}

/* True if the track has had this; else it has now.  Frames are told by PTS, packets by DTS. */
static bool taken_before(struct track *t, int64_t time_90k)
{
	if (t->rewound && time_90k <= t->put_90k)
		return true;
	t->rewound = false;
	t->put_90k = time_90k;
	return false;
}

int output_frame(struct output *o, unsigned stream, const AVFrame *frame, AVRational rate,
		 bool source_keys)
{
	int r = 0;

	for (unsigned i = 0; i < o->track_count && r >= 0; i++) {
		struct track *t = &o->tracks[i];
		AVFrame *copy;

		if (t->source != stream || t->copy || t->left_out || taken_before(t, frame->pts))
			continue;
		copy = av_frame_clone(frame);
		if (!copy)
			return AVERROR(ENOMEM);
		if (!t->filter.graph)
			t->filter.input_rate = rate;
		r = filter_and_encode(o, t, copy, source_keys);
		av_frame_free(&copy);
	}
	return r;
}

/* What the output's PMT says of a copied track. */
static enum AVCodecID codec_announced(const struct output *o, const struct track *t)
{
	return o->mux.muxer->streams[t->mux]->codecpar->codec_id;
}

static int copy_packet(struct output *o, struct track *t, const AVPacket *packet,
		       const AVCodecParameters *parameters)
{
	int64_t time = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts;
	int r;

	if (o->after_90k != TIME_NONE && time != AV_NOPTS_VALUE && time < o->after_90k)
		return 0;
	if (t->wait_key && !(packet->flags & AV_PKT_FLAG_KEY))
		return 0;
	t->wait_key = false;
	o->failed_at = "the muxer";
	if (t->mux >= 0 && codec_announced(o, t) != parameters->codec_id) {
		av_log(NULL, AV_LOG_ERROR, "the source's %s has become %s\n",
		       avcodec_get_name(codec_announced(o, t)),
		       avcodec_get_name(parameters->codec_id));
		return AVERROR(EINVAL);
	}
	if (t->mux < 0 && !t->subtitles) {
		r = check_codec(o, parameters->codec_id);
		if (r < 0)
			return r;
		if (o->mux.begun) {
			t->left_out = true;
			return 0;
		}
		t->mux = ts_output_add(&o->mux, parameters, t->language);
		if (t->mux < 0)
			return t->mux;
	}
	return put_packet(o, (unsigned)(t - o->tracks), packet);
}

int output_packet(struct output *o, unsigned stream, const AVPacket *packet,
		  const AVCodecParameters *parameters)
{
	int r = 0;

	for (unsigned i = 0; i < o->track_count && r >= 0; i++)
		if (o->tracks[i].source == stream && o->tracks[i].copy && !o->tracks[i].left_out &&
		    !taken_before(&o->tracks[i], packet->dts))
			r = copy_packet(o, &o->tracks[i], packet, parameters);
	return r;
}
