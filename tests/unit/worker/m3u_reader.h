/* m3u_reader.h - a small reader of M3U, written as players read it: lines end with LF, attributes
 * are key="value" before the last comma that is not quoted, options follow, then the URL. */
#ifndef AMPS_M3U_READER_H
#define AMPS_M3U_READER_H

#include <stdlib.h>
#include <string.h>

struct m3u_entry {
	char *line; /* the EXTINF line, cut into the parts below */
	const char *keys[16], *values[16];
	size_t count;
	const char *name;
	char *options[8];
	size_t option_count;
	char *url;
};

static inline char *m3u_line(const char **rest)
{
	size_t n = strcspn(*rest, "\n");
	char *line = strndup(*rest, n);

	*rest += n + ((*rest)[n] == '\n');
	return line;
}

/* Behind the header line, which must be there. */
static inline const char *m3u_first(const char *text)
{
	return strncmp(text, "#EXTM3U ", 8) ? "" : text + strcspn(text, "\n") + 1;
}

static inline void m3u_attributes(struct m3u_entry *e, char *at)
{
	while (*at == ' ' && e->count < 16) {
		char *equals = strstr(at, "=\""), *end = equals ? strchr(equals + 2, '"') : NULL;

		if (!end)
			break;
		*equals = *end = '\0';
		e->keys[e->count] = at + 1;
		e->values[e->count++] = equals + 2;
		at = end + 1;
	}
	e->name = *at == ',' ? at + 1 : NULL;
}

static inline int m3u_next(const char **rest, struct m3u_entry *e)
{
	memset(e, 0, sizeof(*e));
	e->line = m3u_line(rest);
	if (strncmp(e->line, "#EXTINF:-1", 10))
		return 0;
	m3u_attributes(e, e->line + 10);
	while (**rest == '#' && e->option_count < 8)
		e->options[e->option_count++] = m3u_line(rest);
	e->url = m3u_line(rest);
	return e->name != NULL;
}

/* The value, "" when absent. */
static inline const char *m3u_get(const struct m3u_entry *e, const char *key)
{
	for (size_t i = 0; i < e->count; i++)
		if (!strcmp(e->keys[i], key))
			return e->values[i];
	return "";
}

static inline void m3u_done(struct m3u_entry *e)
{
	for (size_t i = 0; i < e->option_count; i++)
		free(e->options[i]);
	free(e->line);
	free(e->url);
}

#endif
