#include "amps-transcoder/check_graph.h"

#include <libavfilter/avfilter.h>
#include <libavutil/avstring.h>
#include <libavutil/mem.h>
#include <libavutil/opt.h>
#include <stdio.h>
#include <string.h>

#include "common/text.h"

#define FILTER_NAME_MAX 64

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

/* The option a value without a name belongs to: libavfilter's order, second names left out. */
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
		/* scale and friends hand what they do not know to libswscale */
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

static bool check_filter(AVFilterGraph *graph, char *word, char *text, size_t cap)
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
		snprintf(text, cap, "unknown filter '%.*s'%s%s%s", FILTER_NAME_MAX, word,
			 near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
		return false;
	}
	ctx = avfilter_graph_alloc_filter(graph, filter, NULL);
	if (ctx && args)
		ok = check_args(ctx, args, text, cap);
	if (ctx)
		avfilter_free(ctx);
	return ok;
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

static bool check_chain(AVFilterGraph *graph, const char *p, char *text, size_t cap)
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
			snprintf(text, cap, "a filter's name is missing at '%.64s'", p);
		else
			ok = check_filter(graph, word, text, cap);
		av_free(word);
		if (!ok)
			return false;
		p = skip_labels(p);
		if (!*p)
			return true;
		if (*p != ',' && *p != ';') {
			snprintf(text, cap, "the filter graph cannot be read at '%.64s'", p);
			return false;
		}
		p += 1 + strspn(p + 1, " \n\t\r");
		if (!*p)
			return true;
	}
}

bool check_graph(const char *graph, char *text, size_t cap)
{
	AVFilterGraph *g = avfilter_graph_alloc();
	bool ok;

	if (!g)
		return true;
	ok = check_chain(g, graph + strspn(graph, " \n\t\r"), text, cap);
	avfilter_graph_free(&g);
	return ok;
}
