#include "common/log/log_line.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#include "common/hash.h"
#include "common/text/text.h"
#include "common/text/utf8.h"

#define CUT "..."

/* The destination of rendered bytes. */
struct writer {
	char *dst;
	size_t cap, used;
	bool json;
	bool cut; /* something did not fit: nothing follows it */
};

/* One conversion of a format. */
struct conversion {
	char text[24]; /* "%-5llu" */
	char kind;     /* the letter at its end */
	unsigned longs;
	bool size;  /* 'z' */
	bool star;  /* the precision is an argument */
	int digits; /* precision, -1 = none */
};

/* The state while a message is rendered. */
struct rendering {
	struct writer message, fields;
	struct log_text *text;
};

/* Characters that control a terminal or change the direction of text. */
static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 ||
	       (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/* Escapes the next character of `text` for the log; returns the bytes taken. */
static size_t escape_one(const char *text, size_t len, bool json, char out[12])
{
	uint32_t c;
	size_t n = utf8_next(text, len, &c);

	if (n == 0)
		snprintf(out, 12, json ? "\\ufffd" : "\\x%02x", (unsigned char)*text);
	else if (is_control(c))
		snprintf(out, 12, json || c > 0xff ? "\\u%04x" : "\\x%02x", c);
	else if (c == '"' || c == '\\')
		snprintf(out, 12, "\\%c", (char)c);
	else
		snprintf(out, 12, "%.*s", (int)n, text);
	return MAX(n, 1u);
}

bool log_is_plain(const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len;) {
		uint32_t c;
		size_t n = utf8_next(text + i, len - i, &c);

		if (n == 0 || is_control(c))
			return false;
		i += n;
	}
	return true;
}

bool log_escape(char *dst, size_t cap, size_t *used, const char *text, size_t len, bool json)
{
	assert(*used <= cap);
	for (size_t i = 0; i < len;) {
		char piece[12];
		size_t took = escape_one(text + i, len - i, json, piece), n = strlen(piece);

		if (*used + n >= cap) {
			dst[*used] = '\0';
			return false;
		}
		memcpy(dst + *used, piece, n);
		*used += n;
		i += took;
	}
	dst[*used] = '\0';
	return true;
}

/* Appends all bytes or none. */
static void put(struct writer *w, const char *bytes, size_t n)
{
	if (w->cut || w->used + n + sizeof(CUT) > w->cap) {
		w->cut = true;
		return;
	}
	memcpy(w->dst + w->used, bytes, n);
	w->used += n;
	assert(w->used < w->cap);
	w->dst[w->used] = '\0';
}

static void put_escaped(struct writer *w, const char *text, size_t n)
{
	if (w->cut || log_escape(w->dst, w->cap - sizeof(CUT), &w->used, text, n, w->json))
		return;
	w->cut = true;
	assert(w->used + sizeof(CUT) <= w->cap);
	memcpy(w->dst + w->used, CUT, sizeof(CUT));
	w->used += sizeof(CUT) - 1;
}

/* Reads the conversion that begins at '%'.  Returns the text behind it. */
static const char *read_conversion(const char *from, struct conversion *c)
{
	const char *at = from + 1;

	assert(*from == '%');
	*c = (struct conversion){.digits = -1};
	at += strspn(at, "-+ #0123456789");
	if (*at == '.') {
		at++;
		c->star = *at == '*';
		c->digits = 0;
		for (; (*at >= '0' && *at <= '9') || *at == '*'; at++)
			c->digits = *at == '*' ? 0 : c->digits * 10 + (*at - '0');
	}
	for (; *at == 'l' || *at == 'z' || *at == 'h'; at++) {
		c->longs += *at == 'l';
		c->size |= *at == 'z';
	}
	c->kind = *at;
	if (*at)
		at++;
	snprintf(c->text, sizeof(c->text), "%.*s", (int)(at - from), from);
	return at;
}

/* Copies at most `digits` bytes of a string (-1: up to its NUL). */
static void copy_string(const char *s, int digits, char *raw)
{
	size_t n;

	if (!s)
		s = "(null)";
	if (digits < 0) {
		if (!text_copy(raw, LOG_VALUE_MAX - sizeof(CUT), s))
			memcpy(raw + strlen(raw), CUT, sizeof(CUT));
		return;
	}
	n = strnlen(s, MIN((size_t)digits, LOG_VALUE_MAX - 1));
	memcpy(raw, s, n);
	raw[n] = '\0';
}

/* Formats the value of a conversion, without escapes.  True for a number.  `args` is a pointer, so
 * that the caller's va_list advances. */
static bool read_value(const struct conversion *c, va_list *args, char raw[LOG_VALUE_MAX])
{
	int digits = c->star ? va_arg(*args, int) : c->digits;

	switch (c->kind) {
	case 's':
		copy_string(va_arg(*args, const char *), digits, raw);
		return false;
	case 'f':
	case 'g':
		snprintf(raw, LOG_VALUE_MAX, c->text, va_arg(*args, double));
		return true;
	case 'd':
	case 'i':
	case 'u':
	case 'x':
	case 'c':
		if (c->size)
			snprintf(raw, LOG_VALUE_MAX, c->text, va_arg(*args, size_t));
		else if (c->longs > 1)
			snprintf(raw, LOG_VALUE_MAX, c->text, va_arg(*args, long long));
		else if (c->longs)
			snprintf(raw, LOG_VALUE_MAX, c->text, va_arg(*args, long));
		else
			snprintf(raw, LOG_VALUE_MAX, c->text, va_arg(*args, int));
		return c->kind != 'x' && c->kind != 'c';
	default:
		raw[0] = '\0';
		return false;
	}
}

/* Length of "name" in "name=%...", 0 if no field begins here. */
static size_t field_name(const char *at)
{
	size_t n = strspn(at, "abcdefghijklmnopqrstuvwxyz_0123456789");

	return n > 0 && at[n] == '=' && at[n + 1] == '%' ? n : 0;
}

static bool is_plain_word(const char *raw)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-._/:,+@[]";

	return *raw && raw[strspn(raw, plain)] == '\0';
}

/* Appends a whole field or nothing. */
static void put_field(struct writer *w, const char *name, size_t name_len, const char *raw,
		      bool number)
{
	bool bare = number || (!w->json && is_plain_word(raw));
	struct writer before = *w;

	if (w->json && w->used)
		put(w, ",", 1);
	put(w, w->json ? "\"" : " ", 1);
	put(w, name, name_len);
	put(w, w->json ? "\":" : "=", w->json ? 2 : 1);
	if (!bare)
		put(w, "\"", 1);
	if (!w->cut &&
	    !log_escape(w->dst, w->cap - sizeof(CUT), &w->used, raw, strlen(raw), w->json))
		w->cut = true;
	if (!bare)
		put(w, "\"", 1);
	if (!w->cut)
		return;
	*w = before;
	w->dst[w->used] = '\0';
}

static void render_fields(struct rendering *r, const char *at, va_list *args)
{
	size_t n;

	while ((n = field_name(at)) > 0) {
		struct conversion c;
		char raw[LOG_VALUE_MAX];
		const char *next = read_conversion(at + n + 1, &c);
		bool number = read_value(&c, args, raw);

		put_field(&r->fields, at, n, raw, number);
		if (n == 7 && memcmp(at, "channel", 7) == 0)
			r->text->channel = hash_end(hash_text(HASH_START, raw)) | 1;
		at = next + (*next == ' ');
	}
}

/* A piece of the format itself. */
static void put_literal(struct writer *w, const char *at, size_t n)
{
	if (w->json)
		put_escaped(w, at, n);
	else
		put(w, at, n);
}

/* A value inside the sentence.  In text, the '=' of " name=" is escaped, because it would look like
 * a field. */
static void put_sentence(struct writer *w, const char *raw)
{
	static const char name[] = "abcdefghijklmnopqrstuvwxyz_0123456789";
	size_t done = 0, n;

	for (size_t at = 0; !w->json && raw[at] != '\0'; at += MAX(n, 1u)) {
		n = at == 0 || raw[at - 1] == ' ' ? strspn(raw + at, name) : 0;
		if (n == 0 || raw[at + n] != '=')
			continue;
		put_escaped(w, raw + done, at + n - done);
		put(w, "\\x3d", 4);
		done = at + ++n;
	}
	put_escaped(w, raw + done, strlen(raw + done));
}

void log_text_format(struct log_text *t, bool json, const char *format, va_list args)
{
	struct rendering r = {
		.message = {.dst = t->message, .cap = sizeof(t->message), .json = json},
		.fields = {.dst = t->fields, .cap = sizeof(t->fields), .json = json},
		.text = t,
	};
	struct conversion c;
	char raw[LOG_VALUE_MAX];
	va_list rest;

	t->message[0] = t->fields[0] = '\0';
	t->channel = 0;
	va_copy(rest, args);
	while (*format) {
		size_t n = *format == ' ' ? 1 : strcspn(format, "% ");

		if (*format == ' ' && field_name(format + 1)) {
			render_fields(&r, format + 1, &rest);
			break;
		}
		if (*format != '%') {
			put_literal(&r.message, format, n);
			format += n;
			continue;
		}
		format = read_conversion(format, &c);
		if (c.kind == '%') {
			put_literal(&r.message, "%", 1);
			continue;
		}
		read_value(&c, &rest, raw);
		put_sentence(&r.message, raw);
	}
	va_end(rest);
}
