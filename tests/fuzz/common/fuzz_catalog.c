/* Any bytes as a catalog: they are refused, or every accessor stays inside them.
 *
 * The magic numbers and sizes are put right first, or nearly nothing would get past the header. */
#include <string.h>
#include "common/shm/catalog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile size_t sink;

static void touch(const struct catalog *c, uint32_t at)
{
	const char *text = catalog_text(c, at);

	sink += text != NULL ? strlen(text) : 0;
}

static void walk_channel(const struct catalog *c, const struct catalog_channel *ch)
{
	const struct catalog_variant *variants = catalog_variants(c, ch);
	const struct catalog_program *programs = catalog_programs(c, ch);

	touch(c, ch->name_at);
	touch(c, ch->tvg_id_at);
	touch(c, ch->group_at);
	touch(c, ch->unavailable_at);
	for (size_t i = 0; i < ch->variant_count; i++) {
		touch(c, variants[i].name_at);
		touch(c, variants[i].label_at);
		sink += strlen(form_name(variants[i].form));
	}
	for (size_t i = 0; i < ch->program_count; i++) {
		touch(c, programs[i].title_at);
		touch(c, programs[i].start_at);
	}
	sink += catalog_find_variant(c, ch, "sd") != NULL;
	sink += catalog_region_allowed(c, ch, "US") + catalog_region_allowed(c, ch, "");
	sink += catalog_on_air(ch, 0);
	if (catalog_find(c, ch->id) != ch)
		__builtin_trap();
}

static void walk(const struct catalog *c)
{
	const struct catalog_cidr *proxies = catalog_proxies(c);

	touch(c, catalog_settings(c)->public_url_at);
	for (size_t i = 0; i < catalog_settings(c)->proxy_count; i++)
		sink += proxies[i].prefix_bits;
	for (size_t i = 0; i < catalog_channel_count(c); i++)
		walk_channel(c, catalog_channel_at(c, i));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct catalog_header header;
	struct snapshot *s;
	uint8_t *bytes = malloc(MAX(size, 1u)); /* of the exact size, so that ASan sees a slip */

	if (bytes == NULL)
		return 0;
	memcpy(bytes, data, size);
	if (size >= sizeof(header)) {
		memcpy(&header, bytes, sizeof(header));
		header.snapshot.magic = CATALOG_MAGIC;
		header.snapshot.version = CATALOG_VERSION;
		header.snapshot.header_bytes = sizeof(header);
		header.snapshot.total_bytes = size;
		header.channel_bytes = sizeof(struct catalog_channel);
		header.variant_bytes = sizeof(struct catalog_variant);
		header.program_bytes = sizeof(struct catalog_program);
		memcpy(bytes, &header, sizeof(header));
	}
	if (snapshot_open_memory(&catalog_type, bytes, size, &s) == 0) {
		walk(catalog_of(s));
		snapshot_unref(s);
	}
	free(bytes);
	return 0;
}
