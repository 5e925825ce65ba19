/* catalog_writer.h - appending to a catalog in the making: aligned places, strings, their hash.
 *
 * Inside of catalog_build.c and catalog_channel.c.  Nothing is checked on the way: buf_ok() and the
 * size are looked at once, at the end. */
#ifndef AMPS_CATALOG_WRITER_H
#define AMPS_CATALOG_WRITER_H

#include "amps-master/lineup/channel_rules.h"
#include "common/text/buf.h"
#include "common/hash.h"

struct catalog_writer {
	struct buf *out;
	uint64_t hash; /* of what was written since it was last set to HASH_START */
};

/* Appends n bytes of a structure at the next 8-byte place; returns its offset. */
static inline uint32_t catalog_put(struct catalog_writer *w, const void *bytes, size_t n)
{
	static const char zeros[8];
	uint32_t at;

	buf_add(w->out, zeros, -w->out->len & 7);
	at = (uint32_t)w->out->len;
	buf_add(w->out, bytes, n);
	return at;
}

/* Appends a text with its NUL; 0 for NULL. */
static inline uint32_t catalog_put_text(struct catalog_writer *w, const char *text)
{
	uint32_t at = (uint32_t)w->out->len;

	w->hash = hash_text(w->hash, text);
	if (text == NULL)
		return 0;
	buf_add(w->out, text, strlen(text) + 1);
	return at;
}

/* catalog_channel.c: writes all of a channel but its own structure, which goes to *ret. */
void catalog_put_channel(struct catalog_writer *w, const json_t *settings,
			 const struct channel_entry *e, struct catalog_channel *ret);

#endif
