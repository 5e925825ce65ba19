#include "amps-transcoder/segment/track.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "amps-transcoder/segment/facts.h"
#include "amps-transcoder/segment/files.h"
#include "amps-transcoder/source/ring_follow.h"
#include "amps-transcoder/ts/single.h"
#include "common/clock.h"
#include "common/log/log.h"

#define CHUNK	      (64u << 10)  /* read at once */
#define HELD_MAX      (512u << 10) /* of a picture that is held back until it is complete */
#define STAGE_BYTES   (HELD_MAX + CHUNK + TS_PACKET)
#define SAME_90K      (TS_HZ / 50)
#define RELATED_90K   (10 * TS_HZ)   /* a source further behind has started again */
#define FAR_90K	      (3600 * TS_HZ) /* and so has one further ahead */
#define SHORTEST_90K  (TS_HZ / 50)
#define ALONE_90K     (4 * TS_HZ) /* a segment that is so long need not wait for another one */
#define LAPPED_AGE_US 500000	  /* of the access point at which a lapped reader goes on */
#define RATE_MIN_90K  (TS_HZ / 2) /* a shorter segment does not measure a bit rate */

struct segment_track {
	struct job *job;   /* borrowed */
	struct cuts *cuts; /* borrowed */
	uint32_t output;
	uint64_t generation;
	struct ring_writer index;
	bool running; /* the master knows that the index can be played */
	struct segment_files files;
	int64_t window_90k;
	uint64_t keep_us;
	unsigned percent;

	struct ring_follow follow;
	struct ts_parse parse;
	int64_t resume_90k; /* access points before it are what an earlier job had; TIME_NONE */
	int64_t from_90k,
		from_wall_us; /* the access point that it started at, and when that came */
	bool continues;	      /* it is on the timeline of what was published */
	bool any;	      /* the next picture counts as an access point */
	bool several;	      /* the stage has had packets of several programmes */
	bool over;	      /* the source has ended */
	bool independent;     /* each segment has begun with an access point, and each will */
	int error;	      /* of the files */

	/* bytes of the source: those before `flushed` are written, those before `parsed` parsed */
	uint8_t stage[STAGE_BYTES];
	size_t flushed, parsed, staged;
	uint64_t pos; /* of stage[0], since the track began */

	struct cut_track cut;
	struct segment entry; /* of the file that grows */
	uint64_t entry_pos;
	bool writing;
	struct segment last; /* published */
	bool published;

	struct facts facts;
	bool facts_begun, facts_known;
	bool facts_behind; /* what the index says is older than `media` */
	struct segment_media media;
	uint64_t rate_bytes, rate_90k; /* of all segments so far */
};

/* ---------- the index ---------- */

static struct ring view_of(const struct ring_writer *w)
{
	return (struct ring){.header = w->header,
			     .raps = w->raps,
			     .data = w->data,
			     .data_bytes = w->data_bytes,
			     .unit_bytes = sizeof(struct segment)};
}

static void measure(struct segment_track *t, const struct segment *s)
{
	uint64_t bps = s->bytes * 8 * TS_HZ / s->duration_90k;

	t->rate_bytes += s->bytes;
	t->rate_90k += s->duration_90k;
	if (s->duration_90k < RATE_MIN_90K && t->media.peak_bps)
		return;
	t->media.peak_bps = (uint32_t)MIN(MAX(bps, t->media.peak_bps), UINT32_MAX);
	t->media.average_bps = (uint32_t)MIN(t->rate_bytes * 8 * TS_HZ / t->rate_90k, UINT32_MAX);
}

/* Several segments at once come faster than access points may: the last facts follow then. */
static void put_facts(struct segment_track *t, uint32_t number)
{
	uint64_t before = t->index.rap_count;
	struct ring_rap rap = {.pos = segment_position(number),
			       .pts_90k = TIME_NONE,
			       .intro_bytes = sizeof(t->media)};

	memcpy(rap.bytes, &t->media, sizeof(t->media));
	ring_writer_add_rap(&t->index, &rap);
	t->facts_behind = t->index.rap_count == before;
}

static void say_running(struct segment_track *t)
{
	if (!t->running)
		job_say_running(t->job, t->output, t->generation);
	t->running = true;
}

/* Least duration of a playlist, and of the time that files outlast it. */
static int64_t least_90k(const struct segment_track *t)
{
	return (int64_t)SEGMENT_KEEP_TARGETS * t->cuts->target_s * TS_HZ;
}

static void publish(struct segment_track *t)
{
	uint64_t pos = segment_position(t->entry.number), now_us = clock_mono_us();
	int64_t window_90k = MAX(t->window_90k * t->percent / 100, least_90k(t));
	uint64_t least_us = (uint64_t)least_90k(t) * 100 / 9;
	uint64_t keep_us = t->percent < 100 ? least_us : MAX(t->keep_us, least_us);

	/* numbers that other tracks have and this one has not: a playlist cannot have a hole */
	if (t->index.commit != pos)
		segment_files_forget(&t->files, t->entry.number, now_us);
	t->entry.oldest =
		segment_files_slide(&t->files, window_90k, PLAYLIST_SEGMENTS_MIN, keep_us, now_us);
	assert(t->entry.oldest <= t->entry.number);
	t->media.target_s = t->cuts->target_s;
	t->independent = t->independent && t->entry.flags & SEGMENT_INDEPENDENT;
	t->media.independent = t->independent;
	measure(t, &t->entry);
	if (t->index.commit != pos)
		ring_writer_begin(&t->index, pos);
	ring_writer_append(&t->index, &t->entry, sizeof(t->entry));
	ring_writer_stats(&t->index, t->files.bytes, t->media.average_bps, t->parse.cc_errors);
	put_facts(t, t->entry.number);
	t->last = t->entry;
	t->published = true;
}

/* Can a player begin?  All that the source's ring had is listed.  A player that gets one short
 * segment has played it before it learns of the next one. */
static bool can_begin(const struct segment_track *t, enum segment_step step)
{
	bool enough = t->files.count > 1 || t->last.duration_90k >= ALONE_90K;

	return t->published && (step == SEGMENT_ENDED || (step == SEGMENT_IDLE && enough));
}

/* ---------- segments ---------- */

static void fail(struct segment_track *t, int error)
{
	if (error < 0 && t->error == 0)
		t->error = error;
}

/* Bytes of the stage up to `end` belong to the file that grows. */
static void flush_to(struct segment_track *t, size_t end)
{
	assert(end >= t->flushed && end <= t->staged);
	while (t->writing && t->flushed < end) {
		size_t run = end - t->flushed;

		if (t->several)
			run = ts_single_run(t->stage + t->flushed, run);
		if (run > 0)
			fail(t, segment_files_append(&t->files, t->stage + t->flushed, run));
		/* behind it is a packet that is not wanted, or the end */
		t->flushed += MIN(run + TS_PACKET, end - t->flushed);
	}
	t->flushed = end;
}

static void end_segment(struct segment_track *t, int64_t end_90k)
{
	int64_t duration_90k = MAX(end_90k - t->entry.start_90k, SHORTEST_90K);

	assert(t->writing && t->entry.number == t->files.fd_number);
	t->writing = false;
	t->entry.duration_90k = (uint32_t)MIN(duration_90k, (int64_t)SEGMENT_SECONDS_MAX * TS_HZ);
	t->entry.bytes = t->files.fd_bytes;
	fail(t, segment_files_end(&t->files, t->entry.duration_90k, &t->entry.made_s));
	if (t->error)
		return;
	if (!t->facts_known && t->facts_begun) {
		facts_read(&t->facts, &t->parse, &t->media);
		t->facts_known = true;
	}
	cuts_seal(t->cuts, t->entry.duration_90k);
	publish(t);
}

/* The tables in front of a segment. */
static void append_tables(struct segment_track *t, const struct ts_rap *rap)
{
	struct ts_rap copy = *rap;

	for (unsigned i = 0; ts_single_needed(&t->parse) && i < copy.psi_packets; i++)
		ts_single_packet(&t->parse, copy.psi + i * TS_PACKET);
	fail(t, segment_files_append(&t->files, copy.psi, copy.psi_packets * TS_PACKET));
}

/* A segment begins with the packet at `rap->pos`. */
static void begin_segment(struct segment_track *t, const struct cut *cut, const struct ts_rap *rap,
			  uint32_t flags)
{
	assert(rap->pos >= t->pos && t->cut.number == cut->number);
	flush_to(t, (size_t)(rap->pos - t->pos));
	if (t->writing)
		end_segment(t, t->cut.start_90k);
	if (t->published &&
	    (t->last.discontinuity != t->cut.discontinuity || t->last.number + 1 != cut->number))
		flags |= SEGMENT_DISCONTINUITY;
	t->entry = (struct segment){.number = cut->number,
				    .discontinuity = t->cut.discontinuity,
				    .start_90k = t->cut.start_90k,
				    .wall_us = cut_wall_us(cut, t->cut.start_90k),
				    .flags = flags};
	t->entry_pos = rap->pos;
	fail(t, segment_files_begin(&t->files, cut->number));
	if (t->error)
		return;
	t->writing = true;
	append_tables(t, rap);
}

static void collect_facts(struct segment_track *t, const struct ts_rap *rap)
{
	if (t->facts_known || t->facts_begun)
		return;
	t->facts_begun = true;
	facts_begin(&t->facts, &t->parse);
	for (size_t at = (size_t)(rap->pos - t->pos); at < t->parsed; at += TS_PACKET)
		facts_packet(&t->facts, t->stage + at);
}

/* When this picture was shown: as the segments before it have it, or by its arrival. */
static int64_t wall_us(const struct segment_track *t, int64_t pts_90k)
{
	int64_t wall = t->from_wall_us + (pts_90k - t->from_90k) * 100 / 9;
	int64_t since_90k = pts_90k - t->last.start_90k;

	if (!t->published)
		return wall;
	if (t->continues)
		return t->last.wall_us + since_90k * 100 / 9;
	/* no earlier than the pictures of other variants, which may go on without a break */
	if (since_90k < t->last.duration_90k || since_90k > t->last.duration_90k + RELATED_90K)
		since_90k = t->last.duration_90k;
	return MAX(wall, t->last.wall_us + since_90k * 100 / 9);
}

static void on_access(struct segment_track *t, const struct ts_rap *rap)
{
	uint32_t flags = t->any ? 0 : SEGMENT_INDEPENDENT;
	const struct cut *cut;

	t->any = false;
	if (rap->pts_90k == TIME_NONE || rap->pos < t->pos + t->flushed)
		return;
	if (t->writing && rap->pos == t->entry_pos)
		return;
	if (t->from_90k == TIME_NONE)
		t->from_90k = rap->pts_90k;
	if (t->writing) {
		cut = cuts_next(t->cuts, &t->cut, rap->pts_90k, true);
	} else {
		if (t->resume_90k != TIME_NONE && rap->pts_90k < t->resume_90k - SAME_90K)
			return;
		cut = cuts_start(t->cuts, &t->cut, rap->pts_90k, wall_us(t, rap->pts_90k));
	}
	if (!cut)
		return;
	t->resume_90k = TIME_NONE;
	begin_segment(t, cut, rap, flags);
	collect_facts(t, rap);
}

/* A picture begins that is no access point as far as its first packet shows. */
static void on_picture(struct segment_track *t)
{
	const struct ts_rap *begin = &t->parse.candidate;
	const struct cut *cut;

	if (begin->pts_90k == TIME_NONE || begin->pos < t->pos + t->flushed)
		return;
	if (t->from_90k == TIME_NONE)
		t->from_90k = begin->pts_90k;
	if (!t->writing) {
		/* no access point for so long: begin with any picture */
		t->any = begin->pts_90k - t->from_90k > (int64_t)SEGMENT_HELD_MAX_S * TS_HZ;
		t->parse.any_picture = t->any;
		return;
	}
	cut = cuts_next(t->cuts, &t->cut, begin->pts_90k, false);
	if (cut)
		begin_segment(t, cut, begin, 0);
}

static void take_packet(struct segment_track *t)
{
	uint8_t *packet = t->stage + t->parsed;
	uint64_t pos = t->pos + t->parsed;
	struct ts_rap rap;
	unsigned saw = ts_parse_packet(&t->parse, packet, pos, &rap);

	assert(t->parsed + TS_PACKET <= t->staged);
	t->parsed += TS_PACKET;
	if (saw & TS_SAW_PMT)
		t->facts_known = t->facts_begun = false;
	if (t->facts_begun && !t->facts_known)
		facts_packet(&t->facts, packet);
	t->several = t->several || ts_single_needed(&t->parse);
	if (ts_single_needed(&t->parse))
		ts_single_packet(&t->parse, packet);
	if (saw & TS_SAW_RAP)
		on_access(t, &rap);
	else if (saw & TS_SAW_PES && t->parse.candidate.pos == pos)
		on_picture(t);
}

/* The end of the complete pictures in the stage; of all of it if the last one is too large to be
 * held back. */
static size_t complete(const struct segment_track *t)
{
	uint64_t begin = t->parse.candidate.pos;

	assert(begin <= t->pos + t->parsed);
	if (begin < t->pos + t->flushed || t->pos + t->parsed - begin > HELD_MAX)
		return t->parsed;
	return (size_t)(begin - t->pos);
}

static void take_staged(struct segment_track *t)
{
	while (t->parsed + TS_PACKET <= t->staged && !t->error)
		take_packet(t);
	flush_to(t, complete(t));
	assert(t->flushed <= t->parsed && t->parsed <= t->staged);
	memmove(t->stage, t->stage + t->flushed, t->staged - t->flushed);
	t->pos += t->flushed;
	t->staged -= t->flushed;
	t->parsed -= t->flushed;
	t->flushed = 0;
}

/* The source does not go on where it stopped.  Where it broke off, half a picture is left out,
 * which some players take for an error; but a segment keeps its first picture. */
static void gap(struct segment_track *t, bool broke_off)
{
	int64_t end_90k = t->parse.frontier_90k;
	bool half = t->writing && t->parse.candidate.pos > t->entry_pos;

	flush_to(t, broke_off && half ? complete(t) : t->parsed);
	if (t->writing)
		end_segment(t, end_90k == TIME_NONE ? t->entry.start_90k : end_90k);
	t->pos += t->staged;
	t->flushed = t->parsed = t->staged = 0;
	ring_follow_stop(&t->follow);
}

/* ---------- the source ---------- */

/* Unwrapped times go on near those that the track had, or that other tracks have. */
static int64_t near_90k(const struct segment_track *t)
{
	if (t->published)
		return t->last.start_90k + t->last.duration_90k;
	return cuts_newest_90k(t->cuts);
}

/* Forgets where an earlier job stopped if this source is another one. */
static void judge_resume(struct segment_track *t)
{
	struct ring_rap newest;
	int64_t pts_90k;

	if (t->resume_90k == TIME_NONE ||
	    ring_find_rap(&t->follow.ring, clock_mono_us(), 0, &newest) < 0 ||
	    newest.pts_90k == TIME_NONE)
		return;
	pts_90k = ts_unwrap(t->resume_90k, newest.pts_90k & ((1ll << 33) - 1));
	if (pts_90k + RELATED_90K < t->resume_90k || pts_90k > t->resume_90k + FAR_90K)
		t->resume_90k = TIME_NONE;
	t->continues = t->resume_90k != TIME_NONE;
}

/* From an access point, whose tables the parser reads first. */
static bool start(struct segment_track *t)
{
	uint64_t now_us = clock_mono_us();
	struct ring_intro intro;
	struct ring_rap rap;
	struct ts_rap none;

	if (!t->follow.has_ring || !ring_follow_ready(&t->follow) ||
	    !ring_follow_start(&t->follow, &rap))
		return false;
	judge_resume(t);
	ts_parse_init(&t->parse);
	t->parse.ref_90k = near_90k(t);
	intro = ring_intro(&rap, false);
	for (size_t at = 0; at + TS_PACKET <= intro.len; at += TS_PACKET)
		ts_parse_packet(&t->parse, intro.bytes + at, t->pos, &none);
	t->from_90k = TIME_NONE;
	t->from_wall_us = clock_wall_us();
	if (rap.mono_us <= now_us)
		t->from_wall_us -= (int64_t)(now_us - rap.mono_us);
	t->facts_known = t->facts_begun = false;
	return true;
}

static enum segment_step read_more(struct segment_track *t)
{
	ssize_t n;

	if (!t->follow.started)
		return start(t) ? SEGMENT_MOVED : SEGMENT_IDLE;
	assert(t->staged + CHUNK <= sizeof(t->stage));
	n = ring_follow_copy(&t->follow, t->stage + t->staged, CHUNK);
	if (n > 0) {
		t->staged += (size_t)n;
		take_staged(t);
		return SEGMENT_MOVED;
	}
	if (n == 0)
		return SEGMENT_IDLE;
	if (n == -ESTALE)
		log_warn("the segment job is too slow, skipping ahead channel=%s", t->job->key);
	gap(t, n != -ENODATA);
	t->continues = true;
	t->follow.age_us = LAPPED_AGE_US;
	t->over = n == -ENODATA;
	if (t->over)
		ring_writer_ended(&t->index);
	return t->over ? SEGMENT_ENDED : SEGMENT_MOVED;
}

static void say_failed(struct segment_track *t)
{
	char why[160];

	if (t->error == -ENOSPC || t->error == -EDQUOT) {
		job_say_output_full(t->job, t->output, t->generation,
				    "the file system for segments is full");
		return;
	}
	snprintf(why, sizeof(why), "segments cannot be written: %s", strerror(-t->error));
	job_say_output_failed(t->job, t->output, t->generation, why, 0);
}

enum segment_step segment_track_step(struct segment_track *t)
{
	enum segment_step step = t->over ? SEGMENT_ENDED : read_more(t);

	if (t->facts_behind)
		put_facts(t, t->last.number);
	if (can_begin(t, step))
		say_running(t);
	if (!t->error)
		return step;
	say_failed(t);
	return SEGMENT_FAILED;
}

void segment_track_source(struct segment_track *t, const struct job_event *event)
{
	bool again = false;
	int r;

	/* what is left of the ring that is replaced */
	while (!event->same_job && t->follow.started && read_more(t) == SEGMENT_MOVED && !t->error)
		;
	r = ring_follow_take(&t->follow, event, &again);
	if (r < 0)
		log_warn("a source ring cannot be mapped, waiting for another error=%s",
			 strerror(-r));
	if (again) {
		gap(t, true);
		t->continues = t->over = false;
	}
}

void segment_track_window(struct segment_track *t, unsigned percent)
{
	t->percent = percent;
}

/* ---------- life ---------- */

static int64_t spec_int(const struct job_event *event, const char *name)
{
	return json_integer_value(json_object_get(event->spec, name));
}

/* Takes the files and the numbers of what the index lists already, which the master has checked. */
static int adopt(struct segment_track *t, const char *path)
{
	struct ring view = view_of(&t->index);
	struct segment newest, s;
	uint32_t first, n;
	int r;

	if (segment_newest(&view, &newest) < 0 || segment_media_read(&view, &t->media) < 0)
		return segment_files_open(&t->files, path, 0, 0);
	for (first = newest.number; first > 0 && segment_read(&view, first - 1, &s) == 0; first--)
		;
	r = segment_files_open(&t->files, path, first, newest.number + 1);
	for (n = first; r == 0 && n <= newest.number; n++)
		if (segment_read(&view, n, &s) == 0)
			r = segment_files_adopt(&t->files, &s);
	if (r < 0)
		return r;
	segment_files_forget(&t->files, newest.oldest, clock_mono_us());
	t->last = newest;
	t->published = true;
	t->independent = t->independent && t->media.independent;
	t->resume_90k = newest.start_90k + newest.duration_90k;
	t->cut = (struct cut_track){.begun = true,
				    .number = newest.number,
				    .discontinuity = newest.discontinuity,
				    .access_90k = TIME_NONE};
	cuts_adopt(t->cuts, newest.number, newest.discontinuity, t->media.target_s);
	return 0;
}

static int open_track(struct segment_track *t, const struct job_event *event)
{
	char path[4096];
	int r = ring_writer_open(&t->index, event->fd, event->data_bytes);

	if (r < 0)
		return r;
	job_ring_add(t->job, &t->index);
	job_say_mapped(t->job, t->output, t->generation);
	if ((size_t)snprintf(path, sizeof(path), "%s/%lld/%lld",
			     job_spec_text(t->job, "media_root", ""),
			     (long long)job_spec_int(t->job, "channel", 0),
			     (long long)spec_int(event, "track")) >= sizeof(path))
		return -ENAMETOOLONG;
	r = adopt(t, path);
	t->media.track = (uint32_t)spec_int(event, "track");
	if (r == 0 && t->published)
		say_running(t);
	return r;
}

struct segment_track *segment_track_new(struct job *job, struct cuts *cuts,
					const struct job_event *event)
{
	struct segment_track *t = calloc(1, sizeof(*t));

	if (!t) {
		job_say_output_failed(job, event->output, event->generation, "no memory", 0);
		return NULL;
	}
	t->job = job;
	t->cuts = cuts;
	t->output = event->output;
	t->generation = event->generation;
	t->files = SEGMENT_FILES_INIT;
	t->window_90k = spec_int(event, "window_ms") * 90;
	t->keep_us = (uint64_t)spec_int(event, "keep_ms") * 1000;
	t->independent = json_is_true(json_object_get(event->spec, "independent"));
	t->percent = 100;
	t->resume_90k = t->from_90k = t->cut.access_90k = TIME_NONE;
	ts_parse_init(&t->parse);
	/* from the oldest access point that the ring has */
	ring_follow_init(&t->follow, UINT64_MAX);
	if (!cuts->segment_90k)
		cuts->segment_90k = spec_int(event, "segment_ms") * 90;
	cuts->gop_90k = MAX(cuts->gop_90k, spec_int(event, "key_ms") * 90);
	t->error = open_track(t, event);
	if (t->error == 0)
		return t;
	say_failed(t);
	return segment_track_free(t, false);
}

struct segment_track *segment_track_free(struct segment_track *t, bool remove)
{
	if (!t)
		return NULL;
	if (t->index.header)
		job_ring_remove(t->job, &t->index);
	ring_writer_close(&t->index);
	ring_follow_done(&t->follow);
	segment_files_close(&t->files, remove);
	free(t);
	return NULL;
}

uint32_t segment_track_output(const struct segment_track *t)
{
	return t->output;
}
