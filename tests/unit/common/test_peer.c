/* test_peer.c - message sockets in a loop: order, back-pressure, broken ends. */
#include <string.h>
#include <sys/socket.h>
#include "unit.h"

#include "common/msg/peer.h"

struct seen {
	struct peer *peer;
	uint32_t count;
	int broken;
	bool in_order, free_in_callback;
};

static int on_message(void *owner, struct peer *p, struct msg *m)
{
	struct seen *s = owner;
	struct msg_release release;
	int r = msg_decode_release(m->bytes, m->len, &release);

	if (r < 0)
		return r;
	s->in_order = s->in_order && release.want == s->count;
	s->count++;
	if (s->free_in_callback)
		s->peer = peer_free(p);
	return 0;
}

static void on_broken(void *owner, struct peer *p, int error)
{
	struct seen *s = owner;

	cr_assert_eq(p, s->peer);
	s->broken = error;
	s->peer = peer_free(p);
}

static const struct peer_handler handler = {on_message, on_broken};

struct fixture {
	struct event_base *base;
	struct seen a, b;
	int a_fd; /* of a.peer */
};

static void fixture_open(struct fixture *f)
{
	int pair[2];

	memset(f, 0, sizeof(*f));
	f->base = event_base_new();
	f->a.in_order = f->b.in_order = true;
	cr_assert_eq(msg_socketpair(pair), 0);
	f->a_fd = pair[0];
	cr_assert_eq(peer_new(f->base, pair[0], &handler, &f->a, &f->a.peer), 0);
	cr_assert_eq(peer_new(f->base, pair[1], &handler, &f->b, &f->b.peer), 0);
}

static void fixture_close(struct fixture *f)
{
	peer_free(f->a.peer);
	peer_free(f->b.peer);
	event_base_free(f->base);
}

/* a sent one message and closed: b receives it, then the end. */
static void assert_heard_to_the_end(struct fixture *f)
{
	while (!f->b.broken)
		event_base_loop(f->base, EVLOOP_ONCE);
	cr_assert_eq(f->b.broken, -EPIPE);
	cr_assert_eq(f->b.count, 1);
	fixture_close(f);
}

Test(peer, more_than_the_socket_takes_arrives_in_order)
{
	struct fixture f;

	fixture_open(&f);
	for (uint32_t i = 0; i < 3000; i++)
		peer_send_release(f.a.peer, &(struct msg_release){.want = i}, NULL);
	while (f.b.count < 3000 && !f.b.broken)
		event_base_loop(f.base, EVLOOP_ONCE);
	cr_assert_eq(f.b.count, 3000);
	cr_assert(f.b.in_order);
	fixture_close(&f);
}

Test(peer, a_reader_that_never_reads_costs_a_bounded_queue)
{
	struct fixture f;

	fixture_open(&f);
	for (uint32_t i = 0; i < 100000; i++)
		peer_send_release(f.a.peer, &(struct msg_release){.want = i}, NULL);
	while (!f.a.broken)
		event_base_loop(f.base, EVLOOP_ONCE);
	cr_assert_eq(f.a.broken, -ENOBUFS);
	fixture_close(&f);
}

/* Sends so many to a peer that does not read until all are sent.  What arrives then. */
static uint32_t arrive(uint32_t count, int *ret_broken)
{
	struct fixture f;
	uint32_t arrived;

	fixture_open(&f);
	for (uint32_t i = 0; i < count; i++)
		peer_send_release(f.a.peer, &(struct msg_release){.want = i}, NULL);
	while (f.b.count < count && !f.b.broken)
		event_base_loop(f.base, EVLOOP_ONCE);
	*ret_broken = f.a.broken;
	arrived = f.b.count;
	fixture_close(&f);
	return arrived;
}

Test(peer, the_queue_takes_its_maximum_and_not_one_more)
{
	int broken;
	uint32_t socket = arrive(100000, &broken);

	cr_assert_eq(broken, -ENOBUFS);
	cr_assert_eq(arrive(socket + PEER_QUEUE_MAX, &broken), socket + PEER_QUEUE_MAX);
	cr_assert_eq(broken, 0);
	cr_assert_eq(arrive(socket + PEER_QUEUE_MAX + 1, &broken), socket);
	cr_assert_eq(broken, -ENOBUFS);
}

Test(peer, the_end_of_the_other_side_is_reported_after_its_last_message)
{
	struct fixture f;

	fixture_open(&f);
	peer_send_release(f.a.peer, &(struct msg_release){.want = 0}, NULL);
	f.a.peer = peer_free(f.a.peer);
	assert_heard_to_the_end(&f);
}

Test(peer, a_malformed_message_breaks_it)
{
	struct fixture f;

	fixture_open(&f);
	cr_assert_eq(send(f.a_fd, "garbage", 7, 0), 7);
	while (!f.b.broken)
		event_base_loop(f.base, EVLOOP_ONCE);
	cr_assert_eq(f.b.broken, -EBADMSG);
	fixture_close(&f);
}

Test(peer, may_be_freed_by_its_own_callback)
{
	struct fixture f;

	fixture_open(&f);
	f.b.free_in_callback = true;
	peer_send_release(f.a.peer, &(struct msg_release){.want = 0}, NULL);
	while (f.b.peer)
		event_base_loop(f.base, EVLOOP_ONCE);
	cr_assert_eq(f.b.count, 1);
	fixture_close(&f);
}

/* One that ends with unread messages resets the connection; its last messages come after that. */
Test(peer, messages_of_a_peer_that_stopped_reading_are_received)
{
	struct fixture f;

	fixture_open(&f);
	peer_send_release(f.b.peer, &(struct msg_release){.want = 0}, NULL);
	peer_send_release(f.a.peer, &(struct msg_release){.want = 0}, NULL);
	f.a.peer = peer_free(f.a.peer);
	assert_heard_to_the_end(&f);
}

Test(peer, sending_to_a_closed_peer_does_not_lose_its_last_messages)
{
	struct fixture f;

	fixture_open(&f);
	peer_send_release(f.a.peer, &(struct msg_release){.want = 0}, NULL);
	f.a.peer = peer_free(f.a.peer);
	peer_send_release(f.b.peer, &(struct msg_release){.want = 0}, NULL);
	peer_send_release(f.b.peer, &(struct msg_release){.want = 1}, NULL);
	assert_heard_to_the_end(&f);
}

Test(peer, queued_messages_do_not_hide_the_last_messages_of_a_closed_end)
{
	struct fixture f;

	fixture_open(&f);
	for (uint32_t i = 0; i < 3000; i++)
		peer_send_release(f.b.peer, &(struct msg_release){.want = i}, NULL);
	peer_send_release(f.a.peer, &(struct msg_release){.want = 0}, NULL);
	f.a.peer = peer_free(f.a.peer);
	assert_heard_to_the_end(&f);
}
