#include "amps-transcoder/encode/output.h"

#include <assert.h>
#include <string.h>

#include "common/log/log.h"
#include "common/text/text.h"

/* How long the muxer waits, on the timeline: for a further stream, for the only picture or sound,
 * for frames inside a filter ("loudnorm" delays by three seconds, "dynaudnorm" by sixteen). */
#define WAIT_FURTHER_90K  135000
#define WAIT_ONLY_90K	  450000
#define WAIT_FILTERED_90K 1080000

#define LAG_MAX_90K  2700000 /* do not wait for a stream that lags more */
#define PASSED_90K   45000   /* a packet so far behind the others is too late for any player */
#define START_TENTHS 9	     /* of start_timeout; then the muxer begins in any case */

int output_new(struct job *job, struct job_event *event, const struct hardware *hardware,
	       struct output **ret, char *problem, size_t cap)
{
	struct output *o = calloc(1, sizeof(*o));
	int r = -ENOMEM;

	if (!o)
		return r;
	o->job = job;
	o->hardware = hardware;
	o->form = event->form;
	text_copy(o->lang, sizeof(o->lang), event->track);
	o->spec = json_incref(event->spec);
	o->after_90k = event->continue_90k;
	o->newest_90k = AV_NOPTS_VALUE;
	o->begin_until_us = clock_mono_us() +
			    (uint64_t)job_spec_int(job, "start_timeout_ms", JOB_START_TIMEOUT_MS) *
				    1000 / 10 * START_TENTHS;
	/* the outputs share one continued timeline, so the sink does not rewrite times */
	event->continue_90k = TIME_NONE;
	r = profile_init(&o->profile, event->spec, NULL, problem, cap);
	if (r == 0)
		r = muxer_new(o->form,
			      o->profile.audio.codec ? o->profile.audio.codec->id
						     : AV_CODEC_ID_NONE,
			      job, event, o->profile.metadata, o->profile.mux, &o->mux);
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
	muxer_free(o->mux);
	drop_pending(o);
	for (unsigned i = 0; i < o->track_count; i++) {
		filter_done(&o->tracks[i].filter);
		profile_done(&o->tracks[i].profile);
		avcodec_parameters_free(&o->tracks[i].parameters);
		encoder_close(&o->tracks[i].encoder);
	}
	profile_done(&o->profile);
	json_decref(o->spec);
	free(o);
	return NULL;
}

void track_set_state(struct track *t, enum track_state state)
{
	assert(state > t->state && t->state != TRACK_READY);
	t->state = state;
}

const struct profile_kind *output_kind(const struct profile *p, enum AVMediaType type)
{
	return type == AVMEDIA_TYPE_VIDEO ? &p->video : &p->audio;
}

/* True if the stream feeds the track. */
static bool is_fed(const struct track *t, unsigned stream)
{
	for (unsigned i = 0; i < t->input_count; i++)
		if (t->inputs[i].stream == stream)
			return t->state != TRACK_LEFT_OUT;
	return false;
}

static bool wants(const struct output *o, unsigned stream, bool copy)
{
	for (unsigned i = 0; i < o->track_count; i++)
		if (o->tracks[i].copy == copy && is_fed(&o->tracks[i], stream))
			return true;
	return false;
}

bool output_wants_frames(const struct output *o, unsigned stream)
{
	return wants(o, stream, false);
}

const struct hardware *output_decodes_on(const struct output *o, unsigned stream)
{
	for (unsigned i = 0; o->hardware && i < o->track_count; i++)
		if (o->tracks[i].type == AVMEDIA_TYPE_VIDEO && !o->tracks[i].copy &&
		    is_fed(&o->tracks[i], stream))
			return o->hardware;
	return NULL;
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

static bool is_ready(const struct output *o, enum AVMediaType type)
{
	for (unsigned i = 0; i < o->track_count; i++)
		if (o->tracks[i].type == type && o->tracks[i].state == TRACK_READY)
			return true;
	return false;
}

static bool has_taken(const struct track *t)
{
	for (unsigned i = 0; i < array_size(t->inputs); i++)
		if (t->inputs[i].put_90k != TIME_NONE)
			return true;
	return false;
}

/* How long the muxer still waits for streams, from the first packet that is ready for it. */
static int64_t patience_90k(const struct output *o)
{
	int64_t longest = 0;

	for (unsigned i = 0; i < o->track_count; i++) {
		const struct track *t = &o->tracks[i];

		if (t->state != TRACK_AWAITED)
			continue;
		if (!t->copy && has_taken(t))
			longest = MAX(longest, WAIT_FILTERED_90K);
		else if (is_ready(o, t->type))
			longest = MAX(longest, WAIT_FURTHER_90K);
		else
			longest = MAX(longest, WAIT_ONLY_90K);
	}
	return longest;
}

static int write_pending(struct output *o)
{
	int r = 0;

	for (unsigned i = 0; i < o->pending_count && r >= 0; i++)
		r = muxer_write(o->mux, (unsigned)o->pending[i]->stream_index, o->pending[i]);
	drop_pending(o);
	return r;
}

/* Describes a known track for the muxer. */
static struct muxer_stream stream_of(const struct output *o, const struct track *t)
{
	bool subtitles = t->type == AVMEDIA_TYPE_SUBTITLE;

	return (struct muxer_stream){.parameters = t->parameters,
				     .language = t->language,
				     .disposition = t->disposition,
				     .id = o->profile.ids[t - o->tracks],
				     .bsf = subtitles ? NULL
						      : output_kind(&t->profile, t->type)->bsf};
}

/* Writes the tables for the known streams; again whenever the set has changed. */
static int announce(struct output *o, bool cut)
{
	struct muxer_stream streams[MUXER_STREAMS_MAX] = {0};

	o->failed_at = "the muxer";
	for (unsigned i = 0; i < o->track_count; i++)
		if (o->tracks[i].state == TRACK_READY)
			streams[i] = stream_of(o, &o->tracks[i]);
	for (unsigned i = 0; i < o->track_count; i++)
		if (o->mux->begun && streams[i].parameters && !o->mux->carries[i])
			o->tracks[i].from_90k = muxer_time_90k(o->mux) - PASSED_90K;
	return muxer_begin(o->mux, streams, o->track_count, o->lag_90k, cut);
}

static int begin(struct output *o)
{
	int r;

	assert(!o->mux->begun);
	for (unsigned i = 0; i < o->track_count; i++) {
		struct track *t = &o->tracks[i];

		if (t->state != TRACK_AWAITED)
			continue;
		track_set_state(t, TRACK_LATE);
		job_report_notice(o->job, "%s has no data yet, going on without it until it comes",
				  t->name);
	}
	r = announce(o, false);
	return r < 0 ? r : write_pending(o);
}

/* The track's parameters are known, with its first frame or packet. */
static void track_ready(struct output *o, struct track *t, int64_t time_90k)
{
	if (time_90k != AV_NOPTS_VALUE && o->newest_90k != AV_NOPTS_VALUE)
		o->lag_90k = MAX(o->lag_90k, MIN(o->newest_90k - time_90k, LAG_MAX_90K));
	if (t->state == TRACK_LATE)
		log_info("%s has come, taking it in channel=%s", t->name, o->job->key);
	track_set_state(t, TRACK_READY);
}

/* True if the muxer should begin although streams are missing.  A packet without a time cannot
 * tell. */
static bool must_begin(const struct output *o, const AVPacket *packet)
{
	int64_t patience = patience_90k(o), first = o->pending[0]->pts;

	if (patience == 0 || o->pending_count == OUTPUT_PENDING_MAX ||
	    clock_mono_us() > o->begin_until_us)
		return true;
	return packet->pts != AV_NOPTS_VALUE && first != AV_NOPTS_VALUE &&
	       packet->pts - first > patience;
}

/* True for a packet of a late stream if the other streams are already far past its time. */
static bool passed(const struct track *t, const AVPacket *packet)
{
	return packet->dts != AV_NOPTS_VALUE && packet->dts < t->from_90k;
}

/* Takes a packet that is ready for the muxer. */
static int put_packet(struct output *o, unsigned track, const AVPacket *packet)
{
	AVPacket *copy;

	assert(track < o->track_count && o->tracks[track].state == TRACK_READY);
	if (packet->dts != AV_NOPTS_VALUE)
		o->newest_90k = MAX(o->newest_90k, packet->dts);
	if (o->mux->begun) {
		int r = o->mux->carries[track] ? 0 : announce(o, false);

		if (r < 0 || passed(&o->tracks[track], packet))
			return r;
		return muxer_write(o->mux, track, packet);
	}
	copy = av_packet_clone(packet);
	if (!copy)
		return AVERROR(ENOMEM);
	assert(o->pending_count < OUTPUT_PENDING_MAX);
	copy->stream_index = (int)track;
	o->pending[o->pending_count++] = copy;
	return must_begin(o, packet) ? begin(o) : 0;
}

static bool others_are_left(const struct output *o, const struct track *t, bool of_its_kind)
{
	for (unsigned i = 0; i < o->track_count; i++) {
		const struct track *other = &o->tracks[i];

		if (other != t && other->state != TRACK_LEFT_OUT &&
		    (of_its_kind ? other->type == t->type : other->type != AVMEDIA_TYPE_SUBTITLE))
			return true;
	}
	return false;
}

/* Stops waiting for a track that was left out. */
static int begin_without(struct output *o)
{
	return !o->mux->begun && o->pending_count > 0 && patience_90k(o) == 0 ? begin(o) : 0;
}

int output_undecodable(struct output *o, unsigned stream)
{
	for (unsigned i = 0; i < o->track_count; i++) {
		struct track *t = &o->tracks[i];

		if (t->copy || !is_fed(t, stream))
			continue;
		o->failed_at = t->name;
		if (t->state != TRACK_READY && !others_are_left(o, t, false))
			return AVERROR_DECODER_NOT_FOUND;
		if (t->state != TRACK_READY)
			track_set_state(t, TRACK_LEFT_OUT);
		job_report_notice(o->job, "%s cannot be decoded here, going on without it",
				  t->name);
	}
	return begin_without(o);
}

/* libavformat writes any codec into a transport stream, but no player would play the result. */
static int check_codec(struct output *o, enum AVCodecID id, const char *name)
{
	if (o->mux->ops->fits(id))
		return 0;
	o->failed_at = "the muxer";
	av_log(NULL, AV_LOG_ERROR, "%s cannot be carried in %s\n", name, o->mux->ops->name);
	return AVERROR(EINVAL);
}

static int open_encoder(struct output *o, struct track *t, const AVFrame *frame)
{
	enum AVCodecID id = output_kind(&t->profile, t->type)->codec->id;
	int r = check_codec(o, id, avcodec_get_name(id));

	if (r < 0)
		return r;
	assert(!t->parameters && !t->copy);
	o->failed_at = "the encoder";
	r = encoder_open(&t->encoder, &t->profile, &t->filter, frame);
	if (r < 0)
		return r;
	filter_fix(&t->filter, t->encoder.ctx);
	t->parameters = avcodec_parameters_alloc();
	if (!t->parameters)
		return AVERROR(ENOMEM);
	r = avcodec_parameters_from_context(t->parameters, t->encoder.ctx);
	if (r >= 0)
		track_ready(o, t, frame->pts);
	return r;
}

static int encode(struct output *o, struct track *t, AVFrame *frame, enum key_frames keys)
{
	AVPacket *packet;
	int r;

	if (o->after_90k != TIME_NONE && frame->pts < o->after_90k)
		return 0;
	if (t->encoder.ctx && t->type == AVMEDIA_TYPE_AUDIO && t->filter.frame_size > 0 &&
	    frame->nb_samples < t->filter.frame_size)
		return 0; /* the rest when a graph ends: the encoder takes only full frames */
	o->failed_at = "the encoder";
	r = encoder_put(&t->encoder, frame, keys);
	if (r < 0)
		return r;
	while (r >= 0 && (packet = encoder_take(&t->encoder)))
		r = put_packet(o, (unsigned)(t - o->tracks), packet);
	return r;
}

/* Encodes all frames that the filters have ready. */
static int encode_filtered(struct output *o, struct track *t, enum key_frames keys)
{
	AVFrame *filtered;
	int r = 0;

	while (r >= 0 && (filtered = filter_take(&t->filter))) {
		bool first = !t->encoder.ctx;

		if (first)
			r = open_encoder(o, t, filtered);
		/* the first piece of sound was cut before the frame size of the encoder was known
		 */
		if (first && t->type == AVMEDIA_TYPE_AUDIO && t->filter.frame_size > 0)
			continue;
		if (r >= 0)
			r = encode(o, t, filtered, keys);
	}
	return r;
}

static int filter_and_encode(struct output *o, struct track *t, unsigned input, AVFrame *frame,
			     enum key_frames keys)
{
	int r;

	o->failed_at = "the filters";
	r = filter_put(&t->filter, input, frame);
	return r < 0 ? r : encode_filtered(o, t, keys);
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
		if (!o->tracks[i].copy && o->tracks[i].state != TRACK_LEFT_OUT)
			r = end_track(o, &o->tracks[i]);
	if (r >= 0 && !o->mux->begun && o->pending_count > 0)
		r = begin(o);
	muxer_end(o->mux);
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
		for (unsigned n = 0; n < array_size(o->tracks[i].inputs); n++) {
			struct track_input *in = &o->tracks[i].inputs[n];

			in->rewound = in->put_90k != TIME_NONE;
		}
}

/* True if the track has already taken this time, else remembers it.  The time is the PTS of a frame
 * or the DTS of a packet. */
static bool taken_before(struct track_input *in, int64_t time_90k)
{
	if (in->rewound && time_90k <= in->put_90k)
		return true;
	in->rewound = false;
	in->put_90k = time_90k;
	return false;
}

static int put_frame(struct output *o, struct track *t, unsigned input, const AVFrame *frame,
		     AVRational rate, enum key_frames keys)
{
	AVFrame *copy;
	int r;

	if (taken_before(&t->inputs[input], frame->pts))
		return 0;
	copy = av_frame_clone(frame);
	if (!copy)
		return AVERROR(ENOMEM);
	if (!t->filter.graph)
		t->filter.inputs[input].rate = rate;
	r = filter_and_encode(o, t, input, copy, keys);
	av_frame_free(&copy);
	return r;
}

int output_frame(struct output *o, unsigned stream, const AVFrame *frame, AVRational rate,
		 enum key_frames keys)
{
	int r = 0;

	for (unsigned i = 0; i < o->track_count && r >= 0; i++) {
		struct track *t = &o->tracks[i];

		if (t->copy || !is_fed(t, stream))
			continue;
		/* a graph may take one stream twice */
		for (unsigned n = 0; n < t->input_count && r >= 0; n++)
			if (t->inputs[n].stream == stream)
				r = put_frame(o, t, n, frame, rate, keys);
	}
	return r;
}

/* Handles the first packet of a copied track, and the first after its source changed the codec. */
static int know_codec(struct output *o, struct track *t, const AVCodecParameters *parameters,
		      int64_t time_90k)
{
	bool known = t->state == TRACK_READY;
	int r;

	if (!known && !o->mux->ops->fits(parameters->codec_id) && others_are_left(o, t, true)) {
		track_set_state(t, TRACK_LEFT_OUT);
		job_report_notice(o->job, "%s cannot carry %s, going on without it",
				  o->mux->ops->name, t->name);
		return begin_without(o);
	}
	r = check_codec(o, parameters->codec_id, t->name);
	if (r < 0)
		return r;
	if (!t->parameters)
		t->parameters = avcodec_parameters_alloc();
	r = t->parameters ? avcodec_parameters_copy(t->parameters, parameters) : AVERROR(ENOMEM);
	if (r < 0)
		return r;
	if (!known)
		track_ready(o, t, time_90k);
	else if (o->mux->begun)
		r = announce(o, true);
	return r;
}

static int copy_packet(struct output *o, struct track *t, const AVPacket *packet,
		       const AVCodecParameters *parameters)
{
	int64_t time = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts;
	int r = 0;

	if (o->after_90k != TIME_NONE && time != AV_NOPTS_VALUE && time < o->after_90k)
		return 0;
	if (t->wait_key && !(packet->flags & AV_PKT_FLAG_KEY))
		return 0;
	t->wait_key = false;
	o->failed_at = "the muxer";
	if (t->state != TRACK_READY || t->parameters->codec_id != parameters->codec_id)
		r = know_codec(o, t, parameters, time);
	if (r < 0 || t->state == TRACK_LEFT_OUT)
		return r;
	return put_packet(o, (unsigned)(t - o->tracks), packet);
}

int output_packet(struct output *o, unsigned stream, const AVPacket *packet,
		  const AVCodecParameters *parameters)
{
	int r = 0;

	for (unsigned i = 0; i < o->track_count && r >= 0; i++)
		if (o->tracks[i].copy && is_fed(&o->tracks[i], stream) &&
		    !taken_before(&o->tracks[i].inputs[0], packet->dts))
			r = copy_packet(o, &o->tracks[i], packet, parameters);
	return r;
}
