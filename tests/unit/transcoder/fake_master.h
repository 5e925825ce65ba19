/* fake_master.h - the master's side of nursery and jobs, for tests: spawns the built
 * `amps-transcoder --nursery`, creates rings, hands out jobs and reads what they say. */
#ifndef FAKE_MASTER_H
#define FAKE_MASTER_H

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "media_file.h"
#include "unit.h"

#include "common/clock.h"
#include "common/msg/msg.h"
#include "common/shm/form.h"
#include "common/shm/ring.h"
#include "common/shm/shm.h"

struct fake_master {
	pid_t nursery;
	int socket;
};

struct fake_job {
	int socket;
	pid_t pid;
	uint64_t asked_us; /* when FORK_JOB was sent */
	struct ring ring;  /* open from JOB_MAPPED on */
	int ring_fd;
	uint64_t ring_bytes;
	uint64_t generation;
	bool mapped, running, ended, failed, output_failed, stalled, told;
	uint8_t kind, live;
	uint64_t wanted_bytes;
	uint32_t status;
	bool pictures;
	char text[ERROR_TEXT_MAX];
};

static inline const char *bin_path(void)
{
	static char path[4096];
	const char *bin = getenv("AMPS_BIN");

	snprintf(path, sizeof(path), "%s/amps-transcoder", bin ? bin : "bin");
	return path;
}

/* Waits for a message; false after timeout_ms or when the peer is gone. */
static inline bool await_message(int fd, struct msg *m, int timeout_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, timeout_ms) > 0 && msg_receive(fd, m) == 0;
}

static inline void master_start(struct fake_master *fm)
{
	int pair[2];
	static struct msg m;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	cr_assert_eq(msg_socketpair(pair), 0);
	fm->nursery = fork();
	if (fm->nursery == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (pair[1] == MSG_CHILD_FD)
			fcntl(MSG_CHILD_FD, F_SETFD, 0);
		else
			dup2(pair[1], MSG_CHILD_FD);
		execl(bin_path(), bin_path(), "--nursery", NULL);
		_exit(127);
	}
	close(pair[1]);
	fm->socket = pair[0];
	cr_assert(await_message(fm->socket, &m, 20000));
	cr_assert_eq(m.type, MSG_HELLO);
	cr_assert(await_message(fm->socket, &m, 5000));
	cr_assert_eq(m.type, MSG_READY);
}

static inline void master_stop(struct fake_master *fm)
{
	close(fm->socket);
	waitpid(fm->nursery, NULL, 0);
}

/* Sends a ring for output 0; the job's own mapping is read by job->ring. */
static inline void job_give_ring(struct fake_job *job, uint64_t bytes, int64_t continue_90k)
{
	int fd = ring_create("test", bytes, ++job->generation);
	struct msg_job_output m = {.output = 7,
				   .generation = job->generation,
				   .data_bytes = bytes,
				   .continue_90k = continue_90k,
				   .spec = ""};

	cr_assert_geq(fd, 0);
	job->ring_fd = fd;
	job->ring_bytes = bytes;
	job->mapped = job->running = false;
	cr_assert_eq(msg_send_job_output(job->socket, &m, &fd), 0);
}

static inline void job_start(struct fake_master *fm, struct fake_job *job, const char *spec,
			     int64_t continue_90k, uint64_t ring_bytes)
{
	struct msg_job m = {.role = JOB_INGEST,
			    .master_pid = (uint32_t)getpid(),
			    .key = "5",
			    .spec = spec,
			    .continue_90k = continue_90k,
			    .continue_mono_us = clock_mono_us(),
			    .epoch_mono_us = (int64_t)clock_mono_us(),
			    .log_level = getenv("TEST_DEBUG") ? 0 : 2};
	int pair[2];

	*job = (struct fake_job){0};
	cr_assert_eq(msg_socketpair(pair), 0);
	job->socket = pair[0];
	cr_assert_eq(msg_send_job(job->socket, &m, NULL), 0);
	job_give_ring(job, ring_bytes, continue_90k);
	job->asked_us = clock_mono_us();
	cr_assert_eq(msg_send_fork_job(fm->socket, &(struct msg_fork_job){}, &pair[1]), 0);
	close(pair[1]);
}

/* As the master does: only the job may write from now on. */
static inline void job_seal(struct fake_job *job)
{
	cr_assert_eq(shm_seal_writer(job->ring_fd), 0);
	ring_close(&job->ring);
	cr_assert_eq(ring_open(&job->ring, job->ring_fd, job->ring_bytes, TS_PACKET), 0);
	close(job->ring_fd);
	job->mapped = true;
}

static inline void job_heard(struct fake_job *job, struct msg *m)
{
	struct msg_hello hello;
	struct msg_job_source source;
	struct msg_job_output_failed output;
	struct msg_job_failed failed;
	struct msg_job_ring_small small;
	struct msg_job_running running;

	if (m->type == MSG_HELLO && msg_decode_hello(m->bytes, m->len, &hello) == 0)
		job->pid = (pid_t)hello.pid;
	if (m->type == MSG_JOB_MAPPED)
		job_seal(job);
	if (m->type == MSG_JOB_RUNNING && msg_decode_job_running(m->bytes, m->len, &running) == 0)
		job->running = job->running || running.generation == job->generation;
	job->ended = job->ended || m->type == MSG_JOB_ENDED;
	job->stalled = job->stalled || m->type == MSG_JOB_STALLED;
	if (m->type == MSG_JOB_RING_SMALL &&
	    msg_decode_job_ring_small(m->bytes, m->len, &small) == 0)
		job->wanted_bytes = small.wanted_bytes;
	if (m->type == MSG_JOB_SOURCE && msg_decode_job_source(m->bytes, m->len, &source) == 0) {
		job->told = true;
		job->kind = source.kind;
		job->live = source.live;
		job->pictures = source.pictures;
	}
	if (m->type == MSG_JOB_OUTPUT_FAILED &&
	    msg_decode_job_output_failed(m->bytes, m->len, &output) == 0) {
		job->output_failed = true;
		job->status = output.status;
		snprintf(job->text, sizeof(job->text), "%s", output.text);
	}
	if (m->type == MSG_JOB_FAILED && msg_decode_job_failed(m->bytes, m->len, &failed) == 0) {
		job->failed = true;
		job->status = failed.status;
		snprintf(job->text, sizeof(job->text), "%s", failed.text);
	}
}

/* Listens until *what is true; false after timeout_ms or when the job is gone. */
static inline bool job_await(struct fake_job *job, const bool *what, int timeout_ms)
{
	static struct msg m;
	uint64_t end_us = clock_mono_us() + (uint64_t)timeout_ms * 1000;

	while (!*what) {
		uint64_t now_us = clock_mono_us();

		if (now_us >= end_us ||
		    !await_message(job->socket, &m, (int)((end_us - now_us) / 1000) + 1))
			return *what;
		job_heard(job, &m);
		msg_done(&m);
	}
	return true;
}

/* Waits for the ring to hold more than `bytes`. */
static inline bool job_await_bytes(struct fake_job *job, uint64_t bytes, int timeout_ms)
{
	uint64_t end_us = clock_mono_us() + (uint64_t)timeout_ms * 1000;
	bool never = false;

	while (ring_commit(&job->ring) <= bytes) {
		if (clock_mono_us() > end_us)
			return false;
		job_await(job, &never, 1);
	}
	return true;
}

static inline int job_stop(struct fake_job *job)
{
	int status = 0, sent;
	bool hello = false;

	if (!job->pid)
		job_await(job, &hello, 100);
	sent = msg_send_shutdown(job->socket, &(struct msg_shutdown){}, NULL);
	cr_assert(sent == 0 || sent == -EPIPE);
	if (job->pid)
		waitpid(job->pid, &status, 0);
	close(job->socket);
	ring_close(&job->ring);
	return status;
}

#define MEDIA_H264_AAC                                                                             \
	"-f lavfi -i testsrc2=size=640x360:rate=25 -f lavfi -i sine=frequency=440 "                \
	"-c:v libx264 -preset ultrafast -bf 2 -g 25 -b:v 1M -pix_fmt yuv420p -c:a aac -b:a 96k "

#endif
