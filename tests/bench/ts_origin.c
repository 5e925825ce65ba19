/* ts_origin.c - an HTTP origin of a live transport stream: each client gets the file's first
 * BURST milliseconds at once and the rest in real time, in a loop.  It begins START milliseconds
 * behind the file's first packet.
 *
 * ts_origin [-b BURST-MS] [-s START-MS] FILE BITS-PER-SECOND PORT */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "tests/bench/ts_file.h"

#define TICKS_PER_SECOND 100u
#define SEND_PACKETS	 64u

static bool send_all(int fd, const void *bytes, size_t n)
{
	ssize_t sent;

	for (const char *at = bytes; n; at += sent, n -= (size_t)sent) {
		sent = send(fd, at, n, MSG_NOSIGNAL);
		if (sent <= 0)
			return false;
	}
	return true;
}

static bool send_packets(int fd, struct ts_file *f, uint64_t *sent, uint64_t end)
{
	uint8_t block[SEND_PACKETS * TS_BYTES];
	size_t n;

	while (*sent < end) {
		for (n = 0; n < sizeof(block) && *sent < end; n += TS_BYTES, *sent += TS_BYTES)
			ts_file_next(f, block + n);
		if (!send_all(fd, block, n))
			return false;
	}
	return true;
}

/* Serves one client, in a process of its own. */
static void serve(int fd, struct ts_file *f, double rate, double burst_s)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\n"
				   "Connection: close\r\n\r\n";
	uint64_t start = pace_now_ns(), sent = 0, burst = (uint64_t)(rate / 8 * burst_s);
	char request[4096];
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	/* without pacing by the kernel: on the loopback, paced packets are sent in the CPU time of
	 * the receiver, which is measured */
	setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
	if (recv(fd, request, sizeof(request), 0) <= 0 || !send_all(fd, head, sizeof(head) - 1))
		return;
	while (send_packets(fd, f, &sent, sent + burst)) {
		burst = (uint64_t)(rate / 8 / TICKS_PER_SECOND);
		pace_until(start, sent - MIN(sent, (uint64_t)(rate / 8 * burst_s)), rate);
	}
}

static int listen_on(int port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 64) < 0)
		return -errno;
	return fd;
}

static void accept_forever(int listener, struct ts_file *f, double rate, double burst_s)
{
	int fd;

	signal(SIGCHLD, SIG_IGN);
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			serve(fd, f, rate, burst_s);
			_exit(0);
		}
		close(fd);
	}
}

int main(int argc, char **argv)
{
	static struct ts_file f;
	double burst_s = 0.5, start_s = 0, rate;
	int e, option, listener;

	while ((option = getopt(argc, argv, "b:s:")) == 'b' || option == 's')
		*(option == 'b' ? &burst_s : &start_s) = strtod(optarg, NULL) / 1000;
	rate = argc - optind == 3 ? strtod(argv[optind + 1], NULL) : 0;
	if (option != -1 || rate <= 0) {
		fputs("usage: ts_origin [-b BURST-MS] [-s START-MS] FILE BITS-PER-SECOND PORT\n",
		      stderr);
		return 2;
	}
	e = ts_file_open(&f, argv[optind]);
	if (e == 0)
		f.at = (size_t)(rate / 8 * start_s) / TS_BYTES * TS_BYTES % f.len;
	listener = e < 0 ? e : listen_on(atoi(argv[optind + 2]));
	if (listener < 0) {
		fprintf(stderr, "ts_origin: %s\n", strerror(-listener));
		return 1;
	}
	accept_forever(listener, &f, rate, burst_s);
	return 1;
}
