#include "amps-transcoder/options/options.h"

#include <assert.h>
#include <libavutil/avstring.h>
#include <libavutil/opt.h>
#include <libavutil/parseutils.h>
#include <string.h>
#include <strings.h>

#include "amps-transcoder/sandbox/guard.h"
#include "common/text/text.h"

/* Second names, with the stream they mean. */
static const struct {
	const char *alias, *name;
	char media;
} aliases[] = {
	{"vcodec", "c", 'v'},	      {"acodec", "c", 'a'},	   {"scodec", "c", 's'},
	{"dcodec", "c", 'd'},	      {"codec", "c", 0},	   {"format", "f", 0},
	{"vf", "filter", 'v'},	      {"af", "filter", 'a'},	   {"ab", "b", 'a'},
	{"video_bitrate", "b", 'v'},  {"audio_bitrate", "b", 'a'}, {"vprofile", "profile", 'v'},
	{"aprofile", "profile", 'a'}, {"qscale", "q", 0},	   {"aq", "q", 'a'},
	{"vtag", "tag", 'v'},	      {"atag", "tag", 'a'},	   {"stag", "tag", 's'},
	{"vbsf", "bsf", 'v'},	      {"absf", "bsf", 'a'},	   {"vpre", "pre", 'v'},
	{"apre", "pre", 'a'},	      {"spre", "pre", 's'},	   {"vframes", "frames", 'v'},
	{"aframes", "frames", 'a'},   {"vsync", "fps_mode", 0},	   {"lavfi", "filter_complex", 0},
};

/* The part after the name, without the colon: "v:0". "metadata:s:a:0" applies to a stream. */
static const char *specifier(const char *key)
{
	const char *at = strchr(key, ':');

	if (!at)
		return "";
	return !strncmp(key, "metadata:s:", 11) ? at + 3 : at + 1;
}

/* The letter of a kind of stream with which a specifier begins; 0 if it does not. */
static char specifier_media(const char *s)
{
	if (!*s || !strchr("vVasdg", *s))
		return 0;
	return *s == 'V' ? 'v' : *s;
}

int option_stream(const char *key)
{
	const char *s = specifier(key);
	uint64_t number;

	if (!*s)
		return strchr(key, ':') ? -EINVAL : -1;
	if (!specifier_media(s))
		return -EINVAL;
	if (!s[1] || *s == 'g')
		return -1;
	if (s[1] != ':' || text_parse_u64(s + 2, OPTION_STREAM_MAX, &number) < 0)
		return -EINVAL;
	return (int)number;
}

bool option_split(const char *key, char *name, size_t cap, char *ret_media)
{
	size_t len = strcspn(key, ":");
	char media = specifier_media(specifier(key));

	if (len == 0 || len >= cap)
		return false;
	memcpy(name, key, len);
	name[len] = '\0';
	for (size_t i = 0; i < array_size(aliases); i++) {
		if (strcmp(name, aliases[i].alias) != 0)
			continue;
		if (!text_copy(name, cap, aliases[i].name))
			return false;
		if (aliases[i].media)
			media = aliases[i].media;
		break;
	}
	*ret_media = media;
	return true;
}

bool option_flag_on(const char *value)
{
	return !value || (strcasecmp(value, "0") != 0 && strcasecmp(value, "false") != 0 &&
			  strcasecmp(value, "no") != 0);
}

const struct option_def *option_find(const char *name, enum option_side side)
{
	const struct option_def *other = NULL;

	for (size_t i = 0; i < option_table_count; i++) {
		if (strcmp(option_table[i].name, name) != 0)
			continue;
		if (option_table[i].sides & side)
			return &option_table[i];
		other = &option_table[i];
	}
	return other;
}

bool option_is_graph(const char *key, enum option_side side)
{
	const struct option_def *def;
	char name[128], media;

	if (!option_split(key, name, sizeof(name), &media))
		return false;
	def = option_find(name, side);
	return def && (def->value == VALUE_ANY_GRAPH || def->value == VALUE_COMPLEX ||
		       def->value == VALUE_VIDEO_GRAPH || def->value == VALUE_AUDIO_GRAPH);
}

/* Looks a name up in a class, without an object. */
static const AVOption *class_find(const AVClass *class, const char *name, int flags, int search)
{
	const AVOption *o;

	if (!class)
		return NULL;
	o = av_opt_find((void *)&class, name, NULL, flags, search | AV_OPT_SEARCH_FAKE_OBJ);
	return o && o->type != AV_OPT_TYPE_CONST ? o : NULL;
}

const AVOption *option_find_encoder(const AVCodec *codec, const char *name)
{
	const AVOption *o;
	int media;

	if (!codec)
		return NULL;
	o = class_find(codec->priv_class, name, AV_OPT_FLAG_ENCODING_PARAM, 0);
	if (o)
		return o;
	media = codec->type == AVMEDIA_TYPE_VIDEO   ? AV_OPT_FLAG_VIDEO_PARAM
		: codec->type == AVMEDIA_TYPE_AUDIO ? AV_OPT_FLAG_AUDIO_PARAM
						    : AV_OPT_FLAG_SUBTITLE_PARAM;
	return class_find(avcodec_get_class(), name, AV_OPT_FLAG_ENCODING_PARAM | media, 0);
}

const AVOption *option_find_muxer(const AVOutputFormat *format, const char *name)
{
	const AVOption *o = NULL;

	if (format)
		o = class_find(format->priv_class, name, AV_OPT_FLAG_ENCODING_PARAM, 0);
	return o ? o : class_find(avformat_get_class(), name, AV_OPT_FLAG_ENCODING_PARAM, 0);
}

const char *option_input_name(const char *name)
{
	static const struct {
		const char *ours, *libav;
	} names[] = {
		{"r", "framerate"},    {"s", "video_size"}, {"pix_fmt", "pixel_format"},
		{"ar", "sample_rate"}, {"ac", "ch_layout"}, {"channel_layout", "ch_layout"},
	};

	for (size_t i = 0; i < array_size(names); i++)
		if (!strcmp(names[i].ours, name))
			return names[i].libav;
	return name;
}

bool option_find_demuxer(const AVInputFormat *demuxer, const char *name)
{
	return class_find(demuxer->priv_class, name, AV_OPT_FLAG_DECODING_PARAM, 0) != NULL;
}

/* True if any demuxer, protocol or decoder has it (or `demuxer` alone, when given). */
static bool option_find_input(const AVInputFormat *demuxer, const char *name)
{
	const int search = AV_OPT_SEARCH_CHILDREN;

	if (class_find(avformat_get_class(), name, AV_OPT_FLAG_DECODING_PARAM, 0))
		return true;
	if (demuxer && class_find(demuxer->priv_class, name, 0, 0))
		return true;
	/* protocols and decoders are known only when the source is open: accept any */
	if (class_find(avcodec_get_class(), name, AV_OPT_FLAG_DECODING_PARAM, search))
		return true;
	return class_find(avformat_get_class(), name, AV_OPT_FLAG_DECODING_PARAM, search);
}

/* One of the words of a list like "http,https,tcp". */
static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = list; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (!strncmp(at, word, len) && (at[len] == ',' || !at[len]))
			return true;
	}
	return false;
}

static bool is_bool(const char *value)
{
	return !strcmp(value, "-1") ||
	       av_match_name(value, "true,y,yes,enable,enabled,on,1,auto") ||
	       av_match_name(value, "false,n,no,disable,disabled,off,0");
}

/* True if libav would accept this value.  Only the class of the option is used, which has the names
 * of numbers and flags. */
static bool value_fits(const AVClass *class, const AVOption *o, const char *value)
{
	AVRational ratio;
	double real;
	float single;
	int64_t large;
	int number;

	switch (o->type) {
	case AV_OPT_TYPE_FLAGS:
		return av_opt_eval_flags(&class, o, value, &number) >= 0;
	case AV_OPT_TYPE_INT:
		return av_opt_eval_int(&class, o, value, &number) >= 0;
	case AV_OPT_TYPE_INT64:
		return av_opt_eval_int64(&class, o, value, &large) >= 0;
	case AV_OPT_TYPE_FLOAT:
		return av_opt_eval_float(&class, o, value, &single) >= 0;
	case AV_OPT_TYPE_DOUBLE:
		return av_opt_eval_double(&class, o, value, &real) >= 0;
	case AV_OPT_TYPE_RATIONAL:
		return av_opt_eval_q(&class, o, value, &ratio) >= 0;
	case AV_OPT_TYPE_BOOL:
		return is_bool(value);
	case AV_OPT_TYPE_DURATION:
		return av_parse_time(&large, value, 1) >= 0;
	default:
		return true;
	}
}

/* True if this class (not its children) has the option, and the option accepts the value (NULL:
 * any). */
static bool class_takes(const AVClass *class, const char *name, int flags, const char *value)
{
	const AVOption *o = class_find(class, name, flags, 0);

	return o && (!value || value_fits(class, o, value));
}

static bool protocol_takes(const char *scheme, const char *name, const char *value)
{
	const char *protocols = guard_protocols(scheme), *protocol;
	void *state = NULL;

	while ((protocol = avio_enum_protocols(&state, 0)))
		if (has_word(protocols, protocol) &&
		    class_takes(avio_protocol_get_class(protocol), name, 0, value))
			return true;
	return false;
}

/* A demuxer that is a protocol has the name of the scheme; the others read any byte stream. */
static bool demuxer_takes(const char *scheme, const char *name, const char *value)
{
	static const char protocols[] = "rtsp,sdp,rtp,sap,rist";
	const AVInputFormat *f;
	void *state = NULL;

	while ((f = av_demuxer_iterate(&state)))
		if ((!has_word(protocols, f->name) || !strcmp(f->name, scheme)) &&
		    class_takes(f->priv_class, name, 0, value))
			return true;
	return false;
}

/* Options of all byte streams of libav. */
static bool stream_takes(const AVClass *class, const char *name, const char *value)
{
	const AVClass *child;
	void *state = NULL;

	while ((child = av_opt_child_class_iterate(class, &state)))
		if (!strcmp(child->class_name, "AVIOContext") ||
		    !strcmp(child->class_name, "URLContext"))
			return class_takes(child, name, 0, value) ||
			       stream_takes(child, name, value);
	return false;
}

bool option_input_fits(const char *name, const char *scheme, const char *value)
{
	/* the value for a decoder is checked when the codec is known */
	return class_takes(avformat_get_class(), name, AV_OPT_FLAG_DECODING_PARAM, value) ||
	       class_find(avcodec_get_class(), name, AV_OPT_FLAG_DECODING_PARAM,
			  AV_OPT_SEARCH_CHILDREN) ||
	       protocol_takes(scheme, name, value) ||
	       /* udp and rtp are received in the same way */
	       (!strcmp(scheme, "rtp") && protocol_takes("udp", name, value)) ||
	       (!strcmp(scheme, "udp") && !strcmp(name, "reorder_queue_size") &&
		demuxer_takes("rtp", name, value)) ||
	       demuxer_takes(scheme, name, value) ||
	       stream_takes(avformat_get_class(), name, value);
}

static bool media_fits(char media, char wanted)
{
	return media == 0 || media == wanted;
}

static enum option_kind classify_output(const char *name, char media,
					const struct option_target *target)
{
	const int search = AV_OPT_SEARCH_CHILDREN;

	if (media_fits(media, 'v') && option_find_encoder(target->video, name))
		return OPTION_ENCODER;
	if (media_fits(media, 'a') && option_find_encoder(target->audio, name))
		return OPTION_ENCODER;
	if (option_find_muxer(target->muxer, name))
		return OPTION_MUXER;
	if (class_find(avcodec_get_class(), name, 0, search) ||
	    class_find(avformat_get_class(), name, 0, search))
		return OPTION_ELSEWHERE;
	return OPTION_UNKNOWN;
}

enum option_kind option_classify(const char *name, char media, enum option_side side,
				 const struct option_target *target)
{
	const struct option_def *def = option_find(name, side);
	const int search = AV_OPT_SEARCH_CHILDREN;
	enum option_kind kind;

	if (def && (def->sides & side))
		return def->kind;
	if (side == OPTION_OUTPUT) {
		kind = classify_output(name, media, target);
		/* one of inputs is that, also where a decoder has it */
		return def && kind == OPTION_ELSEWHERE ? OPTION_UNKNOWN : kind;
	}
	if (option_find_input(target->demuxer, name))
		return OPTION_DEMUXER;
	if (class_find(avcodec_get_class(), name, 0, search) ||
	    class_find(avformat_get_class(), name, 0, search))
		return OPTION_ELSEWHERE;
	return OPTION_UNKNOWN;
}

/* A list of names for text_suggest(), which wants an array; freed with its pointer. */
struct names {
	const char **at;
	size_t count, cap;
};

static void names_add(struct names *n, const char *name)
{
	size_t cap = n->cap ? n->cap * 2 : 256;
	const char **grown;

	assert(name != NULL && n->count <= n->cap);
	if (n->count == n->cap) {
		grown = realloc(n->at, cap * sizeof(*grown));
		if (!grown)
			return;
		n->at = grown;
		n->cap = cap;
	}
	n->at[n->count++] = name;
}

static void names_add_class(struct names *n, const AVClass *class, int flags)
{
	const AVOption *o = NULL;

	if (!class)
		return;
	while ((o = av_opt_next(&class, o)))
		if (o->type != AV_OPT_TYPE_CONST && (o->flags & flags) == flags)
			names_add(n, o->name);
}

static void names_add_output(struct names *n)
{
	static const char *const common[] = {"libx264", "libx265", "aac"};

	for (size_t i = 0; i < array_size(common); i++) {
		const AVCodec *codec = avcodec_find_encoder_by_name(common[i]);

		if (codec)
			names_add_class(n, codec->priv_class, AV_OPT_FLAG_ENCODING_PARAM);
	}
	names_add_class(n, avcodec_get_class(), AV_OPT_FLAG_ENCODING_PARAM);
	names_add_class(n, avformat_get_class(), AV_OPT_FLAG_ENCODING_PARAM);
}

static void names_add_input(struct names *n)
{
	static const char *const schemes[] = {"http://", "rtmp://", "srt://", "udp://", "tcp://"};

	for (size_t i = 0; i < array_size(schemes); i++) {
		const char *name = avio_find_protocol_name(schemes[i]);

		if (name)
			names_add_class(n, avio_protocol_get_class(name), 0);
	}
	for (size_t i = 0; i < 2; i++) {
		const AVInputFormat *f = av_find_input_format(i ? "rtsp" : "hls");

		if (f)
			names_add_class(n, f->priv_class, AV_OPT_FLAG_DECODING_PARAM);
	}
	names_add_class(n, avformat_get_class(), AV_OPT_FLAG_DECODING_PARAM);
}

const char *option_suggest(const char *name, enum option_side side)
{
	struct names n = {0};
	const char *best;

	for (size_t i = 0; i < array_size(aliases) && side == OPTION_OUTPUT; i++)
		names_add(&n, aliases[i].alias);
	for (size_t i = 0; i < option_table_count; i++)
		if (option_table[i].sides & side)
			names_add(&n, option_table[i].name);
	if (side == OPTION_OUTPUT)
		names_add_output(&n);
	else
		names_add_input(&n);
	best = text_suggest(name, n.at, n.count);
	free(n.at);
	return best;
}

const AVCodec *option_encoder(const char *name, enum AVMediaType type)
{
	const AVCodec *codec = avcodec_find_encoder_by_name(name);
	const AVCodecDescriptor *desc;

	if (!codec && (desc = avcodec_descriptor_get_by_name(name)))
		codec = avcodec_find_encoder(desc->id);
	return codec && codec->type == type ? codec : NULL;
}

const char *option_suggest_encoder(const char *name, enum AVMediaType type)
{
	struct names n = {0};
	const AVCodec *codec;
	const char *best;
	void *state = NULL;

	while ((codec = av_codec_iterate(&state)))
		if (av_codec_is_encoder(codec) && codec->type == type)
			names_add(&n, codec->name);
	names_add(&n, "copy");
	best = text_suggest(name, n.at, n.count);
	free(n.at);
	return best;
}

bool option_is_hardware(const char *name)
{
	static const char *const suffixes[] = {"_nvenc",      "_qsv",	"_vaapi", "_videotoolbox",
					       "_v4l2m2m",    "_amf",	"_mf",	  "_omx",
					       "_mediacodec", "_vulkan"};
	size_t len = strlen(name);

	for (size_t i = 0; i < array_size(suffixes); i++) {
		size_t n = strlen(suffixes[i]);

		if (len > n && strcasecmp(name + len - n, suffixes[i]) == 0)
			return true;
	}
	return false;
}
