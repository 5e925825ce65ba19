#include "amps-helper/guide/parse.h"

#include <assert.h>
#include <expat.h>
#include <stdio.h>
#include <string.h>

#include "amps-helper/guide/elements.h"
#include "amps-helper/guide/time.h"
#include "amps-helper/guide/xml_repair.h"
#include "common/limits.h"
#include "common/text/utf8.h"
#include "common/text/xml.h"

#if XML_MAJOR_VERSION > 2 || XML_MINOR_VERSION >= 9
/* those of the older names may have 32 bits, and are deprecated */
#define XML_GetCurrentByteIndex	 XML_GetCurrentByteIndex64
#define XML_GetCurrentLineNumber XML_GetCurrentLineNumber64
#endif

#define PIECES_MAX 512	 /* elements of a programme, or of one of its elements */
#define NO_STOP_S  43200 /* a programme may last so long if its end is not known */
#define PIECE_TEXT 65536u

/* An element that is written, in `out` of its level. */
struct piece {
	int number; /* of the table */
	uint32_t at, len;
	uint32_t text_at, text_len; /* of its text */
};

/* The elements inside one that is open: those of the programme, and those of one of them. */
struct level {
	struct piece pieces[PIECES_MAX];
	size_t count;
	struct buf out;
};

struct guide_parse {
	struct guide_parse_env env;
	XML_Parser xml;
	struct xml_repair repair;
	struct buf repaired;
	uint64_t bytes; /* given to the parser */
	uint64_t programmes;
	struct guide_left_out left_out;
	unsigned depth;
	unsigned skip; /* the depth of an element that is left out with what is in it, or 0 */
	bool collect;  /* text */
	bool in_programme;
	uint32_t channel;
	struct spooled programme;
	struct level levels[2];
	struct piece open[2]; /* the element of the programme, and the one in it */
	unsigned opened;
	struct buf text;
	char reason[160]; /* why the parser was stopped */
};

static void stop(struct guide_parse *p, const char *reason)
{
	if (p->reason[0] == '\0')
		snprintf(p->reason, sizeof(p->reason), "%s", reason);
	XML_StopParser(p->xml, XML_FALSE);
}

static void stop_error(struct guide_parse *p, int error, const char *too_many)
{
	stop(p, error == -E2BIG ? too_many : strerror(-error));
}

static const char *attribute(const char *const *attributes, const char *name)
{
	for (; *attributes != NULL; attributes += 2)
		if (strcmp(attributes[0], name) == 0)
			return attributes[1];
	return NULL;
}

static void collect(struct guide_parse *p, bool on)
{
	p->collect = on;
	buf_reset(&p->text);
}

struct trimmed {
	const char *at;
	size_t len;
};

/* The collected text without the space around it, cut at a character. */
static struct trimmed collected(const struct guide_parse *p)
{
	struct trimmed t = {p->text.data, p->text.len};

	while (t.len > 0 && strchr(" \t\r\n", t.at[0]) != NULL) {
		t.at++;
		t.len--;
	}
	while (t.len > 0 && strchr(" \t\r\n", t.at[t.len - 1]) != NULL)
		t.len--;
	if (t.len > GUIDE_TEXT_MAX)
		for (t.len = GUIDE_TEXT_MAX; t.len > 0 && (t.at[t.len] & 0xc0) == 0x80;)
			t.len--;
	return t;
}

/* ---------- elements of a programme ---------- */

/* Writes the start of an element.  False: it lacks an attribute that it needs. */
static bool open_element(struct guide_parse *p, int number, const char *const *attributes)
{
	const struct guide_element *e = guide_element_at(number);
	struct level *l = &p->levels[p->opened];
	struct buf *out = &l->out;
	size_t before = out->len;
	bool complete = e->needs == NULL;

	buf_printf(out, "<%s", e->name);
	for (; e->attributes != NULL && *attributes != NULL; attributes += 2) {
		size_t n = strlen(attributes[0]);
		const char *found = strstr(e->attributes, attributes[0]);

		if (found == NULL || found[n] != ' ' || (found > e->attributes && found[-1] != ' '))
			continue;
		buf_printf(out, " %s=\"", attributes[0]);
		xml_put(out, attributes[1], strnlen(attributes[1], GUIDE_TEXT_MAX));
		buf_putc(out, '"');
		complete |= e->needs != NULL && strcmp(e->needs, attributes[0]) == 0;
	}
	if (!complete) {
		out->len = before;
		return false;
	}
	p->open[p->opened] = (struct piece){.number = number, .at = (uint32_t)before};
	p->opened++;
	if (e->content == CONTENT_ELEMENTS) {
		assert(p->opened == 1);
		p->levels[1].count = 0;
		buf_reset(&p->levels[1].out);
	}
	collect(p, e->content == CONTENT_TEXT || e->content == CONTENT_TEXT_NEEDED);
	return true;
}

static int compare_pieces(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return (x->at > y->at) - (x->at < y->at);
}

/* Sorts by the DTD and drops what may be there once only.  Returns the bytes that are left. */
static size_t sort_level(struct level *l)
{
	size_t n = 0, bytes = 0;

	qsort(l->pieces, l->count, sizeof(l->pieces[0]), compare_pieces);
	for (size_t i = 0; i < l->count; i++) {
		const struct piece *piece = &l->pieces[i];
		bool again = n > 0 && l->pieces[n - 1].number == piece->number &&
			     guide_element_at(piece->number)->once;

		if (again || bytes + piece->len > GUIDE_PROGRAMME_MAX)
			continue;
		bytes += piece->len;
		l->pieces[n++] = *piece;
	}
	l->count = n;
	return bytes;
}

/* Writes the elements inside; false: there is none, or one is missing. */
static bool close_elements(struct guide_parse *p, int number, struct buf *out)
{
	struct level *l = &p->levels[1];
	bool rating = strstr(guide_element_at(number)->name, "rating") != NULL;
	bool complete = !rating;

	sort_level(l);
	buf_putc(out, '>');
	for (size_t i = 0; i < l->count; i++) {
		buf_add(out, l->out.data + l->pieces[i].at, l->pieces[i].len);
		complete |= guide_element_at(l->pieces[i].number)->needed;
	}
	return l->count > 0 && complete;
}

static void close_element(struct guide_parse *p)
{
	struct piece *piece = &p->open[--p->opened];
	const struct guide_element *e = guide_element_at(piece->number);
	struct level *l = &p->levels[p->opened];
	struct trimmed text = collected(p);
	bool keep = l->count < PIECES_MAX, empty = text.len == 0;

	if (e->content == CONTENT_ELEMENTS) {
		keep = close_elements(p, piece->number, &l->out) && keep;
		buf_printf(&l->out, "</%s>", e->name);
	} else if (e->content == CONTENT_EMPTY || (e->content == CONTENT_TEXT && empty)) {
		buf_puts(&l->out, "/>");
	} else {
		keep = keep && !empty;
		buf_putc(&l->out, '>');
		piece->text_at = (uint32_t)l->out.len - piece->at;
		xml_put(&l->out, text.at, text.len);
		piece->text_len = (uint32_t)l->out.len - piece->at - piece->text_at;
		buf_printf(&l->out, "</%s>", e->name);
	}
	piece->len = (uint32_t)l->out.len - piece->at;
	if (keep && l->out.len <= 4 * GUIDE_PROGRAMME_MAX)
		l->pieces[l->count++] = *piece;
	else
		l->out.len = piece->at;
	p->collect = false;
}

/* ---------- channels and programmes ---------- */

static void begin_channel(struct guide_parse *p, const char *const *attributes)
{
	const char *id = attribute(attributes, "id");
	int r;

	p->skip = id == NULL || id[0] == '\0' || strlen(id) > GUIDE_NAME_MAX ? p->depth : 0;
	if (p->skip > 0)
		return;
	r = guide_match_channel(p->env.match, id, &p->channel);
	if (r < 0)
		stop_error(p, r, "the guide has too many channels");
}

static bool read_times(struct guide_parse *p, const char *const *attributes)
{
	const char *start = attribute(attributes, "start"), *end = attribute(attributes, "stop");
	struct spooled *s = &p->programme;
	struct guide_left_out *out = &p->left_out;
	int64_t last;

	if (start == NULL || guide_time_parse(start, p->env.local, p->env.shift_s, &s->start_s) < 0)
		return false;
	if (end == NULL || guide_time_parse(end, p->env.local, p->env.shift_s, &s->end_s) < 0 ||
	    s->end_s <= s->start_s)
		s->end_s = GUIDE_NO_END;
	last = s->end_s == GUIDE_NO_END ? (int64_t)s->start_s + NO_STOP_S : s->end_s;
	if (last <= p->env.from_s)
		out->last_end_s = MAX(out->last_end_s, last);
	else if (s->start_s >= p->env.until_s &&
		 (out->first_start_s == 0 || s->start_s < out->first_start_s))
		out->first_start_s = s->start_s;
	return last > p->env.from_s && s->start_s < p->env.until_s;
}

static void begin_programme(struct guide_parse *p, const char *const *attributes)
{
	const char *id = attribute(attributes, "channel");
	int r;

	p->programmes++;
	p->skip = p->depth;
	if (id == NULL || id[0] == '\0' || strlen(id) > GUIDE_NAME_MAX)
		return;
	r = guide_match_channel(p->env.match, id, &p->channel);
	if (r < 0) {
		stop_error(p, r, "the guide has too many channels");
		return;
	}
	p->programme = (struct spooled){.channel = p->channel};
	if (!guide_match_may(p->env.match, p->channel) || !read_times(p, attributes))
		return;
	p->skip = 0;
	p->in_programme = true;
	p->opened = 0;
	p->levels[0].count = 0;
	buf_reset(&p->levels[0].out);
}

/* Where the text of a piece is among the elements; nothing for one that is too long. */
static void note_text(const struct piece *piece, size_t at, uint16_t *ret_at, uint16_t *ret_len)
{
	if (*ret_len > 0 || piece->text_len == 0 || at + piece->len > UINT16_MAX)
		return;
	*ret_at = (uint16_t)(at + piece->text_at);
	*ret_len = (uint16_t)piece->text_len;
}

/* A programme without a title gets the channel's name. */
static void add_title(struct guide_parse *p, struct buf *out)
{
	const char *name = guide_match_channel_name(p->env.match, p->channel);

	buf_puts(out, "<title>");
	p->programme.title_at = (uint16_t)out->len;
	xml_put(out, name, strlen(name));
	p->programme.title_bytes = (uint16_t)(out->len - p->programme.title_at);
	buf_puts(out, "</title>");
}

static void end_programme(struct guide_parse *p)
{
	_cleanup_(buf_done) struct buf out = BUF_INIT;
	struct level *l = &p->levels[0];
	struct spooled *s = &p->programme;
	int r;

	p->in_programme = false;
	sort_level(l);
	if (l->count == 0 || l->pieces[0].number != (int)GUIDE_ELEMENT_TITLE)
		add_title(p, &out);
	for (size_t i = 0; i < l->count; i++) {
		const struct piece *piece = &l->pieces[i];

		if (piece->number == (int)GUIDE_ELEMENT_TITLE)
			note_text(piece, out.len, &s->title_at, &s->title_bytes);
		if (piece->number == (int)GUIDE_ELEMENT_DESC)
			note_text(piece, out.len, &s->desc_at, &s->desc_bytes);
		buf_add(&out, l->out.data + piece->at, piece->len);
	}
	assert(out.len <= UINT16_MAX);
	s->bytes = (uint16_t)out.len;
	r = buf_ok(&out) && buf_ok(&l->out) ? guide_spool_add(p->env.spool, s, out.data) : -ENOMEM;
	if (r < 0)
		stop_error(p, r, "the guide has too many programmes for these channels");
}

/* ---------- what the parser calls ---------- */

static void begin_inner(struct guide_parse *p, const char *name, const char *const *attributes)
{
	const char *parent =
		p->opened > 0 ? guide_element_at(p->open[0].number)->name : "programme";
	int number = p->opened < 2 ? guide_element_find(name, parent) : -1;

	if (number < 0 || !open_element(p, number, attributes))
		p->skip = p->depth;
}

static void XMLCALL on_start(void *arg, const char *name, const char **attributes)
{
	struct guide_parse *p = arg;
	const char *const *list = (const char *const *)attributes;

	if (++p->depth > GUIDE_DEPTH_MAX) {
		stop(p, "too many elements are inside each other");
		return;
	}
	if (p->skip > 0)
		return;
	if (p->depth == 1 && strcmp(name, "tv") != 0) {
		snprintf(p->reason, sizeof(p->reason),
			 "this is not XMLTV: it begins with <%.40s>, not with <tv>", name);
		stop(p, "");
	} else if (p->in_programme) {
		begin_inner(p, name, list);
	} else if (p->depth == 2 && strcmp(name, "channel") == 0) {
		begin_channel(p, list);
	} else if (p->depth == 2 && strcmp(name, "programme") == 0) {
		begin_programme(p, list);
	} else if (p->depth == 3 && strcmp(name, "display-name") == 0) {
		collect(p, true);
	} else if (p->depth > 1) {
		p->skip = p->depth;
	}
}

static void end_name(struct guide_parse *p)
{
	struct trimmed text = collected(p);
	char name[GUIDE_NAME_MAX + 1];
	int r;

	p->collect = false;
	snprintf(name, sizeof(name), "%.*s", (int)MIN(text.len, (size_t)GUIDE_NAME_MAX),
		 text.len > 0 ? text.at : "");
	r = guide_match_name(p->env.match, p->channel, name);
	if (r < 0)
		stop_error(p, r, "");
}

static void XMLCALL on_end(void *arg, const char *name)
{
	struct guide_parse *p = arg;
	unsigned depth = p->depth--;

	(void)name;
	assert(depth > 0);
	if (p->skip > 0) {
		p->skip = depth > p->skip ? p->skip : 0;
		return;
	}
	if (p->in_programme && p->opened > 0)
		close_element(p);
	else if (p->in_programme)
		end_programme(p);
	else if (p->collect)
		end_name(p);
}

static void XMLCALL on_text(void *arg, const char *text, int n)
{
	struct guide_parse *p = arg;

	if (p->collect && p->skip == 0 && p->text.len < PIECE_TEXT)
		buf_add(&p->text, text, (size_t)n);
}

static void XMLCALL on_entity(void *arg, const char *name, int parameter, const char *value,
			      int length, const char *base, const char *system_id,
			      const char *public_id, const char *notation)
{
	(void)name;
	(void)parameter;
	(void)value;
	(void)length;
	(void)base;
	(void)system_id;
	(void)public_id;
	(void)notation;
	stop((struct guide_parse *)arg, "the document declares entities, which are not allowed");
}

/* ---------- the document ---------- */

int guide_parse_new(const struct guide_parse_env *env, struct guide_parse **ret)
{
	struct guide_parse *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -ENOMEM;
	p->env = *env;
	p->xml = XML_ParserCreate(NULL);
	if (p->xml == NULL) {
		free(p);
		return -ENOMEM;
	}
	XML_SetUserData(p->xml, p);
	XML_SetElementHandler(p->xml, on_start, on_end);
	XML_SetCharacterDataHandler(p->xml, on_text);
	XML_SetEntityDeclHandler(p->xml, on_entity);
	*ret = p;
	return 0;
}

void guide_parse_free(struct guide_parse *p)
{
	if (p == NULL)
		return;
	XML_ParserFree(p->xml);
	buf_done(&p->repaired);
	buf_done(&p->text);
	buf_done(&p->levels[0].out);
	buf_done(&p->levels[1].out);
	free(p);
}

static int parse(struct guide_parse *p, bool last, char *reason, size_t cap)
{
	int error;

	p->bytes += p->repaired.len;
	if (!buf_ok(&p->repaired) || p->text.failed)
		return -ENOMEM;
	if (XML_Parse(p->xml, p->repaired.len > 0 ? p->repaired.data : "", (int)p->repaired.len,
		      last) == XML_STATUS_OK) {
		buf_reset(&p->repaired);
		/* what the parser holds back is one tag, comment or declaration */
		if (p->bytes - (uint64_t)MAX(XML_GetCurrentByteIndex(p->xml), 0) <=
			    GUIDE_TOKEN_MAX + PIECE_TEXT ||
		    last)
			return 0;
		snprintf(p->reason, sizeof(p->reason), "a tag or comment has more than %u bytes",
			 GUIDE_TOKEN_MAX);
	}
	error = (int)XML_GetErrorCode(p->xml);
	snprintf(reason, cap, "line %lu: %s", (unsigned long)XML_GetCurrentLineNumber(p->xml),
		 p->reason[0] != '\0' ? p->reason : XML_ErrorString((enum XML_Error)error));
	return -EBADMSG;
}

int guide_parse_add(void *arg, const char *bytes, size_t n, char *reason, size_t cap)
{
	struct guide_parse *p = arg;

	xml_repair_add(&p->repair, bytes, n, &p->repaired);
	return parse(p, false, reason, cap);
}

int guide_parse_end(struct guide_parse *p, char *reason, size_t cap)
{
	xml_repair_end(&p->repair, &p->repaired);
	return parse(p, true, reason, cap);
}

unsigned long guide_parse_line(const struct guide_parse *p)
{
	return XML_GetCurrentLineNumber(p->xml);
}

uint64_t guide_parse_count(const struct guide_parse *p)
{
	return p->programmes;
}

struct guide_left_out guide_parse_left_out(const struct guide_parse *p)
{
	return p->left_out;
}
