/* Media in the units of a protocol: what viewers in step share, and what is each one's own. */
#include <string.h>

#include "amps-worker/live/units.h"
#include "unit.h"

#define PAYLOAD 10u

/* Its heads have its letter and the number of the unit; that of a short payload is shorter. */
struct letters {
	struct packer packer;
	char letter;
	unsigned sent;
};

static size_t head(struct packer *p, size_t ahead, const uint8_t *payload, size_t n,
		   uint8_t to[PACKER_HEAD_MAX])
{
	const struct letters *l = (const struct letters *)p;

	cr_assert_gt(payload[0], 0);
	to[0] = (uint8_t)l->letter;
	to[1] = (uint8_t)('0' + l->sent + ahead);
	return n == PAYLOAD ? 2 : 1;
}

static const struct packer_ops ops = {.payload_max = PAYLOAD, .head = head};
static struct units units;

static void expect(const char *text)
{
	cr_expect_eq(units_bytes(&units), strlen(text));
	cr_expect_eq(memcmp(units.bytes, text, strlen(text)), 0, "%.*s", (int)units_bytes(&units),
		     (const char *)units.bytes);
}

Test(units, viewers_in_step_share_the_media_and_have_heads_of_their_own)
{
	struct letters a = {{.ops = &ops}, 'a', 0}, b = {{.ops = &ops}, 'b', 5};
	struct units_place place = {1, 40};
	char ring[] = "the first.the secondlast";

	units = (struct units){0};
	units_pack(&units, &a.packer, place, (uint8_t *)ring, 24);
	expect("a0the first.a1the secondalast");
	/* the ring's writer does not reach what was copied */
	ring[0] = 'T';
	units_pack(&units, &b.packer, place, (uint8_t *)ring, 24);
	expect("b5the first.b6the secondblast");
}

Test(units, other_media_are_not_those_that_are_held)
{
	struct letters a = {{.ops = &ops}, 'a', 0};
	const struct packer_ops others = ops;
	struct letters other = {{.ops = &others}, 'o', 0};
	static const uint8_t first[] = "first", second[] = "SECOND";

	units = (struct units){0};
	units_pack(&units, &a.packer, (struct units_place){1, 40}, first, 5);
	expect("afirst");
	units_pack(&units, &a.packer, (struct units_place){1, 40}, second, 6);
	expect("aSECOND");
	units_pack(&units, &a.packer, (struct units_place){1, 41}, first, 5);
	expect("afirst");
	units_pack(&units, &a.packer, (struct units_place){2, 41}, second, 5);
	expect("aSECON");
	units_pack(&units, &other.packer, (struct units_place){2, 41}, first, 5);
	expect("ofirst");
	/* media of one viewer have no place */
	units_pack(&units, &other.packer, (struct units_place){0}, first, 5);
	units_pack(&units, &other.packer, (struct units_place){0}, second, 5);
	expect("oSECON");
}

Test(units, a_send_that_stops_anywhere_is_told_in_whole_units)
{
	struct letters a = {{.ops = &ops}, 'a', 0};

	units = (struct units){0};
	cr_expect_eq(units_bytes(&units), 0);
	cr_expect_eq(units_media(&units, units_begun(&units, 0)), 0);
	units_pack(&units, &a.packer, (struct units_place){1, 0},
		   (const uint8_t *)"the first.the secondlast", 24);
	for (size_t sent = 0; sent <= 29; sent++) {
		size_t begun = sent == 0 ? 0 : sent <= 12 ? 1 : sent <= 24 ? 2 : 3;

		cr_expect_eq(units_begun(&units, sent), begun);
		cr_expect_geq(units.at[begun], sent);
		cr_expect_eq(units_media(&units, begun), begun == 3 ? 24 : begun * 10);
	}
}

Test(units, no_more_is_packed_than_there_is_room_for)
{
	static uint8_t media[UNITS_BYTES];
	struct packer_ops large = {.payload_max = 16000, .head = head};
	struct letters a = {{.ops = &large}, 'a', 0}, b = {{.ops = &ops}, 'b', 0};

	memset(media, 'm', sizeof(media));
	units = (struct units){0};
	units_pack(&units, &a.packer, (struct units_place){1, 0}, media, sizeof(media));
	cr_expect_eq(units_media(&units, units.count), 16u * 16000u);
	units_pack(&units, &b.packer, (struct units_place){1, 0}, media, sizeof(media));
	cr_expect_eq(units.count, PACKED_UNITS);
}
