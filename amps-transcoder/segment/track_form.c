/* track_form.c - see track_form.h */
#include "amps-transcoder/segment/track_form.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "common/clock.h"

#define RATE_MIN_90K (TS_HZ / 2) /* a shorter segment does not measure a bit rate */

void track_fail(struct segment_track *t, int error)
{
	if (error < 0 && t->error == 0)
		t->error = error;
}

/* Of a complete segment. */
static void measure(struct segment_track *t)
{
	uint64_t bps = t->segment_bytes * 8 * TS_HZ / t->segment_90k;

	t->rate_bytes += t->segment_bytes;
	t->rate_90k += t->segment_90k;
	if (t->segment_90k < RATE_MIN_90K && t->media.peak_bps)
		return;
	t->media.peak_bps = (uint32_t)MIN(MAX(bps, t->media.peak_bps), UINT32_MAX);
	t->media.average_bps = (uint32_t)MIN(t->rate_bytes * 8 * TS_HZ / t->rate_90k, UINT32_MAX);
}

void track_put_facts(struct segment_track *t, uint32_t part)
{
	uint64_t before = t->index.rap_count;
	struct ring_rap rap = {.pos = segment_position(part),
			       .pts_90k = TIME_NONE,
			       .intro_bytes = sizeof(t->media)};

	memcpy(rap.bytes, &t->media, sizeof(t->media));
	ring_writer_add_rap(&t->index, &rap);
	t->facts_behind = t->index.rap_count == before;
}

/* Least duration of a playlist, and of the time that files outlast it. */
static int64_t least_90k(const struct segment_track *t)
{
	return (int64_t)SEGMENT_KEEP_TARGETS * t->cuts->target_s * TS_HZ;
}

/* What stays in the playlist, and on the disk behind it. */
static void slide(struct segment_track *t)
{
	int64_t window_90k = MAX(t->window_90k * t->percent / 100, least_90k(t));
	uint64_t least_us = (uint64_t)least_90k(t) * 100 / 9, now_us = clock_mono_us();
	uint64_t keep_us = t->percent < 100 ? least_us : MAX(t->keep_us, least_us);

	t->entry.oldest =
		segment_files_slide(&t->files, window_90k, PLAYLIST_SEGMENTS_MIN, keep_us, now_us);
}

static bool has_picture(const struct segment_track *t)
{
	unsigned pid = t->parse.video_pid;

	return pid != TS_PID_NONE && t->parse.stream_of[pid] &&
	       t->form->carries(&t->parse.streams[t->parse.stream_of[pid] - 1]);
}

/* Is there sound in a codec that the files carry? */
static bool has_sound(const struct segment_track *t)
{
	for (unsigned i = 0; i < t->parse.stream_count; i++)
		if (t->parse.streams[i].kind == TS_KIND_AUDIO &&
		    t->form->carries(&t->parse.streams[i]))
			return true;
	return false;
}

void track_publish(struct segment_track *t)
{
	uint64_t pos = segment_position(t->entry.part);

	if (t->error)
		return;
	if (t->entry.flags & SEGMENT_LAST)
		slide(t);
	else
		t->entry.oldest = t->published ? t->last.oldest : t->entry.number;
	assert(t->entry.oldest <= t->entry.number);
	t->media.target_s = t->cuts->target_s;
	t->media.independent = t->independent;
	t->media.streams =
		(has_picture(t) ? SEGMENT_HAS_PICTURE : 0) | (has_sound(t) ? SEGMENT_HAS_SOUND : 0);
	t->segment_bytes += t->entry.bytes;
	t->segment_90k += t->entry.duration_90k;
	if (t->entry.flags & SEGMENT_LAST)
		measure(t);
	if (t->index.commit != pos)
		ring_writer_begin(&t->index, pos);
	ring_writer_append(&t->index, &t->entry, sizeof(t->entry));
	ring_writer_stats(&t->index, t->files.bytes, t->media.average_bps, t->parse.cc_errors);
	t->last = t->entry;
	t->published = true;
	if (t->entry.flags & SEGMENT_LAST)
		track_put_facts(t, t->entry.part);
}

void track_close_segment(struct segment_track *t)
{
	if (t->error)
		return;
	assert(t->published && !(t->last.flags & SEGMENT_LAST));
	t->last.flags |= SEGMENT_LAST | SEGMENT_CLOSED_LATE;
	ring_writer_amend(&t->index,
			  segment_position(t->last.part) + offsetof(struct segment, flags),
			  t->last.flags);
	t->media.target_s = t->cuts->target_s;
	measure(t);
	track_put_facts(t, t->last.part);
}

void track_begin_segment(struct segment_track *t, const struct cut *cut, uint32_t flags)
{
	bool follows =
		t->last.discontinuity == t->cut.discontinuity && t->last.number + 1 == cut->number;

	assert(!t->writing);
	if (t->published && !follows)
		flags |= SEGMENT_DISCONTINUITY;
	/* numbers that other tracks have and this one has not: a playlist cannot have a hole */
	if (t->published && t->last.number + 1 != cut->number) {
		segment_files_forget(&t->files, cut->number, clock_mono_us());
		t->last.oldest = cut->number;
	}
	t->independent = t->independent && flags & SEGMENT_INDEPENDENT;
	t->entry = (struct segment){.number = cut->number,
				    .discontinuity = t->cut.discontinuity,
				    .start_90k = t->cut.start_90k,
				    .wall_us = cut_wall_us(cut, t->cut.start_90k),
				    .part = cut->number,
				    .first = cut->number,
				    .flags = flags};
	t->segment_bytes = t->segment_90k = 0;
	track_fail(t, segment_files_begin(&t->files, cut->number));
	t->writing = t->error == 0;
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
	if (since_90k < t->last.duration_90k ||
	    since_90k > t->last.duration_90k + TRACK_RELATED_90K)
		since_90k = t->last.duration_90k;
	return MAX(wall, t->last.wall_us + since_90k * 100 / 9);
}

const struct cut *track_start(struct segment_track *t, int64_t pts_90k)
{
	const struct cut *cut;

	assert(!t->writing);
	if (t->resume_90k != TIME_NONE && pts_90k < t->resume_90k - TRACK_SAME_90K)
		return NULL;
	cut = cuts_start(t->cuts, &t->cut, pts_90k, wall_us(t, pts_90k));
	if (cut)
		t->resume_90k = TIME_NONE;
	return cut;
}
