/* guide.h - reading a guide (guide_layout.h has the map).
 *
 * The channels are checked when it is opened, a programme when it is read.  Nothing blocks or logs.
 */
#ifndef AMPS_SHM_GUIDE_H
#define AMPS_SHM_GUIDE_H

#include "common/shm/guide_layout.h"

struct guide;

extern const struct snapshot_type guide_type;

/* A guide is a snapshot of this type; NULL for NULL. */
struct guide *guide_of(struct snapshot *s);
struct snapshot *guide_snapshot(const struct guide *g);
const struct guide_header *guide_header(const struct guide *g);

uint64_t guide_id_hash(const char *id);

size_t guide_channel_count(const struct guide *g);
const struct guide_channel *guide_channel_at(const struct guide *g, size_t index);
/* The channel of a guide id, or NULL; also for NULL. */
const struct guide_channel *guide_find_hash(const struct guide *g, uint64_t hash);
const struct guide_channel *guide_find(const struct guide *g, const char *id);

/* Bytes of the mapping. */
const char *guide_bytes(const struct guide *g, uint64_t at);

struct guide_text {
	const char *at; /* escaped XML, without a NUL; NULL = there is none */
	size_t len;
};

struct guide_entry {
	int64_t start_us, end_us;
	struct guide_text title, description;
};

/* False: there is no such programme, or it is damaged. */
must_check bool guide_entry_at(const struct guide *g, const struct guide_channel *ch,
			       uint32_t index, struct guide_entry *ret);

/* The index of the first programme that is not over, or their count. */
uint32_t guide_now(const struct guide *g, const struct guide_channel *ch, int64_t wall_us);

#endif
