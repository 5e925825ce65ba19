/* bare_ingest.c - the lower bound for the cost of a source: receives into a buffer and copies into
 * a ring, without parsing.  It waits for input as a job of Amps does.
 *
 * bare_ingest udp PORT | http PORT | file PATH BITS-PER-SECOND */
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "tests/bench/ts_file.h"

#define RING_BYTES	 (16u << 20)
#define DATAGRAM	 1316u
#define BATCH		 64u
#define GATHER_MS	 20	     /* between two batches of input */
#define STREAM_BYTES	 (32u << 10) /* most that one read takes from a connection */
#define READS_PER_SECOND 4u	     /* of a file */

struct ingest {
	int fd;
	uint8_t *ring;
	uint64_t at;
	uint8_t buffer[256u << 10];
};

static void put(struct ingest *in, const uint8_t *bytes, size_t n)
{
	size_t offset = in->at % RING_BYTES, first = MIN(n, RING_BYTES - offset);

	memcpy(in->ring + offset, bytes, first);
	memcpy(in->ring, bytes + first, n - first);
	in->at += n;
}

static bool wait_readable(const struct ingest *in)
{
	struct pollfd p = {.fd = in->fd, .events = POLLIN};

	return poll(&p, 1, -1) > 0;
}

static int bound(int type, int port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), r;

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0)
		return -errno;
	r = type == SOCK_DGRAM ? bind(fd, (struct sockaddr *)&sa, sizeof(sa))
			       : connect(fd, (struct sockaddr *)&sa, sizeof(sa));
	return r < 0 ? -errno : fd;
}

static int run_udp(struct ingest *in)
{
	struct mmsghdr messages[BATCH];
	struct iovec slots[BATCH];
	int got = 0;

	while (wait_readable(in)) {
		for (unsigned i = 0; i < BATCH; i++) {
			slots[i] = (struct iovec){in->buffer + i * DATAGRAM, DATAGRAM};
			messages[i] = (struct mmsghdr){
				.msg_hdr = {.msg_iov = &slots[i], .msg_iovlen = 1}};
		}
		got = recvmmsg(in->fd, messages, BATCH, MSG_DONTWAIT, NULL);
		if (got < 0)
			return -errno;
		for (int i = 0; i < got; i++)
			put(in, slots[i].iov_base, messages[i].msg_len);
		poll(NULL, 0, GATHER_MS);
	}
	return -errno;
}

/* After a read that had to wait, waits so that more bytes arrive for the next one. */
static int run_http(struct ingest *in)
{
	struct pollfd p = {.fd = in->fd, .events = POLLIN};
	static const char request[] = "GET /live.ts HTTP/1.1\r\nHost: localhost\r\n\r\n";
	ssize_t n = send(in->fd, request, sizeof(request) - 1, MSG_NOSIGNAL);

	while (n > 0) {
		bool waits = poll(&p, 1, 0) == 0 && wait_readable(in);

		n = recv(in->fd, in->buffer, STREAM_BYTES, 0);
		if (n > 0)
			put(in, in->buffer, (size_t)n);
		if (waits)
			poll(NULL, 0, GATHER_MS);
	}
	return n < 0 ? -errno : -EPIPE;
}

static int run_file(struct ingest *in, double bits_per_second)
{
	size_t portion = MIN((size_t)(bits_per_second / 8 / READS_PER_SECOND), sizeof(in->buffer));
	uint64_t start = pace_now_ns();
	ssize_t n;

	while ((n = read(in->fd, in->buffer, portion)) >= 0) {
		put(in, in->buffer, (size_t)n);
		if (n == 0 && lseek(in->fd, 0, SEEK_SET) < 0)
			break;
		pace_until(start, in->at, bits_per_second);
	}
	return -errno;
}

static int run(struct ingest *in, int argc, char **argv)
{
	const char *kind = argc > 2 ? argv[1] : "";

	if (!strcmp(kind, "file") && argc == 4 && strtod(argv[3], NULL) > 0) {
		in->fd = open(argv[2], O_RDONLY | O_CLOEXEC);
		return in->fd < 0 ? -errno : run_file(in, strtod(argv[3], NULL));
	}
	if (argc != 3 || (strcmp(kind, "udp") != 0 && strcmp(kind, "http") != 0))
		return -EINVAL;
	in->fd = bound(*kind == 'u' ? SOCK_DGRAM : SOCK_STREAM, atoi(argv[2]));
	if (in->fd < 0)
		return in->fd;
	return *kind == 'u' ? run_udp(in) : run_http(in);
}

int main(int argc, char **argv)
{
	static struct ingest in;
	int r;

	in.ring = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	r = in.ring == MAP_FAILED ? -errno : run(&in, argc, argv);
	if (r == -EINVAL)
		fputs("usage: bare_ingest udp PORT | http PORT | file PATH BITS-PER-SECOND\n",
		      stderr);
	else
		fprintf(stderr, "bare_ingest: %s\n", strerror(-r));
	return 1;
}
