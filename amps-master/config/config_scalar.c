#include "amps-master/config/config_scalar.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

#define NUMBER_TEXT_MAX 64
#define NAME_BYTES	64

static bool is_null(const char *text)
{
	return *text == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0 ||
	       strcmp(text, "Null") == 0 || strcmp(text, "NULL") == 0;
}

/* yes, Yes and YES, but not yEs. */
static bool is_word(const char *text, const char *lower)
{
	bool upper_rest = isupper((unsigned char)text[0]) && isupper((unsigned char)text[1]);

	for (size_t i = 0; lower[i] != '\0'; i++) {
		int c = (unsigned char)text[i];
		bool upper = i == 0 ? isupper(c) != 0 : upper_rest;

		if (c != (upper ? toupper(lower[i]) : lower[i]))
			return false;
	}
	return text[strlen(lower)] == '\0';
}

static json_t *read_bool(const char *text)
{
	static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};

	for (size_t i = 0; i < array_size(words); i++) {
		if (is_word(text, words[i]))
			return json_boolean(i % 2);
	}
	return NULL;
}

/* Copies the text without its sign and underscores; false if it cannot be a number. */
static bool strip_number(const char *text, char *dst, bool *ret_negative)
{
	size_t n = 0;

	*ret_negative = *text == '-';
	if (*text == '-' || *text == '+')
		text++;
	if (!isdigit((unsigned char)*text) && *text != '.')
		return false;
	for (; *text != '\0'; text++) {
		if (*text == '_')
			continue;
		if (n + 1 >= NUMBER_TEXT_MAX)
			return false;
		dst[n++] = *text;
	}
	dst[n] = '\0';
	return n > 0;
}

static json_t *read_int(const char *digits, bool negative)
{
	static const struct {
		const char *prefix;
		int base;
		const char *allowed;
	} forms[] = {
		{"0x", 16, "0123456789abcdefABCDEF"},
		{"0b", 2, "01"},
		{"0", 8, "01234567"},
		{"", 10, "0123456789"},
	};
	long long value;
	char *end;

	for (size_t i = 0; i < array_size(forms); i++) {
		size_t skip = strlen(forms[i].prefix);
		const char *rest = digits + skip;

		if (strncmp(digits, forms[i].prefix, skip) != 0 || *rest == '\0')
			continue;
		if (rest[strspn(rest, forms[i].allowed)] != '\0')
			return NULL;
		/* 08 and 09 are neither octal nor decimal numbers: they are text */
		errno = 0;
		value = strtoll(rest, &end, forms[i].base);
		return errno == 0 ? json_integer(negative ? -value : value) : NULL;
	}
	return NULL;
}

static json_t *read_real(const char *digits, bool negative)
{
	const char *p = digits + strspn(digits, "0123456789");
	double value;

	if (*p != '.')
		return NULL;
	p += 1 + strspn(p + 1, "0123456789");
	if (p - digits < 2)
		return NULL;
	if ((*p == 'e' || *p == 'E') && (p[1] == '+' || p[1] == '-') &&
	    isdigit((unsigned char)p[2]))
		p += 2 + strspn(p + 2, "0123456789");
	if (*p != '\0')
		return NULL;
	value = strtod(digits, NULL);
	return json_real(negative ? -value : value);
}

json_t *config_scalar_plain(const char *text)
{
	char digits[NUMBER_TEXT_MAX];
	bool negative;
	json_t *value;

	if (is_null(text))
		return json_null();
	value = read_bool(text);
	if (value == NULL && strip_number(text, digits, &negative)) {
		value = read_int(digits, negative);
		if (value == NULL)
			value = read_real(digits, negative);
	}
	return value != NULL ? value : json_string(text);
}

/* The length of NAME if `text` begins with "NAME}", else 0. */
static size_t name_length(const char *text)
{
	size_t n = 0;

	if (isdigit((unsigned char)*text))
		return 0;
	while (isalnum((unsigned char)text[n]) || text[n] == '_')
		n++;
	return text[n] == '}' && n < NAME_BYTES ? n : 0;
}

int config_scalar_expand(const char *text, struct buf *out, char name[64])
{
	const char *p;

	while ((p = strstr(text, "${")) != NULL) {
		size_t n = name_length(p + 2);
		const char *value;

		if (p > text && p[-1] == '$') {
			buf_add(out, text, (size_t)(p - text) - 1);
			buf_puts(out, "${");
			text = p + 2;
			continue;
		}
		if (n == 0)
			return -EINVAL;
		assert(n < NAME_BYTES);
		memcpy(name, p + 2, n);
		name[n] = '\0';
		value = getenv(name);
		if (value == NULL)
			return -ENOENT;
		buf_add(out, text, (size_t)(p - text));
		buf_puts(out, value);
		text = p + 2 + n + 1;
	}
	buf_puts(out, text);
	return 0;
}
