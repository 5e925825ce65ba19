/* test_ring.c - the ring: wrap, lap, index, intro, and a reader racing a writer. */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "unit.h"

#include "common/shm/form.h"
#include "common/both.h"
#include "skip.h"

#define SIZE RING_BYTES_MIN

/* Packet number n: every word says so, so that any mixture shows. */
static void packet_fill(uint8_t *p, uint32_t n)
{
	for (unsigned i = 0; i < TS_PACKET; i += 4)
		memcpy(p + i, &n, 4);
}

static bool packet_is(const uint8_t *p, uint32_t n)
{
	for (unsigned i = 0; i < TS_PACKET; i += 4)
		if (memcmp(p + i, &n, 4) != 0)
			return false;
	return true;
}

static void write_packets(struct ring_writer *w, uint32_t first, uint32_t count)
{
	uint8_t p[TS_PACKET];

	for (uint32_t n = first; n < first + count; n++) {
		packet_fill(p, n);
		ring_writer_append(w, p, sizeof(p));
	}
}

Test(ring, refuses_an_unsealed_ring)
{
	int fd = ring_create("test", SIZE, 1);
	struct ring r;

	cr_assert_eq(ring_open(&r, fd, SIZE, TS_PACKET), -EPERM);
	cr_assert_eq(ring_open(&r, fd, SIZE * 2, TS_PACKET), -EINVAL);
	cr_assert_eq(ring_open(&r, fd, SIZE + 1, TS_PACKET), -EINVAL);
	cr_assert_eq(ring_open(&r, fd, SIZE, 0), -EINVAL);
	cr_assert_eq(ring_open(&r, fd, SIZE, RING_UNIT_MAX + 1), -EINVAL);
	close(fd);
}

Test(ring, a_sealed_ring_cannot_be_mapped_for_writing_again)
{
	struct both b;

	both_open(&b, SIZE, TS_PACKET);
	cr_assert_null(shm_map_write(b.fd, ring_total_bytes(SIZE)));
	cr_assert_lt(ftruncate(b.fd, 0), 0);
	both_close(&b);
}

/* Does this page have memory?  See Documentation/admin-guide/mm/pagemap.rst. */
static bool is_present(int pagemap, const uint8_t *at, size_t page)
{
	uint64_t entry = 0;

	cr_assert_eq(pread(pagemap, &entry, sizeof(entry), (off_t)((uintptr_t)at / page * 8)), 8);
	return entry >> 63;
}

Test(ring, pages_are_there_before_they_are_written)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), missing = 0;
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	struct both b;
	void *probe = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (madvise(probe, page, MADV_POPULATE_WRITE) < 0)
		skip_kernel("cannot populate pages (Linux 5.14 can)");
	both_open(&b, SIZE, TS_PACKET);
	write_packets(&b.w, 0, SIZE / 2 / TS_PACKET);
	ring_writer_reserve(&b.w, RING_WRITE_MAX);
	for (size_t i = 0; i < SIZE / 2 + RING_WRITE_MAX / 2; i += page)
		missing += !is_present(pagemap, b.w.data + i, page);
	cr_assert_eq(missing, 0);
	/* a reserved run across the end goes on in the second mapping */
	write_packets(&b.w, 0, SIZE / 2 / TS_PACKET);
	ring_writer_reserve(&b.w, RING_WRITE_MAX);
	cr_assert(is_present(pagemap, b.w.data + SIZE, page));
	both_close(&b);
	munmap(probe, page);
	close(pagemap);
}

Test(ring, bytes_come_out_as_they_went_in_across_the_wrap)
{
	struct both b;
	uint64_t pos = 0, read_pos = 0;
	uint8_t out[TS_PACKET * 7], same[TS_PACKET * 7];
	uint32_t next = 0;

	both_open(&b, SIZE, TS_PACKET);
	for (uint32_t n = 0; n < 3 * SIZE / TS_PACKET; n += 100) {
		ssize_t got;

		write_packets(&b.w, n, 100);
		while ((got = ring_copy(&b.r, &pos, out, sizeof(out))) > 0) {
			for (ssize_t i = 0; i < got; i += TS_PACKET)
				cr_assert(packet_is(out + i, next++));
			cr_assert_eq(ring_read(&b.r, b.fd, &read_pos, same, sizeof(same)), got);
			cr_assert_arr_eq(same, out, (size_t)got);
		}
		cr_assert_eq(got, -EAGAIN);
		cr_assert_eq(ring_read(&b.r, b.fd, &read_pos, same, sizeof(same)), -EAGAIN);
	}
	cr_assert_eq(pos, ring_commit(&b.r));
	cr_assert_eq(read_pos, pos);
	both_close(&b);
}

Test(ring, a_lapped_reader_gets_estale)
{
	struct both b;
	uint64_t pos = 0;
	uint8_t out[TS_PACKET];

	both_open(&b, SIZE, TS_PACKET);
	write_packets(&b.w, 0, SIZE / TS_PACKET + 10);
	cr_assert_eq(ring_copy(&b.r, &pos, out, sizeof(out)), -ESTALE);
	cr_assert_eq(ring_read(&b.r, b.fd, &pos, out, sizeof(out)), -ESTALE);
	cr_assert_eq(pos, 0);
	cr_assert_not(ring_intact(&b.r, 0));
	both_close(&b);
}

static struct ring_rap rap_at(uint64_t pos)
{
	struct ring_rap rap = {
		.pos = pos, .pts_90k = (int64_t)pos, .mark_bytes = 3, .intro_bytes = 5};

	memcpy(rap.bytes, "gapintro", 8);
	return rap;
}

/* Adds a slot whatever its distance in time from the last one. */
static void add_rap(struct ring_writer *w, uint64_t pos)
{
	struct ring_rap rap = rap_at(pos);

	w->last_rap_us = 0;
	ring_writer_add_rap(w, &rap);
}

Test(ring, the_newest_point_old_enough_is_found)
{
	struct both b;
	struct ring_rap rap;

	both_open(&b, SIZE, TS_PACKET);
	cr_assert_eq(ring_find_rap(&b.r, clock_mono_us(), 0, &rap), -ENOENT);
	for (int i = 0; i < 5; i++) {
		add_rap(&b.w, b.w.commit);
		write_packets(&b.w, 0, 10);
	}
	cr_assert_eq(ring_find_rap(&b.r, clock_mono_us(), 0, &rap), 0);
	cr_assert_eq(rap.pos, 40 * TS_PACKET);
	/* none is an hour old: the oldest there is */
	cr_assert_eq(ring_find_rap(&b.r, clock_mono_us(), 3600000000u, &rap), 0);
	cr_assert_eq(rap.pos, 0);
	cr_assert_eq(ring_oldest_rap(&b.r, 15 * TS_PACKET, &rap), 0);
	cr_assert_eq(rap.pos, 20 * TS_PACKET);
	both_close(&b);
}

Test(ring, points_that_were_overwritten_are_not_offered)
{
	struct both b;
	struct ring_rap rap;

	both_open(&b, SIZE, TS_PACKET);
	add_rap(&b.w, 0);
	write_packets(&b.w, 0, SIZE / TS_PACKET * 2);
	cr_assert_eq(ring_find_rap(&b.r, clock_mono_us(), 0, &rap), -ENOENT);
	for (unsigned i = 0; i < RING_RAPS * 3; i++) {
		add_rap(&b.w, b.w.commit);
		write_packets(&b.w, 0, 1);
	}
	cr_assert_eq(ring_oldest_rap(&b.r, 0, &rap), 0);
	cr_assert_eq(rap.pos, b.w.commit - RING_RAPS * TS_PACKET);
	both_close(&b);
}

Test(ring, points_keep_their_distance)
{
	struct both b;
	struct ring_rap rap = rap_at(0);

	both_open(&b, SIZE, TS_PACKET);
	ring_writer_add_rap(&b.w, &rap);
	ring_writer_add_rap(&b.w, &rap);
	cr_assert_eq(ring_rap_count(&b.r), 1);
	both_close(&b);
}

Test(ring, the_mark_precedes_the_intro_of_a_reader_that_jumped)
{
	struct both b;
	struct ring_rap rap;
	struct ring_intro intro;

	both_open(&b, SIZE, TS_PACKET);
	add_rap(&b.w, 0);
	write_packets(&b.w, 0, 1);
	cr_assert_eq(ring_oldest_rap(&b.r, 0, &rap), 0);
	intro = ring_intro(&rap, false);
	cr_assert_eq(intro.len, 5);
	cr_assert_arr_eq(intro.bytes, "intro", 5);
	intro = ring_intro(&rap, true);
	cr_assert_eq(intro.len, 8);
	cr_assert_arr_eq(intro.bytes, "gapintro", 8);
	both_close(&b);
}

Test(ring, a_hostile_slot_cannot_make_the_intro_overflow)
{
	struct ring_rap *rap = malloc(sizeof(*rap));
	struct ring_intro intro;

	memset(rap, 0xff, sizeof(*rap));
	for (int marked = 0; marked < 2; marked++) {
		intro = ring_intro(rap, marked);
		cr_assert_geq(intro.bytes, rap->bytes);
		cr_assert_leq(intro.bytes + intro.len, rap->bytes + sizeof(rap->bytes));
	}
	free(rap);
}

Test(ring, a_ring_of_single_bytes_is_read_at_any_byte)
{
	struct both b;
	struct ring_rap rap;
	uint64_t pos = 1;
	uint8_t out[8];

	both_open(&b, SIZE, TS_PACKET);
	b.r.unit_bytes = 1;
	ring_writer_append(&b.w, "0123456789", 10);
	add_rap(&b.w, 3);
	cr_assert_eq(ring_oldest_rap(&b.r, 0, &rap), 0);
	cr_assert_eq(rap.pos, 3, "no packet begins there, but a byte does");
	cr_assert_eq(ring_copy(&b.r, &pos, out, 4), 4);
	cr_assert_arr_eq(out, "1234", 4);
	cr_assert_eq(pos, 5);
	b.r.unit_bytes = TS_PACKET;
	cr_assert_eq(ring_oldest_rap(&b.r, 0, &rap), -ENOENT);
	both_close(&b);
}

/* A box of this size. */
static void write_box(struct ring_writer *w, const char *kind, uint32_t bytes)
{
	uint8_t box[64] = {0};

	cr_assert(bytes >= 8 && bytes <= sizeof(box));
	box[3] = (uint8_t)bytes;
	memcpy(box + 4, kind, 4);
	ring_writer_append(w, box, bytes);
}

Test(ring, boxes_can_be_left_between_fragments)
{
	static const struct {
		uint64_t pos, end;
	} places[] = {{0, 0}, {1, 36}, {28, 36}, {36, 36}, {37, 72}, {60, 72}, {72, 72}, {73, 108}};
	struct both b;
	uint64_t end = 7;

	both_open(&b, SIZE, TS_PACKET);
	b.r.unit_bytes = 1;
	write_box(&b.w, "ftyp", 16);
	write_box(&b.w, "moov", 20);
	for (int i = 0; i < 2; i++) {
		write_box(&b.w, "moof", 12);
		write_box(&b.w, "mdat", 24);
	}
	for (size_t i = 0; i < array_size(places); i++) {
		cr_expect_eq(ring_piece_end(&b.r, 0, places[i].pos, &end), 0);
		cr_expect_eq(end, places[i].end, "%zu", i);
	}
	cr_expect_eq(ring_piece_end(&b.r, 72, 80, &end), 0);
	cr_expect_eq(end, 108);
	write_box(&b.w, "moof", 12);
	cr_expect_eq(ring_piece_end(&b.r, 108, 110, &end), -EAGAIN, "its data is still to come");
	ring_writer_append(&b.w, "\0\0\1\0mdat", 8);
	cr_expect_eq(ring_piece_end(&b.r, 108, 110, &end), 0);
	cr_expect_eq(end, 108 + 12 + 256, "which need not be there yet");
	both_close(&b);
}

Test(ring, what_is_no_box_has_no_place_to_leave)
{
	struct both b;
	uint64_t end = 7;

	both_open(&b, SIZE, TS_PACKET);
	b.r.unit_bytes = 1;
	ring_writer_append(&b.w, "\0\0\0\0mdat", 8);
	cr_expect_eq(ring_piece_end(&b.r, 0, 1, &end), -EBADMSG);
	cr_expect_eq(end, 7);
	both_close(&b);
	both_open(&b, SIZE, TS_PACKET);
	for (unsigned i = 0; i < 100000; i++)
		write_box(&b.w, "free", 8);
	cr_expect_eq(ring_piece_end(&b.r, 0, 800000, &end), -EBADMSG, "too many of them");
	both_close(&b);
}

/* ---------- a writer that dies (race_ring.c has the races) ---------- */

/* A child writes as fast as it can and is killed at a random moment; what the parent then accepts
 * must be whole, and the counters must be usable without any repair. */
Test(ring, a_killed_writer_leaves_nothing_stuck, .timeout = 120)
{
	for (int round = 0; round < 200; round++) {
		struct both b;
		uint8_t out[TS_PACKET];
		uint64_t pos, end;
		pid_t child;

		both_open(&b, SIZE, TS_PACKET);
		child = fork();
		cr_assert_geq(child, 0);
		if (child == 0)
			for (uint32_t n = 0;; n++)
				write_packets(&b.w, n, 1);
		while (ring_commit(&b.r) < SIZE + (uint64_t)round * 1000)
			;
		kill(child, SIGKILL);
		cr_assert_eq(waitpid(child, NULL, 0), child);
		end = ring_commit(&b.r);
		cr_assert_eq(end % TS_PACKET, 0);
		pos = end - ring_guard(&b.r) / TS_PACKET * TS_PACKET;
		while (pos < end) {
			uint32_t n = (uint32_t)(pos / TS_PACKET);

			cr_assert_eq(ring_copy(&b.r, &pos, out, sizeof(out)), TS_PACKET);
			cr_assert(packet_is(out, n));
		}
		both_close(&b);
	}
}
