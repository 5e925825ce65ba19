#include "amps-transcoder/command/keeper.h"

#include <assert.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "amps-transcoder/command/family.h"
#include "amps-transcoder/command/program.h"
#include "amps-transcoder/command/stderr_log.h"
#include "amps-transcoder/job/device_hint.h"
#include "common/clock.h"
#include "common/confine.h"
#include "common/log/log.h"
#include "common/msg/log_copy.h"
#include "common/process.h"

#define READ_CHUNK (64u << 10)
/* After a large read of stderr: a command that floods it has to wait. */
#define READ_PAUSE_US 10000
#define LAST_READS    8	     /* of stderr after the command has exited */
#define LOOK_US	      250000 /* between two looks at the memory of its processes */
#define KILL_US	      10000  /* between two rounds of SIGKILL */

enum keeper_state {
	KEEPER_WAITING, /* for COMMAND_RUN */
	KEEPER_RUNNING,
	KEEPER_ENDING,	/* SIGTERM was sent */
	KEEPER_KILLING, /* SIGKILL is sent until no process is left */
	KEEPER_GONE,	/* none is left */
	KEEPER_STATES_
};

struct keeper {
	enum keeper_state state;
	char name[TUNER_KEY_MAX + 16]; /* for the log */
	const json_t *command;	       /* of the job's spec */
	unsigned memory_mb, data_mb;
	int job;     /* -1: it is gone */
	int signals; /* SIGCHLD; SIGTERM when the guard has died */
	pid_t guard;
	struct program program;
	struct stderr_log log;
	bool reported;	  /* COMMAND_ENDED was sent */
	uint64_t read_us; /* when stderr may be read again */
	uint64_t due_us;  /* of the next look, or of what the state does next */
	char chunk[READ_CHUNK];
};

static void keeper_set_state(struct keeper *k, enum keeper_state state)
{
	static const bool legal[KEEPER_STATES_][KEEPER_STATES_] = {
		[KEEPER_WAITING] =
			{[KEEPER_RUNNING] = true, [KEEPER_GONE] = true, [KEEPER_KILLING] = true},
		[KEEPER_RUNNING] =
			{[KEEPER_ENDING] = true, [KEEPER_KILLING] = true, [KEEPER_GONE] = true},
		[KEEPER_ENDING] = {[KEEPER_KILLING] = true, [KEEPER_GONE] = true},
		[KEEPER_KILLING] = {[KEEPER_GONE] = true},
	};

	assert(legal[k->state][state]);
	(void)legal;
	k->state = state;
	k->due_us = clock_mono_us();
	if (state == KEEPER_RUNNING)
		k->due_us += LOOK_US;
	else if (state == KEEPER_ENDING)
		k->due_us += COMMAND_STOP_US;
}

/* ---------- the end ---------- */

static void report(struct keeper *k, const char *text)
{
	char shown[ERROR_TEXT_MAX], last[ERROR_TEXT_MAX / 2 + 128];

	if (k->reported)
		return;
	k->reported = true;
	stderr_log_last(&k->log, last, sizeof(last));
	snprintf(shown, sizeof(shown), "%s%s%s%s", text, *last ? ": " : "", last,
		 device_hint(last));
	log_info("%s", shown);
	/* a job that takes no message is about to be killed */
	if (k->job >= 0 &&
	    msg_send_command_ended(k->job, &(struct msg_command_ended){.text = shown}, NULL) < 0)
		log_debug("the job does not read the message that its command ended");
}

static void begin_kill(struct keeper *k)
{
	if (k->state != KEEPER_KILLING && k->state != KEEPER_GONE)
		keeper_set_state(k, KEEPER_KILLING);
}

static void begin_end(struct keeper *k)
{
	if (k->state == KEEPER_WAITING) {
		keeper_set_state(k, KEEPER_GONE);
	} else if (k->state == KEEPER_RUNNING) {
		kill(-k->program.pid, SIGTERM);
		/* one that is stopped must be able to react */
		kill(-k->program.pid, SIGCONT);
		keeper_set_state(k, KEEPER_ENDING);
	}
}

/* ---------- standard error ---------- */

/* The bytes read, 0 at the end of file, or -EAGAIN. */
static ssize_t read_errors(struct keeper *k)
{
	ssize_t n = read(k->program.errors, k->chunk, sizeof(k->chunk));
	uint64_t now_us = clock_mono_us();

	if (n < 0)
		return -EAGAIN;
	if (n == 0) {
		stderr_log_finish(&k->log);
		close_fd(&k->program.errors);
		return 0;
	}
	stderr_log_take(&k->log, k->chunk, (size_t)n, now_us);
	if ((size_t)n > sizeof(k->chunk) / 4)
		k->read_us = now_us + READ_PAUSE_US;
	return n;
}

/* What the command wrote before it exited. */
static void read_last_words(struct keeper *k)
{
	for (int i = 0; i < LAST_READS && k->program.errors >= 0; i++)
		if (read_errors(k) < 0)
			break;
	if (k->program.errors >= 0)
		stderr_log_finish(&k->log);
}

/* ---------- its processes ---------- */

static void on_exit_of_command(struct keeper *k, int status)
{
	char text[128];

	if (WIFSIGNALED(status))
		snprintf(text, sizeof(text), "the command was killed by signal %d (%s)",
			 WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(text, sizeof(text), "the command exited with status %d",
			 WEXITSTATUS(status));
	read_last_words(k);
	report(k, text);
	begin_end(k);
}

/* Reaps all that have ended; KEEPER_GONE when none is left. */
static void reap(struct keeper *k)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == k->program.pid)
			on_exit_of_command(k, status);
	if (pid < 0 && errno == ECHILD && k->state != KEEPER_WAITING && k->state != KEEPER_GONE)
		keeper_set_state(k, KEEPER_GONE);
}

/* Ends a command with a process that uses more memory than it may, or with too many processes. */
static void look_at_processes(struct keeper *k)
{
	struct family f;
	char text[160] = "";

	family_read(&f);
	if (f.more)
		snprintf(text, sizeof(text), "the command has more than %d processes, it was ended",
			 COMMAND_PROCESSES_MAX);
	for (size_t i = 0; i < f.count && !*text; i++) {
		uint64_t used_mb = process_own_bytes(f.pids[i]) >> 20;

		if (used_mb > k->memory_mb)
			snprintf(
				text, sizeof(text),
				"the command was ended: one of its processes used more memory than "
				"limits.memory_mb allows (%llu MB of %u)",
				(unsigned long long)used_mb, k->memory_mb);
	}
	k->due_us = clock_mono_us() + LOOK_US;
	if (!*text)
		return;
	report(k, text);
	begin_kill(k);
}

static void kill_all(struct keeper *k)
{
	/* the group at once: a process in it cannot escape by forking */
	if (k->program.pid > 0)
		kill(-k->program.pid, SIGKILL);
	family_kill();
	k->due_us = clock_mono_us() + KILL_US;
}

/* ---------- the job ---------- */

static void run_command(struct keeper *k)
{
	char reason[ERROR_TEXT_MAX];
	int r;

	if (k->state != KEEPER_WAITING)
		return;
	r = program_start(k->command, k->data_mb, &k->program, reason, sizeof(reason));
	if (r < 0) {
		report(k, reason);
		keeper_set_state(k, KEEPER_KILLING);
		return;
	}
	keeper_set_state(k, KEEPER_RUNNING);
	log_info("the command runs pid=%d", (int)k->program.pid);
	r = msg_send_command_output(k->job, &(struct msg_command_output){}, &k->program.out);
	close_fd(&k->program.out);
	if (r < 0)
		begin_kill(k);
}

static void on_job(struct keeper *k)
{
	struct msg m;
	int r = msg_receive(k->job, &m);

	if (r == -EAGAIN)
		return;
	if (r < 0) {
		log_set_copy(NULL);
		close_fd(&k->job);
		begin_kill(k);
		return;
	}
	if (m.type == MSG_COMMAND_RUN)
		run_command(k);
	else if (m.type == MSG_SHUTDOWN)
		begin_end(k);
	msg_done(&m);
}

/* ---------- the process ---------- */

static void on_due(struct keeper *k)
{
	switch (k->state) {
	case KEEPER_RUNNING:
		look_at_processes(k);
		break;
	case KEEPER_ENDING:
		begin_kill(k);
		break;
	case KEEPER_KILLING:
		kill_all(k);
		break;
	default:
		break;
	}
}

/* Children are reaped after every wait. */
static void on_signals(struct keeper *k)
{
	struct signalfd_siginfo info[16];

	if (read(k->signals, info, sizeof(info)) > 0 && getppid() != k->guard)
		begin_kill(k);
}

static void wait_for_events(struct keeper *k)
{
	uint64_t now_us = clock_mono_us();
	uint64_t wake_us = k->state == KEEPER_WAITING ? UINT64_MAX : k->due_us;
	bool reads = k->program.errors >= 0 && now_us >= k->read_us;
	struct pollfd fds[] = {{.fd = k->job, .events = POLLIN},
			       {.fd = k->signals, .events = POLLIN},
			       {.fd = reads ? k->program.errors : -1, .events = POLLIN}};

	if (k->program.errors >= 0 && !reads)
		wake_us = MIN(wake_us, k->read_us);
	if (poll(fds, array_size(fds),
		 wake_us == UINT64_MAX ? -1
		 : wake_us > now_us    ? (int)((wake_us - now_us + 999) / 1000)
				       : 0) < 0)
		return;
	if (fds[1].revents)
		on_signals(k);
	if (fds[2].revents && read_errors(k) < 0)
		k->read_us = clock_mono_us() + READ_PAUSE_US;
	if (fds[0].revents)
		on_job(k);
}

static void serve(struct keeper *k)
{
	while (k->state != KEEPER_GONE) {
		wait_for_events(k);
		reap(k);
		if (clock_mono_us() >= k->due_us)
			on_due(k);
		log_tick();
	}
}

/* Signals of the keeper: from its children, and from the kernel when the guard dies. */
static int take_signals(struct keeper *k)
{
	sigset_t taken;

	sigemptyset(&taken);
	sigaddset(&taken, SIGCHLD);
	sigaddset(&taken, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &taken, NULL) < 0)
		return -errno;
	k->signals = signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
	if (k->signals < 0 || prctl(PR_SET_PDEATHSIG, SIGTERM) < 0)
		return -errno;
	return getppid() == k->guard ? 0 : -ESRCH;
}

static int keep(const struct job *job, pid_t guard)
{
	unsigned memory_mb = (unsigned)job_spec_int(job, "memory_mb", 0);
	struct keeper *k = calloc(1, sizeof(*k));
	int r = prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 ? -errno : 0;

	if (!k)
		return 1;
	k->guard = guard;
	snprintf(k->name, sizeof(k->name), "command[%s]", job->key);
	log_forked(k->name);
	k->job = MSG_CHILD_FD;
	log_copy_to(k->job, true);
	k->program = (struct program){0, -1, -1};
	k->command = json_object_get(job->spec, "command");
	k->memory_mb = memory_mb ? memory_mb : JOB_MEMORY_DERIVE_MB;
	k->data_mb = k->memory_mb + JOB_ADDRESS_SPACE_MB;
	if (r == 0)
		r = take_signals(k);
	if (r < 0)
		log_error("the command cannot be started (%s), the job will end", strerror(-r));
	else
		serve(k);
	log_done();
	free(k);
	return r < 0 ? 1 : 0;
}

/* Waits for the keeper, then kills what it has left behind: processes are left only if it was
 * killed. */
static int guard(pid_t keeper)
{
	pid_t pid;

	do
		pid = waitpid(-1, NULL, 0);
	while (pid != keeper && (pid > 0 || errno == EINTR));
	while (waitpid(-1, NULL, WNOHANG) >= 0) {
		family_kill();
		usleep(KILL_US);
	}
	return 0;
}

int keeper_run(const struct job *job)
{
	pid_t self = getpid(), keeper;

	signal(SIGCHLD, SIG_DFL);
	if (setsid() < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || confine_capabilities() < 0)
		return 1;
	keeper = fork();
	if (keeper == 0)
		return keep(job, self);
	close(MSG_CHILD_FD);
	return keeper < 0 ? 1 : guard(keeper);
}

/* Only the standard descriptors and the keeper's end of the socket, as descriptor 3: with a copy of
 * the job's own socket the master would not see the end of the job. */
static int place_fds(struct job *job, int end)
{
	int moved = fcntl(end, F_DUPFD_CLOEXEC, MSG_CHILD_FD + 1);

	job->socket = job->keeper = -1;
	if (moved < 0 || dup3(moved, MSG_CHILD_FD, O_CLOEXEC) < 0)
		return -errno;
	return close_range(MSG_CHILD_FD + 1, ~0u, 0) < 0 ? -errno : 0;
}

pid_t keeper_fork(struct job *job)
{
	int pair[2], r = msg_socketpair(pair);
	pid_t pid;

	if (r < 0)
		return r;
	/* the job may not wait for children, so the kernel reaps the keeper */
	signal(SIGCHLD, SIG_IGN);
	pid = fork();
	if (pid == 0) {
		if (place_fds(job, pair[1]) < 0)
			_exit(1);
		return 0;
	}
	r = -errno;
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return r;
	}
	job->keeper = pair[0];
	return pid;
}
