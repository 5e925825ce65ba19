/* hls_world.h - a worker with a channel of segments: its master's end, the indexes that jobs would
 * fill, and clients that wait for whole answers. */
#ifndef HLS_WORLD_H
#define HLS_WORLD_H

#include "unit.h"
#include "amps-worker/segments/signature.h"
#include "amps-worker/worker.h"
#include "common/shm/segment.h"
#include "worker/fake_master.h"

#define FIRST 1000u /* number of the first segment */
#define HZ    90000u

/* What a job fills. */
struct index {
	struct ring_writer writer;
	int ring;
	uint64_t bytes;
	uint32_t want;
};

struct world {
	struct fake_master master;
	struct worker worker;
	struct index index; /* of transport streams, or of pictures */
	struct index sound; /* of CMAF */
	uint32_t next;	    /* segment */
	int64_t made_s;	    /* of the next segment */
	char folder[64];
};

struct answer {
	int fd;
	bool closed;
	size_t len;
	char text[65536];
};

static struct answer a;

static inline void turn(struct world *x)
{
	event_base_loop(x->worker.context.base, EVLOOP_NONBLOCK);
}

static inline void open_world(struct world *x, struct fm_settings settings)
{
	settings.start_timeout_ms = 5000;
	memset(x, 0, sizeof(*x));
	strcpy(x->folder, "/tmp/amps-hls-XXXXXX");
	cr_assert_not_null(mkdtemp(x->folder));
	fm_open_at(&x->master, &settings, 0, x->folder);
	cr_assert_eq(worker_init(&x->worker, x->master.worker_end, NULL), 0);
	await(x, x->worker.ready);
	x->next = FIRST;
	x->made_s = 1700000000;
}

static inline void close_index(struct index *i)
{
	if (!i->writer.header)
		return;
	ring_writer_close(&i->writer);
	close(i->ring);
}

static inline void close_world(struct world *x)
{
	char command[128];

	worker_done(&x->worker);
	close_index(&x->index);
	close_index(&x->sound);
	fm_close(&x->master);
	snprintf(command, sizeof(command), "rm -r %s", x->folder);
	cr_assert_eq(system(command), 0);
}

static inline void ask(struct answer *to, const struct world *x, const char *method,
		       const char *path, const char *fields)
{
	static char text[4096];
	struct fm_client c;

	snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: a\r\nUser-Agent: box\r\n%s\r\n",
		 method, path, fields);
	fm_connect(&c, x->master.port, text, 0);
	memset(to, 0, sizeof(*to));
	to->fd = c.fd;
}

static inline bool answered(struct answer *to)
{
	const char *end = strstr(to->text, "\r\n\r\n"), *length;
	ssize_t n = recv(to->fd, to->text + to->len, sizeof(to->text) - 1 - to->len, MSG_DONTWAIT);

	if (n > 0)
		to->len += (size_t)n;
	to->closed = n == 0;
	end = strstr(to->text, "\r\n\r\n");
	length = strstr(to->text, "Content-Length: ");
	if (end && (!length || length > end))
		return true;
	return end && to->len >= (size_t)(end + 4 - to->text) + (size_t)atol(length + 16);
}

/* Asks and waits for the whole answer. */
static inline const char *get(struct world *x, const char *path, const char *fields)
{
	ask(&a, x, "GET", path, fields);
	await(x, answered(&a));
	close(a.fd);
	return a.text;
}

static inline int status_of(const char *text)
{
	return atoi(text + strlen("HTTP/1.1 "));
}

static inline void expect(struct world *x, const char *path, const char *fields, int status,
			  const char *holds)
{
	const char *text = get(x, path, fields);

	cr_expect_eq(status_of(text), status, "%s: %s", path, text);
	cr_expect(!holds || strstr(text, holds), "%s lacks %s: %s", path, holds, text);
	cr_expect(strstr(text, "Access-Control-Allow-Origin: *"), "%s: %s", path, text);
}

/* An index whose first entry will be this part. */
static inline void make_index(struct index *i, uint64_t generation, uint32_t part)
{
	i->bytes = ring_class(4096);
	i->ring = ring_create("index", i->bytes, generation);
	cr_assert_geq(i->ring, 0);
	cr_assert_eq(ring_writer_open(&i->writer, i->ring, i->bytes), 0);
	cr_assert_eq(shm_seal_writer(i->ring), 0);
	ring_writer_begin(&i->writer, segment_position(part));
}

static inline void add_entry(struct index *i, const struct segment *s,
			     const struct segment_media *media)
{
	struct ring_rap rap = {.pos = segment_position(s->part), .intro_bytes = sizeof(*media)};

	memcpy(rap.bytes, media, sizeof(*media));
	ring_writer_append(&i->writer, s, sizeof(*s));
	ring_writer_add_rap(&i->writer, &rap);
}

static inline void send_index(struct world *x, const struct index *i, uint64_t generation,
			      uint32_t output)
{
	fm_send_ring(&x->master, i->ring,
		     (struct msg_output_ring){.want = i->want,
					      .output = output,
					      .generation = generation,
					      .data_bytes = i->bytes,
					      .unit_bytes = sizeof(struct segment),
					      .live = 1});
}

#endif
