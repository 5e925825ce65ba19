/* mpd_xml.c - see mpd_xml.h */
#include "amps-transcoder/source/mpd_xml.h"

#include <errno.h>
#include <libxml/uri.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

bool mpd_is_named(const xmlNode *node, const char *name)
{
	return node->type == XML_ELEMENT_NODE && !strcmp((const char *)node->name, name);
}

const xmlNode *mpd_child(const xmlNode *node, const char *name)
{
	for (const xmlNode *c = node ? node->children : NULL; c; c = c->next)
		if (mpd_is_named(c, name))
			return c;
	return NULL;
}

const xmlNode *mpd_next(const xmlNode *node, const char *name)
{
	for (node = node->next; node && !mpd_is_named(node, name); node = node->next)
		;
	return node;
}

const char *mpd_attr(const xmlNode *node, const char *name)
{
	/* nothing declares entities, so a value is one text */
	for (const xmlAttr *a = node ? node->properties : NULL; a; a = a->next)
		if (!strcmp((const char *)a->name, name))
			return a->children && a->children->content
				       ? (const char *)a->children->content
				       : "";
	return NULL;
}

int64_t mpd_number(const char *text, int64_t missing)
{
	char *end;
	long long n;

	if (!text)
		return missing;
	errno = 0;
	n = strtoll(text, &end, 10);
	/* such that sums of a few fit */
	return errno || end == text || n > INT64_MAX / 8 || n < INT64_MIN / 8 ? missing : n;
}

/* xs:duration without years and months, which no manifest has: "P1DT2H3M4.5S". */
int64_t mpd_duration(const char *text, int64_t missing)
{
	static const struct {
		char unit;
		double seconds;
	} units[] = {{'D', 86400}, {'H', 3600}, {'M', 60}, {'S', 1}};
	double total = 0;

	if (!text || *text++ != 'P')
		return missing;
	while (*text) {
		char *end;
		double n;

		if (*text == 'T')
			text++;
		n = strtod(text, &end);
		if (end == text)
			break;
		for (size_t i = 0; i < array_size(units); i++)
			total += units[i].unit == *end ? n * units[i].seconds : 0;
		text = *end ? end + 1 : end;
	}
	/* a century */
	return total >= 0 && total < 3.2e9 ? (int64_t)(total * 1e6) : missing;
}

int64_t mpd_time(const char *text, int64_t missing)
{
	int64_t us;

	return text && time_parse_iso8601(text, &us, NULL) >= 0 ? us : missing;
}

char *mpd_base_url(const char *base, const xmlNode *node)
{
	static const char BLANKS[] = " \t\r\n";
	const xmlNode *b = mpd_child(node, "BaseURL");
	xmlChar *content = b ? xmlNodeGetContent(b) : NULL, *begin, *built;
	char *ret;

	if (!content)
		return strdup(base);
	begin = content + strspn((const char *)content, BLANKS);
	begin[strcspn((const char *)begin, BLANKS)] = '\0';
	built = xmlBuildURI(begin, (const xmlChar *)base);
	ret = strdup(built ? (const char *)built : base);
	xmlFree(content);
	xmlFree(built);
	return ret;
}
