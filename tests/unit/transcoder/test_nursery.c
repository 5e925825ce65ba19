/* test_nursery.c - the real nursery and real ingest jobs, driven as the master drives them */
#include "fake_master.h"

static char spec[8192];

static const char *file_spec(const char *path, const char *more)
{
	snprintf(spec, sizeof(spec), "{\"channel\":5,\"name\":\"t\",\"source\":\"%s\"%s}", path,
		 more);
	return spec;
}

static const char *ts_file(void)
{
	return media_file("h264.ts", MEDIA_H264_AAC "-t 6 -f mpegts");
}

static char *cmdline(pid_t pid)
{
	static char text[256];
	char path[64];
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	fd = open(path, O_RDONLY);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

Test(nursery, a_local_file_runs_in_a_child_of_the_master)
{
	struct fake_master fm;
	struct fake_job job;
	struct ring_rap rap;

	master_start(&fm);
	job_start(&fm, &job, file_spec(ts_file(), ""), TIME_NONE, 4 << 20);
	cr_assert(job_await(&job, &job.running, 5000), "%s", job.text);
	cr_assert(job.mapped);
	cr_assert(job.told);
	cr_assert_eq(job.kind, SOURCE_TS);
	cr_assert_eq(job.live, 0);
	cr_assert(job.pictures);
	cr_assert_str_eq(cmdline(job.pid), "amps-transcoder 5");
	cr_assert_eq(ring_find_rap(&job.ring, clock_mono_us(), 0, &rap), 0);
	cr_assert_eq(ring_intro(&rap, false).bytes[0], 0x47);
	/* the nursery may die: the job is the master's child and goes on */
	kill(fm.nursery, SIGKILL);
	cr_assert(job_await_bytes(&job, ring_commit(&job.ring), 3000));
	cr_assert_eq(job_stop(&job), 0);
	master_stop(&fm);
}

#define IDLE_MAX 2u

/* Waits for all children of this process that wait for a job; the oldest first. */
static void await_idle(pid_t ret[IDLE_MAX])
{
	uint64_t end_us = clock_mono_us() + 20000000;
	char path[64];
	unsigned count;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)gettid());
	do {
		FILE *children = fopen(path, "re");
		pid_t pid;

		cr_assert_not_null(children, "%s", path);
		for (count = 0; fscanf(children, "%d", &pid) == 1;)
			if (strcmp(cmdline(pid), "amps-transcoder (idle)") == 0) {
				cr_assert_lt(count, IDLE_MAX);
				ret[count++] = pid;
			}
		fclose(children);
		cr_assert_lt(clock_mono_us(), end_us, "%u idle children", count);
	} while (count < IDLE_MAX);
}

/* As a cold start of HLS does. */
Test(nursery, two_jobs_at_once_run_in_the_children_that_waited_for_them)
{
	struct fake_master fm;
	struct fake_job jobs[IDLE_MAX];
	pid_t waiting[IDLE_MAX];

	master_start(&fm);
	for (int round = 0; round < 3; round++) {
		await_idle(waiting);
		for (unsigned i = 0; i < IDLE_MAX; i++)
			job_start(&fm, &jobs[i], file_spec(ts_file(), ""), TIME_NONE, 4 << 20);
		for (unsigned i = 0; i < IDLE_MAX; i++) {
			cr_assert(job_await(&jobs[i], &jobs[i].running, 20000), "%s", jobs[i].text);
			cr_assert_eq(jobs[i].pid, waiting[i]);
			cr_assert_eq(job_stop(&jobs[i]), 0);
		}
	}
	master_stop(&fm);
}

/* More at once than wait, and one that waits is dead. */
Test(nursery, jobs_beyond_those_that_wait_are_forked)
{
	struct fake_master fm;
	struct fake_job jobs[5];
	pid_t waiting[IDLE_MAX];

	master_start(&fm);
	await_idle(waiting);
	kill(waiting[0], SIGKILL);
	cr_assert_eq(waitpid(waiting[0], NULL, 0), waiting[0]);
	for (unsigned i = 0; i < array_size(jobs); i++)
		job_start(&fm, &jobs[i], file_spec(ts_file(), ""), TIME_NONE, 4 << 20);
	for (unsigned i = 0; i < array_size(jobs); i++) {
		cr_assert(job_await(&jobs[i], &jobs[i].running, 20000), "%s", jobs[i].text);
		cr_assert_eq(job_stop(&jobs[i]), 0);
	}
	master_stop(&fm);
}

Test(nursery, a_film_ends)
{
	struct fake_master fm;
	struct fake_job job;
	int status;

	master_start(&fm);
	job_start(&fm, &job, file_spec(media_file("short.ts", MEDIA_H264_AAC "-t 1 -f mpegts"), ""),
		  TIME_NONE, 4 << 20);
	cr_assert(job_await(&job, &job.ended, 5000), "%s", job.text);
	cr_assert_eq(atomic_load(&job.ring.header->ended), 1);
	cr_assert_eq(waitpid(job.pid, &status, 0), job.pid);
	cr_assert_eq(status, 0);
	job.pid = 0;
	close(job.socket);
	ring_close(&job.ring);
	master_stop(&fm);
}

Test(nursery, a_missing_file_is_reported)
{
	struct fake_master fm;
	struct fake_job job;

	master_start(&fm);
	job_start(&fm, &job, file_spec("/nonexistent/film.ts", ""), TIME_NONE, 1 << 20);
	cr_assert(job_await(&job, &job.failed, 5000));
	cr_assert_eq(job.status, 502);
	cr_assert(strstr(job.text, "No such file"), "%s", job.text);
	job_stop(&job);
	master_stop(&fm);
}
