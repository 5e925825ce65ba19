#include "amps-transcoder/options/check_graph.h"

#include <libavfilter/avfilter.h>
#include <libavutil/avstring.h>
#include <libavutil/mem.h>
#include <libavutil/opt.h>
#include <stdio.h>
#include <string.h>

#include "amps-transcoder/av/log.h"
#include "amps-transcoder/options/hardware_name.h"
#include "common/text/text.h"

#define FILTER_NAME_MAX 64

/* Results of a walk over a graph: the first problem and the files. */
struct walk {
	AVFilterGraph *graph;
	char *text;
	size_t cap;
	graph_file_fn *each; /* NULL: files are not reported */
	void *owner;
	bool makes;   /* filters that open nothing outside are made */
	bool outside; /* the graph has filters that do open something */
	bool device;  /* filters that work on a device */
};

/* Options of filters whose value is a file or folder to be read. */
static const struct {
	const char *filter, *option;
} file_options[] = {
	{"movie", "filename"},	   {"amovie", "filename"},   {"subtitles", "filename"},
	{"subtitles", "fontsdir"}, {"ass", "filename"},	     {"ass", "fontsdir"},
	{"drawtext", "textfile"},  {"drawtext", "fontfile"}, {"lut1d", "file"},
	{"lut3d", "file"},	   {"curves", "psfile"},     {"removelogo", "filename"},
	{"find_rect", "object"},   {"cover_rect", "cover"},  {"vidstabtransform", "input"},
	{"sendcmd", "filename"},   {"asendcmd", "filename"}, {"arnndn", "model"},
	{"sofalizer", "sofa"},	   {"ocr", "datapath"},	     {"libplacebo", "custom_shader_path"},
};

static const char *suggest_filter(const char *name)
{
	const char *names[1024];
	const AVFilter *f;
	void *state = NULL;
	size_t n = 0;

	while (n < array_size(names) && (f = av_filter_iterate(&state)))
		names[n++] = f->name;
	return text_suggest(name, names, n);
}

static const char *suggest_option(const AVFilter *filter, const char *name)
{
	const AVClass *class = filter->priv_class;
	const char *names[256];
	const AVOption *o = NULL;
	size_t n = 0;

	if (!class)
		return NULL;
	while (n < array_size(names) && (o = av_opt_next(&class, o)))
		if (o->type != AV_OPT_TYPE_CONST)
			names[n++] = o->name;
	return text_suggest(name, names, n);
}

/* The option of a value without a name: in the order of libavfilter, without aliases. */
static const AVOption *next_positional(AVFilterContext *ctx, const AVOption *o)
{
	int offset = o ? o->offset : -1;

	while ((o = av_opt_next(ctx->priv, o)))
		if (o->type != AV_OPT_TYPE_CONST && o->offset != offset)
			return o;
	return NULL;
}

static bool check_option(AVFilterContext *ctx, const char *key, const char *value, char *text,
			 size_t cap)
{
	int error = av_opt_set(ctx, key, value, AV_OPT_SEARCH_CHILDREN);
	const char *near;

	if (error == AVERROR_OPTION_NOT_FOUND) {
		/* scale and similar filters pass unknown options to libswscale */
		if (av_opt_find(ctx, key, NULL, 0, AV_OPT_SEARCH_CHILDREN))
			return true;
		near = suggest_option(ctx->filter, key);
		snprintf(text, cap, "filter '%s' has no option '%.64s'%s%s%s", ctx->filter->name,
			 key, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
		return false;
	}
	if (error < 0) {
		snprintf(text, cap, "filter '%s': '%.64s' is no valid value for '%s'",
			 ctx->filter->name, value, key);
		return false;
	}
	return true;
}

/* "1280:720:flags=lanczos": values by position first, then key=value. */
static bool check_args(AVFilterContext *ctx, const char *args, char *text, size_t cap)
{
	const AVOption *positional = NULL;
	bool ok = true, named = false;

	while (*args && ok) {
		char *key = NULL, *value = NULL;

		if (av_opt_get_key_value(&args, "=", ":", named ? 0 : AV_OPT_FLAG_IMPLICIT_KEY,
					 &key, &value) < 0) {
			snprintf(text, cap, "filter '%s': options cannot be read at '%.64s'",
				 ctx->filter->name, args);
			return false;
		}
		if (key) {
			named = true;
			ok = check_option(ctx, key, value, text, cap);
		} else if (!ctx->filter->priv_class ||
			   !(positional = next_positional(ctx, positional))) {
			snprintf(text, cap, "filter '%s' has no place for the value '%.64s'",
				 ctx->filter->name, value);
			ok = false;
		} else {
			ok = check_option(ctx, positional->name, value, text, cap);
		}
		av_free(key);
		av_free(value);
		if (*args)
			args++;
	}
	return ok;
}

/* Reports the file of an option, if the option exists in this libav and is set. */
static void name_files(const struct walk *w, AVFilterContext *ctx)
{
	for (size_t i = 0; i < array_size(file_options); i++) {
		uint8_t *path = NULL;

		if (strcmp(file_options[i].filter, ctx->filter->name) != 0 ||
		    av_opt_get(ctx, file_options[i].option, AV_OPT_SEARCH_CHILDREN, &path) < 0)
			continue;
		if (path && *path)
			w->each(w->owner, ctx->filter->name, (const char *)path);
		av_free(path);
	}
}

/* True if the filter may open a file, a device, a library or a socket when it is made. */
static bool reaches_outside(const AVFilter *filter)
{
	static const char *const words[] = {"file",  "path",   "addr",	  "plugin",
					    "model", "device", "object",  "sofa",
					    "cover", "result", "fontsdir"};
	static const char *const names[] = {"frei0r", "frei0r_src", "lv2", "libplacebo", "ocv"};
	const AVClass *class = filter->priv_class;
	const AVOption *o = NULL;

	for (size_t i = 0; i < array_size(names); i++)
		if (strcmp(filter->name, names[i]) == 0)
			return true;
	if (hardware_is_filter(filter->name))
		return true;
	while (class && (o = av_opt_next(&class, o)))
		for (size_t i = 0; i < array_size(words); i++)
			if (strstr(o->name, words[i]) || strcmp(o->name, "input") == 0)
				return true;
	return false;
}

/* Makes the filter with its options; it reads the texts among them. */
static bool make_filter(struct walk *w, const AVFilter *filter, const char *args)
{
	char reason[200];
	AVFilterContext *ctx;
	bool ok;

	if (reaches_outside(filter)) {
		w->outside = true;
		return true;
	}
	ctx = args ? avfilter_graph_alloc_filter(w->graph, filter, NULL) : NULL;
	if (!ctx)
		return true;
	av_log_forget();
	ok = avfilter_init_str(ctx, args) >= 0;
	avfilter_free(ctx);
	av_log_last(reason, sizeof(reason));
	if (!ok)
		snprintf(w->text, w->cap, "filter '%s': %s", filter->name,
			 *reason ? reason : "it does not take these values");
	return ok;
}

static bool check_filter(struct walk *w, char *word)
{
	char *args = strchr(word, '=');
	const AVFilter *filter;
	AVFilterContext *ctx;
	const char *near;
	bool ok = true;
	char *at;

	if (args)
		*args++ = '\0';
	if ((at = strchr(word, '@')))
		*at = '\0';
	filter = avfilter_get_by_name(word);
	if (!filter) {
		near = suggest_filter(word);
		snprintf(w->text, w->cap, "unknown filter '%.*s'%s%s%s", FILTER_NAME_MAX, word,
			 near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
		return false;
	}
	w->device |= hardware_is_filter(filter->name);
	ctx = avfilter_graph_alloc_filter(w->graph, filter, NULL);
	if (ctx && args)
		ok = check_args(ctx, args, w->text, w->cap);
	if (ctx && ok && w->each)
		name_files(w, ctx);
	if (ctx)
		avfilter_free(ctx);
	return ok && w->makes ? make_filter(w, filter, args) : ok;
}

/* Steps over "[label]" groups and blanks. */
static const char *skip_labels(const char *p)
{
	for (;;) {
		p += strspn(p, " \n\t\r");
		if (*p != '[' || !strchr(p, ']'))
			return p;
		p = strchr(p, ']') + 1;
	}
}

static bool check_chain(struct walk *w, const char *p)
{
	if (strncmp(p, "sws_flags=", 10) == 0)
		p += strcspn(p, ";") + (strchr(p, ';') != NULL);
	for (;;) {
		char *word;
		bool ok;

		p = skip_labels(p);
		word = av_get_token(&p, "[],;");
		ok = word && *word;
		if (!ok)
			snprintf(w->text, w->cap, "a filter's name is missing at '%.64s'", p);
		else
			ok = check_filter(w, word);
		av_free(word);
		if (!ok)
			return false;
		p = skip_labels(p);
		if (!*p)
			return true;
		if (*p != ',' && *p != ';') {
			snprintf(w->text, w->cap, "the filter graph cannot be read at '%.64s'", p);
			return false;
		}
		p += 1 + strspn(p + 1, " \n\t\r");
		if (!*p)
			return true;
	}
}

/* Walks over the whole graph.  True when nothing is wrong. */
static bool walk_graph(struct walk *w, const char *graph)
{
	bool ok;

	w->graph = avfilter_graph_alloc();
	if (!w->graph)
		return true;
	ok = check_chain(w, graph + strspn(graph, " \n\t\r"));
	avfilter_graph_free(&w->graph);
	return ok;
}

bool check_graph(const char *graph, char *text, size_t cap)
{
	struct walk w = {.text = text, .cap = cap};

	return walk_graph(&w, graph);
}

/* Gives the graph's open inputs pictures or sound, and its open outputs an end.  0 or a libav
 * error. */
static int close_graph(AVFilterGraph *graph, const AVFilterInOut *in, const AVFilterInOut *out)
{
	AVFilterContext *end;
	int r = 0;

	for (; in && r >= 0; in = in->next) {
		bool sound = avfilter_pad_get_type(in->filter_ctx->input_pads, in->pad_idx) ==
			     AVMEDIA_TYPE_AUDIO;

		r = avfilter_graph_create_filter(
			&end, avfilter_get_by_name(sound ? "anullsrc" : "color"), NULL,
			sound ? NULL : "s=1920x1080:r=25", NULL, graph);
		if (r >= 0)
			r = avfilter_link(end, 0, in->filter_ctx, (unsigned)in->pad_idx);
	}
	for (; out && r >= 0; out = out->next) {
		bool sound = avfilter_pad_get_type(out->filter_ctx->output_pads, out->pad_idx) ==
			     AVMEDIA_TYPE_AUDIO;

		r = avfilter_graph_create_filter(
			&end, avfilter_get_by_name(sound ? "anullsink" : "nullsink"), NULL, NULL,
			NULL, graph);
		if (r >= 0)
			r = avfilter_link(out->filter_ctx, (unsigned)out->pad_idx, end, 0);
	}
	return r;
}

/* Configures the whole graph: that is when most filters read their expressions.  What else goes
 * wrong depends on the source. */
static bool check_expressions(const char *text, char *problem, size_t cap)
{
	AVFilterGraph *graph = avfilter_graph_alloc();
	AVFilterInOut *in = NULL, *out = NULL;

	if (!graph)
		return true;
	graph->nb_threads = 1;
	av_log_forget();
	if (avfilter_graph_parse2(graph, text, &in, &out) >= 0 && close_graph(graph, in, out) >= 0)
		(void)!avfilter_graph_config(graph, NULL);
	avfilter_inout_free(&in);
	avfilter_inout_free(&out);
	avfilter_graph_free(&graph);
	av_log_expression(problem, cap);
	return !*problem;
}

bool check_graph_values(const char *graph, char *text, size_t cap)
{
	struct walk w = {.text = text, .cap = cap, .makes = true};
	bool ok;

	av_log_keep_only(true);
	ok = walk_graph(&w, graph) && (w.outside || check_expressions(graph, text, cap));
	av_log_keep_only(false);
	return ok;
}

void graph_files(const char *graph, graph_file_fn *each, void *owner)
{
	char text[256];
	struct walk w = {.text = text, .cap = sizeof(text), .each = each, .owner = owner};

	(void)walk_graph(&w, graph);
}

bool graph_has_device(const char *graph)
{
	char text[256];
	struct walk w = {.text = text, .cap = sizeof(text)};

	return walk_graph(&w, graph) && w.device;
}
