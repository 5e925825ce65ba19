#include "amps-helper/guide/xml_repair.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

static bool is_number(const char *text)
{
	bool hex = text[1] == 'x';
	char *end;
	unsigned long c = strtoul(text + (hex ? 2 : 1), &end, hex ? 16 : 10);

	if (!isxdigit((unsigned char)text[hex ? 2 : 1]) || *end != '\0')
		return false;
	return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c < 0xd800) ||
	       (c >= 0xe000 && c < 0xfffe) || (c >= 0x10000 && c <= 0x10ffff);
}

/* Writes what was held; `closed`: a ';' has come. */
static void end_reference(struct xml_repair *x, bool closed, struct buf *out)
{
	static const char *const names[] = {"amp", "lt", "gt", "quot", "apos"};
	bool good = false;

	assert(x->state == REPAIR_REFERENCE && x->held_bytes < sizeof(x->held));
	x->held[x->held_bytes] = '\0';
	for (size_t i = 0; closed && i < array_size(names); i++)
		good |= strcmp(x->held, names[i]) == 0;
	if (closed && x->held[0] == '#')
		good = is_number(x->held);
	if (closed && strcmp(x->held, "nbsp") == 0) {
		buf_putc(out, ' ');
	} else {
		buf_puts(out, good ? "&" : "&amp;");
		buf_add(out, x->held, x->held_bytes);
		if (closed)
			buf_putc(out, ';');
	}
	x->held_bytes = 0;
	x->state = REPAIR_TEXT;
}

static bool ends_with(const struct xml_repair *x, const char *mark)
{
	size_t n = strlen(mark);

	assert(n <= sizeof(x->last));
	return memcmp(x->last + sizeof(x->last) - n, mark, n) == 0;
}

static void remember(struct xml_repair *x, char c)
{
	memmove(x->last, x->last + 1, sizeof(x->last) - 1);
	x->last[sizeof(x->last) - 1] = c;
}

/* Takes a byte of a reference; false: it belongs to the text behind it. */
static bool take_reference(struct xml_repair *x, char c, struct buf *out)
{
	if (c == ';') {
		end_reference(x, true, out);
		return true;
	}
	if ((isalnum((unsigned char)c) || c == '#') && x->held_bytes < sizeof(x->held) - 1) {
		x->held[x->held_bytes++] = c;
		return true;
	}
	end_reference(x, false, out);
	return false;
}

/* The bytes up to the next that may need care. */
static size_t plain_run(const char *at, size_t n)
{
	size_t i = 0;

	while (i < n && at[i] != '<' && at[i] != '&' &&
	       ((unsigned char)at[i] >= ' ' || at[i] == '\n'))
		i++;
	return i;
}

static void take(struct xml_repair *x, char c, struct buf *out)
{
	if ((unsigned char)c < ' ' && c != '\t' && c != '\n' && c != '\r')
		c = ' ';
	if (x->state == REPAIR_TEXT && c == '&') {
		x->state = REPAIR_REFERENCE;
		return;
	}
	buf_putc(out, c);
	if (c == '>' && ((x->state == REPAIR_DATA && ends_with(x, "]]>")) ||
			 (x->state == REPAIR_COMMENT && ends_with(x, "-->"))))
		x->state = REPAIR_TEXT;
}

/* Looks for a mark behind a '<', whose bytes are copied one by one. */
static bool in_mark(const struct xml_repair *x)
{
	const char *open = memrchr(x->last, '<', sizeof(x->last));

	return open != NULL && open[0] == '<' &&
	       (open == x->last + sizeof(x->last) - 1 || open[1] == '!');
}

/* UTF-16 is left to the parser. */
static void look_at_first(struct xml_repair *x, const char *bytes, size_t n)
{
	bool wide =
		n >= 2 && (bytes[0] == '\0' || bytes[1] == '\0' ||
			   memcmp(bytes, "\xff\xfe", 2) == 0 || memcmp(bytes, "\xfe\xff", 2) == 0);

	x->state = wide ? REPAIR_OFF : REPAIR_TEXT;
}

void xml_repair_add(struct xml_repair *x, const char *bytes, size_t n, struct buf *out)
{
	if (x->state == REPAIR_FIRST)
		look_at_first(x, bytes, n);
	if (x->state == REPAIR_OFF) {
		buf_add(out, bytes, n);
		return;
	}
	for (size_t at = 0, m; at < n; at += m) {
		if (x->state == REPAIR_REFERENCE) {
			m = take_reference(x, bytes[at], out);
			continue;
		}
		m = in_mark(x) || x->state != REPAIR_TEXT ? 0 : plain_run(bytes + at, n - at);
		if (m > 0) {
			buf_add(out, bytes + at, m);
			memset(x->last, 0, sizeof(x->last));
			continue;
		}
		m = 1;
		remember(x, bytes[at]);
		take(x, bytes[at], out);
		if (x->state == REPAIR_TEXT && ends_with(x, "<![CDATA["))
			x->state = REPAIR_DATA;
		else if (x->state == REPAIR_TEXT && ends_with(x, "<!--"))
			x->state = REPAIR_COMMENT;
	}
}

void xml_repair_end(struct xml_repair *x, struct buf *out)
{
	if (x->state == REPAIR_REFERENCE)
		end_reference(x, false, out);
}
