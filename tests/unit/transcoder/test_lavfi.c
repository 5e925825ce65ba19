#include "derive_harness.h"

#define RING   (8u << 20)
#define SECOND 90000
#define PICTURE_AND_SOUND                                                                          \
	"{\"source\":\"testsrc2=size=640x360:rate=25[out0];sine=frequency=440[out1]\","            \
	"\"input_options\":[[\"f\",\"lavfi\"]]}"
#define FAST "[\"preset\",\"veryfast\"],[\"b:v\",\"800k\"]"

static double cpu_seconds(pid_t pid)
{
	char path[64], text[1024], *p;
	unsigned long user = 0, sys = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	cr_assert_not_null(f);
	cr_assert_not_null(fgets(text, sizeof(text), f));
	fclose(f);
	p = strrchr(text, ')');
	sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys);
	return (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
}

Test(lavfi, pictures_and_sound_follow_the_clock)
{
	struct rig rig;
	struct seen s;
	uint64_t start;
	double media, wall, first_cpu;

	rig_start(&rig, both_run, PICTURE_AND_SOUND);
	start = clock_mono_us();
	rig_output_on(&rig, 0, FAST, RING, TIME_NONE);
	cr_assert(rig_await(&rig, &rig.outputs[0].running), "%s", rig.text);
	first_cpu = cpu_seconds(rig.pid);
	cr_assert(rig_await_media(&rig, 0, 4 * SECOND), "%s", rig.text);
	wall = (double)(clock_mono_us() - start) / 1e6;
	fprintf(stderr, "first access point after %.2f s of CPU, %.2f s of CPU in %.2f s\n",
		first_cpu, cpu_seconds(rig.pid), wall);
	rig_see(&rig, 0, &s);
	cr_expect_eq(rig_stop(&rig), 0);
	media = (double)(s.last_pts[0] - s.first_pts[0]) / SECOND;
	cr_expect_eq(s.cc_errors, 0);
	cr_expect_eq(s.backward, 0);
	cr_expect_eq(s.width, 640);
	cr_expect_gt(s.packets[1], 100);
	/* CPU time: the load of the machine does not count */
	cr_expect_lt(first_cpu, 3.0);
	/* the lead at the start is 0.8 s; what comes later is not made before its time */
	cr_expect_lt(media, wall + 1.0, "%.2f s of media in %.2f s", media, wall);
}

Test(lavfi, two_outputs_share_the_timeline)
{
	struct rig rig;
	struct seen a, b;

	rig_start(&rig, both_run, PICTURE_AND_SOUND);
	rig_output_on(&rig, 0, FAST, RING, TIME_NONE);
	rig_output_on(&rig, 1, FAST ",[\"s\",\"320x180\"],[\"an\",null]", RING, TIME_NONE);
	cr_assert(rig_await_media(&rig, 0, 5 * SECOND), "%s", rig.text);
	cr_assert(rig_await_media(&rig, 1, 5 * SECOND), "%s", rig.text);
	rig_see(&rig, 0, &a);
	rig_see(&rig, 1, &b);
	cr_expect_eq(rig_stop(&rig), 0);
	cr_expect_eq(b.width, 320);
	cr_expect_eq(b.packets[1], 0);
	cr_assert_geq(a.keys, 2);
	cr_assert_geq(b.keys, 2);
	expect_aligned(&a, &b);
	expect_aligned(&b, &a);
}

Test(lavfi, continues_where_the_last_job_stopped)
{
	struct rig rig;
	struct seen s;

	rig_start(&rig, both_run, PICTURE_AND_SOUND);
	rig_output_on(&rig, 0, FAST, RING, 500 * SECOND);
	cr_assert(rig_await_media(&rig, 0, SECOND), "%s", rig.text);
	rig_see(&rig, 0, &s);
	cr_expect_eq(rig_stop(&rig), 0);
	cr_expect_geq(s.first_pts[0], 500 * SECOND);
	cr_expect_lt(s.first_pts[0], 501 * SECOND);
}

Test(lavfi, a_wrong_graph_is_reported_with_its_reason)
{
	static const char *const specs[] = {
		"{\"source\":\"testsrc3\",\"input_options\":[[\"f\",\"lavfi\"]]}",
		"{\"source\":\"[in]null\",\"input_options\":[[\"f\",\"lavfi\"]]}",
		"{\"source\":\"\",\"input_args\":[\"-f\",\"lavfi\"]}",
	};

	for (size_t i = 0; i < array_size(specs); i++) {
		struct rig rig;

		rig_start(&rig, both_run, specs[i]);
		rig_output_on(&rig, 0, FAST, RING, TIME_NONE);
		cr_expect(rig_await(&rig, &rig.failed), "%s", specs[i]);
		cr_expect_eq(rig.status, 502);
		cr_expect_neq(rig_stop(&rig), 0);
	}
}

Test(lavfi, a_graph_that_ends_ends_the_job)
{
	struct rig rig;
	struct seen s;

	rig_start(&rig, both_run,
		  "{\"source\":\"testsrc2=size=320x180:rate=25:duration=1\","
		  "\"input_options\":[[\"f\",\"lavfi\"]]}");
	rig_output_on(&rig, 0, FAST, RING, TIME_NONE);
	cr_expect(rig_await(&rig, &rig.ended), "%s", rig.text);
	rig_see(&rig, 0, &s);
	cr_expect_eq(s.frames, 25, "%u: the last pictures too", s.frames);
	cr_expect_eq(rig_stop(&rig), 0);
}
