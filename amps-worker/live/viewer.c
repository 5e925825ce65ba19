/* viewer.c - see viewer.h */
#include "amps-worker/live/viewer.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "amps-worker/http/conn.h"
#include "amps-worker/live/viewer_record.h"
#include "amps-worker/worker.h"
#include "common/log/log.h"

#define PENDING_KEPT	256u	 /* a larger buffer is freed once it is sent */
#define LEAD_US		1000000u /* of a source that is not live */
#define IDLE_SWEEPS_MAX (VIEWER_HALF_CLOSED_MS * 1000u / VIEWER_SWEEP_US)

/* Appends to what goes out first.  False without memory. */
static bool pending_add(struct viewer *v, const void *bytes, size_t n)
{
	size_t need = v->pending_len + n;
	uint8_t *grown;

	if (v->pending_at) {
		memmove(v->pending, v->pending + v->pending_at, v->pending_len);
		v->pending_at = 0;
	}
	if (need > v->pending_cap) {
		if (need > UINT16_MAX)
			return false;
		need = MAX(need, TS_PACKET);
		grown = realloc(v->pending, need);
		if (!grown)
			return false;
		v->pending = grown;
		v->pending_cap = (uint16_t)need;
	}
	memcpy(v->pending + v->pending_len, bytes, n);
	v->pending_len = (uint16_t)(v->pending_len + n);
	return true;
}

static void pending_take(struct viewer *v, size_t n)
{
	v->pending_at = (uint16_t)(v->pending_at + n);
	v->pending_len = (uint16_t)(v->pending_len - n);
	if (v->pending_len)
		return;
	v->pending_at = 0;
	if (v->pending_cap > PENDING_KEPT) {
		free(v->pending);
		v->pending = NULL;
		v->pending_cap = 0;
	}
}

static void follow(struct viewer *v, struct stream_ring *r)
{
	struct worker *w = v->conn->worker;

	if (v->ring) {
		feed_viewer_leaves(w, v);
		TAILQ_REMOVE(&v->ring->viewers, v, link);
	} else {
		TAILQ_REMOVE(&v->output->waiting, v, link);
	}
	v->ring = r;
	viewer_record_set_output(v, v->output->slot);
	TAILQ_INSERT_TAIL(&r->viewers, v, link);
	feed_viewer_comes(w, r);
	output_trim(v->output);
}

/* Enters ring r at this point.  False without memory. */
static bool enter_at(struct viewer *v, struct stream_ring *r, const struct ring_rap *rap,
		     bool marked)
{
	uint8_t intro[RING_INTRO_MAX];
	size_t n = ring_intro(rap, marked, intro);

	if (!pending_add(v, intro, n))
		return false;
	v->pos = rap->pos;
	if (v->ring != r)
		follow(v, r);
	return true;
}

/* Counts what went out: first the pending bytes, then the ring's. */
static void account(struct viewer *v, size_t media)
{
	uint64_t lag = ring_commit(&v->ring->map) - v->pos;

	page_add(&v->conn->worker->page->bytes_sent, media);
	page_add(&v->record->bytes, media);
	atomic_store_explicit(&v->record->pos, v->pos, memory_order_relaxed);
	atomic_store_explicit(&v->record->lag, lag, memory_order_relaxed);
}

static ssize_t send_bytes(const struct viewer *v, const uint8_t *run, size_t n)
{
	struct iovec iov[2] = {{v->pending + v->pending_at, v->pending_len},
			       {(void *)(uintptr_t)run, n}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = n ? 2 : 1};

	if (!v->pending_len)
		return send(v->conn->fd, run, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	return sendmsg(v->conn->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void set_blocked(struct viewer *v, bool blocked)
{
	if (v->blocked == blocked)
		return;
	v->blocked = blocked;
	conn_update_events(v->conn);
}

/* `sent` bytes of the ring left from v->pos on.  The rest of a packet cut in two is copied out at
 * once; only then is asked whether all that was still what the writer had published.  0, -ESTALE
 * (it was not) or -ENOMEM: then the stream cannot be mended. */
static int advance(struct viewer *v, size_t sent)
{
	const struct ring *m = &v->ring->map;
	size_t cut = sent % TS_PACKET;
	uint64_t from = v->pos;

	if (cut && !pending_add(v, ring_at(m, from + sent), TS_PACKET - cut))
		return -ENOMEM;
	v->pos += sent + (cut ? TS_PACKET - cut : 0);
	return ring_intact(m, from) ? 0 : -ESTALE;
}

/* Counts and reports a viewer that is closed by us. */
static enum viewer_verdict drop(const struct viewer *v, const char *reason)
{
	page_add(&v->conn->worker->page->viewers_dropped, 1);
	log_info("dropped a viewer: %s channel=%u", reason, v->output->channel);
	return VIEWER_GONE;
}

/* Sends pending bytes and up to n of the ring in one call. */
static enum viewer_verdict send_run(struct viewer *v, size_t n)
{
	size_t pending = v->pending_len, ours, head;
	int e;
	ssize_t sent = send_bytes(v, ring_at(&v->ring->map, v->pos), n);

	if (sent < 0) {
		if (errno != EAGAIN && errno != ENOBUFS && errno != EINTR)
			return VIEWER_GONE;
		set_blocked(v, true);
		return VIEWER_GOES_ON;
	}
	ours = MIN((size_t)sent, pending);
	head = MIN(ours, v->head_left);
	v->head_left = (uint16_t)(v->head_left - head);
	if (ours)
		pending_take(v, ours);
	if ((size_t)sent > ours) {
		e = advance(v, (size_t)sent - ours);
		if (e < 0)
			return drop(v,
				    e == -ENOMEM ? "no memory" : "overtaken while it was sent to");
	}
	account(v, (size_t)sent - head);
	set_blocked(v, (size_t)sent < pending + n);
	return VIEWER_GOES_ON;
}

static bool drops_slow(const struct worker *w)
{
	return w->catalog && (catalog_settings(w->catalog)->flags & SETTING_SLOW_DROP);
}

/* Too far behind: to the newest access point of the newest ring.  Without one it stays where it
 * is and tries again; what is pending goes out meanwhile. */
static enum viewer_verdict catch_up(struct viewer *v)
{
	struct worker *w = v->conn->worker;
	struct stream_ring *newest = output_ring(v->output);
	struct ring_rap rap;

	if (drops_slow(w))
		return drop(v, "too slow");
	/* a mark that has not gone out yet: another one would only pile up behind it */
	if (v->pending_len > TS_PACKET || ring_find_rap(&newest->map, clock_mono_us(), 0, &rap) < 0)
		return VIEWER_GOES_ON;
	if (!enter_at(v, newest, &rap, true))
		return drop(v, "no memory");
	page_add(&w->page->viewer_skips, 1);
	return VIEWER_GOES_ON;
}

/* Bytes to send from v->pos on; SIZE_MAX when it is beyond the guard. */
static size_t ready_bytes(const struct viewer *v)
{
	uint64_t ready = ring_commit(&v->ring->map) - v->pos;

	if (ready > ring_guard(&v->ring->map))
		return SIZE_MAX;
	return (size_t)(ready - ready % TS_PACKET);
}

static enum viewer_verdict send_ready(struct viewer *v)
{
	size_t n = ready_bytes(v);

	if (n == SIZE_MAX) {
		if (catch_up(v) == VIEWER_GONE)
			return VIEWER_GONE;
		n = ready_bytes(v);
		if (n == SIZE_MAX)
			n = 0;
	}
	if (n == 0 && v->pending_len == 0) {
		set_blocked(v, false);
		return VIEWER_GOES_ON;
	}
	return send_run(v, n);
}

static bool drained(const struct viewer *v)
{
	return v->pending_len == 0 && ready_bytes(v) == 0;
}

/* From a drained ring into the next one: where that begins, or at its newest point when we are
 * late. A job that moved goes on at the new ring's first byte without a seam. */
static enum viewer_verdict move_on(struct viewer *v, struct stream_ring *next)
{
	const struct ring *m = &next->map;
	uint64_t commit = ring_commit(m);
	struct ring_rap rap;
	int e;

	if (next->same_job && commit <= ring_guard(m)) {
		v->pos = 0;
		follow(v, next);
		return send_ready(v);
	}
	e = commit <= ring_guard(m) / 2 ? ring_oldest_rap(m, 0, &rap)
					: ring_find_rap(m, clock_mono_us(), 0, &rap);
	if (e < 0)
		return VIEWER_GOES_ON;
	if (!enter_at(v, next, &rap, true))
		return drop(v, "no memory");
	return send_ready(v);
}

enum viewer_verdict viewer_feed(struct viewer *v)
{
	struct stream_ring *next;

	if (send_ready(v) == VIEWER_GONE)
		return VIEWER_GONE;
	if (!drained(v))
		return VIEWER_GOES_ON;
	next = TAILQ_NEXT(v->ring, in_output);
	if (next)
		return move_on(v, next);
	return v->output->gone ? VIEWER_GONE : VIEWER_GOES_ON;
}

enum viewer_verdict viewer_blocked(struct viewer *v)
{
	uint64_t lag = ring_commit(&v->ring->map) - v->pos;

	atomic_store_explicit(&v->record->lag, lag, memory_order_relaxed);
	if (lag <= ring_guard(&v->ring->map) || !drops_slow(v->conn->worker))
		return VIEWER_GOES_ON;
	return drop(v, "too slow");
}

/* Says the kernel that this peer has left two probes or retransmissions unanswered and nothing has
 * come from it for long?  A paused player's kernel answers each probe, so it never looks like it.
 */
static bool peer_is_dead(int fd)
{
	struct tcp_info info = {0};
	socklen_t n = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) < 0)
		return false;
	return info.tcpi_last_ack_recv >= VIEWER_STOPPED_MS &&
	       (info.tcpi_probes >= 2 || info.tcpi_retransmits >= 2);
}

enum viewer_verdict viewer_sweep(struct viewer *v)
{
	uint64_t bytes = atomic_load_explicit(&v->record->bytes, memory_order_relaxed);

	v->idle_sweeps =
		bytes == v->swept_bytes ? (uint16_t)MIN(v->idle_sweeps + 1, UINT16_MAX) : 0;
	v->swept_bytes = bytes;
	if (v->blocked) {
		if (!peer_is_dead(v->conn->fd))
			return VIEWER_GOES_ON;
		return drop(v, "its peer no longer answers");
	}
	return v->half_closed && v->idle_sweeps > IDLE_SWEEPS_MAX ? VIEWER_GONE : VIEWER_GOES_ON;
}

static void set_options(const struct conn *c)
{
	int fd = c->fd;
	int one = 1, idle = 30, every = 15, count = 4;
	int bytes = memory_sndbuf(c->worker, CONNECTION_SNDBUF);

	/* a large answer on this connection may have made it small */
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

static struct viewer *viewer_new(struct conn *c, const struct stream_wish *wish,
				 const struct buf *head)
{
	struct viewer *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->conn = c;
	v->join_ms = wish->join_ms;
	if (!pending_add(v, head->data, head->len)) {
		free(v);
		return NULL;
	}
	v->head_left = v->pending_len;
	v->output = output_use(c->worker, wish);
	if (!v->output)
		return viewer_free(v);
	TAILQ_INSERT_TAIL(&v->output->waiting, v, link);
	return v;
}

int viewer_start(struct conn *c, const struct http_request *q, const struct stream_wish *wish,
		 const struct buf *head)
{
	struct worker *w = c->worker;
	uint32_t max = w->catalog ? catalog_settings(w->catalog)->max_viewers : 0;
	struct viewer *v;
	struct stream_ring *r;

	if ((max && worker_viewers_everywhere(w) >= max) || !viewer_record_free(w))
		return -EUSERS;
	v = viewer_new(c, wish, head);
	if (!v)
		return -ENOMEM;
	viewer_record_take(v, q, wish);
	set_options(c);
	c->viewer = v;
	r = output_ring(v->output);
	if (r && viewer_try_begin(v, r) == VIEWER_GONE)
		return -EPIPE;
	return 0;
}

struct viewer *viewer_free(struct viewer *v)
{
	if (!v)
		return NULL;
	if (v->ring) {
		feed_viewer_leaves(v->conn->worker, v);
		TAILQ_REMOVE(&v->ring->viewers, v, link);
		output_trim(v->output);
	} else if (v->output) {
		TAILQ_REMOVE(&v->output->waiting, v, link);
	}
	if (v->record)
		viewer_record_give(v);
	if (v->output)
		output_unuse(v->output);
	free(v->pending);
	free(v);
	return NULL;
}

enum viewer_verdict viewer_try_begin(struct viewer *v, struct stream_ring *r)
{
	uint64_t age = v->join_ms * 1000ull;
	struct ring_rap rap;

	if (!v->output->live)
		age = MAX(age, LEAD_US);
	if (ring_find_rap(&r->map, clock_mono_us(), age, &rap) < 0)
		return VIEWER_GOES_ON;
	if (!enter_at(v, r, &rap, false))
		return drop(v, "no memory");
	page_add(&v->conn->worker->page->responses[2], 1);
	v->conn->deadline_us = 0;
	conn_update_events(v->conn);
	return viewer_feed(v);
}
