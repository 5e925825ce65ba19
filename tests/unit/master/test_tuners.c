/* test_tuners.c - the life of a tuner, with the test as workers, nursery and jobs. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include "fake_clock.h"
#include "unit.h"

#include "amps-master/lineup/lineup.h"
#include "amps-master/tuners/tuner.h"
#include "amps-master/tuners/tuners.h"
#include "common/shm/chantab.h"
#include "common/shm/ring_writer.h"
#include "common/shm/segment.h"
#include "common/shm/shm.h"

/* A process that does nothing but live: the pid a fake job introduces itself with. */
static pid_t sleeper(void)
{
	int pair[2];
	pid_t pid;

	cr_assert_eq(pipe(pair), 0);
	pid = fork();
	if (pid == 0) {
		/* a test that fails must not leave it behind; other jobs' sockets are not its own
		 */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close_range(3, ~0u, 0);
		for (;;)
			pause();
	}
	/* before it has let go of them, a job that ends would not be seen to */
	close(pair[1]);
	cr_assert_eq(read(pair[0], &(char){0}, 1), 0);
	close(pair[0]);
	return pid;
}

struct fake_job {
	int fd;
	pid_t pid;
	uint8_t role;
	char source; /* the number of its source, from '0' */
	int64_t continue_90k;
	uint32_t output;
	uint64_t generation;
	int64_t output_continue_90k;
	uint32_t restart_ms;
	int nice;
	bool has_ring, has_source, told_to_stop, told_off;
	uint32_t percent; /* of its windows */
	int gop_ms;
	struct ring_writer w;
};

struct scene {
	struct event_base *base;
	struct tuners *tuners;
	void *table;
	bool nursery_away;
	unsigned nursery_hangs;
	struct fake_job jobs[8];
	unsigned job_count;
	/* the last of each, and how many */
	struct msg_output_ring ring;
	struct msg_output_gone gone;
	char gone_text[ERROR_TEXT_MAX];
	unsigned rings, gones, gone_worker;
	struct msg_output_offer offer;
	char offer_variant[VARIANT_NAME_MAX + 1];
	int offer_worker; /* -1 = all */
	unsigned offers, offer_ends;
	struct media_root media;
	char news[16];	       /* S, F and R: started, failed, recovered */
	enum tuner_state told; /* the last state */
};

static void on_output_ring(void *owner, unsigned worker, const struct msg_output_ring *m, int fd)
{
	struct scene *s = owner;
	struct ring r;

	(void)worker;
	cr_assert_eq(ring_open(&r, fd, m->data_bytes, m->unit_bytes), 0,
		     "a worker got a ring it cannot trust");
	ring_close(&r);
	s->ring = *m;
	s->rings++;
}

static void on_output_offer(void *owner, int worker, const struct msg_output_offer *m, int fd)
{
	struct scene *s = owner;

	cr_assert_geq(fd, 0);
	s->offer = *m;
	snprintf(s->offer_variant, sizeof(s->offer_variant), "%s", m->variant);
	s->offer_worker = worker;
	s->offers++;
}

static void on_output_offer_end(void *owner, const struct msg_output_offer_end *m)
{
	struct scene *s = owner;

	cr_assert_eq(m->output, s->offer.output);
	s->offer_ends++;
}

static void on_output_turn(void *owner, unsigned worker, const struct msg_output_turn *m)
{
	(void)owner;
	(void)worker;
	(void)m;
}

static void on_output_gone(void *owner, unsigned worker, const struct msg_output_gone *m)
{
	struct scene *s = owner;

	s->gone = *m;
	snprintf(s->gone_text, sizeof(s->gone_text), "%s", m->text);
	s->gone_worker = worker;
	s->gones++;
}

static int on_fork_job(void *owner, int fd)
{
	struct scene *s = owner;

	if (s->nursery_away)
		return -EAGAIN;
	cr_assert_lt(s->job_count, array_size(s->jobs));
	s->jobs[s->job_count++] = (struct fake_job){.fd = dup(fd), .pid = sleeper()};
	return 0;
}

static void on_state_changed(void *owner, uint32_t channel, const char *key, uint32_t state,
			     const char *error)
{
	cr_assert(owner && key && error && state < TUNER_STATE_COUNT_);
	cr_assert_eq(channel, (uint32_t)atoi(key));
	((struct scene *)owner)->told = (enum tuner_state)state;
}

static void on_news(void *owner, enum tuner_news news, uint32_t channel, const char *key,
		    uint32_t state, const char *error)
{
	struct scene *s = owner;
	size_t n = strlen(s->news);

	cr_assert(news < NEWS_COUNT_ && n + 1 < sizeof(s->news));
	cr_assert_eq(channel, (uint32_t)atoi(key));
	cr_assert_eq(state, (uint32_t)s->told);
	cr_assert(error[0] == '\0' || news == NEWS_FAILED);
	s->news[n] = "SFR"[news];
}

static void on_nursery_hangs(void *owner)
{
	((struct scene *)owner)->nursery_hangs++;
}

#define CUT(number)                                                                                \
	{                                                                                          \
		.track = number, .segment_ms = 4000, .window_ms = 60000, .keep_ms = 60000,         \
		.part_ms = 250                                                                     \
	}
static struct channel_segments cut[] = {CUT(0), CUT(1)};

static struct lineup_output segments_of(const char *variant, uint32_t track)
{
	return (struct lineup_output){
		.form = OUTPUT_HLS_TS,
		.variant = variant,
		.segments = &cut[track],
		.hash = 1,
	};
}

/* Channel 5: a copy ("") and a transcoded variant "sd". */
static struct lineup *lineup_of(uint64_t source_hash, uint64_t sd_hash, uint32_t idle_ms,
				bool with_sd)
{
	static const char *const specs[] = {"{\"at\":0}", "{\"at\":1}", "{\"at\":2}"};
	struct lineup *l = calloc(1, sizeof(*l));
	/* the channel, its tuners and their outputs are one block, as lineup.c makes it */
	struct {
		struct lineup_channel channel;
		struct lineup_tuner tuners[2];
		struct lineup_source sources[3];
		struct lineup_output outputs[4];
	} *all = calloc(1, sizeof(*all));

	all->outputs[0] =
		(struct lineup_output){.variant = "", .plain = true, .spec = "", .hash = 1};
	all->outputs[2] = segments_of("", 0);
	all->outputs[3] = segments_of("sd", 1);
	all->outputs[1] = (struct lineup_output){
		.variant = "sd", .spec = "{\"options\":[]}", .hash = sd_hash};
	for (size_t i = 0; i < array_size(all->sources); i++)
		all->sources[i] = (struct lineup_source){
			.spec = specs[i], .text = "x", .hash = source_hash + 100 * i, .address = i};
	all->tuners[0] = (struct lineup_tuner){.key = "5",
					       .channel = 5,
					       .sources = all->sources,
					       .source_count = 1,
					       .output_count = with_sd ? 4 : 1,
					       .outputs = all->outputs};
	all->channel.refs = 1;
	all->channel.id = 5;
	all->channel.tuners = all->tuners;
	all->channel.tuner_count = 1;
	l->refs = 1;
	cr_assert_eq(channel_list_init(1, &l->channels), 0);
	l->channels.at[l->channels.count++] = &all->channel;
	l->settings = (struct lineup_settings){
		.idle_timeout_ms = idle_ms, .start_timeout_ms = 15000, .max_overlap = 64};
	return l;
}

/* The same channel with so many sources. */
static struct lineup *lineup_of_sources(unsigned count)
{
	struct lineup *l = lineup_of(1, 1, 1000, true);

	l->channels.at[0]->tuners[0].source_count = (uint8_t)count;
	l->settings.stall_timeout_ms = 2000;
	l->settings.return_after_ms = 300;
	return l;
}

static struct lineup *lineup_empty(void)
{
	struct lineup *l = calloc(1, sizeof(*l));

	l->refs = 1;
	return l;
}

static void set_lineup(struct scene *s, struct lineup *l)
{
	lineup_unref(tuners_set_lineup(s->tuners, l));
}

static void scene_open(struct scene *s, uint32_t idle_ms)
{
	struct tuners_env env = {.owner = s,
				 .output_ring = on_output_ring,
				 .output_offer = on_output_offer,
				 .output_offer_end = on_output_offer_end,
				 .output_turn = on_output_turn,
				 .output_gone = on_output_gone,
				 .fork_job = on_fork_job,
				 .state_changed = on_state_changed,
				 .news = on_news,
				 .nursery_hangs = on_nursery_hangs};

	memset(s, 0, sizeof(*s));
	s->media = MEDIA_ROOT_INIT;
	s->media.own = true;
	s->media.limit = 64u << 20;
	strcpy(s->media.path, "/tmp/amps-media-XXXXXX");
	cr_assert_not_null(mkdtemp(s->media.path));
	cr_assert_eq(media_root_open(&s->media, s->gone_text, sizeof(s->gone_text)), 0);
	env.media = &s->media;
	s->base = event_base_new();
	s->table = calloc(1, CHANTAB_BYTES);
	chantab_init(s->table);
	env.base = s->base;
	env.chantab = s->table;
	cr_assert_eq(tuners_new(&env, &s->tuners), 0);
	set_lineup(s, lineup_of(1, 1, idle_ms, true));
}

static void fake_end(struct fake_job *j)
{
	if (j->pid > 0) {
		kill(j->pid, SIGKILL);
		waitpid(j->pid, NULL, 0);
	}
	ring_writer_close(&j->w);
	close_fd(&j->fd);
	j->pid = 0;
}

static void scene_close(struct scene *s)
{
	tuners_free(s->tuners);
	for (unsigned i = 0; i < s->job_count; i++)
		fake_end(&s->jobs[i]);
	event_base_free(s->base);
	free(s->table);
	media_root_close(&s->media);
}

static void turn(struct scene *s)
{
	for (int i = 0; i < 8; i++)
		event_base_loop(s->base, EVLOOP_NONBLOCK);
}

static void take_ring(struct fake_job *j, struct msg *m)
{
	struct msg_job_output o;

	cr_assert_eq(msg_decode_job_output(m->bytes, m->len, &o), 0);
	ring_writer_close(&j->w);
	cr_assert_eq(ring_writer_open(&j->w, m->fds[0], o.data_bytes), 0);
	j->output = o.output;
	j->generation = o.generation;
	j->output_continue_90k = o.continue_90k;
	j->has_ring = true;
}

static void take_window(struct fake_job *j, const struct msg *m)
{
	struct msg_job_window w;

	cr_assert_eq(msg_decode_job_window(m->bytes, m->len, &w), 0);
	j->percent = w.percent;
}

/* Reads whatever the master has told this job. */
static void fake_listen(struct fake_job *j)
{
	static struct msg m;

	while (msg_receive(j->fd, &m) == 0) {
		struct msg_job job;

		if (m.type == MSG_JOB && msg_decode_job(m.bytes, m.len, &job) == 0) {
			const char *at = strstr(job.spec, "\"at\":");

			j->role = job.role;
			j->source = at ? at[5] : '-';
			j->restart_ms = job.restart_ms;
			at = strstr(job.spec, "\"nice\":");
			j->nice = at ? atoi(at + 7) : 0;
			at = strstr(job.spec, "\"gop_ms\":");
			j->gop_ms = at ? atoi(at + 9) : -1;
			j->continue_90k = job.continue_90k;
		}
		if (m.type == MSG_JOB_OUTPUT)
			take_ring(j, &m);
		j->has_source = j->has_source || m.type == MSG_JOB_SOURCE_RING;
		if (m.type == MSG_JOB_WINDOW)
			take_window(j, &m);
		j->told_to_stop = j->told_to_stop || m.type == MSG_SHUTDOWN;
		j->told_off = j->told_off || m.type == MSG_JOB_OUTPUT_OFF;
		msg_done(&m);
	}
}

static void fake_hello(struct scene *s, struct fake_job *j)
{
	struct msg_hello hello = {
		.program = "job", .version = AMPS_VERSION, .pid = (uint32_t)j->pid};

	fake_listen(j);
	cr_assert_eq(msg_send_hello(j->fd, &hello, NULL), 0);
	turn(s);
}

/* Maps, writes one access point and says so. */
static void fake_run(struct scene *s, struct fake_job *j)
{
	struct ring_rap rap = {.pos = 0};
	uint8_t packet[TS_PACKET] = {0x47};

	fake_hello(s, j);
	cr_assert(j->has_ring);
	cr_assert_eq(msg_send_job_source(j->fd, &(struct msg_job_source){.live = 1}, NULL), 0);
	ring_writer_append(&j->w, packet, sizeof(packet));
	ring_writer_add_rap(&j->w, &rap);
	ring_writer_frontier(&j->w, 900000);
	atomic_store(&j->w.header->first_90k, 810000);
	cr_assert_eq(msg_send_job_mapped(
			     j->fd, &(struct msg_job_mapped){j->output, j->generation, {}}, NULL),
		     0);
	cr_assert_eq(msg_send_job_running(
			     j->fd, &(struct msg_job_running){j->output, j->generation, {}}, NULL),
		     0);
	turn(s);
}

/* The same of a segment job: one entry behind what the index has. */
static void fake_segment(struct scene *s, struct fake_job *j)
{
	struct ring_rap rap = {.intro_bytes = sizeof(struct segment_media)};
	struct segment_media facts = {.target_s = 4};
	struct segment e = {.duration_90k = 360000};

	fake_hello(s, j);
	cr_assert(j->has_ring);
	e.number = j->w.commit ? (uint32_t)(j->w.commit / sizeof(e)) : 1000;
	e.part = e.first = e.number;
	e.oldest = 1000;
	if (!j->w.commit)
		ring_writer_begin(&j->w, segment_position(e.number));
	ring_writer_append(&j->w, &e, sizeof(e));
	rap.pos = segment_position(e.number);
	memcpy(rap.bytes, &facts, sizeof(facts));
	ring_writer_add_rap(&j->w, &rap);
	cr_assert_eq(msg_send_job_mapped(
			     j->fd, &(struct msg_job_mapped){j->output, j->generation, {}}, NULL),
		     0);
	cr_assert_eq(msg_send_job_running(
			     j->fd, &(struct msg_job_running){j->output, j->generation, {}}, NULL),
		     0);
	turn(s);
}

static void fake_fail(struct scene *s, struct fake_job *j, const char *text)
{
	cr_assert_eq(msg_send_job_failed(j->fd, &(struct msg_job_failed){502, text, {}}, NULL), 0);
	fake_end(j);
	turn(s);
}

static void want(struct scene *s, unsigned worker, uint32_t id, const char *variant)
{
	tuners_want(s->tuners, worker,
		    &(struct msg_want){.want = id, .channel = 5, .variant = variant, .track = ""});
	turn(s);
}

static void want_segments(struct scene *s, uint32_t id, const char *variant)
{
	tuners_want(s->tuners, 0,
		    &(struct msg_want){.want = id,
				       .channel = 5,
				       .form = OUTPUT_HLS_TS,
				       .variant = variant,
				       .track = ""});
	turn(s);
}

/* A scene with a viewer of a channel that has so many sources. */
static void scene_of_sources(struct scene *s, unsigned count)
{
	scene_open(s, 1000);
	set_lineup(s, lineup_of_sources(count));
	want(s, 0, 1, "");
}

/* A scene with a viewer of a channel whose one job runs. */
static void scene_that_runs(struct scene *s)
{
	scene_open(s, 1000);
	want(s, 0, 1, "");
	fake_run(s, &s->jobs[0]);
}

/* As with overlap=true. */
static void want_own(struct scene *s, unsigned worker, uint32_t id, const char *variant)
{
	tuners_want(s->tuners, worker,
		    &(struct msg_want){
			    .want = id, .channel = 5, .own = 1, .variant = variant, .track = ""});
	turn(s);
}

static enum tuner_state state_of(struct scene *s)
{
	struct tuner_slot slot;

	cr_assert_eq(chantab_get_tuner(s->table, 0, &slot), 0);
	return (enum tuner_state)slot.state;
}

/* A large ring is made in a thread, which the clock waits for. */
static void await_ring(struct scene *s, struct fake_job *j)
{
	cr_assert_not_null(j);
	fake_clock_stopped = true;
	while (!j->has_ring) {
		event_base_loop(s->base, EVLOOP_ONCE);
		fake_listen(j);
	}
	fake_clock_stopped = false;
}

/* Turns the loop until the condition holds, for 20 s of its clock at most. */
#define await(s, condition)                                                                        \
	do {                                                                                       \
		uint64_t until_us_ = clock_mono_us() + 20000000;                                   \
		while (!(condition)) {                                                             \
			cr_assert_lt(clock_mono_us(), until_us_, "never came: %s", #condition);    \
			event_base_loop((s)->base, EVLOOP_ONCE);                                   \
		}                                                                                  \
	} while (0)

static void await_stop(struct scene *s, struct fake_job *j)
{
	await(s, (fake_listen(j), j->told_to_stop));
}

Test(tuners, a_want_starts_one_job_and_every_worker_gets_its_ring)
{
	struct scene s;

	scene_open(&s, 1000);
	want(&s, 0, 1, "");
	want(&s, 1, 1, "");
	cr_assert_eq(s.job_count, 1);
	cr_assert_eq(state_of(&s), TUNER_STARTING);
	cr_assert_eq(s.rings, 0);
	fake_run(&s, &s.jobs[0]);
	cr_assert_eq(s.rings, 2);
	cr_assert_eq(state_of(&s), TUNER_RUNNING);
	want(&s, 2, 9, "");
	cr_assert_eq(s.rings, 3);
	cr_assert_eq(s.ring.want, 9);
	cr_assert_eq(s.job_count, 1);
	scene_close(&s);
}

/* The pulse reads the clock once; a job may start, or be stopped, while it checks others. */
Test(tuners, a_job_that_started_after_the_pulse_is_not_late)
{
	struct scene s;
	struct job *j;

	scene_open(&s, 1000);
	want(&s, 0, 1, "");
	fake_hello(&s, &s.jobs[0]);
	j = s.tuners->all->jobs[SEAT_SOURCE];
	job_check(j, j->started_us - 1);
	cr_expect_not(j->explained);
	job_stop(j);
	job_check(j, j->stop_us - 1);
	cr_expect_not(j->explained);
	scene_close(&s);
}

Test(tuners, a_ring_that_is_watched_is_offered_to_every_worker)
{
	struct scene s;

	scene_open(&s, 1000);
	want(&s, 0, 1, "");
	want(&s, 1, 1, "");
	cr_assert_eq(s.offers, 0);
	fake_run(&s, &s.jobs[0]);
	cr_assert_eq(s.offers, 1, "once, however many want it");
	cr_assert_eq(s.offer_worker, -1);
	cr_assert_eq(s.offer.channel, 5);
	cr_assert_eq(s.offer.generation, s.ring.generation);
	cr_assert_str_eq(s.offer_variant, "");
	tuners_offer(s.tuners, 2);
	cr_assert_eq(s.offers, 2);
	cr_assert_eq(s.offer_worker, 2, "a worker that comes later gets it alone");
	tuners_worker_gone(s.tuners, 0);
	tuners_worker_gone(s.tuners, 1);
	tuners_offer(s.tuners, 0);
	cr_assert_eq(s.offers, 3, "nobody wants it, but those who did may come back");
	cr_assert_eq(s.offer_worker, 0);
	cr_assert_str_eq(s.offer_variant, "");
	cr_assert_eq(s.offer_ends, 0);
	cr_assert_eq(tuners_stop(s.tuners, "5"), 0);
	turn(&s);
	cr_assert_eq(s.offer_ends, 1);
	scene_close(&s);
}

Test(tuners, the_tuner_of_one_viewer_alone_is_not_offered)
{
	struct scene s;

	scene_open(&s, 1000);
	want_own(&s, 0, 1, "");
	fake_run(&s, &s.jobs[0]);
	cr_assert_eq(s.rings, 1);
	cr_assert_eq(s.offers, 0);
	scene_close(&s);
}

Test(tuners, unknown_channels_and_variants_are_refused)
{
	struct scene s;

	scene_open(&s, 1000);
	want(&s, 0, 1, "uhd");
	cr_assert_eq(s.gone.status, 404);
	tuners_want(s.tuners, 0,
		    &(struct msg_want){.want = 2, .channel = 6, .variant = "", .track = ""});
	cr_assert_eq(s.gones, 2);
	cr_assert_eq(s.job_count, 0);
	scene_close(&s);
}

Test(tuners, a_source_that_never_gave_media_is_an_error_with_its_reason)
{
	struct scene s;

	scene_open(&s, 1000);
	want(&s, 3, 1, "");
	fake_hello(&s, &s.jobs[0]);
	fake_fail(&s, &s.jobs[0], "no such host");
	cr_assert_eq(s.gones, 1);
	cr_assert_eq(s.gone_worker, 3);
	cr_assert_eq(s.gone.status, 502);
	cr_assert_str_eq(s.gone_text, "no such host");
	cr_assert_eq(state_of(&s), TUNER_FAILED);
	cr_assert_str_eq(s.news, "F");
	want(&s, 3, 2, "");
	cr_assert_eq(s.job_count, 2, "the first new try comes at once");
	fake_hello(&s, &s.jobs[1]);
	fake_fail(&s, &s.jobs[1], "no such host");
	want(&s, 3, 3, "");
	cr_assert_eq(s.job_count, 2, "then it waits");
	cr_assert_eq(s.gone.status, 502);
	cr_assert_str_eq(s.news, "F", "once");
	set_lineup(&s, lineup_empty());
	cr_assert_null(s.tuners->all);
	cr_assert_eq(s.told, TUNER_IDLE, "its end is told when its channel is removed");
	scene_close(&s);
}

static uint64_t no_viewers(void *owner, uint32_t output)
{
	(void)owner;
	(void)output;
	return 0;
}

/* The job goes on without something that was asked for. */
Test(tuners, a_notice_is_the_last_error_of_a_tuner_that_runs_on)
{
	struct scene s;
	json_t *list;

	scene_that_runs(&s);
	cr_assert_eq(msg_send_job_notice(s.jobs[0].fd,
					 &(struct msg_job_notice){"MPEG-TS cannot carry flac", {}},
					 NULL),
		     0);
	turn(&s);
	list = tuners_report(s.tuners, NULL, no_viewers);
	cr_assert_str_eq(json_string_value(json_object_get(json_array_get(list, 0), "last_error")),
			 "MPEG-TS cannot carry flac");
	json_decref(list);
	cr_assert_eq(state_of(&s), TUNER_RUNNING);
	cr_assert_eq(s.gones, 0);
	scene_close(&s);
}

/* A server's reason phrase may be any bytes: no JSON can carry them. */
Test(tuners, a_reason_that_is_no_utf8_does_not_hide_the_tuner)
{
	struct scene s;
	json_t *list;

	scene_that_runs(&s);
	fake_fail(&s, &s.jobs[0], "404 \xff\xfe\xc3(\x1b[31m");
	list = tuners_report(s.tuners, NULL, no_viewers);
	cr_assert_eq(json_array_size(list), 1);
	cr_assert_str_eq(json_string_value(json_object_get(json_array_get(list, 0), "last_error")),
			 "404 ?"
			 "?"
			 "?(?[31m");
	json_decref(list);
	scene_close(&s);
}

Test(tuners, a_job_killed_while_running_is_replaced_and_viewers_stay)
{
	struct scene s;

	scene_that_runs(&s);
	fake_end(&s.jobs[0]);
	turn(&s);
	cr_assert_eq(s.job_count, 2);
	cr_assert_eq(s.gones, 0);
	fake_run(&s, &s.jobs[1]);
	cr_assert_eq(s.jobs[1].continue_90k, 900000, "it goes on from the last frontier");
	cr_assert_eq(s.rings, 2);
	cr_assert_eq(s.ring.generation, 2);
	cr_assert_eq(s.ring.same_job, 0);
	cr_assert_str_eq(s.news, "SFR");
	scene_close(&s);
}

/* The newest job, which has introduced itself. */
static struct fake_job *next_job(struct scene *s, unsigned count)
{
	cr_assert_eq(s->job_count, count);
	fake_hello(s, &s->jobs[count - 1]);
	return &s->jobs[count - 1];
}

Test(tuners, a_lost_source_is_followed_by_the_next_one_at_once)
{
	struct scene s;

	scene_of_sources(&s, 3);
	fake_run(&s, &s.jobs[0]);
	cr_assert_eq(s.jobs[0].source, '0');
	fake_fail(&s, &s.jobs[0], "gone");
	cr_assert_eq(next_job(&s, 2)->source, '1');
	cr_assert_eq(s.jobs[1].continue_90k, 900000);
	fake_fail(&s, &s.jobs[1], "refused");
	cr_assert_eq(s.job_count, 3);
	fake_run(&s, &s.jobs[2]);
	cr_assert_eq(s.jobs[2].source, '2');
	cr_assert_eq(s.gones, 0, "viewers stay");
	cr_assert_eq(s.rings, 2);
	scene_close(&s);
}

Test(tuners, a_source_whose_back_off_is_over_is_not_skipped)
{
	struct scene s;

	scene_of_sources(&s, 2);
	fake_run(&s, &s.jobs[0]);
	fake_fail(&s, &s.jobs[0], "gone");
	fake_run(&s, &s.jobs[1]);
	/* half a second after it has failed early the first one is as good as any */
	fake_clock_pass(JOB_BACKOFF_MIN_MS);
	fake_fail(&s, &s.jobs[1], "gone");
	cr_assert_eq(next_job(&s, 3)->source, '0');
	/* both have just failed: the one whose back-off ends first is next */
	fake_fail(&s, &s.jobs[2], "gone");
	await(&s, s.job_count == 4);
	cr_assert_eq(next_job(&s, 4)->source, '1');
	scene_close(&s);
}

Test(tuners, viewers_get_the_reason_only_when_all_sources_have_failed)
{
	struct scene s;

	scene_of_sources(&s, 2);
	next_job(&s, 1);
	cr_assert_eq(s.jobs[0].restart_ms, 4000, "a silent source is given up soon");
	fake_fail(&s, &s.jobs[0], "no such host");
	cr_assert_eq(s.gones, 0);
	cr_assert_eq(state_of(&s), TUNER_STARTING);
	next_job(&s, 2);
	fake_fail(&s, &s.jobs[1], "refused");
	cr_assert_eq(s.gones, 1);
	cr_assert_str_eq(s.gone_text, "refused");
	cr_assert_eq(state_of(&s), TUNER_FAILED);
	scene_close(&s);
}

Test(tuners, sources_that_fail_late_are_each_tried_once)
{
	struct scene s;
	uint64_t at_us;

	scene_of_sources(&s, 2);
	fake_fail(&s, next_job(&s, 1), "silent");
	next_job(&s, 2);
	/* the first one may be tried again meanwhile */
	at_us = clock_mono_us();
	while (clock_mono_us() < at_us + 2 * JOB_BACKOFF_MIN_MS * 1000ull)
		event_base_loop(s.base, EVLOOP_ONCE);
	fake_fail(&s, &s.jobs[1], "silent, too");
	cr_assert_eq(s.gones, 1);
	cr_assert_str_eq(s.gone_text, "silent, too");
	cr_assert_eq(state_of(&s), TUNER_FAILED);
	scene_close(&s);
}

/* Until another job has been started. */
static struct fake_job *await_job(struct scene *s, unsigned count)
{
	await(s, s->job_count >= count);
	cr_assert_eq(s->job_count, count);
	return &s->jobs[count - 1];
}

/* Plays the second source. */
static void scene_switched(struct scene *s)
{
	scene_open(s, 1000);
	set_lineup(s, lineup_of_sources(2));
	want(s, 0, 1, "");
	fake_run(s, &s->jobs[0]);
	fake_fail(s, &s->jobs[0], "gone");
	fake_run(s, &s->jobs[1]);
	cr_assert_eq(s->jobs[1].source, '1');
}

Test(tuners, after_idle_the_first_source_starts_once)
{
	struct scene s;

	scene_switched(&s);
	cr_assert_eq(tuners_stop(s.tuners, "5"), 0);
	await_stop(&s, &s.jobs[1]);
	fake_end(&s.jobs[1]);
	turn(&s);
	cr_assert_eq(state_of(&s), TUNER_IDLE);
	want(&s, 0, 2, "");
	cr_assert_eq(next_job(&s, 3)->source, '0');
	want(&s, 0, 3, "");
	turn(&s);
	fake_listen(&s.jobs[2]);
	cr_assert(!s.jobs[2].told_to_stop, "it is not another source");
	cr_assert_eq(s.job_count, 3);
	scene_close(&s);
}

/* Only a profile could play what it has found. */
static void fake_raw(struct scene *s, struct fake_job *j)
{
	struct msg_job_source raw = {.kind = SOURCE_RAW, .live = 1};

	cr_assert_eq(msg_send_job_source(j->fd, &raw, NULL), 0);
	fake_fail(s, j, "no transport stream carries it");
}

Test(tuners, a_source_that_only_a_profile_can_play_is_followed_by_the_next_one)
{
	struct scene s;

	scene_of_sources(&s, 2);
	fake_raw(&s, next_job(&s, 1));
	cr_assert_eq(s.gones, 0);
	fake_run(&s, &s.jobs[1]);
	cr_assert_eq(s.jobs[1].source, '1');
	cr_assert_eq(s.jobs[1].role, JOB_INGEST);
	want(&s, 0, 2, "");
	cr_assert_eq(s.gones, 0, "it is another source that cannot play");
	scene_close(&s);
}

Test(tuners, a_later_source_that_only_a_profile_can_play_ends_nothing)
{
	struct scene s;

	scene_of_sources(&s, 2);
	fake_run(&s, &s.jobs[0]);
	fake_fail(&s, &s.jobs[0], "gone");
	fake_raw(&s, next_job(&s, 2));
	cr_assert_eq(s.gones, 0);
	await_job(&s, 3);
	cr_assert_eq(next_job(&s, 3)->source, '0');
	cr_assert_eq(s.jobs[2].role, JOB_INGEST);
	scene_close(&s);
}

/* Until it has a ring of another generation. */
static void await_next_ring(struct scene *s, struct fake_job *j)
{
	uint64_t before = j->generation;

	await(s, (fake_listen(j), j->generation != before));
}

static void fake_takes_over(struct scene *s, struct fake_job *j, int64_t first_90k)
{
	atomic_store(&j->w.header->first_90k, first_90k);
	cr_assert_neq(j->output_continue_90k, TIME_NONE, "it begins behind the other one");
	cr_assert_eq(msg_send_job_mapped(
			     j->fd, &(struct msg_job_mapped){j->output, j->generation, {}}, NULL),
		     0);
	cr_assert_eq(msg_send_job_running(
			     j->fd, &(struct msg_job_running){j->output, j->generation, {}}, NULL),
		     0);
	turn(s);
}

Test(tuners, a_channel_returns_to_a_source_that_is_stable)
{
	struct scene s;
	struct fake_job *first;
	uint64_t at_us;
	unsigned rings;

	scene_switched(&s);
	first = await_job(&s, 3);
	rings = s.rings;
	at_us = clock_mono_us();
	fake_run(&s, first);
	cr_assert_eq(first->source, '0');
	cr_assert_eq(first->output_continue_90k, TIME_NONE);
	cr_assert_eq(s.rings, rings, "workers do not read it");
	await_next_ring(&s, first);
	cr_assert_geq(clock_mono_us() - at_us, 300000);
	fake_listen(&s.jobs[1]);
	cr_assert(!s.jobs[1].told_to_stop, "it plays until then");
	fake_takes_over(&s, first, 913500);
	cr_assert_eq(s.rings, rings, "it would have gone back in time while the other one stops");
	await_next_ring(&s, first);
	atomic_store(&s.jobs[1].w.header->clock_90k, 910000);
	atomic_store(&first->w.header->first_clock_90k, 923500);
	fake_takes_over(&s, first, 940000);
	cr_assert_eq(s.rings, rings, "its clock would have gone back");
	await_next_ring(&s, first);
	atomic_store(&first->w.header->first_clock_90k, 923501);
	fake_takes_over(&s, first, 940000);
	cr_assert_eq(s.rings, rings + 1);
	cr_assert_eq(s.ring.same_job, 0);
	fake_listen(&s.jobs[1]);
	cr_assert(s.jobs[1].told_to_stop);
	fake_end(&s.jobs[1]);
	turn(&s);
	cr_assert_eq(state_of(&s), TUNER_RUNNING);
	cr_assert_eq(s.job_count, 3, "nothing is tried any more");
	cr_assert_eq(s.gones, 0);
	fake_fail(&s, first, "gone again");
	cr_assert_eq(next_job(&s, 4)->source, '1');
	scene_close(&s);
}

Test(tuners, a_channel_does_not_go_back_in_time_when_it_returns)
{
	struct scene s;
	struct fake_job *first;
	unsigned rings;

	scene_switched(&s);
	first = await_job(&s, 3);
	rings = s.rings;
	fake_run(&s, first);
	for (unsigned i = 0; i < 4; i++) {
		if (i == 0)
			await_next_ring(&s, first);
		cr_assert(!first->told_to_stop);
		fake_takes_over(&s, first, 899999);
		fake_listen(first);
	}
	cr_assert(first->told_to_stop, "it is tried again later");
	cr_assert_eq(s.rings, rings);
	fake_listen(&s.jobs[1]);
	cr_assert(!s.jobs[1].told_to_stop);
	fake_end(first);
	await_job(&s, 4);
	cr_assert_eq(next_job(&s, 4)->source, '0');
	scene_close(&s);
}

Test(tuners, an_address_that_is_being_tried_is_left_before_it_is_played)
{
	struct scene s;
	struct lineup *l = lineup_of_sources(3);

	scene_open(&s, 1000);
	((struct lineup_source *)l->channels.at[0]->tuners[0].sources)[2].address = 0;
	set_lineup(&s, l);
	want(&s, 0, 1, "");
	fake_run(&s, &s.jobs[0]);
	fake_fail(&s, &s.jobs[0], "gone");
	fake_run(&s, &s.jobs[1]);
	fake_hello(&s, await_job(&s, 3));
	fake_fail(&s, &s.jobs[1], "gone");
	fake_listen(&s.jobs[2]);
	cr_assert(s.jobs[2].told_to_stop);
	cr_assert_eq(s.job_count, 3, "never two connections to one address");
	fake_end(&s.jobs[2]);
	turn(&s);
	cr_assert_eq(next_job(&s, 4)->source, '2');
	scene_close(&s);
}

/* Is there a sentence with this text? */
static bool why_says(struct scene *s, const char *list, const char *text)
{
	json_t *why = tuners_why(s->tuners, "5"), *sentence;
	bool found = false;
	size_t i;

	json_array_foreach (json_object_get(why, list), i, sentence)
		found = found || strstr(json_string_value(sentence), text);
	json_decref(why);
	return found;
}

static void fake_slow(struct scene *s, struct fake_job *j, unsigned permil)
{
	cr_assert_eq(msg_send_job_rate(j->fd, &(struct msg_job_rate){.permil = permil}, NULL), 0);
	turn(s);
	fake_listen(j);
}

Test(tuners, a_source_slower_than_real_time_is_followed_by_another_one)
{
	struct scene s;
	struct fake_job *again;

	scene_of_sources(&s, 2);
	fake_run(&s, &s.jobs[0]);
	fake_slow(&s, &s.jobs[0], 600);
	cr_assert(s.jobs[0].told_to_stop);
	fake_end(&s.jobs[0]);
	turn(&s);
	cr_assert_eq(s.job_count, 2);
	fake_run(&s, &s.jobs[1]);
	cr_assert_eq(s.jobs[1].source, '1');
	cr_assert(why_says(&s, "last_hour", "too slow 1 times"));
	cr_assert_eq(s.tuners->all->history.total.lost[LOST_SLOW], 1);
	cr_assert_eq(s.gones, 0);
	/* while it is tried again it is judged, too */
	again = await_job(&s, 3);
	fake_run(&s, again);
	cr_assert_eq(again->source, '0');
	fake_slow(&s, again, 600);
	cr_assert(again->told_to_stop);
	cr_assert_eq(state_of(&s), TUNER_RUNNING);
	/* the other one is no better: it stays */
	fake_slow(&s, &s.jobs[1], 800);
	cr_assert(!s.jobs[1].told_to_stop);
	cr_assert(why_says(&s, "now", "source 2 has delivered 80% of real time"));
	scene_close(&s);
}

Test(tuners, a_channel_with_pictures_does_not_return_to_sound_alone)
{
	struct msg_job_source with = {.live = 1, .pictures = 1}, without = {.live = 1};
	struct scene s;
	struct fake_job *first;

	scene_switched(&s);
	cr_assert_eq(msg_send_job_source(s.jobs[1].fd, &with, NULL), 0);
	first = await_job(&s, 3);
	fake_hello(&s, first);
	cr_assert_eq(first->source, '0');
	cr_assert_eq(msg_send_job_source(first->fd, &without, NULL), 0);
	await_stop(&s, first);
	cr_assert_gt(tuner_shows_us(s.tuners->all, 0), clock_mono_us(), "not tried soon");
	cr_assert_eq(state_of(&s), TUNER_RUNNING);
	fake_listen(&s.jobs[1]);
	cr_assert_not(s.jobs[1].told_to_stop);
	scene_close(&s);
}

/* One that delivers in bursts is seen to be slow after a longer time. */
Test(tuners, a_slow_source_returns_only_after_it_would_have_been_seen_again)
{
	struct scene s;
	struct fake_job *again;
	struct tuner *t;
	uint64_t generation;

	scene_of_sources(&s, 2);
	fake_run(&s, &s.jobs[0]);
	t = s.tuners->all;
	t->jobs[SEAT_SOURCE]->running_us -= 25000000;
	fake_slow(&s, &s.jobs[0], 700);
	fake_end(&s.jobs[0]);
	turn(&s);
	fake_run(&s, &s.jobs[1]);
	again = await_job(&s, 3);
	fake_run(&s, again);
	generation = again->generation;
	t->jobs[SEAT_PROBE]->running_us -= 30000000;
	tuner_update(t);
	turn(&s);
	fake_listen(again);
	cr_assert_eq(again->generation, generation, "not yet");
	t->jobs[SEAT_PROBE]->running_us -= 4000000;
	tuner_update(t);
	await_next_ring(&s, again);
	fake_takes_over(&s, again, 920000);
	cr_assert_eq(t->source_at, 0);
	scene_close(&s);
}

Test(tuners, a_slow_source_is_preferred_to_one_that_has_failed)
{
	struct scene s;
	struct tuner *t;
	uint64_t now_us;

	scene_of_sources(&s, 3);
	t = s.tuners->all;
	now_us = clock_mono_us();
	t->health[0].slow_us = t->health[1].failed_us = t->health[2].failed_us = now_us;
	cr_expect_eq(tuner_choose_source(t, 1, false, now_us + 1), 0);
	t->health[2].failed_us = 0;
	cr_expect_eq(tuner_choose_source(t, 1, false, now_us + 1), 2,
		     "nothing is known against it");
	t->health[0].slow_us = 0;
	t->health[2].failed_us = now_us;
	cr_expect_eq(tuner_choose_source(t, 1, false, now_us + 1), 1, "one after the other, else");
	scene_close(&s);
}

Test(tuners, a_slow_source_stays_where_there_is_no_other_that_works)
{
	struct scene s;

	scene_of_sources(&s, 2);
	fake_fail(&s, next_job(&s, 1), "refused");
	cr_assert_eq(s.job_count, 2);
	fake_run(&s, &s.jobs[1]);
	fake_slow(&s, &s.jobs[1], 600);
	cr_assert(!s.jobs[1].told_to_stop, "the first one does not work");
	cr_assert_eq(state_of(&s), TUNER_RUNNING);
	cr_assert(why_says(&s, "now", "source 2 has delivered 60% of real time"));
	scene_close(&s);
}

/* A reload has moved the source that plays. */
Test(tuners, a_slow_source_is_known_by_its_place_in_the_present_list)
{
	struct lineup *l = lineup_of_sources(2);
	struct lineup_source *sources =
		(struct lineup_source *)l->channels.at[0]->tuners[0].sources;
	struct lineup_source first = sources[0];
	struct scene s;

	sources[0] = sources[1];
	sources[1] = first;
	scene_of_sources(&s, 2);
	fake_run(&s, &s.jobs[0]);
	set_lineup(&s, l);
	turn(&s);
	fake_slow(&s, &s.jobs[0], 600);
	cr_assert(s.jobs[0].told_to_stop);
	fake_end(&s.jobs[0]);
	turn(&s);
	cr_assert_eq(next_job(&s, 2)->source, '1');
	scene_close(&s);
}

Test(tuners, a_rate_that_no_job_can_mean_breaks_the_protocol)
{
	struct scene s;

	scene_that_runs(&s);
	fake_slow(&s, &s.jobs[0], 1000);
	cr_assert_eq(state_of(&s), TUNER_RESTARTING);
	scene_close(&s);
}

Test(tuners, a_source_that_is_being_tried_takes_over_at_once_when_the_other_is_lost)
{
	struct scene s;
	struct fake_job *first;

	scene_switched(&s);
	first = await_job(&s, 3);
	fake_run(&s, first);
	fake_fail(&s, &s.jobs[1], "gone");
	fake_listen(first);
	fake_takes_over(&s, first, 920000);
	cr_assert_eq(state_of(&s), TUNER_RUNNING);
	cr_assert_eq(s.job_count, 3);
	cr_assert_eq(s.gones, 0);
	scene_close(&s);
}

Test(tuners, a_source_that_fails_while_it_is_tried_disturbs_nothing)
{
	struct scene s;
	struct fake_job *first;

	scene_switched(&s);
	first = await_job(&s, 3);
	fake_run(&s, first);
	await_next_ring(&s, first);
	fake_fail(&s, first, "gone again");
	cr_assert_eq(state_of(&s), TUNER_RUNNING);
	fake_listen(&s.jobs[1]);
	cr_assert(!s.jobs[1].told_to_stop);
	/* the one that plays is lost while another try has shown nothing yet */
	fake_hello(&s, await_job(&s, 4));
	fake_fail(&s, &s.jobs[1], "gone");
	fake_listen(&s.jobs[3]);
	cr_assert(s.jobs[3].told_to_stop);
	cr_assert_eq(s.job_count, 4, "the old connection closes before the new one opens");
	fake_end(&s.jobs[3]);
	turn(&s);
	cr_assert_eq(next_job(&s, 5)->source, '0');
	cr_assert_eq(s.gones, 0);
	scene_close(&s);
}

Test(tuners, another_list_of_sources_keeps_the_one_that_plays)
{
	struct scene s;

	scene_of_sources(&s, 2);
	fake_run(&s, &s.jobs[0]);
	fake_fail(&s, &s.jobs[0], "gone");
	fake_run(&s, &s.jobs[1]);
	set_lineup(&s, lineup_of_sources(3));
	turn(&s);
	fake_listen(&s.jobs[1]);
	cr_assert(!s.jobs[1].told_to_stop);
	cr_assert_eq(s.job_count, 2);
	set_lineup(&s, lineup_of_sources(1));
	turn(&s);
	fake_listen(&s.jobs[1]);
	cr_assert(s.jobs[1].told_to_stop, "it is not in the list any more");
	fake_end(&s.jobs[1]);
	turn(&s);
	cr_assert_eq(next_job(&s, 3)->source, '0');
	scene_close(&s);
}

/* The same channel with so many sources and a slate. */
static struct lineup *lineup_with_slate(unsigned count)
{
	struct lineup *l = lineup_of_sources(count);

	l->channels.at[0]->name = "Five";
	l->channels.at[0]->tuners[0].slate = "";
	return l;
}

/* Channel 5 with a slate has a viewer; the first of its sources runs and breaks off. */
static void scene_lost(struct scene *s, unsigned sources)
{
	scene_open(s, 1000);
	set_lineup(s, lineup_with_slate(sources));
	want(s, 0, 1, "");
	fake_run(s, &s->jobs[0]);
	fake_fail(s, &s->jobs[0], "gone");
}

/* Its only source cannot be opened again, and the slate cannot be made. */
static void scene_no_slate(struct scene *s)
{
	scene_lost(s, 1);
	fake_fail(s, next_job(s, 2), "refused");
	cr_assert_eq(next_job(s, 3)->role, JOB_SLATE);
	fake_fail(s, &s->jobs[2], "no encoder");
}

/* Its only source runs, breaks off and cannot be opened again. */
static struct fake_job *scene_slate(struct scene *s)
{
	struct fake_job *slate;

	scene_lost(s, 1);
	cr_assert_eq(next_job(s, 2)->source, '0', "it may be a moment only");
	cr_assert_leq(s->jobs[1].restart_ms, 1500, "viewers do not wait for long");
	fake_fail(s, &s->jobs[1], "refused");
	slate = &s->jobs[2];
	fake_run(s, slate);
	cr_assert_eq(slate->role, JOB_SLATE);
	cr_assert(slate->has_source, "the ring whose format it has");
	cr_assert_eq(state_of(s), TUNER_RUNNING);
	cr_assert_str_eq(s->news, "SF", "a slate is no recovery");
	return slate;
}

Test(tuners, a_slate_is_shown_until_a_source_works)
{
	struct scene s;
	struct fake_job *slate = scene_slate(&s), *source;

	source = await_job(&s, 4);
	fake_listen(source);
	cr_assert_eq(source->role, JOB_INGEST);
	fake_fail(&s, source, "refused");
	source = await_job(&s, 5);
	fake_run(&s, source);
	await_next_ring(&s, source);
	fake_listen(slate);
	cr_assert_not(slate->told_to_stop, "until the source's access point is there");
	fake_takes_over(&s, source, 920000);
	fake_listen(slate);
	cr_assert(slate->told_to_stop);
	fake_end(slate);
	turn(&s);
	cr_assert_eq(state_of(&s), TUNER_RUNNING);
	cr_assert_str_eq(s.news, "SFR");
	cr_assert_eq(s.job_count, 5);
	cr_assert_eq(s.gones, 0, "viewers have stayed");
	scene_close(&s);
}

Test(tuners, the_job_of_a_slate_is_as_nice_as_others)
{
	struct scene s;
	struct lineup *l = lineup_with_slate(1);

	l->settings.nice = 7;
	scene_open(&s, 1000);
	set_lineup(&s, l);
	want(&s, 0, 1, "");
	fake_run(&s, &s.jobs[0]);
	cr_assert_eq(msg_send_job_stalled(s.jobs[0].fd, &(struct msg_job_stalled){}, NULL), 0);
	fake_fail(&s, &s.jobs[0], "silent");
	cr_assert_eq(next_job(&s, 2)->role, JOB_SLATE);
	cr_assert_eq(s.jobs[1].nice, 7);
	scene_close(&s);
}

Test(tuners, the_time_of_a_slate_is_time_without_media)
{
	struct scene s;
	json_t *why, *list;
	const char *now;

	scene_slate(&s);
	why = tuners_why(s.tuners, "5");
	now = json_string_value(json_array_get(json_object_get(why, "now"), 0));
	cr_assert(strstr(now, "slate"), "%s", now);
	json_decref(why);
	tuner_count(s.tuners->all, clock_mono_us() + 2000000);
	cr_assert_geq(s.tuners->all->history.total.away_ms, 2000);
	cr_assert_eq(s.tuners->all->history.total.switches, 0, "it is no source");
	list = tuners_report(s.tuners, NULL, no_viewers);
	cr_assert_eq(json_integer_value(json_object_get(json_array_get(list, 0), "source_number")),
		     0);
	json_decref(list);
	scene_close(&s);
}

/* It fills behind the first bytes. */
Test(tuners, a_cushion_does_not_prolong_the_wait_for_a_source)
{
	struct scene s;
	struct lineup *l = lineup_of_sources(2);

	l->channels.at[0]->tuners[0].cushion_ms = 4000;
	scene_open(&s, 1000);
	set_lineup(&s, l);
	want(&s, 0, 1, "");
	cr_assert_eq(next_job(&s, 1)->restart_ms, 4000);
	scene_close(&s);
}

Test(tuners, a_slate_follows_a_silent_source_at_once)
{
	struct scene s;

	scene_open(&s, 1000);
	set_lineup(&s, lineup_with_slate(1));
	want(&s, 0, 1, "");
	fake_run(&s, &s.jobs[0]);
	cr_assert_eq(msg_send_job_stalled(s.jobs[0].fd, &(struct msg_job_stalled){}, NULL), 0);
	fake_fail(&s, &s.jobs[0], "silent");
	cr_assert_eq(next_job(&s, 2)->role, JOB_SLATE);
	scene_close(&s);
}

Test(tuners, a_slate_that_cannot_be_made_is_not_tried_again)
{
	struct scene s;

	scene_no_slate(&s);
	await_job(&s, 4);
	cr_assert_eq(next_job(&s, 4)->role, JOB_INGEST);
	fake_fail(&s, &s.jobs[3], "refused");
	await_job(&s, 5);
	cr_assert_eq(next_job(&s, 5)->role, JOB_INGEST);
	cr_assert_eq(s.gones, 0);
	scene_close(&s);
}

Test(tuners, before_a_channel_has_shown_anything_there_is_no_slate)
{
	struct scene s;

	scene_open(&s, 1000);
	set_lineup(&s, lineup_with_slate(1));
	want(&s, 0, 1, "");
	fake_fail(&s, next_job(&s, 1), "no such host");
	cr_assert_eq(s.gones, 1);
	cr_assert_eq(state_of(&s), TUNER_FAILED);
	scene_close(&s);
}

Test(tuners, a_slate_that_is_switched_off_ends)
{
	struct scene s;
	struct fake_job *slate = scene_slate(&s);

	set_lineup(&s, lineup_of_sources(1));
	turn(&s);
	fake_listen(slate);
	cr_assert(slate->told_to_stop);
	fake_end(slate);
	turn(&s);
	cr_assert_eq(s.gones, 0);
	await_job(&s, 4);
	cr_assert_eq(next_job(&s, 4)->role, JOB_INGEST);
	scene_close(&s);
}

Test(tuners, a_slow_second_source_is_played_without_a_slate_between)
{
	struct scene s;

	scene_lost(&s, 2);
	cr_assert_eq(next_job(&s, 2)->source, '1');
	cr_assert_geq(s.jobs[1].restart_ms, 2500, "it has not shown how fast it is");
	scene_close(&s);
}

Test(tuners, how_fast_a_source_was_is_known_after_a_slate)
{
	struct scene s;
	struct fake_job *second;
	const struct tuner *t;

	scene_lost(&s, 2);
	fake_fail(&s, next_job(&s, 2), "refused");
	fake_run(&s, &s.jobs[2]);
	cr_assert_eq(s.jobs[2].role, JOB_SLATE);
	fake_hello(&s, await_job(&s, 4));
	cr_assert_eq(s.jobs[3].source, '0');
	fake_fail(&s, &s.jobs[3], "refused");
	second = await_job(&s, 5);
	fake_run(&s, second);
	cr_assert_eq(second->source, '1');
	await_next_ring(&s, second);
	fake_takes_over(&s, second, 920000);
	t = s.tuners->all;
	cr_assert_eq(t->source_at, 1);
	cr_assert_gt(t->health[1].start_took_us, 0);
	/* the list changes while it plays */
	set_lineup(&s, lineup_with_slate(3));
	cr_assert_gt(t->health[1].start_took_us, 0);
	cr_assert_eq(t->health[0].start_took_us, 0);
	scene_close(&s);
}

Test(tuners, a_slate_that_failed_is_tried_again_after_a_source_has_run)
{
	struct scene s;

	scene_no_slate(&s);
	fake_run(&s, await_job(&s, 4));
	cr_assert_eq(s.jobs[3].role, JOB_INGEST);
	fake_fail(&s, &s.jobs[3], "gone again");
	fake_hello(&s, await_job(&s, 5));
	cr_assert_eq(s.jobs[4].role, JOB_SLATE, "perhaps it can be made in this format");
	scene_close(&s);
}

Test(tuners, a_slate_goes_on_beside_another_list_of_sources)
{
	struct scene s;
	struct fake_job *slate = scene_slate(&s), *source;

	set_lineup(&s, lineup_with_slate(2));
	turn(&s);
	fake_listen(slate);
	cr_assert_not(slate->told_to_stop);
	source = await_job(&s, 4);
	fake_run(&s, source);
	cr_assert_eq(source->role, JOB_INGEST);
	await_next_ring(&s, source);
	fake_takes_over(&s, source, 920000);
	fake_listen(slate);
	cr_assert(slate->told_to_stop);
	cr_assert_eq(s.gones, 0);
	scene_close(&s);
}

Test(tuners, a_slate_that_dies_early_is_followed_by_another_one)
{
	struct scene s;
	struct fake_job *slate = scene_slate(&s);

	/* the source has failed many times */
	s.tuners->all->health[0].at_us = clock_mono_us() + 15000000;
	fake_end(slate);
	turn(&s);
	fake_run(&s, await_job(&s, 4));
	cr_assert_eq(s.jobs[3].role, JOB_SLATE);
	/* the second time it waits for half a second */
	fake_end(&s.jobs[3]);
	turn(&s);
	fake_hello(&s, await_job(&s, 5));
	cr_assert_eq(s.jobs[4].role, JOB_SLATE);
	scene_close(&s);
}

Test(tuners, a_source_is_not_tried_early_because_a_slate_is_switched_off)
{
	struct scene s;
	struct fake_job *slate = scene_slate(&s);
	uint64_t at_us = clock_mono_us() + 700000;

	s.tuners->all->health[0].at_us = at_us;
	set_lineup(&s, lineup_of_sources(1));
	turn(&s);
	fake_end(slate);
	turn(&s);
	await_job(&s, 4);
	cr_assert_geq(clock_mono_us(), at_us);
	cr_assert_eq(next_job(&s, 4)->role, JOB_INGEST);
	scene_close(&s);
}

/* Only a profile can play the source that ends a slate: who watches it as it is gets the reason. */
Test(tuners, a_source_that_ts_cannot_carry_ends_a_slate)
{
	struct scene s;
	struct fake_job *slate = scene_slate(&s);

	want(&s, 0, 2, "sd");
	cr_assert_eq(next_job(&s, 4)->role, JOB_DERIVE);
	fake_hello(&s, await_job(&s, 5));
	cr_assert_eq(s.jobs[4].role, JOB_INGEST);
	fake_raw(&s, &s.jobs[4]);
	cr_assert_eq(s.gones, 1);
	cr_assert_str_eq(s.gone_text, "no transport stream carries it");
	fake_listen(slate);
	cr_assert(slate->told_to_stop);
	fake_listen(&s.jobs[3]);
	cr_assert(s.jobs[3].told_to_stop);
	fake_end(slate);
	fake_end(&s.jobs[3]);
	turn(&s);
	fake_run(&s, await_job(&s, 6));
	cr_assert_eq(s.jobs[5].role, JOB_BOTH);
	cr_assert_eq(state_of(&s), TUNER_RUNNING);
	cr_assert_eq(s.gones, 1);
	scene_close(&s);
}

Test(tuners, beside_a_slate_another_source_is_preferred_to_one_that_ts_cannot_carry)
{
	struct scene s;

	scene_slate(&s);
	set_lineup(&s, lineup_with_slate(2));
	fake_hello(&s, await_job(&s, 4));
	fake_raw(&s, &s.jobs[3]);
	cr_assert_eq(s.gones, 0);
	fake_hello(&s, await_job(&s, 5));
	cr_assert_eq(s.jobs[4].source, '1');
	fake_fail(&s, &s.jobs[4], "refused");
	fake_hello(&s, await_job(&s, 6));
	cr_assert_eq(s.jobs[5].source, '1', "the first one is not tried any more");
	fake_listen(&s.jobs[2]);
	cr_assert_not(s.jobs[2].told_to_stop);
	scene_close(&s);
}

Test(tuners, a_tuner_without_viewers_stops_after_the_idle_time)
{
	struct scene s;

	scene_open(&s, 30);
	want(&s, 0, 1, "");
	fake_run(&s, &s.jobs[0]);
	tuners_release(s.tuners, 0, 1);
	turn(&s);
	fake_listen(&s.jobs[0]);
	cr_assert_not(s.jobs[0].told_to_stop);
	await_stop(&s, &s.jobs[0]);
	fake_end(&s.jobs[0]);
	turn(&s);
	cr_assert_eq(state_of(&s), TUNER_IDLE);
	cr_assert_eq(tuners_job_count(s.tuners), 0);
	want(&s, 0, 2, "");
	fake_listen(&s.jobs[1]);
	cr_assert_eq(s.jobs[1].continue_90k, TIME_NONE, "a fresh start has no past");
	scene_close(&s);
}

/* "5 5#1": the keys of all that are not idle. */
static const char *keys(struct scene *s, char *text, size_t cap)
{
	json_t *list = tuners_report(s->tuners, NULL, no_viewers), *item;
	size_t i, used = 0;

	text[0] = '\0';
	json_array_foreach (list, i, item)
		used += (size_t)snprintf(text + used, cap - used, "%s%s", used ? " " : "",
					 json_string_value(json_object_get(item, "key")));
	json_decref(list);
	return text;
}

Test(tuners, a_viewers_own_tuner_is_not_shared)
{
	struct scene s;
	char text[100];

	scene_open(&s, 1000000);
	want(&s, 0, 1, "");
	want_own(&s, 0, 2, "");
	want_own(&s, 1, 1, "");
	cr_assert_eq(s.job_count, 3);
	cr_assert_str_eq(keys(&s, text, sizeof(text)), "5#2 5#1 5");
	fake_run(&s, &s.jobs[1]);
	cr_assert_eq(s.rings, 1, "the others wait for theirs");
	cr_assert_eq(s.ring.want, 2);
	fake_run(&s, &s.jobs[0]);
	fake_run(&s, &s.jobs[2]);
	cr_assert_eq(s.rings, 3);
	cr_assert_eq(tuners_stop(s.tuners, "5#2"), 0);
	cr_assert_eq(s.gones, 1);
	fake_listen(&s.jobs[0]);
	cr_assert_not(s.jobs[0].told_to_stop);
	scene_close(&s);
}

Test(tuners, a_viewers_own_tuner_ends_with_its_want_and_its_number_is_reused)
{
	struct scene s;
	char text[100];

	scene_open(&s, 1000000);
	want(&s, 0, 1, "");
	fake_run(&s, &s.jobs[0]);
	want_own(&s, 0, 2, "");
	fake_run(&s, &s.jobs[1]);
	tuners_release(s.tuners, 0, 2);
	turn(&s);
	fake_listen(&s.jobs[1]);
	cr_assert(s.jobs[1].told_to_stop, "no idle time");
	want_own(&s, 0, 3, "");
	cr_assert_str_eq(keys(&s, text, sizeof(text)), "5#2 5#1 5");
	fake_end(&s.jobs[1]);
	turn(&s);
	cr_assert_str_eq(keys(&s, text, sizeof(text)), "5#2 5");
	/* if it fails, no viewer needs the reason */
	fake_hello(&s, &s.jobs[2]);
	fake_fail(&s, &s.jobs[2], "no such host");
	cr_assert_str_eq(s.gone_text, "no such host");
	cr_assert_str_eq(keys(&s, text, sizeof(text)), "5");
	want_own(&s, 0, 4, "");
	cr_assert_eq(s.job_count, 4, "and the next does not wait for its retry");
	cr_assert_str_eq(keys(&s, text, sizeof(text)), "5#2 5");
	fake_listen(&s.jobs[3]);
	cr_assert_eq(s.jobs[3].continue_90k, TIME_NONE);
	scene_close(&s);
}

/* Two tuners of their own, as variants with a source have: "5/sd" and "5/sd#1". */
static struct lineup *lineup_with_number_sign(void)
{
	struct lineup *l = lineup_of(1, 1, 1000, false);
	struct lineup_channel *c = l->channels.at[0];
	struct lineup_output *outputs = (struct lineup_output *)(uintptr_t)c->tuners[0].outputs;
	const char *names[] = {"sd", "sd#1"}, *keys[] = {"5/sd", "5/sd#1"};

	for (int i = 1; i >= 0; i--) {
		outputs[i] = (struct lineup_output){
			.variant = names[i], .plain = true, .spec = "", .hash = 1};
		c->tuners[i] = c->tuners[0];
		c->tuners[i].key = keys[i];
		c->tuners[i].outputs = &outputs[i];
		c->tuners[i].output_count = 1;
	}
	c->tuner_count = 2;
	return l;
}

Test(tuners, a_viewers_own_tuner_differs_from_a_variant_with_a_number_sign)
{
	struct scene s;
	char text[256];

	scene_open(&s, 1000);
	set_lineup(&s, lineup_with_number_sign());
	want_own(&s, 0, 1, "sd");
	want(&s, 0, 2, "sd#1");
	cr_assert_eq(s.job_count, 2);
	cr_assert_str_eq(keys(&s, text, sizeof(text)), "5/sd#1 5#1/sd");
	/* a line-up finds the definitions of both again */
	set_lineup(&s, lineup_with_number_sign());
	turn(&s);
	cr_assert_eq(s.gones, 0);
	cr_assert_str_eq(keys(&s, text, sizeof(text)), "5/sd#1 5#1/sd");
	cr_assert_eq(tuners_stop(s.tuners, "5#1/sd"), 0);
	cr_assert_eq(s.gones, 1);
	cr_assert_eq(s.gone.want, 1);
	scene_close(&s);
}

static unsigned want_of(struct scene *s, uint32_t id, uint64_t address, uint64_t token)
{
	unsigned gones = s->gones;

	tuners_want(s->tuners, 0,
		    &(struct msg_want){.want = id,
				       .channel = 5,
				       .own = 1,
				       .address = address,
				       .token = token,
				       .variant = "",
				       .track = ""});
	return s->gones > gones ? s->gone.status : 0;
}

Test(tuners, viewers_own_tuners_are_limited_by_token_by_address_and_in_total)
{
	struct scene s;
	struct lineup *l = lineup_of(1, 1, 1000, true);
	const struct chantab_header *facts;

	scene_open(&s, 1000);
	facts = s.table;
	s.nursery_away = true; /* their jobs only wait */
	l->settings.max_overlap = 14;
	set_lineup(&s, l);
	for (uint32_t i = 0; i < OVERLAP_TOKEN_MAX; i++)
		cr_assert_eq(want_of(&s, i, 100 + i, 7), 0);
	cr_assert_eq(want_of(&s, 20, 200, 7), 429, "one too many of a token");
	for (uint32_t i = 0; i < OVERLAP_ADDRESS_MAX; i++)
		cr_assert_eq(want_of(&s, 30 + i, 9, 0), 0);
	cr_assert_eq(want_of(&s, 40, 9, 0), 429, "one too many of an address");
	cr_assert_eq(want_of(&s, 41, 10, 0), 0);
	cr_assert_eq(want_of(&s, 42, 11, 0), 0);
	cr_assert_eq(want_of(&s, 43, 12, 0), 503, "one too many in all");
	cr_assert_eq(facts->overlap_running, 14);
	cr_assert_eq(facts->overlap_refused, 3);
	tuners_release(s.tuners, 0, 0);
	turn(&s);
	cr_assert_eq(facts->overlap_running, 13);
	cr_assert_eq(want_of(&s, 44, 300, 7), 0);
	want(&s, 0, 50, "");
	cr_assert_eq(state_of(&s), TUNER_STARTING);
	scene_close(&s);
}

Test(tuners, viewers_own_tuners_wait_for_the_back_off_of_their_channel)
{
	struct scene s;

	scene_open(&s, 1000);
	for (uint32_t id = 1; id <= 2; id++) {
		cr_assert_eq(want_of(&s, id, 0, 0), 0);
		turn(&s);
		fake_hello(&s, &s.jobs[id - 1]);
		fake_fail(&s, &s.jobs[id - 1], "no such host");
	}
	cr_assert_eq(s.job_count, 2, "the first retry is immediate");
	cr_assert_eq(want_of(&s, 3, 0, 0), 502);
	cr_assert_str_eq(s.gone_text, "no such host");
	cr_assert_eq(s.job_count, 2);
	/* another source may work */
	set_lineup(&s, lineup_of(2, 1, 1000, true));
	cr_assert_eq(want_of(&s, 4, 0, 0), 0);
	turn(&s);
	cr_assert_eq(s.job_count, 3);
	scene_close(&s);
}

Test(tuners, viewers_own_tuners_wait_for_the_back_off_of_the_shared_tuner)
{
	struct scene s;

	scene_that_runs(&s);
	fake_end(&s.jobs[0]);
	turn(&s);
	cr_assert_eq(s.job_count, 2);
	fake_hello(&s, &s.jobs[1]);
	fake_fail(&s, &s.jobs[1], "no such host");
	cr_assert_eq(want_of(&s, 2, 0, 0), 502);
	cr_assert_eq(s.job_count, 2);
	scene_close(&s);
}

Test(tuners, a_viewers_own_tuner_follows_the_line_up)
{
	struct scene s;

	scene_open(&s, 1000000);
	want_own(&s, 0, 1, "");
	fake_run(&s, &s.jobs[0]);
	set_lineup(&s, lineup_of(77, 1, 1000000, true));
	turn(&s);
	fake_listen(&s.jobs[0]);
	cr_assert(s.jobs[0].told_to_stop, "another source");
	fake_end(&s.jobs[0]);
	turn(&s);
	cr_assert_eq(s.job_count, 2);
	cr_assert_eq(s.gones, 0, "its viewer stays");
	set_lineup(&s, lineup_empty());
	turn(&s);
	cr_assert_eq(s.gone.reason, GONE_REMOVED);
	scene_close(&s);
}

Test(tuners, a_workers_wants_end_with_it)
{
	struct scene s;

	scene_open(&s, 1);
	want(&s, 0, 1, "");
	want(&s, 1, 1, "");
	fake_run(&s, &s.jobs[0]);
	tuners_worker_gone(s.tuners, 0);
	turn(&s);
	fake_listen(&s.jobs[0]);
	cr_assert_not(s.jobs[0].told_to_stop, "the other worker still wants it");
	tuners_worker_gone(s.tuners, 1);
	await_stop(&s, &s.jobs[0]);
	scene_close(&s);
}

Test(tuners, a_film_that_ends_can_be_started_again)
{
	struct scene s;

	scene_that_runs(&s);
	cr_assert_eq(msg_send_job_ended(s.jobs[0].fd, &(struct msg_job_ended){}, NULL), 0);
	fake_end(&s.jobs[0]);
	turn(&s);
	cr_assert_eq(s.gone.reason, GONE_ENDED);
	cr_assert_eq(state_of(&s), TUNER_ENDED);
	cr_assert_eq(s.job_count, 1);
	want(&s, 0, 2, "");
	cr_assert_eq(s.job_count, 2);
	fake_run(&s, &s.jobs[1]);
	cr_assert_eq(s.jobs[1].continue_90k, TIME_NONE);
	scene_close(&s);
}

/* Its process is still there when the next viewer comes, who must not wait for what is over. */
Test(tuners, a_want_right_after_the_end_of_a_film_restarts_it)
{
	struct scene s;
	unsigned rings;

	scene_that_runs(&s);
	cr_assert_eq(msg_send_job_ended(s.jobs[0].fd, &(struct msg_job_ended){}, NULL), 0);
	turn(&s);
	rings = s.rings;
	want(&s, 0, 2, "");
	cr_assert_eq(s.rings, rings, "it gets the ring of the last showing");
	cr_assert_eq(s.job_count, 1, "one connection to the source at a time");
	fake_end(&s.jobs[0]);
	turn(&s);
	cr_assert_eq(s.job_count, 2);
	fake_run(&s, &s.jobs[1]);
	cr_assert_eq(s.rings, rings + 1);
	cr_assert_eq(s.ring.want, 2);
	cr_assert_eq(state_of(&s), TUNER_RUNNING);
	scene_close(&s);
}

static struct fake_job *derive_of(struct scene *s)
{
	return s->jobs[0].role == JOB_DERIVE ? &s->jobs[0] : &s->jobs[1];
}

static double encoder_speed(struct scene *s)
{
	json_t *list = tuners_report(s->tuners, NULL, no_viewers);
	double speed = json_real_value(json_object_get(json_array_get(list, 0), "encoder_speed"));

	json_decref(list);
	return speed;
}

Test(tuners, tells_how_fast_an_encoder_could_go_and_what_it_left_out)
{
	struct scene s;
	struct fake_job *derive;

	scene_open(&s, 1000);
	want(&s, 0, 1, "sd");
	fake_listen(&s.jobs[0]);
	fake_listen(&s.jobs[1]);
	derive = derive_of(&s);
	for (uint64_t dropped = 0; dropped <= 40; dropped += 20) {
		cr_assert_eq(msg_send_job_effort(derive->fd,
						 &(struct msg_job_effort){2500, dropped}, NULL),
			     0);
		turn(&s);
	}
	cr_expect_float_eq(encoder_speed(&s), 2.5, 1e-9);
	cr_expect_eq(s.tuners->all->frames_dropped, 60);
	/* a hostile job cannot make the counter go back */
	cr_assert_eq(
		msg_send_job_effort(derive->fd, &(struct msg_job_effort){2500, UINT64_MAX}, NULL),
		0);
	turn(&s);
	cr_expect_eq(s.tuners->all->frames_dropped, INT64_MAX);
	/* another one is not as fast until it says so; what was left out stays */
	fake_end(derive);
	turn(&s);
	cr_expect_float_eq(encoder_speed(&s), 0, 1e-9);
	cr_expect_eq(s.tuners->all->frames_dropped, INT64_MAX);
	scene_close(&s);
}

Test(tuners, a_variant_gets_a_derive_job_that_reads_the_source)
{
	struct scene s;
	struct fake_job *ingest, *derive;

	scene_open(&s, 1000);
	want(&s, 0, 1, "sd");
	cr_assert_eq(s.job_count, 2);
	fake_listen(&s.jobs[0]);
	fake_listen(&s.jobs[1]);
	ingest = s.jobs[0].role == JOB_INGEST ? &s.jobs[0] : &s.jobs[1];
	derive = ingest == &s.jobs[0] ? &s.jobs[1] : &s.jobs[0];
	cr_assert_eq(derive->role, JOB_DERIVE);
	fake_run(&s, ingest);
	cr_assert_eq(s.rings, 0, "the plain ring was not wanted");
	fake_listen(derive);
	cr_assert(derive->has_source);
	fake_run(&s, derive);
	cr_assert_eq(s.rings, 1);
	/* its death costs the source nothing */
	fake_end(derive);
	turn(&s);
	cr_assert_eq(s.job_count, 3);
	fake_run(&s, &s.jobs[2]);
	cr_assert_eq(s.jobs[2].role, JOB_DERIVE);
	cr_assert(s.jobs[2].has_source);
	cr_assert_eq(s.jobs[2].output_continue_90k, 900000);
	fake_listen(ingest);
	cr_assert_not(ingest->told_to_stop);
	cr_assert_eq(s.gones, 0);
	scene_close(&s);
}

Test(tuners, a_message_about_a_withdrawn_ring_is_ignored)
{
	struct scene s;
	struct fake_job *ingest, *derive;
	struct msg_job_source raw = {.kind = SOURCE_RAW};

	scene_open(&s, 1000);
	want(&s, 0, 1, "sd");
	fake_hello(&s, &s.jobs[0]);
	fake_hello(&s, &s.jobs[1]);
	ingest = s.jobs[0].role == JOB_INGEST ? &s.jobs[0] : &s.jobs[1];
	derive = ingest == &s.jobs[0] ? &s.jobs[1] : &s.jobs[0];
	cr_assert(derive->has_ring);
	/* one job in both roles is to take over: the ring is taken back */
	cr_assert_eq(msg_send_job_source(ingest->fd, &raw, NULL), 0);
	fake_fail(&s, ingest, "a transport stream cannot carry vp9");
	cr_assert_eq(msg_send_job_mapped(
			     derive->fd,
			     &(struct msg_job_mapped){derive->output, derive->generation, {}},
			     NULL),
		     0);
	turn(&s);
	cr_assert_eq(s.gones, 0);
	scene_close(&s);
}

Test(tuners, a_variant_that_cannot_be_made_fails_alone)
{
	struct scene s;

	scene_open(&s, 1000);
	want(&s, 0, 1, "");
	want(&s, 0, 2, "sd");
	for (unsigned i = 0; i < s.job_count; i++)
		fake_listen(&s.jobs[i]);
	fake_run(&s, &s.jobs[0]);
	fake_hello(&s, &s.jobs[1]);
	fake_fail(&s, &s.jobs[1], "no such encoder");
	cr_assert_eq(s.gones, 1);
	cr_assert_eq(s.gone.want, 2);
	cr_assert_eq(s.gone.status, 502);
	cr_assert_eq(state_of(&s), TUNER_RUNNING);
	cr_assert_eq(s.job_count, 2, "it is no longer waited for");
	scene_close(&s);
}

static void fake_output_fails(struct fake_job *j, uint32_t output, uint64_t generation)
{
	struct msg_job_output_failed failed = {
		.output = output, .generation = generation, .status = 502, .text = "it broke"};

	cr_assert_eq(msg_send_job_output_failed(j->fd, &failed, NULL), 0);
}

Test(tuners, a_variant_wanted_right_after_it_failed_is_made_again)
{
	struct scene s;
	struct fake_job *derive;
	uint64_t first;

	scene_open(&s, 1000);
	want(&s, 0, 1, "sd");
	for (unsigned i = 0; i < s.job_count; i++)
		fake_run(&s, &s.jobs[i]);
	derive = derive_of(&s);
	first = derive->generation;
	fake_output_fails(derive, derive->output, first);
	while (!s.gones)
		event_base_loop(s.base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
	/* what is left of it goes with the loop's next turn */
	want(&s, 0, 2, "sd");
	fake_listen(derive);
	cr_assert(derive->told_off);
	cr_assert_gt(derive->generation, first);
	cr_assert_eq(s.gones, 1);
	scene_close(&s);
}

/* The profile was repaired: what the stopping job says of the old one is not about the new one. */
Test(tuners, a_late_failure_of_a_stopping_job_ends_no_viewer)
{
	struct scene s;
	struct fake_job *old;

	scene_open(&s, 1000);
	want(&s, 0, 1, "sd");
	for (unsigned i = 0; i < 2; i++)
		fake_run(&s, &s.jobs[i]);
	old = derive_of(&s);
	set_lineup(&s, lineup_of(1, 2, 1000, true));
	fake_listen(old);
	cr_assert(old->told_to_stop);
	fake_output_fails(old, old->output, old->generation);
	turn(&s);
	cr_assert_eq(s.gones, 0);
	fake_end(old);
	turn(&s);
	cr_assert_eq(s.job_count, 3, "the new definition's job");
	fake_run(&s, &s.jobs[2]);
	cr_assert_eq(s.ring.want, 1);
	scene_close(&s);
}

/* Slots are used again: the failure of an output that was switched off is not its successor's. */
Test(tuners, a_failure_that_names_an_earlier_ring_ends_no_viewer)
{
	struct scene s;
	struct fake_job *derive;
	uint64_t first;

	scene_open(&s, 1000);
	want(&s, 0, 1, "sd");
	for (unsigned i = 0; i < 2; i++)
		fake_run(&s, &s.jobs[i]);
	derive = derive_of(&s);
	first = derive->generation;
	fake_output_fails(derive, derive->output, first);
	while (!s.gones)
		event_base_loop(s.base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
	want(&s, 0, 2, "sd"); /* before the job is told to stop */
	fake_listen(derive);
	cr_assert_gt(derive->generation, first, "the test needs a second output of this job");
	cr_assert_not(derive->told_to_stop);
	fake_output_fails(derive, derive->output, first);
	turn(&s);
	cr_assert_eq(s.gones, 1);
	scene_close(&s);
}

Test(tuners, a_changed_source_restarts_the_job_and_keeps_its_viewers)
{
	struct scene s;

	scene_that_runs(&s);
	set_lineup(&s, lineup_of(1, 1, 1000, true));
	turn(&s);
	fake_listen(&s.jobs[0]);
	cr_assert_not(s.jobs[0].told_to_stop, "nothing that concerns it changed");
	set_lineup(&s, lineup_of(2, 1, 1000, true));
	turn(&s);
	fake_listen(&s.jobs[0]);
	cr_assert(s.jobs[0].told_to_stop);
	cr_assert_eq(s.job_count, 1, "the old connection closes before the new one opens");
	fake_end(&s.jobs[0]);
	turn(&s);
	cr_assert_eq(s.job_count, 2);
	fake_run(&s, &s.jobs[1]);
	cr_assert_eq(s.gones, 0);
	cr_assert_eq(s.ring.generation, 2);
	cr_assert_str_eq(s.news, "S", "it was not lost");
	scene_close(&s);
}

Test(tuners, a_changed_source_that_cannot_be_opened_has_failed)
{
	struct scene s;

	scene_that_runs(&s);
	set_lineup(&s, lineup_of(2, 1, 1000, true));
	turn(&s);
	fake_end(&s.jobs[0]);
	turn(&s);
	cr_assert_str_eq(s.news, "S");
	fake_fail(&s, next_job(&s, 2), "refused");
	cr_assert_str_eq(s.news, "SF", "though its state is the same");
	cr_assert_eq(state_of(&s), TUNER_RESTARTING);
	fake_run(&s, await_job(&s, 3));
	cr_assert_str_eq(s.news, "SFR");
	scene_close(&s);
}

Test(tuners, a_variant_removed_from_the_line_up_ends_its_viewers_alone)
{
	struct scene s;

	scene_open(&s, 1000);
	want(&s, 0, 1, "");
	want(&s, 0, 2, "sd");
	set_lineup(&s, lineup_of(1, 1, 1000, false));
	turn(&s);
	cr_assert_eq(s.gones, 1);
	cr_assert_eq(s.gone.want, 2);
	cr_assert_eq(s.gone.reason, GONE_REMOVED);
	scene_close(&s);
}

Test(tuners, a_ring_too_small_is_replaced_without_a_new_job)
{
	struct scene s;
	struct fake_job *j = &s.jobs[0];
	struct msg_job_ring_small small = {.wanted_bytes = 40u << 20};

	scene_open(&s, 1000);
	want(&s, 0, 1, "");
	fake_run(&s, j);
	small.output = j->output;
	j->has_ring = false;
	cr_assert_eq(msg_send_job_ring_small(j->fd, &small, NULL), 0);
	await_ring(&s, j);
	cr_assert_eq(j->w.data_bytes, 64u << 20);
	cr_assert_eq(s.rings, 1);
	cr_assert_eq(msg_send_job_mapped(
			     j->fd, &(struct msg_job_mapped){j->output, j->generation, {}}, NULL),
		     0);
	cr_assert_eq(msg_send_job_running(
			     j->fd, &(struct msg_job_running){j->output, j->generation, {}}, NULL),
		     0);
	turn(&s);
	cr_assert_eq(s.rings, 2);
	cr_assert_eq(s.ring.same_job, 1);
	cr_assert_eq(s.ring.data_bytes, 64u << 20);
	cr_assert_eq(s.job_count, 1);
	scene_close(&s);
}

/* A large ring comes from a thread and is known by slot and generation alone: one that was ordered
 * for a channel that has gone must not pass for one of the channel that has its slot now. */
Test(tuners, no_two_rings_have_the_same_generation)
{
	struct scene s;

	scene_that_runs(&s);
	set_lineup(&s, lineup_empty());
	fake_end(&s.jobs[0]);
	turn(&s);
	/* a tuner whose job has gone is forgotten with the next line-up */
	set_lineup(&s, lineup_empty());
	set_lineup(&s, lineup_of(1, 1, 1000, true));
	want(&s, 0, 2, "");
	cr_assert_eq(s.job_count, 2);
	fake_run(&s, &s.jobs[1]);
	cr_assert_eq(s.jobs[1].output, s.jobs[0].output, "the test needs the same slot");
	cr_assert_gt(s.jobs[1].generation, s.jobs[0].generation);
	scene_close(&s);
}

Test(tuners, stop_ends_a_tuner_and_its_viewers)
{
	struct scene s;

	scene_open(&s, 1000);
	cr_assert_eq(tuners_stop(s.tuners, "5"), -ENOENT);
	want(&s, 0, 1, "");
	fake_run(&s, &s.jobs[0]);
	cr_assert_eq(tuners_stop(s.tuners, "5"), 0);
	turn(&s);
	cr_assert_eq(s.gone.reason, GONE_STOPPED);
	fake_listen(&s.jobs[0]);
	cr_assert(s.jobs[0].told_to_stop);
	fake_end(&s.jobs[0]);
	turn(&s);
	cr_assert_eq(state_of(&s), TUNER_IDLE);
	scene_close(&s);
}

/* It is filled with the channel's own output; only the want says who watches it. */
static void run_until(struct scene *s, uint64_t until_us)
{
	while (clock_mono_us() < until_us)
		event_base_loop(s->base, EVLOOP_ONCE);
}

/* The tuner keeps its slot until its derive job has gone, so that one that hangs is killed. */
Test(tuners, a_derive_job_that_does_not_stop_is_killed)
{
	struct scene s;
	struct fake_job *derive, *ingest;

	scene_open(&s, 1000);
	want(&s, 0, 1, "sd");
	for (unsigned i = 0; i < 2; i++)
		fake_run(&s, &s.jobs[i]);
	derive = derive_of(&s);
	ingest = derive == &s.jobs[0] ? &s.jobs[1] : &s.jobs[0];
	cr_assert_eq(tuners_stop(s.tuners, "5"), 0);
	fake_end(ingest);
	turn(&s);
	cr_assert_neq(state_of(&s), TUNER_IDLE);
	await(&s, waitpid(derive->pid, NULL, WNOHANG) != 0);
	derive->pid = 0;
	fake_end(derive);
	turn(&s);
	cr_assert_eq(state_of(&s), TUNER_IDLE);
	scene_close(&s);
}

Test(tuners, an_illegal_state_change_aborts, .signal = SIGABRT)
{
	tuner_set_state(&(struct tuner){.state = TUNER_IDLE, .slot = -1, .key = "5"},
			TUNER_RUNNING);
}

/* As every message that breaks the protocol: the state machine never sees it. */
Test(tuners, a_job_that_runs_after_its_end_is_killed)
{
	struct scene s;
	struct fake_job *j = &s.jobs[0];

	scene_open(&s, 1000);
	want(&s, 0, 1, "");
	fake_run(&s, j);
	cr_assert_eq(msg_send_job_ended(j->fd, &(struct msg_job_ended){}, NULL), 0);
	cr_assert_eq(msg_send_job_running(
			     j->fd, &(struct msg_job_running){j->output, j->generation, {}}, NULL),
		     0);
	turn(&s);
	cr_assert_eq(waitpid(j->pid, NULL, 0), j->pid);
	j->pid = 0;
	cr_assert_eq(state_of(&s), TUNER_ENDED);
	scene_close(&s);
}

Test(tuners, the_channel_table_counts_jobs_and_tuners)
{
	struct scene s;
	const struct chantab_header *facts;

	scene_open(&s, 1000);
	facts = s.table;
	want(&s, 0, 1, "sd");
	for (unsigned i = 0; i < 2; i++)
		fake_run(&s, &s.jobs[i]);
	cr_assert_eq(facts->tuners_running, 1);
	cr_assert_eq(facts->jobs_started, 2);
	fake_end(derive_of(&s));
	turn(&s);
	cr_assert_eq(facts->jobs_failed, 1);
	cr_assert_eq(facts->jobs_started, 3);
	cr_assert_eq(tuners_stop(s.tuners, "5"), 0);
	for (unsigned i = 0; i < s.job_count; i++)
		fake_end(&s.jobs[i]);
	turn(&s);
	cr_assert_eq(facts->tuners_running, 0);
	cr_assert_eq(facts->jobs_failed, 1);
	scene_close(&s);
}

Test(tuners, stop_of_a_variant_that_is_a_copy_ends_its_viewers_alone)
{
	struct scene s;
	struct lineup *l = lineup_of(1, 1, 100, true);

	scene_open(&s, 100);
	((struct lineup_output *)(uintptr_t)l->channels.at[0]->tuners[0].outputs)[1].plain = true;
	set_lineup(&s, l);
	want(&s, 0, 1, "");
	fake_run(&s, &s.jobs[0]);
	cr_assert_eq(tuners_stop(s.tuners, "5/sd"), -ENOENT);
	cr_assert_eq(tuners_stop(s.tuners, "5/"), -ENOENT);
	want(&s, 0, 2, "sd");
	want(&s, 1, 3, "sd");
	cr_assert_eq(s.rings, 3);
	cr_assert_eq(tuners_stop(s.tuners, "5/s"), -ENOENT);
	cr_assert_eq(tuners_stop(s.tuners, "5/sd"), 0);
	cr_assert_eq(s.gones, 2);
	cr_assert_eq(s.gone.reason, GONE_STOPPED);
	cr_assert_eq(s.gone.want, 2);
	cr_assert_eq(tuners_stop(s.tuners, "5/sd"), -ENOENT, "it has no viewers any more");
	turn(&s);
	cr_assert_eq(state_of(&s), TUNER_RUNNING);
	want(&s, 1, 4, "sd");
	cr_assert_eq(s.rings, 4, "it may be watched again at once");
	tuners_release(s.tuners, 0, 1);
	cr_assert_eq(tuners_stop(s.tuners, "5/sd"), 0);
	cr_assert_eq(s.job_count, 1);
	await_stop(&s, &s.jobs[0]);
	scene_close(&s);
}

Test(tuners, without_a_nursery_jobs_wait_for_it)
{
	struct scene s;

	scene_open(&s, 1000);
	s.nursery_away = true;
	want(&s, 0, 1, "");
	cr_assert_eq(s.job_count, 0);
	s.nursery_away = false;
	tuners_nursery_ready(s.tuners);
	cr_assert_eq(s.job_count, 1);
	fake_run(&s, &s.jobs[0]);
	cr_assert_eq(s.rings, 1);
	scene_close(&s);
}

/* As when the nursery dies with the job's socket in its hands. */
Test(tuners, the_start_of_a_job_without_a_hello_is_repeated)
{
	struct scene s;

	scene_open(&s, 1000);
	want(&s, 0, 1, "");
	fake_end(&s.jobs[0]);
	await_job(&s, 2);
	cr_assert_eq(s.gones, 0, "its viewers wait on");
	fake_run(&s, &s.jobs[1]);
	cr_assert_eq(s.rings, 1);
	scene_close(&s);
}

Test(tuners, a_job_that_sends_malformed_messages_is_killed)
{
	struct scene s;
	int status;

	scene_open(&s, 1000);
	want(&s, 0, 1, "");
	fake_hello(&s, &s.jobs[0]);
	cr_assert_eq(send(s.jobs[0].fd, "nonsense", 8, 0), 8);
	turn(&s);
	cr_assert_eq(waitpid(s.jobs[0].pid, &status, 0), s.jobs[0].pid);
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	s.jobs[0].pid = 0;
	cr_assert_eq(s.gone.status, 502);
	scene_close(&s);
}

Test(tuners, a_pid_that_is_no_child_of_the_master_is_refused)
{
	struct scene s;
	struct msg_hello hello = {
		.program = "job", .version = AMPS_VERSION, .pid = (uint32_t)getppid()};

	scene_open(&s, 1000);
	want(&s, 0, 1, "");
	cr_assert_eq(msg_send_hello(s.jobs[0].fd, &hello, NULL), 0);
	turn(&s);
	cr_assert_eq(s.gones, 1);
	scene_close(&s);
}

/* As when its socket becomes readable in the turn of the loop that reaps it. */
Test(tuners, the_messages_of_a_reaped_job_are_read)
{
	struct scene s;
	struct fake_job *j = &s.jobs[0];

	scene_open(&s, 1000);
	want(&s, 0, 1, "");
	kill(j->pid, SIGKILL);
	cr_assert_eq(waitpid(j->pid, NULL, 0), j->pid);
	fake_hello(&s, j);
	j->pid = 0;
	fake_fail(&s, j, "nothing that can be played");
	cr_assert_eq(s.gones, 1);
	cr_assert_str_eq(s.gone_text, "nothing that can be played");
	scene_close(&s);
}

Test(tuners, a_nursery_that_starts_no_jobs_is_reported)
{
	struct scene s;

	scene_open(&s, 60000);
	want(&s, 0, 1, "");
	cr_assert_eq(s.nursery_hangs, 0);
	await(&s, s.nursery_hangs);
	cr_assert_eq(s.gones, 0, "the viewer waits for the next nursery");
	scene_close(&s);
}

Test(tuners, a_nursery_that_is_still_forking_is_waited_for)
{
	struct scene s;
	uint64_t begin_us = clock_mono_us();

	scene_open(&s, 60000);
	want(&s, 0, 1, "sd");
	cr_assert_eq(s.job_count, 2);
	run_until(&s, begin_us + 1500000);
	fake_hello(&s, &s.jobs[0]);
	run_until(&s, begin_us + 3600000);
	cr_assert_eq(s.nursery_hangs, 0, "the other job came meanwhile");
	await(&s, s.nursery_hangs);
	scene_close(&s);
}

Test(tuners, a_source_that_ts_cannot_carry_gets_one_job_in_both_roles)
{
	struct scene s;
	struct fake_job *ingest = &s.jobs[0], *derive = &s.jobs[1], *both = &s.jobs[2];
	struct msg_job_source raw = {.kind = SOURCE_RAW};

	scene_open(&s, 1000);
	want(&s, 0, 1, "sd");
	fake_hello(&s, ingest);
	fake_hello(&s, derive);
	cr_assert_eq(derive->role, JOB_DERIVE);
	cr_assert_eq(msg_send_job_source(ingest->fd, &raw, NULL), 0);
	fake_fail(&s, ingest, "vp9 cannot be carried");
	fake_listen(derive);
	cr_assert(derive->told_to_stop, "no ring will ever come for it");
	fake_end(derive);
	turn(&s);
	cr_assert_eq(s.job_count, 3);
	fake_run(&s, both);
	cr_assert_eq(both->role, JOB_BOTH);
	cr_assert_eq(s.rings, 1);
	cr_assert_eq(s.gones, 0);
	scene_close(&s);
}

static struct fake_job *job_of(struct scene *s, enum job_role role)
{
	for (unsigned i = s->job_count; i > 0; i--) {
		fake_listen(&s->jobs[i - 1]);
		if (s->jobs[i - 1].role == role && s->jobs[i - 1].pid)
			return &s->jobs[i - 1];
	}
	return NULL;
}

/* A scene with a viewer of segments, whose ingest job runs. */
static void scene_of_segments(struct scene *s)
{
	scene_open(s, 10000);
	want_segments(s, 1, "");
	fake_run(s, job_of(s, JOB_INGEST));
}

Test(tuners, segments_have_a_job_of_their_own_that_reads_the_stream)
{
	struct fake_job *segment;
	struct scene s;
	char path[96];

	scene_open(&s, 100);
	want_segments(&s, 1, "");
	cr_assert_eq(s.job_count, 2);
	segment = job_of(&s, JOB_SEGMENT);
	cr_assert_not_null(segment);
	cr_expect(segment->has_ring);
	cr_expect_not(segment->has_source, "there is none yet");
	snprintf(path, sizeof(path), "%s/5/1", s.media.path);
	cr_expect_eq(access(path, F_OK), 0, "each track has a folder before the job starts");
	fake_run(&s, job_of(&s, JOB_INGEST));
	cr_expect_eq(s.rings, 0, "no want asks for the stream itself");
	fake_listen(segment);
	cr_expect(segment->has_source);
	fake_segment(&s, segment);
	cr_expect_eq(s.rings, 1);
	cr_expect_eq(s.ring.unit_bytes, sizeof(struct segment));
	/* the stream lives as long as its segments do, and no longer */
	tuners_release(s.tuners, 0, 1);
	for (int i = 0; i < 100 && state_of(&s) != TUNER_IDLE; i++) {
		event_base_loop(s.base, EVLOOP_ONCE);
		for (unsigned k = 0; k < s.job_count; k++) {
			fake_listen(&s.jobs[k]);
			if (s.jobs[k].told_to_stop)
				fake_end(&s.jobs[k]);
		}
		turn(&s);
	}
	cr_expect_eq(state_of(&s), TUNER_IDLE);
	cr_expect(segment->told_off);
	snprintf(path, sizeof(path), "%s/5", s.media.path);
	cr_expect_neq(access(path, F_OK), 0, "the folders are gone with the channel");
	scene_close(&s);
}

Test(tuners, a_variant_keeps_its_folder_when_the_list_has_another_order)
{
	struct fake_job *segment;
	struct lineup_output *outputs;
	struct lineup *l;
	struct scene s;
	char path[96];

	scene_open(&s, 10000);
	want_segments(&s, 1, "sd");
	fake_run(&s, job_of(&s, JOB_INGEST));
	segment = job_of(&s, JOB_SEGMENT);
	cr_assert_not_null(segment);
	l = lineup_of(1, 1, 10000, true);
	outputs = (struct lineup_output *)(uintptr_t)l->channels.at[0]->tuners[0].outputs;
	cr_assert_str_eq(outputs[3].variant, "sd");
	cut[1].track = 2;
	set_lineup(&s, l);
	fake_listen(segment);
	cr_expect_not(segment->told_to_stop);
	cr_expect_eq(segments_track(s.tuners->slots[0], &outputs[3]), 1);
	snprintf(path, sizeof(path), "%s/5/2", s.media.path);
	cr_expect_neq(access(path, F_OK), 0);
	scene_close(&s);
}

static void want_sound(struct scene *s, uint32_t id, const char *track)
{
	tuners_want(s->tuners, 0,
		    &(struct msg_want){.want = id,
				       .channel = 5,
				       .form = OUTPUT_CMAF_SOUND,
				       .variant = "",
				       .track = track});
	turn(s);
}

/* The letter of its files, as a number; -1: it is not made. */
static int place_of(const struct scene *s, const char *track)
{
	for (const struct output *o = s->tuners->slots[0]->outputs; o; o = o->next)
		if (o->id.form == OUTPUT_CMAF_SOUND && strcmp(o->id.track, track) == 0)
			return (int)o->place;
	return -1;
}

Test(tuners, each_sound_of_a_variant_has_a_letter_of_its_own)
{
	static const char *const tracks[] = {"eng", "", "fra", "spa", "ita", "por", "nld", "dan"};
	struct lineup_output *outputs;
	struct lineup *l = lineup_of(1, 1, 10000, true);
	struct scene s;

	scene_open(&s, 10000);
	outputs = (struct lineup_output *)(uintptr_t)l->channels.at[0]->tuners[0].outputs;
	outputs[2].form = OUTPUT_CMAF_SOUND;
	set_lineup(&s, l);
	for (unsigned i = 0; i < array_size(tracks); i++)
		want_sound(&s, 1 + i, tracks[i]);
	cr_expect_eq(s.gones, 0);
	cr_expect_eq(place_of(&s, ""), 0, "the usual one has the first letter, whenever it comes");
	cr_expect_eq(place_of(&s, "eng"), 1);
	cr_expect_eq(place_of(&s, "dan"), 7);
	/* there are no more letters, but the others go on */
	want_sound(&s, 100, "swe");
	cr_expect_eq(s.gones, 1);
	cr_expect_eq(s.gone.status, 503);
	cr_expect_eq(place_of(&s, "swe"), -1);
	cr_expect_eq(place_of(&s, "dan"), 7);
	want_sound(&s, 101, "dan");
	cr_expect_eq(s.gones, 1, "it is there");
	scene_close(&s);
}

Test(tuners, a_folder_for_segments_that_cannot_be_made_costs_no_descriptor)
{
	int before, after;
	struct scene s;
	char path[96];

	scene_open(&s, 10000);
	want(&s, 0, 1, "");
	fake_run(&s, job_of(&s, JOB_INGEST));
	snprintf(path, sizeof(path), "%s/5", s.media.path);
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)); /* where the folder should be */
	/* the lowest number that is free */
	before = dup(0);
	close(before);
	cr_expect_lt(job_start(s.tuners->all, JOB_SEGMENT), 0);
	after = dup(0);
	cr_expect_eq(before, after);
	close(after);
	unlink(path);
	scene_close(&s);
}

Test(tuners, an_index_is_carried_over_to_the_next_segment_job)
{
	struct fake_job *first, *second;
	struct scene s;

	scene_of_segments(&s);
	first = job_of(&s, JOB_SEGMENT);
	fake_segment(&s, first);
	cr_assert_eq(s.rings, 1);
	fake_end(first);
	turn(&s);
	second = job_of(&s, JOB_SEGMENT);
	cr_assert_not_null(second);
	cr_assert(second->has_ring);
	cr_expect_eq(second->w.commit, segment_position(1001));
	cr_expect_eq(second->w.rap_count, 1, "with its facts");
	cr_expect(second->has_source);
	fake_segment(&s, second);
	cr_expect_eq(s.rings, 2);
	cr_expect_eq(s.gones, 0);
	scene_close(&s);
}

/* What the next segment job is told after one has reported this and died, when the channel has a
 * source of this hash by then. */
static int next_gop_ms(uint32_t longest_ms, uint64_t source_hash)
{
	struct fake_job *first, *second;
	struct scene s;
	int gop_ms;

	scene_of_segments(&s);
	first = job_of(&s, JOB_SEGMENT);
	fake_segment(&s, first);
	cr_expect_eq(first->gop_ms, 0, "it is not known yet");
	cr_assert_eq(msg_send_job_gop(first->fd, &(struct msg_job_gop){longest_ms, {}}, NULL), 0);
	turn(&s);
	set_lineup(&s, lineup_of(source_hash, 1, 10000, true));
	turn(&s);
	fake_end(first);
	turn(&s);
	second = job_of(&s, JOB_SEGMENT);
	cr_assert(second && second != first);
	fake_listen(second);
	gop_ms = second->gop_ms;
	scene_close(&s);
	return gop_ms;
}

Test(tuners, the_longest_group_of_pictures_of_a_source_is_remembered)
{
	cr_expect_eq(next_gop_ms(2500, 1), 2500);
	cr_expect_eq(next_gop_ms(UINT32_MAX, 1), SEGMENT_SECONDS_MAX * 1000);
	cr_expect_eq(next_gop_ms(2500, 2), 0, "another source has its own");
}

/* A large ring is made in a thread and comes later. */
Test(tuners, the_index_of_a_long_window_is_carried_over)
{
	struct fake_job *first, *second;
	struct scene s;

	cut[0].window_ms = 12 * 3600 * 1000;
	scene_of_segments(&s);
	first = job_of(&s, JOB_SEGMENT);
	await_ring(&s, first);
	cr_assert_gt(first->w.data_bytes, RING_BYTES_FIRST);
	fake_segment(&s, first);
	fake_end(first);
	turn(&s);
	second = job_of(&s, JOB_SEGMENT);
	await_ring(&s, second);
	cr_expect_eq(second->w.commit, segment_position(1001));
	scene_close(&s);
}

Test(tuners, an_index_that_a_job_forged_is_not_carried_over)
{
	struct segment wrong = {.number = 7, .part = 7, .first = 7, .duration_90k = 1};
	struct fake_job *first, *second;
	struct scene s;

	scene_of_segments(&s);
	first = job_of(&s, JOB_SEGMENT);
	fake_segment(&s, first);
	ring_writer_append(&first->w, &wrong, sizeof(wrong));
	fake_end(first);
	turn(&s);
	second = job_of(&s, JOB_SEGMENT);
	cr_assert_not_null(second);
	cr_expect_eq(second->w.commit, 0);
	scene_close(&s);
}

Test(tuners, viewers_of_segments_get_the_reason_why_there_is_no_stream)
{
	struct scene s;

	scene_open(&s, 10000);
	want_segments(&s, 1, "sd");
	fake_run(&s, job_of(&s, JOB_INGEST));
	fake_hello(&s, job_of(&s, JOB_DERIVE));
	fake_fail(&s, job_of(&s, JOB_DERIVE), "no such encoder");
	cr_assert_eq(s.gones, 1);
	cr_expect_eq(s.gone.status, 502);
	cr_expect_str_eq(s.gone_text, "no such encoder");
	scene_close(&s);
}

Test(tuners, new_segments_are_refused_when_their_folder_is_full)
{
	struct scene s;

	scene_of_segments(&s);
	fake_segment(&s, job_of(&s, JOB_SEGMENT));
	cr_assert_eq(s.gones, 0);
	ring_writer_stats(&job_of(&s, JOB_SEGMENT)->w, s.media.limit, 0, 0);
	want_segments(&s, 2, "sd");
	cr_assert_eq(s.gones, 1);
	cr_expect_eq(s.gone.status, 503);
	cr_expect(strstr(s.gone_text, "media_limit_mb"));
	want_segments(&s, 3, "");
	cr_expect_eq(s.gones, 1, "what runs has room already");
	scene_close(&s);
}

Test(tuners, near_the_limit_segment_jobs_are_told_to_keep_less)
{
	struct fake_job *segment;
	struct scene s;

	scene_of_segments(&s);
	segment = job_of(&s, JOB_SEGMENT);
	fake_segment(&s, segment);
	cr_expect_eq(segment->percent, 100);
	ring_writer_stats(&segment->w, 60u << 20, 0, 0);
	for (int i = 0; i < 4; i++)
		segments_pulse(s.tuners);
	fake_listen(segment);
	cr_expect_eq(segment->percent, 90);
	ring_writer_stats(&segment->w, 1u << 20, 0, 0);
	for (int i = 0; i < 4; i++)
		segments_pulse(s.tuners);
	fake_listen(segment);
	cr_expect_eq(segment->percent, 91);
	scene_close(&s);
}

Test(tuners, without_segments_their_folder_is_not_measured)
{
	struct scene s;
	int fd;

	scene_open(&s, 10000);
	fd = s.media.fd;
	s.media.fd = -1; /* measuring it is a failed assertion */
	want(&s, 0, 1, "");
	fake_run(&s, job_of(&s, JOB_INGEST));
	segments_pulse(s.tuners);
	cr_expect_not(segments_full(s.tuners));
	s.media.fd = fd;
	scene_close(&s);
}

Test(tuners, a_full_disk_refuses_segments_for_a_while)
{
	struct fake_job *segment;
	struct scene s;

	scene_of_segments(&s);
	segment = job_of(&s, JOB_SEGMENT);
	fake_segment(&s, segment);
	cr_assert_eq(msg_send_job_output_failed(
			     segment->fd,
			     &(struct msg_job_output_failed){.output = segment->output,
							     .generation = segment->generation,
							     .status = 503,
							     .text = "it is full"},
			     NULL),
		     0);
	turn(&s);
	cr_assert_eq(s.gones, 1);
	cr_expect_eq(s.gone.status, 503);
	cr_expect_str_eq(s.gone_text, "it is full");
	want_segments(&s, 2, "");
	cr_assert_eq(s.gones, 2, "the files that went made room, but not for long");
	cr_expect_eq(s.gone.status, 503);
	want(&s, 0, 3, "");
	cr_expect_eq(s.gones, 2, "the stream itself needs no room");
	s.tuners->media.full_until_us = 0;
	want_segments(&s, 4, "");
	cr_expect_eq(s.gones, 2);
	scene_close(&s);
}

/* The pulse had no time to count it. */
Test(tuners, what_the_lost_source_has_counted_is_not_the_next_ones)
{
	struct scene s;

	scene_of_sources(&s, 2);
	fake_run(&s, &s.jobs[0]);
	atomic_store(&s.jobs[0].w.header->bytes_in, TS_PACKET * 100);
	atomic_store(&s.jobs[0].w.header->errors_in, 7);
	fake_fail(&s, &s.jobs[0], "gone");
	cr_assert(why_says(&s, "last_hour", "source 1 lost packets: 7 "));
	cr_assert(!why_says(&s, "last_hour", "source 2 lost packets"));
	scene_close(&s);
}

Test(tuners, an_outage_is_seen_while_it_lasts)
{
	struct scene s;

	scene_of_sources(&s, 1);
	fake_run(&s, &s.jobs[0]);
	cr_assert_eq(msg_send_job_stalled(s.jobs[0].fd, &(struct msg_job_stalled){}, NULL), 0);
	turn(&s);
	cr_assert_eq(state_of(&s), TUNER_STALLED);
	await(&s, why_says(&s, "last_hour", "viewers were without media from the source"));
	cr_assert_eq(state_of(&s), TUNER_STALLED);
	scene_close(&s);
}

Test(tuners, a_lost_job_of_outputs_is_not_the_sources_fault)
{
	struct scene s;

	scene_open(&s, 1000);
	want(&s, 0, 1, "sd");
	for (unsigned i = 0; i < 2; i++)
		fake_run(&s, &s.jobs[i]);
	fake_end(derive_of(&s));
	turn(&s);
	cr_assert(!why_says(&s, "last_hour", "the source was lost"));
	cr_assert(why_says(&s, "last_hour", "the jobs that make its outputs were lost 1 times"));
	scene_close(&s);
}

Test(tuners, a_lost_slate_is_not_a_sources_fault)
{
	struct scene s;
	struct fake_job *slate = scene_slate(&s);

	atomic_store(&slate->w.header->bytes_in, TS_PACKET * 100);
	tuner_count(s.tuners->all, clock_mono_us());
	cr_assert_eq(s.tuners->all->history.total.packets, 0);
	fake_end(slate);
	turn(&s);
	cr_assert(!why_says(&s, "last_hour", "was lost 1 times"));
	cr_assert(why_says(&s, "last_hour", "the source was lost 2 times"));
	cr_assert(why_says(&s, "last_hour", "the jobs that make its outputs were lost 1 times"));
	scene_close(&s);
}

Test(tuners, another_list_of_sources_has_a_history_of_its_own)
{
	struct scene s;

	scene_switched(&s);
	cr_assert(why_says(&s, "last_hour", "source 1 was lost"));
	set_lineup(&s, lineup_of_sources(3));
	cr_assert(!why_says(&s, "last_hour", "was lost"));
	scene_close(&s);
}

Test(tuners, an_address_is_not_cut_inside_of_a_character)
{
	char address[402];
	struct lineup *l = lineup_of_sources(1);
	struct scene s;

	address[0] = 'x';
	for (size_t i = 1; i < 401; i += 2)
		memcpy(&address[i], "\xc3\xa4", 2);
	address[401] = '\0';
	scene_open(&s, 1000);
	((struct lineup_source *)l->channels.at[0]->tuners[0].sources)[0].text = address;
	set_lineup(&s, l);
	want(&s, 0, 1, "");
	fake_run(&s, &s.jobs[0]);
	cr_assert(why_says(&s, "now", "it runs from the source (x\xc3\xa4"));
	scene_close(&s);
}

/* So many sources, the first of which runs, and the job that watches what it shows. */
static struct fake_job *scene_watch(struct scene *s, unsigned sources)
{
	struct lineup *l = lineup_of_sources(sources);
	struct fake_job *watch;

	scene_open(s, 1000);
	l->channels.at[0]->tuners[0].watch_content = true;
	set_lineup(s, l);
	want(s, 0, 1, "");
	cr_assert_eq(s->job_count, 1, "nothing is there to be watched");
	fake_run(s, &s->jobs[0]);
	watch = next_job(s, 2);
	cr_assert_eq(watch->role, JOB_WATCH);
	cr_assert(watch->has_source && !watch->has_ring);
	return watch;
}

static void fake_content(struct scene *s, struct fake_job *j, enum content_fault fault)
{
	cr_assert_eq(msg_send_job_content(j->fd, &(struct msg_job_content){.fault = (uint8_t)fault},
					  NULL),
		     0);
	turn(s);
}

Test(tuners, a_source_that_shows_nothing_is_left_for_the_next_one)
{
	struct scene s;
	struct fake_job *watch = scene_watch(&s, 2), *source;

	fake_content(&s, watch, CONTENT_FROZEN);
	fake_listen(&s.jobs[0]);
	fake_listen(watch);
	cr_assert(s.jobs[0].told_to_stop && watch->told_to_stop);
	cr_assert_eq(state_of(&s), TUNER_RESTARTING);
	cr_assert_str_eq(s.news, "SF");
	fake_end(watch);
	fake_end(&s.jobs[0]);
	turn(&s);
	cr_assert_eq(s.job_count, 3);
	source = &s.jobs[2];
	fake_run(&s, source);
	cr_assert_eq(source->source, '1');
	cr_assert_eq(next_job(&s, 4)->role, JOB_WATCH);
	cr_assert_eq(s.gones, 0, "viewers have stayed");
	cr_assert_eq(s.tuners->all->history.total.lost[LOST_CONTENT], 1);
	cr_assert_eq(s.tuners->all->history.total.lost[LOST_FAILED], 0);
	cr_assert(why_says(&s, "last_hour", "showed nothing 1 times"));
	scene_close(&s);
}

/* `runs`: the other one, for a moment. */
static void check_no_better(bool runs)
{
	struct scene s;
	struct fake_job *watch = scene_watch(&s, 2), *again;

	fake_content(&s, watch, CONTENT_FROZEN);
	fake_end(watch);
	fake_end(&s.jobs[0]);
	turn(&s);
	if (runs) {
		fake_run(&s, &s.jobs[2]);
		next_job(&s, 4); /* its watch job */
	} else {
		next_job(&s, 3);
	}
	fake_fail(&s, &s.jobs[2], "refused");
	if (runs)
		fake_end(&s.jobs[3]);
	again = await_job(&s, 4 + runs);
	fake_run(&s, again);
	cr_assert_eq(again->source, '0');
	watch = await_job(&s, 5 + runs);
	fake_hello(&s, watch);
	fake_content(&s, watch, CONTENT_FROZEN);
	fake_listen(again);
	cr_assert_not(again->told_to_stop, "the other one has just failed");
	scene_close(&s);
}

Test(tuners, a_source_that_shows_nothing_is_better_than_one_that_does_not_work)
{
	check_no_better(false);
}

Test(tuners, a_source_that_shows_nothing_is_better_than_one_that_dies_at_once)
{
	check_no_better(true);
}

Test(tuners, a_source_that_shows_nothing_is_left_as_soon_as_another_one_may_start)
{
	struct scene s;
	struct fake_job *watch = scene_watch(&s, 2);

	s.tuners->all->health[1].at_us = clock_mono_us() + 1200000;
	fake_content(&s, watch, CONTENT_BLACK);
	fake_listen(&s.jobs[0]);
	cr_assert_not(s.jobs[0].told_to_stop);
	await_stop(&s, &s.jobs[0]);
	scene_close(&s);
}

Test(tuners, what_was_found_of_a_source_is_not_said_of_the_one_that_takes_over)
{
	struct scene s;
	struct fake_job *watch = scene_watch(&s, 2), *first;

	fake_fail(&s, &s.jobs[0], "gone");
	fake_end(watch);
	turn(&s);
	fake_run(&s, &s.jobs[2]);
	watch = await_job(&s, 4);
	fake_hello(&s, watch);
	cr_assert_eq(watch->role, JOB_WATCH);
	first = await_job(&s, 5);
	fake_run(&s, first);
	cr_assert_eq(first->source, '0');
	/* the one that is tried is at hand */
	fake_content(&s, watch, CONTENT_FROZEN);
	await_next_ring(&s, first);
	fake_takes_over(&s, first, 920000);
	cr_assert_eq(state_of(&s), TUNER_RUNNING);
	fake_listen(watch);
	cr_assert(watch->told_to_stop);
	cr_assert_eq(s.tuners->all->content, CONTENT_GOOD);
	fake_listen(first);
	cr_assert_not(first->told_to_stop);
	scene_close(&s);
}

/* The job of the source says so, whatever is watched. */
Test(tuners, a_source_whose_picture_is_gone_is_left_for_the_next_one)
{
	struct scene s;
	struct fake_job *next;

	scene_open(&s, 1000);
	set_lineup(&s, lineup_of_sources(2));
	want(&s, 0, 1, "");
	fake_run(&s, &s.jobs[0]);
	fake_content(&s, &s.jobs[0], CONTENT_NO_PICTURE);
	await_stop(&s, &s.jobs[0]);
	cr_assert_str_eq(s.tuners->all->last_error, "its picture is gone");
	fake_end(&s.jobs[0]);
	next = await_job(&s, 2);
	fake_run(&s, next);
	cr_assert_eq(next->source, '1');
	cr_assert_eq(s.tuners->all->content, CONTENT_GOOD, "of that one");
	cr_assert_eq(s.tuners->all->history.total.lost[LOST_CONTENT], 1);
	cr_assert_gt(tuner_shows_us(s.tuners->all, 0), clock_mono_us(), "no return to it yet");
	scene_close(&s);
}

Test(tuners, the_only_source_is_kept_without_its_sound)
{
	struct scene s;

	scene_open(&s, 1000);
	set_lineup(&s, lineup_of_sources(1));
	want(&s, 0, 1, "");
	fake_run(&s, &s.jobs[0]);
	fake_content(&s, &s.jobs[0], CONTENT_NO_SOUND);
	cr_assert(why_says(&s, "now", "its sound is gone"));
	fake_content(&s, &s.jobs[0], CONTENT_GOOD);
	cr_assert_str_eq(s.tuners->all->last_error, "");
	fake_listen(&s.jobs[0]);
	cr_assert_not(s.jobs[0].told_to_stop);
	scene_close(&s);
}

/* What the watch job says of a picture that is gone is not the last word. */
Test(tuners, what_is_gone_counts_more_than_what_is_seen)
{
	struct scene s;
	struct fake_job *watch = scene_watch(&s, 1);

	fake_content(&s, &s.jobs[0], CONTENT_NO_PICTURE);
	fake_content(&s, watch, CONTENT_GOOD);
	cr_assert_eq(s.tuners->all->content, CONTENT_NO_PICTURE);
	fake_content(&s, watch, CONTENT_SILENT);
	fake_content(&s, &s.jobs[0], CONTENT_GOOD);
	cr_assert_eq(s.tuners->all->content, CONTENT_SILENT);
	scene_close(&s);
}

Test(tuners, a_channel_plays_on_without_its_watch_job)
{
	struct scene s;
	struct fake_job *watch = scene_watch(&s, 1);

	fake_content(&s, watch, CONTENT_GOOD);
	fake_end(watch);
	turn(&s);
	cr_assert_eq(state_of(&s), TUNER_RUNNING);
	cr_assert_str_eq(s.tuners->all->last_error, "");
	cr_assert_eq(s.tuners->all->restarts, 0);
	fake_hello(&s, await_job(&s, 3));
	cr_assert_eq(s.jobs[2].role, JOB_WATCH);
	scene_close(&s);
}

Test(tuners, the_only_source_is_kept_whatever_it_shows)
{
	struct scene s;
	struct fake_job *watch = scene_watch(&s, 1);
	struct tuner_slot slot;

	fake_content(&s, watch, CONTENT_BLACK);
	fake_listen(&s.jobs[0]);
	cr_assert_not(s.jobs[0].told_to_stop);
	cr_assert_eq(chantab_get_tuner(s.table, 0, &slot), 0);
	cr_assert_eq(slot.state, TUNER_RUNNING);
	cr_assert_str_eq(slot.last_error, "its picture is black");
	fake_content(&s, watch, CONTENT_GOOD);
	cr_assert_eq(chantab_get_tuner(s.table, 0, &slot), 0);
	cr_assert_str_eq(slot.last_error, "");
	scene_close(&s);
}
