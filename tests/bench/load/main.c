/* main.c - tsload, the load client; see load.h */
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "tests/bench/load/load.h"
#include "tests/bench/load/options.h"

#define NS_PER_S  1000000000u
#define NS_PER_MS 1000000u
#define EVENTS	  1024

static uint64_t seconds_ns(double seconds)
{
	return (uint64_t)(seconds * NS_PER_S);
}

static void allow_descriptors(int count)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= (rlim_t)count)
		return;
	limit.rlim_cur = (rlim_t)count;
	limit.rlim_max = MAX(limit.rlim_max, limit.rlim_cur);
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		perror("tsload: setrlimit");
}

/* The bit rate of slow client number n, counted through the groups in order. */
static long rate_of_slow(const struct load_options *o, int n)
{
	for (int i = 0; i < o->slow_groups; i++) {
		if (n < o->slow[i].count)
			return o->slow[i].bits_per_second;
		n -= o->slow[i].count;
	}
	return 0;
}

/* Verified clients are spread evenly over the clients.  With --verify, all slow ones are verified.
 */
static bool is_verified(const struct load_options *o, int i)
{
	if (o->verify == 0 || i >= o->clients)
		return o->verify != 0;
	return i == 0 ||
	       (int64_t)i * o->verify / o->clients != (int64_t)(i - 1) * o->verify / o->clients;
}

/* Compares a verified client's packets with the log. */
static void on_packet(void *arg, const struct ts_packet *p)
{
	struct client *c = arg;

	if (p->mark)
		packet_run_leave(&c->run);
	else if (c->run.place != RUN_SEEKING)
		packet_run_next(&c->run, c->log, packet_hash(p->bytes),
				p->pid == TS_JUDGE_NULL_PID);
	else if (p->access)
		packet_run_enter(&c->run, c->log, packet_hash(p->bytes));
}

static void init_client(struct load *l, int i)
{
	struct client *c = &l->clients[i];

	c->fd = c->control = -1;
	c->path = l->o.paths[i % l->o.path_count];
	c->slow = i >= l->o.clients;
	c->bits_per_second = c->slow ? rate_of_slow(&l->o, i - l->o.clients) : 0;
	c->verified = is_verified(&l->o, i);
	c->log = &l->log;
	ts_judge_init(&c->ts, c->verified ? on_packet : NULL, c);
}

static int init(struct load *l)
{
	l->total = l->o.clients;
	for (int i = 0; i < l->o.slow_groups; i++)
		l->total += l->o.slow[i].count;
	pin_to_cpu(l->o.cpu);
	allow_descriptors(l->total + 64);
	l->clients = calloc((size_t)l->total, sizeof(*l->clients));
	l->buffer = malloc(LOAD_BUFFER);
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!l->clients || !l->buffer || l->epoll < 0 || packet_log_init(&l->log) < 0)
		return -ENOMEM;
	for (int i = 0; i < l->total; i++)
		init_client(l, i);
	return 0;
}

static void done(struct load *l)
{
	for (int i = 0; l->clients && i < l->total; i++) {
		close_fd(&l->clients[i].fd);
		close_fd(&l->clients[i].control);
		free(l->clients[i].head);
		ts_judge_done(&l->clients[i].ts);
		packet_run_leave(&l->clients[i].run);
	}
	packet_log_done(&l->log);
	free(l->clients);
	free(l->buffer);
	close_fd(&l->epoll);
	close_fd(&l->reports);
}

static uint64_t start_gap_ns(const struct load *l)
{
	return l->o.zap ? (uint64_t)l->o.zap_every_ms * NS_PER_MS
			: NS_PER_S / (uint64_t)l->o.connects_per_second;
}

static int start_due(struct load *l, uint64_t now)
{
	int e;

	while (l->started < l->total && now >= l->next_ns) {
		e = client_start(l, &l->clients[l->started++]);
		if (e < 0)
			return e;
		l->next_ns += start_gap_ns(l);
	}
	return 0;
}

static void open_window(struct load *l)
{
	usage_of_tree(l->o.pids, l->o.pid_count, &l->before);
	l->own_before_s = usage_own_cpu_s();
	l->in_window = true;
	l->window_ns = pace_now_ns();
	l->window_end_ns = l->window_ns + seconds_ns(l->o.seconds);
}

static void close_window(struct load *l)
{
	if (l->in_window)
		l->window_s = (double)(pace_now_ns() - l->window_ns) / 1e9;
	usage_of_tree(l->o.pids, l->o.pid_count, &l->after);
	l->own_after_s = usage_own_cpu_s();
}

/* All clients receive or have failed -> warm-up -> window -> end.  True at the end. */
static bool at_end(struct load *l, uint64_t now)
{
	bool all = l->started == l->total, late = now > l->limit_ns;

	if (l->o.zap)
		return all && (l->alive == 0 || late);
	if (l->in_window)
		return now >= l->window_end_ns || !l->alive;
	if (!l->window_ns) {
		if (all && (l->in_body + l->failed >= l->total || late))
			l->window_ns = now + seconds_ns(l->o.warm_s);
	} else if (now >= l->window_ns) {
		open_window(l);
	}
	return false;
}

static void wait_events(struct load *l)
{
	int wait_ms = l->total > l->o.clients ? LOAD_SLOW_MS : LOAD_IDLE_MS;
	struct epoll_event events[EVENTS];
	int n = epoll_wait(l->epoll, events, EVENTS, l->started < l->total ? 1 : wait_ms);

	for (int i = 0; i < n; i++) {
		struct client *c = events[i].data.ptr;

		if (c->fd < 0)
			continue;
		if (c->state == CLIENT_CONNECTING)
			client_connected(l, c);
		else
			client_read(l, c, LOAD_TURN_BYTES);
	}
}

/* The number of bytes that a slow client may read since the last turn. */
static size_t slow_allowance(const struct load *l, const struct client *c, uint64_t now)
{
	if (l->in_window && now + seconds_ns(l->o.resume_s) > l->window_end_ns)
		return LOAD_TURN_BYTES;
	if (c->state == CLIENT_HEAD)
		return 4096;
	return (size_t)((double)(now - l->slow_ns) / 8e9 * (double)c->bits_per_second);
}

static void read_slow(struct load *l, uint64_t now)
{
	if (now - l->slow_ns < LOAD_SLOW_NS)
		return;
	for (int i = l->o.clients; i < l->total; i++) {
		struct client *c = &l->clients[i];

		if (c->fd >= 0 && c->state >= CLIENT_HEAD)
			client_read(l, c, slow_allowance(l, c, now));
	}
	l->slow_ns = now;
}

static int run(struct load *l)
{
	uint64_t now = pace_now_ns();
	int e;

	l->next_ns = l->slow_ns = now;
	l->limit_ns =
		now + (uint64_t)l->o.timeout_s * NS_PER_S + (uint64_t)l->total * start_gap_ns(l);
	while (!at_end(l, now)) {
		e = start_due(l, now);
		if (e < 0)
			return e;
		wait_events(l);
		now = pace_now_ns();
		read_slow(l, now);
	}
	close_window(l);
	return 0;
}

int main(int argc, char **argv)
{
	struct load l = {.epoll = -1, .reports = -1};
	int e, lost;

	if (options_read(&l.o, argc, argv) < 0)
		return 2;
	e = init(&l);
	if (e == 0)
		e = run(&l);
	if (e < 0) {
		fprintf(stderr, "tsload: %s\n", strerror(-e));
		done(&l);
		return 2;
	}
	lost = report_print(&l);
	done(&l);
	return lost ? 1 : 0;
}
