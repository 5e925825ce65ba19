/* test_cmaf.c - a film in a ring becomes two CMAF tracks of one job, whose files are read back. */
#include "fake_master.h"
#include <dirent.h>
#include <fcntl.h>
#include <libavformat/avformat.h>
#include <stdio.h>
#include <sys/stat.h>

#include "amps-transcoder/av/memory_avio.h"
#include "amps-transcoder/segment/track.h"
#include "common/clock.h"
#include "common/shm/segment.h"
#include "common/shm/shm.h"
#include "ts_build.h"

#define SOURCE (8u << 20)

/* One output: its index, and what the job makes. */
struct side {
	struct segment_track *track;
	int index_fd;
	struct ring index;
};

struct scene {
	char root[64];
	struct job job;
	int master;
	struct cuts cuts;
	struct side picture, sound;
	int source_fd;
	struct ring_writer source;
	struct ts_parse parse;
};

static void make_folder(const struct scene *s, const char *name)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/%s", s->root, name);
	cr_assert_eq(mkdir(path, 0700), 0);
}

static void side_open(struct scene *s, struct side *side, unsigned output, bool sound)
{
	struct job_event e = {.kind = JOB_EVENT_OUTPUT,
			      .output = output,
			      .generation = 1,
			      .data_bytes = RING_BYTES_MIN,
			      .form = sound ? OUTPUT_CMAF_SOUND : OUTPUT_CMAF_PICTURE};
	struct job_event ring = {.kind = JOB_EVENT_SOURCE_RING,
				 .fd = dup(s->source_fd), /* the track takes it */
				 .generation = 1,
				 .data_bytes = SOURCE,
				 .unit_bytes = TS_PACKET};

	side->index_fd = e.fd = ring_create("index", RING_BYTES_MIN, 1);
	e.spec = json_pack("{si si si si si}", "track", 0, "segment_ms", 1000, "window_ms", 60000,
			   "keep_ms", 3000, "part_ms", 200);
	side->track = segment_track_new(&s->job, &s->cuts, &e);
	json_decref(e.spec);
	cr_assert_not_null(side->track);
	cr_assert_eq(shm_seal_writer(side->index_fd), 0);
	cr_assert_eq(
		ring_open(&side->index, side->index_fd, RING_BYTES_MIN, sizeof(struct segment)), 0);
	segment_track_source(side->track, &ring);
}

static void scene_open(struct scene *s)
{
	int pair[2];

	memset(s, 0, sizeof(*s));
	strcpy(s->root, "/tmp/amps-cmaf-XXXXXX");
	cr_assert_not_null(mkdtemp(s->root));
	make_folder(s, "5");
	make_folder(s, "5/0");
	cr_assert_eq(msg_socketpair(pair), 0);
	s->master = pair[0];
	s->job.socket = pair[1];
	s->job.spec = json_pack("{ss si}", "media_root", s->root, "channel", 5);
	cuts_init(&s->cuts, clock_wall_us(), 3, 0);
	s->source_fd = ring_create("source", SOURCE, 1);
	cr_assert_eq(ring_writer_open(&s->source, s->source_fd, SOURCE), 0);
	cr_assert_eq(shm_seal_writer(s->source_fd), 0);
	ts_parse_init(&s->parse);
	side_open(s, &s->picture, 0, false);
	side_open(s, &s->sound, 1, true);
}

static void side_close(struct side *side)
{
	side->track = segment_track_free(side->track, true);
	ring_close(&side->index);
	close_fd(&side->index_fd);
}

static void scene_close(struct scene *s)
{
	static const char *const folders[] = {"/5/0", "/5", ""};
	char path[96];

	side_close(&s->picture);
	side_close(&s->sound);
	for (size_t i = 0; i < array_size(folders); i++) {
		snprintf(path, sizeof(path), "%s%s", s->root, folders[i]);
		cr_expect_eq(rmdir(path), 0, "%s: files are left", path);
	}
	ring_writer_close(&s->source);
	close_fd(&s->source_fd);
	close_fd(&s->job.socket);
	close_fd(&s->master);
	json_decref(s->job.spec);
}

static void take(struct scene *s)
{
	static struct msg m;
	enum segment_step a, b;

	do {
		a = segment_track_step(s->picture.track);
		b = segment_track_step(s->sound.track);
		cr_assert(a != SEGMENT_FAILED && b != SEGMENT_FAILED);
	} while (a == SEGMENT_MOVED || b == SEGMENT_MOVED);
	while (msg_receive(s->master, &m) == 0)
		msg_done(&m);
}

/* The next packet of the source. */
static void append(struct scene *s, uint8_t *packet)
{
	uint64_t pos = s->source.commit;
	struct ts_rap rap;

	ring_writer_append(&s->source, packet, TS_PACKET);
	if (ts_parse_packet(&s->parse, packet, pos, &rap) & TS_SAW_RAP) {
		struct ring_rap slot = {0};

		ts_rap_pack(&rap, &slot);
		s->source.last_rap_us = 0;
		ring_writer_add_rap(&s->source, &slot);
	}
}

/* Plays a film from the test media into the ring. */
static void play(struct scene *s, const char *path)
{
	uint8_t packet[TS_PACKET];
	unsigned n = 0;
	FILE *f = fopen(path, "rb");

	cr_assert_not_null(f, "%s", path);
	while (fread(packet, 1, TS_PACKET, f) == TS_PACKET) {
		append(s, packet);
		if (++n % 100 == 0)
			take(s);
	}
	fclose(f);
	ring_writer_ended(&s->source);
	take(s);
}

static void append_file(const struct scene *s, struct buf *b, char kind, uint32_t number,
			const char *extension)
{
	char path[96];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/5/0/%c%u.%s", s->root, kind, number, extension);
	fd = open(path, O_RDONLY);
	cr_assert_geq(fd, 0, "%s", path);
	cr_assert_not_null(buf_reserve(b, 4 << 20));
	n = read(fd, b->data + b->len, 4 << 20);
	cr_assert_gt(n, 0);
	b->len += (size_t)n;
	close(fd);
}

/* Checks the index of one track: parts in a row, none too long; and reads what the files hold. */
static struct buf read_track(const struct scene *s, const struct side *side, char kind,
			     unsigned *ret_parts)
{
	struct buf b = BUF_INIT;
	struct segment last, e;
	struct segment_media m;
	uint32_t number = 0, at = 0;
	int64_t next_90k = TIME_NONE;

	cr_assert_eq(segment_newest(&side->index, &last), 0);
	/* the last facts follow some time after those before them */
	while (segment_media_read(&side->index, &m) < 0)
		cr_assert_eq(segment_track_step(side->track), SEGMENT_ENDED);
	*ret_parts = 0;
	for (uint32_t n = last.part; n > 0 && segment_read(&side->index, n, &e) == 0; n--)
		last = e;
	for (uint32_t n = last.part; segment_read(&side->index, n, &e) == 0; n++) {
		cr_assert_leq(e.duration_90k, 18000 + 1);
		cr_assert(next_90k == TIME_NONE || llabs(e.start_90k - next_90k) <= 2);
		next_90k = e.start_90k + e.duration_90k;
		if (*ret_parts == 0)
			append_file(s, &b, kind, e.init, "mp4");
		if (e.number != number) {
			append_file(s, &b, kind, e.number, "m4s");
			cr_assert_eq(e.first, e.part);
			at = 0;
		}
		cr_assert_eq(e.at, at);
		at += e.bytes;
		number = e.number;
		++*ret_parts;
	}
	return b;
}

/* Reads the DTS of all packets, which are `step` apart.  The first in 90 kHz ticks. */
static int64_t first_dts(struct buf *b, int64_t step, unsigned *ret_packets)
{
	AVFormatContext *c = avformat_alloc_context();
	AVPacket *packet = av_packet_alloc();
	int64_t first = AV_NOPTS_VALUE, last = AV_NOPTS_VALUE;

	*ret_packets = 0;
	c->pb = memory_avio_open(b);
	cr_assert_eq(avformat_open_input(&c, "", NULL, NULL), 0);
	while (av_read_frame(c, packet) >= 0) {
		if (last == AV_NOPTS_VALUE)
			first = av_rescale_q(packet->dts, c->streams[0]->time_base,
					     (AVRational){1, 90000});
		else
			cr_assert_eq(packet->dts, last + step);
		last = packet->dts;
		++*ret_packets;
		av_packet_unref(packet);
	}
	av_packet_free(&packet);
	memory_avio_close(c->pb);
	avformat_close_input(&c);
	return first;
}

/* The film has 150 pictures from 1.400 s (shown from 1.480 s) on, and 260 frames of sound from
 * 131110 / 90000 s on.  The first frame comes before the first picture is shown. */
Test(cmaf_track, pictures_and_sound_keep_their_distance)
{
	unsigned parts, packets;
	struct scene s;
	struct buf b;
	int64_t picture, sound;

	scene_open(&s);
	play(&s, media_file("h264.ts", MEDIA_H264_AAC "-t 6 -f mpegts"));
	b = read_track(&s, &s.picture, 'v', &parts);
	cr_expect_eq(parts, 30, "six groups of five parts");
	picture = first_dts(&b, 3600, &packets);
	cr_expect_eq(packets, 150);
	cr_expect_leq(llabs(picture / 90 - clock_wall_us() / 1000), 60000, "time since 1970");
	b = read_track(&s, &s.sound, 'a', &parts);
	sound = first_dts(&b, 1024, &packets);
	cr_expect_eq(packets, 259);
	cr_expect_leq(llabs(sound - picture - (131110 + 2090 - 126000)), 2, "%ld",
		      (long)(sound - picture));
	scene_close(&s);
}

static unsigned count_parts(const struct side *side)
{
	struct segment last, e;
	unsigned count = 0;

	if (segment_newest(&side->index, &last) < 0)
		return 0;
	for (uint32_t n = last.part; n > 0 && segment_read(&side->index, n, &e) == 0; n--)
		count++;
	return count;
}

/* Five pictures are a part, and five parts a group, which is complete with the next one's first
 * picture. */
Test(cmaf_track, a_part_is_there_when_the_next_picture_begins)
{
	uint8_t packet[TS_PACKET];
	unsigned begun = 0;
	struct scene s;
	FILE *f;

	scene_open(&s);
	f = fopen(media_file("h264.ts", MEDIA_H264_AAC "-t 6 -f mpegts"), "rb");
	cr_assert_not_null(f);
	while (begun <= 60 && fread(packet, 1, TS_PACKET, f) == TS_PACKET) {
		append(&s, packet);
		take(&s);
		if (ts_pid(packet) != s.parse.video_pid || !ts_pusi(packet))
			continue;
		if (begun % 5 == 0 && begun % 25 != 0)
			cr_expect_eq(count_parts(&s.picture), begun / 5, "%u pictures", begun);
		begun++;
	}
	fclose(f);
	cr_expect_eq(begun, 61);
	scene_close(&s);
}

/* The 35th picture fills a part, and is the last one. */
Test(cmaf_track, a_segment_that_ends_with_a_full_part_is_complete)
{
	uint8_t packet[TS_PACKET];
	struct segment last;
	unsigned begun = 0;
	struct scene s;
	FILE *f;

	scene_open(&s);
	f = fopen(media_file("h264.ts", MEDIA_H264_AAC "-t 6 -f mpegts"), "rb");
	cr_assert_not_null(f);
	while (fread(packet, 1, TS_PACKET, f) == TS_PACKET) {
		begun += ts_pid(packet) == s.parse.video_pid && ts_pusi(packet);
		if (begun > 35)
			break;
		append(&s, packet);
	}
	fclose(f);
	ring_writer_ended(&s.source);
	take(&s);
	cr_assert_eq(segment_newest(&s.picture.index, &last), 0);
	cr_expect_eq(last.flags & SEGMENT_LAST, SEGMENT_LAST);
	cr_expect_eq(count_parts(&s.picture), 7);
	scene_close(&s);
}

/* Plays the film's packets with this number of pictures; those behind `last` are left out. */
static void play_pictures(struct scene *s, unsigned pictures, unsigned last)
{
	uint8_t packet[TS_PACKET];
	unsigned begun = 0;
	FILE *f = fopen(media_file("h264.ts", MEDIA_H264_AAC "-t 6 -f mpegts"), "rb");

	cr_assert_not_null(f);
	while (fread(packet, 1, TS_PACKET, f) == TS_PACKET) {
		bool picture = ts_pid(packet) == s->parse.video_pid;

		begun += picture && ts_pusi(packet);
		if (begun > pictures)
			break;
		if (!picture || begun <= last)
			append(s, packet);
	}
	fclose(f);
	take(s);
}

/* Caches keep a part for ever, so its number is not used again. */
Test(cmaf_track, an_output_that_is_made_again_has_new_numbers_of_parts)
{
	struct segment before, first, e;
	struct scene s;

	scene_open(&s);
	play_pictures(&s, 80, 80);
	cr_assert_eq(segment_newest(&s.picture.index, &before), 0);
	side_close(&s.picture);
	side_open(&s, &s.picture, 0, false);
	take(&s);
	cr_assert_eq(segment_newest(&s.picture.index, &first), 0);
	for (uint32_t n = first.part; segment_read(&s.picture.index, n, &e) == 0; n--)
		first = e;
	cr_expect_gt(first.part, before.part);
	scene_close(&s);
}

Test(cmaf_track, sound_goes_on_when_pictures_stop)
{
	struct segment last;
	struct scene s;

	scene_open(&s);
	play_pictures(&s, 150, 60);
	cr_assert_eq(segment_newest(&s.sound.index, &last), 0);
	cr_expect_gt(last.start_90k, 131110 + 5 * 90000, "sound of six seconds");
	scene_close(&s);
}

/* Four pictures of 41.7 ms are less than 0.85 of 200 ms. */
Test(cmaf_track, a_full_part_is_long_enough_for_the_target)
{
	struct segment_media m;
	unsigned parts;
	struct scene s;
	struct buf b;

	scene_open(&s);
	play(&s, media_file("film-23.ts",
			    "-f lavfi -i testsrc2=size=320x180:rate=24000/1001 -f lavfi -i sine "
			    "-c:v libx264 -preset ultrafast -g 24 -c:a aac -t 4 -f mpegts"));
	b = read_track(&s, &s.picture, 'v', &parts);
	buf_done(&b);
	cr_assert_eq(segment_media_read(&s.picture.index, &m), 0);
	cr_expect_eq(m.part_ms, 167);
	cr_assert_eq(segment_media_read(&s.sound.index, &m), 0);
	cr_expect_eq(m.part_ms, 200);
	scene_close(&s);
}

/* The parts of the pictures behind the first segment, but for those that end a segment. */
static void check_parts(const struct scene *s)
{
	struct segment last, e;
	unsigned seen = 0;

	cr_assert_eq(segment_newest(&s->picture.index, &last), 0);
	for (uint32_t n = last.part; n > 0 && segment_read(&s->picture.index, n, &e) == 0; n--) {
		if (e.flags & SEGMENT_LAST)
			continue;
		cr_expect_geq(e.duration_90k, TS_HZ * 17 / 100, "part %u of %u", e.part, e.number);
		seen++;
	}
	cr_expect_geq(seen, 20);
}

/* Two pictures are missing, so that the one before them lasts long. */
Test(cmaf_track, a_long_picture_does_not_end_its_part)
{
	uint8_t packet[TS_PACKET];
	unsigned begun = 0, cc = 0;
	struct scene s;
	FILE *f;

	scene_open(&s);
	f = fopen(media_file("simple.ts", MEDIA_H264_AAC "-bf 0 -t 6 -f mpegts"), "rb");
	cr_assert_not_null(f);
	while (fread(packet, 1, TS_PACKET, f) == TS_PACKET) {
		bool picture = ts_pid(packet) == s.parse.video_pid && begun + ts_pusi(packet) > 0;

		begun += picture && ts_pusi(packet);
		if (picture && (begun == 28 || begun == 29))
			continue;
		/* nothing is lost: the source has not made them */
		if (picture && packet[3] & 0x10)
			packet[3] = (uint8_t)((packet[3] & 0xf0) | (cc++ & 15));
		append(&s, packet);
	}
	fclose(f);
	take(&s);
	cr_expect_gt(begun, 140);
	check_parts(&s);
	scene_close(&s);
}

/* Groups of ten seconds with B-frames: segments begin with pictures that are shown later than those
 * behind them. */
Test(cmaf_track, segments_without_key_frames_are_dated_without_holes)
{
	struct segment last, e;
	unsigned cuts = 0;
	struct scene s;

	scene_open(&s);
	cuts_seal(&s.cuts, TS_HZ);
	play(&s, media_file("long_group.ts", MEDIA_H264_AAC "-g 250 -t 8 -f mpegts"));
	cr_assert_eq(segment_newest(&s.picture.index, &last), 0);
	for (uint32_t n = last.part; n > 0 && segment_read(&s.picture.index, n - 1, &e) == 0; n--) {
		int64_t off_us = last.wall_us - e.wall_us - (int64_t)e.duration_90k * 100 / 9;

		cr_expect(off_us >= -1000 && off_us <= 1000, "part %u is %lld us off", last.part,
			  (long long)off_us);
		cuts += last.number != e.number;
		last = e;
	}
	cr_expect_gt(cuts, 0);
	scene_close(&s);
}
