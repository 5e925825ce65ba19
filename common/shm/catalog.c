#include "common/shm/catalog.h"

#include <assert.h>
#include <string.h>
#include "common/limits.h"

struct catalog {
	struct snapshot snapshot;
	const unsigned char *map;
	size_t bytes;
};

static const struct catalog_header *header_of(const struct catalog *c)
{
	return (const struct catalog_header *)(const void *)c->map;
}

/* `count` objects of `size` bytes at offset `at`, or NULL when they are not all inside or not
 * aligned. */
static const void *array_at(const struct catalog *c, uint32_t at, size_t count, size_t size,
			    size_t align)
{
	if (at == 0 || at % align != 0 || at > c->bytes || count > (c->bytes - at) / size)
		return NULL;
	return c->map + at;
}

/* The same of an array that catalog_open() has checked; NULL when it is empty. */
static const void *checked_array(const struct catalog *c, uint32_t at, size_t count, size_t size,
				 size_t align)
{
	const void *array = count > 0 ? array_at(c, at, count, size, align) : NULL;

	assert(count == 0 || array != NULL);
	return array;
}

static bool array_valid(const struct catalog *c, uint32_t at, size_t count, size_t size,
			size_t align)
{
	return count == 0 || array_at(c, at, count, size, align) != NULL;
}

/* A snapshot cannot change, so its arrays are checked once: afterwards counts may be trusted. */
static bool channel_valid(const struct catalog *c, const struct catalog_channel *ch)
{
	return ch->form < FORM_COUNT_ && ch->id <= CHANNEL_ID_MAX &&
	       array_valid(c, ch->variants_at, ch->variant_count, sizeof(struct catalog_variant),
			   8) &&
	       array_valid(c, ch->programs_at, ch->program_count, sizeof(struct catalog_program),
			   8) &&
	       array_valid(c, ch->regions_allowed_at, ch->regions_allowed_count, 2, 1) &&
	       array_valid(c, ch->regions_blocked_at, ch->regions_blocked_count, 2, 1);
}

static bool channels_valid(const struct catalog *c)
{
	const struct catalog_channel *previous = NULL;

	for (size_t i = 0; i < catalog_channel_count(c); i++) {
		const struct catalog_channel *ch = catalog_channel_at(c, i);
		const struct catalog_variant *variants;

		if (!channel_valid(c, ch) || (previous != NULL && previous->id >= ch->id))
			return false;
		variants = catalog_variants(c, ch);
		for (size_t v = 0; v < ch->variant_count; v++)
			if (variants[v].form >= FORM_COUNT_)
				return false;
		previous = ch;
	}
	return true;
}

static bool header_valid(const struct catalog *c)
{
	const struct catalog_header *h = header_of(c);
	const struct catalog_settings *settings;

	if (c->bytes < sizeof(*h) + sizeof(*settings) ||
	    h->channel_bytes != sizeof(struct catalog_channel) ||
	    h->variant_bytes != sizeof(struct catalog_variant) ||
	    h->program_bytes != sizeof(struct catalog_program))
		return false;
	/* a string without an end of its own ends at the last byte */
	if (c->map[c->bytes - 1] != '\0' || h->channel_count > CHANNELS_MAX)
		return false;
	settings = array_at(c, h->settings_at, 1, sizeof(*settings), 8);
	return settings != NULL &&
	       array_valid(c, h->channels_at, h->channel_count, sizeof(struct catalog_channel),
			   8) &&
	       settings->proxy_count <= TRUSTED_PROXIES_MAX &&
	       array_valid(c, settings->proxies_at, settings->proxy_count,
			   sizeof(struct catalog_cidr), 8);
}

static int open_catalog(const struct snapshot_header *header, struct snapshot **ret)
{
	struct catalog candidate = {.map = (const void *)header, .bytes = header->total_bytes};
	struct catalog *c;

	if (!header_valid(&candidate) || !channels_valid(&candidate))
		return -EINVAL;
	c = malloc(sizeof(*c));
	if (c == NULL)
		return -ENOMEM;
	*c = candidate;
	*ret = &c->snapshot;
	return 0;
}

static void free_catalog(struct snapshot *s)
{
	free(s);
}

const struct snapshot_type catalog_type = {
	.magic = CATALOG_MAGIC,
	.version = CATALOG_VERSION,
	.header_bytes = sizeof(struct catalog_header),
	.bytes_max = CATALOG_BYTES_MAX,
	.open = open_catalog,
	.free = free_catalog,
};

struct snapshot *catalog_snapshot(const struct catalog *c)
{
	return (struct snapshot *)(uintptr_t)&c->snapshot;
}

struct catalog *catalog_of(struct snapshot *s)
{
	assert(!s || s->type == &catalog_type);
	return (struct catalog *)(void *)s;
}

uint64_t catalog_generation(const struct catalog *c)
{
	return c->snapshot.header->generation;
}

uint64_t catalog_content_hash(const struct catalog *c)
{
	return header_of(c)->content_hash;
}

const struct catalog_settings *catalog_settings(const struct catalog *c)
{
	return (const void *)(c->map + header_of(c)->settings_at);
}

size_t catalog_channel_count(const struct catalog *c)
{
	return header_of(c)->channel_count;
}

const struct catalog_channel *catalog_channel_at(const struct catalog *c, size_t index)
{
	const struct catalog_channel *channels = (const void *)(c->map + header_of(c)->channels_at);

	return index < header_of(c)->channel_count ? &channels[index] : NULL;
}

const struct catalog_channel *catalog_find(const struct catalog *c, uint32_t id)
{
	size_t low = 0, high = catalog_channel_count(c);

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct catalog_channel *ch = catalog_channel_at(c, middle);

		if (ch->id == id)
			return ch;
		if (ch->id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const char *catalog_text(const struct catalog *c, uint32_t at)
{
	return at != 0 && at < c->bytes ? (const char *)c->map + at : NULL;
}

const struct catalog_variant *catalog_variants(const struct catalog *c,
					       const struct catalog_channel *ch)
{
	return checked_array(c, ch->variants_at, ch->variant_count, sizeof(struct catalog_variant),
			     8);
}

const struct catalog_program *catalog_programs(const struct catalog *c,
					       const struct catalog_channel *ch)
{
	return checked_array(c, ch->programs_at, ch->program_count, sizeof(struct catalog_program),
			     8);
}

const struct catalog_cidr *catalog_proxies(const struct catalog *c)
{
	const struct catalog_settings *s = catalog_settings(c);

	return checked_array(c, s->proxies_at, s->proxy_count, sizeof(struct catalog_cidr), 8);
}

const struct catalog_variant *
catalog_find_variant(const struct catalog *c, const struct catalog_channel *ch, const char *name)
{
	const struct catalog_variant *variants = catalog_variants(c, ch);

	for (size_t i = 0; variants != NULL && i < ch->variant_count; i++) {
		const char *found = catalog_text(c, variants[i].name_at);

		if (found != NULL && strcmp(found, name) == 0)
			return &variants[i];
	}
	return NULL;
}

bool catalog_on_air(const struct catalog_channel *ch, int64_t wall_us)
{
	return (ch->start_wall_us == TIME_NONE || ch->start_wall_us <= wall_us) &&
	       (ch->end_wall_us == TIME_NONE || wall_us < ch->end_wall_us);
}

static bool region_listed(const struct catalog *c, uint32_t at, uint32_t count, const char *region)
{
	const char *codes = checked_array(c, at, count, 2, 1);

	for (size_t i = 0; i < count; i++)
		if (memcmp(codes + 2 * i, region, 2) == 0)
			return true;
	return false;
}

bool catalog_region_allowed(const struct catalog *c, const struct catalog_channel *ch,
			    const char *region)
{
	bool known = region[0] != '\0';

	assert(!known || strlen(region) == 2);
	if (ch->regions_allowed_count > 0 &&
	    (!known ||
	     !region_listed(c, ch->regions_allowed_at, ch->regions_allowed_count, region)))
		return false;
	return !known ||
	       !region_listed(c, ch->regions_blocked_at, ch->regions_blocked_count, region);
}

const char *form_name(enum form form)
{
	static const char *const names[FORM_COUNT_] = {"ts",   "hls",	"ll-hls", "dash",
						       "rtsp", "audio", "mse"};

	return form < FORM_COUNT_ ? names[form] : "?";
}
