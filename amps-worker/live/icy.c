#include "amps-worker/live/icy.h"

#include <assert.h>
#include <string.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/shm/programmes.h"
#include "common/text/buf.h"
#include "common/text/utf8.h"
#include "common/text/xml.h"

bool icy_asked(const struct http_request *q)
{
	return span_is(http_field(q, "Icy-MetaData"), "1");
}

/* Of a title; the bytes are the catalog's or the guide's. */
struct title {
	const char *at;
	size_t len;
	bool is_xml; /* escaped as in a document */
};

static struct title title_of(const char *text)
{
	return (struct title){.at = text, .len = text ? strlen(text) : 0};
}

/* What is on, by the rule of the guide: the channel's own programmes, if any is on or ahead, else
 * the imported ones.  Else its name. */
static struct title title_at(const struct catalog *c, const struct guide *g, uint32_t channel,
			     int64_t wall_us)
{
	const struct catalog_channel *ch = catalog_find(c, channel);
	const struct guide_channel *imported;
	struct programmes_ahead own;
	struct guide_entry e;

	if (!ch)
		return title_of(NULL);
	programmes_ahead(c, ch, wall_us, &own);
	if (own.count > 0 && own.list[0].start_us <= wall_us)
		return title_of(own.list[0].title);
	imported = own.count > 0 ? NULL : guide_find(g, catalog_text(c, ch->tvg_id_at));
	if (imported && guide_entry_at(g, imported, guide_now(g, imported, wall_us), &e) &&
	    e.start_us <= wall_us && e.title.len > 0)
		return (struct title){.at = e.title.at, .len = e.title.len, .is_xml = true};
	return title_of(catalog_text(c, ch->name_at));
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
	const struct title title = title_at(c, g, channel, wall_us);
	_cleanup_(buf_done) struct buf text = BUF_INIT;
	uint64_t hash = hash_end(hash_bytes(HASH_START, title.at, title.len));
	size_t n = 1, padded;

	icy->left = ICY_INTERVAL;
	to[0] = 0;
	if (hash == icy->shown)
		return 1;
	icy->shown = hash;
	if (title.is_xml)
		xml_read(&text, title.at, title.len);
	memcpy(to + n, before, sizeof(before) - 1);
	n += sizeof(before) - 1;
	n += title.is_xml ? put_title(text.data, text.len, (char *)to + n)
			  : put_title(title.at, title.len, (char *)to + n);
	memcpy(to + n, after, sizeof(after) - 1);
	n += sizeof(after) - 1;
	padded = (n - 1 + 15) / 16;
	assert(1 + padded * 16 <= ICY_BLOCK_MAX);
	memset(to + n, 0, 1 + padded * 16 - n);
	to[0] = (uint8_t)padded;
	return 1 + padded * 16;
}
