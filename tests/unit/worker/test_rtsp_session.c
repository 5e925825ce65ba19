/* Sessions of RTSP over UDP in a whole worker, with the test as its master and its client. */
#include <stdio.h>
#include "amps-worker/worker.h"
#include "common/clock.h"
#include "unit.h"
#include "worker/fake_master.h"

#define SOON_US 1000000u

struct world {
	struct fake_master master;
	struct worker worker;
	struct fm_stream stream;
	uint16_t port;	       /* of RTSP */
	int control, rtp, rtcp; /* the client's */
	char answers[8192];
	size_t answers_len;
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
	int sockets[2], listening;
	uint16_t unused;

	memset(x, 0, sizeof(*x));
	x->control = -1;
	fm_open(&x->master, &(struct fm_settings){.start_timeout_ms = 5000}, 0);
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
}

static void close_world(struct world *x)
{
	worker_done(&x->worker);
	fm_ring_close(&x->stream);
	close_fd(&x->control);
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

/* A session over UDP whose media have begun. */
static void start(struct world *x)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	uint16_t rtp_port, rtcp_port;
	char fields[128];

	open_world(x);
	x->rtp = udp_socket(&rtp_port);
	x->rtcp = udp_socket(&rtcp_port);
	x->control = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	sa.sin_port = htons(x->port);
	FM_CHECK(connect(x->control, (struct sockaddr *)&sa, sizeof(sa)) == 0);
	snprintf(fields, sizeof(fields), "Transport: RTP/AVP;unicast;client_port=%u-%u\r\n", rtp_port,
		 rtcp_port);
	say(x, "SETUP", fields);
	await(x, strstr(x->answers, "\r\n\r\n"));
	cr_assert(session(x), "%s", x->answers);
	snprintf(fields, sizeof(fields), "Session: %s\r\n", session(x)->id);
	say(x, "PLAY", fields);
	fm_ring(&x->stream, RING_BYTES_MIN, 1);
	fm_write_group(&x->stream, 100);
	fm_send_ring(&x->master, x->stream.fd,
		     (struct msg_output_ring){.want = want_of(x),
					      .output = 3,
					      .generation = 1,
					      .data_bytes = x->stream.data_bytes,
					      .unit_bytes = TS_PACKET,
					      .live = 1});
	await(x, strstr(x->answers, "RTSP/1.0 200 ") && strstr(x->answers, "\r\n\r\n"));
	cr_assert_eq(session(x)->state, RTSP_PLAYING);
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
