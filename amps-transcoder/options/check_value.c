#include "amps-transcoder/options/check_value.h"

#include <assert.h>

#include <libavcodec/bsf.h>
#include <libavutil/channel_layout.h>
#include <libavutil/eval.h>
#include <libavutil/opt.h>
#include <libavutil/parseutils.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
#include <stdio.h>
#include <string.h>

#include "amps-transcoder/av/compat.h"
#include "amps-transcoder/options/check_graph.h"
#include "amps-transcoder/options/complex.h"
#include "amps-transcoder/options/key_rule.h"
#include "amps-transcoder/options/value.h"
#include "amps-transcoder/options/stream_map.h"
#include "common/text/text.h"

#define TRIALS_MAX 64  /* encoders opened in one run: each costs milliseconds */
#define GRAPHS_MAX 256 /* graphs made in one run */

int value_checker_init(struct value_checker *c)
{
	memset(c, 0, sizeof(*c));
	c->trials = json_object();
	c->graphs = json_object();
	return c->trials && c->graphs ? 0 : -ENOMEM;
}

void value_checker_done(struct value_checker *c)
{
	for (size_t i = 0; i < c->codec_count; i++)
		avcodec_free_context(&c->codecs[i]);
	json_decref(c->trials);
	json_decref(c->graphs);
	memset(c, 0, sizeof(*c));
}

static bool is_integer(const char *value, long *ret)
{
	char *end;

	errno = 0;
	*ret = strtol(value, &end, 10);
	return *value && !*end && !errno;
}

static const char *suggest_pix_fmt(const char *value)
{
	const AVPixFmtDescriptor *d = NULL;
	const char *names[512];
	size_t n = 0;

	while (n < array_size(names) && (d = av_pix_fmt_desc_next(d)))
		names[n++] = d->name;
	return text_suggest(value, names, n);
}

static bool say(bool ok, char *text, size_t cap, const char *value, const char *what)
{
	if (!ok)
		snprintf(text, cap, "'%.64s' is no %s", value, what);
	return ok;
}

static bool check_codec(enum AVMediaType type, const char *value, char *text, size_t cap)
{
	const char *near;

	if (strcmp(value, "copy") == 0 || option_encoder(value, type))
		return true;
	near = option_suggest_encoder(value, type);
	snprintf(text, cap, "unknown encoder '%.64s'%s%s%s", value, near ? " (did you mean '" : "",
		 near ? near : "", near ? "'?)" : "");
	return false;
}

static bool check_any_codec(char media, const char *value, char *text, size_t cap)
{
	if (strcmp(value, "copy") == 0)
		return true;
	if (media == 'v')
		return check_codec(AVMEDIA_TYPE_VIDEO, value, text, cap);
	if (media == 'a')
		return check_codec(AVMEDIA_TYPE_AUDIO, value, text, cap);
	if (option_encoder(value, AVMEDIA_TYPE_AUDIO) ||
	    option_encoder(value, AVMEDIA_TYPE_SUBTITLE))
		return true;
	return check_codec(AVMEDIA_TYPE_VIDEO, value, text, cap);
}

static bool check_pix_fmt(const char *value, char *text, size_t cap)
{
	const char *near;

	if (*value == '+')
		value++;
	if (!*value || av_get_pix_fmt(value) != AV_PIX_FMT_NONE)
		return true;
	near = suggest_pix_fmt(value);
	snprintf(text, cap, "unknown pixel format '%.64s'%s%s%s", value,
		 near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
	return false;
}

static bool check_format(const char *value, char *text, size_t cap)
{
	static const char *const ours[] = {"mpegts", "mp4", "hls", "dash", "adts"};

	for (size_t i = 0; i < array_size(ours); i++)
		if (strcmp(value, ours[i]) == 0)
			return true;
	snprintf(text, cap, "'%.64s' is none of mpegts, mp4, hls, dash, adts", value);
	return false;
}

static bool check_layout(const char *value, char *text, size_t cap)
{
	AVChannelLayout layout = {0};
	bool ok = av_channel_layout_from_string(&layout, value) >= 0;

	av_channel_layout_uninit(&layout);
	return say(ok, text, cap, value, "channel layout");
}

static bool check_bsf(const char *value, char *text, size_t cap)
{
	AVBSFContext *bsf = NULL;
	bool ok = av_bsf_list_parse_str(value, &bsf) >= 0;

	av_bsf_free(&bsf);
	if (!ok)
		snprintf(text, cap,
			 "'%.64s' names no bitstream filters, or one of their options is "
			 "wrong",
			 value);
	return ok;
}

static bool check_sws(const char *value, char *text, size_t cap)
{
	const AVClass *class = sws_get_class();
	const AVOption *flags =
		av_opt_find((void *)&class, "sws_flags", NULL, 0, AV_OPT_SEARCH_FAKE_OBJ);
	int number;

	return say(!flags || av_opt_eval_flags(&class, flags, value, &number) >= 0, text, cap,
		   value, "flag of the scaler (as in bicubic or lanczos+accurate_rnd)");
}

static bool check_disposition(const char *value, char *text, size_t cap)
{
	int flags = 0;

	return say(value_disposition(value, &flags) == 0, text, cap, value,
		   "disposition (as in default or +hearing_impaired)");
}

static bool check_stream_id(const char *value, char *text, size_t cap)
{
	unsigned stream, id;

	return say(value_stream_id(value, &stream, &id) == 0, text, cap, value,
		   "STREAM:PID, with a PID from 32 to 8186");
}

static bool check_fps_mode(const char *value, char *text, size_t cap)
{
	bool steady;

	return say(value_fps_mode(value, &steady) == 0, text, cap, value,
		   "mode (cfr, vfr, passthrough, drop, auto)");
}

static bool check_loudness(const char *value, char *text, size_t cap)
{
	double lufs;

	return say(value_loudness(value, &lufs) == 0, text, cap, value,
		   "loudness from -70 to -5 LUFS");
}

static bool check_key_frames(const char *value, char *text, size_t cap)
{
	struct key_rule rule;
	int r = key_rule_init(&rule, value, 1);

	if (r == 0)
		key_rule_done(&rule);
	return say(r == 0, text, cap, value,
		   "rule (as in expr:gte(t,n_forced*2), 0,1.5,3 or source)");
}

static bool check_complex(const char *value, char *text, size_t cap)
{
	struct complex parts = {0};
	bool ok = check_graph(value, text, cap) && complex_add(&parts, value, text, cap) == 0;

	complex_done(&parts);
	return ok;
}

static bool check_flag(const char *value, char *text, size_t cap)
{
	static const char *const known[] = {"", "0", "1", "true", "false"};

	for (size_t i = 0; i < array_size(known); i++)
		if (strcmp(value, known[i]) == 0)
			return true;
	snprintf(text, cap, "takes no value, but has '%.64s'", value);
	return false;
}

/* The numbers and times. */
static bool check_number(const struct option_def *def, const char *value, char *text, size_t cap)
{
	AVRational rate;
	int64_t duration;
	int w, h;
	long n;
	char *end;

	switch (def->value) {
	case VALUE_INT:
		return say(is_integer(value, &n) && n <= INT32_MAX && n >= -1, text, cap, value,
			   "whole number");
	case VALUE_COUNT:
		return say(is_integer(value, &n) && n <= INT32_MAX && n > 0, text, cap, value,
			   "whole number above 0");
	case VALUE_RATIO:
		return say(av_parse_ratio_quiet(&rate, value, 4096) >= 0 && rate.num > 0 &&
				   rate.den > 0,
			   text, cap, value, "ratio (as in 16:9)");
	case VALUE_NUMBER:
		av_strtod(value, &end);
		return say(*value && !*end, text, cap, value, "number");
	case VALUE_RATE:
		return say(av_parse_video_rate(&rate, value) >= 0, text, cap, value, "frame rate");
	case VALUE_SIZE:
		return say(av_parse_video_size(&w, &h, value) >= 0, text, cap, value,
			   "picture size (as in 1280x720)");
	default:
		return say(av_parse_time(&duration, value, 1) >= 0, text, cap, value,
			   "time (as in 1.5 or 00:01:30)");
	}
}

bool check_own_value(const struct option_def *def, char media, const char *value, char *text,
		     size_t cap)
{
	struct stream_map map;

	if (!value && def->value != VALUE_FLAG && def->value != VALUE_LOUDNESS) {
		snprintf(text, cap, "needs a value");
		return false;
	}
	switch (def->value) {
	case VALUE_FLAG:
		return !value || check_flag(value, text, cap);
	case VALUE_TEXT:
		return true;
	case VALUE_PIX_FMT:
		return check_pix_fmt(value, text, cap);
	case VALUE_SAMPLE_FMT:
		return say(av_get_sample_fmt(value) != AV_SAMPLE_FMT_NONE, text, cap, value,
			   "sample format");
	case VALUE_LAYOUT:
		return check_layout(value, text, cap);
	case VALUE_VIDEO_CODEC:
	case VALUE_AUDIO_CODEC:
	case VALUE_ANY_CODEC:
		return check_any_codec(media, value, text, cap);
	case VALUE_VIDEO_GRAPH:
	case VALUE_AUDIO_GRAPH:
	case VALUE_ANY_GRAPH:
		return check_graph(value, text, cap);
	case VALUE_COMPLEX:
		return check_complex(value, text, cap);
	case VALUE_FORMAT:
		return check_format(value, text, cap);
	case VALUE_METADATA:
		return say(strchr(value, '=') != NULL, text, cap, value, "name=text");
	case VALUE_DISPOSITION:
		return check_disposition(value, text, cap);
	case VALUE_STREAM_ID:
		return check_stream_id(value, text, cap);
	case VALUE_FPS_MODE:
		return check_fps_mode(value, text, cap);
	case VALUE_LOUDNESS:
		return check_loudness(value, text, cap);
	case VALUE_KEY_FRAMES:
		return check_key_frames(value, text, cap);
	case VALUE_BSF:
		return check_bsf(value, text, cap);
	case VALUE_SWS:
		return check_sws(value, text, cap);
	case VALUE_MAP:
		return say(stream_map_parse(value, &map) == 0, text, cap, value,
			   "stream of the source (as in 0:v or 0:a:1)");
	default:
		return check_number(def, value, text, cap);
	}
}

static AVCodecContext *dummy_codec(struct value_checker *c, const AVCodec *codec)
{
	AVCodecContext *ctx;

	for (size_t i = 0; i < c->codec_count; i++)
		if (c->codecs[i]->codec_id == codec->id && c->codecs[i]->codec == codec)
			return c->codecs[i];
	if (c->codec_count == array_size(c->codecs))
		return NULL;
	assert(c->codec_count < array_size(c->codecs));
	ctx = avcodec_alloc_context3(codec);
	if (ctx)
		c->codecs[c->codec_count++] = ctx;
	return ctx;
}

/* Opens the encoder with this one setting. */
static bool trial_open(const AVCodec *codec, const char *name, const char *value)
{
	const enum AVPixelFormat *formats = av_compat_pix_fmts(codec);
	AVCodecContext *ctx = avcodec_alloc_context3(codec);
	AVDictionary *options = NULL;
	bool ok;

	if (!ctx)
		return true;
	ctx->width = ctx->height = 64;
	ctx->pix_fmt = formats ? formats[0] : AV_PIX_FMT_YUV420P;
	ctx->time_base = (AVRational){1, 25};
	ctx->framerate = (AVRational){25, 1};
	ctx->thread_count = 1;
	/* use the fastest method: only the name is checked */
	av_dict_set(&options, "preset", "ultrafast", 0);
	av_dict_set(&options, name, value, 0);
	ok = avcodec_open2(ctx, codec, &options) >= 0;
	av_dict_free(&options);
	avcodec_free_context(&ctx);
	return ok;
}

/* x264 and x265 accept any text for these options and check it when they are opened. */
static bool needs_trial(const AVCodec *codec, const char *name)
{
	if (strcmp(codec->name, "libx264") != 0 && strcmp(codec->name, "libx265") != 0)
		return false;
	return strcmp(name, "profile") == 0 || strcmp(name, "level") == 0;
}

static bool is_one_of(const char *value, size_t len, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(names[i]) == len && strncmp(names[i], value, len) == 0)
			return true;
	return false;
}

/* Known presets, tunes and profiles.  The libraries report others on stderr, past our log. */
static bool check_x26x_name(const AVCodec *codec, const char *name, const char *value)
{
	static const char *const profiles[] = {"baseline", "main",    "high",
					       "high10",   "high422", "high444"};
	static const char *const presets[] = {"ultrafast", "superfast", "veryfast", "faster",
					      "fast",	   "medium",	"slow",	    "slower",
					      "veryslow",  "placebo"};
	static const char *const tunes[] = {"film", "animation", "grain",      "stillimage",
					    "psnr", "ssim",	 "fastdecode", "zerolatency"};

	if (strcmp(name, "preset") == 0)
		return (value[0] >= '0' && value[0] <= '9' && !value[1]) ||
		       is_one_of(value, strlen(value), presets, array_size(presets));
	if (strcmp(name, "profile") == 0 && strcmp(codec->name, "libx264") == 0)
		return is_one_of(value, strlen(value), profiles, array_size(profiles));
	if (strcmp(name, "tune") != 0)
		return true;
	while (*value) {
		size_t len = strcspn(value, ",./-+");

		if (!is_one_of(value, len, tunes, array_size(tunes)))
			return false;
		value += len + (value[len] != '\0');
	}
	return true;
}

static bool trial(struct value_checker *c, const AVCodec *codec, const char *name,
		  const char *value)
{
	const json_t *known;
	char key[256];
	bool ok;

	assert(c->trials != NULL);
	snprintf(key, sizeof(key), "%s %s %.128s", codec->name, name, value);
	known = json_object_get(c->trials, key);
	if (known)
		return json_is_true(known);
	if (c->trial_count++ >= TRIALS_MAX)
		return true;
	ok = trial_open(codec, name, value);
	json_object_set_new(c->trials, key, json_boolean(ok));
	return ok;
}

bool check_encoder_value(struct value_checker *c, const AVCodec *codec, const char *name,
			 const char *value, char *text, size_t cap)
{
	AVCodecContext *ctx = dummy_codec(c, codec);
	bool ok = true;

	assert(option_find_encoder(codec, name) != NULL);
	if (!value) {
		snprintf(text, cap, "needs a value");
		return false;
	}
	if (ctx)
		ok = av_opt_set(ctx, name, value, AV_OPT_SEARCH_CHILDREN) >= 0;
	if (ok && strncmp(codec->name, "libx26", 6) == 0)
		ok = check_x26x_name(codec, name, value);
	if (ok && needs_trial(codec, name))
		ok = trial(c, codec, name, value);
	if (!ok)
		snprintf(text, cap, "'%.64s' is no value that %s takes", value, codec->name);
	return ok;
}

bool check_filter_values(struct value_checker *c, const char *graph, char *text, size_t cap)
{
	const char *known = json_string_value(json_object_get(c->graphs, graph));

	*text = '\0';
	if (known) {
		text_copy(text, cap, known);
		return !*text;
	}
	if (json_object_size(c->graphs) >= GRAPHS_MAX)
		return true;
	if (check_graph_values(graph, text, cap))
		*text = '\0';
	json_object_set_new(c->graphs, graph, json_string(text));
	return !*text;
}

bool check_muxer_value(const AVOutputFormat *format, const char *name, const char *value,
		       char *text, size_t cap)
{
	AVFormatContext *ctx = NULL;
	bool ok;

	if (!value) {
		snprintf(text, cap, "needs a value");
		return false;
	}
	if (avformat_alloc_output_context2(&ctx, format, NULL, NULL) < 0)
		return true;
	ok = av_opt_set(ctx, name, value, AV_OPT_SEARCH_CHILDREN) >= 0;
	avformat_free_context(ctx);
	if (!ok)
		snprintf(text, cap, "'%.64s' is no value that %s takes", value, format->name);
	return ok;
}
