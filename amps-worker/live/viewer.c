/* viewer.c - see viewer.h; sock_diag(7) for SO_MEMINFO */
#include "amps-worker/live/viewer.h"

#include <assert.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "amps-worker/live/admission.h"
#include "amps-worker/live/tcp_facts.h"
#include "amps-worker/live/units.h"
#include "amps-worker/live/websocket.h"
#include "common/clock.h"
#include "common/log/log.h"
#include "common/text/text.h"

#define PENDING_MIN	RING_UNIT_MAX
#define PENDING_MAX	(16u << 20) /* a fragment of MP4 may have a large picture */
#define ANSWERS_MAX	4096u	    /* pending bytes beside which a client's message is answered */
#define PENDING_KEPT	256u	    /* a larger buffer is freed once it is sent */
#define LEAD_US		1000000u    /* of a source that is not live */
#define IDLE_SWEEPS_MAX (VIEWER_HALF_CLOSED_MS * 1000u / VIEWER_SWEEP_US)

/* How a viewer reaches its client; chosen once, when it starts. */
struct viewer_way {
	/* Adds media that are not the ring's to what is pending.  False without memory. */
	bool (*add_media)(struct viewer *v, const uint8_t *bytes, size_t n);
	/* Sends what is pending, then n bytes of the ring, as far as there is room. */
	enum viewer_verdict (*send)(struct viewer *v, size_t n);
	/* It belongs to its client from now on. */
	void (*attach)(struct viewer *v, struct conn *c);
	/* The first media follow. */
	void (*begin)(struct viewer *v);
	/* v->stream.blocked has changed. */
	void (*block)(struct viewer *v);
	/* Every few seconds: is the client still there? */
	enum viewer_verdict (*check)(struct viewer *v);
	/* What the kernel holds for this client alone; false: nothing is. */
	bool (*holds)(const struct viewer *v, struct conn_holder *ret);
	/* It is freed: says why, if that can be said at once. */
	void (*leave)(struct viewer *v);
	/* These three free it: with this error as its answer; at any other time; inside
	 * viewer_start(), whose caller frees a connection. */
	void (*refuse)(struct viewer *v, int status, const char *text);
	void (*close)(struct viewer *v);
	void (*give_up)(struct viewer *v);
};

/* Appends bytes that go before the ring's.  False without memory. */
static bool pending_add(struct viewer *v, const void *bytes, size_t n)
{
	size_t need = v->pending_len + n;
	uint8_t *grown;

	if (!n)
		return true;
	if (v->pending_at) {
		memmove(v->pending, v->pending + v->pending_at, v->pending_len);
		v->pending_at = 0;
	}
	if (need > v->pending_cap) {
		if (need > PENDING_MAX)
			return false;
		need = MAX(need, PENDING_MIN);
		grown = realloc(v->pending, need);
		if (!grown)
			return false;
		v->pending = grown;
		v->pending_cap = (uint32_t)need;
	}
	memcpy(v->pending + v->pending_len, bytes, n);
	v->pending_len = (uint32_t)(v->pending_len + n);
	return true;
}

static void pending_take(struct viewer *v, size_t n)
{
	assert(n <= v->pending_len);
	v->pending_at = (uint32_t)(v->pending_at + n);
	v->pending_len = (uint32_t)(v->pending_len - n);
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

static bool add_bytes(struct viewer *v, const uint8_t *bytes, size_t n)
{
	return pending_add(v, bytes, n);
}

/* In units of the viewer's protocol. */
static bool add_units(struct viewer *v, const uint8_t *bytes, size_t n)
{
	uint8_t head[PACKER_HEAD_MAX];

	while (n) {
		const struct packer_ops *ops = v->packer->ops;
		size_t payload = MIN(n, ops->payload_max);

		if (!pending_add(v, head, ops->head(v->packer, 0, bytes, payload, head)) ||
		    !pending_add(v, bytes, payload))
			return false;
		ops->took(v->packer, 1, payload);
		bytes += payload;
		n -= payload;
	}
	return true;
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

	if (!v->way->add_media(v, intro.bytes, intro.len))
		return false;
	v->cut = false;
	v->pos = v->piece_end = rap->pos;
	if (v->ring != r)
		follow(v, r);
	return true;
}

/* Counts what was sent: `head` bytes of the answer's head, then media. */
static void account(struct viewer *v, size_t head, size_t media)
{
	uint64_t lag = ring_commit(&v->ring->map) - v->pos;

	if (v->asked_us && media) {
		worker_page_add_zap(v->all->context->page, clock_mono_us() - v->asked_us);
		v->asked_us = 0;
	}
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
	v->way->block(v);
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

static bool has_boxes(const struct viewer *v)
{
	return form_has_boxes(v->output->id.form);
}

/* Learns where the piece ends in which v->pos is now.  0, or -EBADMSG. */
static int find_piece_end(struct viewer *v)
{
	int e = 0;

	if (has_boxes(v) && v->piece_end < v->pos)
		e = ring_piece_end(&v->ring->map, v->piece_end, v->pos, &v->piece_end);
	return e == -EAGAIN ? 0 : e; /* the next bytes will tell */
}

/* Copies the rest of the piece out that is under way.  0; else the stream is broken: -ESTALE (the
 * rest is not there), -EBADMSG or -ENOMEM. */
static int finish_piece(struct viewer *v)
{
	const struct ring *m = &v->ring->map;
	uint64_t from = v->pos, commit = ring_commit(m);

	if (find_piece_end(v) < 0)
		return -EBADMSG;
	if (!has_boxes(v) || v->piece_end == v->pos)
		return 0;
	if (v->piece_end < from || v->piece_end > commit || commit - from > m->data_bytes)
		return -ESTALE;
	if (!v->way->add_media(v, ring_at(m, from), (size_t)(v->piece_end - from)))
		return -ENOMEM;
	v->cut = !v->packer && v->pending_len == v->piece_end - from;
	v->pos = v->piece_end;
	return ring_intact(m, from) ? 0 : -ESTALE;
}

static const char overtaken[] = "overtaken while it was sent to";

/* Counts and logs a viewer that the server ends. */
static enum viewer_verdict drop(struct viewer *v, const char *reason)
{
	v->end = VIEWER_END_SLOW;
	page_add(&v->all->context->page->viewers_dropped, 1);
	log_info("dropped a viewer: %s channel=%u", reason, v->output->id.channel);
	return VIEWER_GONE;
}

/* The bytes that one call is to send from v->pos on. */
struct run {
	const uint8_t *bytes;
	size_t n;
	const struct units *units; /* that these are; NULL: they are the ring's */
};

static struct run plain_run(const struct viewer *v, size_t n)
{
	return (struct run){.bytes = ring_at(&v->ring->map, v->pos), .n = n};
}

/* As advance(), over units, which are a copy. */
static int advance_units(struct viewer *v, const struct units *u, size_t sent)
{
	size_t begun = units_begun(u, sent), media = units_media(u, begun);

	assert(v->pending_len == 0);
	if (!pending_add(v, u->bytes + sent, u->at[begun] - sent))
		return -ENOMEM;
	v->pos += media;
	v->packer->ops->took(v->packer, begun, media);
	return 0;
}

/* Sends pending bytes and the run in one call. */
static enum viewer_verdict send_run(struct viewer *v, const struct run *run)
{
	size_t pending = v->pending_len, ours, head;
	int e = 0;
	ssize_t sent = send_bytes(v, run->bytes, run->n);

	assert(v->head_left <= pending);
	if (sent < 0) {
		if (errno != EAGAIN && errno != ENOBUFS && errno != EINTR)
			return VIEWER_GONE;
		set_blocked(v, true);
		return VIEWER_GOES_ON;
	}
	ours = MIN((size_t)sent, pending);
	head = MIN(ours, v->head_left);
	v->head_left = (uint32_t)(v->head_left - head);
	if (ours)
		pending_take(v, ours);
	if ((size_t)sent > ours)
		e = run->units ? advance_units(v, run->units, (size_t)sent - ours)
			       : advance(v, (size_t)sent - ours);
	if (e == 0)
		e = find_piece_end(v);
	if (e < 0)
		return drop(v, e == -ENOMEM ? "no memory" : overtaken);
	account(v, head, (size_t)sent - head);
	set_blocked(v, (size_t)sent < pending + run->n);
	return VIEWER_GOES_ON;
}

static enum viewer_verdict send_plain(struct viewer *v, size_t n)
{
	struct run run = plain_run(v, n);

	return send_run(v, &run);
}

/* Packs media of the ring, which may be none.  False: the writer has overwritten them meanwhile. */
static bool pack_ring(struct viewer *v, size_t n)
{
	const struct ring *m = &v->ring->map;
	struct units_place place = {v->ring->number, v->pos};

	units_pack(v->all->units, v->packer, place, ring_at(m, v->pos), n);
	return n == 0 || ring_intact(m, v->pos);
}

/* Packed, behind what is pending; in as many calls as that takes. */
static enum viewer_verdict send_packed(struct viewer *v, size_t n)
{
	const struct units *u = v->all->units;
	enum viewer_verdict verdict;

	do {
		uint64_t before = v->pos;

		if (!pack_ring(v, n))
			return drop(v, overtaken);
		verdict = send_run(v, &(struct run){u->bytes, units_bytes(u), u});
		n -= MIN(n, v->pos - before);
	} while (verdict == VIEWER_GOES_ON && n && !v->stream.blocked);
	return verdict;
}

/* As far as the client's credit and the socket's room go. */
static enum viewer_verdict send_datagrams(struct viewer *v, size_t n)
{
	struct datagrams *d = v->packer->datagrams;
	struct units *u = v->all->units;
	size_t credit = datagrams_credit(d, clock_mono_us(), v->ring->bytes_per_second);

	/* whole datagrams, where the credit and not the media decides */
	credit -= credit % v->packer->ops->payload_max;
	while (credit && (v->pending_len || n)) {
		bool ours = v->pending_len > 0;
		size_t bytes, all = MIN(MIN(ours ? v->pending_len : n, credit),
					DATAGRAMS_AT_ONCE * v->packer->ops->payload_max);
		ssize_t sent;

		if (ours)
			units_pack(u, v->packer, (struct units_place){0},
				   v->pending + v->pending_at, all);
		else if (!pack_ring(v, all))
			return drop(v, overtaken);
		sent = datagrams_send(d, u->bytes, u->at, u->count);
		if (sent < 0)
			return VIEWER_GONE;
		bytes = units_media(u, (size_t)sent);
		if (ours)
			pending_take(v, bytes);
		else
			v->pos += bytes;
		n -= ours ? 0 : bytes;
		credit -= bytes;
		v->packer->ops->took(v->packer, (size_t)sent, bytes);
		account(v, 0, bytes);
		if ((size_t)sent < u->count) {
			set_blocked(v, true);
			break;
		}
	}
	return VIEWER_GOES_ON;
}

/* The title of the moment, where one is due. */
static bool add_title(struct viewer *v)
{
	uint8_t block[ICY_BLOCK_MAX];
	size_t n =
		icy_block(&v->icy, context_catalog(v->all->context), context_guide(v->all->context),
			  v->output->id.channel, clock_wall_us(), block);

	return pending_add(v, block, n);
}

/* With titles between the ring's bytes. */
static enum viewer_verdict send_titled(struct viewer *v, size_t n)
{
	enum viewer_verdict verdict;

	do {
		uint64_t before = v->pos;

		verdict = send_plain(v, MIN(n, v->icy.left));
		if (verdict == VIEWER_GONE)
			return verdict;
		n -= MIN(n, v->pos - before);
		v->icy.left -= (uint32_t)(v->pos - before);
		if (v->icy.left == 0 && !add_title(v))
			return drop(v, "no memory");
	} while (n && !v->stream.blocked);
	return verdict;
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
	if (finish_piece(v) < 0)
		return drop(v, "too slow to leave the stream between two fragments");
	/* a mark is still pending: do not add another one behind it */
	if (v->pending_len > v->ring->map.unit_bytes ||
	    ring_find_rap(&newest->map, clock_mono_us(), 0, &rap) < 0)
		return VIEWER_GOES_ON;
	if (!enter_at(v, newest, &rap, true))
		return drop(v, "no memory");
	page_add(&v->all->context->page->viewer_skips, 1);
	atomic_fetch_add_explicit(&v->record->skips, 1, memory_order_relaxed);
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
	return v->way->send(v, n);
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

	if (finish_piece(v) < 0)
		return drop(v, "a fragment is not complete");
	if (next->same_job && commit <= ring_guard(m)) {
		v->pos = v->piece_end = 0;
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
	if (!v->output->gone)
		return VIEWER_GOES_ON;
	v->end = v->output->ended ? VIEWER_END_SOURCE : VIEWER_END_FAILURE;
	return VIEWER_GONE;
}

enum viewer_verdict viewer_blocked(struct viewer *v)
{
	uint64_t lag = ring_commit(&v->ring->map) - v->pos;

	atomic_store_explicit(&v->record->lag, lag, memory_order_relaxed);
	if (lag > ring_guard(&v->ring->map) && drops_slow(v))
		return drop(v, "too slow");
	/* later it would not be there any more */
	if (lag > ring_guard(&v->ring->map) / 2 && finish_piece(v) < 0)
		return drop(v, "too slow to leave the stream between two fragments");
	return VIEWER_GOES_ON;
}

enum viewer_verdict viewer_sweep(struct viewer *v)
{
	uint64_t bytes = atomic_load_explicit(&v->record->bytes, memory_order_relaxed);

	v->idle_sweeps =
		bytes == v->swept_bytes ? (uint16_t)MIN(v->idle_sweeps + 1, UINT16_MAX) : 0;
	v->swept_bytes = bytes;
	return v->way->check(v);
}

bool viewer_stopped(const struct viewer *v, struct conn_holder *ret)
{
	return v->stream.blocked && v->idle_sweeps && v->way->holds(v, ret);
}

static bool on_room(struct stream *s)
{
	return viewer_feed((struct viewer *)s) == VIEWER_GOES_ON;
}

static uint64_t waits_until(const struct stream *s, uint64_t now_us)
{
	return output_start_until(((const struct viewer *)s)->output, now_us);
}

static bool refuse(struct stream *s, int status, const char *text)
{
	struct packer *p = ((struct viewer *)s)->packer;

	return p && p->ops->refuse && p->ops->refuse(p, status, text);
}

static uint64_t sent_bytes(const struct stream *s)
{
	const struct viewer *v = (const struct viewer *)s;

	return atomic_load_explicit(&v->record->bytes, memory_order_relaxed);
}

/* Adds bytes of the protocol and sends what the socket takes.  Those that a client does not read
 * are not collected, except for the last ones. */
static enum viewer_verdict add_words(struct viewer *v, const void *bytes, size_t n, bool last)
{
	if (n && (last || v->pending_len <= ANSWERS_MAX) && !pending_add(v, bytes, n))
		return VIEWER_GONE;
	if (v->pending_len && v->ring && v->stream.begun && !v->stream.blocked)
		return send_plain(v, 0);
	return VIEWER_GOES_ON;
}

enum viewer_verdict viewer_say(struct viewer *v, const void *bytes, size_t n)
{
	assert(v->packer && !v->packer->datagrams);
	return add_words(v, bytes, n, false);
}

/* What the client says: the packer knows its protocol. */
static bool on_received(struct stream *s, const void *bytes, size_t n)
{
	struct viewer *v = (struct viewer *)s;
	struct buf out = BUF_INIT;
	enum viewer_verdict verdict;
	int e;

	if (!v->packer)
		return true;
	e = v->packer->ops->receive(v->packer, bytes, n, &out);
	if (!buf_ok(&out))
		e = -ENOMEM;
	if (e < 0)
		v->end = VIEWER_END_PROTOCOL;
	if (e == -EPROTO)
		page_add(&v->all->context->page->websocket_errors, 1);
	/* what ends here is sent if the socket has room */
	verdict = add_words(v, out.data, out.len, e < 0);
	buf_done(&out);
	return e == 0 && verdict == VIEWER_GOES_ON;
}

static void viewer_free(struct stream *s)
{
	struct viewer *v = (struct viewer *)s;

	assert(v->output && v->record);
	v->way->leave(v);
	if (v->packer)
		v->packer->ops->free(v->packer);
	unlink_viewer(v);
	if (v->ring)
		output_trim(v->output);
	records_give(v->all->records, v->record);
	grant_end(&v->grant);
	output_unuse(v->output);
	free(v->pending);
	free(v);
}

static const struct stream_ops viewer_ops = {.feed = on_room,
					     .waits_until = waits_until,
					     .refuse = refuse,
					     .received = on_received,
					     .bytes = sent_bytes,
					     .free = viewer_free};
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

void viewer_end(struct viewer *v, enum viewer_end why)
{
	v->end = (uint8_t)why;
	viewer_close(v);
}

void viewer_close(struct viewer *v)
{
	v->way->close(v);
}

void viewer_refuse(struct viewer *v, int status, const char *text)
{
	v->way->refuse(v, status, text);
}

/* --- over its connection */

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

static void tcp_attach(struct viewer *v, struct conn *c)
{
	assert(!c->stream);
	set_options(c);
	v->stream.conn = c;
	c->stream = &v->stream;
}

static void tcp_begin(struct viewer *v)
{
	conn_stream_begins(v->stream.conn);
}

static void tcp_block(struct viewer *v)
{
	conn_update_events(v->stream.conn);
}

/* For the operator. */
static void publish_facts(struct viewer_record *r, const struct tcp_facts *f)
{
	atomic_store_explicit(&r->rtt_us, f->rtt_us, memory_order_relaxed);
	atomic_store_explicit(&r->retransmits, f->retransmits, memory_order_relaxed);
	atomic_store_explicit(&r->delivery_bps, f->delivery_bps, memory_order_relaxed);
}

/* A peer is dead that has not answered two probes or retransmissions and has sent nothing for
 * VIEWER_STOPPED_MS.  The kernel of a paused player answers each probe. */
static enum viewer_verdict tcp_check(struct viewer *v)
{
	const struct conn *c = v->stream.conn;
	struct tcp_facts facts = {0};

	if (tcp_facts_read(c->fd, &facts) == 0)
		publish_facts(v->record, &facts);
	if (v->stream.blocked)
		return facts.silent && facts.last_ack_ms >= VIEWER_STOPPED_MS
			       ? drop(v, "its peer no longer answers")
			       : VIEWER_GOES_ON;
	return c->eof && v->idle_sweeps > IDLE_SWEEPS_MAX ? VIEWER_GONE : VIEWER_GOES_ON;
}

static bool tcp_holds(const struct viewer *v, struct conn_holder *ret)
{
	uint32_t info[SK_MEMINFO_VARS] = {0};
	socklen_t n = sizeof(info);

	if (getsockopt(v->stream.conn->fd, SOL_SOCKET, SO_MEMINFO, info, &n) < 0)
		info[SK_MEMINFO_WMEM_QUEUED] = 0;
	*ret = (struct conn_holder){.conn = v->stream.conn,
				    .bytes = info[SK_MEMINFO_WMEM_QUEUED],
				    .order = UINT16_MAX - v->idle_sweeps};
	return true;
}

static void tcp_leave(struct viewer *v)
{
	uint8_t words[PACKER_WORDS_MAX];
	size_t n = v->packer ? v->packer->ops->end(v->packer, v->end, words) : 0;

	if (n && v->stream.begun && !v->pending_len &&
	    send(v->stream.conn->fd, words, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_debug("a viewer has gone without last words: %m");
}

static void tcp_refuse(struct viewer *v, int status, const char *text)
{
	conn_refuse_stream(v->stream.conn, status, text);
}

static void tcp_close(struct viewer *v)
{
	conn_free(v->stream.conn);
}

static void tcp_give_up(struct viewer *v)
{
	(void)v; /* the connection's caller frees both */
}

#define OVER_TCP                                                                                   \
	.attach = tcp_attach, .begin = tcp_begin, .block = tcp_block, .check = tcp_check,          \
	.holds = tcp_holds, .leave = tcp_leave, .refuse = tcp_refuse, .close = tcp_close,          \
	.give_up = tcp_give_up

static const struct viewer_way as_it_is = {.add_media = add_bytes, .send = send_plain, OVER_TCP};
static const struct viewer_way with_titles = {
	.add_media = add_bytes, .send = send_titled, OVER_TCP};
static const struct viewer_way in_units = {.add_media = add_units, .send = send_packed, OVER_TCP};

/* --- in datagrams */

static void on_datagram_room(void *owner)
{
	struct viewer *v = owner;

	set_blocked(v, false);
	if (viewer_feed(v) == VIEWER_GONE)
		viewer_close(v);
}

static void udp_attach(struct viewer *v, struct conn *c)
{
	(void)c;
	v->packer->datagrams->on_room = on_datagram_room;
	v->packer->datagrams->owner = v;
}

/* The packer announces them, and datagrams_send() waits for room. */
static void udp_pass(struct viewer *v)
{
	(void)v;
}

static enum viewer_verdict udp_check(struct viewer *v)
{
	(void)v;
	return VIEWER_GOES_ON;
}

static bool udp_holds(const struct viewer *v, struct conn_holder *ret)
{
	(void)v;
	(void)ret;
	return false; /* the socket is shared */
}

static void udp_leave(struct viewer *v)
{
	datagrams_leave(v->packer->datagrams);
}

static void udp_refuse(struct viewer *v, int status, const char *text)
{
	v->packer->ops->refuse(v->packer, status, text);
	viewer_free(&v->stream);
}

static void udp_close(struct viewer *v)
{
	viewer_free(&v->stream);
}

static const struct viewer_way in_datagrams = {.add_media = add_bytes,
					       .send = send_datagrams,
					       .attach = udp_attach,
					       .begin = udp_pass,
					       .block = udp_pass,
					       .check = udp_check,
					       .holds = udp_holds,
					       .leave = udp_leave,
					       .refuse = udp_refuse,
					       .close = udp_close,
					       .give_up = udp_close};

static const struct viewer_way *way_of(const struct viewer *v)
{
	if (v->packer)
		return v->packer->datagrams ? &in_datagrams : &in_units;
	return v->titles ? &with_titles : &as_it_is;
}

/* --- the start */

static enum viewer_protocol protocol_of(const struct stream_params *p)
{
	if (p->protocol == STREAM_WEBSOCKET)
		return VIEWER_WEBSOCKET;
	if (p->protocol == STREAM_RTSP)
		return VIEWER_RTSP;
	if (p->id.form == OUTPUT_MP4)
		return VIEWER_MP4;
	return p->id.form == OUTPUT_ADTS ? VIEWER_AUDIO : VIEWER_TS;
}

static struct viewer_record *take_record(struct viewer *v, const struct conn *c,
					 const struct http_request *q,
					 const struct stream_params *p)
{
	struct viewer_record rec = {
		.channel = p->id.channel,
		.output = UINT32_MAX,
		.since_wall_us = clock_wall_us(),
		/* behind a proxy the port is the proxy's */
		.port = IN6_ARE_ADDR_EQUAL(&c->peer, &p->client) ? c->port : 0,
		.protocol = protocol_of(p),
		.located = p->located,
		.token = p->token,
		.until_wall_us = p->until_wall_us,
	};

	memcpy(rec.address, &p->client, sizeof(rec.address));
	text_copy(rec.variant, sizeof(rec.variant), p->id.variant);
	text_copy(rec.track, sizeof(rec.track), p->id.track);
	text_copy(rec.region, sizeof(rec.region), p->region);
	records_set_agent(&rec, http_field(q, "User-Agent").at, http_field(q, "User-Agent").len);
	return records_take(v->all->records,
			    (struct record_owner){.viewer = v, .uncounted = p->counted}, &rec);
}

/* Waits for a ring; its record is still to be taken, and its client. */
static struct viewer *viewer_new(struct viewers *all, const struct stream_params *p,
				 const struct buf *head, struct packer *packer)
{
	struct viewer *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->stream = (struct stream){.ops = &viewer_ops, .status = stream_status(p)};
	v->all = all;
	v->asked_us = clock_mono_us();
	v->options = p->options;
	v->titles = p->titles;
	v->icy.left = ICY_INTERVAL;
	v->packer = p->protocol == STREAM_WEBSOCKET ? websocket_new() : packer;
	if ((v->packer || p->protocol == STREAM_HTTP) && pending_add(v, head->data, head->len)) {
		v->head_left = v->pending_len;
		v->output = output_reserve(all->outputs, p);
	}
	if (!v->output) {
		if (v->packer && v->packer != packer)
			v->packer->ops->free(v->packer);
		free(v->pending);
		free(v);
		return NULL;
	}
	v->way = way_of(v);
	if (v->packer) {
		v->packer->viewer = v;
		v->stream.mutual = v->packer->ops->mutual;
	}
	TAILQ_INSERT_TAIL(&v->output->waiting, v, link);
	return v;
}

/* The first media can be sent. */
static void begin(struct viewer *v)
{
	v->way->begin(v);
	v->stream.begun = true;
	if (v->packer && v->packer->ops->begun)
		v->packer->ops->begun(v->packer);
}

/* Starts one that waits, if the ring has a random access point; else it waits on. */
static enum viewer_verdict viewer_try_begin(struct viewer *v, struct stream_ring *r)
{
	uint64_t age = v->options.join_ms * 1000ull;
	struct ring_rap rap;

	if (v->grant.state == GRANT_ASKED)
		return VIEWER_GOES_ON;
	if (!v->output->live)
		age = MAX(age, LEAD_US);
	if (ring_find_rap(&r->map, clock_mono_us(), age, &rap) < 0)
		return VIEWER_GOES_ON;
	if (!enter_at(v, r, &rap, false))
		return drop(v, "no memory");
	begin(v);
	return viewer_feed(v);
}

/* The master has counted it, or its token has as many viewers as it may. */
static void on_grant(void *owner, bool given)
{
	struct viewer *v = owner;
	const struct held_error *why;
	struct stream_ring *r;

	assert(!v->ring);
	if (!given) {
		why = admission_refused_grant(
			v->all->context,
			atomic_load_explicit(&v->record->token, memory_order_relaxed));
		viewer_refuse(v, why->status, why->text);
		return;
	}
	records_count_token(v->all->records, v->record);
	output_begin(v->output);
	r = output_ring(v->output);
	if (r && viewer_try_begin(v, r) == VIEWER_GONE)
		viewer_close(v);
}

int viewer_start(struct viewers *all, struct conn *c, const struct http_request *q,
		 const struct stream_params *p, const struct buf *head, struct packer *packer)
{
	struct viewer *v;
	struct stream_ring *r;

	if (!viewers_have_room(all))
		return -EUSERS;
	v = viewer_new(all, p, head, packer);
	if (!v)
		return -ENOMEM;
	v->record = take_record(v, c, q, p);
	v->way->attach(v, c);
	if (p->counted)
		grant_ask(&v->grant, all->grants,
			  atomic_load_explicit(&v->record->serial, memory_order_relaxed), p->token,
			  on_grant, v);
	else
		output_begin(v->output);
	r = output_ring(v->output);
	if (r && viewer_try_begin(v, r) == VIEWER_GONE) {
		v->way->give_up(v);
		return -EPIPE;
	}
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
			viewer_close(v);
	}
	output_unuse(o);
}
