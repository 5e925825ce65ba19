#include "amps-transcoder/options/profile.h"

#include <libavutil/parseutils.h>
#include <libavutil/pixdesc.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "amps-transcoder/options/hardware_name.h"
#include "amps-transcoder/options/options.h"
#include "amps-transcoder/options/value.h"
#include "common/text/text.h"

/* One option of the profile. */
struct pair {
	const char *name, *value; /* value NULL = a bare flag */
	char media;
};

static int set_codec(struct profile_kind *k, enum AVMediaType type, const char *value,
		     char *problem, size_t cap)
{
	if (strcmp(value, "copy") == 0) {
		k->use = USE_COPY;
		return 0;
	}
	k->codec = option_encoder(value, type);
	k->named = k->codec != NULL;
	if (k->codec)
		return 0;
	snprintf(problem, cap, "unknown encoder '%.64s'", value);
	return -EINVAL;
}

static int set_codecs(struct profile *p, const struct pair *o, char *problem, size_t cap)
{
	int r = 0;

	if (o->media == 's' || o->media == 0)
		p->subtitles = strcmp(o->value, "copy") == 0;
	if (o->media == 0 && strcmp(o->value, "copy") != 0) {
		if (option_encoder(o->value, AVMEDIA_TYPE_VIDEO))
			return set_codec(&p->video, AVMEDIA_TYPE_VIDEO, o->value, problem, cap);
		return set_codec(&p->audio, AVMEDIA_TYPE_AUDIO, o->value, problem, cap);
	}
	if (o->media == 'v' || o->media == 0)
		r = set_codec(&p->video, AVMEDIA_TYPE_VIDEO, o->value, problem, cap);
	if (r == 0 && (o->media == 'a' || o->media == 0))
		r = set_codec(&p->audio, AVMEDIA_TYPE_AUDIO, o->value, problem, cap);
	return r;
}

static int set_filter(struct profile *p, const struct pair *o)
{
	struct profile_kind *k = o->media == 'a' ? &p->audio : &p->video;

	free(k->filter);
	k->filter = strdup(o->value);
	return k->filter ? 0 : -ENOMEM;
}

static int set_bsf(struct profile *p, const struct pair *o)
{
	struct profile_kind *kinds[] = {&p->video, &p->audio};

	for (size_t i = 0; i < array_size(kinds); i++) {
		if (o->media && o->media != "va"[i])
			continue;
		free(kinds[i]->bsf);
		kinds[i]->bsf = strdup(o->value);
		if (!kinds[i]->bsf)
			return -ENOMEM;
	}
	return 0;
}

static int set_map(struct profile *p, const char *value)
{
	if (p->map_count == PROFILE_MAPS_MAX)
		return -EINVAL;
	return stream_map_parse(value, &p->maps[p->map_count]) < 0 ? -EINVAL : (p->map_count++, 0);
}

/* The programme's, or a stream's. */
static void set_metadata(struct profile *p, char media, const char *value)
{
	AVDictionary **all = media == 'v'   ? &p->video.metadata
			     : media == 'a' ? &p->audio.metadata
					    : &p->metadata;
	const char *equals = strchr(value, '=');
	char key[128];

	if (!equals || (size_t)(equals - value) >= sizeof(key))
		return;
	memcpy(key, value, (size_t)(equals - value));
	key[equals - value] = '\0';
	/* ffmpeg's name; the muxer uses the other one */
	if (strcmp(key, "provider") == 0)
		text_copy(key, sizeof(key), "service_provider");
	av_dict_set(all, key, equals + 1, 0);
}

static int set_quality(struct profile *p, const struct pair *o)
{
	/* libav has no option "q": ffmpeg sets the flag and the quality for it */
	struct profile_kind *k = o->media == 'a' ? &p->audio : &p->video;
	char text[32];

	snprintf(text, sizeof(text), "%.0f", strtod(o->value, NULL) * FF_QP2LAMBDA);
	av_dict_set(&k->options, "global_quality", text, 0);
	av_dict_set(&k->options, "flags", "+qscale", AV_DICT_APPEND);
	return 0;
}

/* Options without a value that switch something off. */
static bool set_flag(struct profile *p, const struct pair *o)
{
	if (strcmp(o->name, "vn") == 0 || strcmp(o->name, "audio_only") == 0)
		p->video.use = option_flag_on(o->value) ? USE_OFF : p->video.use;
	else if (strcmp(o->name, "an") == 0)
		p->audio.use = option_flag_on(o->value) ? USE_OFF : p->audio.use;
	else if (strcmp(o->name, "sn") == 0)
		p->without_subtitles = option_flag_on(o->value);
	else if (strcmp(o->name, "deinterlace") == 0)
		p->deinterlace = option_flag_on(o->value);
	else
		return false;
	return true;
}

static int set_picture(struct profile *p, const struct pair *o)
{
	const char *value = o->value;

	if (strcmp(o->name, "r") == 0)
		return av_parse_video_rate(&p->rate, value);
	if (strcmp(o->name, "fpsmax") == 0)
		return av_parse_video_rate(&p->rate_max, value);
	if (strcmp(o->name, "fps_mode") == 0)
		return value_fps_mode(value, &p->steady);
	if (strcmp(o->name, "force_key_frames") == 0) {
		p->key_frames = value;
		return 0;
	}
	if (strcmp(o->name, "s") == 0)
		return av_parse_video_size(&p->width, &p->height, value);
	if (strcmp(o->name, "aspect") == 0)
		return text_copy(p->aspect, sizeof(p->aspect), value) ? 0 : -EINVAL;
	p->pix_fmt = av_get_pix_fmt(*value == '+' ? value + 1 : value);
	return p->pix_fmt == AV_PIX_FMT_NONE ? -EINVAL : 0;
}

static int set_sound(struct profile *p, const struct pair *o)
{
	long n = strtol(o->value, NULL, 10);

	if (strcmp(o->name, "vol") == 0) {
		p->volume = (int)MIN(MAX(n, 0), 1 << 16);
		return 0;
	}
	if (strcmp(o->name, "sample_fmt") == 0) {
		p->sample_fmt = av_get_sample_fmt(o->value);
		return p->sample_fmt == AV_SAMPLE_FMT_NONE ? -EINVAL : 0;
	}
	if (strcmp(o->name, "ar") == 0 || strcmp(o->name, "ac") == 0) {
		if (n <= 0 || n > 768000)
			return -EINVAL;
		if (o->name[1] == 'r')
			p->sample_rate = (int)n;
		else
			p->channels = (int)MIN(n, 64);
		return 0;
	}
	return text_copy(p->layout, sizeof(p->layout), o->value) ? 0 : -EINVAL;
}

static int set_disposition(struct profile *p, const struct pair *o)
{
	int flags = 0;

	if (o->media != 'a' && o->media != 's')
		p->video.disposition = o->value;
	if (o->media != 'v' && o->media != 's')
		p->audio.disposition = o->value;
	return value_disposition(o->value, &flags);
}

static int set_stream_id(struct profile *p, const struct pair *o)
{
	unsigned stream, id;
	int r = value_stream_id(o->value, &stream, &id);

	if (r == 0)
		p->ids[stream] = id;
	return r;
}

/* An option of the ffmpeg command, which this program implements itself. */
static int set_own(struct profile *p, const struct pair *o, char *problem, size_t cap)
{
	static const char *const picture[] = {"r", "fpsmax", "fps_mode", "force_key_frames",
					      "s", "aspect", "pix_fmt"};
	static const char *const sound[] = {"ar",	 "ac",	"channel_layout",
					    "ch_layout", "vol", "sample_fmt"};

	if (strcmp(o->name, "loudness") == 0)
		return value_loudness(o->value, &p->loudness);
	if (set_flag(p, o) || !o->value)
		return 0;
	if (strcmp(o->name, "disposition") == 0)
		return set_disposition(p, o);
	if (strcmp(o->name, "streamid") == 0)
		return set_stream_id(p, o);
	if (strcmp(o->name, "c") == 0)
		return set_codecs(p, o, problem, cap);
	if (strcmp(o->name, "filter") == 0)
		return set_filter(p, o);
	if (strcmp(o->name, "filter_complex") == 0)
		return complex_add(&p->complex, o->value, problem, cap);
	if (strcmp(o->name, "map") == 0)
		return set_map(p, o->value);
	if (strcmp(o->name, "q") == 0)
		return set_quality(p, o);
	if (strcmp(o->name, "bsf") == 0)
		return set_bsf(p, o);
	if (strcmp(o->name, "sws_flags") == 0)
		return text_copy(p->sws_flags, sizeof(p->sws_flags), o->value) ? 0 : -EINVAL;
	if (strcmp(o->name, "metadata") == 0 && (!o->media || strchr("gva", o->media)))
		set_metadata(p, o->media, o->value);
	for (size_t i = 0; i < array_size(picture); i++)
		if (strcmp(o->name, picture[i]) == 0)
			return set_picture(p, o);
	for (size_t i = 0; i < array_size(sound); i++)
		if (strcmp(o->name, sound[i]) == 0)
			return set_sound(p, o);
	return 0;
}

/* True if every encoder has it. */
static bool is_generic(const char *name)
{
	const AVClass *class = avcodec_get_class();

	return av_opt_find((void *)&class, name, NULL, AV_OPT_FLAG_ENCODING_PARAM,
			   AV_OPT_SEARCH_FAKE_OBJ);
}

/* An option of libav: passed to the encoders or the muxer that have it. */
static void set_libav(struct profile *p, const struct pair *o)
{
	const AVOutputFormat *mpegts = av_guess_format("mpegts", NULL, NULL);
	bool video = o->media == 0 || o->media == 'v', audio = o->media == 0 || o->media == 'a';

	if (!o->value)
		return;
	/* as in ffmpeg, a bare "b" is for the picture */
	if (o->media == 0 && strcmp(o->name, "b") == 0)
		audio = false;
	if (strcmp(o->name, "g") == 0 && video)
		p->gop_frames = (int)MIN(MAX(strtol(o->value, NULL, 10), 0), 100000);
	video = video && p->video.use == USE_ENCODE &&
		option_find_encoder(p->video.codec, o->name) &&
		(!p->video.replaced || is_generic(o->name));
	audio = audio && p->audio.use == USE_ENCODE && option_find_encoder(p->audio.codec, o->name);
	if (video)
		av_dict_set(&p->video.options, o->name, o->value, 0);
	if (audio)
		av_dict_set(&p->audio.options, o->name, o->value, 0);
	if (!video && !audio && option_find_muxer(mpegts, o->name))
		av_dict_set(&p->mux, o->name, o->value, 0);
}

/* True if a key that names one stream means this one. */
static bool is_meant(const char *key, char media, const struct profile_stream *stream)
{
	int number = option_stream(key);

	return number < 0 || (stream && stream->media == media && stream->number == number);
}

/* First pass: our own options, including the codecs; second pass: those of libav, which depend on
 * the codecs. */
static int read_options(struct profile *p, const json_t *list, const struct profile_stream *stream,
			bool own, char *problem, size_t cap)
{
	size_t i;
	json_t *row;

	json_array_foreach (list, i, row) {
		const char *key = json_string_value(json_array_get(row, 0));
		const struct option_def *def;
		char name[128];
		struct pair o = {.name = name, .value = json_string_value(json_array_get(row, 1))};
		int r = 0;

		if (!key || !option_split(key, name, sizeof(name), &o.media) ||
		    !is_meant(key, o.media, stream))
			continue;
		def = option_find(name, OPTION_OUTPUT);
		if (own && def && def->kind == OPTION_OURS)
			r = set_own(p, &o, problem, cap);
		else if (!own && !def)
			set_libav(p, &o);
		if (r < 0) {
			if (!*problem)
				snprintf(problem, cap, "%s: '%.64s' cannot be used", key,
					 o.value ? o.value : "");
			return -EINVAL;
		}
	}
	return 0;
}

static void set_video_codec(struct profile *p, const AVCodec *codec)
{
	p->video.replaced = codec && codec != p->video.codec;
	if (p->video.replaced)
		p->video.codec = codec;
}

static void read_hardware(struct profile *p, const json_t *spec)
{
	const json_t *hwaccel = json_object_get(spec, "hwaccel");
	struct profile_hardware *h = &p->hardware;

	if (json_is_true(json_object_get(spec, "software"))) {
		if (option_is_hardware(p->video.codec->name))
			set_video_codec(p, hardware_replaced(p->video.codec));
		return;
	}
	h->name = json_string_value(json_object_get(hwaccel, "type"));
	if (!h->name)
		h->name = hardware_of_encoder(p->video.codec);
	else if (strcasecmp(h->name, "none") == 0)
		h->name = NULL;
	if (!h->name)
		return;
	h->device = json_string_value(json_object_get(hwaccel, "device"));
	h->fallback = json_is_true(json_object_get(hwaccel, "fallback"));
	h->type = hardware_type(h->name);
	if (!p->video.named)
		set_video_codec(p, hardware_encoder(h->type));
}

int profile_init(struct profile *p, const json_t *spec, const struct profile_stream *stream,
		 char *problem, size_t cap)
{
	const json_t *list = json_object_get(spec, "options");
	int r;

	memset(p, 0, sizeof(*p));
	p->pix_fmt = AV_PIX_FMT_NONE;
	p->sample_fmt = AV_SAMPLE_FMT_NONE;
	p->video.codec = option_encoder("libx264", AVMEDIA_TYPE_VIDEO);
	p->audio.codec = option_encoder("aac", AVMEDIA_TYPE_AUDIO);
	*problem = '\0';
	r = read_options(p, list, stream, true, problem, cap);
	if (r == 0) {
		read_hardware(p, spec);
		r = read_options(p, list, stream, false, problem, cap);
	}
	if (r < 0) {
		profile_done(p);
		return r;
	}
	p->sound_set = p->audio.named || p->audio.filter || p->sample_rate || p->channels ||
		       *p->layout || p->volume || p->loudness != 0 ||
		       p->sample_fmt != AV_SAMPLE_FMT_NONE || av_dict_count(p->audio.options) > 0;
	return 0;
}

void profile_set_encoder(struct profile *p, const char *encoder)
{
	AVDictionary *kept = NULL;
	const AVDictionaryEntry *e = NULL;

	p->audio.codec = option_encoder(encoder, AVMEDIA_TYPE_AUDIO);
	while ((e = av_dict_get(p->audio.options, "", e, AV_DICT_IGNORE_SUFFIX)))
		if (option_find_encoder(p->audio.codec, e->key))
			av_dict_set(&kept, e->key, e->value, 0);
	av_dict_free(&p->audio.options);
	p->audio.options = kept;
}

static void kind_done(struct profile_kind *k)
{
	free(k->filter);
	free(k->bsf);
	av_dict_free(&k->options);
	av_dict_free(&k->metadata);
}

void profile_done(struct profile *p)
{
	kind_done(&p->video);
	kind_done(&p->audio);
	complex_done(&p->complex);
	av_dict_free(&p->mux);
	av_dict_free(&p->metadata);
	memset(p, 0, sizeof(*p));
}
