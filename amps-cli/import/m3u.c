#include "amps-cli/import/m3u.h"

#include <assert.h>
#include <string.h>
#include "amps-cli/import/m3u_extinf.h"
#include "common/text/utf8.h"
#include "common/limits.h"

/* The texts of an entry are in `text`, each with its NUL; as offsets, because it grows. */
struct place {
	size_t name, value;
};

struct m3u {
	struct m3u_events events;
	struct buf line;     /* the current line, as far as it has come */
	struct buf repaired; /* the same as UTF-8 */
	uint64_t number;     /* of the current line */
	bool after_cr;	     /* a newline now belongs to the previous line */
	bool too_long;	     /* the rest of the line is ignored */
	bool started;	     /* a line that is not blank was seen */
	bool markup;	     /* the first of them begins with '<' */
	bool noted_latin, noted_nul, noted_hls, noted_pairs, noted_guess[M3U_GUESS_COUNT_];
	bool no_memory;

	/* the entry that is being collected */
	struct buf text;
	struct place pairs[M3U_PAIRS_MAX];
	size_t pair_count;
	size_t name;	  /* 1 + its place in `text`, 0 = none */
	bool drop;	  /* its #EXTINF could not be kept */
	struct buf group; /* stays for the entries to come */
};

struct m3u *m3u_new(const struct m3u_events *events)
{
	struct m3u *m = calloc(1, sizeof(*m));

	if (m != NULL) {
		m->events = *events;
		m->number = 1;
	}
	return m;
}

struct m3u *m3u_free(struct m3u *m)
{
	if (m == NULL)
		return NULL;
	buf_done(&m->line);
	buf_done(&m->repaired);
	buf_done(&m->text);
	buf_done(&m->group);
	free(m);
	return NULL;
}

static void note(struct m3u *m, const char *text)
{
	m->events.note(m->events.owner, m->number, text);
}

/* For what may be in every line of a file. */
static void note_once(struct m3u *m, bool *noted, const char *text)
{
	if (!*noted)
		note(m, text);
	*noted = true;
}

static size_t keep(struct m3u *m, const char *text, size_t len)
{
	size_t place = m->text.len;

	buf_add(&m->text, text, len);
	buf_putc(&m->text, '\0');
	return place;
}

static void add_pair(void *owner, const char *name, const char *value, size_t len)
{
	struct m3u *m = owner;
	struct place *pair = &m->pairs[m->pair_count];

	assert(len > 0 && m->pair_count <= M3U_PAIRS_MAX);
	if (m->pair_count == M3U_PAIRS_MAX || m->text.len + len > M3U_ENTRY_MAX) {
		note_once(m, &m->noted_pairs,
			  "more attributes than an entry may have; the rest is left out");
		return;
	}
	pair->name = keep(m, name, strlen(name));
	pair->value = keep(m, value, len);
	m->pair_count++;
}

static void note_guess(void *owner, enum m3u_guess guess)
{
	static const char *const texts[M3U_GUESS_COUNT_] = {
		[M3U_GUESS_QUOTES] =
			"the quotes of a value are ambiguous; it is read up to its likeliest end",
		[M3U_GUESS_BLANKS] =
			"a value with blanks has no quotes; it ends at the next attribute or comma",
		[M3U_GUESS_NAME] = "there is no comma before the name",
		[M3U_GUESS_LONG] = "the name of an attribute is too long; it is left out",
	};
	struct m3u *m = owner;

	assert(guess < M3U_GUESS_COUNT_ && texts[guess] != NULL);
	note_once(m, &m->noted_guess[guess], texts[guess]);
}

static void entry_reset(struct m3u *m)
{
	m->no_memory = m->no_memory || !buf_ok(&m->text);
	buf_reset(&m->text);
	m->pair_count = 0;
	m->name = 0;
	m->drop = false;
}

static void deliver(struct m3u *m, const char *url)
{
	struct m3u_pair pairs[M3U_PAIRS_MAX];
	struct m3u_entry entry = {.line = m->number,
				  .name = m->name > 0 ? m->text.data + m->name - 1 : "",
				  .group = m->group.len > 0 ? m->group.data : "",
				  .url = url,
				  .pairs = pairs,
				  .pair_count = m->pair_count};

	assert(m->pair_count <= M3U_PAIRS_MAX);
	assert(m->name <= m->text.len || !buf_ok(&m->text));
	for (size_t i = 0; i < m->pair_count; i++) {
		assert(m->pairs[i].name < m->pairs[i].value);
		pairs[i].name = m->text.data + m->pairs[i].name;
		pairs[i].value = m->text.data + m->pairs[i].value;
	}
	if (buf_ok(&m->text) && buf_ok(&m->group) && !m->drop)
		m->events.entry(m->events.owner, &entry);
	entry_reset(m);
}

static void take_extinf(struct m3u *m, const char *rest)
{
	const struct m3u_extinf to = {m, add_pair, note_guess};
	const char *name;

	/* an entry without a URL is dropped; options before the first #EXTINF stay */
	if (m->name > 0 || m->drop)
		entry_reset(m);
	name = m3u_extinf_read(rest, &to);
	m->name = keep(m, name, strlen(name)) + 1;
}

/* "name=value" */
static void take_option(struct m3u *m, const char *prefix, const char *rest)
{
	size_t len = strcspn(rest, "=");
	char name[M3U_NAME_BYTES];

	if (len == 0 || rest[len] != '=' || rest[len + 1] == '\0')
		return;
	if (m3u_clean_name(prefix, rest, len, name))
		add_pair(m, name, rest + len + 1, strlen(rest + len + 1));
	else
		note_guess(m, M3U_GUESS_LONG);
}

static void take_vlc_option(struct m3u *m, const char *rest)
{
	take_option(m, "vlc-", rest);
}

static void take_kodi_option(struct m3u *m, const char *rest)
{
	take_option(m, "kodi-", rest);
}

static void take_group(struct m3u *m, const char *rest)
{
	buf_reset(&m->group);
	buf_puts(&m->group, rest);
}

static void take_hls(struct m3u *m, const char *rest)
{
	(void)rest;
	note_once(m, &m->noted_hls,
		  "this looks like the HLS playlist of one stream, not like a list of channels");
}

static void take_comment(struct m3u *m, const char *line)
{
	static const struct {
		const char *begin;
		void (*take)(struct m3u *m, const char *rest);
	} kinds[] = {
		{"#EXTINF:", take_extinf},	     {"#EXTGRP:", take_group},
		{"#EXTVLCOPT:", take_vlc_option},    {"#KODIPROP:", take_kodi_option},
		{"#EXT-X-TARGETDURATION", take_hls}, {"#EXT-X-STREAM-INF", take_hls},
	};

	for (size_t i = 0; i < array_size(kinds); i++) {
		size_t len = strlen(kinds[i].begin);
		const char *rest = line + len;

		if (strncasecmp(line, kinds[i].begin, len) == 0) {
			kinds[i].take(m, rest + strspn(rest, " \t"));
			return;
		}
	}
}

/* A whole line in UTF-8, not empty, without blanks around it. */
static void take_line(struct m3u *m, const char *line)
{
	bool head = strncasecmp(line, "#EXTM3U", 7) == 0;

	if (!m->started && !head)
		note(m, "the file does not begin with #EXTM3U");
	m->started = true;
	if (line[0] == '#')
		take_comment(m, line);
	else
		deliver(m, line);
}

static void line_too_long(struct m3u *m)
{
	bool comment = m->line.data[0] == '#';

	m->started = true;
	note(m, comment ? "the line is too long: it is left out"
			: "the line is too long: its channel is left out");
	if (!comment)
		entry_reset(m);
	else if (strncasecmp(m->line.data, "#EXTINF", 7) == 0)
		m->drop = true;
}

static void remove_nuls(struct m3u *m)
{
	struct buf *b = &m->line;
	size_t n = 0;

	if (memchr(b->data, '\0', b->len) == NULL)
		return;
	note_once(m, &m->noted_nul, "holds NUL bytes, which are left out");
	for (size_t i = 0; i < b->len; i++)
		if (b->data[i] != '\0')
			b->data[n++] = b->data[i];
	assert(n < b->len);
	b->len = n;
}

/* The current line in UTF-8, valid until the next line. */
static struct buf *readable(struct m3u *m)
{
	if (m->line.len == 0 || utf8_valid(m->line.data, m->line.len))
		return &m->line;
	note_once(m, &m->noted_latin, "is not UTF-8; such bytes are taken as Latin-1");
	buf_reset(&m->repaired);
	utf8_repair(m->line.data, m->line.len, &m->repaired);
	return &m->repaired;
}

static void finish_line(struct m3u *m)
{
	struct buf *b;
	size_t blanks;

	if (m->line.len == 0)
		return;
	if (m->number == 1 && m->line.len >= 3 && memcmp(m->line.data, "\xef\xbb\xbf", 3) == 0)
		buf_consume(&m->line, 3);
	remove_nuls(m);
	b = readable(m);
	if (!buf_ok(b))
		return;
	m->too_long = m->too_long || b->len > M3U_LINE_MAX;
	while (b->len > 0 && (b->data[b->len - 1] == ' ' || b->data[b->len - 1] == '\t'))
		b->len--;
	if (b->len == 0)
		return;
	b->data[b->len] = '\0';
	blanks = strspn(b->data, " \t");
	m->markup = m->markup || (!m->started && b->data[blanks] == '<');
	if (m->markup)
		return;
	if (m->too_long)
		line_too_long(m);
	else
		take_line(m, b->data + blanks);
}

static void next_line(struct m3u *m)
{
	finish_line(m);
	buf_reset(&m->line);
	m->too_long = false;
	m->number++;
}

static int failure(const struct m3u *m)
{
	if (m->line.len >= 2 && m->number == 1 &&
	    (memcmp(m->line.data, "\xff\xfe", 2) == 0 || memcmp(m->line.data, "\xfe\xff", 2) == 0))
		return -EILSEQ;
	if (m->markup)
		return -EBADMSG;
	if (m->no_memory || !buf_ok(&m->line) || !buf_ok(&m->repaired) || !buf_ok(&m->text) ||
	    !buf_ok(&m->group))
		return -ENOMEM;
	return 0;
}

/* Adds bytes without a line end; keeps one byte more than a line may have. */
static void add_bytes(struct m3u *m, const char *bytes, size_t n)
{
	size_t room;

	assert(m->line.len <= M3U_LINE_MAX + 1);
	room = M3U_LINE_MAX + 1 - m->line.len;
	m->too_long = m->too_long || n >= room;
	if (n > 0)
		buf_add(&m->line, bytes, MIN(n, room));
}

int m3u_feed(struct m3u *m, const char *bytes, size_t n)
{
	const char *end = bytes + n;
	int r = failure(m);

	while (r == 0 && bytes < end) {
		const char *stop = bytes;

		if (m->after_cr && *bytes == '\n')
			bytes = ++stop;
		m->after_cr = false;
		while (stop < end && *stop != '\n' && *stop != '\r')
			stop++;
		add_bytes(m, bytes, (size_t)(stop - bytes));
		r = failure(m);
		if (stop < end) {
			m->after_cr = *stop++ == '\r';
			next_line(m);
		}
		bytes = stop;
	}
	return r;
}

int m3u_end(struct m3u *m)
{
	int r = failure(m);

	if (r == 0)
		next_line(m);
	return r == 0 ? failure(m) : r;
}
