#include "amps-master/children/nursery.h"

#include <assert.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include "amps-master/system/spawn.h"
#include "amps-master/util/child_log.h"
#include "common/clock.h"
#include "common/log/log.h"
#include "common/msg/peer.h"
#include "common/timer.h"

enum nursery_state {
	NURSERY_WAITING, /* no process */
	NURSERY_STARTING,
	NURSERY_GREETED, /* its HELLO came */
	NURSERY_READY,
	NURSERY_STOPPING, /* killed or told to end, not reaped yet */
	NURSERY_STATES_
};

struct nursery {
	struct nursery_env env;
	enum nursery_state state;
	pid_t pid; /* 0 = none */
	struct peer *peer;
	uint64_t started_us;
	struct backoff backoff;
	struct event *respawn_timer;
	struct child_log log;
	bool stopping;
};

static void nursery_set_state(struct nursery *n, enum nursery_state state)
{
	static const uint8_t legal[NURSERY_STATES_] = {
		[NURSERY_WAITING] = 1u << NURSERY_STARTING,
		[NURSERY_STARTING] =
			1u << NURSERY_GREETED | 1u << NURSERY_STOPPING | 1u << NURSERY_WAITING,
		[NURSERY_GREETED] =
			1u << NURSERY_READY | 1u << NURSERY_STOPPING | 1u << NURSERY_WAITING,
		[NURSERY_READY] = 1u << NURSERY_STOPPING | 1u << NURSERY_WAITING,
		[NURSERY_STOPPING] = 1u << NURSERY_WAITING,
	};

	assert(legal[n->state] & 1u << state);
	assert((state == NURSERY_WAITING) == (n->pid == 0));
	n->state = state;
}

static void nursery_end(struct nursery *n, const char *why)
{
	if (n->pid == 0)
		return;
	if (why)
		log_warn("the nursery does not work (%s), killing it pid=%d", why, (int)n->pid);
	kill(n->pid, SIGKILL);
	n->peer = peer_free(n->peer);
	if (n->state != NURSERY_STOPPING)
		nursery_set_state(n, NURSERY_STOPPING);
}

static int on_hello(struct nursery *n, const struct msg *m)
{
	struct msg_hello hello;

	if (n->state != NURSERY_STARTING || msg_decode_hello(m->bytes, m->len, &hello) != 0)
		return -EBADMSG;
	if (strcmp(hello.version, AMPS_VERSION) != 0) {
		log_error("the nursery has another version, killing it version=%s wanted=%s",
			  hello.version, AMPS_VERSION);
		return -EBADMSG;
	}
	nursery_set_state(n, NURSERY_GREETED);
	return 0;
}

static int on_ready(struct nursery *n, const struct msg *m)
{
	struct msg_ready ready;

	if (n->state != NURSERY_GREETED || msg_decode_ready(m->bytes, m->len, &ready) != 0)
		return -EBADMSG;
	nursery_set_state(n, NURSERY_READY);
	log_info("the nursery is ready pid=%d ms=%llu", (int)n->pid,
		 (unsigned long long)(clock_mono_us() - n->started_us) / 1000);
	tuners_nursery_ready(n->env.tuners);
	return 0;
}

static int on_log_line(struct nursery *n, const struct msg *m)
{
	struct msg_log_line line;
	int r = msg_decode_log_line(m->bytes, m->len, &line);

	return r < 0 ? r : child_log_take(&n->log, "nursery", n->pid, &line);
}

static int on_message(void *owner, struct peer *p, struct msg *m)
{
	(void)p;
	if (m->type == MSG_LOG_LINE)
		return on_log_line(owner, m);
	if (m->type == MSG_HELLO)
		return on_hello(owner, m);
	if (m->type == MSG_READY)
		return on_ready(owner, m);
	return -EBADMSG;
}

static void on_broken(void *owner, struct peer *p, int error)
{
	struct nursery *n = owner;

	(void)p;
	n->peer = peer_free(n->peer);
	if (error == -EPIPE && n->stopping)
		nursery_set_state(n, NURSERY_STOPPING);
	else
		nursery_end(n, error == -EPIPE ? NULL : "its messages are malformed");
}

static const struct peer_handler nursery_handler = {.on_message = on_message,
						    .on_broken = on_broken};

static int nursery_fork(struct nursery *n)
{
	const char *const argv[] = {n->env.program, "--nursery", n->env.log_json ? "json" : "text",
				    NULL};

	return spawn_peer(argv, n->env.base, &nursery_handler, n, &n->peer, &n->pid);
}

void nursery_start(struct nursery *n)
{
	int r;

	assert(n->state == NURSERY_WAITING && !n->peer);
	n->started_us = clock_mono_us();
	r = nursery_fork(n);
	if (r == 0) {
		nursery_set_state(n, NURSERY_STARTING);
		return;
	}
	log_error("cannot start the nursery: %s, trying again in %d ms", strerror(-r),
		  RESPAWN_MAX_MS);
	timer_set(n->respawn_timer, RESPAWN_MAX_MS * 1000ull);
}

/* From its timer only, so that a restart always starts from the loop. */
static void on_respawn(int fd, short what, void *arg)
{
	struct nursery *n = arg;
	uint64_t now = clock_mono_us();
	uint64_t wait_us = fork_brake_wait_us(n->env.brake, now);

	(void)fd;
	(void)what;
	if (n->stopping)
		return;
	if (wait_us > 0) {
		timer_set(n->respawn_timer, wait_us);
		return;
	}
	fork_brake_record(n->env.brake, now);
	nursery_start(n);
}

bool nursery_child_exited(struct nursery *n, pid_t pid, int wait_status)
{
	bool young = clock_mono_us() - n->started_us < RESPAWN_YOUNG_US;
	uint32_t delay_ms;

	if (pid == 0 || pid != n->pid)
		return false;
	n->pid = 0;
	n->peer = peer_free(n->peer);
	nursery_set_state(n, NURSERY_WAITING);
	if (n->stopping)
		return true;
	delay_ms = backoff_next_ms(&n->backoff, young);
	log_warn("the nursery died, running jobs continue, replacing it in %u ms pid=%d "
		 "status=%d",
		 delay_ms, (int)pid,
		 WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : WEXITSTATUS(wait_status));
	timer_set(n->respawn_timer, delay_ms * 1000ull);
	return true;
}

int nursery_new(const struct nursery_env *env, struct nursery **ret)
{
	struct nursery *n = calloc(1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	n->env = *env;
	backoff_init(&n->backoff, RESPAWN_MIN_MS, RESPAWN_MAX_MS);
	n->respawn_timer = evtimer_new(env->base, on_respawn, n);
	if (!n->respawn_timer) {
		free(n);
		return -ENOMEM;
	}
	*ret = n;
	return 0;
}

struct nursery *nursery_free(struct nursery *n)
{
	if (!n)
		return NULL;
	nursery_end(n, NULL);
	event_free(n->respawn_timer);
	free(n);
	return NULL;
}

int nursery_fork_job(struct nursery *n, int fd)
{
	assert(fd >= 0);
	if (n->state != NURSERY_READY)
		return -EAGAIN;
	peer_send_fork_job(n->peer, &(struct msg_fork_job){}, &fd);
	return 0;
}

void nursery_check(struct nursery *n)
{
	bool starting = n->state == NURSERY_STARTING || n->state == NURSERY_GREETED;

	if (starting && clock_mono_us() - n->started_us > NURSERY_HANDSHAKE_US)
		nursery_end(n, "it did not get ready");
}

pid_t nursery_pid(const struct nursery *n)
{
	return n->pid;
}

void nursery_shutdown(struct nursery *n)
{
	n->stopping = true;
	event_del(n->respawn_timer);
	if (n->state == NURSERY_READY)
		peer_send_shutdown(n->peer, &(struct msg_shutdown){}, NULL);
	else
		nursery_end(n, NULL);
}

void nursery_replace(struct nursery *n)
{
	/* called once for each job that waits for it */
	if (n->state != NURSERY_STOPPING)
		nursery_end(n, "it does not start the jobs it takes");
}

void nursery_kill(struct nursery *n)
{
	n->stopping = true;
	nursery_end(n, NULL);
}
