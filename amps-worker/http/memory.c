/* memory.c - see memory.h; tcp(7) for tcp_mem, sock_diag(7) for SO_MEMINFO. */
#include "amps-worker/http/memory.h"

#include <linux/sock_diag.h>
#include <stdio.h>
#include <sys/socket.h>

#include "amps-worker/http/body_cache.h"
#include "amps-worker/http/conn.h"
#include "amps-worker/live/viewer.h"
#include "amps-worker/worker.h"
#include "common/clock.h"
#include "common/log/log.h"

#define SOCKETS_DEFAULT (256u << 20) /* where the kernel does not say what it has */

/* Half of what TCP may hold before the kernel begins to press all its sockets; 0 = unknown. */
static size_t kernel_share(void)
{
	unsigned long long low, pressure, high;
	FILE *f = fopen("/proc/sys/net/ipv4/tcp_mem", "re");
	int n = f ? fscanf(f, "%llu %llu %llu", &low, &pressure, &high) : 0;

	if (f)
		fclose(f);
	return n == 3 ? (size_t)pressure / 2 * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

void memory_init(struct memory *m, unsigned workers)
{
	size_t share = kernel_share();

	m->bodies_max = BODIES_MAX;
	m->sockets_max = (share ? share : SOCKETS_DEFAULT) / MAX(workers, 1u);
}

int memory_sndbuf(const struct worker *w, size_t wanted)
{
	size_t share = w->memory.sockets_max / MAX(w->conn_count, 1u);

	return (int)MIN(wanted, MAX(share, SNDBUF_MIN));
}

/* A client whose memory may be taken back. */
struct candidate {
	struct conn *conn;
	size_t bytes;
	uint64_t order; /* the lowest goes first */
};

static int compare_candidates(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	return (x->order > y->order) - (x->order < y->order);
}

/* The answers that are old enough, the slowest first; NULL without memory or candidates. */
static struct candidate *slow_answers(const struct worker *w, size_t *ret_count)
{
	struct candidate *list = malloc(w->conn_count * sizeof(*list));
	struct conn *c;
	uint64_t rate;
	size_t n = 0;

	TAILQ_FOREACH(c, &w->conns, link)
	{
		if (list && conn_answer_rate(c, &rate))
			list[n++] = (struct candidate){.conn = c, .order = rate};
	}
	if (!n) {
		free(list);
		return NULL;
	}
	qsort(list, n, sizeof(*list), compare_candidates);
	*ret_count = n;
	return list;
}

bool memory_make_room(struct worker *w)
{
	struct memory *m = &w->memory;
	struct candidate *list;
	size_t count = 0, ended = 0;

	if (m->bodies.bytes < m->bodies_max)
		return true;
	body_cache_drop_unused(w->cache);
	list = m->bodies.bytes < m->bodies_max ? NULL : slow_answers(w, &count);
	/* some more than needed, so that the next one need not search again */
	while (ended < count && m->bodies.bytes > m->bodies_max / 4 * 3)
		conn_free(list[ended++].conn);
	free(list);
	if (ended) {
		page_add(&w->page->answers_dropped, ended);
		log_warn("answers held %zu MiB of memory, ended the slowest clients=%zu",
			 m->bodies_max >> 20, ended);
	}
	return m->bodies.bytes < m->bodies_max;
}

/* What the kernel keeps for this socket, to be sent. */
static size_t socket_bytes(int fd)
{
	uint32_t info[SK_MEMINFO_VARS] = {0};
	socklen_t n = sizeof(info);

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &n) < 0)
		return 0;
	return info[SK_MEMINFO_WMEM_QUEUED];
}

static bool stopped(const struct viewer *v)
{
	return v && v->blocked && v->idle_sweeps;
}

/* Ends the longest stopped viewers until `bytes`, what all of them hold, is no longer too much. */
static void end_stopped(struct worker *w, size_t bytes)
{
	struct candidate *list = malloc(w->record_count * sizeof(*list));
	size_t count = 0, ended = 0;

	for (uint32_t i = 0; list && i < w->record_count; i++) {
		const struct viewer *v = w->viewers[i];

		if (stopped(v))
			list[count++] = (struct candidate){.conn = v->conn,
							   .bytes = socket_bytes(v->conn->fd),
							   .order = UINT16_MAX - v->idle_sweeps};
	}
	if (count)
		qsort(list, count, sizeof(*list), compare_candidates);
	while (ended < count && bytes > w->memory.sockets_max / 4 * 3) {
		bytes -= MIN(bytes, list[ended].bytes);
		conn_free(list[ended++].conn);
	}
	free(list);
	page_add(&w->page->viewers_dropped, ended);
	log_warn("viewers that do not read held %zu MiB of the kernel's memory, ended the longest "
		 "stopped viewers=%zu",
		 w->memory.sockets_max >> 20, ended);
}

void memory_shed_viewers(struct worker *w)
{
	size_t bytes = 0;

	for (uint32_t i = 0; i < w->record_count; i++)
		if (stopped(w->viewers[i]))
			bytes += socket_bytes(w->viewers[i]->conn->fd);
	atomic_store_explicit(&w->page->socket_bytes, bytes, memory_order_relaxed);
	if (bytes > w->memory.sockets_max)
		end_stopped(w, bytes);
}
