#include "amps-worker/live/icy.h"

#include <assert.h>
#include <string.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/text/buf.h"
#include "common/text/utf8.h"
#include "common/text/xml.h"

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

/* The title of what is on in the imported guide; false: there is none. */
static bool put_imported(const struct guide *g, const char *guide_id, int64_t wall_us,
			 struct buf *title)
{
	const struct guide_channel *ch = guide_find(g, guide_id);
	struct guide_entry e;

	if (!ch || !guide_entry_at(g, ch, guide_now(g, ch, wall_us), &e) || e.start_us > wall_us)
		return false;
	xml_read(title, e.title.at, e.title.len);
	return buf_ok(title) && title->len > 0;
}

/* What the channel itself says is on, else what the guide says, else its name. */
static void put_title_at(const struct catalog *c, const struct guide *g, uint32_t channel,
			 int64_t wall_us, struct buf *title)
{
	const struct catalog_channel *ch = catalog_find(c, channel);
	const struct catalog_program *p = ch ? program_at(c, ch, wall_us) : NULL;
	const char *text = p ? catalog_text(c, p->title_at) : NULL;

	if (!ch || (!text && put_imported(g, catalog_text(c, ch->tvg_id_at), wall_us, title)))
		return;
	if (!text)
		text = catalog_text(c, ch->name_at);
	buf_reset(title);
	buf_puts(title, text ? text : "");
}

/* Copies whole characters of a title.  There is no way to write a quote or a semicolon that readers
 * agree on: they search for "';". */
static size_t put_title(const char *title, size_t left, char *to)
{
	size_t n = 0, len;
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

size_t icy_block(struct icy *icy, const struct catalog *c, const struct guide *g, uint32_t channel,
		 int64_t wall_us, uint8_t to[ICY_BLOCK_MAX])
{
	static const char before[] = "StreamTitle='", after[] = "';";
	_cleanup_(buf_done) struct buf title = BUF_INIT;
	uint64_t hash;
	size_t n = 1, padded;

	put_title_at(c, g, channel, wall_us, &title);
	hash = hash_end(hash_bytes(HASH_START, title.data, title.len));
	icy->left = ICY_INTERVAL;
	to[0] = 0;
	if (hash == icy->shown)
		return 1;
	icy->shown = hash;
	memcpy(to + n, before, sizeof(before) - 1);
	n += sizeof(before) - 1;
	n += put_title(title.data, title.len, (char *)to + n);
	memcpy(to + n, after, sizeof(after) - 1);
	n += sizeof(after) - 1;
	padded = (n - 1 + 15) / 16;
	assert(1 + padded * 16 <= ICY_BLOCK_MAX);
	memset(to + n, 0, 1 + padded * 16 - n);
	to[0] = (uint8_t)padded;
	return 1 + padded * 16;
}
