/* A whole worker in this process, with the test as its master, its job and its clients. */
#include <time.h>
#include "amps-worker/http/conn.h"
#include "amps-worker/live/viewer.h"
#include "amps-worker/worker.h"
#include "unit.h"
#include "worker/fake_master.h"

#define GET_STREAM "GET /stream/5.ts HTTP/1.1\r\nHost: a\r\n\r\n"
#define RING_BYTES RING_BYTES_MIN

/* Allocations of this process; counted only while `counting`.  Volatile: the compiler knows that
 * malloc() changes no variable. */
static volatile size_t allocations;
static volatile bool counting;
#ifdef AMPS_SANITIZED
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
					      void (*on_free)(const volatile void *));

static void on_malloc(const volatile void *p, size_t n)
{
	(void)p, (void)n;
	allocations += counting;
}

static void on_free(const volatile void *p)
{
	(void)p;
}
#else
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t count, size_t n);
void *__libc_realloc(void *p, size_t n);
void *malloc(size_t n);
void *calloc(size_t count, size_t n);
void *realloc(void *p, size_t n);

void *malloc(size_t n)
{
	allocations += counting;
	return __libc_malloc(n);
}

void *calloc(size_t count, size_t n)
{
	allocations += counting;
	return __libc_calloc(count, n);
}

void *realloc(void *p, size_t n)
{
	allocations += counting;
	return __libc_realloc(p, n);
}
#endif

/* Checks that allocations are counted, then starts to count. */
static void count_allocations(void)
{
	void *volatile p;

#ifdef AMPS_SANITIZED
	cr_assert_gt(__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free), 0);
#endif
	counting = true;
	p = malloc(1);
	free(p);
	p = calloc(1, 1);
	p = realloc(p, 100);
	free(p);
	counting = false;
	cr_assert_geq(allocations, 3, "allocations are not counted");
	allocations = 0;
	counting = true;
}

struct world {
	struct fake_master master;
	struct worker worker;
	struct fm_stream stream;
	uint32_t want;
	uint64_t written_us; /* last group of write_in_time() */
};

static void turn(struct world *x)
{
	event_base_loop(x->worker.context.base, EVLOOP_NONBLOCK);
}

static void open_world(struct world *x, struct fm_settings settings)
{
	if (!settings.start_timeout_ms)
		settings.start_timeout_ms = 5000;
	memset(x, 0, sizeof(*x));
	fm_open(&x->master, &settings, 0);
	cr_assert_eq(worker_init(&x->worker, x->master.worker_end, NULL), 0);
	await(x, x->worker.ready);
}

static void close_world(struct world *x)
{
	worker_done(&x->worker);
	if (x->stream.writer.header)
		fm_ring_close(&x->stream);
	fm_close(&x->master);
}

/* The next message of this type the worker sent, or none. */
static bool next_message(struct world *x, enum msg_type type, struct msg *m)
{
	turn(x);
	while (msg_receive(x->master.socket, m) == 0) {
		if (m->type == type)
			return true;
	}
	return false;
}

static void await_want(struct world *x)
{
	static struct msg raw;
	struct msg_want want;

	await(x, next_message(x, MSG_WANT, &raw));
	cr_assert_eq(msg_decode_want(raw.bytes, raw.len, &want), 0);
	cr_assert_eq(want.channel, FM_CHANNEL);
	cr_assert_eq(want.form, OUTPUT_TS);
	x->want = want.want;
}

static void send_ring(struct world *x, uint64_t generation, bool same_job)
{
	fm_send_ring(&x->master, x->stream.fd,
		     (struct msg_output_ring){.want = x->want,
					      .output = 3,
					      .generation = generation,
					      .data_bytes = x->stream.data_bytes,
					      .unit_bytes = TS_PACKET,
					      .same_job = same_job,
					      .live = 1});
}

static void send_gone(struct world *x, enum gone_reason reason, unsigned status)
{
	struct msg_output_gone m = {.want = x->want,
				    .reason = (uint8_t)reason,
				    .status = status,
				    .text = "the source is \"gone\""};

	cr_assert_eq(msg_send_output_gone(x->master.socket, &m, NULL), 0);
}

/* One client on a running channel. */
static void start_stream(struct world *x, struct fm_client *c)
{
	fm_ring(&x->stream, RING_BYTES, 1);
	fm_write_group(&x->stream, 100);
	fm_connect(c, x->master.port, GET_STREAM, 0);
	await_want(x);
	send_ring(x, 1, false);
	await(x, fm_read(c, 1 << 20) > 0 && c->packets == 102);
}

/* A live source: one group each ten milliseconds, however fast the loop turns. */
static void write_in_time(struct world *x)
{
	uint64_t now_us = clock_mono_us();

	if (now_us - x->written_us < 10000)
		return;
	x->written_us = now_us;
	fm_write_group(&x->stream, 1);
}

Test(feed, a_viewer_starts_with_tables_and_an_access_point)
{
	struct world x;
	struct fm_client c;

	open_world(&x, (struct fm_settings){0});
	start_stream(&x, &c);
	cr_assert(strncmp(c.head, "HTTP/1.1 200 ", 13) == 0);
	cr_assert(strstr(c.head, "Connection: close\r\n"));
	cr_assert_null(strstr(c.head, "Content-Length"));
	cr_assert_eq(c.first[0], 0);
	cr_assert_eq(c.first[1], FM_PMT_PID);
	cr_assert_eq(c.first[2], FM_VIDEO_PID);
	fm_write_group(&x.stream, 50);
	await(&x, fm_read(&c, 1 << 20) > 0 || c.packets == 154);
	cr_assert_eq(c.faults, 0);
	cr_assert_eq(c.marks, 0);
	cr_assert_eq(fm_page(&x.master)->viewers_open, 1);
	close(c.fd);
	await(&x, (write_in_time(&x), fm_page(&x.master)->viewers_open == 0));
	static struct msg m;
	await(&x, next_message(&x, MSG_RELEASE, &m));
	close_world(&x);
}

static void send_offer(struct world *x, uint64_t generation)
{
	struct msg_output_offer m = {.channel = FM_CHANNEL,
				     .form = OUTPUT_TS,
				     .output = 3,
				     .generation = generation,
				     .data_bytes = x->stream.data_bytes,
				     .unit_bytes = TS_PACKET,
				     .live = 1,
				     .variant = ""};

	cr_assert_eq(msg_send_output_offer(x->master.socket, &m, &x->stream.fd), 0);
}

static bool offered(struct world *x)
{
	for (unsigned i = 0; i < OUTPUT_BUCKETS; i++)
		if (!LIST_EMPTY(&x->worker.live.outputs.buckets[i]))
			return true;
	return false;
}

Test(feed, a_viewer_starts_from_an_offered_ring_before_the_master_answers)
{
	static struct msg m;
	struct world x;
	struct fm_client c;

	open_world(&x, (struct fm_settings){0});
	fm_ring(&x.stream, RING_BYTES, 1);
	fm_write_group(&x.stream, 100);
	send_offer(&x, 1);
	await(&x, offered(&x));
	cr_assert(TAILQ_EMPTY(&x.worker.live.schedule.rings),
		  "a ring without viewers costs no pass");
	for (int round = 0; round < 2; round++) {
		uint32_t before = x.want;

		fm_connect(&c, x.master.port, GET_STREAM, 0);
		await(&x, (write_in_time(&x), fm_read(&c, 1 << 20), c.packets >= 102));
		await_want(&x);
		cr_assert_neq(x.want, before);
		if (round == 0)
			send_ring(&x, 1, false); /* the same one */
		close(c.fd);
		await(&x, (write_in_time(&x), fm_page(&x.master)->viewers_open == 0));
		await(&x, next_message(&x, MSG_RELEASE, &m));
		cr_assert(TAILQ_EMPTY(&x.worker.live.schedule.rings));
		cr_assert(offered(&x));
		cr_assert_eq(c.marks, 0);
	}
	close_world(&x);
}

Test(feed, the_end_of_an_offer_frees_its_ring_and_leaves_its_viewers_alone)
{
	const struct msg_output_offer_end end = {.output = 3};
	struct world x;
	struct fm_client c;

	open_world(&x, (struct fm_settings){0});
	fm_ring(&x.stream, RING_BYTES, 1);
	fm_write_group(&x.stream, 100);
	send_offer(&x, 1);
	await(&x, offered(&x));
	cr_assert_eq(msg_send_output_offer_end(x.master.socket, &end, NULL), 0);
	await(&x, !offered(&x));
	send_offer(&x, 1);
	await(&x, offered(&x));
	fm_connect(&c, x.master.port, GET_STREAM, 0);
	await(&x, (fm_read(&c, 1 << 20), c.packets >= 102));
	cr_assert_eq(msg_send_output_offer_end(x.master.socket, &end, NULL), 0);
	fm_write_group(&x.stream, 50);
	await(&x, (fm_read(&c, 1 << 20), c.packets == 154));
	cr_assert_eq(c.faults, 0);
	close(c.fd);
	await(&x, (write_in_time(&x), !offered(&x)));
	close_world(&x);
}

Test(feed, a_viewer_waits_for_the_first_access_point)
{
	struct world x;
	struct fm_client c;

	open_world(&x, (struct fm_settings){0});
	fm_ring(&x.stream, RING_BYTES, 1);
	fm_connect(&c, x.master.port, GET_STREAM, 0);
	await_want(&x);
	send_ring(&x, 1, false);
	await(&x,
	      x.worker.live.schedule.interval_us && !TAILQ_EMPTY(&x.worker.live.schedule.rings));
	for (int i = 0; i < 20; i++)
		turn(&x);
	cr_assert_eq(fm_read(&c, 4096), 0);
	cr_assert_not(c.closed);
	fm_write_group(&x.stream, 10);
	await(&x, fm_read(&c, 1 << 20) > 0);
	cr_assert_eq(c.packets, 12);
	cr_assert_eq(c.faults, 0);
	close(c.fd);
	close_world(&x);
}

static void send_turn(struct world *x, bool waits)
{
	struct msg_output_turn m = {.want = x->want, .waits = waits};

	cr_assert_eq(msg_send_output_turn(x->master.socket, &m, NULL), 0);
}

Test(feed, a_viewer_whose_channel_waits_for_its_turn_is_not_late)
{
	uint64_t begun_us;
	struct world x;
	struct fm_client c;

	open_world(&x, (struct fm_settings){.start_timeout_ms = 200});
	fm_connect(&c, x.master.port, GET_STREAM, 0);
	await_want(&x);
	send_turn(&x, true);
	begun_us = clock_mono_us();
	await(&x, clock_mono_us() - begun_us > 300000);
	cr_assert_eq(fm_read(&c, 4096), 0);
	cr_assert_not(c.closed);
	send_turn(&x, false);
	begun_us = clock_mono_us();
	await(&x, (fm_read(&c, 4096), c.closed));
	cr_expect_geq(clock_mono_us() - begun_us, 200000);
	cr_expect(strncmp(c.head, "HTTP/1.1 504 ", 13) == 0);
	close(c.fd);
	close_world(&x);
}

Test(feed, a_viewer_that_waits_too_long_gets_504)
{
	struct world x;
	struct fm_client c;

	open_world(&x, (struct fm_settings){.start_timeout_ms = 30});
	fm_connect(&c, x.master.port, GET_STREAM, 0);
	await(&x, (fm_read(&c, 4096), c.closed));
	cr_assert(strncmp(c.head, "HTTP/1.1 504 ", 13) == 0);
	close(c.fd);
	close_world(&x);
}

Test(feed, a_viewer_that_waits_for_a_failed_source_gets_the_reason)
{
	struct world x;
	struct fm_client c;

	open_world(&x, (struct fm_settings){0});
	fm_connect(&c, x.master.port, GET_STREAM, 0);
	await_want(&x);
	send_gone(&x, GONE_FAILED, 502);
	await(&x, (fm_read(&c, 4096), c.closed));
	cr_assert(strncmp(c.head, "HTTP/1.1 502 ", 13) == 0);
	cr_assert_gt(c.bytes, 10);
	close(c.fd);
	close_world(&x);
}

Test(feed, a_source_that_ends_is_drained)
{
	struct world x;
	struct fm_client c;

	open_world(&x, (struct fm_settings){0});
	start_stream(&x, &c);
	fm_write_group(&x.stream, 700);
	send_gone(&x, GONE_ENDED, 404);
	await(&x, (fm_read(&c, 1 << 20), c.closed));
	cr_assert_eq(c.packets, 804);
	cr_assert_eq(c.faults, 0);
	cr_assert_eq(c.packet_len, 0);
	close(c.fd);
	close_world(&x);
}

Test(feed, a_new_generation_is_entered_with_a_mark)
{
	struct world x;
	struct fm_client c;
	struct fm_stream old;

	open_world(&x, (struct fm_settings){0});
	start_stream(&x, &c);
	fm_write_group(&x.stream, 300);
	old = x.stream;
	fm_ring(&x.stream, RING_BYTES * 2, 2);
	x.stream.count += 1000;
	x.stream.cc[2] += 5;
	fm_write_group(&x.stream, 40);
	send_ring(&x, 2, false);
	await(&x, (fm_read(&c, 1 << 20), c.packets >= 102 + 302 + 3 + 42));
	fm_write_group(&x.stream, 40);
	await(&x, (fm_read(&c, 1 << 20), c.packets >= 102 + 302 + 3 + 42 + 42));
	cr_assert_eq(c.faults, 0);
	cr_assert_eq(c.cuts, 1);
	cr_assert_eq(c.marks, 3);
	cr_assert_eq(TAILQ_FIRST(&x.worker.live.schedule.rings)->generation, 2);
	cr_assert_null(TAILQ_NEXT(TAILQ_FIRST(&x.worker.live.schedule.rings), in_schedule));
	close(c.fd);
	fm_ring_close(&old);
	close_world(&x);
}

Test(feed, stopped_viewers_are_ended_while_the_kernel_keeps_too_much)
{
	struct world x;
	struct fm_client c;
	struct viewer *v;

	open_world(&x, (struct fm_settings){0});
	start_stream(&x, &c);
	v = TAILQ_FIRST(&TAILQ_FIRST(&x.worker.live.schedule.rings)->viewers);
	while (!v->stream.blocked) {
		fm_write_group(&x.stream, 500);
		schedule_hurry(&x.worker.live.schedule, v->ring);
		turn(&x);
	}
	x.worker.context.sockets_max = 1;
	cr_assert_eq(viewer_sweep(v), VIEWER_GOES_ON);
	live_shed(&x.worker.live);
	cr_assert_eq(x.worker.http.conns.count, 1, "it has taken bytes since the last sweep");
	cr_assert_eq(viewer_sweep(v), VIEWER_GOES_ON);
	x.worker.context.sockets_max = SIZE_MAX;
	live_shed(&x.worker.live);
	cr_assert_eq(x.worker.http.conns.count, 1, "there is memory enough");
	cr_assert_gt(atomic_load(&x.worker.context.page->socket_bytes), 65536);
	x.worker.context.sockets_max = atomic_load(&x.worker.context.page->socket_bytes);
	live_shed(&x.worker.live);
	cr_assert_eq(x.worker.http.conns.count, 1, "it is just what there may be");
	x.worker.context.sockets_max = 1;
	live_shed(&x.worker.live);
	cr_assert_eq(x.worker.http.conns.count, 0);
	cr_assert_eq(atomic_load(&x.worker.context.page->viewers_dropped), 1);
	close(c.fd);
	close_world(&x);
}

Test(feed, a_half_closed_viewer_ends_after_a_long_time_without_data)
{
	struct world x;
	struct fm_client c;
	struct viewer *v;

	open_world(&x, (struct fm_settings){0});
	start_stream(&x, &c);
	v = TAILQ_FIRST(&TAILQ_FIRST(&x.worker.live.schedule.rings)->viewers);
	shutdown(c.fd, SHUT_WR);
	await(&x, v->stream.conn->eof);
	/* as if the last sweep had just seen bytes go out */
	v->swept_bytes = atomic_load(&v->record->bytes);
	v->idle_sweeps = 0;
	for (uint64_t us = VIEWER_SWEEP_US; us <= VIEWER_HALF_CLOSED_MS * 1000u;
	     us += VIEWER_SWEEP_US)
		cr_assert_eq(viewer_sweep(v), VIEWER_GOES_ON, "after %lu us", us);
	cr_assert_eq(viewer_sweep(v), VIEWER_GONE);
	close(c.fd);
	close_world(&x);
}

/* The interval that the next pass over this ring ends with; it is idle and the load is high. */
static uint64_t next_interval(struct world *x, struct stream_ring *r, uint64_t hurry_until_us)
{
	struct schedule *s = &x->worker.live.schedule;
	uint64_t due_us;

	schedule_hurry(&x->worker.live.schedule, r);
	r->hurry_until_us = hurry_until_us;
	s->interval_us = FEED_INTERVAL_MAX_US;
	due_us = r->due_us;
	await(x, r->due_us != due_us);
	return r->due_us - s->pass_us;
}

Test(feed, a_ring_in_a_hurry_is_looked_at_more_often)
{
	struct world x;
	struct fm_client c;
	struct stream_ring *r;

	open_world(&x, (struct fm_settings){0});
	start_stream(&x, &c);
	r = TAILQ_FIRST(&x.worker.live.schedule.rings);
	/* a pass that takes long makes even a hurry slower */
	cr_assert_leq(next_interval(&x, r, UINT64_MAX), MAX(FEED_HURRY_US, r->cost_us * 4));
	cr_assert_geq(next_interval(&x, r, 0), FEED_INTERVAL_MIN_US, "its hurry is over");
	close(c.fd);
	close_world(&x);
}

/* Its first key frame is still being written. */
Test(feed, the_first_viewer_of_a_new_ring_is_served_soon_again)
{
	struct world x;
	struct fm_client c;
	struct stream_ring *r;
	uint64_t now_us;

	open_world(&x, (struct fm_settings){0});
	start_stream(&x, &c);
	r = TAILQ_FIRST(&x.worker.live.schedule.rings);
	now_us = clock_mono_us();
	r->hurry_until_us = UINT64_MAX;
	schedule_wake(&x.worker.live.schedule, r);
	cr_assert_leq(r->due_us, clock_mono_us() + FEED_HURRY_US);
	r->hurry_until_us = 0;
	schedule_wake(&x.worker.live.schedule, r);
	cr_assert_geq(r->due_us, now_us + FEED_INTERVAL_MIN_US, "its hurry is over");
	close(c.fd);
	close_world(&x);
}

Test(feed, the_same_job_in_a_larger_ring_shows_no_seam)
{
	struct world x;
	struct fm_client c;
	struct fm_stream old;

	open_world(&x, (struct fm_settings){0});
	start_stream(&x, &c);
	old = x.stream;
	fm_ring(&x.stream, RING_BYTES * 2, 2);
	fm_write_group(&x.stream, 40);
	send_ring(&x, 2, true);
	await(&x, (fm_read(&c, 1 << 20), c.packets >= 102 + 42));
	fm_write_group(&x.stream, 40);
	await(&x, (fm_read(&c, 1 << 20), c.packets >= 102 + 42 + 42));
	cr_assert_eq(c.faults, 0);
	cr_assert_eq(c.marks, 0);
	cr_assert_eq(c.cuts, 0);
	close(c.fd);
	fm_ring_close(&old);
	close_world(&x);
}

/* The second larger ring comes before any viewer has moved to the first. */
Test(feed, a_skipped_larger_ring_is_marked_as_a_discontinuity)
{
	struct world x;
	struct fm_client c;
	struct fm_stream old, passed;

	open_world(&x, (struct fm_settings){0});
	start_stream(&x, &c);
	old = x.stream;
	fm_ring(&x.stream, RING_BYTES * 2, 2);
	fm_write_group(&x.stream, 40);
	send_ring(&x, 2, true);
	passed = x.stream;
	fm_ring(&x.stream, RING_BYTES * 4, 3);
	fm_write_group(&x.stream, 40);
	send_ring(&x, 3, true);
	await(&x, (fm_read(&c, 1 << 20), c.packets >= 102 + 3 + 42));
	cr_assert_eq(c.faults, 0);
	cr_assert_eq(c.cuts, 1);
	cr_assert_eq(c.marks, 3);
	close(c.fd);
	fm_ring_close(&old);
	fm_ring_close(&passed);
	close_world(&x);
}

/* A reload fills the want from another output, whose ring is the older one. */
Test(feed, a_ring_of_another_output_is_entered_whatever_its_generation)
{
	struct world x;
	struct fm_client c;
	struct fm_stream old;

	open_world(&x, (struct fm_settings){0});
	fm_ring(&x.stream, RING_BYTES, 7);
	fm_write_group(&x.stream, 100);
	fm_connect(&c, x.master.port, GET_STREAM, 0);
	await_want(&x);
	send_ring(&x, 7, false);
	await(&x, fm_read(&c, 1 << 20) > 0 && c.packets == 102);
	old = x.stream;
	fm_ring(&x.stream, RING_BYTES, 2);
	x.stream.count += 1000;
	fm_write_group(&x.stream, 40);
	send_ring(&x, 2, false);
	await(&x, (fm_read(&c, 1 << 20), c.packets >= 102 + 3 + 42));
	cr_assert_eq(c.faults, 0);
	cr_assert_eq(c.marks, 3);
	close(c.fd);
	fm_ring_close(&old);
	close_world(&x);
}

/* Fast and slow readers while the ring is overwritten ten times. */
#define FAST   20
#define SLOW   15
#define ROUNDS 10

static void read_slowly(struct fm_client *c, unsigned how, uint64_t written)
{
	/* half rate, quarter rate, stopped */
	if (how == 2)
		return;
	while (c->bytes < written / (how ? 4 : 2) && fm_read(c, 8192) > 0)
		;
}

static void run_rounds(struct world *x, struct fm_client *fast, struct fm_client *slow)
{
	uint64_t next = 0;

	while (x->stream.writer.commit < ROUNDS * RING_BYTES) {
		turn(x);
		for (int i = 0; i < FAST; i++)
			fm_read(&fast[i], 1 << 20);
		for (unsigned i = 0; i < SLOW; i++)
			read_slowly(&slow[i], i % 3, x->stream.writer.commit);
		if (clock_mono_us() < next)
			continue;
		fm_write_group(&x->stream, 100);
		/* without catching up: a source does not overtake those who keep up */
		next = clock_mono_us() + 5000;
	}
}

static void check_rounds(struct world *x, struct fm_client *fast, struct fm_client *slow)
{
	uint64_t last = x->stream.count, cuts = 0;

	for (int i = 0; i < FAST; i++) {
		await(x, (fm_read(&fast[i], 1 << 20), fast[i].next == last));
		cr_assert_eq(fast[i].faults, 0);
		cr_assert_eq(fast[i].marks, 0);
	}
	for (int i = 0; i < SLOW; i++) {
		await(x, (fm_read(&slow[i], 1 << 20), slow[i].next == last));
		cr_assert_eq(slow[i].faults, 0, "client %d: %lu faults", i, slow[i].faults);
		cr_assert_not(slow[i].closed);
		cuts += slow[i].cuts;
	}
	cr_assert_gt(cuts, SLOW / 2);
	cr_assert_geq(fm_page(&x->master)->viewer_skips, cuts);
	cr_assert_eq(fm_page(&x->master)->viewers_dropped, 0);
}

Test(feed, slow_viewers_skip_cleanly_and_cost_the_others_nothing, .timeout = 120)
{
	struct world x;
	static struct fm_client fast[FAST], slow[SLOW];

	open_world(&x, (struct fm_settings){0});
	fm_ring(&x.stream, RING_BYTES, 1);
	fm_write_group(&x.stream, 100);
	for (int i = 0; i < FAST; i++)
		fm_connect(&fast[i], x.master.port, GET_STREAM, 0);
	for (int i = 0; i < SLOW; i++)
		fm_connect(&slow[i], x.master.port, GET_STREAM, 8192);
	await_want(&x);
	send_ring(&x, 1, false);
	await(&x, fm_page(&x.master)->viewers_open == FAST + SLOW);
	run_rounds(&x, fast, slow);
	check_rounds(&x, fast, slow);
	for (int i = 0; i < FAST; i++)
		close(fast[i].fd);
	for (int i = 0; i < SLOW; i++)
		close(slow[i].fd);
	close_world(&x);
}

#define LARGE_RING (4u << 20) /* several times what the kernel keeps for a connection */

/* A viewer that fell behind does not stay at the end that is overwritten next. */
Test(feed, a_late_viewer_continues_at_the_newest_access_point)
{
	struct world x;
	struct fm_client late;
	uint64_t before;

	open_world(&x, (struct fm_settings){0});
	fm_ring(&x.stream, LARGE_RING, 1);
	fm_write_group(&x.stream, 100);
	fm_connect(&late, x.master.port, GET_STREAM, 8192);
	await_want(&x);
	send_ring(&x, 1, false);
	await(&x, (fm_read(&late, 1 << 20), late.next == x.stream.count));
	while (x.stream.writer.commit < 3 * LARGE_RING) {
		/* far enough from the last for an access point of its own */
		usleep(RING_RAP_SPACING_US);
		fm_write_group(&x.stream, 4000);
		turn(&x);
	}
	before = late.bytes;
	await(&x, (fm_read(&late, 1 << 20), late.next == x.stream.count));
	cr_assert_eq(late.faults, 0);
	cr_assert_eq(late.cuts, 1);
	/* what the sockets held, and one group */
	cr_assert_lt(late.bytes - before, LARGE_RING / 2);
	close(late.fd);
	close_world(&x);
}

Test(feed, slow_viewers_are_dropped_if_configured)
{
	struct world x;
	struct fm_client fast, slow;

	open_world(&x, (struct fm_settings){.flags = SETTING_SLOW_DROP});
	fm_ring(&x.stream, RING_BYTES, 1);
	fm_write_group(&x.stream, 100);
	fm_connect(&fast, x.master.port, GET_STREAM, 0);
	fm_connect(&slow, x.master.port, GET_STREAM, 8192);
	await_want(&x);
	send_ring(&x, 1, false);
	await(&x, fm_page(&x.master)->viewers_open == 2);
	for (int i = 0; i < 200; i++) {
		fm_write_group(&x.stream, 100);
		await(&x, (fm_read(&fast, 1 << 20), fast.next == x.stream.count));
	}
	cr_assert_eq(fm_page(&x.master)->viewers_dropped, 1);
	cr_assert_eq(fm_page(&x.master)->viewers_open, 1);
	cr_assert_eq(fast.faults, 0);
	close(fast.fd);
	close(slow.fd);
	close_world(&x);
}

Test(feed, steady_streaming_allocates_nothing)
{
	struct world x;
	struct fm_client c[8];

	open_world(&x, (struct fm_settings){0});
	start_stream(&x, &c[0]);
	for (int i = 1; i < 8; i++)
		fm_connect(&c[i], x.master.port, GET_STREAM, 0);
	await(&x, fm_page(&x.master)->viewers_open == 8);
	count_allocations();
	for (int round = 0; round < 20; round++) {
		fm_write_group(&x.stream, 200);
		for (int i = 0; i < 8; i++)
			await(&x, (fm_read(&c[i], 1 << 20), c[i].next == x.stream.count));
	}
	counting = false;
	cr_assert_eq(allocations, 0, "%zu allocations", allocations);
	for (int i = 0; i < 8; i++)
		close(c[i].fd);
	close_world(&x);
}

Test(feed, a_viewer_over_the_limit_gets_503)
{
	struct world x;
	struct fm_client a, b;

	open_world(&x, (struct fm_settings){.max_viewers = 1});
	start_stream(&x, &a);
	fm_connect(&b, x.master.port, GET_STREAM, 0);
	await(&x, (fm_read(&b, 4096), b.closed));
	cr_assert(strncmp(b.head, "HTTP/1.1 503 ", 13) == 0);
	cr_assert(strstr(b.head, "Retry-After: 5\r\n"));
	close(a.fd);
	close(b.fd);
	close_world(&x);
}

/* Everything that a client receives, as it is. */
struct tape {
	uint8_t *bytes;
	size_t len, cap;
};

static void record_tape(struct tape *t, int fd, size_t max)
{
	ssize_t n = 1;

	while (max && n > 0) {
		n = recv(fd, t->bytes + t->len, MIN(max, t->cap - t->len), 0);
		if (n <= 0)
			break;
		t->len += (size_t)n;
		max -= (size_t)n;
	}
}

/* What another process would send: from the record and the ring, and nothing else.  0 bytes if it
 * would have to skip. */
static size_t go_on(const struct world *x, const struct viewer_place *p, uint8_t *dst)
{
	const struct ring_writer *w = &x->stream.writer;
	uint64_t from = p->pos - p->rest;

	if (p->generation == 0 || w->commit - from > w->data_bytes / 8 * 7)
		return 0;
	memcpy(dst, p->front, p->front_len);
	memcpy(dst + p->front_len, w->data + (from & (w->data_bytes - 1)), w->commit - from);
	return p->front_len + (w->commit - from);
}

/* The same of the first viewer as it is now; one that was lapped skips when its socket has room. */
static size_t promise(const struct world *x, struct viewer_place *place, uint8_t *dst)
{
	cr_assert_eq(worker_page_place(x->master.page, 0, place), 0);
	return go_on(x, place, dst);
}

/* The viewer is stopped at hundreds of moments, mostly inside of a unit; each time what
 * its record and the ring promise is what it then receives, byte for byte. */
Test(feed, a_viewer_can_be_rebuilt_from_its_record_and_the_ring, .timeout = 120)
{
	static uint8_t promised[2 * RING_BYTES_MIN];
	struct tape tape = {.cap = 256u << 20};
	unsigned seed = 7, points = 0, rests = 0;
	struct viewer_place place, head;
	struct world x;
	struct fm_client c;
	int buffer = 1;

	tape.bytes = malloc(tape.cap);
	open_world(&x, (struct fm_settings){0});
	fm_ring(&x.stream, RING_BYTES, 1);
	fm_connect(&c, x.master.port, GET_STREAM, 4096);
	await_want(&x);
	await(&x, fm_page(&x.master)->viewers_open == 1);
	cr_assert_eq(worker_page_place(x.master.page, 0, &head), 0);
	cr_assert_eq(head.generation, 0, "it waits");
	cr_assert_gt(head.front_len, 50, "with its head");
	/* so small that sends stop everywhere */
	setsockopt(x.worker.live.records.owners[0].viewer->stream.conn->fd, SOL_SOCKET, SO_SNDBUF,
		   &buffer, sizeof(buffer));
	fm_write_group(&x.stream, 40);
	send_ring(&x, 1, false);
	for (int round = 0; round < 300; round++) {
		uint64_t before = tape.len;
		size_t n;

		/* now and then more than the ring holds */
		for (int i = round % 20 == 19 ? RING_BYTES / TS_PACKET / 20 : 1; i > 0; i--) {
			x.stream.writer.last_rap_us = 0; /* each group is an access point */
			fm_write_group(&x.stream, (size_t)rand_r(&seed) % 120 + 1);
		}
		/* after its next send */
		await(&x, ((n = promise(&x, &place, promised)) && place.accepted > before) ||
				  place.pos == x.stream.writer.commit ||
				  (record_tape(&tape, c.fd, 50), false));
		if (n == 0)
			continue; /* it has everything already */
		points++;
		rests += place.rest > 0;
		await(&x, (record_tape(&tape, c.fd, 1 << 20), tape.len >= place.accepted + n));
		cr_assert_eq(tape.len, place.accepted + n);
		cr_assert_arr_eq(tape.bytes + place.accepted, promised, n,
				 "round %d: other bytes than promised", round);
	}
	cr_assert_gt(points, 100, "%u points", points);
	cr_assert_gt(rests, 20, "cut units");
	cr_assert_arr_eq(tape.bytes, head.front, head.front_len, "another head than promised");
	close(c.fd);
	close_world(&x);
	free(tape.bytes);
}

Test(feed, a_kick_ends_one_viewer)
{
	struct world x;
	struct fm_client a, b;
	struct viewer_record rec;

	open_world(&x, (struct fm_settings){0});
	start_stream(&x, &a);
	fm_connect(&b, x.master.port, GET_STREAM, 0);
	await(&x, fm_page(&x.master)->viewers_open == 2);
	cr_assert_eq(worker_page_get(x.master.page, 0, &rec), 0);
	cr_assert_eq(rec.channel, FM_CHANNEL);
	cr_assert_eq(rec.output, 3);
	cr_assert_eq(msg_send_kick(x.master.socket, &(struct msg_kick){.serial = rec.serial}, NULL),
		     0);
	await(&x, (fm_read(&a, 1 << 20), a.closed));
	cr_assert_eq(fm_page(&x.master)->viewers_open, 1);
	close(a.fd);
	close(b.fd);
	close_world(&x);
}
