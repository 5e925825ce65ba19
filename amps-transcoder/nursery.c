#include "amps-transcoder/nursery.h"

#include <assert.h>
#include <poll.h>
#include <string.h>
#include <sys/wait.h>

#include "amps-transcoder/job_run.h"
#include "common/log/log.h"
#include "common/msg/log_copy.h"
#include "common/msg/msg.h"

#define IDLE_MAX      2	  /* a cold start of HLS needs two jobs at once */
#define FORK_RETRY_MS 100 /* after a fork that failed */

/* A fork takes milliseconds of a processor, which the job that was just started needs more; unless
 * none is left for the next one. */
#define REFILL_MS 50

struct nursery {
	int master;
	int idle[IDLE_MAX]; /* our ends of the idle children's sockets, the oldest first */
	unsigned idle_count;
	int quiet_ms; /* after so long without a message one more is forked */
	struct title *title;
};

/* Result of nursery_step(). */
enum step { STEP_ON, STEP_END, STEP_JOB };

/* The idle child: waits for a job's socket.  Returns it, or -1 when the nursery is gone. */
static int await_job(int nursery)
{
	struct pollfd p = {.fd = nursery, .events = POLLIN};
	struct msg m;
	int socket, r;

	do {
		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			return -1;
		r = msg_receive(nursery, &m);
	} while (r == -EAGAIN);
	if (r < 0)
		return -1;
	socket = m.type == MSG_FORK_JOB ? TAKE_FD(m.fds[0]) : -1;
	msg_done(&m);
	return socket;
}

/* Closes every descriptor but the standard ones and the job's socket. */
static int become_job(int nursery, struct title *title)
{
	int socket;

	assert(nursery >= 0);
	log_set_copy(NULL);
	title_set(title, "amps-transcoder (idle)");
	if (dup2(nursery, MSG_CHILD_FD) < 0)
		return 1;
	close_range(MSG_CHILD_FD + 1, ~0u, 0);
	socket = await_job(MSG_CHILD_FD);
	if (socket < 0)
		return 0;
	close(MSG_CHILD_FD);
	return job_run(socket, title);
}

/* Forks an idle child through an intermediate process, so that the master becomes its parent.
 * STEP_JOB in the child. */
static enum step refill(struct nursery *n, int *ret_child_end)
{
	int pair[2];
	pid_t pid;

	assert(n->idle_count < IDLE_MAX);
	if (msg_socketpair(pair) < 0)
		return STEP_ON;
	pid = fork();
	if (pid == 0) {
		pid = fork();
		if (pid != 0)
			_exit(pid < 0);
		*ret_child_end = pair[1];
		return STEP_JOB;
	}
	close(pair[1]);
	if (pid < 0 || waitpid(pid, &(int){0}, 0) < 0)
		close(pair[0]);
	else
		n->idle[n->idle_count++] = pair[0];
	return STEP_ON;
}

static int take_idle(struct nursery *n)
{
	int oldest = n->idle[0];

	assert(n->idle_count > 0);
	memmove(&n->idle[0], &n->idle[1], --n->idle_count * sizeof(n->idle[0]));
	return oldest;
}

/* Sends the socket to an idle child, or to a new one if they died. */
static enum step start_job(struct nursery *n, int socket, int *ret_child_end)
{
	for (unsigned tries = 0; tries < IDLE_MAX + 2; tries++) {
		_cleanup_(closep) int idle = -1;

		if (n->idle_count == 0 && refill(n, ret_child_end) == STEP_JOB)
			return STEP_JOB;
		if (n->idle_count == 0)
			continue;
		idle = take_idle(n);
		if (msg_send_fork_job(idle, &(struct msg_fork_job){}, &socket) == 0)
			return STEP_ON;
	}
	/* our copy of the socket is closed: the master sees a job that died at once, and retries */
	log_error("no job could be forked, the master will ask again");
	return STEP_ON;
}

static enum step on_message(struct nursery *n, struct msg *m, int *ret_child_end)
{
	enum step step;
	int socket;

	if (m->type != MSG_FORK_JOB)
		return STEP_END;
	socket = TAKE_FD(m->fds[0]);
	step = start_job(n, socket, ret_child_end);
	close(socket);
	return step;
}

/* Forks one more child when the master has asked for nothing for a while, else serves it. */
static enum step nursery_step(struct nursery *n, int *ret_child_end)
{
	struct pollfd p = {.fd = n->master, .events = POLLIN};
	unsigned before = n->idle_count;
	struct msg m;
	enum step step;
	int r;

	assert(n->master >= 0);
	r = poll(&p, 1, before == IDLE_MAX ? -1 : n->quiet_ms);
	if (r == 0) {
		step = refill(n, ret_child_end);
		n->quiet_ms = n->idle_count > before ? 0 : FORK_RETRY_MS;
		return step;
	}
	r = r < 0 ? -EAGAIN : msg_receive(n->master, &m);
	if (r == -EAGAIN)
		return STEP_ON;
	if (r < 0)
		return STEP_END;
	step = on_message(n, &m, ret_child_end);
	n->quiet_ms = n->idle_count > 0 ? REFILL_MS : 0;
	msg_done(&m);
	return step;
}

static bool greet(int master)
{
	struct msg_hello hello = {
		.program = "nursery", .version = AMPS_VERSION, .pid = (uint32_t)getpid()};

	return msg_send_hello(master, &hello, NULL) == 0 &&
	       msg_send_ready(master, &(struct msg_ready){}, NULL) == 0;
}

int nursery_main(int master_socket, struct title *title)
{
	struct nursery n = {.master = master_socket, .title = title};
	enum step step;
	int child_end = -1;

	if (!greet(master_socket))
		return 1;
	log_copy_to(master_socket, false);
	do
		step = nursery_step(&n, &child_end);
	while (step == STEP_ON);
	if (step == STEP_JOB)
		return become_job(child_end, title);
	while (n.idle_count > 0)
		close(take_idle(&n));
	return 0;
}
