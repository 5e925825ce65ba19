/* Datagrams to clients whose socket is full, over pairs of Unix sockets: UDP is never full here. */
#include <string.h>
#include <sys/socket.h>
#include "amps-worker/context/context.h"
#include "amps-worker/live/datagrams.h"
#include "common/limits.h"
#include "unit.h"

struct world {
	struct event_base *base;
	int fds[2];
	struct datagram_socket socket;
	struct datagram_path path; /* without an address: the pair is connected */
};

static void open_world(struct world *x)
{
	*x = (struct world){.base = event_base_new()};
	event_base_priority_init(x->base, PRIORITY_COUNT_);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, x->fds), 0);
	datagram_socket_init(&x->socket, x->base, x->fds[0]);
}

static void close_world(struct world *x)
{
	datagram_socket_done(&x->socket);
	close(x->fds[1]);
	event_base_free(x->base);
}

static size_t drain(struct world *x)
{
	char bytes[64];
	size_t n = 0;

	while (recv(x->fds[1], bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		n++;
	return n;
}

struct client {
	struct datagrams d;
	unsigned calls;
};

static ssize_t send_two(struct client *c)
{
	uint8_t bytes[] = "headbodyheadbody";

	return datagrams_send(&c->d, bytes, (const uint32_t[]){0, 8, 16}, 2);
}

static void on_room(void *owner)
{
	struct client *c = owner;

	c->calls++;
	cr_assert_not(c->d.waits);
	cr_assert_geq(send_two(c), 0);
}

static void init(struct world *x, struct client *c)
{
	*c = (struct client){
		.d = {.socket = &x->socket, .path = &x->path, .on_room = on_room, .owner = c}};
}

Test(datagrams, credit_grows_with_time_and_the_rate_up_to_a_burst)
{
	struct datagrams d = {0};

	cr_assert_eq(datagrams_credit(&d, 1000000, 1000000), DATAGRAM_FIRST);
	d.credit = 0;
	cr_assert_eq(datagrams_credit(&d, 1010000, 1000000), 15000u);
	cr_assert_eq(datagrams_credit(&d, 1010000, 1000000), 15000u);
	cr_assert_eq(datagrams_credit(&d, 9010000, 1000000), DATAGRAM_BURST);
	/* a rate that is not known yet, and one that no job can have */
	d.credit = 0;
	cr_assert_eq(datagrams_credit(&d, 9110000, 0), DATAGRAM_RATE_MIN / 10);
	cr_assert_eq(datagrams_credit(&d, 9120000, UINT64_MAX), DATAGRAM_BURST);
}

Test(datagrams, who_finds_the_socket_full_is_called_in_turn)
{
	struct world x;
	struct client a, b;

	open_world(&x);
	init(&x, &a);
	init(&x, &b);
	a.d.credit = 1000;
	cr_assert_eq(send_two(&a), 2);
	cr_assert_eq(a.d.credit, 984u);
	while (!a.d.waits)
		cr_assert_geq(send_two(&a), 0);
	cr_assert_eq(send_two(&b), 0);
	cr_assert(b.d.waits);
	/* it is still full: no other client is called */
	event_base_loop(x.base, EVLOOP_NONBLOCK);
	cr_assert(a.calls == 0 && b.calls == 0);
	cr_assert_gt(drain(&x), 2);
	while (a.d.waits || b.d.waits)
		event_base_loop(x.base, EVLOOP_ONCE);
	cr_assert(a.calls == 1 && b.calls == 1);
	close_world(&x);
}

Test(datagrams, nobody_else_is_called_while_the_first_finds_it_full_again)
{
	struct world x;
	struct client a, b;
	char bytes[64];

	open_world(&x);
	init(&x, &a);
	init(&x, &b);
	while (!a.d.waits)
		cr_assert_geq(send_two(&a), 0);
	cr_assert_eq(send_two(&b), 0);
	cr_assert_gt(recv(x.fds[1], bytes, sizeof(bytes), 0), 0); /* room for one of its two */
	event_active(&x.socket.room, EV_WRITE, 0); /* the kernel says so for more room only */
	event_base_loop(x.base, EVLOOP_NONBLOCK);
	cr_assert(a.calls == 1 && b.calls == 0);
	cr_assert(a.d.waits && b.d.waits);
	/* then it is the other's turn */
	drain(&x);
	event_base_loop(x.base, EVLOOP_ONCE);
	cr_assert_eq(b.calls, 1);
	datagrams_leave(&a.d);
	datagrams_leave(&b.d);
	close_world(&x);
}

Test(datagrams, who_leaves_is_not_called)
{
	struct world x;
	struct client a, b;

	open_world(&x);
	init(&x, &a);
	init(&x, &b);
	while (!a.d.waits)
		cr_assert_geq(send_two(&a), 0);
	cr_assert_eq(send_two(&b), 0);
	datagrams_leave(&a.d);
	datagrams_leave(&a.d);
	drain(&x);
	while (b.d.waits)
		event_base_loop(x.base, EVLOOP_ONCE);
	cr_assert(a.calls == 0 && b.calls == 1);
	close_world(&x);
}

Test(datagrams, a_client_that_cannot_be_reached_is_an_error)
{
	struct world x;
	struct client a;

	open_world(&x);
	init(&x, &a);
	close(x.fds[1]);
	cr_assert_eq(send_two(&a), -ECONNREFUSED);
	cr_assert_not(a.d.waits);
	x.fds[1] = -1;
	close_world(&x);
}
