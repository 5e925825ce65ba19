/* bare_server.c - the simplest possible fan-out server: a worker's cost is compared with its cost.
 *
 * A writer process plays a TS file into a ring in real time and signals an eventfd every `batch`
 * bytes.  One epoll loop then sends the new bytes to every client, directly from the mapping.  It
 * has no parsing, no access control, no statistics and only one channel.
 *
 * bare_server [-k] [-p PORT] [-b BATCH] [-r RING] [-R BITS-PER-SECOND] [-C CPU] FILE */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "tests/bench/ts_file.h"

#define DESCRIPTORS	 65536
#define EVENTS		 1024
#define TICKS_PER_SECOND 200u
#define LAG_DROP	 (256u << 10) /* from the overwritten end of the ring */
#define LAG_LOOK	 (512u << 10) /* the lag at which a blocked client is checked */

/* Shared by the writer and the server. */
struct bare_heads {
	_Atomic uint64_t head;	/* bytes written */
	_Atomic uint64_t start; /* the last PAT before a key frame */
};

struct bare_client {
	uint64_t at;
	bool blocked, live;
};

struct bare {
	struct bare_heads *heads;
	struct bare_client *clients; /* by descriptor */
	int *live;		     /* descriptors of the clients that receive the stream */
	int live_count;
	uint8_t *ring; /* mapped twice in a row */
	size_t ring_bytes, batch;
	double bits_per_second;
	bool from_key; /* clients start at the last key frame */
	int port, cpu;
	int ring_fd, doorbell, listener, epoll;
};

/* Writes the packets of one tick. */
static void write_ring(struct bare *b, struct ts_file *f, uint64_t *head, uint64_t *pat)
{
	uint64_t end = *head + (uint64_t)(b->bits_per_second / 8 / TICKS_PER_SECOND);

	for (; *head < end; *head += TS_BYTES) {
		uint8_t *p = b->ring + *head % b->ring_bytes;

		ts_file_next(f, p);
		if (ts_pid(p) == 0)
			*pat = *head;
		else if (ts_random_access(p) && ts_pid(p) == 0x100)
			atomic_store(&b->heads->start, *pat);
	}
	atomic_store_explicit(&b->heads->head, *head, memory_order_release);
}

static void run_writer(struct bare *b, struct ts_file *f)
{
	uint64_t head = 0, pat = 0, rung = 0, one = 1, start = pace_now_ns();

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		pace_until(start, head, b->bits_per_second);
		write_ring(b, f, &head, &pat);
		if (head - rung < b->batch)
			continue;
		rung = head;
		if (write(b->doorbell, &one, sizeof(one)) < 0)
			_exit(1);
	}
}

static void drop_client(struct bare *b, int fd)
{
	for (int i = 0; i < b->live_count; i++) {
		if (b->live[i] == fd) {
			b->live[i] = b->live[--b->live_count];
			break;
		}
	}
	memset(&b->clients[fd], 0, sizeof(b->clients[fd]));
	close(fd);
}

/* Sends the new bytes.  False if the client has disconnected. */
static bool feed_client(struct bare *b, int fd, uint64_t head)
{
	struct bare_client *c = &b->clients[fd];
	ssize_t sent;

	if (head - c->at > b->ring_bytes - LAG_DROP) {
		drop_client(b, fd);
		return false;
	}
	c->blocked = false;
	if (c->at == head)
		return true;
	sent = send(fd, b->ring + c->at % b->ring_bytes, (size_t)(head - c->at),
		    MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent < 0 && errno != EAGAIN && errno != ENOBUFS) {
		drop_client(b, fd);
		return false;
	}
	c->at += sent > 0 ? (uint64_t)sent : 0;
	c->blocked = c->at < head;
	return true;
}

static void begin_client(struct bare *b, int fd)
{
	static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\n"
				 "Connection: close\r\n\r\n";
	struct bare_client *c = &b->clients[fd];
	uint64_t head = atomic_load(&b->heads->head);

	if (send(fd, ok, sizeof(ok) - 1, MSG_NOSIGNAL) < 0) {
		drop_client(b, fd);
		return;
	}
	c->live = true;
	c->at = b->from_key ? atomic_load(&b->heads->start) : head;
	b->live[b->live_count++] = fd;
	if (b->from_key)
		feed_client(b, fd, head);
}

static void accept_clients(struct bare *b)
{
	int fd, one = 1;

	while ((fd = accept4(b->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP,
					 .data.fd = fd};

		memset(&b->clients[fd], 0, sizeof(b->clients[fd]));
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		epoll_ctl(b->epoll, EPOLL_CTL_ADD, fd, &ev);
	}
}

static void read_client(struct bare *b, int fd)
{
	char request[4096];
	ssize_t n = recv(fd, request, sizeof(request), MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN))
		drop_client(b, fd);
	else if (n >= 4 && !b->clients[fd].live && memmem(request, (size_t)n, "\r\n\r\n", 4))
		begin_client(b, fd);
}

static void feed_everybody(struct bare *b)
{
	uint64_t head = atomic_load_explicit(&b->heads->head, memory_order_acquire);

	for (int i = b->live_count; i-- > 0;) {
		const struct bare_client *c = &b->clients[b->live[i]];

		if (!c->blocked || head - c->at > b->ring_bytes - LAG_LOOK)
			feed_client(b, b->live[i], head);
	}
}

/* True if the writer has signalled new bytes. */
static bool handle_event(struct bare *b, const struct epoll_event *ev)
{
	int fd = ev->data.fd;
	uint64_t rings;

	if (fd == b->doorbell)
		return read(fd, &rings, sizeof(rings)) == sizeof(rings);
	if (fd == b->listener) {
		accept_clients(b);
		return false;
	}
	if (ev->events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP))
		read_client(b, fd);
	if ((ev->events & EPOLLOUT) && b->clients[fd].blocked)
		feed_client(b, fd, atomic_load(&b->heads->head));
	return false;
}

static void serve_forever(struct bare *b)
{
	struct epoll_event events[EVENTS];

	for (;;) {
		int n = epoll_wait(b->epoll, events, EVENTS, -1);
		bool rung = false;

		for (int i = 0; i < n; i++)
			rung |= handle_event(b, &events[i]);
		if (rung)
			feed_everybody(b);
	}
}

static int map_ring(struct bare *b)
{
	int flags = MAP_SHARED | MAP_FIXED | MAP_POPULATE;

	b->ring_fd = memfd_create("bare-ring", MFD_CLOEXEC);
	if (b->ring_fd < 0 || ftruncate(b->ring_fd, (off_t)b->ring_bytes) < 0)
		return -errno;
	b->ring = mmap(NULL, b->ring_bytes * 2, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (b->ring == MAP_FAILED)
		return -errno;
	for (size_t i = 0; i < 2; i++) {
		if (mmap(b->ring + i * b->ring_bytes, b->ring_bytes, PROT_READ | PROT_WRITE, flags,
			 b->ring_fd, 0) == MAP_FAILED)
			return -errno;
	}
	b->heads = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return b->heads == MAP_FAILED ? -errno : 0;
}

static int open_sockets(struct bare *b)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)b->port)};
	struct epoll_event ev = {.events = EPOLLIN};
	int one = 1;

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	b->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(b->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(b->listener, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    listen(b->listener, 4096) < 0)
		return -errno;
	b->doorbell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	b->epoll = epoll_create1(EPOLL_CLOEXEC);
	ev.data.fd = b->listener;
	if (epoll_ctl(b->epoll, EPOLL_CTL_ADD, b->listener, &ev) < 0)
		return -errno;
	ev.data.fd = b->doorbell;
	return epoll_ctl(b->epoll, EPOLL_CTL_ADD, b->doorbell, &ev) < 0 ? -errno : 0;
}

static int prepare(struct bare *b)
{
	struct rlimit limit = {DESCRIPTORS, DESCRIPTORS};
	int e;

	setrlimit(RLIMIT_NOFILE, &limit);
	pin_to_cpu(b->cpu);
	b->ring_bytes = b->ring_bytes / 65536 * 65536;
	b->clients = calloc(DESCRIPTORS, sizeof(*b->clients));
	b->live = calloc(DESCRIPTORS, sizeof(*b->live));
	if (!b->clients || !b->live)
		return -ENOMEM;
	e = map_ring(b);
	return e < 0 ? e : open_sockets(b);
}

static int read_options(struct bare *b, int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "kp:b:r:R:C:")) != -1) {
		switch (option) {
		case 'k':
			b->from_key = true;
			break;
		case 'p':
			b->port = atoi(optarg);
			break;
		case 'b':
			b->batch = strtoul(optarg, NULL, 10);
			break;
		case 'r':
			b->ring_bytes = strtoul(optarg, NULL, 10);
			break;
		case 'R':
			b->bits_per_second = strtod(optarg, NULL);
			break;
		case 'C':
			b->cpu = atoi(optarg);
			break;
		default:
			return -EINVAL;
		}
	}
	return optind == argc - 1 ? 0 : -EINVAL;
}

int main(int argc, char **argv)
{
	static struct ts_file file;
	struct bare b = {.port = 9000,
			 .cpu = -1,
			 .batch = 65536,
			 .ring_bytes = 4u << 20,
			 .bits_per_second = 8e6};
	int e;

	if (read_options(&b, argc, argv) < 0) {
		fputs("usage: bare_server [-k start at key frames] [-p port] [-b batch] [-r ring]\n"
		      "                   [-R bits per second] [-C cpu] FILE\n",
		      stderr);
		return 2;
	}
	e = ts_file_open(&file, argv[optind]);
	if (e == 0)
		e = prepare(&b);
	if (e < 0) {
		fprintf(stderr, "bare_server: %s\n", strerror(-e));
		return 1;
	}
	if (fork() == 0)
		run_writer(&b, &file);
	serve_forever(&b);
	return 0;
}
