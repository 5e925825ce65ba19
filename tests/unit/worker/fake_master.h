/* fake_master.h - the master's end of a worker, and a job's: shared memory, messages, a ring with a
 * recognizable transport stream in it, and clients that check what they receive. */
#ifndef FAKE_MASTER_H
#define FAKE_MASTER_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include "common/shm/catalog_layout.h"
#include "common/shm/chantab.h"
#include "common/msg/msg.h"
#include "common/shm/ring_writer.h"
#include "common/shm/shm.h"
#include "common/shm/tokens_layout.h"
#include "common/shm/worker_page.h"

#define FM_CHANNEL   5u
#define FM_PMT_PID   0x1000u
#define FM_VIDEO_PID 0x100u

#define PATIENCE_US 60000000u

/* Turns the loop of world x, with its turn(), until the condition holds; fails the test if it never
 * does. */
#define await(x, condition)                                                                        \
	do {                                                                                       \
		uint64_t end_ = clock_mono_us() + PATIENCE_US;                                     \
		while (!(condition)) {                                                             \
			turn(x);                                                                   \
			cr_assert_lt(clock_mono_us(), end_, "never came: %s", #condition);         \
		}                                                                                  \
	} while (0)

#define FM_CHECK(x)                                                                                \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #x,                 \
				strerror(errno));                                                  \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

struct fake_master {
	int socket; /* our end */
	int worker_end;
	int listen_fd, page_fd, table_fd, media_fd, catalog_fd, tokens_fd;
	void *page, *table;
	uint16_t port;
};

struct fm_settings {
	uint32_t flags, max_viewers, start_timeout_ms;
};

static inline size_t fm_catalog(char *at, const struct fm_settings *s)
{
	struct catalog_header *h = (void *)at;
	struct catalog_settings *set = (void *)(at + sizeof(*h));
	struct catalog_channel *ch = (void *)(at + sizeof(*h) + sizeof(*set));
	uint32_t text = sizeof(*h) + sizeof(*set) + sizeof(*ch);
	size_t n = text + 8;

	memset(at, 0, n);
	strcpy(at + text, "five");
	*h = (struct catalog_header){.snapshot = {.magic = CATALOG_MAGIC,
						  .version = CATALOG_VERSION,
						  .header_bytes = sizeof(*h),
						  .total_bytes = n,
						  .generation = 1},
				     .settings_at = sizeof(*h),
				     .channels_at = sizeof(*h) + sizeof(*set),
				     .channel_count = 1,
				     .channel_bytes = sizeof(*ch),
				     .variant_bytes = sizeof(struct catalog_variant),
				     .program_bytes = sizeof(struct catalog_program)};
	*set = (struct catalog_settings){.flags = s->flags,
					 .max_viewers = s->max_viewers,
					 .start_timeout_ms = s->start_timeout_ms};
	*ch = (struct catalog_channel){.id = FM_CHANNEL,
				       .name_at = text,
				       .tvg_id_at = text,
				       .tvg_name_at = text,
				       .start_wall_us = INT64_MIN,
				       .end_wall_us = INT64_MIN};
	return n;
}

static inline int fm_listen(uint16_t *port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;

	sa.sin_port = htons(*port);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	FM_CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0);
	FM_CHECK(listen(fd, 4096) == 0 && getsockname(fd, (struct sockaddr *)&sa, &n) == 0);
	*port = ntohs(sa.sin_port);
	return fd;
}

static inline void fm_snapshot(struct fake_master *m, enum snapshot_kind kind, uint64_t generation,
			       uint64_t bytes, int fd)
{
	struct msg_snapshot s = {.kind = (uint8_t)kind, .generation = generation, .bytes = bytes};

	FM_CHECK(msg_send_snapshot(m->socket, &s, &fd) == 0);
}

/* Makes everything a worker is given and puts the messages into its socket. */
static inline void fm_open_at(struct fake_master *m, const struct fm_settings *s, uint16_t port,
			      const char *media_folder)
{
	struct tokens_header tokens = {.snapshot = {.magic = TOKENS_MAGIC,
						    .version = TOKENS_VERSION,
						    .header_bytes = sizeof(tokens),
						    .total_bytes = sizeof(tokens),
						    .generation = 1}};
	char catalog[512];
	size_t catalog_bytes = fm_catalog(catalog, s);
	struct msg_worker_setup setup = {
		.worker_count = 1,
		.page_bytes = WORKER_PAGE_BYTES,
		.table_bytes = CHANTAB_BYTES,
		.media_key = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
		.link_key = "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"};
	int fds[2];

	FM_CHECK(msg_socketpair(fds) == 0);
	*m = (struct fake_master){.socket = fds[0], .worker_end = fds[1], .port = port};
	m->listen_fd = fm_listen(&m->port);
	m->page_fd = shm_create("page", WORKER_PAGE_BYTES);
	m->table_fd = shm_create("table", CHANTAB_BYTES);
	m->catalog_fd = shm_snapshot("catalog", catalog, catalog_bytes);
	m->tokens_fd = shm_snapshot("tokens", &tokens, sizeof(tokens));
	m->media_fd = open(media_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	m->page = shm_map_write(m->page_fd, WORKER_PAGE_BYTES);
	m->table = shm_map_write(m->table_fd, CHANTAB_BYTES);
	FM_CHECK(m->page && m->table && m->catalog_fd >= 0 && m->tokens_fd >= 0);
	worker_page_init(m->page);
	chantab_init(m->table);
	FM_CHECK(shm_seal_writer(m->table_fd) == 0);
	FM_CHECK(msg_send_worker_setup(
			 m->socket, &setup,
			 (int[]){m->listen_fd, m->page_fd, m->table_fd, m->media_fd}) == 0);
	fm_snapshot(m, SNAPSHOT_TOKENS, 1, sizeof(tokens), m->tokens_fd);
	fm_snapshot(m, SNAPSHOT_CATALOG, 1, catalog_bytes, m->catalog_fd);
}

static inline void fm_open(struct fake_master *m, const struct fm_settings *s, uint16_t port)
{
	fm_open_at(m, s, port, "/tmp");
}

static inline void fm_close(struct fake_master *m)
{
	shm_unmap(m->page, WORKER_PAGE_BYTES);
	shm_unmap(m->table, CHANTAB_BYTES);
	close(m->socket);
	close(m->listen_fd);
	close(m->page_fd);
	close(m->table_fd);
	close(m->media_fd);
	close(m->catalog_fd);
	close(m->tokens_fd);
}

static inline const struct worker_page *fm_page(const struct fake_master *m)
{
	return m->page;
}

static inline void fm_send_ring(struct fake_master *m, int fd, struct msg_output_ring r)
{
	FM_CHECK(msg_send_output_ring(m->socket, &r, &fd) == 0);
}

/* The stream: PAT, PMT, then video packets whose payload begins with a count that never jumps. */
struct fm_stream {
	struct ring_writer writer;
	int fd;
	uint64_t data_bytes;
	uint64_t count; /* of video packets */
	uint8_t cc[3];	/* next of PAT, PMT, video */
};

static inline void fm_ring(struct fm_stream *s, uint64_t data_bytes, uint64_t generation)
{
	s->data_bytes = data_bytes;
	s->fd = ring_create("ring", data_bytes, generation);
	FM_CHECK(s->fd >= 0 && ring_writer_open(&s->writer, s->fd, data_bytes) == 0);
	FM_CHECK(shm_seal_writer(s->fd) == 0);
}

static inline void fm_ring_close(struct fm_stream *s)
{
	ring_writer_close(&s->writer);
	close(s->fd);
}

static inline void fm_packet(uint8_t *p, unsigned pid, bool start, uint8_t cc)
{
	memset(p, 0x55, TS_PACKET);
	p[0] = 0x47;
	p[1] = (uint8_t)((start ? 0x40u : 0) | pid >> 8);
	p[2] = (uint8_t)pid;
	p[3] = (uint8_t)(0x10 | (cc & 15));
}

/* A packet without payload that marks a discontinuity, with the counter before the next one's. */
static inline void fm_mark(uint8_t *p, unsigned pid, unsigned cc)
{
	fm_packet(p, pid, false, (uint8_t)(cc - 1));
	memset(p + 4, 0xff, TS_PACKET - 4);
	p[3] = (uint8_t)(0x20 | (p[3] & 15));
	p[4] = TS_PACKET - 5;
	p[5] = 0x80;
}

/* One group of pictures: tables, access point, `packets` of video. */
static inline void fm_write_group(struct fm_stream *s, size_t packets)
{
	static const unsigned pids[] = {0, FM_PMT_PID, FM_VIDEO_PID};
	uint8_t p[TS_PACKET];
	struct ring_rap rap = {
		.pts_90k = INT64_MIN, .mark_bytes = 3 * TS_PACKET, .intro_bytes = 2 * TS_PACKET};

	for (unsigned i = 0; i < 3; i++)
		fm_mark(rap.bytes + i * TS_PACKET, pids[i], s->cc[i]);
	for (unsigned i = 0; i < 2; i++) {
		fm_packet(p, pids[i], true, s->cc[i]++);
		memcpy(rap.bytes + (3 + i) * TS_PACKET, p, TS_PACKET);
		ring_writer_append(&s->writer, p, TS_PACKET);
	}
	rap.pos = s->writer.commit;
	for (size_t i = 0; i < packets; i++) {
		fm_packet(p, FM_VIDEO_PID, i == 0, s->cc[2]++);
		memcpy(p + 4, &s->count, sizeof(s->count));
		s->count++;
		ring_writer_append(&s->writer, p, TS_PACKET);
		if (i == 0)
			ring_writer_add_rap(&s->writer, &rap);
	}
}

/* A client and its judgement of what it received. */
struct fm_client {
	int fd;
	bool in_body, closed;
	char head[1024];
	size_t head_len;
	uint8_t packet[TS_PACKET];
	size_t packet_len;
	uint64_t packets, bytes, marks, cuts, faults;
	uint64_t next;	   /* count expected of the next video packet */
	bool seen;	   /* a video packet has come */
	bool marked[3];	   /* a mark stands for PAT, PMT, video */
	int cc[3];	   /* last, -1 = none */
	unsigned first[3]; /* PIDs of the first packets */
};

static inline void fm_connect(struct fm_client *c, uint16_t port, const char *request, int rcvbuf)
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = htons(port)};

	*c = (struct fm_client){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
				.cc = {-1, -1, -1}};
	if (rcvbuf)
		setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
	FM_CHECK(connect(c->fd, (struct sockaddr *)&sa, sizeof(sa)) == 0);
	FM_CHECK(fcntl(c->fd, F_SETFL, O_NONBLOCK) == 0);
	FM_CHECK(send(c->fd, request, strlen(request), MSG_NOSIGNAL) == (ssize_t)strlen(request));
}

static inline void fm_video(struct fm_client *c, const uint8_t *p, bool marked)
{
	uint64_t count;

	memcpy(&count, p + 4, sizeof(count));
	if (c->seen && count != c->next) {
		if (marked && count > c->next)
			c->cuts++;
		else
			c->faults++;
	}
	if ((!c->seen || marked) && !(p[1] & 0x40))
		c->faults++; /* not at an access point */
	c->seen = true;
	c->next = count + 1;
}

static inline void fm_check_packet(struct fm_client *c)
{
	const uint8_t *p = c->packet;
	unsigned pid = (unsigned)(p[1] & 0x1f) << 8 | p[2], cc = p[3] & 15u;
	int i = pid == 0 ? 0 : pid == FM_PMT_PID ? 1 : pid == FM_VIDEO_PID ? 2 : -1;

	if (c->packets < 3)
		c->first[c->packets] = pid;
	c->packets++;
	if (p[0] != 0x47 || i < 0) {
		c->faults++;
		return;
	}
	if (!(p[3] & 0x10)) { /* adaptation only: a mark */
		if (p[4] != 183 || !(p[5] & 0x80))
			c->faults++;
		c->marks++;
		c->marked[i] = true;
		c->cc[i] = (int)cc;
		return;
	}
	/* the tables before an access point are used as the ring's last ones */
	if (c->cc[i] >= 0 && (((unsigned)c->cc[i] + 1) & 15) != cc &&
	    !(i < 2 && c->marked[i] && (unsigned)c->cc[i] == cc))
		c->faults++;
	if (i == 2)
		fm_video(c, p, c->marked[2]);
	c->marked[i] = false;
	c->cc[i] = (int)cc;
}

static inline void fm_take(struct fm_client *c, const uint8_t *at, size_t n)
{
	while (n && !c->in_body) {
		c->head[c->head_len++] = (char)*at++;
		n--;
		FM_CHECK(c->head_len < sizeof(c->head));
		c->in_body =
			c->head_len > 4 && memcmp(c->head + c->head_len - 4, "\r\n\r\n", 4) == 0;
	}
	c->bytes += n;
	while (n) {
		size_t part = MIN(n, TS_PACKET - c->packet_len);

		memcpy(c->packet + c->packet_len, at, part);
		c->packet_len += part;
		at += part;
		n -= part;
		if (c->packet_len == TS_PACKET) {
			fm_check_packet(c);
			c->packet_len = 0;
		}
	}
}

/* Reads up to `max` bytes that wait.  The count, 0 when nothing waits or the end was seen. */
static inline size_t fm_read(struct fm_client *c, size_t max)
{
	static uint8_t buffer[65536];
	size_t all = 0;
	ssize_t n;

	while (all < max && !c->closed) {
		n = recv(c->fd, buffer, MIN(max - all, sizeof(buffer)), 0);
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			c->closed = true;
			break;
		}
		fm_take(c, buffer, (size_t)n);
		all += (size_t)n;
	}
	return all;
}

#endif
