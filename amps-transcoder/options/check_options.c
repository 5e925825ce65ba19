#include "amps-transcoder/options/check_options.h"

#include <assert.h>
#include <libavutil/log.h>
#include <limits.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "amps-transcoder/mux/ts_muxer.h"
#include "amps-transcoder/options/check_graph.h"
#include "amps-transcoder/options/check_value.h"
#include "amps-transcoder/options/complex.h"
#include "amps-transcoder/options/options.h"
#include "amps-transcoder/options/stream_map.h"
#include "amps-transcoder/options/url.h"

#define MESSAGE_MAX 320

/* The state of the check of one entry of the request. */
struct entry {
	const char *path, *source;
	json_t *options; /* [[key, value], ...] */
	enum option_side side;
	struct option_target target; /* of the stream that is being checked: */
	char media;
	int number; /* -1 = all streams of the kind */
	bool video_copied, audio_copied, video_off, audio_off, lavfi;
	bool segments; /* the form's link leads to files that carry more codecs than MPEG-TS */
	struct value_checker *values;
	json_t *found; /* [[option, severity, message], ...] */
	bool reads;    /* a filter reads a file */
};

static void report(struct entry *e, const char *option, const char *severity, const char *format,
		   ...) printf_like(4, 5);

static void report(struct entry *e, const char *option, const char *severity, const char *format,
		   ...)
{
	char message[MESSAGE_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	/* jansson refuses a string that is not UTF-8, as one that was cut may be: replace it */
	json_array_append_new(e->found, json_pack("[s,s,s++]", option, severity, message, "", ""));
}

/* Adds the options of an ffmpeg command line: "-re -stream_loop -1". */
static void add_args(struct entry *e, json_t *args)
{
	size_t n = json_array_size(args);

	for (size_t i = 0; i < n; i++) {
		const char *word = json_string_value(json_array_get(args, i));
		const struct option_def *def;
		char name[128], media;
		bool flag;

		if (!word || word[0] != '-' ||
		    !option_split(word + 1, name, sizeof(name), &media)) {
			report(e, word ? word : "?", "error",
			       "an option is expected here (it begins with '-')");
			continue;
		}
		def = option_find(name, e->side);
		flag = def && def->value == VALUE_FLAG;
		json_array_append_new(
			e->options,
			json_pack("[s,O?]", word + 1,
				  flag || i + 1 >= n ? NULL : json_array_get(args, i + 1)));
		i += !flag;
	}
}

/* True if the stream that a key names is the one being checked. */
static bool is_meant(const struct entry *e, const char *key, char media)
{
	int number = option_stream(key);

	return e->side == OPTION_INPUT || number < 0 || (number == e->number && media == e->media);
}

static void find_targets(struct entry *e)
{
	const char *video = "libx264", *audio = "aac";
	size_t i;
	json_t *pair;

	json_array_foreach (e->options, i, pair) {
		const char *key = json_string_value(json_array_get(pair, 0));
		const char *value = json_string_value(json_array_get(pair, 1));
		char name[128], media;

		if (!key || !option_split(key, name, sizeof(name), &media) ||
		    !is_meant(e, key, media))
			continue;
		if (strcmp(name, "vn") == 0)
			e->video_off = option_flag_on(value);
		if (strcmp(name, "an") == 0)
			e->audio_off = option_flag_on(value);
		if (!value)
			continue;
		if (strcmp(name, "c") == 0 && (media == 'v' || media == 0))
			video = value;
		if (strcmp(name, "c") == 0 && (media == 'a' || media == 0))
			audio = value;
		if (e->side == OPTION_OUTPUT &&
		    (strcmp(name, "f") == 0 || strcmp(name, "output_format") == 0))
			e->segments = strcmp(value, "mpegts") != 0 && strcmp(value, "ts") != 0 &&
				      strcmp(value, "rtsp") != 0;
		if (strcmp(name, "f") == 0 && e->side == OPTION_INPUT) {
			e->lavfi = strcmp(value, "lavfi") == 0;
			e->target.demuxer = av_find_input_format(value);
		}
	}
	if (e->side == OPTION_INPUT)
		return;
	if (e->video_off)
		video = "copy";
	if (e->audio_off)
		audio = "copy";
	e->video_copied = !e->video_off && strcmp(video, "copy") == 0;
	e->audio_copied = !e->audio_off && strcmp(audio, "copy") == 0;
	e->target.video = option_encoder(video, AVMEDIA_TYPE_VIDEO);
	e->target.audio = option_encoder(audio, AVMEDIA_TYPE_AUDIO);
	e->target.muxer = av_guess_format("mpegts", NULL, NULL);
}

/* Inputs that only libavdevice has. */
static bool is_device(const char *name)
{
	static const char *const devices[] = {
		"alsa",		"android_camera", "avfoundation", "bktr",   "decklink", "dshow",
		"fbdev",	"gdigrab",	  "iec61883",	  "jack",   "kmsgrab",	"libcdio",
		"libdc1394",	"openal",	  "oss",	  "pulse",  "sndio",	"v4l2",
		"video4linux2", "vfwcap",	  "x11grab",	  "xcbgrab"};

	for (size_t i = 0; i < array_size(devices); i++)
		if (strcmp(devices[i], name) == 0)
			return true;
	return false;
}

/* One filter's file while an entry is checked. */
struct graph_file {
	struct entry *entry;
	const char *option;
};

static void on_graph_file(void *owner, const char *filter, const char *path)
{
	const struct graph_file *f = owner;

	f->entry->reads = true;
	/* a URL is opened by the job; "logo%03d.png" is the name of many files */
	if (!url_is_file(path) || strchr(path, '%') || access(url_file_path(path), R_OK) == 0)
		return;
	report(f->entry, f->option, "warning", "filter '%s' cannot read %.160s: %s", filter, path,
	       strerror(errno));
}

static void check_graph_files(struct entry *e, const char *option, const char *graph)
{
	struct graph_file f = {.entry = e, .option = option};

	graph_files(graph, on_graph_file, &f);
}

static void check_input_format(struct entry *e, const char *key, const char *value)
{
	char text[MESSAGE_MAX];

	if (strcmp(value, "lavfi") == 0) {
		if (e->source && !check_graph(e->source, text, sizeof(text)))
			report(e, key, "error", "the lavfi source: %s", text);
		else if (e->source)
			check_graph_files(e, key, e->source);
	} else if (is_device(value)) {
		report(e, key, "error",
		       "the device '%s' is not read in process; use custom_ffmpeg: \"ffmpeg -f %s "
		       "-i {source} -c:v libx264 -c:a aac -f mpegts pipe:1\"",
		       value, value);
	} else if (!e->target.demuxer) {
		report(e, key, "error", "unknown input format '%.64s'", value);
	}
}

/* The codec of this encoder, if a transport stream cannot carry it; else NULL. */
static const char *codec_not_carried(const char *encoder, char media)
{
	const AVCodec *codec = NULL;

	if (media != 'a')
		codec = option_encoder(encoder, AVMEDIA_TYPE_VIDEO);
	if (!codec && media != 'v')
		codec = option_encoder(encoder, AVMEDIA_TYPE_AUDIO);
	return codec && !ts_muxer_fits(codec->id) ? avcodec_get_name(codec->id) : NULL;
}

/* A warning for an option that is valid, but ignored or used differently; NULL = none. */
static const char *remark_of(const char *name, char media, const char *value)
{
	if (strcmp(name, "readrate") == 0 && strtod(value, NULL) > 1)
		return "a source is played in its own time: 1 is meant";
	if (strcmp(name, "metadata") == 0 && media != 0 && media != 'g' &&
	    (media == 's' || media == 'd' || strncmp(value, "language=", 9) != 0))
		return "only the language of pictures and sound is written; it is ignored";
	if (strcmp(name, "c") == 0 && media == 's' && strcmp(value, "copy") != 0)
		return "subtitles can only be copied; they are left out";
	return NULL;
}

/* An encoder that MPEG-TS has no place for: no viewer of /stream could play it. */
static bool check_carried(struct entry *e, const char *key, char media, const char *value)
{
	const char *codec = codec_not_carried(value, media);

	if (!codec)
		return true;
	if (e->segments)
		report(e, key, "warning", "%s cannot be carried in MPEG-TS: /stream answers 502",
		       codec);
	else
		report(e, key, "error", "%s cannot be carried in MPEG-TS", codec);
	return false;
}

/* Options of the ffmpeg command that work on decoded pictures ('v') or sound ('a'); 0 = others. */
static char works_on(const char *name)
{
	static const char *const pictures[] = {
		"r",	  "fpsmax",  "fps_mode",	 "s",
		"aspect", "pix_fmt", "force_key_frames", "deinterlace"};
	static const char *const sounds[] = {"ar",	   "ac",  "channel_layout", "ch_layout",
					     "sample_fmt", "vol", "loudness"};

	for (size_t i = 0; i < array_size(pictures); i++)
		if (strcmp(name, pictures[i]) == 0)
			return 'v';
	for (size_t i = 0; i < array_size(sounds); i++)
		if (strcmp(name, sounds[i]) == 0)
			return 'a';
	return 0;
}

/* Options of frames have no effect on packets that are copied. */
static void check_copied(struct entry *e, const char *key, const struct option_def *def, char media)
{
	bool graph = def->value == VALUE_ANY_GRAPH;
	char works = graph ? media : works_on(def->name);

	if ((graph || def->value == VALUE_LOUDNESS || strcmp(def->name, "deinterlace") == 0) &&
	    ((works == 'v' && e->video_copied) || (works == 'a' && e->audio_copied)))
		report(e, key, "error", "a filter cannot work on a stream that is copied");
	else if (works == 'v' && e->video_copied)
		report(e, key, "warning", "has no effect on a picture that is copied");
	else if (works == 'a' && e->audio_copied)
		report(e, key, "warning", "has no effect on sound that is copied, only on /audio");
}

static void check_graph_option(struct entry *e, const char *key, const char *graph)
{
	char text[MESSAGE_MAX];

	if (check_filter_values(e->values, graph, text, sizeof(text)))
		check_graph_files(e, key, graph);
	else
		report(e, key, "error", "%s", text);
}

static void check_own(struct entry *e, const char *key, const char *name, char media,
		      const char *value)
{
	const struct option_def *def = option_find(name, e->side);
	char text[MESSAGE_MAX] = "";
	const char *found;

	assert(def != NULL && (def->sides & e->side) != 0);
	if (e->side == OPTION_INPUT && value && def->value == VALUE_FORMAT) {
		check_input_format(e, key, value);
		return;
	}
	if (def->value == VALUE_ANY_CODEC && value && option_is_hardware(value) &&
	    !avcodec_find_encoder_by_name(value)) {
		report(e, key, "warning", "this libav has no encoder '%.64s'", value);
		return;
	}
	if (!check_own_value(def, media, value, text, sizeof(text))) {
		report(e, key, "error", "%s", text);
		return;
	}
	if ((found = remark_of(name, media, value))) {
		report(e, key, "warning", "%s", found);
		return;
	}
	if (def->value == VALUE_ANY_CODEC && !check_carried(e, key, media, value))
		return;
	if (option_is_graph(key, e->side) && value)
		check_graph_option(e, key, value);
	check_copied(e, key, def, media);
}

static void check_avoption(struct entry *e, const char *key, const char *name, char media,
			   const char *value)
{
	char text[MESSAGE_MAX];

	if (e->target.video && (media == 0 || media == 'v') &&
	    option_find_encoder(e->target.video, name) &&
	    !check_encoder_value(e->values, e->target.video, name, value, text, sizeof(text)))
		report(e, key, "error", "%s", text);
	else if (e->target.audio && (media == 0 || media == 'a') &&
		 option_find_encoder(e->target.audio, name) &&
		 !check_encoder_value(e->values, e->target.audio, name, value, text, sizeof(text)))
		report(e, key, "error", "%s", text);
}

static void check_unknown(struct entry *e, const char *key, const char *name)
{
	const struct option_def *def = option_find(name, e->side);
	const char *near = def ? NULL : option_suggest(name, e->side);

	if (def)
		report(e, key, "error", "is an option of %s",
		       e->side == OPTION_OUTPUT ? "inputs: write it under input_options"
						: "outputs: write it into a profile");
	else
		report(e, key, "error", "unknown option '%.64s'%s%s%s", name,
		       near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

static void check_input(struct entry *e, const char *key, const char *name, const char *value)
{
	char scheme[16];

	if (!value)
		report(e, key, "error", "needs a value");
	if (!value || !e->source || e->lavfi)
		return;
	url_scheme(e->source, scheme, sizeof(scheme));
	if (!option_input_fits(name, scheme, NULL))
		report(e, key, "warning",
		       "nothing that plays this source (%s) takes it; it is ignored", scheme);
	else if (!option_input_fits(name, scheme, value))
		report(e, key, "error", "'%.64s' is no value that it takes", value);
}

/* Options of a raw input are valid only with the format that `f` names. */
static void check_raw(struct entry *e, const char *key, const char *name, const char *value)
{
	const struct option_def *def = option_find(name, e->side);
	const AVInputFormat *demuxer = e->target.demuxer;
	char text[MESSAGE_MAX];

	if (!check_own_value(def, 0, value, text, sizeof(text)))
		report(e, key, "error", "%s", text);
	else if (!demuxer || !option_find_demuxer(demuxer, option_input_name(name)))
		report(e, key, "warning",
		       "only a raw format that 'f' names takes it, as rawvideo or s16le; it is "
		       "ignored");
}

/* The options of an output may name one stream ("b:a:1"), which may have another encoder.  False:
 * the name is invalid. */
static bool look_at_stream(struct entry *e, const char *key, const char *name, char media)
{
	int number = option_stream(key);

	if (e->side == OPTION_INPUT || strcmp(name, "map") == 0)
		return true;
	if (number == -EINVAL) {
		report(e, key, "error",
		       "names no stream: a kind, or a kind and a number up to %d (v, a:1)",
		       OPTION_STREAM_MAX);
		return false;
	}
	if (number == e->number && (number < 0 || media == e->media))
		return true;
	e->number = number;
	e->media = media;
	find_targets(e);
	return true;
}

static void check_pair(struct entry *e, const char *key, const char *value)
{
	char name[128], media, text[MESSAGE_MAX];
	enum option_kind kind;

	if (!option_split(key, name, sizeof(name), &media)) {
		report(e, key, "error", "is no option's name");
		return;
	}
	if (!look_at_stream(e, key, name, media))
		return;
	kind = option_classify(name, media, e->side, &e->target);
	switch (kind) {
	case OPTION_OURS:
	case OPTION_SEGMENTER:
		check_own(e, key, name, media, value);
		break;
	case OPTION_REFUSED:
		report(e, key, "error", "is refused: %s", option_find(name, e->side)->why);
		break;
	case OPTION_IGNORED:
		report(e, key, "warning", "has no effect here: %s",
		       option_find(name, e->side)->why);
		break;
	case OPTION_ENCODER:
		check_avoption(e, key, name, media, value);
		break;
	case OPTION_MUXER:
		if (!check_muxer_value(e->target.muxer, name, value, text, sizeof(text)))
			report(e, key, "error", "%s", text);
		break;
	case OPTION_ELSEWHERE:
		report(e, key, "warning",
		       e->side == OPTION_OUTPUT
			       ? "is no option of the chosen encoders or the muxer and is ignored"
			       : "is no option of an input and is ignored");
		break;
	case OPTION_RAW:
		check_raw(e, key, name, value);
		break;
	case OPTION_DEMUXER:
		check_input(e, key, name, value);
		break;
	default:
		check_unknown(e, key, name);
	}
}

/* True if a map names this output of filter_complex. */
static bool is_mapped(const struct entry *e, const char *label)
{
	struct stream_map map;
	size_t i;
	json_t *pair;

	json_array_foreach (e->options, i, pair) {
		const char *key = json_string_value(json_array_get(pair, 0));
		const char *value = json_string_value(json_array_get(pair, 1));

		if (key && value && strcmp(key, "map") == 0 && stream_map_parse(value, &map) == 0 &&
		    map.label && strcmp(map.spec, label) == 0)
			return true;
	}
	return false;
}

/* Outputs of filter_complex and the maps that name them belong together; none is copied. */
static void check_labels(struct entry *e)
{
	struct complex all = {0};
	struct stream_map map;
	char text[MESSAGE_MAX];
	size_t i;
	json_t *pair;
	bool good = true;

	json_array_foreach (e->options, i, pair) {
		const char *key = json_string_value(json_array_get(pair, 0));
		const char *value = json_string_value(json_array_get(pair, 1));

		/* mistakes in the graph are reported by now */
		if (key && value &&
		    (strcmp(key, "filter_complex") == 0 || strcmp(key, "lavfi") == 0))
			good = good && complex_add(&all, value, text, sizeof(text)) == 0;
	}
	json_array_foreach (e->options, i, pair) {
		const char *key = json_string_value(json_array_get(pair, 0));
		const char *value = json_string_value(json_array_get(pair, 1));

		if (good && key && value && strcmp(key, "map") == 0 &&
		    stream_map_parse(value, &map) == 0 && map.label &&
		    !complex_find(&all, map.spec))
			report(e, key, "error", "no output of filter_complex is named %s", value);
	}
	for (unsigned n = 0; good && n < all.count; n++) {
		const struct complex_part *part = &all.parts[n];

		if (part->named && !is_mapped(e, part->out))
			report(e, "filter_complex", "error",
			       "its output [%s] goes nowhere: add map: \"[%s]\"", part->out,
			       part->out);
		if (part->media == 'v' ? e->video_copied : e->audio_copied)
			report(e, "filter_complex", "error",
			       "a filter cannot work on a stream that is copied");
	}
	complex_done(&all);
}

/* [[option, severity, message], ...] of one entry, new reference.  *ret_reads: it depends on files,
 * too. */
static json_t *check_entry(struct value_checker *values, json_t *object, bool *ret_reads)
{
	const char *kind = json_string_value(json_object_get(object, "kind"));
	struct entry e = {
		.source = json_string_value(json_object_get(object, "source")),
		.side = kind && strcmp(kind, "input") == 0 ? OPTION_INPUT : OPTION_OUTPUT,
		.values = values,
		.number = -1,
		.found = json_array(),
		.options = json_array(),
	};
	json_t *list = json_object_get(object, "options"), *pair;
	size_t i;

	if (json_is_array(list))
		json_array_extend(e.options, list);
	add_args(&e, json_object_get(object, "args"));
	find_targets(&e);
	json_array_foreach (e.options, i, pair) {
		const char *key = json_string_value(json_array_get(pair, 0));

		if (key)
			check_pair(&e, key, json_string_value(json_array_get(pair, 1)));
	}
	if (e.side == OPTION_OUTPUT)
		check_labels(&e);
	if (e.side == OPTION_OUTPUT && e.video_off && e.audio_off)
		report(&e, "an", "error", "neither pictures nor sound are left");
	json_decref(e.options);
	*ret_reads = e.reads;
	return e.found;
}

static void add_found(json_t *answer, const char *path, json_t *found)
{
	size_t i;
	json_t *row;

	json_array_foreach (found, i, row) {
		char full[1024];
		json_t *where;

		snprintf(full, sizeof(full), "%s.%s", path ? path : "",
			 json_string_value(json_array_get(row, 0)));
		where = json_string(full);
		if (where)
			json_array_append_new(answer, json_pack("{s:o,s:O,s:O}", "path", where,
								"severity", json_array_get(row, 1),
								"message", json_array_get(row, 2)));
	}
}

/* An entry as text without its path, owned by the caller: equal entries have equal texts. */
static char *entry_key(json_t *object)
{
	json_t *copy = json_copy(object);
	char *key;

	/* thousands of channels differ only in the source, which matters only for lavfi */
	json_object_del(copy, "path");
	if (!json_string_value(json_object_get(copy, "kind")) ||
	    strcmp(json_string_value(json_object_get(copy, "kind")), "input") != 0)
		json_object_del(copy, "source");
	key = json_dumps(copy, JSON_COMPACT);
	json_decref(copy);
	return key;
}

json_t *check_options(const json_t *request, json_t *reading)
{
	struct value_checker values;
	json_t *answer, *seen, *readers, *object;
	int level = av_log_get_level();
	size_t i;

	if (!json_is_array(request) || value_checker_init(&values) < 0)
		return NULL;
	av_log_set_level(AV_LOG_QUIET);
	answer = json_array();
	seen = json_object();
	readers = json_object();
	json_array_foreach (request, i, object) {
		_cleanup_(freep) char *key = entry_key(object);
		json_t *found = key ? json_object_get(seen, key) : NULL;
		bool reads;

		if (!json_is_object(object) || !key)
			continue;
		if (!found) {
			found = check_entry(&values, object, &reads);
			json_object_set_new(seen, key, found);
			if (reads)
				json_object_set_new(readers, key, json_true());
		}
		if (reading && json_object_get(readers, key))
			json_array_append(reading, json_object_get(object, "path"));
		add_found(answer, json_string_value(json_object_get(object, "path")), found);
	}
	json_decref(seen);
	json_decref(readers);
	value_checker_done(&values);
	av_log_set_level(level);
	return answer;
}

/* Adds a loaded object; the first one, the program itself, has no name. */
static int add_file(struct dl_phdr_info *info, size_t bytes, void *arg)
{
	json_t *files = arg;
	char self[PATH_MAX];
	ssize_t n;

	(void)bytes;
	if (info->dlpi_name[0] == '/')
		return json_array_append_new(files, json_string(info->dlpi_name));
	if (json_array_size(files) > 0)
		return 0; /* the kernel's own, which is no file */
	n = readlink("/proc/self/exe", self, sizeof(self));
	return n < 0 ? -1 : json_array_append_new(files, json_stringn(self, (size_t)n));
}

/* The files, including libraries loaded by the checks.  NULL if they cannot be listed. */
static json_t *loaded_files(void)
{
	json_t *files = json_array();

	if (dl_iterate_phdr(add_file, files) == 0)
		return files;
	json_decref(files);
	return NULL;
}

/* {"problems","reading","files"}; files may be missing. */
static json_t *answer_request(const json_t *request)
{
	json_t *reading = json_array(), *problems = check_options(request, reading);

	if (problems)
		return json_pack("{s:o, s:o, s:o*}", "problems", problems, "reading", reading,
				 "files", loaded_files());
	json_decref(reading);
	return NULL;
}

int check_options_command(void)
{
	json_error_t error;
	json_t *request = json_loadf(stdin, 0, &error);
	json_t *answer = request ? answer_request(request) : NULL;
	int status = 1;

	if (!answer)
		fprintf(stderr, "amps-transcoder: --check-options: %s\n",
			request ? "not an array" : error.text);
	else if (json_dumpf(answer, stdout, JSON_COMPACT) == 0)
		status = 0;
	json_decref(answer);
	json_decref(request);
	return status;
}
