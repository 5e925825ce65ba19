#include "amps-worker/rtsp/rtsp_session.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "amps-worker/context/context.h"
#include "common/clock.h"
#include "common/hash.h"
#include "common/log/log.h"
#include "common/text/address.h"

#define INTERLEAVED_HEAD 4u
#define REPORTS_TURN	 64u /* datagrams of RTCP read before the loop gets its turn */

static void report_in(evutil_socket_t fd, short what, void *arg);

void rtsp_sessions_init(struct rtsp_sessions *all, struct conns *conns, struct viewers *viewers)
{
	*all = (struct rtsp_sessions){.conns = conns, .viewers = viewers};
	all->rtp.fd = all->rtcp.fd = -1;
	TAILQ_INIT(&all->list);
	for (unsigned i = 0; i < RTSP_STREAM_BUCKETS; i++)
		LIST_INIT(&all->streams[i]);
	for (unsigned i = 0; i < RTSP_CLIENT_BUCKETS; i++)
		LIST_INIT(&all->alone[i]);
}

void rtsp_sessions_open_udp(struct rtsp_sessions *all, int rtp_fd, int rtcp_fd)
{
	struct event_base *base = all->conns->context->base;
	int least = 1;

	datagram_socket_init(&all->rtp, base, rtp_fd);
	datagram_socket_init(&all->rtcp, base, rtcp_fd);
	all->rtp_port = conn_bound_port(rtp_fd);
	all->rtcp_port = conn_bound_port(rtcp_fd);
	/* clients send nothing here but packets that open the way through their firewall */
	setsockopt(rtp_fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least));
	event_assign(&all->reports, base, rtcp_fd, EV_READ | EV_PERSIST, report_in, all);
	event_priority_set(&all->reports, PRIORITY_NORMAL);
	event_add(&all->reports, NULL);
}

void rtsp_sessions_drain(struct rtsp_sessions *all)
{
	struct rtsp_session *s, *next;

	for (s = TAILQ_FIRST(&all->list); s; s = next) {
		next = TAILQ_NEXT(s, link);
		if (s->udp)
			rtsp_session_end(s, VIEWER_END_SERVER);
	}
}

void rtsp_sessions_done(struct rtsp_sessions *all)
{
	if (!all->viewers)
		return;
	assert(TAILQ_EMPTY(&all->list));
	if (all->rtcp.fd >= 0)
		event_del(&all->reports);
	datagram_socket_done(&all->rtp);
	datagram_socket_done(&all->rtcp);
}

static struct rtsp_stream_bucket *bucket_of(struct rtsp_sessions *all, uint32_t ssrc)
{
	return &all->streams[ssrc % RTSP_STREAM_BUCKETS];
}

static bool same_client(const struct in6_addr *a, const struct in6_addr *b)
{
	return address_client(a) == address_client(b);
}

static struct rtsp_client_bucket *alone_of(struct rtsp_sessions *all, const struct in6_addr *peer)
{
	uint64_t h = hash_end(hash_u64(HASH_START, address_client(peer)));

	return &all->alone[h % RTSP_CLIENT_BUCKETS];
}

/* --- the packer */

static struct rtsp_session *session_of(struct packer *p)
{
	static_assert(offsetof(struct rtsp_session, packer) == 0, "a packer is cast");
	return (struct rtsp_session *)p;
}

/* What stands before an interleaved packet (RFC 2326, 10.12). */
static size_t write_interleaved(uint8_t channel, size_t n, uint8_t *to)
{
	assert(n <= UINT16_MAX);
	to[0] = '$';
	to[1] = channel;
	to[2] = (uint8_t)(n >> 8);
	to[3] = (uint8_t)n;
	return INTERLEAVED_HEAD;
}

static size_t packet_head(struct packer *p, size_t ahead, const uint8_t *payload, size_t n,
			  uint8_t to[PACKER_HEAD_MAX])
{
	struct rtsp_session *s = session_of(p);
	struct rtsp_sessions *all = s->all;
	struct rtp_clock *clock = &all->ahead[ahead];
	size_t front = 0;
	bool marker;

	assert(ahead < PACKED_UNITS);
	if (ahead == 0)
		all->ahead_us = clock_mono_us();
	*clock = ahead ? all->ahead[ahead - 1] : s->rtp.clock;
	marker = rtp_clock_follow(clock, payload, n, all->ahead_us);
	if (!s->udp)
		front = write_interleaved(s->channels[0], RTP_HEAD_BYTES + n, to);
	rtp_write_head(&s->rtp, ahead, clock->stamp, marker, to + front);
	return front + RTP_HEAD_BYTES;
}

static void packets_sent(struct packer *p, size_t units, size_t bytes)
{
	struct rtsp_session *s = session_of(p);

	if (!units)
		return;
	assert(units <= PACKED_UNITS);
	s->rtp.clock = s->all->ahead[units - 1];
	s->rtp.seq = (uint16_t)(s->rtp.seq + units);
	s->rtp.packets += (uint32_t)units;
	s->rtp.bytes += (uint32_t)bytes;
	s->bytes += bytes;
}

static void media_begin(struct packer *p)
{
	struct rtsp_session *s = session_of(p);

	rtsp_session_set_state(s, RTSP_PLAYING);
	access_entry_set_status(s->entry, 200);
	s->report_us = 0; /* the first report follows at once */
	if (s->udp && s->control)
		s->control->ops->begun(s->control);
}

static bool refuse_media(struct packer *p, int status, const char *text)
{
	struct rtsp_session *s = session_of(p);

	if (s->control)
		s->control->ops->refuse(s->control, status, text);
	return true;
}

static int client_said(struct packer *p, const void *bytes, size_t n, struct buf *out)
{
	struct rtsp_session *s = session_of(p);

	assert(s->control && !s->udp);
	return s->control->ops->receive(s->control, bytes, n, out);
}

static size_t write_report(const struct rtsp_session *s, bool bye, uint8_t to[PACKER_WORDS_MAX])
{
	size_t front = s->udp ? 0 : INTERLEAVED_HEAD, n;

	static_assert(INTERLEAVED_HEAD + RTCP_REPORT_MAX <= PACKER_WORDS_MAX, "a last report");
	n = rtcp_write_report(&s->rtp, clock_wall_us(), bye, to + front);
	if (front)
		write_interleaved(s->channels[1], n, to);
	return front + n;
}

static size_t goodbye(const struct packer *p, enum viewer_end why, uint8_t to[PACKER_WORDS_MAX])
{
	if (why == VIEWER_END_PROTOCOL)
		return 0;
	return write_report((const struct rtsp_session *)p, true, to);
}

/* A report over UDP; one that is lost is followed by the next. */
static void send_report(struct rtsp_session *s, bool bye)
{
	uint8_t report[PACKER_WORDS_MAX];
	size_t n = write_report(s, bye, report);
	const struct datagram_path *p = &s->rtcp_path;
	struct iovec iov = {report, n};
	struct msghdr m = {.msg_name = (void *)(uintptr_t)&p->to,
			   .msg_namelen = p->to_len,
			   .msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = p->control_len ? (void *)(uintptr_t)p->control : NULL,
			   .msg_controllen = p->control_len};

	if (sendmsg(s->all->rtcp.fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_debug("a sender report was not sent: %m");
}

static void session_free(struct rtsp_session *s)
{
	struct rtsp_control *control = s->control;

	if (s->udp && s->state == RTSP_PLAYING)
		send_report(s, true);
	if (s->udp && s->state == RTSP_STARTING && control)
		control->ops->refuse(control, 503, "the session was ended");
	if (s->udp)
		LIST_REMOVE(s, in_bucket);
	if (!control)
		LIST_REMOVE(s, in_alone);
	TAILQ_REMOVE(&s->all->list, s, link);
	access_log_end(s->all->conns->access_log, s->entry, s->bytes);
	free(s);
	if (!control)
		return;
	control->session = NULL;
	control->ops->ended(control);
}

static void viewer_gone(struct packer *p)
{
	session_free(session_of(p));
}

/* --- sessions */

static const struct packer_ops over_tcp = {.payload_max = RTP_PAYLOAD_BYTES,
					   .mutual = true,
					   .head = packet_head,
					   .took = packets_sent,
					   .begun = media_begin,
					   .refuse = refuse_media,
					   .receive = client_said,
					   .end = goodbye,
					   .free = viewer_gone};
static const struct packer_ops over_udp = {.payload_max = RTP_PAYLOAD_BYTES,
					   .head = packet_head,
					   .took = packets_sent,
					   .begun = media_begin,
					   .refuse = refuse_media,
					   .free = viewer_gone};

static int set_paths(struct rtsp_session *s, const struct conn *c, const struct rtsp_transport *t)
{
	int r = datagram_path_of(&s->all->rtp, c->fd, t->ports[0], &s->rtp_path);

	if (r == 0)
		r = datagram_path_of(&s->all->rtcp, c->fd, t->ports[1], &s->rtcp_path);
	if (r < 0)
		return r;
	s->datagrams = (struct datagrams){.socket = &s->all->rtp, .path = &s->rtp_path};
	s->packer.datagrams = &s->datagrams;
	s->rtcp_port = t->ports[1];
	LIST_INSERT_HEAD(bucket_of(s->all, s->rtp.ssrc), s, in_bucket);
	return 0;
}

/* Identifiers and the beginnings of counters cannot be guessed (RFC 3550, 5.1). */
static int choose_numbers(struct rtsp_session *s)
{
	struct {
		uint64_t id;
		uint32_t ssrc, stamp;
		uint16_t seq;
	} random;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return -errno;
	snprintf(s->id, sizeof(s->id), "%016llx", (unsigned long long)random.id);
	s->rtp = (struct rtp_stream){
		.ssrc = random.ssrc, .seq = random.seq, .clock.stamp = random.stamp};
	return 0;
}

int rtsp_session_new(struct rtsp_sessions *all, struct rtsp_control *control, const struct conn *c,
		     const struct stream_params *params, const struct rtsp_transport *t)
{
	struct rtsp_session *s = calloc(1, sizeof(*s));
	int r;

	assert(!control->session);
	if (!s)
		return -ENOMEM;
	s->packer.ops = t->udp ? &over_udp : &over_tcp;
	s->all = all;
	s->udp = t->udp;
	s->peer = c->peer;
	s->params = *params;
	memcpy(s->channels, t->channels, sizeof(s->channels));
	r = choose_numbers(s);
	if (r == 0 && t->udp)
		r = set_paths(s, c, t);
	if (r < 0) {
		free(s);
		return r;
	}
	TAILQ_INSERT_TAIL(&all->list, s, link);
	s->control = control;
	control->session = s;
	rtsp_session_touch(s);
	return 0;
}

struct rtsp_session *rtsp_session_find(struct rtsp_sessions *all, struct rtsp_control *control,
				       const struct in6_addr *peer, struct span id)
{
	struct rtsp_session *s = control->session;

	if (s)
		return span_is(id, s->id) ? s : NULL;
	LIST_FOREACH (s, alone_of(all, peer), in_alone)
		if (span_is(id, s->id) && memcmp(&s->peer, peer, sizeof(*peer)) == 0)
			break;
	if (!s)
		return NULL;
	assert(s->udp && s->state == RTSP_PLAYING && !s->control);
	LIST_REMOVE(s, in_alone);
	s->control = control;
	control->session = s;
	return s;
}

void rtsp_session_set_state(struct rtsp_session *s, enum rtsp_session_state state)
{
	static const uint8_t legal[RTSP_SESSION_STATE_COUNT_] = {
		[RTSP_READY] = 1u << RTSP_STARTING,
		[RTSP_STARTING] = 1u << RTSP_READY | 1u << RTSP_PLAYING,
	};

	assert(legal[s->state] & 1u << state);
	s->state = (uint8_t)state;
}

void rtsp_session_touch(struct rtsp_session *s)
{
	s->expires_us = clock_mono_us() + RTSP_EXPIRE_MS * 1000ull;
}

void rtsp_session_end(struct rtsp_session *s, enum viewer_end why)
{
	if (s->packer.viewer)
		viewer_end(s->packer.viewer, why);
	else
		session_free(s);
}

/* The limits of connections do not count a session without one: of this client, the one that is
 * silent for the longest time is ended if there are too many. */
static void limit_alone(struct rtsp_sessions *all, struct in6_addr peer)
{
	struct rtsp_session *s, *oldest = NULL;
	unsigned count = 0;

	LIST_FOREACH (s, alone_of(all, &peer), in_alone) {
		if (!same_client(&peer, &s->peer))
			continue;
		count++;
		if (!oldest || s->expires_us < oldest->expires_us)
			oldest = s;
	}
	if (count > RTSP_ALONE_MAX)
		rtsp_session_end(oldest, VIEWER_END_PROTOCOL);
}

void rtsp_session_leave(struct rtsp_session *s)
{
	assert(s->control && s->control->session == s);
	s->control->session = NULL;
	s->control = NULL;
	LIST_INSERT_HEAD(alone_of(s->all, &s->peer), s, in_alone);
}

void rtsp_session_orphan(struct rtsp_session *s)
{
	rtsp_session_leave(s);
	/* what was announced is enough for one that may not come back */
	s->expires_us = MIN(s->expires_us, clock_mono_us() + RTSP_TIMEOUT_S * 1000000ull);
	if (s->udp && s->state == RTSP_PLAYING)
		limit_alone(s->all, s->peer);
	else
		rtsp_session_end(s, VIEWER_END_PROTOCOL);
}

/* --- reports */

/* A receiver's report keeps its session alive if it comes from the client's address and port and
 * names the stream, which only the two sides know. */
static void take_reports(struct rtsp_sessions *all, const uint8_t *bytes, size_t n,
			 const struct sockaddr_storage *from)
{
	uint32_t ssrc[RTCP_REPORTED_MAX];
	size_t count = rtcp_read_reports(bytes, n, ssrc);
	uint16_t port;
	struct in6_addr peer = conn_address(from, &port);
	struct rtsp_session *s;

	for (size_t i = 0; i < count; i++)
		LIST_FOREACH (s, bucket_of(all, ssrc[i]), in_bucket)
			if (s->rtp.ssrc == ssrc[i] && s->rtcp_port == port &&
			    memcmp(&s->peer, &peer, sizeof(peer)) == 0)
				rtsp_session_touch(s);
}

static void report_in(evutil_socket_t fd, short what, void *arg)
{
	uint8_t bytes[1500];

	(void)what;
	for (unsigned i = 0; i < REPORTS_TURN; i++) {
		struct sockaddr_storage from = {0};
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(fd, bytes, sizeof(bytes), MSG_DONTWAIT,
				     (struct sockaddr *)&from, &len);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n > 0)
			take_reports(arg, bytes, (size_t)n, &from);
	}
}

/* May free it. */
static void report(struct rtsp_session *s, uint64_t now)
{
	uint8_t words[PACKER_WORDS_MAX];

	/* a client that does not read gets none that is old */
	if (!s->udp && s->packer.viewer->stream.blocked)
		return;
	s->report_us = now + RTCP_INTERVAL_MS * 1000;
	if (s->udp)
		send_report(s, false);
	else if (viewer_say(s->packer.viewer, words, write_report(s, false, words)) == VIEWER_GONE)
		viewer_close(s->packer.viewer);
}

void rtsp_sessions_tick(struct rtsp_sessions *all)
{
	uint64_t now = clock_mono_us();
	struct rtsp_session *s, *next;

	for (s = TAILQ_FIRST(&all->list); s; s = next) {
		next = TAILQ_NEXT(s, link);
		if (s->udp && s->state == RTSP_PLAYING && now >= s->expires_us) {
			log_info("ended a session of RTSP: its client is silent channel=%u",
				 s->params.id.channel);
			rtsp_session_end(s, VIEWER_END_PROTOCOL);
		} else if (s->state == RTSP_PLAYING && now >= s->report_us) {
			report(s, now);
		}
	}
}
