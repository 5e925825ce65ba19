/* test_roles.c - the roles that make outputs as real jobs of the real nursery: in the sandbox, with
 * the threads of codecs, with fonts */
#include "fake_master.h"
#include "http_server.h"

#define RING (8u << 20)

/* A job in a role, its first output on. */
static void role_start(struct fake_master *fm, struct fake_job *job, enum job_role role,
		       const char *spec, const char *output)
{
	struct msg_job m = {.role = role,
			    .master_pid = (uint32_t)getpid(),
			    .key = "5",
			    .spec = spec,
			    .continue_90k = TIME_NONE,
			    .epoch_mono_us = (int64_t)clock_mono_us(),
			    .log_level = getenv("TEST_DEBUG") ? 0 : 2};
	struct msg_job_output o = {.output = 7,
				   .generation = 1,
				   .data_bytes = RING,
				   .continue_90k = TIME_NONE,
				   .spec = output};
	int pair[2], fd;

	*job = (struct fake_job){.generation = 1, .ring_bytes = RING};
	cr_assert_eq(msg_socketpair(pair), 0);
	job->socket = pair[0];
	cr_assert_eq(msg_send_job(job->socket, &m, NULL), 0);
	fd = ring_create("test", RING, 1);
	cr_assert_geq(fd, 0);
	job->ring_fd = fd;
	cr_assert_eq(msg_send_job_output(job->socket, &o, &fd), 0);
	job->asked_us = clock_mono_us();
	cr_assert_eq(msg_send_fork_job(fm->socket, &(struct msg_fork_job){}, &pair[1]), 0);
	close(pair[1]);
	cr_assert(job_await(job, &job->mapped, 5000), "%s", job->text);
}

Test(roles, lavfi_with_a_font)
{
	struct fake_master fm;
	struct fake_job job;

	master_start(&fm);
	role_start(&fm, &job, JOB_BOTH,
		   "{\"channel\":5,\"name\":\"t\",\"source\":\"testsrc2=size=640x360:rate=25,"
		   "drawtext=text='%{localtime}':fontsize=40:fontcolor=white[out0];"
		   "sine=frequency=440[out1]\",\"input_options\":[[\"f\",\"lavfi\"]]}",
		   "{\"options\":[[\"preset\",\"veryfast\"],[\"b:v\",\"800k\"]]}");
	cr_assert(job_await(&job, &job.running, 10000), "%s", job.text);
	fprintf(stderr, "lavfi: %llu ms to the first access point\n",
		(unsigned long long)(clock_mono_us() - job.asked_us) / 1000);
	cr_assert(job_await_bytes(&job, 200000, 10000), "%s", job.text);
	cr_expect_eq(job_stop(&job), 0);
	master_stop(&fm);
}

Test(roles, ingest_feeds_derive)
{
	struct fake_master fm;
	struct fake_job ingest, derive;
	static char spec[8192];
	struct msg_job_source_ring s = {
		.generation = 1, .data_bytes = RING, .unit_bytes = TS_PACKET};
	int fd;

	snprintf(
		spec, sizeof(spec),
		"{\"channel\":5,\"name\":\"t\",\"source\":\"%s\",\"input_options\":[[\"stream_loop\","
		"\"-1\"]]}",
		media_file("h264.ts", MEDIA_H264_AAC "-t 6 -f mpegts"));
	master_start(&fm);
	job_start(&fm, &ingest, spec, TIME_NONE, RING);
	fd = dup(ingest.ring_fd);
	cr_assert(job_await(&ingest, &ingest.running, 5000), "%s", ingest.text);
	cr_assert(job_await_bytes(&ingest, 300000, 5000));
	role_start(
		&fm, &derive, JOB_DERIVE, "{\"channel\":5,\"name\":\"t\"}",
		"{\"options\":[[\"vcodec\",\"libx264\"],[\"preset\",\"fast\"],[\"b:v\",\"800k\"],"
		"[\"vf\",\"scale=-1:240\"],[\"acodec\",\"aac\"]]}");
	derive.asked_us = clock_mono_us();
	cr_assert_eq(msg_send_job_source_ring(derive.socket, &s, &fd), 0);
	cr_assert(job_await(&derive, &derive.running, 10000), "%s", derive.text);
	fprintf(stderr, "derive: %llu ms from the source ring to the first access point\n",
		(unsigned long long)(clock_mono_us() - derive.asked_us) / 1000);
	cr_assert(job_await_bytes(&derive, 200000, 10000), "%s", derive.text);
	cr_expect_eq(job_stop(&derive), 0);
	cr_expect_eq(job_stop(&ingest), 0);
	close(fd);
	master_stop(&fm);
}

static const char *webm_file(void)
{
	return media_file("vp9.webm", "-f lavfi -i testsrc2=size=320x180:rate=25 -f lavfi -i "
				      "sine=frequency=440 -t 4 -c:v libvpx-vp9 -deadline realtime "
				      "-cpu-used 8 -g 25 -b:v 200k -c:a libopus -f webm");
}

Test(roles, both_transcodes_codecs_that_ts_cannot_carry)
{
	struct fake_master fm;
	struct fake_job job;
	static char spec[8192];

	snprintf(spec, sizeof(spec), "{\"channel\":5,\"name\":\"t\",\"source\":\"%s\"}",
		 webm_file());
	master_start(&fm);
	role_start(&fm, &job, JOB_BOTH, spec, "{\"options\":[[\"preset\",\"veryfast\"]]}");
	cr_assert(job_await(&job, &job.running, 10000), "%s", job.text);
	cr_assert(job_await(&job, &job.ended, 10000), "%s", job.text);
	cr_expect_eq(job_stop(&job), 0);
	role_start(&fm, &job, JOB_BOTH, spec, "{\"options\":[[\"vcodec\",\"copy\"]]}");
	cr_assert(job_await(&job, &job.output_failed, 10000));
	cr_expect(strstr(job.text, "vp9"), "%s", job.text);
	job_stop(&job);
	master_stop(&fm);
}

Test(roles, a_stopped_source_stalls_both_roles)
{
	struct fake_master fm;
	struct fake_job job;
	struct server s;
	static char spec[8192];

	snprintf(spec, sizeof(spec),
		 "{\"channel\":5,\"name\":\"t\",\"source\":\"%s\",\"stall_timeout_ms\":1500}",
		 serve_file(&s, webm_file(), false, true));
	master_start(&fm);
	role_start(&fm, &job, JOB_BOTH, spec, "{\"options\":[[\"preset\",\"veryfast\"]]}");
	cr_assert(job_await(&job, &job.running, 10000), "%s", job.text);
	cr_assert(job_await(&job, &job.failed, 10000));
	cr_expect(job.stalled);
	cr_expect_eq(job.status, 504);
	cr_expect_not(strstr(job.text, "secret"), "%s", job.text);
	job_stop(&job);
	pthread_join(s.thread, NULL);
	master_stop(&fm);
}
