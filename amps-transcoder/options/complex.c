#include "amps-transcoder/options/complex.h"

#include <assert.h>
#include <libavfilter/avfilter.h>
#include <libavutil/avstring.h>
#include <libavutil/mem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "amps-transcoder/options/stream_map.h"
#include "common/text/buf.h"
#include "common/text/text.h"

#define CHAINS_MAX  32
#define LABELS_MAX  64
#define IN_LABEL    "amps_in%u"
#define UNNAMED_OUT "amps_out"

/* A label at a chain; `open`: no other chain has it on the other side. */
struct label {
	const char *text; /* "[0:v]" in the graph */
	size_t len;
	char name[COMPLEX_LABEL_MAX];
	unsigned chain;
	bool out, open;
};

/* Filters with commas between them. */
struct chain {
	const char *text;
	size_t len;
	unsigned part;	   /* number of its first chain */
	bool takes, gives; /* its first input and its last output have no label */
	char takes_media, media;
};

struct split {
	struct chain chains[CHAINS_MAX];
	struct label labels[LABELS_MAX];
	unsigned chain_count, label_count;
};

static char pad_media(const AVFilterPad *pads)
{
	return pads && avfilter_pad_get_type(pads, 0) == AVMEDIA_TYPE_AUDIO ? 'a' : 'v';
}

/* Reads "[a][b]".  The number of labels, or -EINVAL. */
static int read_labels(struct split *s, const char **at, bool out)
{
	int n = 0;

	for (;; n++) {
		const char *p = *at + strspn(*at, " \n\t\r"), *end;
		struct label *l = &s->labels[s->label_count];

		*at = p;
		if (*p != '[')
			return n;
		end = strchr(p, ']');
		if (!end || end == p + 1 || (size_t)(end - p) > sizeof(l->name) ||
		    s->label_count == LABELS_MAX)
			return -EINVAL;
		*l = (struct label){.text = p,
				    .len = (size_t)(end - p) + 1,
				    .chain = s->chain_count,
				    .out = out,
				    .open = true};
		memcpy(l->name, p + 1, (size_t)(end - p) - 1);
		s->label_count++;
		*at = end + 1;
	}
}

/* Reads one filter with its labels. */
static int read_filter(struct split *s, struct chain *c, const char **at, bool first)
{
	int in = read_labels(s, at, false), out;
	char *word = av_get_token(at, "[],;");
	const AVFilter *filter;

	if (!word)
		return -ENOMEM;
	word[strcspn(word, "=@")] = '\0';
	filter = avfilter_get_by_name(word);
	av_free(word);
	out = read_labels(s, at, true);
	if (in < 0 || out < 0 || !filter)
		return -EINVAL;
	if (first) {
		c->takes =
			in == 0 && (filter->inputs || filter->flags & AVFILTER_FLAG_DYNAMIC_INPUTS);
		c->takes_media = pad_media(filter->inputs ? filter->inputs : filter->outputs);
	}
	c->gives = out == 0 && (filter->outputs || filter->flags & AVFILTER_FLAG_DYNAMIC_OUTPUTS);
	if (filter->outputs)
		c->media = pad_media(filter->outputs);
	else if (first)
		c->media = pad_media(filter->inputs);
	return 0;
}

static int read_chain(struct split *s, const char **at)
{
	struct chain *c = &s->chains[s->chain_count];
	int r = s->chain_count < CHAINS_MAX ? 0 : -EINVAL;
	bool first = true;

	if (r == 0)
		*c = (struct chain){.text = *at, .part = s->chain_count};
	for (; r == 0; first = false) {
		r = read_filter(s, c, at, first);
		if (r < 0 || **at != ',')
			break;
		(*at)++;
	}
	if (r == 0) {
		c->len = (size_t)(*at - c->text);
		s->chain_count++;
	}
	return r;
}

static void join_parts(struct split *s, unsigned a, unsigned b)
{
	unsigned from = MAX(s->chains[a].part, s->chains[b].part);
	unsigned to = MIN(s->chains[a].part, s->chains[b].part);

	for (unsigned i = 0; i < s->chain_count; i++)
		if (s->chains[i].part == from)
			s->chains[i].part = to;
}

/* An output's label is an input's elsewhere. */
static void link_labels(struct split *s)
{
	for (unsigned i = 0; i < s->label_count; i++)
		for (unsigned j = 0; j < s->label_count; j++) {
			struct label *out = &s->labels[i], *in = &s->labels[j];

			if (!out->out || in->out || !out->open || !in->open ||
			    strcmp(out->name, in->name) != 0)
				continue;
			out->open = in->open = false;
			join_parts(s, out->chain, in->chain);
		}
}

/* The media of the stream that "0:a:1" names; `otherwise` if it may be any. */
static char spec_media(const char *spec, char otherwise)
{
	struct stream_map map;

	if (stream_map_parse(spec, &map) < 0 || !*map.spec || !strchr("vVas", *map.spec))
		return otherwise;
	return *map.spec == 'V' ? 'v' : *map.spec;
}

static int add_input(struct complex_part *p, const char *spec, char media, char *problem,
		     size_t cap)
{
	struct complex_input *in = &p->ins[p->in_count];

	if (*spec && strcmp(spec, "0") != 0 && strncmp(spec, "0:", 2) != 0) {
		snprintf(problem, cap,
			 "[%s] is no stream of the source: it is input 0, as in [0:v]; pictures "
			 "beside it come from the filter movie",
			 spec);
		return -EINVAL;
	}
	if (media == 's') {
		snprintf(problem, cap,
			 "[%s] has no pictures: subtitles are drawn by the filter subtitles", spec);
		return -EINVAL;
	}
	if (p->in_count == COMPLEX_INPUTS_MAX) {
		snprintf(problem, cap, "a part of the graph has more than %d inputs",
			 COMPLEX_INPUTS_MAX);
		return -EINVAL;
	}
	text_copy(in->spec, sizeof(in->spec), spec);
	snprintf(in->label, sizeof(in->label), IN_LABEL, p->in_count++);
	in->media = media;
	return 0;
}

/* Writes a chain with a label at each open end, and adds its inputs. */
static int write_chain(const struct split *s, unsigned chain, struct complex_part *p,
		       struct buf *text, char *problem, size_t cap)
{
	const struct chain *c = &s->chains[chain];
	const char *at = c->text;
	int r = 0;

	assert(chain < s->chain_count);
	buf_puts(text, text->len ? ";" : "");
	if (c->takes) {
		r = add_input(p, "", c->takes_media, problem, cap);
		if (r == 0)
			buf_printf(text, "[%s]", p->ins[p->in_count - 1].label);
	}
	for (unsigned i = 0; r == 0 && i < s->label_count; i++) {
		const struct label *l = &s->labels[i];

		if (l->chain != chain || l->out || !l->open)
			continue;
		r = add_input(p, l->name, spec_media(l->name, c->takes_media), problem, cap);
		if (r < 0)
			break;
		assert(l->text >= at && l->text + l->len <= c->text + c->len);
		buf_add(text, at, (size_t)(l->text - at));
		buf_printf(text, "[%s]", p->ins[p->in_count - 1].label);
		at = l->text + l->len;
	}
	buf_add(text, at, (size_t)(c->text + c->len - at));
	if (c->gives)
		buf_puts(text, "[" UNNAMED_OUT "]");
	return r;
}

/* The part as a graph of this output; its other outputs end. */
static int write_part(const struct split *s, unsigned part, struct complex_part *p, char *problem,
		      size_t cap)
{
	struct buf text = BUF_INIT;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < s->chain_count; i++)
		if (s->chains[i].part == part)
			r = write_chain(s, i, p, &text, problem, cap);
	for (unsigned i = 0; r == 0 && i < s->label_count; i++) {
		const struct label *l = &s->labels[i];

		if (s->chains[l->chain].part == part && l->out && l->open &&
		    strcmp(l->name, p->out) != 0)
			buf_printf(&text, ";[%s]%snullsink", l->name,
				   s->chains[l->chain].media == 'a' ? "a" : "");
	}
	if (r == 0 && p->in_count == 0) {
		snprintf(problem, cap, "a part of the graph takes no stream of the source");
		r = -EINVAL;
	}
	if (r == 0) {
		p->text = buf_ok(&text) ? strdup(text.data) : NULL;
		r = p->text ? 0 : -ENOMEM;
	}
	buf_done(&text);
	return r;
}

static int part_add(const struct split *s, struct complex *c, unsigned chain, const char *out,
		    char *problem, size_t cap)
{
	struct complex_part p = {.named = out, .media = s->chains[chain].media};
	int r;

	if (c->count == COMPLEX_PARTS_MAX) {
		snprintf(problem, cap, "the graph has more than %d outputs", COMPLEX_PARTS_MAX);
		return -EINVAL;
	}
	text_copy(p.out, sizeof(p.out), out ? out : UNNAMED_OUT);
	r = write_part(s, s->chains[chain].part, &p, problem, cap);
	if (r == 0)
		c->parts[c->count++] = p;
	return r;
}

/* A part without an output would do nothing. */
static bool has_output(const struct split *s, unsigned part)
{
	for (unsigned i = 0; i < s->chain_count; i++)
		if (s->chains[i].part == part && s->chains[i].gives)
			return true;
	for (unsigned i = 0; i < s->label_count; i++)
		if (s->chains[s->labels[i].chain].part == part && s->labels[i].out &&
		    s->labels[i].open)
			return true;
	return false;
}

int complex_add(struct complex *c, const char *graph, char *problem, size_t cap)
{
	struct split s = {0};
	int r = 0;

	do {
		r = read_chain(&s, &graph);
	} while (r == 0 && *graph == ';' && *++graph);
	if (r < 0 || *graph) {
		snprintf(problem, cap, "the filter graph cannot be read at '%.64s'", graph);
		return r == -ENOMEM ? r : -EINVAL;
	}
	link_labels(&s);
	for (unsigned i = 0; r == 0 && i < s.chain_count; i++) {
		if (s.chains[i].part == i && !has_output(&s, i)) {
			snprintf(problem, cap, "a part of the graph has no output");
			r = -EINVAL;
		}
		if (r == 0 && s.chains[i].gives)
			r = part_add(&s, c, i, NULL, problem, cap);
		for (unsigned l = 0; r == 0 && l < s.label_count; l++)
			if (s.labels[l].chain == i && s.labels[l].out && s.labels[l].open)
				r = part_add(&s, c, i, s.labels[l].name, problem, cap);
	}
	return r;
}

void complex_done(struct complex *c)
{
	for (unsigned i = 0; i < c->count; i++)
		free(c->parts[i].text);
	c->count = 0;
}

const struct complex_part *complex_find(const struct complex *c, const char *label)
{
	for (unsigned i = 0; i < c->count; i++)
		if (c->parts[i].named && strcmp(c->parts[i].out, label) == 0)
			return &c->parts[i];
	return NULL;
}
