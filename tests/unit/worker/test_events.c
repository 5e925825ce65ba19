/* Server-sent events: where a client goes on, and how many there may be. */
#include <unistd.h>
#include "unit.h"
#include "worker/worker_world.h"

/* Sends a request that goes on behind this event, and keeps the first bytes of the answer. */
static int ask(struct world *x, uint64_t last, char text[4096])
{
	char request[128];
	struct fm_client c;
	ssize_t n = -1;

	snprintf(request, sizeof(request),
		 "GET /api/events HTTP/1.1\r\nHost: a\r\nLast-Event-ID: %llu\r\n\r\n",
		 (unsigned long long)last);
	fm_connect(&c, x->master.port, request, 0);
	await(x, (n = recv(c.fd, text, 4095, MSG_DONTWAIT)) > 0);
	text[n] = '\0';
	return c.fd;
}

static uint64_t put_events(struct world *x, unsigned count)
{
	while (count--)
		chantab_put_event(x->master.table, EVENT_WARNING, 0, NULL, "{}");
	return chantab_last_event(x->master.table);
}

static void expect_first(struct world *x, uint64_t after, uint64_t first)
{
	char text[4096], line[32];
	const char *at;
	int fd = ask(x, after, text);

	snprintf(line, sizeof(line), "id: %llu\n", (unsigned long long)first);
	at = strstr(text, "id: ");
	cr_assert_not_null(at, "%s", text);
	cr_expect(strncmp(at, line, strlen(line)) == 0, "%.24s instead of %s", at, line);
	close(fd);
}

Test(events, a_client_goes_on_behind_its_last_event)
{
	struct world x;
	uint64_t last;

	open_world(&x);
	last = put_events(&x, EVENTS_KEPT + 100);
	expect_first(&x, last - 5, last - 4);
	expect_first(&x, last - EVENTS_KEPT, last - EVENTS_KEPT + 1);
	/* what is no longer kept is left out */
	expect_first(&x, last - EVENTS_KEPT - 50, last - EVENTS_KEPT + 1);
	/* a number of another server: all that is kept */
	expect_first(&x, last + 1000, last - EVENTS_KEPT + 1);
	close_world(&x);
}

Test(events, a_worker_has_a_limit_of_clients)
{
	struct world x;
	uint64_t last;
	char text[4096];
	int fds[2];

	open_world(&x);
	last = put_events(&x, 1);
	x.worker.api.events.clients.count = EVENTS_CLIENTS_MAX - 1;
	fds[0] = ask(&x, last - 1, text);
	cr_expect(strncmp(text, "HTTP/1.1 200 ", 13) == 0, "%s", text);
	cr_expect_eq(x.worker.api.events.clients.count, EVENTS_CLIENTS_MAX);
	fds[1] = ask(&x, last - 1, text);
	cr_expect(strncmp(text, "HTTP/1.1 503 ", 13) == 0, "%s", text);
	close(fds[0]);
	await(&x, x.worker.api.events.clients.count == EVENTS_CLIENTS_MAX - 1);
	close(fds[1]);
	x.worker.api.events.clients.count = 0;
	close_world(&x);
}
