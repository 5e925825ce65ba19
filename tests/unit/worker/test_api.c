/* Answers of the API, which come from the master. */
#include <event2/event_struct.h>
#include <sys/mman.h>
#include <unistd.h>
#include "unit.h"
#include "worker/worker_world.h"

/* Asks for the channels; the number of the call that the master gets. */
static uint64_t ask(struct world *x, int *ret_fd)
{
	static const char request[] = "GET /api/streams HTTP/1.1\r\nHost: a\r\n\r\n";
	struct msg_api_call call = {0};
	struct fm_client c;
	struct msg m;

	fm_connect(&c, x->master.port, "", 0);
	cr_assert_eq(send(c.fd, request, sizeof(request) - 1, MSG_NOSIGNAL), sizeof(request) - 1);
	*ret_fd = c.fd;
	for (;;) {
		turn(x);
		if (msg_receive(x->master.socket, &m) < 0)
			continue;
		if (m.type == MSG_API_CALL) {
			cr_assert_eq(msg_decode_api_call(m.bytes, m.len, &call), 0);
			msg_done(&m);
			return call.call;
		}
		msg_done(&m);
	}
}

/* Answers a call with so many bytes, which take no memory. */
static void answer(struct world *x, uint64_t call, uint32_t status, uint64_t bytes)
{
	struct msg_api_answer m = {
		.call = call, .status = status, .bytes = bytes, .etag = "", .total = -1};
	int fd = memfd_create("answer", MFD_CLOEXEC);

	cr_assert(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0);
	cr_assert_eq(msg_send_api_answer(x->master.socket, &m, &fd), 0);
	close(fd);
}

/* What comes first of an answer, as text. */
static void hear(struct world *x, int fd, char text[1024])
{
	ssize_t n = -1;

	await(x, (n = recv(fd, text, 1023, MSG_DONTWAIT)) > 0);
	text[n] = '\0';
}

Test(api, a_401_of_the_master_says_how_to_log_in)
{
	struct world x;
	char text[1024];
	uint64_t call;
	int fd;

	open_world(&x);
	call = ask(&x, &fd);
	answer(&x, call, 401, 2);
	hear(&x, fd, text);
	cr_expect(strstr(text, "HTTP/1.1 401 ") == text, "%s", text);
	cr_expect_not_null(strstr(text, "\r\nWWW-Authenticate: Bearer realm=\"amps\"\r\n"));
	close(fd);
	close_world(&x);
}

Test(api, an_answer_larger_than_the_room_for_all_is_sent_alone)
{
	struct world x;
	char text[1024];
	uint64_t call[2];
	int fd[2];

	open_world(&x);
	call[0] = ask(&x, &fd[0]);
	call[1] = ask(&x, &fd[1]);
	answer(&x, call[0], 200, API_ANSWERS_BYTES + 1);
	answer(&x, call[1], 200, 2);
	hear(&x, fd[0], text);
	cr_expect(strstr(text, "HTTP/1.1 200 ") == text, "%s", text);
	hear(&x, fd[1], text);
	cr_expect(strstr(text, "HTTP/1.1 503 ") == text, "%s", text);
	cr_expect_not_null(strstr(text, "\r\nRetry-After: "));
	close(fd[0]);
	close(fd[1]);
	close_world(&x);
}

Test(api, a_long_answer_gives_way_to_new_clients)
{
	struct world x;
	const struct conn *c;
	uint64_t call;
	char bytes[65536];
	int fd;

	open_world(&x);
	call = ask(&x, &fd);
	answer(&x, call, 200, 16 * HTTP_TURN_BYTES);
	c = TAILQ_FIRST(&x.worker.http.conns.list);
	await(&x, c->state == CONN_SEND);
	while (c->state == CONN_SEND) {
		cr_assert_eq(event_get_priority(&c->event), PRIORITY_NORMAL);
		cr_assert_leq(c->turn_bytes, HTTP_TURN_BYTES + 1024);
		event_base_loop(x.worker.context.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
		(void)!recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	}
	cr_assert_eq(c->state, CONN_READ);
	cr_assert_eq(event_get_priority(&c->event), PRIORITY_CLIENTS);
	close(fd);
	close_world(&x);
}
