#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include "amps-master/system/listen.h"
#include "skip.h"
#include "unit.h"

static int try_connect(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons(port),
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	_cleanup_(closep) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 ? 0 : -errno;
}

Test(listen, opens_one_socket_a_worker_on_one_port)
{
	struct listeners l;
	char text[256] = "";

	cr_assert_eq(listen_open(&l, "127.0.0.1", 0, 3, text, sizeof(text)), 0, "%s", text);
	cr_assert_eq(l.count, 3);
	cr_assert_neq(l.port, 0);
	cr_assert_eq(try_connect(l.port), 0);
	listen_close(&l);
	cr_assert_eq(l.count, 0);
}

Test(listen, spreads_connections_over_all_sockets)
{
	struct listeners l;
	char text[256];
	struct pollfd p[2] = {{.events = POLLIN}, {.events = POLLIN}};

	cr_assert_eq(listen_open(&l, "127.0.0.1", 0, 2, text, sizeof(text)), 0);
	for (int i = 0; i < 64; i++)
		cr_assert_eq(try_connect(l.port), 0);
	p[0].fd = l.fds[0];
	p[1].fd = l.fds[1];
	cr_assert_eq(poll(p, 2, 1000), 2, "each socket has a client waiting");
	listen_close(&l);
}

Test(listen, notices_a_port_that_is_shared_by_another_server)
{
	struct listeners first, second;
	char text[256] = "", port[16];

	cr_assert_eq(listen_open(&first, "127.0.0.1", 0, 1, text, sizeof(text)), 0);
	cr_assert_eq(listen_open(&second, "127.0.0.1", first.port, 1, text, sizeof(text)),
		     -EADDRINUSE);
	snprintf(port, sizeof(port), "%u", first.port);
	cr_assert_not_null(strstr(text, port), "the port is named: %s", text);
	cr_assert_eq(second.count, 0);
	listen_close(&first);
	cr_assert_eq(listen_open(&second, "127.0.0.1", first.port, 1, text, sizeof(text)), 0, "%s",
		     text);
	listen_close(&second);
}

Test(listen, double_colon_serves_both_families)
{
	struct listeners l;
	char text[256];
	int r = listen_open(&l, "::", 0, 1, text, sizeof(text));

	if (r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL)
		skip_kernel("no IPv6");
	cr_assert_eq(r, 0, "%s", text);
	cr_assert_eq(try_connect(l.port), 0, "over IPv4");
	listen_close(&l);
}

Test(listen, an_invalid_host_is_an_error_with_a_reason)
{
	struct listeners l;
	char text[256] = "";

	cr_assert_lt(listen_open(&l, "no.such.host.invalid", 0, 1, text, sizeof(text)), 0);
	cr_assert_not_null(strstr(text, "no.such.host.invalid is neither an address"), "%s", text);
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in a = {0};
	socklen_t n = sizeof(a);

	cr_assert_eq(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	return ntohs(a.sin_port);
}

Test(listen, pairs_are_an_even_port_and_the_next_one)
{
	struct listen_pairs l, second;
	char text[256] = "", expected[64];
	uint16_t port;

	cr_assert_eq(listen_open_pairs(&l, "127.0.0.1", 0, 3, text, sizeof(text)), 0, "%s", text);
	cr_assert_eq(l.count, 6);
	for (unsigned i = 0; i < 6; i += 2) {
		cr_assert_eq(port_of(l.fds[i]) % 2, 0);
		cr_assert_eq(port_of(l.fds[i + 1]), port_of(l.fds[i]) + 1);
	}
	port = port_of(l.fds[0]);
	cr_assert_eq(listen_open_pairs(&second, "127.0.0.1", port, 1, text, sizeof(text)),
		     -EADDRINUSE);
	cr_assert_not_null(strstr(text, "already in use"));
	cr_assert_eq(second.count, 0);
	/* the odd port of a pair alone is taken */
	snprintf(expected, sizeof(expected), "UDP port %u is already in use", port + 1u);
	close_fd(&l.fds[0]);
	cr_assert_eq(listen_open_pairs(&second, "127.0.0.1", port, 1, text, sizeof(text)),
		     -EADDRINUSE);
	cr_assert(strstr(text, expected) && strstr(text, "server.rtp_port"), "%s", text);
	listen_close_pairs(&l);
	cr_assert_eq(l.count, 0);
	cr_assert_eq(listen_open_pairs(&second, "127.0.0.1", port, 1, text, sizeof(text)), 0);
	cr_assert_eq(port_of(second.fds[1]), port + 1);
	listen_close_pairs(&second);
}
