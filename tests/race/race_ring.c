/* race_ring.c - one thread writes a ring as fast as it can, two read it with random lag.  Exits 0
 * when no torn packet was accepted, packets were read and readers were lapped (a race that never
 * happened would prove nothing).  With the argument "blind" the readers leave out the second check;
 * torn packets must then show, which proves that the check is what prevents them. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "common/shm/form.h"
#include "common/shm/ring_writer.h"
#include "common/shm/shm.h"

#define SIZE	RING_BYTES_MIN
#define PACKETS 150000u

struct shared {
	struct ring_writer w;
	struct ring r;
	bool blind;
	_Atomic int stop;
	_Atomic uint64_t torn, lapped, good;
};

static void packet_fill(uint8_t *p, uint64_t n)
{
	for (unsigned i = 0; i < TS_PACKET; i += 4) {
		uint32_t word = (uint32_t)n;

		memcpy(p + i, &word, 4);
	}
}

static bool packet_is(const uint8_t *p, uint64_t n)
{
	uint8_t want[TS_PACKET];

	packet_fill(want, n);
	return memcmp(p, want, TS_PACKET) == 0;
}

static void *write_ring(void *arg)
{
	struct shared *s = arg;
	struct ring_rap rap = {.intro_bytes = TS_PACKET};
	uint8_t p[TS_PACKET];

	for (uint64_t n = 0; !atomic_load(&s->stop); n++) {
		packet_fill(p, n);
		if (n % 64 == 0) {
			rap.pos = n * TS_PACKET;
			rap.pts_90k = (int64_t)rap.pos;
			memset(rap.bytes, (int)(n & 0xff), TS_PACKET);
			s->w.last_rap_us = 0;
			ring_writer_add_rap(&s->w, &rap);
		}
		ring_writer_append(&s->w, p, TS_PACKET);
	}
	return NULL;
}

/* A slot is whole when its position, its pts and its intro have the same number. */
static void check_rap(struct shared *s)
{
	struct ring_rap rap;

	if (ring_find_rap(&s->r, clock_mono_us(), 0, &rap) < 0)
		return;
	if (rap.pts_90k != (int64_t)rap.pos || rap.bytes[5] != (uint8_t)(rap.pos / TS_PACKET))
		atomic_fetch_add(&s->torn, 1);
}

static ssize_t read_some(const struct shared *s, uint64_t *pos, uint8_t *out, size_t cap)
{
	uint64_t ready = ring_commit(&s->r) - *pos;

	if (!s->blind)
		return ring_copy(&s->r, pos, out, cap);
	if (ready < cap)
		return -EAGAIN;
	memcpy(out, ring_at(&s->r, *pos), cap);
	*pos += cap;
	return (ssize_t)cap;
}

static void *read_all(void *arg)
{
	struct shared *s = arg;
	uint8_t out[TS_PACKET * 32];
	uint64_t pos = 0, good = 0;

	while (good < PACKETS && !atomic_load(&s->stop)) {
		uint64_t from = pos;
		ssize_t got = read_some(s, &pos, out, sizeof(out));

		if (got == -ESTALE) {
			atomic_fetch_add(&s->lapped, 1);
			pos = ring_commit(&s->r);
		}
		for (ssize_t i = 0; i < got; i += TS_PACKET, good++)
			if (!packet_is(out + i, (from + (uint64_t)i) / TS_PACKET))
				atomic_fetch_add(&s->torn, 1);
		if (got > 0 && good % 96 == 0 && pos > SIZE)
			pos -= (SIZE - TS_PACKET * 40) / TS_PACKET * TS_PACKET;
		check_rap(s);
		if (s->blind && atomic_load(&s->torn))
			break;
	}
	atomic_fetch_add(&s->good, good);
	return NULL;
}

int main(int argc, char **argv)
{
	static struct shared s;
	pthread_t writer, readers[2];
	int fd = ring_create("race", SIZE, 1);

	s.blind = argc > 1 && !strcmp(argv[1], "blind");
	if (fd < 0 || ring_writer_open(&s.w, fd, SIZE) < 0 || shm_seal_writer(fd) < 0 ||
	    ring_open(&s.r, fd, SIZE, TS_PACKET) < 0)
		return 2;
	if (pthread_create(&writer, NULL, write_ring, &s) != 0)
		return 2;
	for (size_t i = 0; i < array_size(readers); i++)
		if (pthread_create(&readers[i], NULL, read_all, &s) != 0)
			return 2;
	for (size_t i = 0; i < array_size(readers); i++)
		pthread_join(readers[i], NULL);
	atomic_store(&s.stop, 1);
	pthread_join(writer, NULL);
	printf("race_ring: good %llu lapped %llu torn %llu\n", (unsigned long long)s.good,
	       (unsigned long long)s.lapped, (unsigned long long)s.torn);
	ring_writer_close(&s.w);
	ring_close(&s.r);
	close(fd);
	if (s.blind)
		return s.torn ? 0 : 1;
	return s.torn == 0 && s.lapped > 0 && s.good > 0 ? 0 : 1;
}
