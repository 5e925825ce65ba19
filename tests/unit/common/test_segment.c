/* test_segment.c - the index of segments, with what a hostile job could write into it. */
#include "unit.h"
#include <string.h>

#include "common/both.h"
#include "common/shm/segment.h"

#define SIZE  RING_BYTES_LEAST
#define FIRST 241000000u

static struct segment entry(uint32_t number)
{
	return (struct segment){.number = number,
				.part = number,
				.first = number,
				.oldest = number,
				.bytes = 188,
				.duration_90k = 360000};
}

static void put(struct both *b, const struct segment *s)
{
	ring_writer_append(&b->w, s, sizeof(*s));
}

static void put_facts(struct both *b, const struct segment_media *m, uint16_t bytes)
{
	struct ring_rap rap = {.pos = b->w.commit, .intro_bytes = bytes};

	memcpy(rap.bytes, m, sizeof(*m));
	b->w.last_rap_us = 0;
	ring_writer_add_rap(&b->w, &rap);
}

Test(segment, an_index_begins_at_its_first_number)
{
	struct segment s;
	struct both b;

	both_open(&b, SIZE, sizeof(struct segment));
	cr_expect_eq(segment_newest(&b.r, &s), -ENOENT);
	ring_writer_begin(&b.w, segment_position(FIRST));
	for (uint32_t n = FIRST; n < FIRST + 3; n++)
		put(&b, &(struct segment){.number = n,
					  .part = n,
					  .first = n,
					  .oldest = FIRST,
					  .duration_90k = 1});
	cr_assert_eq(segment_newest(&b.r, &s), 0);
	cr_expect_eq(s.number, FIRST + 2);
	cr_assert_eq(segment_read(&b.r, FIRST, &s), 0);
	cr_expect_eq(s.number, FIRST);
	cr_expect_eq(segment_read(&b.r, FIRST - 1, &s), -EBADMSG, "nothing was written there");
	cr_expect_eq(segment_read(&b.r, FIRST + 3, &s), -ENOENT);
	both_close(&b);
}

Test(segment, an_overwritten_entry_is_not_there)
{
	struct segment s;
	struct both b;

	both_open(&b, SIZE, sizeof(struct segment));
	ring_writer_begin(&b.w, segment_position(FIRST));
	for (uint32_t n = FIRST; n < FIRST + 2 * SIZE / sizeof(s); n++) {
		s = entry(n);
		put(&b, &s);
	}
	cr_expect_eq(segment_read(&b.r, FIRST, &s), -ENOENT);
	cr_expect_eq(segment_newest(&b.r, &s), 0);
	both_close(&b);
}

Test(segment, a_writer_goes_on_behind_what_was_carried_over)
{
	struct segment s = entry(FIRST);
	struct ring_writer again;
	struct both b;

	both_open(&b, SIZE, sizeof(struct segment));
	cr_assert_eq(ring_writer_open(&again, b.fd, SIZE), -EPERM, "it is sealed");
	both_close(&b);

	b.fd = ring_create("test", SIZE, 1);
	cr_assert_eq(ring_writer_open(&b.w, b.fd, SIZE), 0);
	ring_writer_begin(&b.w, segment_position(FIRST));
	put(&b, &s);
	cr_assert_eq(ring_writer_open(&again, b.fd, SIZE), 0);
	cr_expect_eq(again.commit, segment_position(FIRST + 1));
	cr_expect_eq(again.intent, again.commit);
	ring_writer_close(&again);
	ring_writer_close(&b.w);
	close_fd(&b.fd);
}

Test(segment, values_out_of_range_are_refused)
{
	struct segment wrong[7], s;
	struct both b;

	for (uint32_t i = 0; i < array_size(wrong); i++)
		wrong[i] = entry(i);
	wrong[0].part = 5;
	wrong[1].oldest = 2;
	wrong[2].duration_90k = 0;
	wrong[3].duration_90k = SEGMENT_SECONDS_MAX * 90000u + 1;
	wrong[4].bytes = SEGMENT_BYTES_MAX + 1u;
	wrong[5].discontinuity = SEGMENT_NUMBER_MAX + 1u;
	both_open(&b, SIZE, sizeof(struct segment));
	for (uint32_t i = 0; i < array_size(wrong); i++)
		put(&b, &wrong[i]);
	for (uint32_t i = 0; i + 1 < array_size(wrong); i++)
		cr_expect_eq(segment_read(&b.r, i, &s), -EBADMSG, "entry %u", i);
	cr_expect_eq(segment_read(&b.r, 6, &s), 0);
	cr_expect_eq(segment_read(&b.r, UINT32_MAX, &s), -ENOENT);
	both_close(&b);
}

Test(segment, facts_are_checked)
{
	struct segment_media good = {.target_s = 4,
				     .picture = "avc1.42c01e",
				     .sound = "mp4a.40.2",
				     .name = "deu",
				     .sounds = {"deu", "eng-ad-2"}};
	struct segment_media m, wrong = good;
	struct segment s = entry(0);
	struct both b;

	both_open(&b, SIZE, sizeof(struct segment));
	cr_expect_eq(segment_media_read(&b.r, &m), -ENOENT);
	put(&b, &s);
	put_facts(&b, &good, sizeof(good));
	cr_assert_eq(segment_media_read(&b.r, &m), 0);
	cr_expect_str_eq(m.picture, good.picture);
	cr_expect_str_eq(m.sound, good.sound);
	put_facts(&b, &good, sizeof(good) - 1);
	cr_expect_eq(segment_media_read(&b.r, &m), -EBADMSG, "another length");
	wrong.target_s = 0;
	put_facts(&b, &wrong, sizeof(wrong));
	cr_expect_eq(segment_media_read(&b.r, &m), -EBADMSG, "no target duration");
	wrong = good;
	strcpy(wrong.picture, "a\"\n#EXT");
	put_facts(&b, &wrong, sizeof(wrong));
	cr_expect_eq(segment_media_read(&b.r, &m), -EBADMSG, "a forged line");
	wrong = good;
	strcpy(wrong.sound, "mp4a.40.2,ac-3");
	put_facts(&b, &wrong, sizeof(wrong));
	cr_expect_eq(segment_media_read(&b.r, &m), -EBADMSG, "two codecs");
	wrong = good;
	memset(wrong.sound, 'a', sizeof(wrong.sound));
	put_facts(&b, &wrong, sizeof(wrong));
	cr_expect_eq(segment_media_read(&b.r, &m), -EBADMSG, "no end");
	wrong = good;
	strcpy(wrong.sounds[1], "a\"\n#EXT");
	put_facts(&b, &wrong, sizeof(wrong));
	cr_expect_eq(segment_media_read(&b.r, &m), -EBADMSG, "a forged name");
	wrong = good;
	memset(wrong.sounds[7], 'a', sizeof(wrong.sounds[7]));
	put_facts(&b, &wrong, sizeof(wrong));
	cr_expect_eq(segment_media_read(&b.r, &m), -EBADMSG, "a name without an end");
	wrong = good;
	wrong.name[0] = 'D';
	put_facts(&b, &wrong, sizeof(wrong));
	cr_expect_eq(segment_media_read(&b.r, &m), -EBADMSG, "a name in capitals");
	wrong = good;
	wrong.place = SEGMENT_SOUNDS_MAX;
	put_facts(&b, &wrong, sizeof(wrong));
	cr_expect_eq(segment_media_read(&b.r, &m), -EBADMSG, "a letter of something else");
	both_close(&b);
}
