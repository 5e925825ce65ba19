#include "amps-cli/m3u_extinf.h"

#include <ctype.h>
#include <string.h>

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '.';
}

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
	for (size_t i = 0; i < len; i++)
		dst[n + i] = is_name_char(name[i]) ? (char)tolower((unsigned char)name[i]) : '_';
	dst[n + len] = '\0';
	return true;
}

/* An attribute as it stands in the line. */
struct attribute {
	const char *name, *value, *end; /* end = behind it */
	size_t name_len, value_len;
};

/* name="value" or name=value; false if `p` begins with neither. */
static bool attribute_at(const char *p, struct attribute *ret)
{
	size_t n = 0;

	while (is_name_char(p[n]))
		n++;
	if (n == 0 || p[n] != '=')
		return false;
	*ret = (struct attribute){.name = p, .name_len = n, .value = p + n + 1};
	if (*ret->value == '"') {
		ret->value++;
		ret->end = strchr(ret->value, '"');
		if (ret->end != NULL) {
			ret->value_len = (size_t)(ret->end++ - ret->value);
			return true;
		}
	}
	/* without quotes, or with one that is not closed: up to the next blank or comma */
	ret->value_len = strcspn(ret->value, " \t,");
	ret->end = ret->value + ret->value_len;
	return true;
}

static void report(const struct attribute *a, const struct m3u_extinf *to)
{
	char name[M3U_NAME_BYTES];

	if (a->value_len > 0 && m3u_clean_name("", a->name, a->name_len, name))
		to->attribute(to->owner, name, a->value, a->value_len);
}

const char *m3u_extinf_read(const char *text, const struct m3u_extinf *to)
{
	const char *name = NULL;
	const char *p = skip_blanks(text);
	struct attribute a;

	/* the duration */
	p += strspn(p, "-+.0123456789");
	while (*p != '\0') {
		p = skip_blanks(p);
		/* some write a comma in front of the attributes, too */
		if (attribute_at(p, &a) && (name == NULL || a.value[-1] == '"')) {
			report(&a, to);
			name = NULL;
			p = a.end;
			continue;
		}
		if (name != NULL)
			break;
		p += strcspn(p, " \t,");
		if (*p == ',')
			name = ++p;
	}
	return name != NULL ? skip_blanks(name) : "";
}
