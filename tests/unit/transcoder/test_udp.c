/* test_udp.c - how long datagrams gather before they are received. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/socket.h>

#include "amps-transcoder/udp.h"
#include "common/clock.h"
#include "leaks.h"

#define DATAGRAM 1316

struct line {
	struct udp udp;
	int out;
};

static void line_open(struct line *l)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	char url[64];
	int r = -EADDRINUSE;

	/* a free port: bind, look, let go */
	for (int tries = 0; r < 0 && tries < 10; tries++) {
		l->out = socket(AF_INET, SOCK_DGRAM, 0);
		a.sin_port = 0;
		cr_assert_eq(bind(l->out, (struct sockaddr *)&a, sizeof(a)), 0);
		cr_assert_eq(getsockname(l->out, (struct sockaddr *)&a, &len), 0);
		close(l->out);
		snprintf(url, sizeof(url), "udp://127.0.0.1:%d", ntohs(a.sin_port));
		l->udp = (struct udp){.fd = -1};
		r = udp_open(&l->udp, url, NULL);
	}
	cr_assert_eq(r, 0);
	l->out = socket(AF_INET, SOCK_DGRAM, 0);
	cr_assert_eq(connect(l->out, (struct sockaddr *)&a, sizeof(a)), 0);
}

static void line_close(struct line *l)
{
	udp_close(&l->udp);
	close(l->out);
	assert_no_leaks();
}

static void put(struct line *l, unsigned count)
{
	static const uint8_t datagram[DATAGRAM] = {0x47};

	while (count--)
		cr_assert_eq(send(l->out, datagram, sizeof(datagram), 0), DATAGRAM);
}

/* Sends `count` each time before it reads what came, for so long. */
static void run(struct line *l, unsigned count, unsigned ms)
{
	static uint8_t buffer[256 << 10];
	uint64_t end_us = clock_mono_us() + ms * 1000ull;
	ssize_t got;

	while (clock_mono_us() < end_us) {
		put(l, count);
		for (unsigned n = 0; n < count; n += (unsigned)got / DATAGRAM) {
			got = udp_read(&l->udp, buffer, sizeof(buffer), 1000);
			cr_assert_geq(got, 0);
		}
	}
}

Test(udp, a_slow_stream_is_received_as_often_as_a_worker_looks)
{
	struct line l;

	line_open(&l);
	cr_assert_leq(l.udp.gather_ms, 4, "nothing is known yet");
	run(&l, 1, 1200);
	cr_assert_eq(l.udp.gather_ms, 20);
	line_close(&l);
}

Test(udp, a_sender_of_bursts_is_not_kept_waiting)
{
	struct line l;

	line_open(&l);
	run(&l, 1, 1200);
	run(&l, 60, 1200);
	cr_assert_leq(l.udp.gather_ms, 4);
	line_close(&l);
}
