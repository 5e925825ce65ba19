#include "amps-worker/live/icy.h"

#include <assert.h>
#include <string.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/text/utf8.h"

bool icy_asked(const struct http_request *q)
{
	return span_is(http_field(q, "Icy-MetaData"), "1");
}

/* The programme that is on; one without an end lasts until another one begins. */
static const struct catalog_program *program_at(const struct catalog *c,
						const struct catalog_channel *ch, int64_t wall_us)
{
	const struct catalog_program *p = catalog_programs(c, ch), *found = NULL;

	for (uint32_t i = 0; p && i < ch->program_count; i++) {
		if (p[i].start_wall_us == TIME_NONE || p[i].start_wall_us > wall_us)
			continue;
		if (!found || p[i].start_wall_us >= found->start_wall_us)
			found = &p[i];
	}
	return found && (found->end_wall_us == TIME_NONE || found->end_wall_us > wall_us) ? found
											  : NULL;
}

static const char *title_at(const struct catalog *c, uint32_t channel, int64_t wall_us)
{
	const struct catalog_channel *ch = catalog_find(c, channel);
	const struct catalog_program *p = ch ? program_at(c, ch, wall_us) : NULL;
	const char *title = p ? catalog_text(c, p->title_at) : NULL;

	if (!title && ch)
		title = catalog_text(c, ch->name_at);
	return title ? title : "";
}

/* Copies whole characters of a title.  There is no way to write a quote or a semicolon that readers
 * agree on: they search for "';". */
static size_t put_title(const char *title, char *to)
{
	size_t left = strlen(title), n = 0, len;
	uint32_t c;

	for (; left > 0 && (len = utf8_next(title, left, &c)) > 0; title += len, left -= len) {
		if (n + len > ICY_TITLE_MAX)
			break;
		memcpy(to + n, title, len);
		if (c < 0x20 || c == 0x7f || c == ';')
			to[n] = c == ';' ? ',' : ' ';
		n += len;
	}
	return n;
}

size_t icy_block(struct icy *icy, const struct catalog *c, uint32_t channel, int64_t wall_us,
		 uint8_t to[ICY_BLOCK_MAX])
{
	static const char before[] = "StreamTitle='", after[] = "';";
	const char *title = title_at(c, channel, wall_us);
	uint64_t hash = hash_end(hash_text(HASH_START, title));
	size_t n = 1, padded;

	icy->left = ICY_INTERVAL;
	to[0] = 0;
	if (hash == icy->shown)
		return 1;
	icy->shown = hash;
	memcpy(to + n, before, sizeof(before) - 1);
	n += sizeof(before) - 1;
	n += put_title(title, (char *)to + n);
	memcpy(to + n, after, sizeof(after) - 1);
	n += sizeof(after) - 1;
	padded = (n - 1 + 15) / 16;
	assert(1 + padded * 16 <= ICY_BLOCK_MAX);
	memset(to + n, 0, 1 + padded * 16 - n);
	to[0] = (uint8_t)padded;
	return 1 + padded * 16;
}
