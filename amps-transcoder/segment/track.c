#include "amps-transcoder/segment/track.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "amps-transcoder/segment/track_form.h"
#include "common/clock.h"
#include "common/log/log.h"

#define FAR_90K	      (3600 * TS_HZ) /* and so has one further ahead */
#define ALONE_90K     (4 * TS_HZ)    /* a segment that is so long need not wait for another one */
#define LAPPED_AGE_US 500000	     /* of the access point at which a lapped reader goes on */

/* ---------- the index ---------- */

static struct ring view_of(const struct ring_writer *w)
{
	return (struct ring){.header = w->header,
			     .raps = w->raps,
			     .data = w->data,
			     .data_bytes = w->data_bytes,
			     .unit_bytes = sizeof(struct segment)};
}

static void say_running(struct segment_track *t)
{
	if (!t->running)
		job_report_running(t->job, t->output, t->generation);
	t->running = true;
}

/* Can a player begin?  All that the source's ring had is listed.  A player that gets one short
 * segment has played it before the next one is listed, unless parts follow at once. */
static bool can_begin(const struct segment_track *t, enum segment_step step)
{
	bool enough = t->files.count > 1 || t->last.duration_90k >= ALONE_90K ||
		      (t->media.part_ms && t->files.count > 0);

	return t->published && (step == SEGMENT_ENDED || (step == SEGMENT_IDLE && enough));
}

static void take_packet(struct segment_track *t)
{
	uint8_t *packet = t->stage + t->parsed;
	uint64_t pos = t->pos + t->parsed;
	struct ts_rap rap;
	unsigned saw = ts_parse_packet(&t->parse, packet, pos, &rap);

	assert(t->parsed + TS_PACKET <= t->staged);
	t->parsed += TS_PACKET;
	t->form->packet(t, packet, pos, saw, &rap);
}

static void take_staged(struct segment_track *t)
{
	size_t done;

	while (t->parsed + TS_PACKET <= t->staged && !t->error)
		take_packet(t);
	done = t->form->staged(t);
	assert(done <= t->parsed);
	memmove(t->stage, t->stage + done, t->staged - done);
	t->pos += done;
	t->staged -= done;
	t->parsed -= done;
}

/* The source does not go on where it stopped. */
static void gap(struct segment_track *t, bool broke_off)
{
	t->form->gap(t, broke_off);
	t->pos += t->staged;
	t->parsed = t->staged = 0;
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
	if (pts_90k + TRACK_RELATED_90K < t->resume_90k || pts_90k > t->resume_90k + FAR_90K)
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
	t->form->start(t);
	return true;
}

static enum segment_step read_more(struct segment_track *t)
{
	ssize_t n;

	if (!t->follow.started)
		return start(t) ? SEGMENT_MOVED : SEGMENT_IDLE;
	assert(t->staged + TRACK_CHUNK <= sizeof(t->stage));
	n = ring_follow_copy(&t->follow, t->stage + t->staged, TRACK_CHUNK);
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
		job_report_output_full(t->job, t->output, t->generation,
				       "the file system for segments is full");
		return;
	}
	snprintf(why, sizeof(why), "segments cannot be written: %s", strerror(-t->error));
	job_report_output_failed(t->job, t->output, t->generation, why, 0);
}

enum segment_step segment_track_step(struct segment_track *t)
{
	enum segment_step step = t->over ? SEGMENT_ENDED : read_more(t);

	if (t->facts_behind)
		track_put_facts(t, t->last.part);
	if (can_begin(t, step))
		say_running(t);
	if (!t->error)
		return step;
	say_failed(t);
	return SEGMENT_FAILED;
}

void segment_track_source(struct segment_track *t, struct job_event *event)
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

/* Takes the files of the entries from `first` on, oldest first. */
static int adopt_files(struct segment_track *t, const struct ring *view, uint32_t first,
		       const struct segment *newest)
{
	struct segment file = {0}, s;
	int r = 0;

	for (uint32_t n = first; r == 0 && n <= newest->part; n++) {
		if (segment_read(view, n, &s) < 0)
			continue;
		if (n > first && s.number != file.number) {
			r = segment_files_adopt(&t->files, &file);
			file = (struct segment){0};
		}
		file.number = s.number;
		file.init = s.init;
		file.bytes += s.bytes;
		file.duration_90k += s.duration_90k;
	}
	if (strcmp(t->files.growing, t->files.extension) != 0)
		segment_files_finish(&t->files, newest->number, file.bytes);
	return r == 0 ? segment_files_adopt(&t->files, &file) : r;
}

/* Where its segments began, so that tracks which were behind make those that they lack. */
static void adopt_cuts(struct cuts *cuts, const struct ring *view, const struct segment *newest)
{
	struct segment s, after = *newest;
	uint32_t kept = 0;

	while (kept < CUTS_KEPT && segment_read(view, after.first, &s) == 0) {
		cuts_adopt_cut(cuts, &(struct cut){.number = s.number,
						   .discontinuity = s.discontinuity,
						   .pts_90k = s.start_90k,
						   .wall_us = s.wall_us});
		kept++;
		if (s.part == 0 || segment_read(view, s.part - 1, &after) < 0 ||
		    after.number >= s.number)
			return;
	}
}

/* Takes the files and the numbers of what the index lists already, which the master has checked. */
static int adopt(struct segment_track *t, const char *path)
{
	struct ring view = view_of(&t->index);
	struct segment newest, oldest, s;
	uint32_t first;
	int r;

	if (segment_newest(&view, &newest) < 0 || segment_media_read(&view, &t->media) < 0)
		return segment_files_open(&t->files, path, 0, 0, 0);
	oldest = newest;
	/* no further than the numbers fall */
	for (first = newest.part;
	     first > 0 && segment_read(&view, first - 1, &s) == 0 && s.number <= oldest.number;
	     first--)
		oldest = s;
	r = segment_files_open(&t->files, path, oldest.number, newest.number + 1, oldest.init);
	if (r == 0)
		r = adopt_files(t, &view, first, &newest);
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
				    .access_90k = TIME_NONE,
				    .whole = newest.flags & SEGMENT_LAST,
				    .end_90k = t->resume_90k};
	cuts_adopt(t->cuts, &t->cut, t->media.target_s);
	adopt_cuts(t->cuts, &view, &newest);
	return 0;
}

static int open_track(struct segment_track *t, const struct job_event *event)
{
	char path[4096];
	int r = ring_writer_open(&t->index, event->fd, event->data_bytes);

	if (r < 0)
		return r;
	job_ring_add(t->job, &t->index);
	job_report_mapped(t->job, t->output, t->generation);
	if ((size_t)snprintf(path, sizeof(path), "%s/%lld/%lld",
			     job_spec_text(t->job, "media_root", ""),
			     (long long)job_spec_int(t->job, "channel", 0),
			     (long long)spec_int(event, "track")) >= sizeof(path))
		return -ENAMETOOLONG;
	r = adopt(t, path);
	t->media.track = (uint32_t)spec_int(event, "track");
	t->media.place = t->place;
	if (r == 0 && t->published)
		say_running(t);
	return r;
}

static const struct track_form *form_of(enum output_form form)
{
	static const struct track_form *const forms[OUTPUT_FORM_COUNT_] = {
		[OUTPUT_HLS_TS] = &track_ts,
		[OUTPUT_CMAF_PICTURE] = &track_picture,
		[OUTPUT_CMAF_SOUND] = &track_sound};

	assert(form < OUTPUT_FORM_COUNT_ && forms[form]);
	return forms[form];
}

struct segment_track *segment_track_new(struct job *job, struct cuts *cuts,
					const struct job_event *event)
{
	const struct track_form *form = form_of(event->form);
	struct segment_track *t = calloc(1, form->size);

	if (!t) {
		job_report_output_failed(job, event->output, event->generation, "no memory", 0);
		return NULL;
	}
	t->form = form;
	t->job = job;
	t->cuts = cuts;
	t->output = event->output;
	t->generation = event->generation;
	t->files = SEGMENT_FILES_INIT;
	t->place = (uint16_t)spec_int(event, "place");
	t->prefix[0] = *form->prefix ? (char)(*form->prefix + t->place) : '\0';
	t->files.prefix = t->prefix;
	t->files.extension = form->extension;
	t->files.growing = form->growing;
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
	t->error = form->init(t, event);
	if (t->error == 0)
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
	t->form->done(t);
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

bool segment_track_has_parts(const struct segment_track *t)
{
	return t->media.part_ms > 0;
}
