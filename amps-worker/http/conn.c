/* conn.c - see conn.h */
#include "amps-worker/http/conn.h"

#include <assert.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "amps-worker/http/body_maker.h"
#include "amps-worker/live/viewer.h"
#include "amps-worker/routes.h"
#include "common/log/log.h"

#define RECEIVE_BYTES 4096u

/* An answer under way; the body's bytes live in its reply. */
struct answer {
	struct reply reply;
	struct buf head;
	struct span body;
	struct body_waiter made; /* while its body is being made */
	size_t sent;
	uint64_t begun_us; /* when the first byte could be sent */
	bool close;	   /* the connection ends behind it */
};

/* What a step of the machine asks for. */
enum step { STEP_AGAIN, STEP_WAIT, STEP_CLOSE };

static void on_event(evutil_socket_t fd, short what, void *arg);
static void conn_run(struct conn *c);

static uint64_t now_plus_ms(uint64_t ms)
{
	return clock_mono_us() + ms * 1000;
}

static struct answer *answer_free(struct answer *a)
{
	if (!a)
		return NULL;
	body_maker_leave(&a->made);
	reply_done(&a->reply);
	buf_done(&a->head);
	free(a);
	return NULL;
}

static struct answer *answer_new(void)
{
	struct answer *a = calloc(1, sizeof(*a));

	if (a)
		reply_init(&a->reply);
	return a;
}

static void conn_set_state(struct conn *c, enum conn_state state)
{
	static const uint8_t legal[CONN_STATE_COUNT_] = {
		[CONN_READ] = 1u << CONN_READ | 1u << CONN_MAKE | 1u << CONN_SEND |
			      1u << CONN_STREAM | 1u << CONN_CLOSED,
		[CONN_MAKE] = 1u << CONN_SEND | 1u << CONN_CLOSED,
		[CONN_SEND] = 1u << CONN_READ | 1u << CONN_LINGER | 1u << CONN_CLOSED,
		[CONN_STREAM] = 1u << CONN_SEND | 1u << CONN_CLOSED,
		[CONN_LINGER] = 1u << CONN_CLOSED,
	};

	assert(legal[c->state] & 1u << state);
	c->state = (uint8_t)state;
	switch (state) {
	case CONN_READ:
		c->begun = c->in.len > 0;
		c->deadline_us = now_plus_ms(c->begun ? HTTP_HEAD_DEADLINE_MS : HTTP_IDLE_MS);
		break;
	case CONN_MAKE:
		c->deadline_us = now_plus_ms(HTTP_MAKE_MS);
		break;
	case CONN_SEND:
		c->answer->begun_us = clock_mono_us();
		c->deadline_us =
			now_plus_ms(HTTP_SEND_MS + c->answer->body.len * 1000 / HTTP_SEND_RATE);
		break;
	case CONN_LINGER:
		buf_done(&c->in);
		c->linger_left = HTTP_LINGER_BYTES;
		c->deadline_us = now_plus_ms(HTTP_LINGER_MS);
		break;
	default:
		break;
	}
}

static short wanted_events(const struct conn *c)
{
	switch (c->state) {
	case CONN_READ:
		/* requests wait in the buffer: any turn of the loop will do */
		return c->yields ? EV_READ | EV_WRITE : EV_READ;
	case CONN_SEND:
		return EV_WRITE;
	case CONN_STREAM:
		return (short)((c->eof ? 0 : EV_READ) | (c->viewer->blocked ? EV_WRITE : 0));
	case CONN_LINGER:
		return EV_READ;
	default:
		return 0;
	}
}

void conn_update_events(struct conn *c)
{
	short wanted = wanted_events(c);
	uint64_t now, left;
	struct timeval tv;

	if (wanted != c->armed || c->armed == 0) {
		event_del(&c->event);
		event_assign(&c->event, c->worker->base, c->fd, (short)(wanted | EV_PERSIST),
			     on_event, c);
		event_priority_set(&c->event,
				   c->state == CONN_STREAM ? PRIORITY_NORMAL : PRIORITY_CLIENTS);
		c->armed = wanted;
	}
	if (!c->deadline_us) {
		event_remove_timer(&c->event);
		if (wanted && !event_pending(&c->event, wanted, NULL))
			event_add(&c->event, NULL);
		return;
	}
	/* a persistent event starts its timeout anew with each event: the deadline stays ours */
	now = clock_mono_us();
	left = c->deadline_us > now ? c->deadline_us - now : 1;
	tv = (struct timeval){(time_t)(left / 1000000), (suseconds_t)(left % 1000000)};
	event_add(&c->event, &tv);
}

/* What lies in the socket stays in the processor's cache as long as it is little, which halves the
 * cost of a large answer; and a client that is slow to read holds little of the kernel's memory. */
static void bound_send_buffer(struct conn *c)
{
	int bytes = memory_sndbuf(c->worker, ANSWER_SNDBUF);

	if (c->answer->body.len > ANSWER_SNDBUF)
		setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

/* Renders the reply of c->answer and starts to send it.  `q` is only looked at. */
static enum step begin_answer(struct conn *c, const struct http_request *q)
{
	struct answer *a = c->answer;
	struct worker *w = c->worker;
	unsigned class = (unsigned)a->reply.status / 100;

	/* a stream's head promises the end of the connection, even when only the head was asked for
	 */
	if (w->draining || a->reply.kind == REPLY_STREAM)
		a->reply.close = true;
	a->close = a->reply.close || !q->keep_alive;
	if (reply_render(&a->reply, q, clock_wall_us(), &a->head, &a->body) < 0)
		return STEP_CLOSE;
	access_entry_set_status(c->entry, a->reply.status);
	class = (unsigned)a->reply.status / 100; /* rendering may make it a 304 */
	if (class < array_size(w->page->responses))
		page_add(&w->page->responses[class], 1);
	bound_send_buffer(c);
	conn_set_state(c, CONN_SEND);
	return STEP_AGAIN;
}

/* An error where there is no request to answer, or none that can be trusted; ends the connection.
 */
static enum step begin_error(struct conn *c, int status, const char *text)
{
	static const struct http_request none = {.method = HTTP_GET, .minor = 1};

	c->answer = answer_free(c->answer);
	c->answer = answer_new();
	if (!c->answer)
		return STEP_CLOSE;
	if (c->state == CONN_READ && access_log_on(&c->worker->access_log)) {
		struct facts facts = worker_facts(c->worker, &c->peer);

		c->entry = access_entry_new_bad(c->in.data, c->in.len, &facts);
	}
	reply_error(&c->answer->reply, status, status == 503 || status == 429 ? RETRY_AFTER_S : 0,
		    "%s", text);
	c->answer->reply.close = true;
	c->answer->reply.media = c->state == CONN_STREAM;
	return begin_answer(c, &none);
}

/* The answer is a live stream: the connection becomes a viewer. */
static enum step begin_stream(struct conn *c, const struct http_request *q)
{
	struct answer *a = c->answer;
	struct worker *w = c->worker;
	int r;

	if (reply_render(&a->reply, q, clock_wall_us(), &a->head, &a->body) < 0)
		return STEP_CLOSE;
	c->deadline_us = now_plus_ms(catalog_settings(w->catalog)->start_timeout_ms);
	conn_set_state(c, CONN_STREAM);
	r = viewer_start(c, q, &a->reply.stream, &a->head);
	if (r == -EUSERS)
		return begin_error(c, 503, "the server has all the viewers it may have");
	c->answer = answer_free(c->answer);
	buf_done(&c->in);
	return r < 0 ? STEP_CLOSE : STEP_AGAIN;
}

/* The reply to the request in the buffer is complete. */
static enum step answer_request(struct conn *c, const struct http_request *q)
{
	enum step step = begin_answer(c, q);

	buf_consume(&c->in, q->head_bytes);
	c->scanned = 0;
	return step;
}

static void on_made(void *owner, struct body *body)
{
	struct conn *c = owner;
	struct http_request q;
	const char *reason;
	enum step step;
	int status;

	c->scanned = 0;
	if (!body) {
		step = begin_error(c, 503, "no memory for the answer");
	} else if (http_parse_head(c->in.data, c->in.len, &c->scanned, &q, &status, &reason) !=
		   HTTP_HEAD_COMPLETE) {
		step = STEP_CLOSE; /* cannot be: it was complete when it was dispatched */
	} else {
		c->answer->reply.shared = body_ref(body);
		c->answer->reply.making = NULL;
		step = answer_request(c, &q);
	}
	if (step == STEP_CLOSE)
		conn_free(c);
	else
		conn_run(c);
}

static enum step begin_making(struct conn *c)
{
	struct answer *a = c->answer;

	a->made.ready = on_made;
	a->made.owner = c;
	body_maker_wait(a->reply.making, &a->made);
	conn_set_state(c, CONN_MAKE);
	return STEP_WAIT;
}

static enum step dispatch(struct conn *c, const struct http_request *q)
{
	struct facts facts = worker_facts(c->worker, &c->peer);
	struct reply *reply;

	page_add(&c->worker->page->requests_total, 1);
	c->answer = answer_new();
	if (!c->answer)
		return STEP_CLOSE;
	reply = &c->answer->reply;
	route_dispatch(worker_routes, q, &facts, reply);
	if (access_log_on(&c->worker->access_log))
		c->entry = access_entry_new(q, &facts, reply);
	reply->asker = NULL; /* the snapshot it points into may go before the answer does */
	if (reply->kind == REPLY_STREAM && q->method != HTTP_HEAD)
		return begin_stream(c, q);
	return reply->making ? begin_making(c) : answer_request(c, q);
}

/* One receive.  STEP_AGAIN when there is something new. */
static enum step receive(struct conn *c)
{
	char *at = buf_reserve(&c->in, RECEIVE_BYTES);
	ssize_t n;

	if (!at)
		return STEP_CLOSE;
	n = recv(c->fd, at, RECEIVE_BYTES, MSG_DONTWAIT);
	if (n == 0)
		return STEP_CLOSE;
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			return STEP_CLOSE;
		if (!c->in.len)
			buf_done(&c->in); /* who is silent holds no memory */
		return STEP_WAIT;
	}
	c->in.len += (size_t)n;
	if (!c->begun)
		c->deadline_us = now_plus_ms(HTTP_HEAD_DEADLINE_MS);
	c->begun = true;
	return STEP_AGAIN;
}

static enum step step_read(struct conn *c)
{
	struct http_request q;
	const char *reason = "";
	int status = 400;

	if (c->in.len == 0)
		return receive(c);
	switch (http_parse_head(c->in.data, c->in.len, &c->scanned, &q, &status, &reason)) {
	case HTTP_HEAD_COMPLETE:
		return dispatch(c, &q);
	case HTTP_HEAD_INCOMPLETE:
		return receive(c);
	default:
		page_add(&c->worker->page->requests_total, 1);
		return begin_error(c, status, reason);
	}
}

/* The line of the request that ends here, whole or not. */
static void end_entry(struct conn *c)
{
	const struct viewer *v = c->viewer;
	const struct answer *a = c->answer;
	uint64_t bytes = 0;

	if (!c->entry)
		return;
	if (v && !viewer_waits(v)) {
		access_entry_set_status(c->entry, 200);
		bytes = atomic_load_explicit(&v->record->bytes, memory_order_relaxed);
	} else if (a) {
		bytes = a->sent - MIN(a->sent, a->head.len);
	}
	c->entry = access_log_end(&c->worker->access_log, c->entry, bytes);
}

static enum step answer_sent(struct conn *c)
{
	bool ends = c->answer->close;

	end_entry(c);
	c->answer = answer_free(c->answer);
	if (!ends) {
		conn_set_state(c, CONN_READ);
		return STEP_AGAIN;
	}
	if (c->eof || shutdown(c->fd, SHUT_WR) < 0)
		return STEP_CLOSE;
	conn_set_state(c, CONN_LINGER);
	return STEP_AGAIN;
}

static enum step step_send(struct conn *c)
{
	struct answer *a = c->answer;
	size_t head = MIN(a->sent, a->head.len), body = a->sent - head;
	struct iovec iov[2] = {
		{a->head.data + head, a->head.len - head},
		{(void *)(uintptr_t)(a->body.at + body), a->body.len - body},
	};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = a->body.len ? 2 : 1};
	ssize_t n = sendmsg(c->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == ENOBUFS ? STEP_WAIT : STEP_CLOSE;
	a->sent += (size_t)n;
	c->turn_bytes += (size_t)n;
	return a->sent == a->head.len + a->body.len ? answer_sent(c) : STEP_AGAIN;
}

/* What a client says behind its wish for a stream is not listened to. */
static enum step step_stream(struct conn *c)
{
	char waste[RECEIVE_BYTES];
	ssize_t n = c->eof ? -1 : recv(c->fd, waste, sizeof(waste), MSG_DONTWAIT);

	if (n < 0 && !c->eof && errno != EAGAIN && errno != EINTR)
		return STEP_CLOSE;
	if (n == 0)
		c->eof = c->viewer->half_closed = true;
	if (c->viewer->blocked && viewer_feed(c->viewer) == VIEWER_GONE)
		return STEP_CLOSE;
	return STEP_WAIT;
}

static enum step step_linger(struct conn *c)
{
	char waste[RECEIVE_BYTES];
	ssize_t n = recv(c->fd, waste, sizeof(waste), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return STEP_WAIT;
	if (n <= 0 || (uint64_t)n >= c->linger_left)
		return STEP_CLOSE;
	c->linger_left -= (uint64_t)n;
	return STEP_AGAIN;
}

static enum step conn_step(struct conn *c)
{
	switch (c->state) {
	case CONN_READ:
		return step_read(c);
	case CONN_MAKE:
		return STEP_WAIT;
	case CONN_SEND:
		return step_send(c);
	case CONN_STREAM:
		return step_stream(c);
	case CONN_LINGER:
		return step_linger(c);
	default:
		return STEP_CLOSE;
	}
}

/* Runs the machine until it waits.  May free the connection. */
static void conn_run(struct conn *c)
{
	unsigned answers = 0;
	enum step step;

	c->yields = false;
	c->turn_bytes = 0;
	do {
		uint8_t before = c->state;

		step = conn_step(c);
		answers += before == CONN_SEND && c->state == CONN_READ;
		if (step == STEP_AGAIN &&
		    (answers >= HTTP_PIPELINE_MAX || c->turn_bytes >= HTTP_TURN_BYTES)) {
			c->yields = true;
			step = STEP_WAIT;
		}
	} while (step == STEP_AGAIN);
	if (step == STEP_CLOSE)
		conn_free(c);
	else
		conn_update_events(c);
}

/* The deadline of the state has passed. */
static void conn_timeout(struct conn *c)
{
	enum step step = STEP_CLOSE;

	/* what happened earlier in this turn of the loop, as a stream's beginning, may have moved
	 * it */
	if (!c->deadline_us || clock_mono_us() < c->deadline_us) {
		conn_update_events(c);
		return;
	}
	if (c->state == CONN_READ && c->begun)
		step = begin_error(c, 408, "the request was not complete in time");
	if (c->state == CONN_MAKE)
		step = begin_error(c, 503, "the server is too busy to make the answer");
	if (c->state == CONN_STREAM) {
		conn_refuse_viewer(c, 504, "the channel did not start in time");
		return;
	}
	if (step == STEP_CLOSE)
		conn_free(c);
	else
		conn_run(c);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	struct worker *w = c->worker;

	(void)fd;
	if (!(what & (EV_READ | EV_WRITE)))
		conn_timeout(c);
	else
		conn_run(c);
	feed_catch_up(w);
	body_maker_catch_up(w->maker);
}

bool conn_answer_rate(const struct conn *c, uint64_t *ret_bytes_per_second)
{
	uint64_t age_us;

	if (c->state != CONN_SEND || !c->answer->reply.shared)
		return false;
	age_us = clock_mono_us() - c->answer->begun_us;
	if (age_us < ANSWER_SHED_MS * 1000)
		return false;
	*ret_bytes_per_second = c->answer->sent * 1000000ull / age_us;
	return true;
}

void conn_refuse_viewer(struct conn *c, int status, const char *text)
{
	c->viewer = viewer_free(c->viewer);
	if (begin_error(c, status, text) == STEP_CLOSE)
		conn_free(c);
	else
		conn_run(c);
}

struct in6_addr conn_address(const struct sockaddr_storage *sa, uint16_t *ret_port)
{
	const struct sockaddr_in *v4 = (const void *)sa;
	const struct sockaddr_in6 *v6 = (const void *)sa;
	struct in6_addr a = {0};

	*ret_port = 0;
	if (sa->ss_family == AF_INET6) {
		*ret_port = ntohs(v6->sin6_port);
		return v6->sin6_addr;
	}
	a.s6_addr[10] = a.s6_addr[11] = 0xff;
	if (sa->ss_family == AF_INET) {
		*ret_port = ntohs(v4->sin_port);
		memcpy(&a.s6_addr[12], &v4->sin_addr, 4);
	}
	return a;
}

int conn_new(struct worker *w, int fd, const struct sockaddr_storage *peer)
{
	struct conn *c = calloc(1, sizeof(*c));
	int one = 1, bytes = memory_sndbuf(w, CONNECTION_SNDBUF);

	if (!c) {
		close(fd);
		return -ENOMEM;
	}
	c->worker = w;
	c->fd = fd;
	c->peer = conn_address(peer, &c->port);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	/* left to itself, the kernel would take megabytes for each one that reads nothing */
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	TAILQ_INSERT_TAIL(&w->conns, c, link);
	w->conn_count++;
	page_add(&w->page->connections_open, 1);
	page_add(&w->page->connections_total, 1);
	event_assign(&c->event, w->base, fd, EV_READ | EV_PERSIST, on_event, c);
	conn_set_state(c, CONN_READ);
	c->deadline_us = now_plus_ms(HTTP_HEAD_DEADLINE_MS);
	conn_update_events(c);
	return 0;
}

struct conn *conn_free(struct conn *c)
{
	struct worker *w;

	if (!c)
		return NULL;
	w = c->worker;
	conn_set_state(c, CONN_CLOSED);
	event_del(&c->event);
	end_entry(c);
	c->viewer = viewer_free(c->viewer);
	c->answer = answer_free(c->answer);
	buf_done(&c->in);
	close(c->fd);
	TAILQ_REMOVE(&w->conns, c, link);
	w->conn_count--;
	page_add(&w->page->connections_open, UINT64_MAX); /* one less */
	listener_conn_gone(w, &c->peer);
	free(c);
	worker_conn_gone(w);
	return NULL;
}

void conn_drain_all(struct worker *w)
{
	struct conn *c, *next;

	for (c = TAILQ_FIRST(&w->conns); c; c = next) {
		next = TAILQ_NEXT(c, link);
		if (c->state == CONN_READ || c->state == CONN_STREAM)
			conn_free(c);
		else if (c->answer)
			c->answer->close = true;
	}
}
