#include "amps-transcoder/encode/outputs.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "amps-transcoder/av/log.h"
#include "amps-transcoder/encode/sound_frame.h"
#include "common/log/log.h"

static const AVRational ticks = {1, 90000};

void outputs_init(struct outputs *s, struct job *job)
{
	memset(s, 0, sizeof(*s));
	s->job = job;
}

static void close_decoders(struct outputs *s)
{
	for (size_t i = 0; i < array_size(s->decoders); i++) {
		if (s->decoders[i])
			decoder_close(s->decoders[i]);
		free(s->decoders[i]);
		s->decoders[i] = NULL;
	}
}

void outputs_done(struct outputs *s)
{
	close_decoders(s);
	for (unsigned i = 0; i < s->count; i++)
		output_free(s->list[i]);
	s->count = 0;
	hardware_set_done(&s->hardware);
}

static int find(const struct outputs *s, uint32_t id)
{
	for (unsigned i = 0; i < s->count; i++)
		if (s->list[i]->mux->output == id)
			return (int)i;
	return -1;
}

static void switch_off(struct outputs *s, unsigned at)
{
	assert(at < s->count);
	output_free(s->list[at]);
	s->count--;
	memmove(&s->list[at], &s->list[at + 1], (s->count - at) * sizeof(s->list[0]));
}

/* Ends one output and reports why; the other outputs continue. */
static void give_up(struct outputs *s, unsigned at, int averror)
{
	const struct output *o = s->list[at];

	job_report_output_failed(s->job, o->mux->output, o->mux->ops->generation(o->mux),
				 o->failed_at ? o->failed_at : "the output", averror);
	switch_off(s, at);
}

/* Chooses streams now, or when the first ones are known.  False: the output was given up. */
static bool select_streams(struct outputs *s, unsigned at)
{
	if (!s->source || s->source->nb_streams == 0 || output_select(s->list[at], s->source) == 0)
		return true;
	s->list[at]->failed_at = *s->list[at]->lang
					 ? "the source has no sound in this language"
					 : "the source has no stream that the profile wants";
	give_up(s, at, 0);
	return false;
}

static void select_all(struct outputs *s)
{
	for (unsigned i = 0; i < s->count;)
		i += select_streams(s, i);
}

static void switch_on(struct outputs *s, struct job_event *event)
{
	const struct hardware *hardware;
	char problem[ERROR_TEXT_MAX] = "";
	struct output *o;
	int r;

	if (s->count == TUNER_OUTPUTS_MAX)
		return;
	r = hardware_settle(&s->hardware, s->job, event->spec, &hardware, problem, sizeof(problem));
	if (r == 0)
		r = output_new(s->job, event, hardware, &o, problem, sizeof(problem));
	if (r < 0) {
		job_report_output_failed(s->job, event->output, event->generation,
					 problem[0] ? problem : strerror(-r), 0);
		return;
	}
	s->joined |= s->count > 0 && s->source;
	assert(s->count < TUNER_OUTPUTS_MAX && find(s, event->output) < 0);
	s->list[s->count++] = o;
	select_streams(s, s->count - 1);
}

void outputs_event(struct outputs *s, struct job_event *event)
{
	int at = find(s, event->output);
	int r;

	if (event->kind == JOB_EVENT_OUTPUT_OFF) {
		if (at >= 0)
			switch_off(s, (unsigned)at);
		return;
	}
	if (at < 0) {
		switch_on(s, event);
		return;
	}
	event->continue_90k = TIME_NONE;
	r = s->list[at]->mux->ops->attach(s->list[at]->mux, event);
	if (r < 0)
		log_warn("a larger ring cannot be used (%s), staying with the old one output=%u",
			 strerror(-r), event->output);
}

int64_t outputs_continue_90k(const struct outputs *s)
{
	int64_t latest = TIME_NONE;

	for (unsigned i = 0; i < s->count; i++)
		if (s->list[i]->after_90k != TIME_NONE)
			latest = MAX(latest, s->list[i]->after_90k);
	return latest;
}

/* Number of streams whose type is known. */
static unsigned known_streams(const AVFormatContext *source)
{
	unsigned n = 0;

	for (unsigned i = 0; i < source->nb_streams; i++)
		n += source->streams[i]->codecpar->codec_type != AVMEDIA_TYPE_UNKNOWN;
	return n;
}

void outputs_set_source(struct outputs *s, AVFormatContext *source)
{
	close_decoders(s);
	s->source = source;
	if (!source)
		return;
	if (s->begun)
		timeline_restart(&s->timeline);
	else
		timeline_init(&s->timeline, outputs_continue_90k(s), s->same_clock);
	s->begun = true;
	memset(s->sound_90k, 0, sizeof(s->sound_90k));
	memset(s->undecodable, 0, sizeof(s->undecodable));
	s->stream_count = known_streams(source);
	for (unsigned i = 0; i < s->count; i++)
		output_jump(s->list[i]);
	select_all(s);
}

void outputs_rewind(struct outputs *s, AVFormatContext *source)
{
	for (unsigned i = 0; i < s->count; i++)
		output_rewind(s->list[i]);
	outputs_set_source(s, source);
	timeline_rewind(&s->timeline);
}

/* Pictures that are copied have the source's key frames, and the other variants the same ones. */
static enum key_frames key_frames(const struct outputs *s)
{
	for (unsigned i = 0; i < s->count; i++)
		if (output_copies_picture(s->list[i]))
			return KEYS_SOURCE;
	return job_spec_bool(s->job, "source_keys") ? KEYS_BOTH : KEYS_RULE;
}

void outputs_frame(struct outputs *s, unsigned index, const AVFrame *frame, AVRational rate)
{
	enum key_frames keys = key_frames(s);

	for (unsigned i = 0; i < s->count;) {
		int r = output_frame(s->list[i], index, frame, rate, keys);

		if (r < 0)
			give_up(s, i, r);
		else
			i++;
	}
}

static bool frames_wanted(const struct outputs *s, unsigned stream)
{
	for (unsigned i = 0; i < s->count; i++)
		if (output_wants_frames(s->list[i], stream))
			return true;
	return false;
}

/* There is no decoder for this stream: each output continues without it, or is given up if no other
 * stream is left. */
static void leave_out(struct outputs *s, unsigned index)
{
	s->undecodable[index] = true;
	for (unsigned i = 0; i < s->count;) {
		int r = output_undecodable(s->list[i], index);

		if (r < 0)
			give_up(s, i, r);
		else
			i++;
	}
}

/* Outputs in software get the pictures of a device, too: they are decoded once. */
static const struct hardware *decodes_on(const struct outputs *s, unsigned index)
{
	const struct hardware *hardware = NULL;

	for (unsigned i = 0; !hardware && i < s->count; i++)
		hardware = output_decodes_on(s->list[i], index);
	return hardware;
}

static bool open_decoder(struct outputs *s, unsigned index)
{
	struct decoder *d = calloc(1, sizeof(*d));

	assert(index < array_size(s->decoders) && !s->decoders[index]);
	if (d && decoder_open(d, s->source->streams[index]->codecpar, decodes_on(s, index)) >= 0) {
		s->decoders[index] = d;
		return true;
	}
	free(d);
	leave_out(s, index);
	return false;
}

static void take_frames(struct outputs *s, unsigned index)
{
	struct decoder *d = s->decoders[index];
	AVRational rate = d->ctx->framerate;
	AVFrame *frame;

	while ((frame = decoder_take(d)))
		outputs_frame(s, index, frame, rate);
}

static void decode(struct outputs *s, const AVPacket *packet)
{
	unsigned index = (unsigned)packet->stream_index;

	if (s->undecodable[index] || (!s->decoders[index] && !open_decoder(s, index)))
		return;
	decoder_put(s->decoders[index], packet);
	take_frames(s, index);
}

/* Chooses again when further streams have become known. */
static void see_new_streams(struct outputs *s)
{
	unsigned known = known_streams(s->source);

	if (known == s->stream_count)
		return;
	s->stream_count = known;
	select_all(s);
}

/* Duration of a packet of sound where the demuxer does not know it.  Only some frames of a stream
 * contain it; the others have the same duration. */
static int64_t sound_length_90k(struct outputs *s, unsigned stream, const AVPacket *packet)
{
	int64_t length = sound_frame_length_90k(packet->data, (size_t)MAX(packet->size, 0));

	if (length > 0)
		s->sound_90k[stream] = length;
	return s->sound_90k[stream];
}

/* Maps the times of the packet to the timeline and fills in missing ones.  False: drop the packet.
 */
static bool set_times(struct outputs *s, const AVStream *stream, AVPacket *packet)
{
	unsigned index = (unsigned)packet->stream_index;
	bool sound = stream->codecpar->codec_type == AVMEDIA_TYPE_AUDIO;
	bool leads = sound || stream->codecpar->codec_type == AVMEDIA_TYPE_VIDEO;
	int64_t duration;

	av_packet_rescale_ts(packet, stream->time_base, ticks);
	if (sound && packet->duration <= 0)
		packet->duration = sound_length_90k(s, index, packet);
	duration = MAX(packet->duration, 0);
	timeline_map(&s->timeline, index, leads, &packet->pts, &packet->dts, duration);
	if (packet->pts == AV_NOPTS_VALUE && (sound || packet->dts == AV_NOPTS_VALUE)) {
		packet->dts = timeline_follow(&s->timeline, index, leads, duration);
		packet->pts = sound ? packet->dts : AV_NOPTS_VALUE;
	}
	return leads || packet->dts != AV_NOPTS_VALUE;
}

static bool wanted(const struct outputs *s, unsigned stream)
{
	for (unsigned i = 0; i < s->count; i++)
		if (output_wants_packets(s->list[i], stream) ||
		    output_wants_frames(s->list[i], stream))
			return true;
	return false;
}

void outputs_packet(struct outputs *s, AVPacket *packet)
{
	unsigned index = (unsigned)packet->stream_index;
	AVStream *stream;

	if (index >= TIMELINE_STREAMS_MAX)
		return;
	assert(s->source && index < s->source->nb_streams);
	see_new_streams(s);
	stream = s->source->streams[index];
	/* streams of other programmes must not move the timeline: they have their own clock */
	if (!wanted(s, index) || !set_times(s, stream, packet))
		return;
	for (unsigned i = 0; i < s->count;) {
		int r = output_wants_packets(s->list[i], index)
				? output_packet(s->list[i], index, packet, stream->codecpar)
				: 0;

		if (r < 0)
			give_up(s, i, r);
		else
			i++;
	}
	if (frames_wanted(s, index))
		decode(s, packet);
}

void outputs_drain(struct outputs *s)
{
	for (unsigned i = 0; i < array_size(s->decoders); i++) {
		if (!s->decoders[i])
			continue;
		decoder_put(s->decoders[i], NULL);
		take_frames(s, i);
	}
}

void outputs_end(struct outputs *s)
{
	for (unsigned i = 0; i < s->count;) {
		int r = output_end(s->list[i]);

		if (r < 0)
			give_up(s, i, r);
		else
			i++;
	}
}
