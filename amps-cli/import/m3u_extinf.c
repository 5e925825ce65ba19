#include "amps-cli/import/m3u_extinf.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

/* What ends an attribute's name; it may contain anything else. */
#define NAME_ENDS " \t\v\f\r\n=\","

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static const char *skip_blanks(const char *p)
{
	while (is_blank(*p))
		p++;
	return p;
}

bool m3u_clean_name(const char *prefix, const char *name, size_t len, char dst[M3U_NAME_BYTES])
{
	size_t n = strlen(prefix);

	if (len == 0 || n + len >= M3U_NAME_BYTES)
		return false;
	memcpy(dst, prefix, n);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];
		bool odd = c < 0x20 || c == 0x7f || strchr(NAME_ENDS, c) != NULL;

		dst[n + i] = odd ? '_' : c < 0x80 ? (char)tolower(c) : name[i];
	}
	dst[n + len] = '\0';
	return true;
}

/* An attribute in the line. */
struct attribute {
	const char *name, *value, *end; /* end = behind it */
	size_t name_len, value_len;
	char quote;   /* in front of the value; 0 = none */
	bool unusual; /* its name: it may be a part of a text instead */
};

/* The '=' behind the name that begins at `p`; NULL if none does. */
static const char *equals_at(const char *p)
{
	const char *end = p + strcspn(p, NAME_ENDS);

	return end > p && *end == '=' ? end : NULL;
}

/* True if a usual attribute name begins at `p`: letters, digits, '-', '_', '.'. */
static bool usual_at(const char *p)
{
	const char *end = p;

	while (isalnum((unsigned char)*end) || *end == '-' || *end == '_' || *end == '.')
		end++;
	return end > p && *end == '=';
}

/* True if a value can end before `p`.  *name_end caches where the last name ends, so that a name
 * with many quotes is scanned once. */
static bool ends_value(const char *p, const char **name_end)
{
	p = skip_blanks(p);
	if (*name_end == NULL || p > *name_end)
		*name_end = p + strcspn(p, NAME_ENDS);
	return *p == '\0' || *p == ',' || (p < *name_end && **name_end == '=');
}

/* True if the quote at `p` begins the value of the next attribute. */
static bool opens_value(const char *p)
{
	do
		p--;
	while (is_blank(*p));
	return *p == '=';
}

/* The quote that closes a value, which may contain such quotes itself; NULL if there is none. Looks
 * no further than the next attribute, so that a line takes linear time. */
static const char *closing_quote(const char *value, char quote)
{
	const char *likely = NULL, *possible = NULL, *name_end = NULL;
	bool inner = false; /* a quote within the value is open */

	for (const char *q = strchr(value, quote); q != NULL; q = strchr(q + 1, quote)) {
		bool ends = ends_value(q + 1, &name_end);

		if (ends && !inner)
			return q;
		if (opens_value(q))
			break;
		if (ends && likely == NULL)
			likely = q;
		if (possible == NULL && is_blank(q[1]))
			possible = q;
		inner = !inner && is_blank(q[-1]);
	}
	return likely != NULL ? likely : possible;
}

/* The end of a value without a closing quote. */
static const char *bare_end(const char *value)
{
	const char *end = value + strcspn(value, " \t,"), *name_end = NULL;

	while (!ends_value(end, &name_end)) {
		end = skip_blanks(end);
		end += strcspn(end, " \t,");
	}
	return end;
}

/* False if the value at a->value is not quoted. */
static bool read_quoted(struct attribute *a)
{
	const char *close;

	if (*a->value != '"' && *a->value != '\'')
		return false;
	close = closing_quote(a->value + 1, *a->value);
	/* an apostrophe may be the first letter */
	if (close == NULL && *a->value == '\'')
		return false;
	a->quote = *a->value++;
	a->end = close != NULL ? close + 1 : bare_end(a->value);
	a->value_len = (size_t)((close != NULL ? close : a->end) - a->value);
	return true;
}

/* False if it is more likely a part of the channel's name. */
static bool read_bare(struct attribute *a)
{
	a->end = bare_end(a->value);
	/* without a comma the name follows, which matters more than the rest of a value */
	if (*skip_blanks(a->end) == '\0') {
		if (a->unusual)
			return false;
		a->end = a->value + strcspn(a->value, " \t");
	}
	a->value_len = (size_t)(a->end - a->value);
	return true;
}

/* "a= b=1": the first has no value.  But "a= http://h/?b=1" is one attribute. */
static bool begins_next(const char *value)
{
	const char *equals = equals_at(value);

	return equals != NULL && (usual_at(value) || equals[1] == '"' || equals[1] == '\'');
}

/* name="value", name='value' or name=value; false if `p` begins with none. */
static bool attribute_at(const char *p, struct attribute *ret)
{
	const char *equals = equals_at(p);
	const char *value;

	if (equals == NULL)
		return false;
	value = skip_blanks(equals + 1);
	if (begins_next(value))
		value = equals + 1;
	*ret = (struct attribute){.name = p,
				  .name_len = (size_t)(equals - p),
				  .value = value,
				  .unusual = !usual_at(p)};
	return read_quoted(ret) || read_bare(ret);
}

static void report_guess(const struct attribute *a, const struct m3u_extinf *to)
{
	bool closed = a->value[a->value_len] == a->quote;

	assert(a->quote == 0 || a->value[-1] == a->quote);
	if (a->quote != 0 && (!closed || memchr(a->value, a->quote, a->value_len) != NULL))
		to->guess(to->owner, M3U_GUESS_QUOTES);
	if (a->quote == 0 && strcspn(a->value, " \t") < a->value_len)
		to->guess(to->owner, M3U_GUESS_BLANKS);
}

static void report(const struct attribute *a, const struct m3u_extinf *to)
{
	char name[M3U_NAME_BYTES];

	assert(a->name_len > 0 && a->end >= a->value + a->value_len);
	if (a->value_len == 0)
		return;
	if (!m3u_clean_name("", a->name, a->name_len, name)) {
		to->guess(to->owner, M3U_GUESS_LONG);
		return;
	}
	report_guess(a, to);
	to->attribute(to->owner, name, a->value, a->value_len);
}

/* `rest` follows the last attribute and has no comma. */
static const char *name_without_comma(const char *rest, const struct m3u_extinf *to)
{
	const char *name = skip_blanks(rest);

	if (*name != '\0')
		to->guess(to->owner, M3U_GUESS_NAME);
	return name;
}

const char *m3u_extinf_read(const char *text, const struct m3u_extinf *to)
{
	const char *name = NULL;
	const char *p = skip_blanks(text);
	const char *rest = p + strspn(p, "-+.0123456789"); /* behind the duration */
	struct attribute a;

	p = rest;
	while (*p != '\0') {
		p = skip_blanks(p);
		/* some files have a comma before the attributes; behind a comma, anything that
		 * does not look like a quoted attribute is the name */
		if (attribute_at(p, &a) && (name == NULL || (a.quote != 0 && !a.unusual))) {
			assert(a.end > p); /* each turn moves on */
			report(&a, to);
			name = NULL;
			rest = p = a.end;
			continue;
		}
		if (name != NULL)
			break;
		p += strcspn(p, " \t,");
		if (*p == ',')
			name = ++p;
	}
	return name != NULL ? skip_blanks(name) : name_without_comma(rest, to);
}
