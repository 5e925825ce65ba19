/* The HTTP side of a worker: keep-alive, pipelining, deadlines, shutdown. */
#include "amps-worker/http/body_cache.h"
#include "amps-worker/http/conn.h"
#include "amps-worker/http/incoming.h"
#include "unit.h"
#include "worker/worker_world.h"

/* A client that keeps what it receives as text. */
struct asker {
	int fd;
	bool closed;
	size_t len;
	char text[262144];
};

static void ask(struct asker *a, const struct world *x, const char *text)
{
	size_t n = strlen(text);
	struct fm_client c;

	fm_connect(&c, x->master.port, "", 0);
	memset(a, 0, sizeof(*a));
	a->fd = c.fd;
	cr_assert_eq(send(a->fd, text, n, MSG_NOSIGNAL), (ssize_t)n);
}

static size_t occurrences(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

/* Turns the loop until `what` was received `times` times, or the connection ended. */
static void receive(struct world *x, struct asker *a, const char *what, size_t times)
{
	uint64_t end = clock_mono_us() + 20000000;

	while (!a->closed && (!what || occurrences(a->text, what) < times)) {
		ssize_t n;

		turn(x);
		n = recv(a->fd, a->text + a->len, sizeof(a->text) - 1 - a->len, MSG_DONTWAIT);
		if (n > 0)
			a->len += (size_t)n;
		else if (n == 0 || errno != EAGAIN)
			a->closed = true;
		cr_assert_lt(clock_mono_us(), end);
	}
	a->text[a->len] = '\0';
}

static struct asker a;

Test(conn, pipelined_requests_are_answered_in_order)
{
	struct world x;
	char requests[200 * 40] = "";
	size_t n = 0;

	open_world(&x);
	for (int i = 0; i < 200; i++)
		n += (size_t)sprintf(requests + n, "GET /%s HTTP/1.1\r\nHost: a\r\n\r\n",
				     i % 2 ? "none" : "healthz");
	ask(&a, &x, requests);
	receive(&x, &a, "HTTP/1.1 404", 100);
	receive(&x, &a, "HTTP/1.1 200", 100);
	cr_assert_not(a.closed);
	cr_assert_eq(occurrences(a.text, "HTTP/1.1 200"), 100);
	cr_assert_eq(occurrences(a.text, "HTTP/1.1 404"), 100);
	cr_assert_eq(fm_page(&x.master)->requests_total, 200);
	close(a.fd);
	close_world(&x);
}

Test(conn, a_request_beyond_the_limit_of_a_turn_waits_for_the_next)
{
	static const char request[] = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
	const size_t count = HTTP_PIPELINE_MAX + 1;
	struct buf requests = BUF_INIT;
	struct world x;

	open_world(&x);
	for (size_t i = 0; i < count; i++)
		buf_puts(&requests, request);
	ask(&a, &x, requests.data);
	receive(&x, &a, "\r\n\r\n", count);
	receive(&x, &a, "HTTP/1.1 200", count);
	/* all answers are equally long: the last turn sent one */
	cr_assert_eq(a.len % count, 0);
	cr_assert_eq(TAILQ_FIRST(&x.worker.http.conns.list)->turn_bytes, a.len / count);
	close(a.fd);
	buf_done(&requests);
	close_world(&x);
}

Test(conn, an_answer_without_change_counts_as_304)
{
	struct world x;

	open_world(&x);
	ask(&a, &x, "GET /playlist.m3u HTTP/1.1\r\nHost: a\r\nIf-None-Match: *\r\n\r\n");
	receive(&x, &a, "HTTP/1.1 304", 1);
	cr_assert_eq(fm_page(&x.master)->responses[3], 1);
	cr_assert_eq(fm_page(&x.master)->responses[2], 0);
	close(a.fd);
	close_world(&x);
}

/* The loop reports that the connection's deadline has passed, and nothing else of it. */
static void pass_deadline(struct conn *c)
{
	c->deadline_us = 1;
	event_get_callback (&c->event)(c->fd, EV_TIMEOUT, c);
}

Test(conn, a_request_that_waits_for_a_busy_worker_is_not_late)
{
	struct world x;

	open_world(&x);
	ask(&a, &x, "");
	while (x.worker.http.conns.count == 0)
		turn(&x);
	dprintf(a.fd, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
	pass_deadline(TAILQ_FIRST(&x.worker.http.conns.list));
	receive(&x, &a, "HTTP/1.1 200", 1);
	/* without a request it is */
	pass_deadline(TAILQ_FIRST(&x.worker.http.conns.list));
	receive(&x, &a, NULL, 0);
	cr_assert_eq(x.worker.http.conns.count, 0);
	close(a.fd);
	close_world(&x);
}

Test(conn, a_request_may_come_byte_by_byte)
{
	static const char request[] = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
	struct world x;

	open_world(&x);
	ask(&a, &x, request);
	for (size_t i = 1; i < sizeof(request) - 1; i++) {
		turn(&x);
		cr_assert_eq(send(a.fd, request + i, 1, 0), 1);
	}
	receive(&x, &a, "HTTP/1.1 200", 1);
	close(a.fd);
	close_world(&x);
}

Test(conn, a_request_with_a_body_ends_the_connection)
{
	static const char requests[] = "GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n"
				       "\r\nGET /none HTTP/1.1\r\nGET /healthz HTTP/1.1\r\n"
				       "Host: a\r\n\r\n";
	struct world x;

	open_world(&x);
	ask(&a, &x, requests);
	receive(&x, &a, "HTTP/1.1 200", 2);
	cr_assert_eq(occurrences(a.text, "HTTP/1.1 404"), 0);
	close(a.fd);
	close_world(&x);
}

Test(conn, a_malformed_head_gets_400_and_the_connection_ends)
{
	struct world x;

	open_world(&x);
	ask(&a, &x, "nonsense\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
	receive(&x, &a, NULL, 0);
	cr_assert_eq(occurrences(a.text, "HTTP/1.1 400"), 1);
	cr_assert_eq(occurrences(a.text, "HTTP/1.1 200"), 0);
	close(a.fd);
	close_world(&x);
}

Test(conn, a_client_that_shut_its_side_is_still_answered)
{
	struct world x;

	open_world(&x);
	ask(&a, &x, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
	shutdown(a.fd, SHUT_WR);
	receive(&x, &a, NULL, 0);
	cr_assert_eq(occurrences(a.text, "HTTP/1.1 200"), 1);
	close(a.fd);
	close_world(&x);
}

Test(conn, head_of_a_stream_starts_no_tuner)
{
	struct world x;
	static struct msg m;

	open_world(&x);
	ask(&a, &x, "HEAD /stream/5.ts HTTP/1.1\r\nHost: a\r\n\r\n");
	receive(&x, &a, NULL, 0);
	cr_assert_eq(occurrences(a.text, "HTTP/1.1 200"), 1);
	cr_assert_eq(occurrences(a.text, "video/mp2t"), 1);
	while (msg_receive(x.master.socket, &m) == 0)
		cr_assert_neq(m.type, MSG_WANT);
	cr_assert_eq(fm_page(&x.master)->viewers_total, 0);
	close(a.fd);
	close_world(&x);
}

Test(conn, an_unfinished_head_gets_408)
{
	struct world x;

	open_world(&x);
	ask(&a, &x, "GET /healthz HTTP/1.1\r\n");
	receive(&x, &a, NULL, 0);
	cr_assert_eq(occurrences(a.text, "HTTP/1.1 408"), 1);
	close(a.fd);
	close_world(&x);
}

Test(conn, shutdown_closes_what_is_idle_and_ends_the_loop)
{
	struct world x;

	open_world(&x);
	ask(&a, &x, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
	receive(&x, &a, "HTTP/1.1 200", 1);
	cr_assert_eq(msg_send_shutdown(x.master.socket, &(struct msg_shutdown){}, NULL), 0);
	cr_assert_eq(worker_run(&x.worker), 0);
	receive(&x, &a, NULL, 0);
	cr_assert_eq(x.worker.http.conns.count, 0);
	close(a.fd);
	close_world(&x);
}

Test(conn, the_worker_ends_with_its_master)
{
	struct world x;

	open_world(&x);
	close(x.master.socket);
	cr_assert_eq(worker_run(&x.worker), 0);
	x.master.socket = -1;
	close_world(&x);
}

Test(conn, a_connection_over_the_limit_gets_503)
{
	struct world x;

	open_world(&x);
	x.worker.http.conns.max = 0;
	ask(&a, &x, "");
	receive(&x, &a, NULL, 0);
	cr_assert_eq(occurrences(a.text, "HTTP/1.1 503"), 1);
	cr_assert(strstr(a.text, "\r\n\r\n{\"error\": \"too many connections\"}\n"));
	cr_assert_eq(fm_page(&x.master)->connections_refused, 1);
	cr_assert_eq(x.worker.http.conns.count, 0);
	close(a.fd);
	close_world(&x);
}

Test(conn, a_dropped_listening_socket_is_left_alone)
{
	struct world x;
	struct fm_client c;
	uint16_t port = 0;
	int other = fm_listen(&port);

	open_world(&x);
	cr_assert_eq(msg_send_listen_also(x.master.socket, &(struct msg_listen_also){.index = 1},
					  &other),
		     0);
	fm_connect(&c, port, "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 0);
	while (!c.closed) {
		turn(&x);
		fm_read(&c, 4096);
	}
	cr_assert(strncmp(c.head, "HTTP/1.1 200 ", 13) == 0);
	close(c.fd);
	cr_assert_eq(
		msg_send_listen_drop(x.master.socket, &(struct msg_listen_drop){.index = 1}, NULL),
		0);
	for (int i = 0; i < 10; i++)
		turn(&x);
	/* the master holds it open: a new client there does not wake this worker any more */
	fm_connect(&c, port, "", 0);
	cr_assert_eq(event_base_loop(x.worker.context.base, EVLOOP_NONBLOCK), 0);
	cr_assert_eq(x.worker.http.conns.count, 0);
	close(c.fd);
	close(other);
	close_world(&x);
}

#define MANY_CHANNELS 10000u

/* The worker's next catalog: large enough for its list to take many slices. */
static void publish_many(struct world *x)
{
	size_t at = sizeof(struct catalog_header) + sizeof(struct catalog_settings);
	size_t text = at + MANY_CHANNELS * sizeof(struct catalog_channel), n = text + 8;
	char *bytes = calloc(1, n);
	struct catalog_header *h = (void *)bytes;
	struct catalog_channel *ch = (void *)(bytes + at);
	int fd;

	fm_catalog(bytes, &(struct fm_settings){.start_timeout_ms = 5000});
	memset(bytes + at, 0, n - at);
	strcpy(bytes + text, "many");
	h->snapshot.generation = 2;
	h->snapshot.total_bytes = n;
	h->channel_count = MANY_CHANNELS;
	for (uint32_t i = 0; i < MANY_CHANNELS; i++)
		ch[i] = (struct catalog_channel){.id = i,
						 .name_at = (uint32_t)text,
						 .start_wall_us = INT64_MIN,
						 .end_wall_us = INT64_MIN};
	fd = shm_snapshot("catalog", bytes, n);
	cr_assert_geq(fd, 0);
	fm_snapshot(&x->master, SNAPSHOT_CATALOG, 2, n, fd);
	close(fd);
	free(bytes);
	while (catalog_generation(context_catalog(&x->worker.context)) != 2)
		event_base_loop(x->worker.context.base, EVLOOP_ONCE);
}

/* Turns the loop until a whole answer has come.  Its text, to be freed. */
static char *hear_answer(struct world *x, int fd)
{
	struct buf all = BUF_INIT;
	size_t wanted = SIZE_MAX;

	while (all.len < wanted) {
		char *room = buf_reserve(&all, 65536), *end;
		ssize_t n;

		turn(x);
		/* not a byte of the next answer */
		n = recv(fd, room, wanted == SIZE_MAX ? 1 : MIN(wanted - all.len, 65536u),
			 MSG_DONTWAIT);
		cr_assert(n > 0 || (n < 0 && errno == EAGAIN));
		all.len += n > 0 ? (size_t)n : 0;
		all.data[all.len] = '\0';
		end = wanted == SIZE_MAX ? strstr(all.data, "\r\n\r\n") : NULL;
		if (end)
			wanted = (size_t)(end + 4 - all.data) +
				 strtoul(strstr(all.data, "Content-Length: ") + 16, NULL, 10);
	}
	return all.data;
}

/* Turn by turn: EVLOOP_NONBLOCK would go on while slices follow each other. */
static void turn_until_requests(struct world *x, uint64_t count)
{
	while (fm_page(&x->master)->requests_total < count)
		event_base_loop(x->worker.context.base, EVLOOP_ONCE);
}

static void expect_many(const char *text)
{
	static const char last[] = "http://a/stream/9999.ts\n";

	cr_expect(strncmp(text, "HTTP/1.1 200", 12) == 0);
	cr_expect_eq(occurrences(text, "#EXTINF"), MANY_CHANNELS);
	cr_expect_str_eq(text + strlen(text) - strlen(last), last);
}

Test(conn, others_are_answered_while_a_large_list_is_made)
{
	struct world x;
	struct asker b;
	char *text;

	open_world(&x);
	publish_many(&x);
	ask(&a, &x,
	    "GET /playlist.m3u HTTP/1.1\r\nHost: a\r\n\r\n"
	    "GET /none HTTP/1.1\r\nHost: a\r\n\r\n");
	turn_until_requests(&x, 1);
	cr_assert_eq(TAILQ_FIRST(&x.worker.http.conns.list)->state, CONN_HOLD);
	ask(&b, &x, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
	turn_until_requests(&x, 2);
	cr_assert_eq(TAILQ_FIRST(&x.worker.http.conns.list)->state, CONN_HOLD,
		     "the list takes longer");
	receive(&x, &b, "HTTP/1.1 200", 1);
	text = hear_answer(&x, a.fd);
	expect_many(text);
	free(text);
	text = hear_answer(&x, a.fd);
	cr_expect(strncmp(text, "HTTP/1.1 404", 12) == 0, "the next request follows");
	free(text);
	close(a.fd);
	close(b.fd);
	close_world(&x);
}

Test(conn, a_client_may_leave_while_its_list_is_made)
{
	struct world x;
	struct conn *c;

	open_world(&x);
	publish_many(&x);
	ask(&a, &x, "GET /playlist.m3u HTTP/1.1\r\nHost: a\r\n\r\n");
	turn_until_requests(&x, 1);
	c = TAILQ_FIRST(&x.worker.http.conns.list);
	cr_assert_eq(c->state, CONN_HOLD);
	conn_free(c);
	for (int i = 0; i < 10; i++)
		turn(&x);
	cr_assert_eq(body_cache_count(x.worker.http.cache), 0);
	close(a.fd);
	close_world(&x);
}

/* Asks for a list that is made in many turns; the connection is held. */
static struct conn *ask_many(struct world *x)
{
	struct conn *c;

	open_world(x);
	publish_many(x);
	ask(&a, x, "GET /playlist.m3u HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"x\"\r\n\r\n");
	turn_until_requests(x, 1);
	c = TAILQ_FIRST(&x->worker.http.conns.list);
	cr_assert_eq(c->state, CONN_HOLD);
	cr_assert_null(c->in.data, "a held request keeps no receive buffer");
	cr_assert_eq(c->deadline_us, 0, "nor a timer");
	return c;
}

Test(conn, a_reset_ends_a_held_request)
{
	static const struct linger reset = {.l_onoff = 1};
	struct world x;

	ask_many(&x);
	setsockopt(a.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(a.fd);
	for (int i = 0; i < 10; i++)
		event_base_loop(x.worker.context.base, EVLOOP_ONCE);
	cr_assert_eq(x.worker.http.conns.count, 0);
	cr_assert(TAILQ_EMPTY(&x.worker.http.conns.holds.list));
	close_world(&x);
}

Test(conn, a_held_client_that_shut_its_side_is_still_answered)
{
	struct world x;
	char *text;

	ask_many(&x);
	shutdown(a.fd, SHUT_WR);
	text = hear_answer(&x, a.fd);
	expect_many(text);
	free(text);
	close(a.fd);
	close_world(&x);
}

Test(conn, a_held_client_that_closed_is_ended_soon)
{
	struct world x;
	struct conn *c = ask_many(&x);
	uint64_t now = clock_mono_us();

	shutdown(a.fd, SHUT_WR);
	while (!c->eof)
		event_base_loop(x.worker.context.base, EVLOOP_ONCE);
	cr_assert_eq(c->state, CONN_HOLD);
	cr_assert_leq(c->all->holds.next_us, clock_mono_us() + HTTP_HELD_CLOSED_MS * 1000);
	holds_tick(&c->all->holds, now + HTTP_MAKE_MS * 1000 / 2);
	receive(&x, &a, "HTTP/1.1 503", 1);
	close(a.fd);
	close_world(&x);
}

Test(conn, a_held_request_is_answered_at_its_deadline_and_the_next_one_follows)
{
	struct world x;
	struct conn *c = ask_many(&x);
	char *text;

	dprintf(a.fd, "GET /none HTTP/1.1\r\nHost: a\r\n\r\n");
	while (!c->more)
		event_base_loop(x.worker.context.base, EVLOOP_ONCE);
	cr_assert_eq(c->state, CONN_HOLD);
	holds_tick(&c->all->holds, clock_mono_us() + HTTP_MAKE_MS * 1000);
	text = hear_answer(&x, a.fd);
	cr_expect(strncmp(text, "HTTP/1.1 503", 12) == 0);
	cr_expect(strstr(text, "too busy to make the answer"));
	free(text);
	text = hear_answer(&x, a.fd);
	cr_expect(strncmp(text, "HTTP/1.1 404", 12) == 0);
	free(text);
	close(a.fd);
	close_world(&x);
}

Test(conn, a_list_being_made_is_still_answered_when_the_worker_ends)
{
	struct world x;
	char *text;

	open_world(&x);
	publish_many(&x);
	ask(&a, &x, "GET /playlist.m3u HTTP/1.1\r\nHost: a\r\n\r\n");
	turn_until_requests(&x, 1);
	cr_assert_eq(TAILQ_FIRST(&x.worker.http.conns.list)->state, CONN_HOLD);
	cr_assert_eq(msg_send_shutdown(x.master.socket, &(struct msg_shutdown){}, NULL), 0);
	text = hear_answer(&x, a.fd);
	expect_many(text);
	cr_expect(strstr(text, "Connection: close\r\n"));
	free(text);
	close(a.fd);
	close_world(&x);
}

/* The only connection; the worker may have closed the one that was there before. */
static struct conn *only_conn(const struct world *x)
{
	struct conn *c = TAILQ_FIRST(&x->worker.http.conns.list);

	cr_assert_not_null(c, "the connection was closed");
	return c;
}

static void turn_until_state(struct world *x, enum conn_state state)
{
	while (only_conn(x)->state != state)
		event_base_loop(x->worker.context.base, EVLOOP_ONCE);
}

static int send_buffer(const struct world *x)
{
	const struct conn *c = only_conn(x);
	socklen_t n = sizeof(int);
	int bytes = 0;

	cr_assert_eq(getsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &bytes, &n), 0);
	return bytes;
}

Test(conn, a_large_answer_gets_a_small_send_buffer)
{
	struct world x;
	char *text;
	int before;

	open_world(&x);
	publish_many(&x);
	ask(&a, &x, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
	receive(&x, &a, "HTTP/1.1 200", 1);
	before = send_buffer(&x);
	cr_assert_gt(before, 2 * (int)ANSWER_SNDBUF, "a small answer leaves it alone");
	cr_assert_gt(send(a.fd, "GET /playlist.m3u HTTP/1.1\r\nHost: a\r\n\r\n", 39, 0), 0);
	turn_until_state(&x, CONN_SEND);
	cr_assert_eq(send_buffer(&x), 2 * (int)ANSWER_SNDBUF, "the kernel doubles it");
	text = hear_answer(&x, a.fd);
	cr_expect_eq(occurrences(text, "#EXTINF"), MANY_CHANNELS);
	free(text);
	/* a viewer on the same connection has its batches in one piece again */
	cr_assert_gt(send(a.fd, "GET /stream/1.ts HTTP/1.1\r\nHost: a\r\n\r\n", 38, 0), 0);
	turn_until_state(&x, CONN_STREAM);
	cr_assert_eq(send_buffer(&x), before);
	close(a.fd);
	close_world(&x);
}

Test(conn, what_stands_between_chunks_is_not_kept)
{
	const struct incoming *in;
	struct world x;
	char chunk[600];
	int n = sprintf(chunk, "1;%0500d\r\nx\r\n", 0);

	open_world(&x);
	ask(&a, &x, "POST /api/streams HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
	while (TAILQ_EMPTY(&x.worker.http.conns.list))
		event_base_loop(x.worker.context.base, EVLOOP_ONCE);
	turn_until_state(&x, CONN_BODY);
	in = only_conn(&x)->incoming;
	for (size_t i = 1; i <= 100; i++) {
		cr_assert_eq(send(a.fd, chunk, (size_t)n, MSG_NOSIGNAL), n);
		while (in->end - in->begin < i)
			event_base_loop(x.worker.context.base, EVLOOP_ONCE);
	}
	cr_assert_lt(only_conn(&x)->in.len, 1000);
	close(a.fd);
	close_world(&x);
}
