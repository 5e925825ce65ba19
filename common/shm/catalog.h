/* catalog.h - reading a catalog (catalog_layout.h has the map).
 *
 * Counts and arrays are checked when it is opened, the offset of a string when it is read.  Nothing
 * blocks or logs. */
#ifndef AMPS_CATALOG_H
#define AMPS_CATALOG_H

#include "common/base.h"
#include "common/shm/catalog_layout.h"
#include "common/clock.h"

struct catalog;

extern const struct snapshot_type catalog_type;

/* A catalog is a snapshot of this type; NULL for NULL. */
struct catalog *catalog_of(struct snapshot *s);
struct snapshot *catalog_snapshot(const struct catalog *c);

uint64_t catalog_generation(const struct catalog *c);
uint64_t catalog_content_hash(const struct catalog *c);
const struct catalog_settings *catalog_settings(const struct catalog *c);
size_t catalog_channel_count(const struct catalog *c);
const struct catalog_channel *catalog_channel_at(const struct catalog *c, size_t index);

/* The channel with this id (whatever its schedule window), or NULL. */
const struct catalog_channel *catalog_find(const struct catalog *c, uint32_t id);

/* The string at an offset, or NULL for offset 0 or a bad one. */
const char *catalog_text(const struct catalog *c, uint32_t at);

/* Arrays; NULL when empty. */
const struct catalog_variant *catalog_variants(const struct catalog *c,
					       const struct catalog_channel *ch);
const struct catalog_program *catalog_programs(const struct catalog *c,
					       const struct catalog_channel *ch);
const struct catalog_cidr *catalog_proxies(const struct catalog *c);

/* The variant of this exact name, or NULL. */
const struct catalog_variant *
catalog_find_variant(const struct catalog *c, const struct catalog_channel *ch, const char *name);

/* True if the channel is inside its schedule window at this wall time. */
bool catalog_on_air(const struct catalog_channel *ch, int64_t wall_us);

/* True if a viewer of this region ("" = unknown, else two upper-case letters) may see the channel.
 * regions_allowed refuses an unknown region, regions_blocked does not; both apply. */
bool catalog_region_allowed(const struct catalog *c, const struct catalog_channel *ch,
			    const char *region);

/* "ts", "hls", "ll-hls", "dash", "rtsp", "audio", "mse" */
const char *form_name(enum form form);

#endif
