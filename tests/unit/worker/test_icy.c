#include <string.h>
#include "amps-worker/live/icy.h"
#include "common/shm/programmes.h"
#include "unit.h"
#include "worker/catalog_fixture.h"

static struct fixture *make(const char *name, const struct catalog_program *p, uint32_t count,
			    struct fixture *f)
{
	fixture_programs(f, fixture_channel(f, 1, name, NULL), p, count);
	cr_assert_eq(fixture_publish(f, 1), 0);
	return f;
}

static void expect(struct icy *icy, const struct fixture *f, int64_t wall_us, const char *text)
{
	uint8_t block[ICY_BLOCK_MAX];
	size_t n = icy_block(icy, f->catalog, NULL, 1, wall_us, block), len = strlen(text);

	cr_assert_leq(n, sizeof(block));
	cr_expect_eq(n, 1 + block[0] * 16u);
	cr_expect_eq(block[0], (len + 15) / 16);
	cr_expect_eq(memcmp(block + 1, text, len), 0, "%.*s", (int)n - 1, block + 1);
	for (size_t i = 1 + len; i < n; i++)
		cr_expect_eq(block[i], 0);
	cr_expect_eq(icy->left, ICY_INTERVAL);
}

Test(icy, the_programme_that_is_on)
{
	struct fixture *f = fixture_new();
	struct catalog_program p[] = {fixture_program(f, "first", "", 1000),
				      fixture_program(f, "second", "", 2000),
				      fixture_program(f, "no time", NULL, TIME_NONE)};
	struct icy icy = {0};

	p[1].end_wall_us = 3000;
	make("Name", p, array_size(p), f);
	expect(&icy, f, 999, "StreamTitle='Name';");
	expect(&icy, f, 1000, "StreamTitle='first';");
	expect(&icy, f, 1999, "");
	expect(&icy, f, 2000, "StreamTitle='second';");
	expect(&icy, f, 2999, "");
	expect(&icy, f, 3000, "StreamTitle='Name';");
	fixture_free(f);
}

Test(icy, one_without_an_end_is_over_after_an_hour)
{
	struct fixture *f = fixture_new();
	struct catalog_program p = fixture_program(f, "open", "", 1000);
	struct icy icy = {0};

	make("Name", &p, 1, f);
	expect(&icy, f, 1000 + PROGRAMME_LAST_US - 1, "StreamTitle='open';");
	expect(&icy, f, 1000 + PROGRAMME_LAST_US, "StreamTitle='Name';");
	fixture_free(f);
}

Test(icy, a_title_cannot_end_its_frame)
{
	struct icy icy = {0};
	struct fixture *f = make("a';b\nc", NULL, 0, fixture_new());

	expect(&icy, f, 0, "StreamTitle='a',b c';");
	fixture_free(f);
}

Test(icy, a_long_title_is_cut_between_characters)
{
	char name[600] = "", text[300] = "StreamTitle='";
	struct icy icy = {0};
	struct fixture *f;

	strcat(name, "x");
	for (int i = 0; i < 200; i++)
		strcat(name, "\xc3\xa9");
	strncat(text, name, 239);
	strcat(text, "';");
	f = make(name, NULL, 0, fixture_new());
	expect(&icy, f, 0, text);
	fixture_free(f);
	/* one that just fits is whole */
	snprintf(text, sizeof(text), "StreamTitle='%.240s';", name + 1);
	f = make(name + 1, NULL, 0, fixture_new());
	expect(&icy, f, 0, text);
	fixture_free(f);
}

Test(icy, a_channel_that_is_gone_has_no_title)
{
	uint8_t block[ICY_BLOCK_MAX];
	struct icy icy = {0};
	struct fixture *f = make("Name", NULL, 0, fixture_new());

	cr_expect_eq(icy_block(&icy, f->catalog, NULL, 7, 0, block), 17);
	cr_expect_eq(memcmp(block, "\1StreamTitle='';", 17), 0);
	cr_expect_eq(icy_block(&icy, f->catalog, NULL, 7, 0, block), 1);
	fixture_free(f);
}
