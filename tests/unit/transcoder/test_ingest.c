/* test_ingest.c - real ingest jobs on real sources: what is in the ring is a stream that goes on */
#include "fake_master.h"
#include "http_server.h"
#include "ts_build.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "amps-transcoder/ts/parse.h"

static char spec[8192];
static struct fake_master fm;
static struct fake_job job;

static const char *source_spec(const char *source, const char *more)
{
	snprintf(spec, sizeof(spec), "{\"channel\":5,\"source\":\"%s\"%s}", source, more);
	return spec;
}

static const char *ts_file(void)
{
	return media_file("h264.ts", MEDIA_H264_AAC "-t 6 -f mpegts");
}

static const char *short_file(void)
{
	return media_file("short.ts", MEDIA_H264_AAC "-t 1 -f mpegts");
}

/* What a reader of the ring sees. */
struct watch {
	struct ts_parse parse;
	uint64_t pos, raps, marks;
	uint64_t pieces; /* that were in the ring at a look */
	int64_t first_pcr, last_pcr, largest_pcr_step, largest_pts_step, last_pts;
	bool back; /* a clock went back */
};

static void watch_init(struct watch *w)
{
	*w = (struct watch){.last_pcr = TIME_NONE, .last_pts = TIME_NONE};
	ts_parse_init(&w->parse);
}

static void watch_packet(struct watch *w, const uint8_t *packet, uint64_t pos)
{
	struct ts_rap rap;
	unsigned saw = ts_parse_packet(&w->parse, packet, pos, &rap);
	struct ts_pes pes;

	cr_assert_eq(packet[0], TS_SYNC);
	w->raps += (saw & TS_SAW_RAP) != 0;
	w->marks += (ts_adaptation_flags(packet) & TS_FLAG_DISCONTINUITY) != 0;
	if (saw & TS_SAW_PCR) {
		if (w->last_pcr == TIME_NONE) {
			w->first_pcr = w->parse.pcr_90k;
		} else {
			w->back = w->back || w->parse.pcr_90k <= w->last_pcr;
			w->largest_pcr_step =
				MAX(w->largest_pcr_step, w->parse.pcr_90k - w->last_pcr);
		}
		w->last_pcr = w->parse.pcr_90k;
	}
	if (ts_pid(packet) == w->parse.audio_pid && ts_pes_find(packet, &pes) && pes.pts_at) {
		int64_t pts =
			w->parse.streams[w->parse.stream_of[w->parse.audio_pid] - 1].last_pts_90k;

		if (w->last_pts != TIME_NONE) {
			w->back = w->back || pts <= w->last_pts;
			w->largest_pts_step = MAX(w->largest_pts_step, pts - w->last_pts);
		}
		w->last_pts = pts;
	}
}

/* Reads the ring for so long (or until the job ended). */
static void watch_for(struct watch *w, int ms)
{
	uint64_t end_us = clock_mono_us() + (uint64_t)ms * 1000;
	static uint8_t buf[700 * TS_PACKET];
	bool never = false;

	while (clock_mono_us() < end_us) {
		uint64_t pos = w->pos;
		ssize_t n = ring_copy(&job.ring, &w->pos, buf, sizeof(buf));

		w->pieces += n > 0;
		for (ssize_t i = 0; i < n; i += TS_PACKET)
			watch_packet(w, buf + i, pos + (uint64_t)i);
		if (n == -EAGAIN && (job.ended || job.failed))
			return;
		if (n < 0)
			job_await(&job, &never, 5);
	}
}

static void start(const char *source, const char *more, int64_t continue_90k, uint64_t ring_bytes)
{
	job_start(&fm, &job, source_spec(source, more), continue_90k, ring_bytes);
	cr_assert(job_await(&job, &job.running, 10000), "%s", job.text);
}

static void check_unchanged(const char *more)
{
	static uint8_t file[4 << 20], seen[sizeof(file)];
	int fd = open(short_file(), O_RDONLY);
	ssize_t size = read(fd, file, sizeof(file));
	uint64_t pos = 0;

	close(fd);
	master_start(&fm);
	start(short_file(), more, TIME_NONE, 4 << 20);
	cr_assert(job_await(&job, &job.ended, 5000));
	cr_assert_eq(ring_copy(&job.ring, &pos, seen, sizeof(seen)), size);
	cr_assert_arr_eq(seen, file, (size_t)size);
	job_stop(&job);
	master_stop(&fm);
}

Test(ingest, a_file_passes_unchanged)
{
	check_unchanged("");
}

Test(ingest, a_cushion_changes_nothing_and_is_played_out_at_the_end)
{
	check_unchanged(",\"cushion_ms\":600");
}

/* How far the ring's newest clock is ahead of the real time since then.  Real time is read last: a
 * busy machine makes this smaller, never larger. */
static int64_t ahead_ms(const struct watch *w, uint64_t since_us)
{
	int64_t media_ms = (w->last_pcr - w->first_pcr) / 90;

	return media_ms - (int64_t)(clock_mono_us() - since_us) / 1000;
}

Test(ingest, a_file_is_paced_by_its_clock_one_second_ahead)
{
	int64_t most = INT64_MIN, most_since_running = INT64_MIN;
	uint64_t running_us;
	struct watch w;

	master_start(&fm);
	start(ts_file(), "", TIME_NONE, 4 << 20);
	running_us = clock_mono_us();
	watch_init(&w);
	while (!job.ended) {
		cr_assert_not(job.failed, "%s", job.text);
		watch_for(&w, 20);
		most = MAX(most, ahead_ms(&w, job.asked_us));
		most_since_running = MAX(most_since_running, ahead_ms(&w, running_us));
	}
	/* beyond the second: a lump (PACE_LUMP_US), a portion (a quarter of a second) and the
	 * distance of two clocks */
	cr_assert_leq(most, 1000 + 150 + 250 + 100, "%lld ms ahead", (long long)most);
	cr_assert_geq(most_since_running, 500);
	job_stop(&job);
	master_stop(&fm);
}

Test(ingest, sound_alone_starts_without_a_burst)
{
	struct watch w;

	master_start(&fm);
	start(media_file("radio.ts", "-f lavfi -i sine=frequency=440 -t 20 -c:a aac -b:a 48k "
				     "-f mpegts"),
	      "", TIME_NONE, 4 << 20);
	watch_init(&w);
	watch_for(&w, 200);
	cr_assert_neq(w.last_pts, TIME_NONE);
	cr_assert_leq(w.last_pts - atomic_load(&job.ring.header->first_90k), 3 * 90000, "%lld",
		      (long long)w.last_pts);
	job_stop(&job);
	master_stop(&fm);
}

static void check_loop(const char *more)
{
	struct watch w;

	master_start(&fm);
	start(short_file(), more, TIME_NONE, 4 << 20);
	watch_init(&w);
	watch_for(&w, 4500);
	cr_assert_not(job.ended || job.failed, "%s", job.text);
	cr_assert_geq(w.raps, 4);
	cr_assert_eq(w.parse.cc_errors, 0);
	cr_assert_eq(w.marks, 0);
	cr_assert_not(w.back);
	cr_assert_leq(w.largest_pcr_step, 90000 / 5, "%lld", (long long)w.largest_pcr_step);
	cr_assert_leq(w.largest_pts_step, 90000 / 3, "%lld", (long long)w.largest_pts_step);
	job_stop(&job);
	master_stop(&fm);
}

#define LOOP_ARGS ",\"input_args\":[\"-re\",\"-stream_loop\",\"-1\"]"

Test(ingest, a_loop_is_continuous)
{
	check_loop(LOOP_ARGS);
}

Test(ingest, a_loop_behind_a_cushion_is_continuous)
{
	check_loop(LOOP_ARGS ",\"cushion_ms\":600");
}

Test(ingest, a_second_job_continues_after_the_first)
{
	int64_t frontier = (1ll << 33) + 12345, first;
	struct watch w;

	master_start(&fm);
	start(short_file(), "", frontier, 4 << 20);
	watch_init(&w);
	watch_for(&w, 300);
	cr_assert_eq(w.marks, 1);
	first = atomic_load(&job.ring.header->first_90k);
	cr_assert_geq(ts_unwrap(frontier, first), frontier);
	cr_assert_leq(ts_unwrap(frontier, first), frontier + 2 * 90000);
	job_stop(&job);
	master_stop(&fm);
}

Test(ingest, the_move_to_a_larger_ring_loses_nothing)
{
	static uint8_t old[4 << 20];
	struct ring_rap rap;
	struct watch w;
	struct ring before;
	uint64_t pos = 0;
	ssize_t n;

	master_start(&fm);
	start(short_file(), ",\"input_args\":[\"-stream_loop\",\"-1\"],\"ring_seconds\":30",
	      TIME_NONE, 1 << 20);
	while (!job.wanted_bytes)
		cr_assert(job_await(&job, &job.failed, 50) == false, "%s", job.text);
	cr_assert_gt(job.wanted_bytes, 1u << 20);
	before = job.ring;
	job.ring = (struct ring){0};
	job_give_ring(&job, 8 << 20, TIME_NONE);
	cr_assert(job_await(&job, &job.running, 5000));
	watch_init(&w);
	n = ring_copy(&before, &pos, old, sizeof(old));
	cr_assert_gt(n, 0);
	for (ssize_t i = 0; i < n; i += TS_PACKET)
		watch_packet(&w, old + i, (uint64_t)i);
	cr_assert_eq(ring_oldest_rap(&job.ring, 0, &rap), 0);
	cr_assert_eq(rap.pos, 0);
	watch_for(&w, 1500);
	cr_assert_eq(w.parse.cc_errors, 0);
	cr_assert_eq(w.marks, 0);
	cr_assert_not(w.back);
	ring_close(&before);
	job_stop(&job);
	master_stop(&fm);
}

Test(ingest, a_film_in_matroska_is_remuxed)
{
	const char *path = media_file("film.mkv", MEDIA_H264_AAC "-t 2");
	struct watch w;

	master_start(&fm);
	start(path, "", TIME_NONE, 4 << 20);
	watch_init(&w);
	watch_for(&w, 5000);
	cr_assert(job.ended, "%s", job.text);
	cr_assert_eq(job.kind, SOURCE_REMUX);
	cr_assert_eq(job.live, 0);
	cr_assert(job.pictures);
	cr_assert_eq(w.parse.cc_errors, 0);
	cr_assert_not(w.back);
	cr_assert_eq(w.raps, 2);
	job_stop(&job);
	master_stop(&fm);
}

Test(ingest, a_film_in_mp4_loops)
{
	const char *path = media_file("film.mp4", MEDIA_H264_AAC "-t 1");
	struct watch w;

	master_start(&fm);
	start(path, ",\"input_args\":[\"-stream_loop\",\"-1\"]", TIME_NONE, 4 << 20);
	watch_init(&w);
	watch_for(&w, 4000);
	cr_assert_not(job.ended || job.failed, "%s", job.text);
	cr_assert_geq(w.raps, 4);
	cr_assert_eq(w.parse.cc_errors, 0);
	cr_assert_not(w.back);
	cr_assert_leq(w.largest_pcr_step, 90000 / 5);
	job_stop(&job);
	master_stop(&fm);
}

Test(ingest, a_codec_that_cannot_be_carried_is_named)
{
	const char *path = media_file("film.webm", "-f lavfi -i testsrc2=size=160x90:rate=10 -t 1 "
						   "-c:v libvpx-vp9 -deadline realtime");

	master_start(&fm);
	job_start(&fm, &job, source_spec(path, ""), TIME_NONE, 1 << 20);
	cr_assert(job_await(&job, &job.failed, 10000));
	cr_assert_eq(job.kind, SOURCE_RAW);
	cr_assert_eq(job.status, 502);
	cr_assert(strstr(job.text, "vp9"), "%s", job.text);
	job_stop(&job);
	master_stop(&fm);
}

Test(ingest, a_playlist_and_its_segments)
{
	const char *path = media_file("list.m3u8", MEDIA_H264_AAC
				      "-t 4 -f hls -hls_time 1 -hls_list_size 0 -force_key_frames "
				      "'expr:gte(t,n_forced)'");
	struct watch w;

	master_start(&fm);
	start(path, "", TIME_NONE, 4 << 20);
	watch_init(&w);
	watch_for(&w, 8000);
	cr_assert(job.ended, "%s", job.text);
	cr_assert_eq(w.parse.cc_errors, 0);
	cr_assert_not(w.back);
	cr_assert_geq(w.raps, 4);
	job_stop(&job);
	master_stop(&fm);
}

Test(ingest, http_with_a_length_ends)
{
	struct server s;

	master_start(&fm);
	start(serve_file(&s, short_file(), true, false), "", TIME_NONE, 4 << 20);
	cr_assert_eq(job.live, 0);
	cr_assert(job_await(&job, &job.ended, 5000), "%s", job.text);
	job_stop(&job);
	pthread_join(s.thread, NULL);
	master_stop(&fm);
}

Test(ingest, http_without_a_length_fails_when_it_closes)
{
	struct server s;

	master_start(&fm);
	start(serve_file(&s, short_file(), false, false), "", TIME_NONE, 4 << 20);
	cr_assert_eq(job.live, 1);
	cr_assert(job_await(&job, &job.failed, 5000));
	cr_assert_eq(job.status, 502);
	cr_assert(strstr(job.text, "closed the connection"), "%s", job.text);
	cr_assert_not(strstr(job.text, "secret"), "%s", job.text);
	job_stop(&job);
	pthread_join(s.thread, NULL);
	master_stop(&fm);
}

Test(ingest, a_source_that_stops_is_stalled)
{
	struct server s;
	uint64_t bytes, whole_us, failed_us;
	bool never = false;

	master_start(&fm);
	start(serve_file(&s, short_file(), false, true), ",\"stall_timeout_ms\":1500", TIME_NONE,
	      4 << 20);
	do {
		bytes = ring_commit(&job.ring);
		whole_us = clock_mono_us();
		job_await(&job, &never, 200);
	} while (ring_commit(&job.ring) > bytes);
	cr_assert(job_await(&job, &job.failed, 20000));
	failed_us = clock_mono_us();
	cr_assert(job.stalled);
	cr_assert_eq(job.status, 504);
	cr_assert_geq(failed_us - job.asked_us, 1500000);
	/* a job that waits for its source is alive */
	cr_assert_gt(atomic_load(&job.ring.header->heartbeat_us), whole_us);
	job_stop(&job);
	pthread_join(s.thread, NULL);
	master_stop(&fm);
}

Test(ingest, a_refused_connection_fails)
{
	master_start(&fm);
	job_start(&fm, &job, source_spec("http://127.0.0.1:9/a.ts", ""), TIME_NONE, 1 << 20);
	cr_assert(job_await(&job, &job.failed, 5000));
	cr_assert_eq(job.status, 502);
	cr_assert(strstr(job.text, "refused"), "%s", job.text);
	job_stop(&job);
	master_stop(&fm);
}

Test(ingest, a_text_file_is_refused)
{
	struct server s;

	master_start(&fm);
	job_start(&fm, &job, source_spec(serve_file(&s, bin_path(), true, false), ""), TIME_NONE,
		  1 << 20);
	cr_assert(job_await(&job, &job.failed, 10000));
	cr_assert_eq(job.status, 502);
	job_stop(&job);
	pthread_join(s.thread, NULL);
	master_stop(&fm);
}

/* It is shorter than what is read of the beginning, and the connection stays open. */
Test(ingest, a_web_page_is_refused_at_once)
{
	char path[64];
	struct server s;
	int fd;

	snprintf(path, sizeof(path), "/tmp/amps-test-%d.html", getpid());
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	cr_assert_gt(dprintf(fd, "\n<!DOCTYPE HTML><title>Gone</title>\n"), 0);
	close(fd);
	master_start(&fm);
	job_start(&fm, &job,
		  source_spec(serve_file(&s, path, false, true), ",\"start_timeout_ms\":60000"),
		  TIME_NONE, 1 << 20);
	cr_assert(job_await(&job, &job.failed, 10000));
	cr_assert_eq(job.status, 502);
	cr_assert(strstr(job.text, "web page"), "%s", job.text);
	job_stop(&job);
	pthread_join(s.thread, NULL);
	unlink(path);
	master_stop(&fm);
}

/* Sends padding until there is a listener: before, the connected socket gets an error. */
static void await_listener(int fd)
{
	static const uint8_t padding[TS_PACKET] = {TS_SYNC, 0x1f, 0xff, 0x10};
	int pending;
	socklen_t len = sizeof(pending);
	bool never = false;

	for (int tries = 0; tries < 500; tries++) {
		if (send(fd, padding, sizeof(padding), 0) > 0 && !job_await(&job, &never, 10) &&
		    getsockopt(fd, SOL_SOCKET, SO_ERROR, &pending, &len) == 0 && pending == 0)
			return;
	}
	cr_assert_fail("there is no listener");
}

Test(ingest, a_remote_playlist_reads_no_local_file)
{
	char path[4200], line[4200];
	struct server s;
	int fd;

	snprintf(path, sizeof(path), "%s.evil.m3u8", short_file());
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	snprintf(line, sizeof(line),
		 "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://%s\n#EXT-X-ENDLIST\n",
		 short_file());
	cr_assert_gt(write(fd, line, strlen(line)), 0);
	close(fd);
	master_start(&fm);
	job_start(&fm, &job, source_spec(serve_file(&s, path, true, false), ""), TIME_NONE,
		  1 << 20);
	cr_assert(job_await(&job, &job.failed, 20000));
	cr_assert_eq(ring_commit(&job.ring), 0);
	cr_assert(strstr(job.text, "whitelist"), "%s", job.text);
	job_stop(&job);
	pthread_join(s.thread, NULL);
	unlink(path);
	master_stop(&fm);
}

/* Waits until the job has taken every datagram sent to this port: the kernel drops what does not
 * fit into its buffer. */
static void await_taken(unsigned port)
{
	uint64_t end_us = clock_mono_us() + 20000000;
	unsigned local, queued = 1;
	bool never = false;
	char line[256];

	while (queued > 0) {
		FILE *sockets = fopen("/proc/net/udp", "re");

		cr_assert_not_null(sockets);
		while (fgets(line, sizeof(line), sockets))
			if (sscanf(line, " %*d: %*x:%x %*x:%*x %*x %*x:%x", &local, &queued) == 2 &&
			    local == port)
				break;
		fclose(sockets);
		cr_assert_eq(local, port);
		cr_assert_lt(clock_mono_us(), end_us);
		if (queued > 0)
			job_await(&job, &never, 1);
	}
}

Test(ingest, datagrams_are_received)
{
	static uint8_t file[4 << 20];
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int in = open(short_file(), O_RDONLY), out = socket(AF_INET, SOCK_DGRAM, 0);
	ssize_t size = read(in, file, sizeof(file));
	socklen_t len = sizeof(a);
	struct watch w;
	char url[64];

	/* a free port: bind, look, let go */
	cr_assert_eq(bind(out, (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_eq(getsockname(out, (struct sockaddr *)&a, &len), 0);
	close(out);
	out = socket(AF_INET, SOCK_DGRAM, 0);
	master_start(&fm);
	snprintf(url, sizeof(url), "udp://127.0.0.1:%d", ntohs(a.sin_port));
	job_start(&fm, &job, source_spec(url, ""), TIME_NONE, 4 << 20);
	cr_assert(job_await(&job, &job.mapped, 20000));
	watch_init(&w);
	cr_assert_eq(connect(out, (struct sockaddr *)&a, sizeof(a)), 0);
	await_listener(out);
	for (ssize_t i = 0; i < size; i += 1316) {
		cr_assert_gt(send(out, file + i, (size_t)MIN(1316, size - i), 0), 0);
		if (i % (10 * 1316) == 0)
			await_taken(ntohs(a.sin_port));
	}
	cr_assert(job_await(&job, &job.running, 20000), "%s", job.text);
	cr_assert_eq(job.live, 1);
	cr_assert(job_await(&job, &job.stalled, 20000));
	watch_for(&w, 100);
	cr_assert_eq(w.parse.cc_errors, 0);
	cr_assert_gt(w.raps, 0);
	job_stop(&job);
	close(in);
	close(out);
	master_stop(&fm);
}

/* A named pipe that a job reads.  It is held open in both directions, so neither side sees an end.
 */
struct job_pipe {
	char path[64];
	int out;
};

/* Starts the job; the pipe has the first bytes of short_file(). */
static void pipe_start_behind(struct job_pipe *p, const char *options, size_t bytes,
			      int64_t continue_90k)
{
	uint8_t first[4096];
	int in = open(short_file(), O_RDONLY);

	snprintf(p->path, sizeof(p->path), "/tmp/amps-test-%d.fifo", getpid());
	unlink(p->path);
	cr_assert_eq(mkfifo(p->path, 0600), 0);
	p->out = open(p->path, O_RDWR);
	cr_assert_eq(read(in, first, bytes), (ssize_t)bytes);
	cr_assert_eq(write(p->out, first, bytes), (ssize_t)bytes);
	close(in);
	master_start(&fm);
	job_start(&fm, &job, source_spec(p->path, options), continue_90k, 1 << 20);
}

static void pipe_start(struct job_pipe *p, const char *options, size_t bytes)
{
	pipe_start_behind(p, options, bytes, TIME_NONE);
}

static void pipe_stop(struct job_pipe *p)
{
	job_stop(&job);
	close(p->out);
	unlink(p->path);
	master_stop(&fm);
}

Test(ingest, a_pipe_with_three_packets_is_a_transport_stream)
{
	struct job_pipe p;

	/* ffmpeg's first three: the tables, with all that the master is told */
	pipe_start(&p, "", 3 * 188);
	cr_assert(job_await(&job, &job.told, 5000), "%s", job.text);
	cr_assert_eq(job.kind, SOURCE_TS);
	pipe_stop(&p);
}

/* n pictures of 40 ms with a PCR 0.5 s before each, and sound in front of each. */
static void build_pictures(struct ts_build *b, int64_t from, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		int64_t pts = from + i * 3600;

		build_pes(b, PID_AUDIO, TIME_NONE, pts, false, NAL_SLICE);
		build_pes(b, PID_VIDEO, pts - 45000, pts, i % 10 == 0,
			  (const uint8_t *)(i % 10 ? "\0\0\0\1\x09\xf0\0\0\0\1\x41\x9a"
						   : "\0\0\0\1\x09\xf0\0\0\0\1\x67\x42"),
			  12);
		build_packet(b, PID_VIDEO, false);
	}
}

static void write_to_pipe(int out, const struct ts_build *b, size_t from, size_t to)
{
	cr_assert_eq(write(out, b->bytes + from, to - from), (ssize_t)(to - from));
}

/* The clock jumps back, no counter breaks, and the first sound of the other timeline is read long
 * before the PCR that tells. */
Test(ingest, a_time_far_from_the_clock_waits_for_its_pcr)
{
	static uint8_t bytes[400 * TS_PACKET];
	struct ts_build b = {.bytes = bytes, .cap = sizeof(bytes)};
	size_t jump;
	struct watch w;
	struct job_pipe p;

	build_pat(&b);
	build_pmt(&b, PID_VIDEO, 0x1b, 0, 0);
	build_pictures(&b, 90000000, 50);
	jump = b.len;
	build_pictures(&b, 900000, 50);
	pipe_start(&p, "", 0);
	write_to_pipe(p.out, &b, 0, jump + TS_PACKET);
	cr_assert(job_await(&job, &job.running, 10000), "%s", job.text);
	watch_init(&w);
	while (w.pos < jump)
		watch_for(&w, 20);
	write_to_pipe(p.out, &b, jump + TS_PACKET, b.len);
	while (w.pos < b.len)
		watch_for(&w, 20);
	cr_assert_eq(w.parse.cc_errors, 0);
	cr_assert_eq(w.marks, 1);
	cr_assert_not(w.back);
	cr_assert_leq(w.largest_pts_step, 2 * 3600);
	pipe_stop(&p);
}

/* n frames of AAC without a sound, 48 kHz; ten of them fill the packet. */
static void build_sound(struct ts_build *b, int64_t pts, unsigned n)
{
	static const uint8_t frame[] = {0xff, 0xf1, 0x4c, 0x80, 0x02, 0x3f, 0xfc, 0x21, 0x00,
					0x49, 0x90, 0x02, 0x19, 0x00, 0x23, 0x80, 0x00};
	uint8_t data[TS_PACKET];

	cr_assert_leq(n * sizeof(frame), TS_PACKET - 18u);
	for (unsigned i = 0; i < n; i++)
		memcpy(data + i * sizeof(frame), frame, sizeof(frame));
	build_pes(b, PID_AUDIO, TIME_NONE, pts, false, data, n * sizeof(frame));
}

/* The last PES of a timeline has more frames than those before it. */
Test(ingest, sound_that_jumps_does_not_overlap_the_last_one)
{
	static uint8_t bytes[400 * TS_PACKET];
	struct ts_build b = {.bytes = bytes, .cap = sizeof(bytes)};
	struct watch w;
	struct job_pipe p;
	int64_t pts = 90000000;

	build_pat(&b);
	build_pmt(&b, PID_VIDEO, 0x1b, 0, 0);
	for (int hour = 0; hour < 2; hour++, pts += 3600 * 90000ll) {
		for (int i = 0; i < 10; i++, pts += 1920) {
			build_pes(&b, PID_VIDEO, pts - 45000, pts, i == 0, NAL_IDR);
			build_sound(&b, pts, 1);
		}
		build_sound(&b, pts, 10);
	}
	pipe_start(&p, "", 0);
	write_to_pipe(p.out, &b, 0, b.len);
	cr_assert(job_await(&job, &job.running, 10000), "%s", job.text);
	watch_init(&w);
	while (w.pos < b.len)
		watch_for(&w, 20);
	cr_assert_eq(w.marks, 1);
	cr_assert_eq(w.largest_pts_step, 10 * 1920, "%lld", (long long)w.largest_pts_step);
	pipe_stop(&p);
}

/* A viewer may know the PID from another job's ring, with any counter. */
Test(ingest, a_pid_that_comes_later_is_marked_for_viewers_of_an_older_job)
{
	static uint8_t bytes[400 * TS_PACKET];
	struct ts_build b = {.bytes = bytes, .cap = sizeof(bytes)};
	size_t later;
	struct watch w;
	struct job_pipe p;

	build_pat(&b);
	build_pmt(&b, PID_VIDEO, 0x1b, 0, 0);
	build_pictures(&b, 90000000, 50);
	later = b.len;
	b.cc[0x180] = 9;
	build_pmt(&b, 0x180, 0x1b, 0, 1);
	build_packet(&b, 0x180, false);
	build_packet(&b, 0x180, false);
	build_pictures(&b, 90000000 + 50 * 3600, 50);
	pipe_start_behind(&p, "", 0, 90000);
	write_to_pipe(p.out, &b, 0, later);
	cr_assert(job_await(&job, &job.running, 10000), "%s", job.text);
	watch_init(&w);
	while (w.pos < later)
		watch_for(&w, 20);
	cr_assert_eq(w.marks, 1, "of the clock: %lu", w.marks);
	/* the counter of the older job's last packet on it */
	w.parse.cc[0x180] = 4;
	write_to_pipe(p.out, &b, later, b.len);
	while (w.pos < b.len)
		watch_for(&w, 20);
	cr_assert_eq(w.parse.cc_errors, 0);
	cr_assert_eq(w.marks, 2);
	cr_assert_eq(w.parse.cc[0x180], 1, "two packets, from 0");
	cr_assert_not(w.back);
	pipe_stop(&p);
}

/* A time that no PCR confirms is passed on as it is, once enough came behind it. */
Test(ingest, a_wrong_time_does_not_hold_a_pipe_back)
{
	static uint8_t bytes[400 * TS_PACKET];
	struct ts_build b = {.bytes = bytes, .cap = sizeof(bytes)};
	struct watch w;
	struct job_pipe p;
	size_t wrong;

	build_pat(&b);
	build_pmt(&b, PID_VIDEO, 0x1b, 0, 0);
	build_pictures(&b, 90000000, 40);
	wrong = b.len;
	build_pes(&b, PID_AUDIO, TIME_NONE, 900000, false, NAL_SLICE);
	while (b.len - wrong < 34u << 10)
		build_packet(&b, PID_AUDIO, false);
	pipe_start(&p, "", 0);
	write_to_pipe(p.out, &b, 0, b.len);
	cr_assert(job_await(&job, &job.running, 10000), "%s", job.text);
	watch_init(&w);
	while (w.pos < b.len)
		watch_for(&w, 20);
	cr_assert_eq(w.marks, 0);
	pipe_stop(&p);
}

/* What a cushion holds is due while the job waits in a read. */
Test(ingest, a_cushion_gives_out_what_is_due_while_nothing_comes)
{
	static uint8_t bytes[400 * TS_PACKET];
	struct ts_build b = {.bytes = bytes, .cap = sizeof(bytes)};
	int64_t media_ms;
	struct watch w;
	struct job_pipe p;

	build_pat(&b);
	build_pmt(&b, PID_VIDEO, 0x1b, 0, 0);
	build_pictures(&b, 90000000, 75);
	pipe_start(&p, ",\"cushion_ms\":2800", 0);
	write_to_pipe(p.out, &b, 0, b.len);
	cr_assert(job_await(&job, &job.running, 10000), "%s", job.text);
	watch_init(&w);
	watch_for(&w, 1500);
	media_ms = (w.last_pcr - w.first_pcr) / 90;
	cr_assert_gt(media_ms, 500);
	cr_assert_leq(w.largest_pcr_step, 3600);
	/* each picture on its own, or two of them; a busy machine may join some */
	cr_assert_geq(w.pieces * 75, (uint64_t)media_ms, "%u pieces of %d ms", (unsigned)w.pieces,
		      (int)media_ms);
	pipe_stop(&p);
}

Test(ingest, a_silent_pipe_times_out)
{
	struct job_pipe p;

	pipe_start(&p, ",\"start_timeout_ms\":300", 0);
	cr_assert(job_await(&job, &job.failed, 5000));
	cr_assert_eq(job.status, 504, "%s", job.text);
	pipe_stop(&p);
}
