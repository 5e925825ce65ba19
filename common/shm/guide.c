#include "common/shm/guide.h"

#include <string.h>

#include "common/hash.h"
#include "common/limits.h"
#include "common/search.h"

struct guide {
	struct snapshot snapshot; /* first: a guide is a snapshot */
	const char *map;
	uint64_t bytes;
	const struct guide_channel *channels;
	uint32_t channel_count;
};

struct guide *guide_of(struct snapshot *s)
{
	assert(!s || s->type == &guide_type);
	return (struct guide *)(void *)s;
}

struct snapshot *guide_snapshot(const struct guide *g)
{
	return (struct snapshot *)(uintptr_t)&g->snapshot;
}

const struct guide_header *guide_header(const struct guide *g)
{
	return (const void *)g->map;
}

uint64_t guide_id_hash(const char *id)
{
	return hash_end(hash_text(HASH_START, id));
}

/* Are these bytes inside, behind the header? */
static bool inside(const struct guide *g, uint64_t at, uint64_t bytes)
{
	return at >= sizeof(struct guide_header) && at <= g->bytes && bytes <= g->bytes - at;
}

static bool channel_valid(const struct guide *g, const struct guide_channel *ch)
{
	return inside(g, ch->xml_at, ch->xml_bytes) && inside(g, ch->packed_at, ch->packed_bytes) &&
	       ch->programmes_at % 4 == 0 &&
	       inside(g, ch->programmes_at,
		      (uint64_t)ch->programme_count * sizeof(struct guide_programme));
}

static int check(const struct guide *g, const struct guide_header *h)
{
	if (h->channel_count > CHANNELS_MAX || h->channels_at % 8 != 0 ||
	    !inside(g, h->channels_at, (uint64_t)h->channel_count * sizeof(struct guide_channel)) ||
	    (h->report_bytes > 0 && !inside(g, h->report_at, h->report_bytes)))
		return -EINVAL;
	for (uint32_t i = 0; i < h->channel_count; i++)
		if (!channel_valid(g, &g->channels[i]) ||
		    (i > 0 && g->channels[i].id_hash < g->channels[i - 1].id_hash))
			return -EINVAL;
	return 0;
}

static int guide_open(const struct snapshot_header *header, struct snapshot **ret)
{
	const struct guide_header *h = (const void *)header;
	struct guide *g = calloc(1, sizeof(*g));

	if (!g)
		return -ENOMEM;
	g->map = (const char *)header;
	g->bytes = header->total_bytes;
	g->channel_count = h->channel_count;
	g->channels = (const void *)(g->map + (h->channels_at % 8 ? 0 : h->channels_at));
	if (check(g, h) < 0) {
		free(g);
		return -EINVAL;
	}
	*ret = &g->snapshot;
	return 0;
}

static void guide_free(struct snapshot *s)
{
	free(guide_of(s));
}

const struct snapshot_type guide_type = {
	.magic = GUIDE_MAGIC,
	.version = GUIDE_VERSION,
	.header_bytes = sizeof(struct guide_header),
	.bytes_max = GUIDE_BYTES_MAX,
	.open = guide_open,
	.free = guide_free,
};

size_t guide_channel_count(const struct guide *g)
{
	return g->channel_count;
}

const struct guide_channel *guide_channel_at(const struct guide *g, size_t index)
{
	assert(index < g->channel_count);
	return &g->channels[index];
}

const struct guide_channel *guide_find(const struct guide *g, const char *id)
{
	return g && id ? guide_find_hash(g, guide_id_hash(id)) : NULL;
}

const struct guide_channel *guide_find_hash(const struct guide *g, uint64_t hash)
{
	uint32_t low = 0, high = g->channel_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (g->channels[middle].id_hash == hash)
			return &g->channels[middle];
		if (g->channels[middle].id_hash < hash)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const char *guide_bytes(const struct guide *g, uint64_t at)
{
	assert(at <= g->bytes);
	return g->map + at;
}

static const struct guide_programme *programmes(const struct guide *g,
						const struct guide_channel *ch)
{
	return (const void *)(g->map + ch->programmes_at);
}

/* The text, if it is inside the channel's XML. */
static struct guide_text text_of(const struct guide *g, const struct guide_channel *ch, uint64_t at,
				 size_t len)
{
	if (len == 0 || at > ch->xml_bytes || len > ch->xml_bytes - at)
		return (struct guide_text){NULL, 0};
	return (struct guide_text){g->map + ch->xml_at + at, len};
}

bool guide_entry_at(const struct guide *g, const struct guide_channel *ch, uint32_t index,
		    struct guide_entry *ret)
{
	struct guide_programme p;

	if (index >= ch->programme_count)
		return false;
	p = programmes(g, ch)[index];
	*ret = (struct guide_entry){
		.start_us = p.start_s * 1000000ll,
		.end_us = p.end_s * 1000000ll,
		.title = text_of(g, ch, (uint64_t)p.xml_at + p.title_at, p.title_bytes),
		.description = text_of(g, ch, (uint64_t)p.xml_at + p.desc_at, p.desc_bytes)};
	return ret->title.at && p.end_s > p.start_s;
}

/* One is before the time if it is over. */
static int compare_end(const void *key, const void *element)
{
	const int64_t *wall_us = key;
	const struct guide_programme *p = element;

	return p->end_s * 1000000ll <= *wall_us ? 1 : -1;
}

uint32_t guide_now(const struct guide *g, const struct guide_channel *ch, int64_t wall_us)
{
	return (uint32_t)search_first(&wall_us, programmes(g, ch), ch->programme_count,
				      sizeof(struct guide_programme), compare_end);
}
