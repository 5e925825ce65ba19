#include "amps-worker/http/conn.h"

#include <assert.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "amps-worker/http/answer.h"
#include "amps-worker/http/body_maker.h"
#include "amps-worker/http/incoming.h"
#include "common/clock.h"
#include "common/timer.h"

#define RECEIVE_BYTES	   4096u
#define RECEIVE_BODY_BYTES 65536u

/* What to do after a step of the machine. */
enum step { STEP_AGAIN, STEP_WAIT, STEP_CLOSE };

static void on_event(evutil_socket_t fd, short what, void *arg);
static void conn_run(struct conn *c);

static uint64_t now_plus_ms(uint64_t ms)
{
	return clock_mono_us() + ms * 1000;
}

static void set_send_deadline(struct conn *c)
{
	c->deadline_us =
		now_plus_ms(HTTP_SEND_MS + answer_bytes(c->answer) * 1000 / HTTP_SEND_RATE);
}

static void conn_set_state(struct conn *c, enum conn_state state)
{
	static const uint8_t legal[CONN_STATE_COUNT_] = {
		[CONN_READ] = 1u << CONN_BODY | 1u << CONN_HOLD | 1u << CONN_SEND |
			      1u << CONN_STREAM | 1u << CONN_CLOSED,
		[CONN_BODY] = 1u << CONN_HOLD | 1u << CONN_SEND | 1u << CONN_CLOSED,
		[CONN_HOLD] = 1u << CONN_SEND | 1u << CONN_CLOSED,
		[CONN_SEND] =
			1u << CONN_READ | 1u << CONN_HOLD | 1u << CONN_LINGER | 1u << CONN_CLOSED,
		[CONN_STREAM] = 1u << CONN_SEND | 1u << CONN_LINGER | 1u << CONN_CLOSED,
		[CONN_LINGER] = 1u << CONN_CLOSED,
	};

	assert(legal[c->state] & 1u << state);
	c->state = (uint8_t)state;
	switch (state) {
	case CONN_READ:
		c->begun = c->in.len > 0;
		c->deadline_us = now_plus_ms(c->begun ? HTTP_HEAD_DEADLINE_MS : HTTP_IDLE_MS);
		break;
	case CONN_BODY:
		c->deadline_us = now_plus_ms(HTTP_HEAD_DEADLINE_MS +
					     c->incoming->reserved * 1000ull / HTTP_SEND_RATE);
		break;
	case CONN_HOLD:
		c->more = false;
		c->deadline_us = 0; /* holds_tick() answers it when its deadline has passed */
		break;
	case CONN_SEND:
		assert(c->answer && !c->stream);
		c->answer->begun_us = clock_mono_us();
		set_send_deadline(c);
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
	case CONN_BODY:
		/* bytes wait in the buffer: run again in the next turn of the loop */
		return c->yields ? EV_READ | EV_WRITE : EV_READ;
	case CONN_HOLD:
		return c->eof || c->more ? 0 : EV_READ;
	case CONN_SEND:
		return EV_WRITE;
	case CONN_STREAM:
		return (short)((c->eof ? 0 : EV_READ) | (c->stream->blocked ? EV_WRITE : 0));
	case CONN_LINGER:
		return EV_READ;
	default:
		return 0;
	}
}

/* New clients come before what takes more than a turn: streams and large answers. */
static int wanted_priority(const struct conn *c)
{
	bool long_answer = c->state == CONN_SEND && answer_bytes(c->answer) > HTTP_TURN_BYTES;

	return c->state == CONN_STREAM || long_answer ? PRIORITY_NORMAL : PRIORITY_CLIENTS;
}

void conn_update_events(struct conn *c)
{
	short wanted = wanted_events(c);
	uint64_t now;

	assert(c->state != CONN_CLOSED);
	if (wanted != c->armed || c->armed == 0 ||
	    event_get_priority(&c->event) != wanted_priority(c)) {
		event_del(&c->event);
		event_assign(&c->event, c->all->context->base, c->fd, (short)(wanted | EV_PERSIST),
			     on_event, c);
		event_priority_set(&c->event, wanted_priority(c));
		c->armed = wanted;
	}
	if (!c->deadline_us) {
		event_remove_timer(&c->event);
		if (wanted && !event_pending(&c->event, wanted, NULL))
			event_add(&c->event, NULL);
		return;
	}
	/* a persistent event restarts its timeout with each event, so the deadline is kept here */
	now = clock_mono_us();
	timer_set(&c->event, c->deadline_us > now ? c->deadline_us - now : 1);
}

void conn_set_send_buffer(struct conn *c, size_t wanted)
{
	size_t share = c->all->context->sockets_max / MAX(c->all->count, 1u);
	int bytes = (int)MIN(wanted, MAX(share, SNDBUF_MIN));

	setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

/* Lets the kernel choose the size of the send buffer, as before conn_set_send_buffer(): it grows
 * with what the client takes, to the most that tcp(7) allows. */
static void free_send_buffer(const struct conn *c)
{
	int lock = 0;

	if (c->all->context->sockets_max / MAX(c->all->count, 1u) >= CONNECTION_SNDBUF)
		setsockopt(c->fd, SOL_SOCKET, SO_BUF_LOCK, &lock, sizeof(lock));
}

/* Renders the reply of c->answer and starts to send it. */
static enum step begin_answer(struct conn *c)
{
	struct answer *a = c->answer;
	struct context *x = c->all->context;
	unsigned class;

	/* a stream's head says that the connection ends, even if only the head was asked for */
	if (x->draining || a->reply.kind == REPLY_STREAM || !a->terms.keep_alive)
		a->reply.close = true;
	if (answer_render(a, clock_wall_us()) < 0)
		return STEP_CLOSE;
	access_entry_set_status(c->entry, a->reply.status);
	class = (unsigned)a->reply.status / 100; /* rendering may make it a 304 */
	if (class < array_size(x->page->responses))
		page_add(&x->page->responses[class], 1);
	/* a small send buffer stays in the processor's cache, which halves the cost of a large
	 * answer, and limits the kernel's memory that a slow client holds; what is sent from a file
	 * is not copied, and a larger buffer takes more of it at a time */
	if (answer_file_bytes(a) > ANSWER_SNDBUF)
		free_send_buffer(c);
	else if (answer_bytes(a) > ANSWER_SNDBUF)
		conn_set_send_buffer(c, ANSWER_SNDBUF);
	conn_set_state(c, CONN_SEND);
	return STEP_AGAIN;
}

struct facts conn_facts(const struct conn *c)
{
	const struct conns *all = c->all;
	const struct context *x = all->context;

	return (struct facts){
		.catalog = context_catalog(x),
		.tokens = context_tokens(x),
		.guide = context_guide(x),
		.geoip = context_geoip(x),
		.chantab = x->chantab,
		.page = x->page,
		.worker_pages = x->pages,
		.worker_count = x->page_count,
		.cache = all->cache,
		.maker = all->maker,
		.segments = all->segments,
		.link_key = x->page ? x->link_key : NULL,
		.api = all->api,
		.wall_us = clock_wall_us(),
		.mono_us = clock_mono_us(),
		.lineup_s = x->lineup_s,
		.peer = c->peer,
		.port = all->ports[CONN_HTTP],
		.rtsp_port = all->ports[CONN_RTSP],
		.draining = x->draining,
	};
}

/* The path of a request that was not parsed, as far as it has come; empty if none can be seen. */
static struct span unparsed_path(const struct conn *c)
{
	const char *at = c->in.data, *end = at + c->in.len;
	struct span path = {at, 0};

	path.at = c->in.len ? memchr(at, ' ', c->in.len) : NULL;
	if (!path.at)
		return (struct span){0};
	path.at++;
	while (path.at + path.len < end && !memchr(" ?\r\n", path.at[path.len], 4))
		path.len++;
	return path;
}

static void free_incoming(struct conn *c)
{
	if (!c->incoming)
		return;
	assert(c->all->bodies >= c->incoming->reserved);
	c->all->bodies -= c->incoming->reserved;
	free(c->incoming);
	c->incoming = NULL;
}

/* Answers with an error where no request could be parsed, or its answer failed; the connection ends
 * after it. */
static enum step begin_error(struct conn *c, int status, const char *text)
{
	c->answer = answer_free(c->answer);
	c->answer = answer_new();
	if (!c->answer)
		return STEP_CLOSE;
	free_incoming(c);
	if (c->state <= CONN_BODY && access_log_on(c->all->access_log)) {
		struct facts facts = conn_facts(c);

		c->entry = access_entry_new_bad(c->in.data, c->in.len, &facts);
	}
	c->answer->terms = (struct reply_terms){.method = HTTP_GET, .minor = 1};
	reply_error(&c->answer->reply, status, status == 503 || status == 429 ? RETRY_AFTER_S : 0,
		    "%s", text);
	c->answer->reply.close = true;
	c->answer->reply.media =
		c->state == CONN_STREAM ||
		(c->state == CONN_READ && route_is_media(c->all->routes, unparsed_path(c)));
	return begin_answer(c);
}

/* The answer is a live stream. */
static enum step begin_stream(struct conn *c, const struct http_request *q)
{
	const struct conn_hooks *hooks = &c->all->hooks;
	struct answer *a = c->answer;
	int r;

	if (answer_render(a, clock_wall_us()) < 0)
		return STEP_CLOSE;
	c->deadline_us =
		now_plus_ms(catalog_settings(context_catalog(c->all->context))->start_timeout_ms);
	conn_set_state(c, CONN_STREAM);
	assert(a->reply.stream && !c->stream);
	r = hooks->stream(hooks->owner, c, q, a->reply.stream, &a->head);
	if (r == -EUSERS)
		return begin_error(c, 503, "the server has all the viewers it may have");
	c->answer = answer_free(c->answer);
	buf_done(&c->in);
	return r < 0 ? STEP_CLOSE : STEP_AGAIN;
}

static enum step answer_sent(struct conn *c);

/* Sends next what a growing file has got since then. */
static enum step begin_more(struct conn *c)
{
	struct answer *a = c->answer;

	a->sent = 0;
	buf_reset(&a->head);
	if (a->reply.chunked)
		reply_add_chunk(&a->reply, false, &a->head);
	if (!buf_ok(&a->head))
		return STEP_CLOSE;
	if (c->state == CONN_HOLD)
		conn_set_state(c, CONN_SEND);
	else
		set_send_deadline(c);
	return a->head.len + answer_bytes(a) ? STEP_AGAIN : answer_sent(c);
}

static void on_ready(void *owner, const struct held_error *error)
{
	struct conn *c = owner;
	bool begun = c->answer->begun_us != 0;
	enum step step;

	assert(c->state == CONN_HOLD && c->answer);
	if (error && !begun)
		reply_error(&c->answer->reply, error->status, RETRY_AFTER_S, "%s", error->text);
	if (begun)
		step = error ? STEP_CLOSE : begin_more(c);
	else
		step = begin_answer(c);
	if (step == STEP_CLOSE)
		conn_free(c);
	else
		conn_run(c);
}

static_assert(sizeof(struct conn) + sizeof(struct answer) <= HTTP_HELD_BYTES, "a held request");

static enum step hold(struct conn *c)
{
	holds_add(&c->all->holds, &c->answer->reply.held, clock_mono_us(), on_ready, c);
	conn_set_state(c, CONN_HOLD);
	return STEP_WAIT;
}

static enum step begin_hold(struct conn *c)
{
	answer_keep_terms(c->answer);
	return hold(c);
}

static enum step dispatch(struct conn *c, const struct http_request *q)
{
	struct facts facts = conn_facts(c);
	struct reply *reply;
	enum step step;

	page_add(&c->all->context->page->requests_total, 1);
	c->answer = answer_new();
	if (!c->answer)
		return STEP_CLOSE;
	reply = &c->answer->reply;
	route_dispatch(c->all->routes, q, &facts, reply);
	if (access_log_on(c->all->access_log))
		c->entry = access_entry_new(q, &facts, reply);
	c->answer->terms = reply_terms(q);
	reply->asker = NULL; /* the snapshot it points into may be unmapped before the end */
	if (reply->kind == REPLY_STREAM && q->method != HTTP_HEAD)
		return begin_stream(c, q);
	step = held_waits(&reply->held) ? begin_hold(c) : begin_answer(c);
	buf_consume(&c->in, c->incoming ? c->incoming->at : q->head_bytes);
	free_incoming(c);
	c->scanned = 0;
	if (c->state == CONN_HOLD && !c->in.len)
		buf_done(&c->in);
	return step;
}

/* One receive.  STEP_AGAIN if bytes came. */
static enum step receive(struct conn *c)
{
	size_t most = c->state == CONN_BODY ? RECEIVE_BODY_BYTES : RECEIVE_BYTES;
	char *at = buf_reserve(&c->in, most);
	ssize_t n;

	if (!at)
		return STEP_CLOSE;
	n = recv(c->fd, at, most, MSG_DONTWAIT);
	if (n == 0)
		return STEP_CLOSE;
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			return STEP_CLOSE;
		if (!c->in.len)
			buf_done(&c->in); /* a silent client holds no memory */
		return STEP_WAIT;
	}
	c->in.len += (size_t)n;
	if (c->state == CONN_BODY)
		c->turn_bytes += (size_t)n;
	if (!c->begun)
		c->deadline_us = now_plus_ms(HTTP_HEAD_DEADLINE_MS);
	c->begun = true;
	return STEP_AGAIN;
}

/* A client that asks whether it may send the body learns that it may. */
static void send_continue(const struct conn *c, const struct http_request *q)
{
	static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";

	if (q->minor > 0 && span_is_nocase(http_field(q, "Expect"), "100-continue") &&
	    c->in.len == q->head_bytes)
		/* one that gets none sends the body after a while */
		(void)!send(c->fd, line, sizeof(line) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* The head of a request with a body is there. */
static enum step begin_body(struct conn *c, const struct http_request *q)
{
	struct facts facts = conn_facts(c);
	uint32_t max = route_body_max(c->all->routes, q, &facts), most;
	struct incoming in;

	if (q->content_length > MAX(max, HTTP_BODY_MAX)) {
		page_add(&c->all->context->page->requests_total, 1);
		return begin_error(c, 413, "the request body is too large");
	}
	if (!max)
		return dispatch(c, q);
	in = incoming_of(q, max);
	most = in.reserved > HTTP_BODY_MAX ? HTTP_BODIES_MAX - HTTP_BODIES_SMALL : HTTP_BODIES_MAX;
	if (c->all->bodies + in.reserved > most)
		return begin_error(c, 503, "too many large requests are being received");
	c->incoming = malloc(sizeof(*c->incoming));
	if (!c->incoming)
		return STEP_CLOSE;
	*c->incoming = in;
	c->all->bodies += in.reserved;
	conn_set_state(c, CONN_BODY);
	send_continue(c, q);
	return STEP_AGAIN;
}

/* The body is complete: the head is read once more, because nothing of it was kept. */
static enum step dispatch_body(struct conn *c)
{
	const struct incoming *in = c->incoming;
	struct http_request q;
	const char *reason;
	int status;

	c->scanned = 0;
	if (http_parse_head(c->in.data, in->begin, &c->scanned, &q, &status, &reason) !=
	    HTTP_HEAD_COMPLETE)
		return STEP_CLOSE;
	q.body = (struct span){c->in.data + in->begin, in->end - in->begin};
	q.body_read = true;
	return dispatch(c, &q);
}

static enum step step_body(struct conn *c)
{
	int r = incoming_take(c->incoming, c->in.data, c->in.len);

	if (r > 0)
		return dispatch_body(c);
	if (r == 0) {
		c->in.len = incoming_cut(c->incoming);
		return receive(c);
	}
	page_add(&c->all->context->page->requests_total, 1);
	if (r == -E2BIG)
		return begin_error(c, 413, "the request body is too large");
	return begin_error(c, 400, "the chunks of the request body are malformed");
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
		return q.chunked || q.content_length > 0 ? begin_body(c, &q) : dispatch(c, &q);
	case HTTP_HEAD_INCOMPLETE:
		return receive(c);
	default:
		page_add(&c->all->context->page->requests_total, 1);
		return begin_error(c, status, reason);
	}
}

static void free_stream(struct conn *c)
{
	if (c->stream)
		c->stream->ops->free(c->stream);
	c->stream = NULL;
}

/* Logs the request that ends here, whether its answer is complete or not. */
static void end_entry(struct conn *c)
{
	const struct stream *s = c->stream;
	const struct answer *a = c->answer;
	uint64_t bytes = 0;

	if (!c->entry)
		return;
	if (s && s->begun) {
		access_entry_set_status(c->entry, s->status);
		bytes = s->ops->bytes(s);
	} else if (a) {
		bytes = a->before + a->sent - MIN(a->sent, a->head.len);
	}
	c->entry = access_log_end(c->all->access_log, c->entry, bytes);
}

/* Our side is shut; a reset by what the client still sends would destroy what it has not read. */
static enum step begin_linger(struct conn *c)
{
	if (c->eof || shutdown(c->fd, SHUT_WR) < 0)
		return STEP_CLOSE;
	conn_set_state(c, CONN_LINGER);
	return STEP_AGAIN;
}

static enum step answer_sent(struct conn *c)
{
	bool ends = c->answer->reply.close;

	end_entry(c);
	c->answer = answer_free(c->answer);
	if (!ends) {
		conn_set_state(c, CONN_READ);
		return STEP_AGAIN;
	}
	return begin_linger(c);
}

/* Everything that was there is sent.  Does anything follow, even if only the end of the chunks? */
static bool has_more(const struct answer *a)
{
	return a->reply.follow || (a->reply.chunked && a->reply.file.length > 0);
}

static enum step send_more(struct conn *c)
{
	struct reply *r = &c->answer->reply;
	int found = 1;

	c->answer->before += r->file.length;
	if (r->follow) {
		found = r->follow(r->follow_owner, r);
	} else {
		r->file.offset += r->file.length;
		r->file.length = 0;
	}
	if (found < 0)
		return STEP_CLOSE;
	return found ? begin_more(c) : hold(c);
}

/* Counts what was sent of a file. */
static void count_file(const struct conn *c, size_t n)
{
	const struct reply *r = &c->answer->reply;

	if (r->sent)
		page_add(r->sent, n);
	if (r->media)
		page_add(&c->all->context->page->bytes_sent, n);
}

static enum step step_send(struct conn *c)
{
	struct answer *a = c->answer;
	bool file = answer_in_file(a);
	ssize_t n = answer_send(a, c->fd);

	if (n < 0)
		return errno == EAGAIN || errno == ENOBUFS ? STEP_WAIT : STEP_CLOSE;
	if (n == 0)
		return STEP_CLOSE;
	if (file)
		count_file(c, (size_t)n);
	c->turn_bytes += (size_t)n;
	if (!answer_is_sent(a))
		return STEP_AGAIN;
	return has_more(a) ? send_more(c) : answer_sent(c);
}

/* What a client sends after its request for a stream belongs to the stream. */
static enum step step_stream(struct conn *c)
{
	char bytes[RECEIVE_BYTES];
	ssize_t n = c->eof ? -1 : recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n < 0 && !c->eof && errno != EAGAIN && errno != EINTR)
		return STEP_CLOSE;
	if (n == 0 && c->stream->mutual)
		return STEP_CLOSE;
	if (n == 0)
		c->eof = true;
	if (n > 0 && !c->stream->ops->received(c->stream, bytes, (size_t)n)) {
		end_entry(c);
		free_stream(c);
		return begin_linger(c);
	}
	if (c->stream->blocked && !c->stream->ops->feed(c->stream))
		return STEP_CLOSE;
	return STEP_WAIT;
}

/* Notices that the client leaves.  What it sends stays in the socket until the answer is sent. */
static enum step step_hold(struct conn *c)
{
	char byte;
	ssize_t n = recv(c->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return STEP_CLOSE;
	c->more = n > 0;
	c->eof = n == 0;
	/* it may have shut its own side only, and still wait for the answer */
	if (c->eof)
		held_shorten(&c->all->holds, &c->answer->reply.held,
			     now_plus_ms(HTTP_HELD_CLOSED_MS));
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
	case CONN_BODY:
		return step_body(c);
	case CONN_HOLD:
		return step_hold(c);
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

/* Runs steps until one waits.  May free the connection. */
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

/* Has the request come in time, although it was not read yet?  epoll_wait() reports a limited
 * number of sockets at once, so if the worker is busy, a timeout can come before the bytes. */
static bool has_unread_request(const struct conn *c)
{
	char byte;

	return c->state == CONN_READ && !c->begun &&
	       recv(c->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) > 0;
}

/* The deadline of the state has passed. */
static void conn_timeout(struct conn *c)
{
	uint64_t now_us = clock_mono_us(), until_us;
	enum step step = STEP_CLOSE;

	if (c->state == CONN_STREAM && c->deadline_us &&
	    (until_us = c->stream->ops->waits_until(c->stream, now_us)))
		c->deadline_us = until_us;
	/* an earlier event of this turn of the loop may have moved it, such as the start of a
	 * stream */
	if (!c->deadline_us || now_us < c->deadline_us) {
		conn_update_events(c);
		return;
	}
	if (has_unread_request(c)) {
		conn_run(c);
		return;
	}
	if (c->state == CONN_BODY || (c->state == CONN_READ && c->begun))
		step = begin_error(c, 408, "the request was not complete in time");
	if (c->state == CONN_STREAM) {
		conn_refuse_stream(c, 504, "the channel did not start in time");
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
	struct conns *all = c->all;

	(void)fd;
	if (!(what & (EV_READ | EV_WRITE)))
		conn_timeout(c);
	else
		conn_run(c);
	all->hooks.after_event(all->hooks.owner);
	body_maker_catch_up(all->maker);
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

void conn_stream_begins(struct conn *c)
{
	assert(c->state == CONN_STREAM && !c->stream->begun);
	c->stream->begun = true;
	page_add(&c->all->context->page->responses[c->stream->status / 100], 1);
	c->deadline_us = 0;
	conn_update_events(c);
}

void conn_refuse_stream(struct conn *c, int status, const char *text)
{
	enum step step;
	bool said;

	assert(c->state == CONN_STREAM && !c->stream->begun);
	said = c->stream->ops->refuse(c->stream, status, text);
	free_stream(c);
	step = said ? begin_linger(c) : begin_error(c, status, text);
	if (step == STEP_CLOSE)
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

uint16_t conn_bound_port(int fd)
{
	struct sockaddr_storage sa = {0};
	socklen_t n = sizeof(sa);
	uint16_t port;

	if (getsockname(fd, (struct sockaddr *)&sa, &n) < 0)
		return 0;
	conn_address(&sa, &port);
	return port;
}

/* Connections of one address; exists while there is one. */
struct address_count {
	struct address_count *next;
	struct in6_addr address;
	unsigned count;
};

static struct address_count **find_address(struct conns *all, const struct in6_addr *a)
{
	struct address_count **at;
	uint32_t words[4], h;

	memcpy(words, a, sizeof(words));
	h = (words[0] ^ words[1] * 31 ^ words[2] * 131 ^ words[3]) * 2654435761u;
	static_assert(ADDRESS_BUCKETS == 1u << (32 - 22), "the hash's upper bits");
	at = &all->addresses[h >> 22];
	while (*at && memcmp(&(*at)->address, a, sizeof(*a)) != 0)
		at = &(*at)->next;
	return at;
}

/* Counts one more connection of this address; false when it has too many. */
static bool address_take(struct conns *all, const struct in6_addr *a)
{
	struct address_count **at = find_address(all, a);

	if (!*at) {
		*at = calloc(1, sizeof(**at));
		if (!*at)
			return false;
		(*at)->address = *a;
	}
	if ((*at)->count >= ADDRESS_CONNECTIONS_MAX)
		return false;
	(*at)->count++;
	assert((*at)->count <= all->count + 1);
	return true;
}

static void address_give(struct conns *all, const struct in6_addr *a)
{
	struct address_count **at = find_address(all, a), *gone = *at;

	assert(gone && gone->count > 0);
	if (--gone->count)
		return;
	*at = gone->next;
	free(gone);
}

/* Its first state. */
static int begin(struct conn *c, enum conn_protocol protocol)
{
	const struct conn_dialogues *d = &c->all->dialogues;

	c->state = CONN_READ;
	c->deadline_us = now_plus_ms(HTTP_HEAD_DEADLINE_MS);
	if (protocol == CONN_HTTP)
		return 0;
	c->state = CONN_STREAM;
	c->stream = d->begin(d->owner, c);
	return c->stream ? 0 : -ENOMEM;
}

int conn_new(struct conns *all, int fd, const struct sockaddr_storage *peer,
	     enum conn_protocol protocol)
{
	struct context *x = all->context;
	struct conn *c;
	uint16_t port;
	struct in6_addr address = conn_address(peer, &port);
	int one = 1;

	if (all->count >= all->max || !address_take(all, &address))
		return -EUSERS;
	c = calloc(1, sizeof(*c));
	if (c)
		*c = (struct conn){.all = all, .fd = fd, .peer = address, .port = port};
	if (!c || begin(c, protocol) < 0) {
		address_give(all, &address);
		free(c);
		return -ENOMEM;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	/* without a bound the kernel takes megabytes for each client that reads nothing */
	conn_set_send_buffer(c, CONNECTION_SNDBUF);
	TAILQ_INSERT_TAIL(&all->list, c, link);
	all->count++;
	page_add(&x->page->connections_open, 1);
	page_add(&x->page->connections_total, 1);
	event_assign(&c->event, x->base, fd, EV_READ | EV_PERSIST, on_event, c);
	conn_update_events(c);
	return 0;
}

/* A worker that drains ends with its last connection. */
static void end_if_drained(const struct conns *all)
{
	if (all->context->draining && all->count == 0)
		event_base_loopbreak(all->context->base);
}

struct conn *conn_free(struct conn *c)
{
	struct conns *all;

	if (!c)
		return NULL;
	all = c->all;
	conn_set_state(c, CONN_CLOSED);
	event_del(&c->event);
	end_entry(c);
	free_stream(c);
	free_incoming(c);
	c->answer = answer_free(c->answer);
	buf_done(&c->in);
	close(c->fd);
	assert(all->count > 0);
	TAILQ_REMOVE(&all->list, c, link);
	all->count--;
	page_add(&all->context->page->connections_open, UINT64_MAX); /* one less */
	address_give(all, &c->peer);
	free(c);
	end_if_drained(all);
	return NULL;
}

static int compare_holders(const void *a, const void *b)
{
	const struct conn_holder *x = a, *y = b;

	return (x->order > y->order) - (x->order < y->order);
}

void conn_sort_holders(struct conn_holder *list, size_t count)
{
	qsort(list, count, sizeof(*list), compare_holders);
}

void conn_drain_all(struct conns *all)
{
	struct conn *c, *next;

	for (c = TAILQ_FIRST(&all->list); c; c = next) {
		next = TAILQ_NEXT(c, link);
		if (c->state == CONN_READ || c->state == CONN_STREAM)
			conn_free(c);
		else if (c->answer)
			c->answer->reply.close = true;
	}
	end_if_drained(all);
}
