/* geoip.c - the countries of a MaxMind file as a table of ranges (common/shm/geoip.h).
 *
 * The file is a binary tree over the bits of an address: a node has a record for 0 and one for 1,
 * which is another node, a country's data, or empty.  IPv4 lies at ::/96 of a tree of IPv6. */
#include <maxminddb.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "amps-helper/tasks.h"
#include "common/limits.h"
#include "common/shm/geoip.h"
#include "common/text/buf.h"
#include "common/text/text.h"

#define BITS_V4	    32u
#define BITS_CLIENT 64u /* of an IPv6 address: address_client() */
#define V4_FIRST    0x0000ffff00000000ull
#define V4_BEHIND   0x0001000000000000ull

/* Ranges in their order; a neighbour of the same country is the same range. */
struct table {
	struct buf from, region;
	char last[2];
	bool full;
};

/* A walk over one part of the tree. */
struct walk {
	MMDB_s *file;
	struct table *table;
	unsigned bits;		/* below its root */
	uint64_t first, behind; /* what is added, of the whole part */
	uint64_t data; /* the record whose country was looked up last, plus 1, and its country */
	char country[2];
	unsigned nodes;
};

static const char unknown[2];

static void add(struct table *t, uint64_t from, const char region[2])
{
	if (t->from.len > 0 && memcmp(t->last, region, 2) == 0)
		return;
	if (t->from.len / sizeof(from) >= GEOIP_RANGES_MAX) {
		t->full = true;
		return;
	}
	buf_add(&t->from, &from, sizeof(from));
	buf_add(&t->region, region, 2);
	memcpy(t->last, region, 2);
}

/* The country of a record; NULs where it has none. */
static void read_country(const MMDB_s *file, MMDB_entry_s *entry, char country[2])
{
	static const char *const paths[][3] = {{"country", "iso_code"},
					       {"country_code"},
					       {"country"},
					       {"registered_country", "iso_code"}};
	MMDB_entry_data_s data;
	char code[3];

	memcpy(country, unknown, 2);
	entry->mmdb = file;
	for (size_t i = 0; i < array_size(paths); i++) {
		if (MMDB_aget_value(entry, &data, paths[i]) != MMDB_SUCCESS || !data.has_data ||
		    data.type != MMDB_DATA_TYPE_UTF8_STRING ||
		    !text_region(data.utf8_string, data.data_size, code))
			continue;
		memcpy(country, code, 2);
		return;
	}
}

/* `behind`: 0 is 2^64. */
static void add_places(struct walk *w, uint64_t from, uint64_t behind, const char country[2])
{
	from = MAX(from, w->first);
	if (from < (behind != 0 ? MIN(behind, w->behind) : w->behind))
		add(w->table, from, country);
}

static void add_record(struct walk *w, uint64_t from, uint64_t behind, MMDB_entry_s *entry)
{
	if (w->data != entry->offset + 1ull) {
		read_country(w->file, entry, w->country);
		w->data = entry->offset + 1ull;
	}
	add_places(w, from, behind, w->country);
}

/* What is next on the way down. */
struct record {
	uint64_t value;
	uint8_t type;
	MMDB_entry_s entry;
};

static int walk_node(struct walk *w, uint32_t node, unsigned depth, uint64_t place);

/* One side of a node: all places from `place` up to 2^(bits - depth) behind it. */
static int walk_side(struct walk *w, struct record r, unsigned depth, uint64_t place)
{
	uint64_t behind = place + (1ull << (w->bits - depth));
	/* IPv4 is also under the prefixes that carry it in IPv6: those are no countries */
	bool alias = w->bits == BITS_CLIENT && r.value == w->file->ipv4_start_node.node_value;

	assert(depth > 0 && depth <= w->bits);
	if (r.type == MMDB_RECORD_TYPE_INVALID)
		return -EINVAL;
	if (r.type == MMDB_RECORD_TYPE_DATA)
		add_record(w, place, behind, &r.entry);
	else if (r.type == MMDB_RECORD_TYPE_EMPTY || alias || depth == w->bits)
		add_places(w, place, behind, unknown);
	else
		return walk_node(w, (uint32_t)r.value, depth, place);
	return w->table->full ? -EFBIG : 0;
}

static int walk_node(struct walk *w, uint32_t node, unsigned depth, uint64_t place)
{
	MMDB_search_node_s n;
	struct record left, right;
	int r;

	if (++w->nodes > GEOIP_NODES_MAX)
		return -EFBIG;
	if (MMDB_read_node(w->file, node, &n) != MMDB_SUCCESS)
		return -EINVAL;
	left = (struct record){n.left_record, n.left_record_type, n.left_record_entry};
	right = (struct record){n.right_record, n.right_record_type, n.right_record_entry};
	depth++;
	r = walk_side(w, left, depth, place);
	if (r == 0)
		r = walk_side(w, right, depth, place + (1ull << (w->bits - depth)));
	return r;
}

/* The networks of IPv6 in [first, behind). */
static int walk_v6(MMDB_s *file, struct table *t, uint64_t first, uint64_t behind)
{
	struct walk w = {
		.file = file, .table = t, .bits = BITS_CLIENT, .first = first, .behind = behind};

	return walk_node(&w, 0, 0, 0);
}

static int walk_v4(MMDB_s *file, struct table *t)
{
	struct walk w = {
		.file = file, .table = t, .bits = BITS_V4, .first = V4_FIRST, .behind = V4_BEHIND};
	uint32_t start = file->metadata.ip_version == 6 ? file->ipv4_start_node.node_value : 0;

	/* the tree may end above it: then all of IPv4 has no country */
	return start < file->metadata.node_count ? walk_node(&w, start, 0, V4_FIRST) : 0;
}

static int make_table(MMDB_s *file, struct table *t)
{
	bool v6 = file->metadata.ip_version == 6;
	int r;

	add(t, 0, unknown);
	r = v6 ? walk_v6(file, t, 0, V4_FIRST) : 0;
	add(t, V4_FIRST, unknown);
	if (r == 0)
		r = walk_v4(file, t);
	add(t, V4_BEHIND, unknown);
	if (r == 0 && v6)
		r = walk_v6(file, t, V4_BEHIND, UINT64_MAX);
	if (r == 0 && t->full)
		r = -EFBIG;
	if (r == 0 && (!buf_ok(&t->from) || !buf_ok(&t->region)))
		r = -ENOMEM;
	return r;
}

static int write_table(const struct table *t, uint64_t generation)
{
	struct geoip_header h = {.snapshot = {.magic = GEOIP_MAGIC,
					      .version = GEOIP_VERSION,
					      .header_bytes = sizeof(h),
					      .generation = generation},
				 .count = t->from.len / sizeof(uint64_t)};
	int r;

	assert(h.count == t->region.len / 2);
	h.snapshot.total_bytes = sizeof(h) + h.count * GEOIP_RANGE_BYTES;
	r = write_all(STDOUT_FILENO, &h, sizeof(h));
	if (r == 0)
		r = write_all(STDOUT_FILENO, t->from.data, t->from.len);
	if (r == 0)
		r = write_all(STDOUT_FILENO, t->region.data, t->region.len);
	return r;
}

static int open_file(const json_t *task, MMDB_s *file, char *reason, size_t cap)
{
	const char *path = json_string_value(json_object_get(task, "path"));
	int r = path != NULL ? MMDB_open(path, MMDB_MODE_MMAP, file) : MMDB_FILE_OPEN_ERROR;

	if (r == MMDB_SUCCESS)
		return 0;
	snprintf(reason, cap, "%s",
		 r == MMDB_FILE_OPEN_ERROR && errno != 0 ? strerror(errno) : MMDB_strerror(r));
	return -EINVAL;
}

int geoip_run(const json_t *task, char *reason, size_t cap)
{
	struct table t = {.from = BUF_INIT, .region = BUF_INIT};
	MMDB_s file;
	int r;

	errno = 0;
	r = open_file(task, &file, reason, cap);
	if (r < 0)
		return r;
	r = make_table(&file, &t);
	if (r == -EFBIG)
		snprintf(reason, cap, "it has too many networks");
	else if (r == -EINVAL)
		snprintf(reason, cap, "it is damaged");
	if (r == 0 && t.from.len / sizeof(uint64_t) < 2) {
		snprintf(reason, cap, "it has no countries");
		r = -ENODATA;
	}
	if (r == 0)
		r = write_table(&t,
				(uint64_t)json_integer_value(json_object_get(task, "generation")));
	MMDB_close(&file);
	buf_done(&t.from);
	buf_done(&t.region);
	return r;
}
