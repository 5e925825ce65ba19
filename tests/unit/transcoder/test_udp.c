/* test_udp.c - who is received from and where, as the URL and the options say; how long datagrams
 * gather before they are received. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include "unit.h"

#include "amps-transcoder/av/log.h"
#include "amps-transcoder/source/udp.h"
#include "common/clock.h"

#define DATAGRAM 1316

static char left[256]; /* the unused ones of the last options: "a b " */
static char reason[512];

/* Opens a URL with one option.  What udp_open() returns. */
static int open_with(struct udp *u, const char *url, const char *name, const char *value)
{
	AVDictionary *options = NULL, *unused = NULL;
	const AVDictionaryEntry *e = NULL;
	int r;

	av_log_install();
	av_log_forget();
	if (name)
		av_dict_set(&options, name, value, 0);
	*u = (struct udp){.fd = -1};
	r = udp_open(u, url, options, &unused);
	av_log_last(reason, sizeof(reason));
	*left = '\0';
	while ((e = av_dict_get(unused, "", e, AV_DICT_IGNORE_SUFFIX)))
		snprintf(left + strlen(left), sizeof(left) - strlen(left), "%s ", e->key);
	av_dict_free(&unused);
	av_dict_free(&options);
	return r;
}

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
		r = open_with(&l->udp, url, NULL, NULL);
	}
	cr_assert_eq(r, 0);
	l->out = socket(AF_INET, SOCK_DGRAM, 0);
	cr_assert_eq(connect(l->out, (struct sockaddr *)&a, sizeof(a)), 0);
}

static void line_close(struct line *l)
{
	udp_close(&l->udp);
	close(l->out);
}

static void put(struct line *l, unsigned count)
{
	static const uint8_t datagram[DATAGRAM] = {0x47};

	while (count--)
		cr_assert_eq(send(l->out, datagram, sizeof(datagram), 0), DATAGRAM);
}

Test(udp, datagrams_are_received_complete)
{
	static uint8_t buffer[256 << 10];
	struct line l;
	ssize_t got;

	line_open(&l);
	cr_assert_leq(l.udp.gather_ms, 4, "nothing is known yet");
	for (unsigned count = 1; count <= 60; count += 59) {
		put(&l, count);
		for (unsigned n = 0; n < count; n += (unsigned)got / DATAGRAM) {
			got = udp_read(&l.udp, buffer, sizeof(buffer), 20000);
			cr_assert_geq(got, 0);
			cr_assert_eq(got % DATAGRAM, 0);
		}
	}
	line_close(&l);
}

/* Receives `count` datagrams each `step_us`, for so long. */
static void receive(struct udp *u, unsigned count, unsigned step_us, unsigned ms, uint64_t *now_us)
{
	uint64_t end_us = *now_us + ms * 1000ull;

	for (; *now_us < end_us; *now_us += step_us)
		udp_choose_gather(u, count, *now_us);
}

Test(udp, a_slow_stream_is_received_as_often_as_a_worker_looks)
{
	struct udp u = {.gather_ms = 4};
	uint64_t now_us = 1234567;

	receive(&u, 1, 4000, 1200, &now_us);
	cr_assert_eq(u.gather_ms, 20);
}

Test(udp, a_fast_stream_gathers_some_datagrams)
{
	struct udp u = {.gather_ms = 4};
	uint64_t now_us = 1234567;

	receive(&u, 12, 4000, 1200, &now_us);
	cr_assert_eq(u.gather_ms, 24 / 3);
}

Test(udp, a_sender_of_bursts_is_read_at_once)
{
	struct udp u = {.gather_ms = 4};
	uint64_t now_us = 1234567;

	receive(&u, 1, 4000, 1200, &now_us);
	receive(&u, 48, 39000, 1200, &now_us);
	cr_assert_gt(u.gather_ms, 4, "48 at a time are no burst");
	receive(&u, 49, 39000, 1200, &now_us);
	cr_assert_leq(u.gather_ms, 4);
}

/* A reader that comes late finds many datagrams. */
Test(udp, datagrams_that_waited_for_us_are_no_burst)
{
	struct udp u = {.gather_ms = 4};
	uint64_t now_us = 1234567;

	receive(&u, 49, 40000, 1200, &now_us);
	cr_assert_gt(u.gather_ms, 4);
	receive(&u, 49, 39999, 1200, &now_us);
	cr_assert_leq(u.gather_ms, 4);
}

/* An unused port. */
static unsigned free_port(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	cr_assert_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	close(fd);
	return ntohs(a.sin_port);
}

static bool has_ipv6(void)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);
	bool has = fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0;

	if (fd >= 0)
		close(fd);
	return has;
}

/* Where it receives, as "address port". */
static const char *bound(const struct udp *u)
{
	static char text[INET6_ADDRSTRLEN + 8];
	struct sockaddr_in6 a;
	const struct sockaddr_in *a4 = (struct sockaddr_in *)&a;
	socklen_t len = sizeof(a);
	char host[INET6_ADDRSTRLEN];

	cr_assert_eq(getsockname(u->fd, (struct sockaddr *)&a, &len), 0);
	if (a.sin6_family == AF_INET6)
		inet_ntop(AF_INET6, &a.sin6_addr, host, sizeof(host));
	else
		inet_ntop(AF_INET, &a4->sin_addr, host, sizeof(host));
	snprintf(text, sizeof(text), "%s %u", host, ntohs(a4->sin_port));
	return text;
}

static void assert_bound(const struct udp *u, const char *host, unsigned port)
{
	char wanted[INET6_ADDRSTRLEN + 8];

	snprintf(wanted, sizeof(wanted), "%s %u", host, port);
	cr_assert_str_eq(bound(u), wanted);
}

static int option_of(const struct udp *u, int option)
{
	int value = -1;
	socklen_t len = sizeof(value);

	cr_assert_eq(getsockopt(u->fd, SOL_SOCKET, option, &value, &len), 0);
	return value;
}

/* Sends one datagram from such an address of loopback, marked by the address's last number. */
static void send_from(unsigned last, unsigned from_port, const char *to, unsigned port)
{
	struct sockaddr_in from = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(0x7f000000u | last),
				   .sin_port = htons((uint16_t)from_port)};
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct in_addr lo = {.s_addr = htonl(INADDR_LOOPBACK)};
	uint8_t datagram[188] = {0x47, (uint8_t)last};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	inet_pton(AF_INET, to, &a.sin_addr);
	cr_assert_eq(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &lo, sizeof(lo));
	cr_assert_eq(sendto(fd, datagram, sizeof(datagram), 0, (struct sockaddr *)&a, sizeof(a)),
		     sizeof(datagram));
	close(fd);
}

/* Who was received from: "1 2 ". */
static const char *heard(struct udp *u)
{
	static uint8_t buffer[256 << 10];
	static char text[64];
	ssize_t n;

	*text = '\0';
	while ((n = udp_read(u, buffer, sizeof(buffer), 50)) > 0)
		for (ssize_t at = 0; at < n; at += 188)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%u ",
				 buffer[at + 1]);
	return text;
}

#define GROUP "239.255.77.30"

/* Opens it with one option; who of three senders to the group is heard. */
static const char *heard_of_three(const char *format, const char *name, const char *value)
{
	unsigned port = free_port();
	const char *text;
	struct udp u;
	char url[256];

	snprintf(url, sizeof(url), format, port);
	cr_assert_eq(open_with(&u, url, name, value), 0, "%s", reason);
	for (unsigned last = 1; last <= 3; last++)
		send_from(last, 0, GROUP, port);
	text = heard(&u);
	udp_close(&u);
	return text;
}

Test(udp, a_group_is_joined_once_for_each_source)
{
	cr_assert_str_eq(heard_of_three("udp://@" GROUP ":%u?localaddr=lo", NULL, NULL), "1 2 3 ");
	cr_assert_str_eq(heard_of_three("udp://@" GROUP
					":%u?localaddr=lo&sources=127.0.0.1,127.0.0.3",
					NULL, NULL),
			 "1 3 ");
	cr_assert_str_eq(heard_of_three("rtp://" GROUP ":%u?localaddr=127.0.0.1", "sources",
					"127.0.0.3,127.0.0.2"),
			 "2 3 ");
	cr_assert_str_eq(left, "");
	cr_assert_str_eq(
		heard_of_three("udp://127.0.0.2@" GROUP ":%u?localaddr=lo", "sources", "127.0.0.1"),
		"1 2 ");
}

Test(udp, blocked_senders_are_ignored)
{
	cr_assert_str_eq(
		heard_of_three("udp://@" GROUP ":%u?localaddr=lo&block=127.0.0.2", NULL, NULL),
		"1 3 ");
	cr_assert_str_eq(
		heard_of_three("udp://@" GROUP ":%u?localaddr=lo", "block", "127.0.0.1,127.0.0.2"),
		"3 ");
	cr_assert_str_eq(left, "");
}

/* Opens "udp://HOST:PORT" and more, and looks where it receives. */
static void assert_receives_at(const char *host, const char *more, const char *name,
			       const char *value, const char *at)
{
	unsigned port = free_port();
	struct udp u;
	char url[256];

	snprintf(url, sizeof(url), "udp://%s:%u%s", host, port, more);
	cr_assert_eq(open_with(&u, url, name, value), 0, "%s: %s", url, reason);
	assert_bound(&u, at, port);
	cr_assert_str_eq(left, "");
	udp_close(&u);
}

Test(udp, it_binds_to_a_local_host_else_to_any_address)
{
	assert_receives_at("127.0.0.1", "", NULL, NULL, "127.0.0.1");
	assert_receives_at("@", "", NULL, NULL, "0.0.0.0");
	assert_receives_at("203.0.113.7", "", NULL, NULL, "0.0.0.0");
	if (has_ipv6())
		assert_receives_at("[2001:db8::7]", "", NULL, NULL, "::");
}

Test(udp, it_receives_at_localaddr)
{
	assert_receives_at("@", "?localaddr=127.0.0.5", NULL, NULL, "127.0.0.5");
	assert_receives_at("203.0.113.7", "", "localaddr", "127.0.0.5", "127.0.0.5");
	if (has_ipv6())
		assert_receives_at("@", "", "localaddr", "::1", "::1");
	assert_receives_at("127.0.0.1", "?localaddr=lo", NULL, NULL, "127.0.0.1");
}

Test(udp, it_receives_only_over_an_interface_that_is_named)
{
	unsigned port = free_port();
	struct udp u;
	char url[64], name[16] = "";
	socklen_t len = sizeof(name);

	snprintf(url, sizeof(url), "udp://@:%u?localaddr=lo", port);
	cr_assert_eq(open_with(&u, url, NULL, NULL), 0, "%s", reason);
	cr_assert_eq(getsockopt(u.fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len), 0);
	cr_assert_str_eq(name, "lo");
	udp_close(&u);
}

Test(udp, it_receives_at_localport)
{
	static const char *const names[] = {"localport", "local_port", "localrtpport",
					    "local_rtpport"};
	unsigned port = free_port();
	struct udp u;
	char url[64], number[8];

	snprintf(number, sizeof(number), "%u", port);
	for (size_t i = 0; i < array_size(names); i++) {
		cr_assert_eq(open_with(&u, "udp://127.0.0.1:9", names[i], number), 0, "%s", reason);
		assert_bound(&u, "127.0.0.1", port);
		cr_assert_str_eq(left, "");
		udp_close(&u);
	}
	snprintf(url, sizeof(url), "udp://127.0.0.1:9?localport=%u&localport=9", port);
	cr_assert_eq(open_with(&u, url, "localport", "9"), 0, "%s", reason);
	assert_bound(&u, "127.0.0.1", port);
	udp_close(&u);
	/* a group's datagrams come to its own port */
	snprintf(url, sizeof(url), "udp://" GROUP ":%u?localaddr=lo", port);
	cr_assert_eq(open_with(&u, url, "localport", "9"), 0, "%s", reason);
	assert_bound(&u, GROUP, port);
	cr_assert_str_eq(left, "localport ");
	udp_close(&u);
}

/* Does a second one get the port, both with these settings? */
static int open_twice(const char *host, const char *more, const char *name, const char *value)
{
	struct udp first, second;
	char url[128];
	int r;

	snprintf(url, sizeof(url), "udp://%s:%u%s", host, free_port(), more);
	cr_assert_eq(open_with(&first, url, name, value), 0, "%s", reason);
	r = open_with(&second, url, name, value);
	udp_close(&first);
	udp_close(&second);
	return r;
}

Test(udp, a_port_is_shared_as_reuse_says)
{
	cr_assert_eq(open_twice("127.0.0.1", "", NULL, NULL), -EADDRINUSE);
	cr_assert_eq(open_twice("127.0.0.1", "?reuse=0", NULL, NULL), -EADDRINUSE);
	cr_assert_eq(open_twice("127.0.0.1", "?reuse=1", NULL, NULL), 0);
	cr_assert_eq(open_twice("127.0.0.1", "?reuse", NULL, NULL), 0);
	cr_assert_eq(open_twice("127.0.0.1", "", "reuse", "true"), 0);
	cr_assert_eq(open_twice("127.0.0.1", "", "reuse_socket", "1"), 0);
	cr_assert_eq(open_twice(GROUP, "?localaddr=lo", NULL, NULL), 0);
	cr_assert_eq(open_twice(GROUP, "?localaddr=lo&reuse=0", NULL, NULL), -EADDRINUSE);
}

Test(udp, buffer_size_sets_the_socket_buffer)
{
	struct udp u;
	char url[64];

	snprintf(url, sizeof(url), "udp://127.0.0.1:%u?buffer_size=65536", free_port());
	cr_assert_eq(open_with(&u, url, NULL, NULL), 0, "%s", reason);
	cr_assert_eq(option_of(&u, SO_RCVBUF), 2 * 65536);
	udp_close(&u);
	*strchr(url, '?') = '\0';
	cr_assert_eq(open_with(&u, url, "buffer_size", "32Ki"), 0, "%s", reason);
	cr_assert_eq(option_of(&u, SO_RCVBUF), 2 * 32768);
	cr_assert_str_eq(left, "");
	udp_close(&u);
}

Test(udp, a_connected_socket_receives_from_its_host_only)
{
	unsigned port = free_port(), from = free_port();
	struct udp u;
	char url[96];

	snprintf(url, sizeof(url), "udp://127.0.0.2:%u?localaddr=127.0.0.1&localport=%u", from,
		 port);
	for (int connected = 0; connected < 2; connected++) {
		cr_assert_eq(open_with(&u, url, "connect", connected ? "1" : "0"), 0, "%s", reason);
		cr_assert_str_eq(left, "");
		send_from(1, 0, "127.0.0.1", port);
		send_from(2, from, "127.0.0.1", port);
		send_from(3, from, "127.0.0.1", port);
		cr_assert_str_eq(heard(&u), connected ? "2 " : "1 2 3 ");
		udp_close(&u);
	}
}

Test(udp, unknown_settings_are_returned_by_name)
{
	static const char *const names[] = {"fifo_size", "overrun_nonfatal", "pkt_size",
					    "broadcast", "timeout",	     "ttl",
					    "nonsense"};
	struct udp u;
	char url[64], wanted[32];

	snprintf(url, sizeof(url), "udp://127.0.0.1:%u", free_port());
	for (size_t i = 0; i < array_size(names); i++) {
		cr_assert_eq(open_with(&u, url, names[i], "1"), 0, "%s", reason);
		snprintf(wanted, sizeof(wanted), "%s ", names[i]);
		cr_assert_str_eq(left, wanted);
		udp_close(&u);
	}
	/* senders are chosen of a group, a host is connected */
	cr_assert_eq(open_with(&u, url, "sources", "127.0.0.1"), 0);
	cr_assert_str_eq(left, "sources ");
	udp_close(&u);
	snprintf(url, sizeof(url), "udp://" GROUP ":%u?localaddr=lo", free_port());
	cr_assert_eq(open_with(&u, url, "connect", "1"), 0);
	cr_assert_str_eq(left, "connect ");
	udp_close(&u);
}

Test(udp, a_wrong_setting_is_refused_with_a_reason)
{
	static const struct {
		const char *url, *name, *value, *reason;
	} rows[] = {
		{"udp://@:9999?buffer_size=abc", NULL, NULL, "buffer_size=abc: no number of bytes"},
		{"udp://@:9999?buffer_size=1.5", NULL, NULL, "buffer_size=1.5: no number of bytes"},
		{"udp://@:9999", "buffer_size", "", "buffer_size=: no number of bytes"},
		{"udp://@:9999", "buffer_size", "3G", "buffer_size=3G: no number of bytes"},
		{"udp://@:9999", "localport", "65536", "localport=65536: no port"},
		{"udp://@:9999?reuse=maybe", NULL, NULL, "reuse=maybe: neither yes (1) nor no (0)"},
		{"udp://@:9999", "connect", "2", "connect=2: neither yes (1) nor no (0)"},
		{"udp://@:9999", "connect", "1", "connect needs a host"},
		{"udp://@:9999?localaddr=203.0.113.7", NULL, NULL,
		 "cannot receive at localaddr 203.0.113.7: Cannot assign"},
		{"udp://" GROUP ":9999", "localaddr", "eth99", "no interface here: eth99"},
		{"udp://" GROUP ":9999?localaddr=lo", "sources", "127.0.0.1,::x", "::x: "},
		{"udp://" GROUP ":9999?sources=10.0.0.1&block=10.0.0.2", NULL, NULL,
		 "block=10.0.0.2: with senders named"},
		{"udp://" GROUP ":9999?sources=,", NULL, NULL,
		 "sources=,: the list of senders is empty"},
		{"udp://@", NULL, NULL, "needs a port"},
		{"udp://@:0", NULL, NULL, "needs a port"},
		{"udp://@:65536", NULL, NULL, "needs a port"},
		{"udp://@:123456789", NULL, NULL, "needs a port"},
	};

	for (size_t i = 0; i < array_size(rows); i++) {
		struct udp u;

		cr_assert_lt(open_with(&u, rows[i].url, rows[i].name, rows[i].value), 0, "%s",
			     rows[i].url);
		cr_assert_eq(u.fd, -1);
		cr_assert(strstr(reason, rows[i].reason), "%s: %s", rows[i].url, reason);
	}
}
