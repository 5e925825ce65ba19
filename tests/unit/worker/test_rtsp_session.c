/* Sessions of RTSP in a whole worker, with the test as its master and its client. */
#include <stdio.h>
#include "amps-worker/worker.h"
#include "common/clock.h"
#include "unit.h"
#include "worker/fake_master.h"

#define SOON_US	    1000000u
#define VIEWERS_MAX 1000u
#define INTERLEAVED "Transport: RTP/AVP/TCP;interleaved=0-1\r\n"

struct world {
	struct fake_master master;
	struct worker worker;
	struct fm_stream stream;
	uint16_t port;		/* of RTSP */
	int control, rtp, rtcp; /* the client's */
	char answers[8192];
	size_t answers_len;
	int log; /* the reader's end of the access log */
	char lines[8192];
};

static int udp_socket(uint16_t *ret_port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(sa);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	FM_CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0);
	FM_CHECK(getsockname(fd, (struct sockaddr *)&sa, &n) == 0);
	*ret_port = ntohs(sa.sin_port);
	return fd;
}

static void turn(struct world *x)
{
	ssize_t n;

	event_base_loop(x->worker.context.base, EVLOOP_NONBLOCK);
	n = x->control < 0 ? -1
			   : recv(x->control, x->answers + x->answers_len,
				  sizeof(x->answers) - 1 - x->answers_len, MSG_DONTWAIT);
	x->answers_len += (size_t)MAX(n, 0);
	x->answers[x->answers_len] = '\0';
}

static void open_world(struct world *x)
{
	int sockets[2], listening, ends[2];
	uint16_t unused;

	memset(x, 0, sizeof(*x));
	x->control = -1;
	fm_open(&x->master,
		&(struct fm_settings){.start_timeout_ms = 5000, .max_viewers = VIEWERS_MAX}, 0);
	listening = fm_listen(&x->port);
	sockets[0] = udp_socket(&unused);
	sockets[1] = udp_socket(&unused);
	cr_assert_eq(msg_send_listen_rtsp(x->master.socket, &(struct msg_listen_rtsp){.index = 0},
					  &listening),
		     0);
	cr_assert_eq(msg_send_rtp_sockets(x->master.socket, &(struct msg_rtp_sockets){}, sockets),
		     0);
	close(listening);
	close(sockets[0]);
	close(sockets[1]);
	cr_assert_eq(worker_init(&x->worker, x->master.worker_end, NULL), 0);
	await(x, x->worker.ready && x->worker.rtsp.rtp.fd >= 0);
	FM_CHECK(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
	x->log = ends[0];
	access_log_open(&x->worker.http.access_log, ends[1], false, x->worker.context.page);
}

static void close_world(struct world *x)
{
	worker_done(&x->worker);
	if (x->stream.data_bytes)
		fm_ring_close(&x->stream);
	close_fd(&x->control);
	close(x->log);
	close(x->rtp);
	close(x->rtcp);
	fm_close(&x->master);
}

static void say(struct world *x, const char *method, const char *fields)
{
	char request[512];
	int n = snprintf(request, sizeof(request), "%s rtsp://tv/5 RTSP/1.0\r\nCSeq: 1\r\n%s\r\n",
			 method, fields);

	x->answers_len = 0;
	x->answers[0] = '\0';
	FM_CHECK(send(x->control, request, (size_t)n, MSG_NOSIGNAL) == n);
}

static struct rtsp_session *session(struct world *x)
{
	return TAILQ_FIRST(&x->worker.rtsp.list);
}

static uint32_t want_of(struct world *x)
{
	static struct msg raw;
	struct msg_want want;

	do
		turn(x);
	while (msg_receive(x->master.socket, &raw) != 0 || raw.type != MSG_WANT);
	cr_assert_eq(msg_decode_want(raw.bytes, raw.len, &want), 0);
	return want.want;
}

/* A new connection in place of the one there is. */
static void reconnect(struct world *x)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	close_fd(&x->control);
	x->control = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	sa.sin_port = htons(x->port);
	FM_CHECK(connect(x->control, (struct sockaddr *)&sa, sizeof(sa)) == 0);
}

static void await_status(struct world *x, unsigned status)
{
	char line[32];

	snprintf(line, sizeof(line), "RTSP/1.0 %u ", status);
	await(x, strstr(x->answers, "\r\n\r\n"));
	cr_assert(strstr(x->answers, line), "%s", x->answers);
}

/* The newest session says this. */
static void say_in_session(struct world *x, const char *method)
{
	char fields[64];

	snprintf(fields, sizeof(fields), "Session: %s\r\n",
		 TAILQ_LAST(&x->worker.rtsp.list, rtsp_session_list)->id);
	say(x, method, fields);
}

static void setup_udp(struct world *x, uint16_t rtp_port, uint16_t rtcp_port)
{
	char fields[128];

	snprintf(fields, sizeof(fields), "Transport: RTP/AVP;unicast;client_port=%u-%u\r\n",
		 rtp_port, rtcp_port);
	say(x, "SETUP", fields);
}

/* A session whose PLAY waits for its media. */
static uint32_t start_waiting(struct world *x, bool udp)
{
	uint16_t rtp_port, rtcp_port;

	open_world(x);
	x->rtp = udp_socket(&rtp_port);
	x->rtcp = udp_socket(&rtcp_port);
	reconnect(x);
	if (udp)
		setup_udp(x, rtp_port, rtcp_port);
	else
		say(x, "SETUP", INTERLEAVED);
	await_status(x, 200);
	say_in_session(x, "PLAY");
	return want_of(x);
}

static void begin_media(struct world *x, uint32_t want)
{
	fm_ring(&x->stream, RING_BYTES_MIN, 1);
	fm_write_group(&x->stream, 100);
	fm_send_ring(&x->master, x->stream.fd,
		     (struct msg_output_ring){.want = want,
					      .output = 3,
					      .generation = 1,
					      .data_bytes = x->stream.data_bytes,
					      .unit_bytes = TS_PACKET,
					      .live = 1});
	await(x, session(x)->state == RTSP_PLAYING);
}

/* A session over UDP whose media have begun. */
static void start(struct world *x)
{
	begin_media(x, start_waiting(x, true));
	await_status(x, 200);
}

/* Takes what lies in a socket of UDP; true if something did. */
static bool received(int fd)
{
	uint8_t bytes[2048];
	bool any = false;

	while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		any = true;
	return any;
}

static void soon(struct world *x)
{
	session(x)->expires_us = clock_mono_us() + SOON_US;
}

static bool touched(struct world *x)
{
	turn(x);
	return session(x)->expires_us > clock_mono_us() + 100 * SOON_US;
}

Test(rtsp_session, one_that_is_silent_ends)
{
	struct world x;

	start(&x);
	await(&x, received(x.rtp));
	rtsp_sessions_tick(&x.worker.rtsp);
	await(&x, received(x.rtcp));
	session(&x)->expires_us = 1;
	rtsp_sessions_tick(&x.worker.rtsp);
	cr_assert_null(session(&x));
	cr_assert_eq(fm_page(&x.master)->viewers_open, 0);
	await(&x, received(x.rtcp)); /* the goodbye */
	await(&x, recv(x.control, x.answers, 1, MSG_DONTWAIT) == 0);
	close_world(&x);
}

Test(rtsp_session, requests_and_reports_keep_it_alive)
{
	uint8_t report[32] = {0x81, 201, 0, 7};
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct world x;
	uint32_t ssrc;

	start(&x);
	to.sin_port = htons(x.worker.rtsp.rtcp_port);
	soon(&x);
	say(&x, "OPTIONS", "");
	await(&x, touched(&x));
	ssrc = htonl(session(&x)->rtp.ssrc);
	memcpy(report + 8, &ssrc, sizeof(ssrc));
	soon(&x);
	/* from another port, then of another stream */
	FM_CHECK(sendto(x.rtp, report, sizeof(report), 0, (void *)&to, sizeof(to)) > 0);
	report[11] ^= 1;
	FM_CHECK(sendto(x.rtcp, report, sizeof(report), 0, (void *)&to, sizeof(to)) > 0);
	for (unsigned i = 0; i < 100; i++)
		cr_assert_not(touched(&x));
	report[11] ^= 1;
	FM_CHECK(sendto(x.rtcp, report, sizeof(report), 0, (void *)&to, sizeof(to)) > 0);
	await(&x, touched(&x));
	close_world(&x);
}

static void no_control(struct rtsp_control *c)
{
	(void)c;
}

Test(rtsp_session, a_report_costs_the_same_with_many_sessions_of_one_address_and_port)
{
	enum { MANY = 1000, CHAIN_MAX = 16 };
	static const struct rtsp_control_ops ops = {.ended = no_control};
	static struct rtsp_control controls[MANY];
	uint8_t report[32] = {0x81, 201, 0, 7};
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct rtsp_transport t = {.udp = true};
	struct stream_params params = {.id.channel = 5};
	struct rtsp_session *named, *s;
	struct conn from = {0};
	struct world x;
	uint32_t ssrc;

	start(&x);
	from.fd = x.control;
	from.peer = session(&x)->peer;
	t.ports[0] = 20000;
	t.ports[1] = session(&x)->rtcp_port;
	for (size_t i = 0; i < MANY; i++) {
		controls[i].ops = &ops;
		cr_assert_eq(rtsp_session_new(&x.worker.rtsp, &controls[i], &from, &params, &t), 0);
		controls[i].session->expires_us = 1;
	}
	for (size_t i = 0; i < RTSP_STREAM_BUCKETS; i++) {
		size_t chain = 0;

		LIST_FOREACH (s, &x.worker.rtsp.streams[i], in_bucket)
			chain++;
		cr_assert_leq(chain, CHAIN_MAX);
	}
	named = controls[MANY / 2].session;
	ssrc = htonl(named->rtp.ssrc);
	memcpy(report + 8, &ssrc, sizeof(ssrc));
	to.sin_port = htons(x.worker.rtsp.rtcp_port);
	FM_CHECK(sendto(x.rtcp, report, sizeof(report), 0, (void *)&to, sizeof(to)) > 0);
	await(&x, named->expires_us > 1);
	for (size_t i = 0; i < MANY; i++)
		cr_assert_eq(controls[i].session->expires_us > 1, controls[i].session == named);
	for (size_t i = 0; i < MANY; i++)
		rtsp_session_end(controls[i].session, VIEWER_END_PROTOCOL);
	close_world(&x);
}

Test(rtsp_session, sessions_without_a_connection_are_found_by_their_client)
{
	enum { MANY = 1000, CHAIN_MAX = 16 };
	static const struct rtsp_control_ops ops = {.ended = no_control};
	static struct rtsp_control controls[MANY], again = {.ops = &ops};
	struct rtsp_transport t = {.udp = true, .ports = {20000, 20001}};
	struct stream_params params = {.id.channel = 5};
	struct rtsp_session *all[MANY], *s;
	struct conn from = {0};
	struct in6_addr other;
	struct world x;

	start(&x);
	from.fd = x.control;
	from.peer = session(&x)->peer;
	for (size_t i = 0; i < MANY; i++) {
		from.peer.s6_addr[13] = (uint8_t)(i >> 8);
		from.peer.s6_addr[14] = (uint8_t)i;
		controls[i].ops = &ops;
		cr_assert_eq(rtsp_session_new(&x.worker.rtsp, &controls[i], &from, &params, &t), 0);
		all[i] = controls[i].session;
		rtsp_session_set_state(all[i], RTSP_STARTING);
		rtsp_session_set_state(all[i], RTSP_PLAYING);
		rtsp_session_orphan(all[i]);
	}
	for (size_t i = 0; i < RTSP_CLIENT_BUCKETS; i++) {
		size_t chain = 0;

		LIST_FOREACH (s, &x.worker.rtsp.alone[i], in_alone)
			chain++;
		cr_assert_leq(chain, CHAIN_MAX);
	}
	s = all[MANY / 2];
	other = all[0]->peer;
	cr_expect_null(rtsp_session_find(&x.worker.rtsp, &again, &other,
					 (struct span){s->id, strlen(s->id)}));
	cr_expect_eq(rtsp_session_find(&x.worker.rtsp, &again, &s->peer,
				       (struct span){s->id, strlen(s->id)}),
		     s);
	for (size_t i = 0; i < MANY; i++)
		rtsp_session_end(all[i], VIEWER_END_PROTOCOL);
	cr_expect_null(again.session);
	for (size_t i = 0; i < RTSP_CLIENT_BUCKETS; i++)
		cr_assert(LIST_EMPTY(&x.worker.rtsp.alone[i]));
	close_world(&x);
}

Test(rtsp_session, one_whose_connection_has_gone_keeps_what_was_announced)
{
	struct world x;

	start(&x);
	close_fd(&x.control);
	await(&x, !session(&x)->control);
	cr_assert_leq(session(&x)->expires_us, clock_mono_us() + RTSP_TIMEOUT_S * 1000000ull);
	cr_assert_gt(session(&x)->expires_us, clock_mono_us());
	received(x.rtp);
	fm_write_group(&x.stream, 100);
	await(&x, received(x.rtp));
	close_world(&x);
}

Test(rtsp_session, a_client_may_have_a_few_without_a_connection)
{
	struct world x;
	uint64_t first;

	start(&x);
	first = session(&x)->rtp.ssrc;
	for (uint16_t i = 0; i <= RTSP_ALONE_MAX; i++) {
		struct rtsp_session *s = TAILQ_LAST(&x.worker.rtsp.list, rtsp_session_list);

		reconnect(&x);
		await(&x, !s->control);
		setup_udp(&x, (uint16_t)(20000 + 2 * i), (uint16_t)(20001 + 2 * i));
		await_status(&x, 200);
		say_in_session(&x, "PLAY");
		await_status(&x, 200);
	}
	await(&x, fm_page(&x.master)->viewers_open == RTSP_ALONE_MAX + 1);
	cr_assert_neq(session(&x)->rtp.ssrc, first);
	close_world(&x);
}

Test(rtsp_session, a_request_over_a_new_connection_keeps_it_alive)
{
	static const char *const methods[] = {"OPTIONS", "DESCRIBE", "GET_PARAMETER"};
	struct world x;

	start(&x);
	for (size_t i = 0; i < array_size(methods); i++) {
		reconnect(&x);
		await(&x, !session(&x)->control);
		soon(&x);
		say_in_session(&x, methods[i]);
		await_status(&x, 200);
		cr_assert(session(&x)->control && touched(&x), "%s", methods[i]);
	}
	close_world(&x);
}

/* How many lines the access log has for PLAY; all have this status. */
static unsigned plays(struct world *x, unsigned status)
{
	size_t len = strlen(x->lines);
	ssize_t n = read(x->log, x->lines + len, sizeof(x->lines) - 1 - len);
	unsigned count = 0, found;

	x->lines[len + (size_t)MAX(n, 0)] = '\0';
	for (const char *at = x->lines; (at = strstr(at, "\"PLAY ")); at++) {
		cr_assert_eq(sscanf(at, "\"PLAY %*s RTSP/1.0\" %u ", &found), 1, "%s", at);
		cr_assert_eq(found, status, "%s", at);
		count++;
	}
	return count;
}

Test(rtsp_session, the_worker_ends_before_its_connections)
{
	struct world x;

	begin_media(&x, start_waiting(&x, false));
	worker_done(&x.worker);
	cr_assert_eq(plays(&x, 200), 1);
	close_world(&x);
	start_waiting(&x, false);
	worker_done(&x.worker);
	cr_assert_eq(plays(&x, 499), 1);
	close_world(&x);
	start(&x);
	worker_done(&x.worker);
	cr_assert_eq(plays(&x, 200), 1);
	close_world(&x);
}

Test(rtsp_session, a_line_of_the_access_log_counts_beyond_32_bits)
{
	struct world x;

	start(&x);
	session(&x)->bytes = UINT32_MAX;
	fm_write_group(&x.stream, 100);
	await(&x, session(&x)->bytes > UINT32_MAX);
	say_in_session(&x, "TEARDOWN");
	await(&x, plays(&x, 200) == 1);
	cr_assert(strstr(x.lines, "\" 200 429"), "%s", x.lines);
	close_world(&x);
}

Test(rtsp_session, a_source_that_fails_is_the_answer_to_play_and_one_line)
{
	for (int udp = 0; udp < 2; udp++) {
		struct world x;
		struct msg_output_gone gone = {
			.reason = GONE_FAILED, .status = 502, .text = "it is broken"};

		gone.want = start_waiting(&x, udp);
		x.answers_len = 0;
		cr_assert_eq(msg_send_output_gone(x.master.socket, &gone, NULL), 0);
		await_status(&x, 502);
		await(&x, plays(&x, 502) == 1);
		close_world(&x);
	}
}

Test(rtsp_session, a_client_that_leaves_while_play_waits_gets_499)
{
	for (int udp = 0; udp < 2; udp++) {
		struct world x;

		start_waiting(&x, udp);
		close_fd(&x.control);
		await(&x, plays(&x, 499) == 1);
		cr_assert_null(session(&x));
		close_world(&x);
	}
}

Test(rtsp_session, one_that_is_kicked_while_play_waits_is_told_at_once)
{
	struct msg_kick kick;
	struct world x;

	start_waiting(&x, true);
	kick.serial = atomic_load(&session(&x)->packer.viewer->record->serial);
	cr_assert_eq(msg_send_kick(x.master.socket, &kick, NULL), 0);
	await_status(&x, 503);
	await(&x, plays(&x, 503) == 1);
	await(&x, recv(x.control, x.answers, 1, MSG_DONTWAIT) == 0);
	close_world(&x);
}

Test(rtsp_session, a_play_without_room_is_one_line)
{
	for (int udp = 0; udp < 2; udp++) {
		uint16_t rtp_port, rtcp_port;
		struct world x;

		open_world(&x);
		x.rtp = udp_socket(&rtp_port);
		x.rtcp = udp_socket(&rtcp_port);
		reconnect(&x);
		if (udp)
			setup_udp(&x, rtp_port, rtcp_port);
		else
			say(&x, "SETUP", INTERLEAVED);
		await_status(&x, 200);
		page_add(&x.worker.context.page->viewers_open, VIEWERS_MAX);
		say_in_session(&x, "PLAY");
		await_status(&x, 503);
		await(&x, plays(&x, 503) == 1);
		cr_assert_eq(session(&x)->state, RTSP_READY);
		close_world(&x);
	}
}

Test(rtsp_session, teardown_is_answered_while_play_waits_interleaved)
{
	struct world x;

	start_waiting(&x, false);
	say_in_session(&x, "TEARDOWN");
	await(&x, strstr(x.answers, "RTSP/1.0 455 ") && strstr(x.answers, "RTSP/1.0 200 "));
	cr_assert_null(session(&x));
	close_world(&x);
}

Test(rtsp_session, what_was_asked_before_a_refused_play_is_answered)
{
	struct msg_output_gone gone = {
		.reason = GONE_FAILED, .status = 502, .text = "it is broken"};
	char both[256];
	struct world x;
	int n;

	open_world(&x);
	x.rtp = x.rtcp = -1;
	reconnect(&x);
	say(&x, "SETUP", INTERLEAVED);
	await_status(&x, 200);
	n = snprintf(both, sizeof(both),
		     "OPTIONS * RTSP/1.0\r\nCSeq: 2\r\n\r\n"
		     "PLAY rtsp://tv/5 RTSP/1.0\r\nCSeq: 3\r\nSession: %s\r\n\r\n",
		     session(&x)->id);
	x.answers_len = 0;
	FM_CHECK(send(x.control, both, (size_t)n, MSG_NOSIGNAL) == n);
	gone.want = want_of(&x);
	cr_assert_eq(msg_send_output_gone(x.master.socket, &gone, NULL), 0);
	await(&x, strstr(x.answers, "RTSP/1.0 502 "));
	cr_assert(strstr(x.answers, "Public: "), "%s", x.answers);
	close_world(&x);
}

Test(rtsp_session, a_client_that_does_not_read_gets_no_old_reports)
{
	struct world x;
	struct rtsp_session *s;

	begin_media(&x, start_waiting(&x, false));
	s = session(&x);
	s->report_us = 1;
	s->packer.viewer->stream.blocked = true;
	rtsp_sessions_tick(&x.worker.rtsp);
	cr_assert_eq(s->report_us, 1);
	s->packer.viewer->stream.blocked = false;
	rtsp_sessions_tick(&x.worker.rtsp);
	cr_assert_gt(s->report_us, 1);
	close_world(&x);
}
