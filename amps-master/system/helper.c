/* helper.c - see helper.h */
#include "amps-master/system/helper.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "amps-master/system/spawn.h"
#include "common/shm/shm.h"
#include "common/text/text.h"
#include "common/timer.h"

#define DRAIN_MS    100
#define DRAIN_READS 16 /* at one time: what a pipe holds */

enum helper_state { HELPER_RUNNING, HELPER_ENDING, HELPER_KILLED };

struct helpers {
	struct event_base *base; /* borrowed */
	struct helper *all;
};

struct helper {
	struct helper *next;
	struct helpers *owner;
	enum helper_state state;
	bool late; /* it exceeded timeout_ms */
	pid_t pid;
	int pidfd, out, err; /* err: -1 if its stderr is ours, a pipe's end if it is quiet */
	unsigned timeout_ms;
	uint64_t output_bytes;
	struct event *exited, *timer;
	struct event *drain; /* of a quiet one; else NULL */
	char said[HELPER_SAID_BYTES];
	size_t said_bytes;
	void (*done)(void *owner, struct helper_result *result); /* NULL = cancelled */
	void *done_owner;
};

/* Sends the next signal to the group: SIGTERM, then SIGKILL. */
static void end(struct helper *h)
{
	assert(h->state < HELPER_KILLED);
	h->state++;
	kill(-h->pid, h->state == HELPER_ENDING ? SIGTERM : SIGKILL);
	if (h->state == HELPER_ENDING)
		timer_set(h->timer, HELPER_TERM_MS * 1000ull);
	else
		event_del(h->timer);
}

static void on_timer(int fd, short what, void *arg)
{
	struct helper *h = arg;

	(void)fd;
	(void)what;
	h->late = h->late || h->state == HELPER_RUNNING;
	end(h);
}

static void unlink_from_set(struct helper *h)
{
	struct helper **at = &h->owner->all;

	while (*at != h)
		at = &(*at)->next;
	*at = h->next;
}

/* Accepts one that is half built. */
static void helper_free(struct helper *h)
{
	if (h->exited != NULL)
		event_free(h->exited);
	if (h->timer != NULL)
		event_free(h->timer);
	if (h->drain != NULL)
		event_free(h->drain);
	close_fd(&h->pidfd);
	close_fd(&h->out);
	close_fd(&h->err);
	free(h);
}

static bool is_full(int fd, uint64_t limit)
{
	struct stat st;

	return fd >= 0 && limit > 0 && fstat(fd, &st) == 0 && (uint64_t)st.st_size >= limit;
}

static void read_said(int fd, char said[HELPER_SAID_BYTES])
{
	off_t bytes = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;
	ssize_t n = bytes > 0 ? pread(fd, said, HELPER_SAID_BYTES - 1,
				      MAX(bytes - HELPER_SAID_BYTES + 1, 0))
			      : 0;

	said[MAX(n, 0)] = '\0';
}

/* Keeps the end of what a quiet one has said.  It waits while the pipe is full: one that says much
 * costs the loop little. */
static void drain(struct helper *h)
{
	char bytes[HELPER_SAID_BYTES - 1];
	ssize_t n;

	for (int i = 0; i < DRAIN_READS && (n = read(h->err, bytes, sizeof(bytes))) > 0; i++) {
		size_t keep = MIN(h->said_bytes, sizeof(bytes) - (size_t)n);

		memmove(h->said, h->said + h->said_bytes - keep, keep);
		memcpy(h->said + keep, bytes, (size_t)n);
		h->said_bytes = keep + (size_t)n;
		assert(h->said_bytes < sizeof(h->said));
	}
}

static void on_drain(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	drain(arg);
}

static void judge(const struct helper *h, struct helper_result *r)
{
	if (h->late) {
		r->error = -ETIMEDOUT;
		snprintf(r->reason, sizeof(r->reason), "it took longer than %u s",
			 (h->timeout_ms + 999) / 1000);
	} else if (is_full(h->out, h->output_bytes) || is_full(h->err, h->output_bytes)) {
		r->error = -EFBIG;
		snprintf(r->reason, sizeof(r->reason), "it wrote more than %" PRIu64 " bytes",
			 h->output_bytes);
	} else if (WIFSIGNALED(r->status)) {
		r->error = -ECHILD;
		snprintf(r->reason, sizeof(r->reason), "it was ended by a signal: %s",
			 strsignal(WTERMSIG(r->status)));
	} else if (WEXITSTATUS(r->status) != 0) {
		r->error = -EIO;
		text_last_line(r->said, "", r->reason, sizeof(r->reason));
		if (r->reason[0] == '\0')
			snprintf(r->reason, sizeof(r->reason), "it failed with exit code %d",
				 WEXITSTATUS(r->status));
	}
}

/* It has exited and is not reaped: the number of its group cannot be another's yet. */
static void reap(struct helper *h)
{
	struct helper_result r = {.output_fd = -1};

	kill(-h->pid, SIGKILL);
	while (waitpid(h->pid, &r.status, 0) < 0 && errno == EINTR)
		continue;
	if (h->drain != NULL) {
		drain(h);
		memcpy(r.said, h->said, h->said_bytes);
	} else {
		read_said(h->err, r.said);
	}
	judge(h, &r);
	if (lseek(h->out, 0, SEEK_SET) < 0)
		r.error = -errno;
	r.output_fd = TAKE_FD(h->out);
	unlink_from_set(h);
	if (h->done != NULL)
		h->done(h->done_owner, &r);
	close_fd(&r.output_fd);
	helper_free(h);
}

static void on_exit_event(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	reap(arg);
}

/* Its stdin: a file with the input, at its beginning. */
static int make_input(const struct helper_spec *spec, int *ret_fd)
{
	_cleanup_(closep) int fd = memfd_create("amps-helper-input", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : write_all(fd, spec->input, spec->input_bytes);

	if (r < 0)
		return r;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* Where it writes to; *ret_err is its end, if it is quiet. */
static int make_outputs(struct helper *h, const struct helper_spec *spec, int *ret_err)
{
	int ends[2];

	assert(!spec->quiet || (!spec->logs && spec->output_bytes == 0));
	h->out = spec->quiet ? open("/dev/null", O_WRONLY | O_CLOEXEC)
			     : shm_begin("amps-helper-output");
	if (h->out < 0)
		return -EMFILE;
	if (spec->quiet) {
		if (pipe2(ends, O_CLOEXEC) < 0)
			return -errno;
		h->err = ends[0];
		*ret_err = ends[1];
		return fcntl(h->err, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
	}
	if (!spec->logs)
		h->err = memfd_create("amps-helper-reason", MFD_CLOEXEC);
	return !spec->logs && h->err < 0 ? -EMFILE : 0;
}

static int start_process(struct helper *h, const struct helper_spec *spec)
{
	_cleanup_(closep) int in = -1;
	_cleanup_(closep) int err = -1;
	struct spawn s = {.argv = spec->argv,
			  .env = spec->env,
			  .message = -1,
			  .group = true,
			  .unprivileged = spec->unprivileged,
			  .memory_mb = spec->memory_mb,
			  .file_bytes = spec->output_bytes};
	int r = make_input(spec, &in);

	if (r == 0)
		r = make_outputs(h, spec, &err);
	s.in = in;
	s.out = h->out;
	s.err = spec->quiet ? err : h->err;
	return r == 0 ? spawn_program(&s, &h->pid) : r;
}

/* Watches the process that was just started. */
static int watch(struct helper *h, bool quiet)
{
	struct event_base *base = h->owner->base;

	h->pidfd = (int)syscall(SYS_pidfd_open, h->pid, 0);
	if (h->pidfd < 0)
		return -errno;
	h->exited = event_new(base, h->pidfd, EV_READ, on_exit_event, h);
	h->timer = evtimer_new(base, on_timer, h);
	if (h->exited == NULL || h->timer == NULL || event_add(h->exited, NULL) != 0)
		return -ENOMEM;
	timer_set(h->timer, h->timeout_ms * 1000ull);
	if (quiet) {
		h->drain = event_new(base, -1, EV_PERSIST, on_drain, h);
		if (h->drain == NULL || timer_set(h->drain, DRAIN_MS * 1000) < 0)
			return -ENOMEM;
	}
	return 0;
}

int helper_start(struct helpers *hs, const struct helper_spec *spec,
		 void (*done)(void *owner, struct helper_result *result), void *owner,
		 struct helper **ret)
{
	struct helper *h = malloc(sizeof(*h));
	int r;

	assert(spec->timeout_ms > 0 && done != NULL);
	if (h == NULL)
		return -ENOMEM;
	*h = (struct helper){.owner = hs,
			     .pidfd = -1,
			     .out = -1,
			     .err = -1,
			     .timeout_ms = spec->timeout_ms,
			     .output_bytes = spec->output_bytes,
			     .done = done,
			     .done_owner = owner};
	r = start_process(h, spec);
	if (r == 0) {
		r = watch(h, spec->quiet);
		if (r < 0) {
			kill(-h->pid, SIGKILL);
			waitpid(h->pid, NULL, 0);
		}
	}
	if (r < 0) {
		helper_free(h);
		return r;
	}
	h->next = hs->all;
	hs->all = h;
	*ret = h;
	return 0;
}

struct helper *helper_cancel(struct helper *h)
{
	if (h == NULL)
		return NULL;
	assert(h->done != NULL);
	h->done = NULL;
	if (h->state == HELPER_RUNNING)
		end(h);
	return NULL;
}

bool helpers_reap(struct helpers *hs, pid_t pid)
{
	for (struct helper *h = hs->all; h != NULL; h = h->next) {
		if (h->pid == pid) {
			reap(h);
			return true;
		}
	}
	return false;
}

int helpers_new(struct event_base *base, struct helpers **ret)
{
	struct helpers *hs = calloc(1, sizeof(*hs));

	if (hs == NULL)
		return -ENOMEM;
	hs->base = base;
	*ret = hs;
	return 0;
}

struct helpers *helpers_free(struct helpers *hs)
{
	while (hs != NULL && hs->all != NULL) {
		struct helper *h = hs->all;

		kill(-h->pid, SIGKILL);
		unlink_from_set(h);
		helper_free(h);
	}
	free(hs);
	return NULL;
}

struct run {
	struct event_base *base;
	struct helper_result *result;
};

static void on_run_done(void *owner, struct helper_result *result)
{
	struct run *run = owner;

	*run->result = *result;
	result->output_fd = -1;
	event_base_loopbreak(run->base);
}

void helper_run(const struct helper_spec *spec, struct helper_result *ret)
{
	struct run run = {.base = event_base_new(), .result = ret};
	struct helpers *hs = NULL;
	struct helper *h;
	int r = run.base != NULL ? helpers_new(run.base, &hs) : -ENOMEM;

	*ret = (struct helper_result){.output_fd = -1};
	if (r == 0)
		r = helper_start(hs, spec, on_run_done, &run, &h);
	if (r == 0)
		event_base_dispatch(run.base);
	ret->error = r < 0 ? r : ret->error;
	if (r < 0)
		snprintf(ret->reason, sizeof(ret->reason), "%s", strerror(-r));
	helpers_free(hs);
	if (run.base != NULL)
		event_base_free(run.base);
}
