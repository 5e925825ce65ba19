#include "common/shm/geoip.h"

#include <arpa/inet.h>
#include <string.h>
#include "common/limits.h"
#include "unit.h"

#define RANGES 4

static struct {
	struct geoip_header header;
	uint64_t from[RANGES];
	char region[RANGES][2];
} image;

static int make(uint64_t count, uint64_t bytes, struct snapshot **ret)
{
	/* IPv4 lies at 0xffff00000000 */
	image.header = (struct geoip_header){.snapshot = {.magic = GEOIP_MAGIC,
							  .version = GEOIP_VERSION,
							  .header_bytes = sizeof(image.header),
							  .total_bytes = bytes,
							  .generation = 1},
					     .count = count};
	return snapshot_open_memory(&geoip_type, &image, bytes, ret);
}

static const char *find(const struct geoip *g, const char *text)
{
	static char region[3];
	struct in6_addr a;

	cr_assert_eq(inet_pton(AF_INET6, text, &a), 1);
	strcpy(region, "-");
	geoip_find(g, &a, region);
	return region;
}

#define WHOLE (sizeof(image.header) + RANGES * GEOIP_RANGE_BYTES)

Test(geoip, a_range_ends_where_the_next_begins)
{
	struct snapshot *s;
	struct geoip *g;

	memcpy(image.from, (uint64_t[]){0, 0xffffc0000200, 0xffffc0000280, 0x20010db800000000},
	       sizeof(image.from));
	memcpy(image.region, "\0\0DEfrCH", sizeof(image.region));
	cr_assert_eq(make(RANGES, WHOLE, &s), 0);
	g = geoip_of(s);
	cr_expect_str_eq(find(g, "::ffff:192.0.1.255"), "-");
	cr_expect_str_eq(find(g, "::ffff:192.0.2.0"), "DE");
	cr_expect_str_eq(find(g, "::ffff:192.0.2.127"), "DE");
	cr_expect_str_eq(find(g, "::ffff:192.0.2.128"), "FR");
	cr_expect_str_eq(find(g, "2001:db7:ffff:ffff:ffff::"), "FR");
	cr_expect_str_eq(find(g, "2001:db8::"), "CH");
	cr_expect_str_eq(find(g, "ffff:ffff:ffff:ffff:ffff::"), "CH");
	cr_expect_str_eq(find(g, "::1"), "-");
	cr_expect_str_eq(find(NULL, "::1"), "-");
	snapshot_unref(s);
}

Test(geoip, what_is_wrong_inside_gives_no_country_and_no_read_outside)
{
	static const char texts[][24] = {"::", "::ffff:1.2.3.4", "2001:db8::", "ffff::"};
	struct snapshot *s;

	/* in no order, and no letters */
	memset(image.from, 0xff, sizeof(image.from));
	image.from[2] = 0;
	memset(image.region, '7', sizeof(image.region));
	cr_assert_eq(make(RANGES, WHOLE, &s), 0);
	for (size_t i = 0; i < array_size(texts); i++)
		cr_expect_str_eq(find(geoip_of(s), texts[i]), "-");
	snapshot_unref(s);
	cr_assert_eq(make(0, sizeof(image.header), &s), 0);
	cr_expect_str_eq(find(geoip_of(s), "::ffff:1.2.3.4"), "-");
	snapshot_unref(s);
}

Test(geoip, a_size_that_is_not_of_the_count_is_refused)
{
	struct snapshot *s = NULL;

	cr_expect_eq(make(RANGES + 1, WHOLE, &s), -EINVAL);
	cr_expect_eq(make(RANGES - 1, WHOLE, &s), -EINVAL);
	cr_expect_eq(make(UINT64_MAX / GEOIP_RANGE_BYTES + 1 + RANGES, WHOLE, &s), -EINVAL);
	cr_expect_eq(make(GEOIP_RANGES_MAX + 1ull, WHOLE, &s), -EINVAL);
	cr_assert_null(s);
}
