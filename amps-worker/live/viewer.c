#include "amps-worker/live/viewer.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "common/clock.h"
#include "common/log/log.h"
#include "common/text/text.h"

#define PENDING_MIN	RING_UNIT_MAX
#define PENDING_KEPT	256u	 /* a larger buffer is freed once it is sent */
#define LEAD_US		1000000u /* of a source that is not live */
#define IDLE_SWEEPS_MAX (VIEWER_HALF_CLOSED_MS * 1000u / VIEWER_SWEEP_US)

/* Appends bytes that go before the ring's.  False without memory. */
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
		need = MAX(need, PENDING_MIN);
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
	assert(n <= v->pending_len);
	v->pending_at = (uint16_t)(v->pending_at + n);
	v->pending_len = (uint16_t)(v->pending_len - n);
	if (v->pending_len)
		return;
	v->cut = false;
	v->pending_at = 0;
	if (v->pending_cap > PENDING_KEPT) {
		free(v->pending);
		v->pending = NULL;
		v->pending_cap = 0;
	}
}

/* Removes it from its ring's list, or from the list of viewers that wait. */
static void unlink_viewer(struct viewer *v)
{
	if (v->ring) {
		schedule_viewer_leaves(v->all->schedule, v, TAILQ_NEXT(v, link));
		TAILQ_REMOVE(&v->ring->viewers, v, link);
	} else {
		TAILQ_REMOVE(&v->output->waiting, v, link);
	}
}

static void follow(struct viewer *v, struct stream_ring *r)
{
	bool first = TAILQ_EMPTY(&r->viewers);

	assert(v->ring != r && r->output == v->output);
	unlink_viewer(v);
	v->ring = r;
	records_set_output(v->all->records, v->record, v->output->slot);
	TAILQ_INSERT_TAIL(&r->viewers, v, link);
	if (first)
		schedule_wake(v->all->schedule, r);
	output_trim(v->output);
}

/* Publishes where it stands, after its socket has taken `accepted` more bytes. */
static void publish_place(struct viewer *v, size_t accepted)
{
	uint64_t before = atomic_load_explicit(&v->record->accepted, memory_order_relaxed);
	struct viewer_place to;

	to.generation = v->ring ? v->ring->generation : 0;
	to.pos = v->pos;
	to.accepted = before + accepted;
	to.rest = v->cut ? v->pending_len : 0;
	to.front_len = v->cut ? 0 : v->pending_len;
	if (to.front_len)
		memcpy(to.front, v->pending + v->pending_at, MIN(to.front_len, VIEWER_FRONT_MAX));
	records_move(v->all->records, v->record, &to);
}

/* Enters ring r at this point.  False without memory. */
static bool enter_at(struct viewer *v, struct stream_ring *r, const struct ring_rap *rap,
		     bool marked)
{
	struct ring_intro intro = ring_intro(rap, marked);

	if (!pending_add(v, intro.bytes, intro.len))
		return false;
	v->cut = false;
	v->pos = rap->pos;
	if (v->ring != r)
		follow(v, r);
	return true;
}

/* Counts what was sent: `head` bytes of the answer's head, then media. */
static void account(struct viewer *v, size_t head, size_t media)
{
	uint64_t lag = ring_commit(&v->ring->map) - v->pos;

	page_add(&v->all->context->page->bytes_sent, media);
	page_add(&v->record->bytes, media);
	atomic_store_explicit(&v->record->lag, lag, memory_order_relaxed);
	publish_place(v, head + media);
}

static ssize_t send_bytes(const struct viewer *v, const uint8_t *run, size_t n)
{
	struct iovec iov[2] = {{v->pending + v->pending_at, v->pending_len},
			       {(void *)(uintptr_t)run, n}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = n ? 2 : 1};

	if (!v->pending_len)
		return send(v->stream.conn->fd, run, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	return sendmsg(v->stream.conn->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void set_blocked(struct viewer *v, bool blocked)
{
	if (v->stream.blocked == blocked)
		return;
	v->stream.blocked = blocked;
	conn_update_events(v->stream.conn);
}

/* Moves v->pos past `sent` bytes of the ring.  If the last unit was cut, copies the rest of it out;
 * only then checks that the writer had not overwritten any of these bytes.  0, or -ESTALE (it had)
 * or -ENOMEM: the stream is then broken. */
static int advance(struct viewer *v, size_t sent)
{
	const struct ring *m = &v->ring->map;
	size_t cut = sent % m->unit_bytes, rest = cut ? m->unit_bytes - cut : 0;
	uint64_t from = v->pos;

	assert(v->pending_len == 0);
	if (rest && !pending_add(v, ring_at(m, from + sent), rest))
		return -ENOMEM;
	v->cut = rest > 0;
	v->pos += sent + rest;
	return ring_intact(m, from) ? 0 : -ESTALE;
}

/* Counts and logs a viewer that the server ends. */
static enum viewer_verdict drop(const struct viewer *v, const char *reason)
{
	page_add(&v->all->context->page->viewers_dropped, 1);
	log_info("dropped a viewer: %s channel=%u", reason, v->output->id.channel);
	return VIEWER_GONE;
}

/* Sends pending bytes and up to n of the ring in one call. */
static enum viewer_verdict send_run(struct viewer *v, size_t n)
{
	size_t pending = v->pending_len, ours, head;
	int e;
	ssize_t sent = send_bytes(v, ring_at(&v->ring->map, v->pos), n);

	assert(v->head_left <= pending);
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
	account(v, head, (size_t)sent - head);
	set_blocked(v, (size_t)sent < pending + n);
	return VIEWER_GOES_ON;
}

static bool drops_slow(const struct viewer *v)
{
	return catalog_settings(context_catalog(v->all->context))->flags & SETTING_SLOW_DROP;
}

/* Moves a viewer that is too far behind to the newest access point of the newest ring.  Without one
 * it stays where it is and tries again; meanwhile only pending bytes are sent. */
static enum viewer_verdict catch_up(struct viewer *v)
{
	struct stream_ring *newest = output_ring(v->output);
	struct ring_rap rap;

	if (drops_slow(v))
		return drop(v, "too slow");
	/* a mark is still pending: do not add another one behind it */
	if (v->pending_len > v->ring->map.unit_bytes ||
	    ring_find_rap(&newest->map, clock_mono_us(), 0, &rap) < 0)
		return VIEWER_GOES_ON;
	if (!enter_at(v, newest, &rap, true))
		return drop(v, "no memory");
	page_add(&v->all->context->page->viewer_skips, 1);
	return VIEWER_GOES_ON;
}

/* Bytes to send from v->pos on; SIZE_MAX if it is further behind than the guard. */
static size_t ready_bytes(const struct viewer *v)
{
	uint64_t ready = ring_commit(&v->ring->map) - v->pos;

	if (ready > ring_guard(&v->ring->map))
		return SIZE_MAX;
	return (size_t)(ready - ready % v->ring->map.unit_bytes);
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

/* From a drained ring to the next one: to its oldest access point, or to its newest one if that is
 * far behind.  After a job that moved to a larger ring, to its first byte without a mark. */
static enum viewer_verdict move_on(struct viewer *v, struct stream_ring *next)
{
	const struct ring *m = &next->map;
	uint64_t commit = ring_commit(m);
	struct ring_rap rap;
	int e;

	if (next->same_job && commit <= ring_guard(m)) {
		v->pos = 0;
		follow(v, next);
		publish_place(v, 0);
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

	assert(v->ring);
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
	if (lag <= ring_guard(&v->ring->map) || !drops_slow(v))
		return VIEWER_GOES_ON;
	return drop(v, "too slow");
}

/* True if the peer has not answered two probes or retransmissions and has sent nothing for
 * VIEWER_STOPPED_MS.  The kernel of a paused player answers each probe. */
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
	if (v->stream.blocked) {
		if (!peer_is_dead(v->stream.conn->fd))
			return VIEWER_GOES_ON;
		return drop(v, "its peer no longer answers");
	}
	return v->stream.conn->eof && v->idle_sweeps > IDLE_SWEEPS_MAX ? VIEWER_GONE
								       : VIEWER_GOES_ON;
}

static bool on_room(struct stream *s)
{
	return viewer_feed((struct viewer *)s) == VIEWER_GOES_ON;
}

static uint64_t waits_until(const struct stream *s, uint64_t now_us)
{
	return output_start_until(((const struct viewer *)s)->output, now_us);
}

static uint64_t sent_bytes(const struct stream *s)
{
	const struct viewer *v = (const struct viewer *)s;

	return atomic_load_explicit(&v->record->bytes, memory_order_relaxed);
}

static void viewer_free(struct stream *s)
{
	struct viewer *v = (struct viewer *)s;

	if (v->output)
		unlink_viewer(v);
	if (v->ring)
		output_trim(v->output);
	if (v->record)
		records_give(v->all->records, v->record);
	if (v->output)
		output_unuse(v->output);
	free(v->pending);
	free(v);
}

static const struct stream_ops viewer_ops = {on_room, waits_until, sent_bytes, viewer_free};
static_assert(offsetof(struct viewer, stream) == 0, "a stream is cast to its viewer");

/* Viewers of the whole server, by the pages known here. */
static uint64_t viewers_everywhere(const struct context *x)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < x->page_count; i++) {
		const struct worker_page *page = x->pages[i];

		if (page)
			n += atomic_load_explicit(&page->viewers_open, memory_order_relaxed);
	}
	return n;
}

bool viewers_have_room(const struct viewers *all)
{
	uint32_t max = catalog_settings(context_catalog(all->context))->max_viewers;

	return (max == 0 || viewers_everywhere(all->context) < max) && records_left(all->records);
}

static void set_options(struct conn *c)
{
	int one = 1, idle = 30, every = 15, count = 4;

	/* a large answer on this connection may have made it small */
	conn_set_send_buffer(c, CONNECTION_SNDBUF);
	setsockopt(c->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	setsockopt(c->fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(c->fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every));
	setsockopt(c->fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

static struct viewer_record *take_record(struct viewer *v, const struct http_request *q,
					 const struct stream_params *p)
{
	const struct conn *c = v->stream.conn;
	struct viewer_record rec = {
		.channel = p->id.channel,
		.output = UINT32_MAX,
		.since_wall_us = clock_wall_us(),
		.port = c->port,
		.protocol = p->id.form == OUTPUT_ADTS ? VIEWER_AUDIO : VIEWER_TS,
		.token = p->token,
	};

	memcpy(rec.address, &c->peer, sizeof(rec.address));
	text_copy(rec.variant, sizeof(rec.variant), p->id.variant);
	text_copy(rec.track, sizeof(rec.track), p->id.track);
	records_set_agent(&rec, http_field(q, "User-Agent").at, http_field(q, "User-Agent").len);
	return records_take(v->all->records, (struct record_owner){.viewer = v}, &rec);
}

/* Waits for a ring; its record is still to be taken. */
static struct viewer *viewer_new(struct viewers *all, struct conn *c, const struct stream_params *p,
				 const struct buf *head)
{
	struct viewer *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->stream = (struct stream){.ops = &viewer_ops, .conn = c};
	v->all = all;
	v->options = p->options;
	if (pending_add(v, head->data, head->len)) {
		v->head_left = v->pending_len;
		v->output = output_use(all->outputs, p);
	}
	if (!v->output) {
		viewer_free(&v->stream);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&v->output->waiting, v, link);
	return v;
}

/* Starts one that waits, if the ring has a random access point; else it waits on. */
static enum viewer_verdict viewer_try_begin(struct viewer *v, struct stream_ring *r)
{
	uint64_t age = v->options.join_ms * 1000ull;
	struct ring_rap rap;

	if (!v->output->live)
		age = MAX(age, LEAD_US);
	if (ring_find_rap(&r->map, clock_mono_us(), age, &rap) < 0)
		return VIEWER_GOES_ON;
	if (!enter_at(v, r, &rap, false))
		return drop(v, "no memory");
	conn_stream_begins(v->stream.conn);
	return viewer_feed(v);
}

int viewer_start(struct viewers *all, struct conn *c, const struct http_request *q,
		 const struct stream_params *p, const struct buf *head)
{
	struct viewer *v;
	struct stream_ring *r;

	if (!viewers_have_room(all))
		return -EUSERS;
	v = viewer_new(all, c, p, head);
	if (!v)
		return -ENOMEM;
	assert(!c->stream);
	v->record = take_record(v, q, p);
	set_options(c);
	c->stream = &v->stream;
	r = output_ring(v->output);
	if (r && viewer_try_begin(v, r) == VIEWER_GONE)
		return -EPIPE;
	if (!v->ring)
		publish_place(v, 0);
	return 0;
}

void viewer_begin_waiting(struct output *o)
{
	struct stream_ring *r = output_ring(o);
	struct viewer *v, *next;

	if (!r || TAILQ_EMPTY(&o->waiting))
		return;
	o->users++; /* keeps it while its last viewer may go */
	for (v = TAILQ_FIRST(&o->waiting); v; v = next) {
		next = TAILQ_NEXT(v, link);
		if (viewer_try_begin(v, r) == VIEWER_GONE)
			conn_free(v->stream.conn);
	}
	output_unuse(o);
}
