#include "common/shm/catalog.h"

#include "unit.h"
#include <string.h>
#include "common/shm/shm.h"
#include "snapshots.h"

/* A small catalog written by hand: three channels, two variants, a programme, regions. */
struct image {
	struct catalog_header header;
	struct catalog_settings settings;
	struct catalog_channel channels[3];
	struct catalog_variant variants[2];
	struct catalog_program programs[1];
	struct catalog_cidr proxies[1];
	char regions[6];
	char strings[58];
};

#define AT(member) ((uint32_t)offsetof(struct image, member))

static struct image *image_new(void)
{
	struct image *m = calloc(1, sizeof(*m));

	cr_assert_not_null(m);
	m->header = (struct catalog_header){
		.snapshot = {.magic = CATALOG_MAGIC,
			     .version = CATALOG_VERSION,
			     .header_bytes = sizeof(m->header),
			     .total_bytes = sizeof(*m),
			     .generation = 12},
		.settings_at = AT(settings),
		.channels_at = AT(channels),
		.channel_count = 3,
		.channel_bytes = sizeof(struct catalog_channel),
		.variant_bytes = sizeof(struct catalog_variant),
		.program_bytes = sizeof(struct catalog_program),
		.content_hash = 99,
	};
	m->settings.proxy_count = 1;
	m->settings.proxies_at = AT(proxies);
	for (unsigned i = 0; i < 3; i++) {
		m->channels[i].id = i * 5;
		m->channels[i].start_wall_us = TIME_NONE;
		m->channels[i].end_wall_us = TIME_NONE;
	}
	memcpy(m->strings, "\0News\0sd\0hd", 12);
	memcpy(m->regions, "USCARU", 6);
	m->channels[1].name_at = AT(strings) + 1;
	m->channels[1].variants_at = AT(variants);
	m->channels[1].variant_count = 2;
	m->channels[1].programs_at = AT(programs);
	m->channels[1].program_count = 1;
	m->variants[0].name_at = AT(strings) + 6;
	m->variants[1].name_at = AT(strings) + 9;
	return m;
}

static int open_memory(const void *bytes, size_t n, struct catalog **ret)
{
	struct snapshot *s;
	int r = snapshot_open_memory(&catalog_type, bytes, n, &s);

	if (r == 0)
		*ret = catalog_of(s);
	return r;
}

static struct catalog *image_open(const struct image *m)
{
	struct catalog *c = NULL;

	cr_assert_eq(open_memory(m, sizeof(*m), &c), 0);
	return c;
}

Test(catalog, from_a_snapshot)
{
	struct image *m = image_new();
	struct catalog *c = NULL;
	int fd = shm_snapshot("test-catalog", m, sizeof(*m));

	cr_assert_geq(fd, 0);
	cr_assert_eq(open_catalog(fd, sizeof(*m) + 8, &c), -EINVAL);
	cr_assert_null(c);
	cr_assert_eq(open_catalog(fd, sizeof(*m), &c), 0);
	close(fd);
	cr_assert_eq(catalog_generation(c), 12);
	cr_assert_eq(catalog_content_hash(c), 99);
	cr_assert_eq(catalog_channel_count(c), 3);
	snapshot_ref(catalog_snapshot(c));
	close_catalog(c);
	cr_assert_eq(catalog_find(c, 5)->id, 5);
	close_catalog(c);
	cr_assert_null(snapshot_unref(NULL));
	free(m);
}

Test(catalog, finds_channels_and_variants)
{
	struct image *m = image_new();
	struct catalog *c = image_open(m);
	const struct catalog_channel *ch = catalog_find(c, 5);

	cr_assert_eq(catalog_find(c, 0)->id, 0);
	cr_assert_eq(catalog_find(c, 10)->id, 10);
	cr_assert_null(catalog_find(c, 1));
	cr_assert_null(catalog_find(c, 11));
	cr_assert_null(catalog_find(c, UINT32_MAX));
	cr_assert_null(catalog_channel_at(c, 3));
	cr_assert_str_eq(catalog_text(c, ch->name_at), "News");
	cr_assert_null(catalog_text(c, 0));
	cr_assert_null(catalog_text(c, sizeof(*m)));
	cr_assert_null(catalog_text(c, UINT32_MAX));
	cr_assert_str_eq(catalog_text(c, catalog_find_variant(c, ch, "hd")->name_at), "hd");
	cr_assert_null(catalog_find_variant(c, ch, "HD"));
	cr_assert_null(catalog_find_variant(c, ch, ""));
	cr_assert_null(catalog_find_variant(c, catalog_find(c, 0), "hd"));
	cr_assert_null(catalog_variants(c, catalog_find(c, 0)));
	cr_assert_null(catalog_programs(c, catalog_find(c, 0)));
	cr_assert_not_null(catalog_programs(c, ch));
	cr_assert_not_null(catalog_proxies(c));
	close_catalog(c);
	m->settings.proxy_count = 0;
	c = image_open(m);
	cr_assert_null(catalog_proxies(c));
	close_catalog(c);
	free(m);
}

Test(catalog, schedule_windows)
{
	struct catalog_channel ch = {.start_wall_us = 10, .end_wall_us = 20};

	cr_assert_not(catalog_on_air(&ch, 9));
	cr_assert(catalog_on_air(&ch, 10));
	cr_assert(catalog_on_air(&ch, 19));
	cr_assert_not(catalog_on_air(&ch, 20));
	ch.start_wall_us = TIME_NONE;
	cr_assert(catalog_on_air(&ch, -1000));
	ch.end_wall_us = TIME_NONE;
	cr_assert(catalog_on_air(&ch, INT64_MAX));
}

Test(catalog, regions)
{
	struct image *m = image_new();
	struct catalog *c = image_open(m);
	const struct catalog_channel *ch = &m->channels[0];

	cr_assert(catalog_region_allowed(c, ch, ""));
	cr_assert(catalog_region_allowed(c, ch, "US"));
	m->channels[0].regions_allowed_at = AT(regions);
	m->channels[0].regions_allowed_count = 2;
	cr_assert(catalog_region_allowed(c, ch, "US"));
	cr_assert(catalog_region_allowed(c, ch, "CA"));
	cr_assert_not(catalog_region_allowed(c, ch, "RU"));
	/* "SC" is inside "USCA", but not as a code of its own */
	cr_assert_not(catalog_region_allowed(c, ch, "SC"));
	cr_assert_not(catalog_region_allowed(c, ch, ""));
	m->channels[0].regions_allowed_count = 0;
	m->channels[0].regions_blocked_at = AT(regions) + 4;
	m->channels[0].regions_blocked_count = 1;
	cr_assert(catalog_region_allowed(c, ch, ""));
	cr_assert_not(catalog_region_allowed(c, ch, "RU"));
	cr_assert(catalog_region_allowed(c, ch, "US"));
	m->channels[0].regions_allowed_at = AT(regions);
	m->channels[0].regions_allowed_count = 3;
	cr_assert_not(catalog_region_allowed(c, ch, "RU"));
	cr_assert(catalog_region_allowed(c, ch, "CA"));
	close_catalog(c);
	free(m);
}

static void check_refused(struct image *m)
{
	struct catalog *c = NULL;

	cr_assert_eq(open_memory(m, sizeof(*m), &c), -EINVAL);
	cr_assert_null(c);
	free(m);
}

#define REFUSES(name, change)                                                                      \
	Test(catalog_refuses, name)                                                                \
	{                                                                                          \
		struct image *m = image_new();                                                     \
                                                                                                   \
		change;                                                                            \
		check_refused(m);                                                                  \
	}

REFUSES(magic, m->header.snapshot.magic++)
REFUSES(header_bytes, m->header.snapshot.header_bytes++)
REFUSES(version, m->header.snapshot.version++)
REFUSES(total, m->header.snapshot.total_bytes--)
REFUSES(channel_bytes, m->header.channel_bytes = 8)
REFUSES(channel_count, m->header.channel_count = UINT32_MAX)
REFUSES(one_channel_too_many, m->header.channel_count = 65536)
REFUSES(channels_outside, m->header.channels_at = sizeof(*m) - 8)
REFUSES(channels_unaligned, m->header.channels_at += 4)
REFUSES(settings_nowhere, m->header.settings_at = 0)
REFUSES(settings_outside, m->header.settings_at = 0xfffffff8)
REFUSES(ids_in_disorder, m->channels[2].id = 5)
REFUSES(form, m->channels[0].form = FORM_COUNT_)
REFUSES(variant_form, m->variants[1].form = 200)
REFUSES(variants_outside, m->channels[1].variant_count = UINT32_MAX)
REFUSES(variants_nowhere, m->channels[1].variants_at = 0)
REFUSES(programs_outside, m->channels[1].programs_at = 0xfffffff8)
REFUSES(regions_outside, m->channels[0].regions_blocked_count = 1;
	m->channels[0].regions_blocked_at = sizeof(*m) - 1)
REFUSES(proxies_outside, m->settings.proxies_at = sizeof(*m) - 8)
REFUSES(no_last_nul, m->strings[57] = 'x')

Test(catalog, too_short_for_a_header)
{
	struct image *m = image_new();
	struct catalog *c = NULL;

	cr_assert_eq(open_memory(m, 0, &c), -EINVAL);
	cr_assert_eq(open_memory(m, sizeof(m->header), &c), -EINVAL);
	free(m);
}

Test(catalog, forms_have_names)
{
	cr_assert_str_eq(form_name(FORM_TS), "ts");
	cr_assert_str_eq(form_name(FORM_LL_HLS), "ll-hls");
	cr_assert_str_eq(form_name(FORM_MSE), "mse");
	cr_assert_str_eq(form_name(FORM_COUNT_), "?");
}
