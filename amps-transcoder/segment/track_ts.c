/* track_ts.c - segments of a transport stream: its own packets, with the tables in front of each
 * file. */
#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "amps-transcoder/segment/facts.h"
#include "amps-transcoder/segment/track_form.h"
#include "amps-transcoder/ts/single.h"
#include "common/hash.h"

#define SHORTEST_90K (TS_HZ / 50)
#define POS_NONE     UINT64_MAX
#define TS_KINDS     (TS_KIND_AUDIO + 1)

struct ts_track {
	struct segment_track base;
	size_t flushed; /* bytes of the stage that are in a file */
	uint64_t entry_pos;
	uint64_t pat_pos; /* of the last PAT, if only tables have come since; POS_NONE */
	int64_t held_90k; /* the first picture since no file grows; TIME_NONE */
	bool any;	  /* the next picture counts as an access point */
	bool several;	  /* the stage has had packets of several programmes */
	/* Hashes of the streams of each kind, their PIDs and codecs. */
	uint64_t streams[TS_KINDS];
	bool renewed; /* the sounds are not those that the file began with */
	struct facts facts;
	bool facts_begun, facts_known;
};
static_assert(offsetof(struct ts_track, base) == 0, "a track is cast to its form");

/* Bytes of the stage up to `end` belong to the file that grows. */
static void flush_to(struct ts_track *f, size_t end)
{
	struct segment_track *t = &f->base;

	assert(end >= f->flushed && end <= t->staged);
	while (t->writing && f->flushed < end) {
		size_t run = end - f->flushed;

		if (f->several)
			run = ts_single_run(t->stage + f->flushed, run);
		if (run > 0)
			track_fail(t, segment_files_append(&t->files, t->stage + f->flushed, run));
		/* behind it is a packet that is not wanted, or the end */
		f->flushed += MIN(run + TS_PACKET, end - f->flushed);
	}
	f->flushed = end;
}

static void end_segment(struct ts_track *f, int64_t end_90k)
{
	struct segment_track *t = &f->base;
	int64_t duration_90k = MAX(end_90k - t->entry.start_90k, SHORTEST_90K);

	assert(t->writing && t->entry.number == t->files.fd_number);
	t->writing = false;
	t->entry.duration_90k = (uint32_t)MIN(duration_90k, (int64_t)SEGMENT_SECONDS_MAX * TS_HZ);
	t->entry.bytes = (uint32_t)MIN(t->files.fd_bytes, SEGMENT_BYTES_MAX);
	t->entry.flags |= SEGMENT_LAST;
	track_fail(t, segment_files_end(&t->files, t->entry.duration_90k, 0, &t->entry.made_s));
	if (t->error)
		return;
	if (!f->facts_known && f->facts_begun) {
		facts_read(&f->facts, &t->parse, &t->media);
		f->facts_known = true;
	}
	cuts_seal(t->cuts, t->entry.duration_90k);
	track_publish(t);
}

/* With all that has come. */
static void end_at_frontier(struct ts_track *f)
{
	int64_t end_90k = f->base.parse.frontier_90k;

	end_segment(f, end_90k == TIME_NONE ? f->base.entry.start_90k : end_90k);
}

static void list_streams(const struct ts_parse *p, uint64_t ret[TS_KINDS])
{
	memset(ret, 0, TS_KINDS * sizeof(*ret));
	for (unsigned i = 0; i < p->stream_count; i++) {
		const struct ts_stream *s = &p->streams[i];

		ret[s->kind] = hash_text(hash_u64(ret[s->kind], s->pid), s->codec);
	}
}

/* The tables are new.  With other streams, a file with both would need a mark inside (RFC 8216,
 * 4.3.2.3).  Other pictures begin a file at once; other sounds begin it with the next access point,
 * because the pictures until then would be lost. */
static void on_tables(struct ts_track *f, uint64_t pos)
{
	struct segment_track *t = &f->base;
	uint64_t now[TS_KINDS];

	if (!t->writing)
		return;
	/* the PAT in front of them belongs to the next file */
	if (f->pat_pos != POS_NONE && f->pat_pos >= t->pos + f->flushed)
		pos = f->pat_pos;
	list_streams(&t->parse, now);
	f->renewed = now[TS_KIND_AUDIO] != f->streams[TS_KIND_AUDIO];
	if (now[TS_KIND_VIDEO] == f->streams[TS_KIND_VIDEO])
		return;
	flush_to(f, (size_t)(pos - t->pos));
	end_at_frontier(f);
}

/* The tables in front of a segment. */
static void append_tables(struct segment_track *t, const struct ts_rap *rap)
{
	struct ts_rap copy = *rap;

	for (unsigned i = 0; ts_single_needed(&t->parse) && i < copy.psi_packets; i++)
		ts_single_packet(&t->parse, copy.psi + i * TS_PACKET);
	track_fail(t, segment_files_append(&t->files, copy.psi, copy.psi_packets * TS_PACKET));
}

/* A segment begins with the packet at `rap->pos`. */
static void begin_segment(struct ts_track *f, const struct cut *cut, const struct ts_rap *rap,
			  uint32_t flags)
{
	struct segment_track *t = &f->base;

	assert(rap->pos >= t->pos && t->cut.number == cut->number);
	flush_to(f, (size_t)(rap->pos - t->pos));
	if (t->writing)
		end_segment(f, t->cut.start_90k);
	track_begin_segment(t, cut, flags);
	f->entry_pos = rap->pos;
	f->held_90k = TIME_NONE;
	list_streams(&t->parse, f->streams);
	f->renewed = false;
	if (t->writing)
		append_tables(t, rap);
}

static void collect_facts(struct ts_track *f, const struct ts_rap *rap)
{
	const struct segment_track *t = &f->base;

	if (f->facts_known || f->facts_begun)
		return;
	f->facts_begun = true;
	facts_begin(&f->facts, &t->parse);
	for (size_t at = (size_t)(rap->pos - t->pos); at < t->parsed; at += TS_PACKET)
		facts_packet(&f->facts, t->stage + at);
}

static void on_access(struct ts_track *f, const struct ts_rap *rap)
{
	struct segment_track *t = &f->base;
	uint32_t flags = f->any ? 0 : SEGMENT_INDEPENDENT;
	const struct cut *cut;

	f->any = false;
	if (rap->pts_90k == TIME_NONE || rap->pos < t->pos + f->flushed)
		return;
	if (t->writing && rap->pos == f->entry_pos)
		return;
	if (t->from_90k == TIME_NONE)
		t->from_90k = rap->pts_90k;
	if (t->writing && f->renewed) {
		flush_to(f, (size_t)(rap->pos - t->pos));
		end_segment(f, rap->pts_90k);
	}
	cut = t->writing ? cuts_next(t->cuts, &t->cut, rap->pts_90k, true)
			 : track_start(t, rap->pts_90k);
	if (!cut)
		return;
	begin_segment(f, cut, rap, flags);
	collect_facts(f, rap);
}

/* A picture begins that is no access point as far as its first packet shows. */
static void on_picture(struct ts_track *f)
{
	struct segment_track *t = &f->base;
	const struct ts_rap *begin = &t->parse.candidate;
	const struct cut *cut;

	if (begin->pts_90k == TIME_NONE || begin->pos < t->pos + f->flushed)
		return;
	if (t->from_90k == TIME_NONE)
		t->from_90k = begin->pts_90k;
	if (!t->writing) {
		if (f->held_90k == TIME_NONE)
			f->held_90k = begin->pts_90k;
		/* no access point for so long: begin with any picture */
		f->any = begin->pts_90k - f->held_90k > (int64_t)SEGMENT_HELD_MAX_S * TS_HZ;
		t->parse.any_picture = f->any;
		return;
	}
	cut = cuts_next(t->cuts, &t->cut, begin->pts_90k, false);
	if (cut)
		begin_segment(f, cut, begin, 0);
}

static void on_packet(struct segment_track *t, uint8_t *packet, uint64_t pos, unsigned saw,
		      const struct ts_rap *rap)
{
	struct ts_track *f = (struct ts_track *)t;
	unsigned pid = ts_pid(packet);

	if (pid == 0 && ts_pusi(packet))
		f->pat_pos = pos;
	else if (t->parse.stream_of[pid])
		f->pat_pos = POS_NONE;
	if (saw & TS_SAW_PMT) {
		f->facts_known = f->facts_begun = false;
		on_tables(f, pos);
	}
	if (f->facts_begun && !f->facts_known)
		facts_packet(&f->facts, packet);
	f->several = f->several || ts_single_needed(&t->parse);
	if (ts_single_needed(&t->parse))
		ts_single_packet(&t->parse, packet);
	if (saw & TS_SAW_RAP)
		on_access(f, rap);
	else if (saw & TS_SAW_PES && t->parse.candidate.pos == pos)
		on_picture(f);
}

/* The end of the complete pictures in the stage; of all of it if the last one is too large to be
 * held back. */
static size_t complete(const struct ts_track *f)
{
	const struct segment_track *t = &f->base;
	uint64_t begin = t->parse.candidate.pos;

	assert(begin <= t->pos + t->parsed);
	if (begin < t->pos + f->flushed || t->pos + t->parsed - begin > TRACK_HELD_MAX)
		return t->parsed;
	return (size_t)(begin - t->pos);
}

static size_t on_staged(struct segment_track *t)
{
	struct ts_track *f = (struct ts_track *)t;
	size_t end = complete(f);

	flush_to(f, end);
	f->flushed = 0;
	return end;
}

/* Where it broke off, half a picture is left out, which some players take for an error; but a
 * segment keeps its first picture. */
static void on_gap(struct segment_track *t, bool broke_off)
{
	struct ts_track *f = (struct ts_track *)t;
	bool half = t->writing && t->parse.candidate.pos > f->entry_pos;

	flush_to(f, broke_off && half ? complete(f) : t->parsed);
	if (t->writing)
		end_at_frontier(f);
	f->flushed = 0;
}

static bool carries(const struct ts_stream *s)
{
	(void)s;
	return true;
}

static int init(struct segment_track *t, const struct job_event *event)
{
	(void)t;
	(void)event;
	return 0;
}

static void done(struct segment_track *t)
{
	(void)t;
}

static void on_start(struct segment_track *t)
{
	struct ts_track *f = (struct ts_track *)t;

	f->facts_known = f->facts_begun = false;
	f->pat_pos = POS_NONE;
	f->held_90k = TIME_NONE;
}

const struct track_form track_ts = {
	.prefix = "",
	.extension = "ts",
	.growing = "ts",
	.size = sizeof(struct ts_track),
	.carries = carries,
	.init = init,
	.done = done,
	.start = on_start,
	.packet = on_packet,
	.staged = on_staged,
	.gap = on_gap,
};
