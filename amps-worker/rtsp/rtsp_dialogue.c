#include "amps-worker/rtsp/rtsp_dialogue.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "amps-worker/http/route.h"
#include "amps-worker/live/stream_route.h"
#include "common/clock.h"
#include "common/text/address.h"

#define REQUESTS_MAX	  (HTTP_HEAD_MAX + RTSP_BODY_MAX) /* bytes that wait to be read */
#define STATUS_TOKEN_FULL 429				  /* of HTTP: the token has no room */

struct rtsp_dialogue {
	struct stream stream; /* first */
	struct rtsp_control control;
	struct rtsp_sessions *all;
	struct buf in; /* not read yet */
	struct rtsp_reader reader;
	struct buf out; /* answers that are not sent */
	/* over UDP the answer to a PLAY that waits for media; interleaved the answers before it */
	struct buf play;
	uint32_t play_cseq;
	bool waits;   /* there is one */
	bool runs;    /* requests are being answered */
	bool partial; /* a request has begun; its deadline is set */
	bool carried; /* interleaved: the viewer is the connection's stream */
	bool over;    /* the session was ended by the server, and the connection goes with it */
};

/* A request that is being answered. */
struct call {
	struct rtsp_dialogue *d;
	const struct rtsp_request *q;
	struct facts facts;
	struct request request;
	struct reply reply;
	struct buf *out;
	bool answered; /* or will be */
	bool logged;   /* its line of the access log is written */
	int result;    /* -EPIPE: the connection ends */
};

static struct worker_page *page_of(const struct rtsp_dialogue *d)
{
	return d->all->conns->context->page;
}

static void count_answer(const struct rtsp_dialogue *d, int status)
{
	page_add(&page_of(d)->responses[status / 100], 1);
}

/* Writes the reply as an answer of RTSP.  `cseq` is NULL for a request that could not be read. */
static void write_answer(const struct rtsp_dialogue *d, const uint32_t *cseq, const struct reply *r,
			 struct buf *out)
{
	const struct rtsp_session *s = d->control.session;

	buf_printf(out, "RTSP/1.0 %d %s\r\n", r->status, reply_status_text(r->status));
	if (cseq)
		buf_printf(out, "CSeq: %u\r\n", *cseq);
	if (s && r->status == 200)
		buf_printf(out, "Session: %s;timeout=%u\r\n", s->id, RTSP_TIMEOUT_S);
	if (r->status == 401)
		buf_puts(out, "WWW-Authenticate: Basic realm=\"amps\"\r\n");
	else
		buf_add(out, r->fields.data, r->fields.len);
	if (r->body.len)
		buf_printf(out, "Content-Type: %s\r\nContent-Length: %zu\r\n", r->type,
			   r->body.len);
	buf_puts(out, "\r\n");
	buf_add(out, r->body.data, r->body.len);
}

static void write_error(const struct rtsp_dialogue *d, const uint32_t *cseq, int status,
			const char *text, struct buf *out)
{
	struct reply r;

	reply_init(&r);
	reply_error(&r, status, status == 503 ? RETRY_AFTER_S : 0, "%s", text);
	write_answer(d, cseq, &r, out);
	count_answer(d, status);
	reply_done(&r);
}

/* Sends what the socket takes.  False: the connection is over. */
static bool flush(struct rtsp_dialogue *d)
{
	ssize_t n = 0;

	if (!buf_ok(&d->out) || d->out.len > RTSP_ANSWERS_MAX)
		return false;
	if (d->out.len)
		n = send(d->stream.conn->fd, d->out.data, d->out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != ENOBUFS && errno != EINTR)
		return false;
	buf_consume(&d->out, (size_t)MAX(n, 0));
	d->stream.blocked = d->out.len > 0;
	if (!d->out.len)
		buf_done(&d->out);
	return true;
}

static uint64_t now_plus_ms(uint64_t ms)
{
	return clock_mono_us() + ms * 1000;
}

/* What the connection may wait for next. */
static void set_deadline(struct rtsp_dialogue *d)
{
	struct conn *c = d->stream.conn;
	const struct rtsp_session *s = d->control.session;

	if (d->waits)
		return; /* it has that of the start */
	if (d->in.len) {
		if (!d->partial)
			c->deadline_us = now_plus_ms(HTTP_HEAD_DEADLINE_MS);
		d->partial = true;
		return;
	}
	d->partial = false;
	if (s && s->state == RTSP_PLAYING)
		c->deadline_us = 0; /* the session ends with its own */
	else
		c->deadline_us = now_plus_ms(s ? RTSP_EXPIRE_MS : HTTP_IDLE_MS);
}

/* Ends the connection at the next turn of the loop. */
static void end_soon(struct rtsp_dialogue *d)
{
	d->over = true;
	d->stream.conn->deadline_us = clock_mono_us();
	conn_update_events(d->stream.conn);
}

/* The status that says in RTSP what this one of HTTP says. */
static int status_of_rtsp(int status)
{
	return status == STATUS_TOKEN_FULL ? 453 : status;
}

/* --- methods */

static void fail(struct call *c, int status, const char *text)
{
	reply_error(&c->reply, status, 0, "%s", text);
}

/* Token, address and channel: the same rules as for HTTP.  False: the error is in the reply. */
static bool admit(struct call *c, struct stream_params *ret)
{
	bool channel = rtsp_path_channel(c->q->http.path, &c->request.segment[0]);

	c->request.segments = channel;
	if (!route_admit(&c->request, &c->reply))
		return false;
	if (!channel) {
		fail(c, 404, "there is nothing at this address");
		return false;
	}
	return stream_route_params(&c->request, ret, &c->reply);
}

/* The session that the request names.  False: the error is in the reply. */
static bool find_session(struct call *c, struct rtsp_session **ret)
{
	struct rtsp_dialogue *d = c->d;
	struct span id = rtsp_session_of(c->q);

	*ret = id.at ? rtsp_session_find(d->all, &d->control, &d->stream.conn->peer, id) : NULL;
	if (!*ret)
		fail(c, 454, id.at ? "there is no such session" : "the request names no session");
	return *ret != NULL;
}

/* Ends the session of this connection, which goes on. */
static void drop_session(struct rtsp_dialogue *d)
{
	struct rtsp_session *s = d->control.session;

	rtsp_session_leave(s);
	rtsp_session_end(s, VIEWER_END_PROTOCOL);
}

/* Without PAUSE, which is always refused: a player that finds it here uses it and then fails. */
static void add_methods(struct call *c, const char *field)
{
	char list[160] = "";
	size_t n = 0;

	for (enum rtsp_method m = 0; m < RTSP_METHODS_SERVED; m++)
		if (m != RTSP_PAUSE)
			n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", n ? ", " : "",
					      rtsp_method_name(m));
	assert(n < sizeof(list));
	reply_field(&c->reply, field, "%s", list);
}

static void options(struct call *c)
{
	add_methods(c, "Public");
}

/* Our address as this client knows it. */
static void local_address(const struct conn *c, char text[INET6_ADDRSTRLEN], uint16_t *ret_port)
{
	struct sockaddr_storage sa = {0};
	socklen_t n = sizeof(sa);
	struct in6_addr a;

	getsockname(c->fd, (struct sockaddr *)&sa, &n);
	a = conn_address(&sa, ret_port);
	address_text(&a, text);
}

/* The absolute URL of the channel, or of its track, with the query of the request. */
static void add_url(const struct call *c, uint32_t channel, const char *track, struct buf *b)
{
	const struct http_request *q = &c->q->http;
	char address[INET6_ADDRSTRLEN];
	uint16_t port;

	buf_puts(b, "rtsp://");
	if (q->host.len) {
		buf_add(b, q->host.at, q->host.len);
	} else {
		local_address(c->d->stream.conn, address, &port);
		buf_printf(b, strchr(address, ':') ? "[%s]:%u" : "%s:%u", address, port);
	}
	buf_printf(b, "/%u/%s", channel, track);
	if (q->query.len)
		buf_putc(b, '?');
	buf_add(b, q->query.at, q->query.len);
}

static void add_name(struct buf *b, const char *name)
{
	size_t before = b->len;

	for (; name && *name; name++)
		buf_putc(b, (unsigned char)*name < ' ' || *name == 0x7f ? ' ' : *name);
	if (b->len == before)
		buf_putc(b, '-');
}

/* The control URL is absolute, because players append a relative one behind the query. */
static void write_sdp(struct call *c, uint32_t channel)
{
	const struct catalog *catalog = c->facts.catalog;
	const struct catalog_channel *ch = catalog_find(catalog, channel);
	struct buf *b = &c->reply.body;
	char address[INET6_ADDRSTRLEN];
	uint16_t port;
	bool v6;

	local_address(c->d->stream.conn, address, &port);
	v6 = strchr(address, ':') != NULL;
	buf_printf(b, "v=0\r\no=- %u 1 IN %s %s\r\ns=", channel, v6 ? "IP6" : "IP4", address);
	add_name(b, ch ? catalog_text(catalog, ch->name_at) : NULL);
	buf_printf(b, "\r\nc=IN %s\r\nt=0 0\r\n", v6 ? "IP6 ::" : "IP4 0.0.0.0");
	buf_puts(b, "a=control:*\r\na=range:npt=now-\r\nm=video 0 RTP/AVP 33\r\n"
		    "a=rtpmap:33 MP2T/90000\r\na=control:");
	add_url(c, channel, RTSP_TRACK, b);
	buf_puts(b, "\r\n");
	c->reply.type = "application/sdp";
}

static bool accepts_sdp(const struct http_request *q)
{
	struct span accept = http_field(q, "Accept");

	return !accept.len || memmem(accept.at, accept.len, "application/sdp", 15) ||
	       memmem(accept.at, accept.len, "*/*", 3) ||
	       memmem(accept.at, accept.len, "application/*", 13);
}

static void describe(struct call *c)
{
	_cleanup_(buf_done) struct buf url = BUF_INIT;
	struct stream_params p;

	if (!admit(c, &p))
		return;
	if (!accepts_sdp(&c->q->http)) {
		fail(c, 406, "a channel is described in application/sdp only");
		return;
	}
	add_url(c, p.id.channel, "", &url);
	if (buf_ok(&url))
		reply_field(&c->reply, "Content-Base", "%s", url.data);
	write_sdp(c, p.id.channel);
}

static void add_transport(struct call *c, const struct rtsp_session *s,
			  const struct rtsp_transport *t)
{
	char address[INET6_ADDRSTRLEN];
	uint16_t port;

	if (t->udp) {
		local_address(c->d->stream.conn, address, &port);
		reply_field(&c->reply, "Transport",
			    "%.*s;unicast;client_port=%u-%u;server_port=%u-%u;source=%s;"
			    "ssrc=%08X;mode=\"PLAY\"",
			    (int)t->profile.len, t->profile.at, t->ports[0], t->ports[1],
			    s->all->rtp_port, s->all->rtcp_port, address, s->rtp.ssrc);
	} else {
		reply_field(&c->reply, "Transport",
			    "%.*s;unicast;interleaved=%u-%u;ssrc=%08X;mode=\"PLAY\"",
			    (int)t->profile.len, t->profile.at, t->channels[0], t->channels[1],
			    s->rtp.ssrc);
	}
}

static void setup(struct call *c)
{
	struct rtsp_dialogue *d = c->d;
	struct rtsp_session *s = d->control.session;
	struct rtsp_transport t;
	struct stream_params p;
	int r;

	if (!admit(c, &p) || (rtsp_session_of(c->q).at && !find_session(c, &s)))
		return;
	if (s && s->state != RTSP_READY) {
		fail(c, 455, "the session plays: tear it down first");
		return;
	}
	if (rtsp_choose_transport(http_field(&c->q->http, "Transport"), d->all->rtp.fd >= 0,
				  &d->stream.conn->peer, &t) < 0) {
		fail(c, 461,
		     "no transport is offered that this server has: RTP/AVP/TCP, or "
		     "RTP/AVP by unicast to the client's own address");
		return;
	}
	if (s)
		drop_session(d);
	r = rtsp_session_new(d->all, &d->control, d->stream.conn, &p, &t);
	if (r == -ENOMEM)
		fail(c, 503, "no memory for the session");
	else if (r < 0)
		fail(c, 461, "the client cannot be reached by UDP");
	else
		add_transport(c, d->control.session, &t);
}

/* The first packet of the stream; left out where a list could not hold its URL. */
static void add_rtp_info(struct call *c, const struct rtsp_session *s)
{
	_cleanup_(buf_done) struct buf url = BUF_INIT;
	struct span query = c->q->http.query;

	if (query.len && (memchr(query.at, ',', query.len) || memchr(query.at, ';', query.len)))
		return;
	add_url(c, s->params.id.channel, RTSP_TRACK, &url);
	if (buf_ok(&url))
		reply_field(&c->reply, "RTP-Info", "url=%s;seq=%u;rtptime=%u", url.data, s->rtp.seq,
			    s->rtp.clock.stamp);
}

/* The access log has one line for PLAY and its media, when they end.  Without a status the client
 * has left before. */
static void log_media(const struct call *c, struct rtsp_session *s, struct stream_params *p)
{
	struct reply r = c->reply;

	if (!access_log_on(s->all->conns->access_log))
		return;
	r.kind = REPLY_STREAM;
	r.channel = p->id.channel;
	r.variant = p->id.variant;
	s->entry = access_entry_new(&c->q->http, &c->facts, &r);
}

/* PLAY has failed before there was a viewer; the session is as it was. */
static void start_failed(struct call *c, struct rtsp_session *s, int error)
{
	struct rtsp_dialogue *d = c->d;

	d->waits = false;
	buf_done(&d->play);
	access_entry_set_status(s->entry, 503);
	s->entry = access_log_end(d->all->conns->access_log, s->entry, 0);
	c->logged = true;
	rtsp_session_set_state(s, RTSP_READY);
	buf_reset(&c->reply.fields);
	reply_error(&c->reply, 503, RETRY_AFTER_S, "%s",
		    error == -EUSERS ? "the server has all the viewers it may have"
				     : "no memory for the stream");
}

/* The answer goes out in front of the media, behind earlier answers. */
static void start_interleaved(struct call *c, struct rtsp_session *s, struct stream_params *p)
{
	struct rtsp_dialogue *d = c->d;
	struct conn *conn = d->stream.conn;
	size_t before = c->out->len;
	int r = -ENOMEM;

	assert(conn->stream == &d->stream && c->out == &d->out);
	if (before)
		buf_add(&d->play, c->out->data, before);
	write_answer(d, &c->q->cseq, &c->reply, c->out);
	conn->stream = NULL;
	if (buf_ok(c->out) && buf_ok(&d->play))
		r = viewer_start(d->all->viewers, conn, &c->q->http, p, c->out, &s->packer);
	if (r < 0 && r != -EPIPE) {
		conn->stream = &d->stream;
		c->out->len = before;
		start_failed(c, s, r);
		return;
	}
	buf_done(c->out);
	d->carried = c->answered = true;
	c->result = r;
}

static void start_udp(struct call *c, struct rtsp_session *s, struct stream_params *p)
{
	struct rtsp_dialogue *d = c->d;
	struct buf no_head = BUF_INIT;
	int r = -ENOMEM;

	write_answer(d, &c->q->cseq, &c->reply, &d->play);
	d->waits = true;
	if (buf_ok(&d->play))
		r = viewer_start(d->all->viewers, d->stream.conn, &c->q->http, p, &no_head,
				 &s->packer);
	if (r < 0 && r != -EPIPE)
		start_failed(c, s, r);
	else
		c->answered = true;
}

static bool names_variant(const struct call *c)
{
	char name[VARIANT_NAME_MAX + 1];

	return http_query(&c->q->http, "variant", name, sizeof(name)) != 0;
}

/* SETUP has chosen what is played; a later request may only name the same. */
static bool keep_choice(const struct call *c, const struct rtsp_session *s, struct stream_params *p)
{
	const struct stream_params *chosen = &s->params;

	if (p->id.channel != chosen->id.channel ||
	    (names_variant(c) && strcmp(p->id.variant, chosen->id.variant) != 0))
		return false;
	p->id = chosen->id;
	p->own = chosen->own;
	p->address = chosen->address;
	p->options = chosen->options;
	return true;
}

static void play(struct call *c)
{
	struct rtsp_dialogue *d = c->d;
	struct stream_params p;
	struct rtsp_session *s;

	if (!find_session(c, &s))
		return;
	reply_field(&c->reply, "Range", "npt=now-");
	if (s->state == RTSP_PLAYING)
		return;
	if (s->state == RTSP_STARTING) {
		fail(c, 455, "the session waits for its media");
		return;
	}
	if (!admit(c, &p))
		return;
	if (!keep_choice(c, s, &p)) {
		fail(c, 454, "the session is for another channel or variant");
		return;
	}
	add_rtp_info(c, s);
	log_media(c, s, &p);
	rtsp_session_set_state(s, RTSP_STARTING);
	d->play_cseq = c->q->cseq;
	d->stream.conn->deadline_us =
		now_plus_ms(catalog_settings(c->facts.catalog)->start_timeout_ms);
	if (s->udp)
		start_udp(c, s, &p);
	else
		start_interleaved(c, s, &p);
}

static void refuse_pause(struct call *c)
{
	struct rtsp_session *s;

	if (find_session(c, &s))
		fail(c, 455, "a live channel cannot be paused");
}

/* Nothing but a sign of life: there are no parameters. */
static void parameter(struct call *c)
{
	struct rtsp_session *s;

	if (rtsp_session_of(c->q).at)
		find_session(c, &s);
}

static void teardown(struct call *c)
{
	struct rtsp_session *s;

	if (!find_session(c, &s))
		return;
	if (c->d->carried && s->state == RTSP_STARTING) {
		/* the viewer would send nothing before its media */
		c->d->control.ops->refuse(&c->d->control, 455, "the session was torn down");
		write_answer(c->d, &c->q->cseq, &c->reply, &c->d->out);
		flush(c->d);
	} else {
		write_answer(c->d, &c->q->cseq, &c->reply, c->out);
	}
	count_answer(c->d, 200);
	c->answered = true;
	if (c->d->carried)
		c->result = -EPIPE;
	else
		drop_session(c->d);
}

/* --- requests */

static bool refuse_options(struct call *c)
{
	static const char *const names[] = {"Require", "Proxy-Require"};

	for (size_t i = 0; i < array_size(names); i++) {
		struct span value = http_field(&c->q->http, names[i]);

		if (!value.at)
			continue;
		fail(c, 551, "this server has no options");
		reply_field(&c->reply, "Unsupported", "%.*s", (int)value.len, value.at);
		return true;
	}
	return false;
}

static void log_request(const struct call *c)
{
	struct access_log *log = c->d->all->conns->access_log;
	struct access_entry *e;

	if (!access_log_on(log))
		return;
	e = access_entry_new(&c->q->http, &c->facts, &c->reply);
	access_entry_set_status(e, c->reply.status);
	access_log_end(log, e, 0);
}

/* Any request keeps the session of its connection alive, or the one that it names. */
static void show_life(struct rtsp_dialogue *d, const struct rtsp_request *q)
{
	struct rtsp_session *s = d->control.session;
	struct span id = rtsp_session_of(q);

	if (!s && id.at)
		s = rtsp_session_find(d->all, &d->control, &d->stream.conn->peer, id);
	if (s)
		rtsp_session_touch(s);
}

/* 0, or -EPIPE: the connection ends once the answers are sent. */
static int answer(struct rtsp_dialogue *d, const struct rtsp_request *q, struct buf *out)
{
	static void (*const methods[RTSP_METHODS_SERVED])(struct call * c) = {
		[RTSP_OPTIONS] = options,
		[RTSP_DESCRIBE] = describe,
		[RTSP_SETUP] = setup,
		[RTSP_PLAY] = play,
		[RTSP_PAUSE] = refuse_pause,
		[RTSP_GET_PARAMETER] = parameter,
		[RTSP_SET_PARAMETER] = parameter,
		[RTSP_TEARDOWN] = teardown,
	};
	struct call c = {.d = d, .q = q, .facts = conn_facts(d->stream.conn), .out = out};

	c.request = (struct request){.http = &q->http, .facts = &c.facts};
	reply_init(&c.reply);
	page_add(&page_of(d)->requests_total, 1);
	show_life(d, q);
	if (q->method < RTSP_METHODS_SERVED) {
		if (!refuse_options(&c))
			methods[q->method](&c);
	} else {
		fail(&c, q->method == RTSP_UNKNOWN ? 501 : 405, "this server only plays");
		add_methods(&c, "Allow");
	}
	c.reply.status = status_of_rtsp(c.reply.status);
	if (!c.answered) {
		write_answer(d, &q->cseq, &c.reply, out);
		count_answer(d, c.reply.status);
		if (!c.logged)
			log_request(&c);
	}
	c.reply.asker = NULL;
	reply_done(&c.reply);
	if (!q->http.keep_alive && !d->control.session)
		return -EPIPE;
	return c.result;
}

/* May packets come on this channel? */
static bool is_channel(const struct rtsp_dialogue *d, uint8_t channel)
{
	const struct rtsp_session *s = d->control.session;

	return s && !s->udp && (channel == s->channels[0] || channel == s->channels[1]);
}

static void refuse_bytes(const struct rtsp_dialogue *d, int status, const char *text,
			 struct buf *out)
{
	struct facts facts = conn_facts(d->stream.conn);
	struct access_log *log = d->all->conns->access_log;
	struct access_entry *e;

	page_add(&page_of(d)->requests_total, 1);
	write_error(d, NULL, status, text, out);
	if (!access_log_on(log))
		return;
	e = access_entry_new_bad(d->in.data, d->in.len, &facts);
	access_entry_set_status(e, status);
	access_log_end(log, e, 0);
}

/* Reads the next item and answers it.  1: there may be more; 0: more bytes are needed; -EPIPE. */
static int step(struct rtsp_dialogue *d, struct buf *out)
{
	const char *reason = "";
	struct rtsp_request q;
	uint8_t channel;
	size_t used;
	int status = 400, r = 1;

	switch (rtsp_read(&d->reader, d->in.data, d->in.len, &used, &q, &channel, &status,
			  &reason)) {
	case RTSP_ITEM_NONE:
		r = 0;
		break;
	case RTSP_ITEM_REQUEST:
		r = answer(d, &q, out) < 0 ? -EPIPE : 1;
		break;
	case RTSP_ITEM_PACKET:
		if (is_channel(d, channel))
			break;
		status = 400;
		reason = "a packet came on a channel of no session";
		/* fall through */
	default:
		refuse_bytes(d, status, reason, out);
		return -EPIPE;
	}
	buf_consume(&d->in, used);
	return r;
}

/* Answers the requests that are complete.  0 or -EPIPE. */
static int run(struct rtsp_dialogue *d, struct buf *out)
{
	int r = 1;

	assert(!d->runs);
	d->runs = true;
	while (r > 0 && !d->waits)
		r = step(d, out);
	d->runs = false;
	if (!d->in.len)
		buf_done(&d->in);
	return r < 0 || d->in.len > REQUESTS_MAX ? -EPIPE : 0;
}

static int receive(struct rtsp_dialogue *d, const void *bytes, size_t n, struct buf *out)
{
	buf_add(&d->in, bytes, n);
	return buf_ok(&d->in) ? run(d, out) : -EPIPE;
}

/* --- what the session tells */

static struct rtsp_dialogue *dialogue_of(struct rtsp_control *c)
{
	return (struct rtsp_dialogue *)(void *)((char *)c -
						offsetof(struct rtsp_dialogue, control));
}

static void on_begun(struct rtsp_control *c)
{
	struct rtsp_dialogue *d = dialogue_of(c);

	assert(d->waits);
	d->waits = false;
	buf_add(&d->out, d->play.data, d->play.len);
	buf_done(&d->play);
	count_answer(d, 200);
	if (d->runs)
		return; /* inside PLAY: the rest is done there */
	if (!flush(d)) {
		end_soon(d);
		return;
	}
	set_deadline(d);
	/* requests that have waited are answered by on_room(): they may end the session */
	if (d->in.len)
		d->stream.blocked = true;
	conn_update_events(d->stream.conn);
}

static void on_refused(struct rtsp_control *c, int status, const char *text)
{
	struct rtsp_dialogue *d = dialogue_of(c);

	if (!d->carried && !d->waits)
		return; /* it was answered */
	status = status_of_rtsp(status);
	if (d->carried && d->play.len)
		buf_add(&d->out, d->play.data, d->play.len);
	d->waits = false;
	buf_done(&d->play);
	access_entry_set_status(c->session->entry, status);
	write_error(d, &d->play_cseq, status, text, &d->out);
	if (!d->runs)
		flush(d);
}

static int on_interleaved(struct rtsp_control *c, const void *bytes, size_t n, struct buf *out)
{
	return receive(dialogue_of(c), bytes, n, out);
}

static void dialogue_free(struct rtsp_dialogue *d)
{
	buf_done(&d->in);
	buf_done(&d->out);
	buf_done(&d->play);
	free(d);
}

static void on_ended(struct rtsp_control *c)
{
	struct rtsp_dialogue *d = dialogue_of(c);

	if (d->carried)
		dialogue_free(d);
	else
		end_soon(d);
}

static const struct rtsp_control_ops control_ops = {
	.begun = on_begun, .refuse = on_refused, .receive = on_interleaved, .ended = on_ended};

/* --- the connection's stream */

/* Requests were answered, with this result of run().  False: the connection is over. */
static bool proceed(struct rtsp_dialogue *d, int r)
{
	if (d->carried) {
		enum viewer_verdict verdict = VIEWER_GOES_ON;

		/* answers to what came behind PLAY */
		if (d->out.len)
			verdict = viewer_say(d->control.session->packer.viewer, d->out.data,
					     d->out.len);
		buf_done(&d->out);
		return r == 0 && verdict == VIEWER_GOES_ON;
	}
	if (!flush(d) || r < 0 || d->over)
		return false;
	set_deadline(d);
	return true;
}

static bool on_room(struct stream *s)
{
	struct rtsp_dialogue *d = (struct rtsp_dialogue *)s;

	return proceed(d, run(d, &d->out));
}

static const struct viewer *waiting_viewer(const struct rtsp_dialogue *d)
{
	return d->waits && d->control.session ? d->control.session->packer.viewer : NULL;
}

static uint64_t waits_until(const struct stream *s, uint64_t now_us)
{
	const struct viewer *v = waiting_viewer((const struct rtsp_dialogue *)s);

	return v ? v->stream.ops->waits_until(&v->stream, now_us) : 0;
}

/* The deadline has passed. */
static bool refuse(struct stream *s, int status, const char *text)
{
	struct rtsp_dialogue *d = (struct rtsp_dialogue *)s;

	if (d->waits)
		on_refused(&d->control, status, text);
	return true;
}

static bool on_received(struct stream *s, const void *bytes, size_t n)
{
	struct rtsp_dialogue *d = (struct rtsp_dialogue *)s;

	return proceed(d, receive(d, bytes, n, &d->out));
}

static uint64_t no_bytes(const struct stream *s)
{
	(void)s;
	return 0;
}

static void on_free(struct stream *s)
{
	struct rtsp_dialogue *d = (struct rtsp_dialogue *)s;

	if (d->control.session)
		rtsp_session_orphan(d->control.session);
	dialogue_free(d);
}

static const struct stream_ops dialogue_ops = {.feed = on_room,
					       .waits_until = waits_until,
					       .refuse = refuse,
					       .received = on_received,
					       .bytes = no_bytes,
					       .free = on_free};
static_assert(offsetof(struct rtsp_dialogue, stream) == 0, "a stream is cast to its dialogue");

static struct stream *dialogue_begin(void *owner, struct conn *c)
{
	struct rtsp_dialogue *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->stream = (struct stream){.ops = &dialogue_ops, .conn = c, .status = 200, .mutual = true};
	d->control.ops = &control_ops;
	d->all = owner;
	return &d->stream;
}

struct conn_dialogues rtsp_dialogues(struct rtsp_sessions *all)
{
	return (struct conn_dialogues){dialogue_begin, all};
}
