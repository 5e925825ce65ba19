/* test_segment.c - the segments of one output, made from packets of a test in a ring of a test. */
#include "unit.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "amps-transcoder/segment/track.h"
#include "common/clock.h"
#include "common/shm/segment.h"
#include "common/shm/shm.h"
#include "ts_build.h"

#define HZ	  90000
#define SOURCE	  (4u << 20)
#define H264	  0x1b
#define PID_OTHER 0x201

/* A test plays master (socket, rings) and ingest (bytes). */
struct scene {
	char root[64];
	struct job job;
	int master; /* its end of the socket */
	struct cuts cuts;
	struct segment_track *track;
	int index_fd, source_fd;
	struct ring index;
	uint64_t generation;
	struct ring_writer source;
	struct ts_parse parse; /* of what was written, for access points */
	struct ts_build build;
	uint8_t bytes[256 * TS_PACKET];
	int64_t pts_90k;
	bool independent;		    /* as the output's spec has it */
	bool two;			    /* another programme is in the source */
	unsigned video_pid, sounds, tables; /* of the programme; the version of its tables */
	bool said_running, said_failed;
	uint32_t failed_status;
};

static void source_open(struct scene *s)
{
	ring_writer_close(&s->source);
	close_fd(&s->source_fd);
	s->source_fd = ring_create("source", SOURCE, ++s->generation);
	cr_assert_eq(ring_writer_open(&s->source, s->source_fd, SOURCE), 0);
	cr_assert_eq(shm_seal_writer(s->source_fd), 0);
	ts_parse_init(&s->parse);
}

static void give_source(struct scene *s)
{
	struct job_event e = {.kind = JOB_EVENT_SOURCE_RING,
			      .fd = dup(s->source_fd), /* the track takes it */
			      .generation = s->generation,
			      .data_bytes = SOURCE,
			      .unit_bytes = TS_PACKET};

	segment_track_source(s->track, &e);
}

static void hear(struct scene *s)
{
	static struct msg m;

	while (msg_receive(s->master, &m) == 0) {
		struct msg_job_output_failed failed;

		s->said_running = s->said_running || m.type == MSG_JOB_RUNNING;
		if (m.type == MSG_JOB_OUTPUT_FAILED &&
		    msg_decode_job_output_failed(m.bytes, m.len, &failed) == 0) {
			s->said_failed = true;
			s->failed_status = failed.status;
		}
		msg_done(&m);
	}
}

/* An output whose segments last at least 1 s, of which 4 s are listed and 3 s more kept. */
static void give_output(struct scene *s)
{
	struct job_event e = {.kind = JOB_EVENT_OUTPUT,
			      .fd = s->index_fd,
			      .output = 3,
			      .generation = ++s->generation,
			      .data_bytes = RING_BYTES_LEAST,
			      .form = OUTPUT_HLS_TS};

	e.spec = json_pack("{si si si si sb}", "track", 0, "segment_ms", 1000, "window_ms", 4000,
			   "keep_ms", 3000, "independent", s->independent);
	s->track = segment_track_new(&s->job, &s->cuts, &e);
	json_decref(e.spec);
	hear(s);
}

static void index_make(struct scene *s)
{
	s->index_fd = ring_create("index", RING_BYTES_LEAST, 1);
	cr_assert_geq(s->index_fd, 0);
}

static void index_open(struct scene *s)
{
	cr_assert_eq(shm_seal_writer(s->index_fd), 0);
	cr_assert_eq(ring_open(&s->index, s->index_fd, RING_BYTES_LEAST, sizeof(struct segment)),
		     0);
}

static void scene_open(struct scene *s)
{
	char path[96];
	int pair[2];

	memset(s, 0, sizeof(*s));
	s->source_fd = -1;
	strcpy(s->root, "/tmp/amps-segment-XXXXXX");
	cr_assert_not_null(mkdtemp(s->root));
	snprintf(path, sizeof(path), "%s/5", s->root);
	cr_assert_eq(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/5/0", s->root);
	cr_assert_eq(mkdir(path, 0700), 0);
	cr_assert_eq(msg_socketpair(pair), 0);
	s->master = pair[0];
	s->job.socket = pair[1];
	s->job.spec = json_pack("{ss si}", "media_root", s->root, "channel", 5);
	s->build = (struct ts_build){.bytes = s->bytes, .cap = sizeof(s->bytes)};
	s->pts_90k = 10 * HZ;
	s->video_pid = PID_VIDEO;
	cuts_init(&s->cuts, clock_wall_us(), 3, 0);
	index_make(s);
	source_open(s);
}

static unsigned count_files(const struct scene *s)
{
	char path[96];
	unsigned n = 0;
	const struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "%s/5/0", s->root);
	d = opendir(path);
	cr_assert_not_null(d);
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void scene_close(struct scene *s)
{
	char path[96];

	s->track = segment_track_free(s->track, true);
	cr_expect_eq(count_files(s), 0, "files are left");
	snprintf(path, sizeof(path), "%s/5/0", s->root);
	rmdir(path);
	snprintf(path, sizeof(path), "%s/5", s->root);
	rmdir(path);
	cr_expect_eq(rmdir(s->root), 0);
	if (s->index.header)
		ring_close(&s->index);
	ring_writer_close(&s->source);
	close_fd(&s->source_fd);
	close_fd(&s->index_fd);
	close_fd(&s->job.socket);
	close_fd(&s->master);
	json_decref(s->job.spec);
}

/* Publishes what was built, with its access points. */
static void pour(struct scene *s)
{
	struct ts_rap rap;

	for (size_t at = 0; at < s->build.len; at += TS_PACKET) {
		uint64_t pos = s->source.commit;

		ring_writer_append(&s->source, s->bytes + at, TS_PACKET);
		if (ts_parse_packet(&s->parse, s->bytes + at, pos, &rap) & TS_SAW_RAP) {
			struct ring_rap slot = {0};

			ts_rap_pack(&rap, &slot);
			s->source.last_rap_us = 0;
			ring_writer_add_rap(&s->source, &slot);
		}
	}
	s->build.len = 0;
}

/* The PAT of the programme of build_pmt(), and of another one behind it. */
static void build_two_programmes(struct ts_build *b)
{
	uint8_t s[64] = {0x00,		 0, 0, 0,    1, 0xc1, 0, 0, 0, 1, 0xe0 | PID_PMT >> 8,
			 PID_PMT & 0xff, 0, 2, 0xe2, 0};

	build_section(b, 0, s, 16);
}

/* A picture every 40 ms, an access point each gop_ms. */
static void play(struct scene *s, unsigned ms, unsigned gop_ms)
{
	static const uint8_t idr[] = "\0\0\0\1\x09\xf0\0\0\0\1\x67\x42";
	static const uint8_t slice[] = "\0\0\0\1\x09\xf0\0\0\0\1\x41\x9a";

	for (unsigned at = 0; at < ms; at += 40, s->pts_90k += 3600) {
		bool key = at % gop_ms == 0;

		if (key && s->two)
			build_two_programmes(&s->build);
		if (s->two)
			build_packet(&s->build, PID_OTHER, false);
		if (key) {
			if (!s->two)
				build_pat(&s->build);
			build_pmt(&s->build, s->video_pid, H264, s->sounds, s->tables);
		}
		build_pes(&s->build, s->video_pid, s->pts_90k, s->pts_90k, key, key ? idr : slice,
			  12);
		build_packet(&s->build, s->video_pid, false);
		pour(s);
	}
}

static enum segment_step take(struct scene *s)
{
	enum segment_step step;

	do
		step = segment_track_step(s->track);
	while (step == SEGMENT_MOVED);
	hear(s);
	return step;
}

static void start(struct scene *s)
{
	scene_open(s);
	give_output(s);
	cr_assert_not_null(s->track);
	index_open(s);
	give_source(s);
}

static struct segment newest(const struct scene *s)
{
	struct segment e;

	cr_assert_eq(segment_newest(&s->index, &e), 0);
	return e;
}

static size_t file_read(const struct scene *s, uint32_t number, uint8_t *dst, size_t cap)
{
	char path[96];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/5/0/%u.ts", s->root, number);
	fd = open(path, O_RDONLY);
	cr_assert_geq(fd, 0, "%s", path);
	n = read(fd, dst, cap);
	close(fd);
	cr_assert_gt(n, 0);
	return (size_t)n;
}

static bool file_exists(const struct scene *s, uint32_t number)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/5/0/%u.ts", s->root, number);
	return access(path, F_OK) == 0;
}

Test(segment_track, files_join_without_a_break)
{
	static uint8_t bytes[1 << 20];
	struct segment last, first;
	struct ts_parse p;
	struct ts_rap rap;
	size_t n = 0;
	struct scene s;

	start(&s);
	play(&s, 5000, 1000);
	cr_assert_eq(take(&s), SEGMENT_IDLE);
	cr_assert(s.said_running);
	last = newest(&s);
	cr_assert_eq(segment_read(&s.index, last.oldest, &first), 0);
	cr_assert_eq(last.number - first.number, 3, "four complete ones");
	for (uint32_t i = first.number; i <= last.number; i++) {
		size_t more = file_read(&s, i, bytes + n, sizeof(bytes) - n);
		struct segment e;

		cr_assert_eq(segment_read(&s.index, i, &e), 0);
		cr_expect_eq(e.bytes, more);
		cr_expect_eq(e.duration_90k, HZ);
		cr_expect_eq(e.flags, SEGMENT_INDEPENDENT | SEGMENT_LAST);
		cr_expect_eq(e.wall_us - first.wall_us, (int64_t)(i - first.number) * 1000000);
		cr_expect_eq(bytes[n + 1] & 0x1f, 0, "the PAT comes first");
		n += more;
	}
	ts_parse_init(&p);
	for (size_t at = 0; at < n; at += TS_PACKET)
		ts_parse_packet(&p, bytes + at, at, &rap);
	cr_expect_eq(p.cc_errors, 0, "%llu", (unsigned long long)p.cc_errors);
	cr_expect_eq(p.raps, 4);
	scene_close(&s);
}

Test(segment_track, a_running_source_is_read_from_its_oldest_access_point)
{
	struct segment first;
	struct scene s;

	scene_open(&s);
	play(&s, 5000, 1000);
	give_output(&s);
	cr_assert_not_null(s.track);
	index_open(&s);
	give_source(&s);
	take(&s);
	cr_expect_eq(newest(&s).number - newest(&s).oldest, 3, "four complete ones at once");
	cr_assert_eq(segment_read(&s.index, newest(&s).oldest, &first), 0);
	cr_expect_eq(first.start_90k, 10 * HZ);
	scene_close(&s);
}

Test(segment_track, the_facts_come_with_the_first_segment)
{
	struct segment_media m;
	struct scene s;

	start(&s);
	play(&s, 2000, 1000);
	take(&s);
	cr_assert_eq(segment_media_read(&s.index, &m), 0);
	cr_expect_eq(m.target_s, 1);
	cr_expect_eq(m.rate_milli, 25000);
	cr_expect_gt(m.peak_bps, 0);
	cr_expect_leq(m.average_bps, m.peak_bps);
	scene_close(&s);
}

Test(segment_track, a_long_group_is_cut_without_an_access_point)
{
	struct segment e;
	struct scene s;

	start(&s);
	play(&s, 2000, 1000);
	play(&s, 3000, 8000);
	take(&s);
	e = newest(&s);
	cr_expect_eq(e.duration_90k, 133200, "it rounds to the target duration");
	cr_assert_eq(segment_read(&s.index, e.number, &e), 0);
	cr_expect_not(e.flags & SEGMENT_INDEPENDENT);
	scene_close(&s);
}

Test(segment_track, segments_are_independent_until_one_is_not)
{
	struct segment_media m;
	struct scene s;

	scene_open(&s);
	s.independent = true;
	give_output(&s);
	cr_assert_not_null(s.track);
	index_open(&s);
	give_source(&s);
	play(&s, 2000, 1000);
	take(&s);
	cr_assert_eq(segment_media_read(&s.index, &m), 0);
	cr_expect_eq(m.independent, 1);
	/* the encoder breaks its rule */
	play(&s, 2080, 8000);
	play(&s, 4000, 1000);
	take(&s);
	/* facts of segments that came at once */
	usleep(110000);
	take(&s);
	cr_assert_eq(segment_media_read(&s.index, &m), 0);
	cr_expect_eq(m.independent, 0);
	scene_close(&s);
}

Test(segment_track, dates_follow_the_pictures_over_a_change_of_the_source)
{
	struct segment before, after;
	struct scene s;

	start(&s);
	play(&s, 2520, 1000);
	take(&s);
	source_open(&s);
	/* as late as the pictures say, although its packets come at once */
	s.pts_90k += 3 * HZ;
	give_source(&s);
	before = newest(&s);
	play(&s, 2000, 1000);
	take(&s);
	cr_assert_eq(segment_read(&s.index, before.number + 1, &after), 0);
	cr_expect_eq(after.start_90k, before.start_90k + before.duration_90k + 3 * HZ);
	cr_expect_eq(after.wall_us,
		     before.wall_us + (after.start_90k - before.start_90k) * 100 / 9);
	scene_close(&s);
}

Test(segment_track, of_two_programmes_the_first_is_kept)
{
	static uint8_t bytes[1 << 18];
	struct ts_parse p;
	struct ts_rap rap;
	struct scene s;

	scene_open(&s);
	s.two = true;
	give_output(&s);
	cr_assert_not_null(s.track);
	index_open(&s);
	give_source(&s);
	play(&s, 4000, 1000);
	take(&s);
	ts_parse_init(&p);
	for (uint32_t i = newest(&s).oldest; i <= newest(&s).number; i++) {
		size_t n = file_read(&s, i, bytes, sizeof(bytes));

		for (size_t at = 0; at < n; at += TS_PACKET) {
			cr_expect_neq(ts_pid(bytes + at), PID_OTHER);
			cr_expect_neq(ts_pid(bytes + at), TS_PID_NONE);
			ts_parse_packet(&p, bytes + at, at, &rap);
			cr_expect_eq(p.program_count, 1);
		}
	}
	cr_expect_eq(p.cc_errors, 0);
	cr_expect_eq(p.raps, newest(&s).number - newest(&s).oldest + 1);
	scene_close(&s);
}

/* The signature of a segment's address is that of the time which a worker sees at its file. */
Test(segment_track, an_entry_has_the_time_of_its_file)
{
	struct stat st;
	struct scene s;
	char path[96];

	start(&s);
	play(&s, 400, 1000);
	take(&s);
	/* the source is silent for a while; the next access point is too early for a segment */
	usleep(1100000);
	play(&s, 400, 1000);
	play(&s, 1000, 1000);
	play(&s, 40, 1000);
	take(&s);
	snprintf(path, sizeof(path), "%s/5/0/%u.ts", s.root, newest(&s).oldest);
	cr_assert_eq(stat(path, &st), 0);
	{
		struct segment first;

		cr_assert_eq(segment_read(&s.index, newest(&s).oldest, &first), 0);
		cr_expect_eq(first.made_s, st.st_mtim.tv_sec);
	}
	scene_close(&s);
}

/* Opens the scene and fills a segment; its facts. */
static struct segment first_segment(struct scene *s)
{
	start(s);
	play(s, 2520, 1000);
	take(s);
	return newest(s);
}

/* The facts of a segment some files after `before`: it begins with a discontinuity. */
static struct segment expect_discontinuity(const struct scene *s, const struct segment *before,
					   uint32_t ahead)
{
	struct segment after;

	cr_assert_eq(segment_read(&s->index, before->number + ahead, &after), 0);
	cr_expect_eq(after.flags, SEGMENT_INDEPENDENT | SEGMENT_DISCONTINUITY | SEGMENT_LAST);
	cr_expect_eq(after.discontinuity, before->discontinuity + 1);
	return after;
}

Test(segment_track, another_source_is_a_discontinuity)
{
	struct segment before, after;
	struct scene s;

	before = first_segment(&s);
	source_open(&s);
	s.pts_90k += HZ;
	give_source(&s);
	cr_expect_eq(newest(&s).number, before.number + 1, "the rest is a short segment");
	cr_expect_eq(newest(&s).duration_90k, 46800, "0.52 s");
	play(&s, 2000, 1000);
	take(&s);
	after = expect_discontinuity(&s, &before, 2);
	cr_expect_eq(newest(&s).number, after.number);
	cr_expect_geq(after.wall_us, before.wall_us);
	scene_close(&s);
}

/* A file has the streams of one programme: all packets of pictures have this PID. */
static void expect_pictures(const struct scene *s, uint32_t number, unsigned pid)
{
	static uint8_t bytes[1 << 20];
	size_t n = file_read(s, number, bytes, sizeof(bytes));

	for (size_t at = 0; at < n; at += TS_PACKET)
		if (ts_pid(bytes + at) > PID_PMT)
			cr_assert_eq(ts_pid(bytes + at), pid, "in %u", number);
}

static unsigned last_pid(const struct scene *s, uint32_t number)
{
	static uint8_t bytes[1 << 20];
	size_t n = file_read(s, number, bytes, sizeof(bytes));

	cr_assert(n >= TS_PACKET && n % TS_PACKET == 0);
	return ts_pid(bytes + n - TS_PACKET);
}

Test(segment_track, other_pictures_are_a_discontinuity_at_once)
{
	struct segment before, after;
	struct scene s;

	before = first_segment(&s);
	s.video_pid = 0x180;
	s.tables = 1;
	play(&s, 2000, 1000);
	take(&s);
	cr_assert_eq(segment_read(&s.index, before.number + 1, &after), 0);
	cr_expect_eq(after.duration_90k, 46800, "what was left of the old ones");
	expect_pictures(&s, before.number + 1, PID_VIDEO);
	cr_expect_neq(last_pid(&s, before.number + 1), 0, "the new PAT is not in the old file");
	after = expect_discontinuity(&s, &before, 2);
	expect_pictures(&s, before.number + 2, 0x180);
	scene_close(&s);
}

/* The access point with which they come is shown before the old ones end, so no segment begins with
 * it. */
Test(segment_track, other_pictures_that_begin_too_early_wait_for_the_next_access_point)
{
	struct segment before, after;
	struct scene s;

	start(&s);
	play(&s, 12520, 1000); /* longer than pictures are held back at the start */
	take(&s);
	before = newest(&s);
	s.video_pid = 0x180;
	s.tables = 1;
	s.pts_90k -= 2 * 3600;
	play(&s, 3000, 1000);
	take(&s);
	cr_assert_eq(segment_read(&s.index, before.number + 2, &after), 0);
	cr_expect_eq(after.flags, SEGMENT_INDEPENDENT | SEGMENT_DISCONTINUITY | SEGMENT_LAST);
	expect_pictures(&s, before.number + 2, 0x180);
	scene_close(&s);
}

Test(segment_track, another_sound_is_a_discontinuity_at_the_next_access_point)
{
	struct segment before, after;
	struct scene s;

	start(&s);
	play(&s, 2480, 1000);
	take(&s);
	before = newest(&s);
	s.sounds = 1;
	s.tables = 1;
	build_pat(&s.build);
	build_pmt(&s.build, s.video_pid, H264, s.sounds, s.tables);
	s.pts_90k += 520 * 90;
	play(&s, 2040, 1000);
	take(&s);
	cr_assert_eq(segment_read(&s.index, before.number + 1, &after), 0);
	cr_expect_eq(after.duration_90k, HZ, "no picture is lost: %u", after.duration_90k);
	after = expect_discontinuity(&s, &before, 2);
	/* tables that come again with the same streams are none */
	s.tables = 2;
	play(&s, 2040, 1000);
	take(&s);
	cr_expect_eq(newest(&s).discontinuity, after.discontinuity);
	scene_close(&s);
}

/* The last picture is known to be complete only when the next one begins. */
Test(segment_track, a_picture_that_breaks_off_is_left_out)
{
	static uint8_t bytes[1 << 20];
	unsigned pictures = 0;
	struct scene s;
	size_t n;

	start(&s);
	play(&s, 1480, 1000);
	take(&s);
	source_open(&s);
	give_source(&s);
	n = file_read(&s, newest(&s).number, bytes, sizeof(bytes));
	for (size_t at = 0; at < n; at += TS_PACKET)
		pictures += ts_pid(bytes + at) == PID_VIDEO && bytes[at + 1] & 0x40;
	cr_expect_eq(pictures, 11, "0.48 s are twelve: %u", pictures);
	scene_close(&s);
}

/* A key frame of ultra-high definition is larger than a megabyte. */
Test(segment_track, a_large_picture_that_breaks_off_is_left_out)
{
	static uint8_t bytes[2 << 20];
	struct scene s;

	start(&s);
	play(&s, 1480, 1000);
	build_pes(&s.build, PID_VIDEO, s.pts_90k, s.pts_90k, false, NAL_SLICE);
	for (unsigned i = 0; i < 6400; i++) {
		build_packet(&s.build, PID_VIDEO, false);
		if (i % 200 == 0) {
			pour(&s);
			take(&s);
		}
	}
	pour(&s);
	take(&s);
	source_open(&s);
	give_source(&s);
	cr_expect_leq(file_read(&s, newest(&s).number, bytes, sizeof(bytes)), 100 * TS_PACKET);
	scene_close(&s);
}

Test(segment_track, files_go_some_time_after_they_left_the_playlist)
{
	struct segment e;
	uint32_t first;
	struct scene s;

	start(&s);
	play(&s, 2000, 1000);
	take(&s);
	first = newest(&s).number;
	play(&s, 10000, 1000);
	take(&s);
	e = newest(&s);
	cr_expect_eq(e.number - e.oldest + 1, 4, "4 s are listed");
	cr_expect(file_exists(&s, first), "a player may still ask for it");
	usleep(3100000);
	play(&s, 1000, 1000);
	take(&s);
	cr_expect_not(file_exists(&s, first));
	cr_expect(file_exists(&s, newest(&s).oldest));
	scene_close(&s);
}

Test(segment_track, near_the_limit_playlists_and_files_are_fewer)
{
	struct scene s;

	start(&s);
	segment_track_window(s.track, 10);
	play(&s, 12000, 1000);
	take(&s);
	cr_expect_eq(newest(&s).number - newest(&s).oldest + 1, 3, "never less than three");
	scene_close(&s);
}

Test(segment_track, the_next_job_takes_over_numbers_and_files)
{
	struct segment before, after;
	struct scene s;
	char path[96];

	start(&s);
	play(&s, 4520, 1000);
	take(&s);
	before = newest(&s);
	/* it is killed: the file that grows stays */
	snprintf(path, sizeof(path), "%s/5/0/%u.ts", s.root, before.number + 1);
	s.track = segment_track_free(s.track, false);
	close(open(path, O_WRONLY | O_CREAT, 0600));
	snprintf(path, sizeof(path), "%s/5/0/7.ts", s.root);
	close(open(path, O_WRONLY | O_CREAT, 0600));

	/* the master carries the index over */
	{
		struct ring old = s.index;
		int old_fd = s.index_fd;
		struct ring_writer w;
		struct ring_rap rap;

		index_make(&s);
		cr_assert_eq(ring_writer_open(&w, s.index_fd, RING_BYTES_LEAST), 0);
		ring_writer_begin(&w, segment_position(before.oldest));
		for (uint32_t n = before.oldest; n <= before.number; n++) {
			struct segment e;

			cr_assert_eq(segment_read(&old, n, &e), 0);
			ring_writer_append(&w, &e, sizeof(e));
		}
		cr_assert_eq(ring_find_rap(&old, clock_mono_us(), 0, &rap), 0);
		ring_writer_add_rap(&w, &rap);
		ring_writer_close(&w);
		ring_close(&old);
		close(old_fd);
	}
	cuts_init(&s.cuts, clock_wall_us(), 3, 0);
	s.said_running = false;
	give_output(&s);
	cr_assert_not_null(s.track);
	cr_expect(s.said_running, "the old segments can be played at once");
	index_open(&s);
	cr_expect_not(file_exists(&s, 7), "what is not listed goes");
	cr_expect_not(file_exists(&s, before.number + 1));
	give_source(&s);
	play(&s, 2000, 1000);
	take(&s);
	after = expect_discontinuity(&s, &before, 1);
	cr_expect_eq(after.start_90k, before.start_90k + before.duration_90k,
		     "it goes on where the old job stopped");
	cr_expect_eq(after.wall_us, before.wall_us + 1000000);
	cr_expect(file_exists(&s, after.oldest));
	scene_close(&s);
}

Test(segment_track, a_planted_link_is_not_followed)
{
	char path[96], target[96];
	struct stat st;
	struct scene s;

	start(&s);
	snprintf(target, sizeof(target), "%s/target", s.root);
	close(open(target, O_WRONLY | O_CREAT, 0600));
	for (unsigned i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/5/0/%u.ts", s.root, s.cuts.next + i);
		cr_assert_eq(symlink(target, path), 0);
	}
	play(&s, 3000, 1000);
	take(&s);
	cr_assert_eq(stat(target, &st), 0);
	cr_expect_eq(st.st_size, 0);
	cr_expect_eq(newest(&s).bytes > 0, true);
	unlink(target);
	scene_close(&s);
}

Test(segment_track, a_folder_that_is_gone_fails_the_output_alone)
{
	struct scene s;
	char path[96];

	scene_open(&s);
	snprintf(path, sizeof(path), "%s/5/0", s.root);
	rmdir(path);
	give_output(&s);
	cr_expect_null(s.track);
	cr_expect(s.said_failed);
	cr_expect_eq(s.failed_status, 502);
	mkdir(path, 0700);
	scene_close(&s);
}

Test(segment_track, the_end_of_the_source_is_the_end_of_the_index)
{
	struct scene s;

	start(&s);
	play(&s, 2520, 1000);
	take(&s);
	ring_writer_ended(&s.source);
	cr_expect_eq(take(&s), SEGMENT_ENDED);
	cr_expect(ring_ended(&s.index));
	cr_expect_eq(newest(&s).duration_90k, 46800);
	scene_close(&s);
}

Test(segment_track, a_source_of_less_than_a_group_can_be_played)
{
	struct segment_media m;
	struct scene s;

	start(&s);
	play(&s, 600, 1000);
	ring_writer_ended(&s.source);
	cr_expect_eq(take(&s), SEGMENT_ENDED);
	cr_expect(s.said_running);
	cr_assert_eq(segment_media_read(&s.index, &m), 0);
	cr_expect_eq(m.target_s, 1);
	scene_close(&s);
}

Test(segment_track, a_cold_start_waits_for_two_segments)
{
	struct scene s;

	start(&s);
	play(&s, 1040, 1000);
	take(&s);
	cr_expect_not(s.said_running, "a player would run dry behind the first one");
	play(&s, 1200, 1000);
	take(&s);
	cr_expect(s.said_running);
	scene_close(&s);
}

Test(segment_track, a_long_segment_need_not_wait_for_another_one)
{
	struct scene s;

	start(&s);
	play(&s, 5040, 5000);
	take(&s);
	cr_expect(s.said_running);
	scene_close(&s);
}

Test(segment_track, the_first_playlist_has_all_that_the_ring_had)
{
	struct segment e;
	struct scene s;

	scene_open(&s);
	play(&s, 60520, 1000); /* more than is read at once */
	give_output(&s);
	cr_assert_not_null(s.track);
	index_open(&s);
	give_source(&s);
	while (!s.said_running) {
		cr_assert_neq(segment_track_step(s.track), SEGMENT_FAILED);
		hear(&s);
	}
	e = newest(&s);
	cr_expect_eq(e.number - e.oldest, 3, "four seconds are listed");
	cr_expect_eq(e.start_90k, 69 * HZ);
	scene_close(&s);
}
