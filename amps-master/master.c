#include "amps-master/master.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include "amps-master/system/access_file.h"
#include "amps-master/api/api.h"
#include "amps-master/api/events.h"
#include "amps-master/access/geoip_import.h"
#include "amps-master/guide/guide.h"
#include "amps-master/hooks/hooks.h"
#include "amps-master/master_state.h"
#include "amps-master/children/nursery.h"
#include "amps-master/config/reload.h"
#include "amps-master/tuners/tuners.h"
#include "amps-master/util/wall_timer.h"
#include "amps-master/children/worker_pool.h"
#include "common/shm/chantab.h"
#include "common/clock.h"
#include "common/log/log.h"
#include "common/shm/shm.h"
#include "common/timer.h"

#define TICK_MS		   250
#define TICK_LATE_US	   1000000
#define KILLING_MS	   1000
#define REPUBLISH_RETRY_US 1000000

static void set_phase(struct master *m, enum master_phase phase)
{
	assert(phase == m->phase + 1);
	m->phase = phase;
}

static void put_fact(_Atomic uint64_t *fact, uint64_t value)
{
	atomic_store_explicit(fact, value, memory_order_relaxed);
}

/* Logs a change of the database's health. */
static void follow_health(struct master *m)
{
	int health = store_health(m->store);

	if (health == m->health)
		return;
	m->health = health;
	if (health != 0)
		event_of_warning(m->chantab, "the database cannot be written");
	if (health == 0)
		log_info("the database can be written again");
	else
		log_error("the database cannot be written (%s), answering 503 to /readyz",
			  health == -EBUSY    ? "it is locked by another process"
			  : health == -ENOENT ? "its file was moved or deleted"
					      : strerror(-health));
}

static enum readiness readiness(const struct master *m)
{
	if (m->phase != MASTER_RUNNING || !worker_pool_all_ready(m->pool))
		return READINESS_STARTING;
	switch (m->health) {
	case 0:
		return READINESS_READY;
	case -EBUSY:
		return READINESS_DATABASE_LOCKED;
	case -ENOENT:
		return READINESS_DATABASE_GONE;
	default:
		return READINESS_DATABASE_FAILED;
	}
}

void master_changed(void *owner)
{
	struct master *m = owner;
	enum readiness now;

	assert(m->store && m->pool && m->chantab);
	follow_health(m);
	now = readiness(m);
	put_fact(&m->chantab->ready, now);
	put_fact(&m->chantab->worker_restarts, worker_pool_restarts(m->pool));
	if (now == READINESS_READY)
		master_announce(m);
	master_report_service(m);
}

/* Ends the loop once every child of a stopping server has exited. */
static void stop_if_gone(struct master *m)
{
	if (m->phase >= MASTER_STOPPING && worker_pool_alive(m->pool) == 0 &&
	    nursery_pid(m->nursery) == 0 && tuners_job_count(m->tuners) == 0)
		event_base_loopbreak(m->base);
}

/* The answer of the store after a schedule window has opened or closed. */
static void on_republished(void *owner, uint64_t cookie, struct store_answer *a)
{
	struct master *m = owner;

	(void)cookie;
	assert(m->republishing);
	m->republishing = false;
	if (a->error == 0) {
		master_apply(m, a->publication);
		return;
	}
	log_error("cannot apply the schedule (%s), trying again in a second", a->text);
	wall_timer_set(m->schedule, clock_wall_us() + REPUBLISH_RETRY_US);
}

static void on_schedule(void *owner)
{
	struct master *m = owner;

	if (m->phase >= MASTER_STOPPING || m->republishing)
		return;
	m->republishing = true;
	store_submit(m->store, &(struct store_operation){.kind = STORE_REPUBLISH}, on_republished,
		     m, 0);
}

void master_open_access_log(struct master *m)
{
	const char *path = json_string_value(m->settings.access_log);
	int fd = path && path[0] ? access_file_open(path) : -ENOENT;

	if (fd < 0 && path && path[0])
		log_warn("the access log cannot be opened (%s), continuing without one path=%s",
			 strerror(-fd), path);
	worker_pool_set_access_log(m->pool, MAX(fd, -1),
				   path && strcmp(path, ACCESS_FILE_STDERR) == 0);
}

/* Applies the keys that need no restart. */
static void follow_settings(struct master *m, const struct publication *p)
{
	json_t *warnings = json_object_get(p->report, "warnings");
	size_t before = json_array_size(warnings);

	settings_follow(&m->settings, p->settings, warnings);
	media_root_set_limit(&m->media, m->settings.media_limit_mb);
	log_set_level(m->settings.log_level);
	worker_pool_set_log_level(m->pool, m->settings.log_level);
	tuners_set_log_level(m->tuners, m->settings.log_level);
	for (size_t i = before; i < json_array_size(warnings); i++)
		log_warn("the running server differs from the file, continuing: %s",
			 json_string_value(json_array_get(warnings, i)));
}

void master_apply(void *owner, struct publication *p)
{
	struct master *m = owner;
	int64_t next = p->next_change_wall_us;
	bool first = m->generation == 0;

	/* A reload may end while the server stops: the children that would use it have exited. */
	if (m->phase >= MASTER_STOPPING)
		return;
	assert(p->generation >= m->generation);
	m->generation = p->generation;
	if (p->settings)
		follow_settings(m, p);
	guide_follow(m->guide, p, !first);
	geoip_import_follow(m->geoip, p);
	hooks_follow(m->hooks, p);
	worker_pool_publish(m->pool, p);
	events_of_report(m->chantab, p->report, first);
	store_dispose(m->store, tuners_set_lineup(m->tuners, TAKE_PTR(p->lineup)));
	/* A time in the past is delayed a little: a wrong clock must not cause a busy loop. */
	if (next != TIME_NONE)
		next = MAX(next, clock_wall_us() + REPUBLISH_RETRY_US / 10);
	wall_timer_set(m->schedule, next);
}

/* A child that has exited and is not reaped; 0 = none. */
static pid_t exited_child(void)
{
	siginfo_t info = {.si_pid = 0};

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 ? info.si_pid : 0;
}

static void reap(struct master *m)
{
	int status;
	pid_t pid;

	while ((pid = exited_child()) > 0) {
		if (helpers_reap(m->helpers, pid) || waitpid(pid, &status, WNOHANG) != pid ||
		    worker_pool_child_exited(m->pool, pid, status) ||
		    nursery_child_exited(m->nursery, pid, status))
			continue;
		/* Any other child was an orphan that this process inherited; it is reaped now. */
		if (!tuners_child_exited(m->tuners, pid, status))
			log_debug("an orphan ended pid=%d", (int)pid);
	}
	stop_if_gone(m);
}

static void set_stop_timer(struct master *m, unsigned ms)
{
	assert(m->phase >= MASTER_STOPPING);
	timer_set(m->stop_timer, ms * 1000ull);
}

void master_stop(void *owner, unsigned timeout_ms)
{
	struct master *m = owner;

	if (m->phase >= MASTER_STOPPING) {
		set_stop_timer(m, 0);
		return;
	}
	log_info("stopping");
	set_phase(m, MASTER_STOPPING);
	master_changed(m);
	wall_timer_set(m->schedule, TIME_NONE);
	listen_close(&m->listeners);
	listen_close(&m->rtsp);
	listen_close_pairs(&m->rtp);
	worker_pool_shutdown(m->pool);
	tuners_shutdown(m->tuners);
	nursery_shutdown(m->nursery);
	set_stop_timer(m, timeout_ms);
}

static void on_stop_timer(int fd, short what, void *arg)
{
	struct master *m = arg;

	(void)fd;
	(void)what;
	assert(m->phase >= MASTER_STOPPING);
	if (m->phase == MASTER_KILLING) {
		event_base_loopbreak(m->base);
		return;
	}
	log_warn("some processes do not end, killing them workers=%u jobs=%u",
		 worker_pool_alive(m->pool), tuners_job_count(m->tuners));
	set_phase(m, MASTER_KILLING);
	worker_pool_kill(m->pool);
	nursery_kill(m->nursery);
	tuners_kill(m->tuners);
	set_stop_timer(m, KILLING_MS);
	stop_if_gone(m);
}

static void on_signal(int number, short what, void *arg)
{
	struct master *m = arg;

	(void)what;
	if (m->phase == MASTER_STARTING) {
		m->interrupted |= number == SIGTERM || number == SIGINT;
	} else if (number == SIGCHLD) {
		reap(m);
	} else if (number != SIGHUP) {
		master_stop(m, SHUTDOWN_MS);
	} else if (m->phase == MASTER_RUNNING) {
		log_info("reloading the configuration");
		reload_request(m->reload, 0, &DISCARD_NOTHING);
	}
}

/* Binds the socket again if something, such as a cleaner of temporary folders, removed its file. */
static void keep_control(struct master *m)
{
	int r;

	if (m->phase != MASTER_RUNNING || !control_lost(m->control))
		return;
	r = runtime_dir_restore(&m->runtime, &m->account);
	if (r == 0)
		r = control_rebind(m->control);
	if (r == 0)
		log_warn("the control socket was removed, it is bound again path=%s",
			 m->runtime.control_path);
	else if (!m->control_missing)
		log_warn("the control socket was removed and cannot be bound again (%s), trying "
			 "every second path=%s",
			 r == -EBUSY ? "another server has taken the folder" : strerror(-r),
			 m->runtime.control_path);
	m->control_missing = r < 0;
}

static void on_tick(int fd, short what, void *arg)
{
	struct master *m = arg;
	uint64_t now = clock_mono_us();

	(void)fd;
	(void)what;
	if (now - m->tick_us > TICK_LATE_US)
		m->patient_until_us = now + CHILD_SILENCE_US;
	m->tick_us = now;
	log_tick();
	worker_pool_check(m->pool, now < m->patient_until_us);
	nursery_check(m->nursery);
	if (now - m->viewers.sample_us >= 1000000) {
		viewers_sample(&m->viewers);
		keep_control(m);
	}
	master_changed(m);
	/* The kernel may not have sent this process a SIGCHLD for the last child of a job. */
	reap(m);
}

static int listen_to_signals(struct master *m)
{
	static const int numbers[MASTER_SIGNALS] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};

	for (size_t i = 0; i < array_size(numbers); i++) {
		m->signals[i] = evsignal_new(m->base, numbers[i], on_signal, m);
		if (!m->signals[i] || event_add(m->signals[i], NULL) != 0)
			return -ENOMEM;
	}
	return 0;
}

int master_make_events(struct master *m)
{
	int r;

	m->base = event_base_new();
	if (!m->base)
		return -ENOMEM;
	m->tick = event_new(m->base, -1, EV_PERSIST, on_tick, m);
	m->stop_timer = evtimer_new(m->base, on_stop_timer, m);
	if (!m->tick || !m->stop_timer)
		return -ENOMEM;
	r = wall_timer_new(m->base, on_schedule, m, &m->schedule);
	if (r == 0)
		r = helpers_new(m->base, &m->helpers);
	return r < 0 ? r : listen_to_signals(m);
}

static void free_events(struct master *m)
{
	for (size_t i = 0; i < MASTER_SIGNALS; i++) {
		if (m->signals[i])
			event_free(m->signals[i]);
	}
	if (m->tick)
		event_free(m->tick);
	if (m->stop_timer)
		event_free(m->stop_timer);
	wall_timer_free(m->schedule);
}

/* Frees in the reverse order of master_start(), which may have failed at any step. */
static void master_done(struct master *m)
{
	tuners_free(m->tuners);
	worker_pool_free(m->pool);
	nursery_free(m->nursery);
	viewers_done(&m->viewers);
	store_close(m->store);
	reload_free(m->reload);
	guide_free(m->guide);
	geoip_import_free(m->geoip);
	hooks_free(m->hooks);
	helpers_free(m->helpers);
	api_free(m->api);
	/* The children were killed by the calls above: reap them. */
	for (int i = 0; i < KILLING_MS && waitpid(-1, NULL, WNOHANG) >= 0; i++)
		usleep(1000);
	publication_free(m->first);
	listen_close(&m->listeners);
	listen_close(&m->rtsp);
	listen_close_pairs(&m->rtp);
	if (m->chantab)
		shm_unmap(m->chantab, CHANTAB_BYTES);
	close_fd(&m->chantab_fd);
	media_root_close(&m->media);
	runtime_dir_close(&m->runtime);
	/* Last, because a client that asked for the shutdown waits for its connection to close. */
	control_close(m->control);
	free_events(m);
	if (m->base)
		event_base_free(m->base);
	service_close(&m->service);
	settings_done(&m->settings);
	log_done();
}

static void serve(struct master *m)
{
	assert(m->control && m->reload && !m->first);
	set_phase(m, MASTER_RUNNING);
	m->tick_us = clock_mono_us();
	timer_set(m->tick, TICK_MS * 1000);
	if (m->interrupted)
		master_stop(m, SHUTDOWN_MS);
	/* A child may have exited before SIGCHLD was handled. */
	reap(m);
	event_base_dispatch(m->base);
	log_info("stopped");
}

int master_run(const struct serve_options *o)
{
	struct master *m = calloc(1, sizeof(*m));
	int r, exit_code = 1;

	if (!m)
		return 1;
	m->options = o;
	m->chantab_fd = -1;
	m->runtime.lock_fd = -1;
	m->service = (struct service)SERVICE_INIT;
	m->media = MEDIA_ROOT_INIT;
	r = log_keep(LOG_KEPT);
	if (r == 0)
		r = master_start(m);
	if (r == 0)
		serve(m);
	master_done(m);
	if (r == 0 || m->interrupted)
		exit_code = 0;
	free(m);
	return exit_code;
}
