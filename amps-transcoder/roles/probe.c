/* probe.c - see roles.h */
#include <jansson.h>

#include "amps-transcoder/roles/intake.h"
#include "amps-transcoder/roles/roles.h"
#include "common/text/text.h"

#define TEXT_MAX 256

/* Nothing is played, so no order comes. */
static void take_order(void *owner, struct job_event *e)
{
	(void)owner;
	(void)e;
}

static bool is_ready(const void *owner)
{
	(void)owner;
	return true;
}

static void on_ended(void *owner)
{
	(void)owner;
}

static const struct intake_target no_target = {
	.order = take_order, .ready = is_ready, .running = is_ready, .ended = on_ended};

/* Sets a text of the source, which may be no UTF-8; nothing if there is none. */
static void set_text(json_t *object, const char *key, const char *text)
{
	char copy[TEXT_MAX];

	if (!text || !*text)
		return;
	text_copy_foreign(copy, sizeof(copy), text);
	json_object_set_new(object, key, json_string(copy));
}

static void set_number(json_t *object, const char *key, int64_t number)
{
	if (number > 0)
		json_object_set_new(object, key, json_integer(number));
}

static void set_tag(json_t *object, const char *key, const AVDictionary *tags)
{
	const AVDictionaryEntry *tag = av_dict_get(tags, key, NULL, 0);

	set_text(object, key, tag ? tag->value : NULL);
}

static void describe_picture(json_t *object, AVFormatContext *ic, AVStream *stream)
{
	AVRational rate = av_guess_frame_rate(ic, stream, NULL);

	set_number(object, "width", stream->codecpar->width);
	set_number(object, "height", stream->codecpar->height);
	if (rate.num > 0 && rate.den > 0)
		json_object_set_new(object, "frame_rate", json_real(av_q2d(rate)));
}

/* An attached picture (a cover) is a stream, too. */
static json_t *describe_stream(AVFormatContext *ic, AVStream *stream)
{
	const AVCodecParameters *par = stream->codecpar;
	const char *type = av_get_media_type_string(par->codec_type);
	json_t *object =
		json_pack("{s:i, s:s}", "index", stream->index, "type", type ? type : "unknown");

	set_text(object, "codec", avcodec_get_name(par->codec_id));
	set_text(object, "profile", avcodec_profile_name(par->codec_id, par->profile));
	set_tag(object, "language", stream->metadata);
	set_tag(object, "title", stream->metadata);
	set_number(object, "bit_rate", par->bit_rate);
	if (par->codec_type == AVMEDIA_TYPE_VIDEO)
		describe_picture(object, ic, stream);
	if (par->codec_type == AVMEDIA_TYPE_AUDIO) {
		set_number(object, "sample_rate", par->sample_rate);
		set_number(object, "channels", par->ch_layout.nb_channels);
	}
	return object;
}

static json_t *describe(const struct source *s, AVFormatContext *ic)
{
	json_t *streams = json_array();
	json_t *object = json_pack("{s:s, s:b, s:o}", "format", ic->iformat->name, "live", s->live,
				   "streams", streams);

	for (unsigned i = 0; i < ic->nb_streams; i++)
		json_array_append_new(streams, describe_stream(ic, ic->streams[i]));
	if (!s->live && ic->duration > 0)
		json_object_set_new(object, "duration_seconds",
				    json_real((double)ic->duration / AV_TIME_BASE));
	return object;
}

int probe_run(struct job *job, json_t **ret)
{
	struct intake in = {0};
	AVFormatContext *ic = NULL;
	int code = 0, r;

	if (intake_init(&in, job, &no_target, &in, &code) == INTAKE_ON) {
		intake_set_deadline(&in);
		r = source_open(&in.source);
		if (r >= 0)
			r = source_demuxer_open(&in.source, &ic);
		if (r >= 0)
			*ret = describe(&in.source, ic);
		else
			code = intake_failed(&in, r);
		if (ic)
			source_demuxer_close(&in.source, &ic);
	}
	source_close(&in.source);
	return code;
}
