#include "amps-transcoder/options/complex.h"

#include <assert.h>
#include <libavfilter/avfilter.h>
#include <libavutil/avstring.h>
#include <libavutil/mem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text/buf.h"
#include "common/text/text.h"

#define CHAINS_MAX  32
#define LABELS_MAX  64
#define UNNAMED_IN  "amps_in"
#define UNNAMED_OUT "amps_out"

/* A label at a chain; `open`: no other chain has it on the other side. */
struct label {
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
	char media;
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
		*l = (struct label){.chain = s->chain_count, .out = out, .open = true};
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
	if (first)
		c->takes =
			in == 0 && (filter->inputs || filter->flags & AVFILTER_FLAG_DYNAMIC_INPUTS);
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

/* The open ends of a part that are named; `ret` gets the name of the last. */
static unsigned named_ends(const struct split *s, unsigned part, bool out, char *ret)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->label_count; i++) {
		const struct label *l = &s->labels[i];

		if (!l->open || l->out != out || s->chains[l->chain].part != part)
			continue;
		text_copy(ret, COMPLEX_LABEL_MAX, l->name);
		n++;
	}
	return n;
}

/* Its chains again, with labels at all open ends. */
static int write_part(const struct split *s, unsigned part, struct complex_part *p)
{
	struct buf text = BUF_INIT;

	for (unsigned i = 0; i < s->chain_count; i++) {
		const struct chain *c = &s->chains[i];

		if (c->part != part)
			continue;
		buf_printf(&text, "%s%s%.*s%s", text.len ? ";" : "",
			   c->takes ? "[" UNNAMED_IN "]" : "", (int)c->len, c->text,
			   c->gives ? "[" UNNAMED_OUT "]" : "");
	}
	p->text = buf_ok(&text) ? strdup(text.data) : NULL;
	buf_done(&text);
	return p->text ? 0 : -ENOMEM;
}

static int part_make(const struct split *s, unsigned part, struct complex_part *p, char *problem,
		     size_t cap)
{
	unsigned ins = named_ends(s, part, false, p->in);
	unsigned outs = named_ends(s, part, true, p->out);

	p->named = outs > 0;
	for (unsigned i = 0; i < s->chain_count; i++) {
		const struct chain *c = &s->chains[i];

		if (c->part != part)
			continue;
		ins += c->takes;
		outs += c->gives;
		if (c->takes)
			text_copy(p->in, sizeof(p->in), UNNAMED_IN);
		if (c->gives)
			text_copy(p->out, sizeof(p->out), UNNAMED_OUT);
		p->media = c->media;
	}
	if (ins == 1 && outs == 1 && (strncmp(p->in, "0:", 2) == 0 || !strcmp(p->in, UNNAMED_IN)))
		return write_part(s, part, p);
	if (ins == 1 && outs == 1)
		snprintf(problem, cap,
			 "[%s] is no stream of the source: it is input 0, as in [0:v]; pictures "
			 "beside it come from the filter movie",
			 p->in);
	else
		snprintf(problem, cap,
			 "a part of the graph has %u inputs and %u outputs; one of each is served",
			 ins, outs);
	return -EINVAL;
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
	for (unsigned i = 0; i < s.chain_count && r == 0; i++) {
		if (s.chains[i].part != i)
			continue;
		if (c->count == COMPLEX_PARTS_MAX) {
			snprintf(problem, cap, "the graph has more than %d parts",
				 COMPLEX_PARTS_MAX);
			return -EINVAL;
		}
		r = part_make(&s, i, &c->parts[c->count], problem, cap);
		c->count += r == 0;
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
