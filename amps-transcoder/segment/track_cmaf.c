/* track_cmaf.c - one stream as fragments of MP4: a file a segment, with one or more parts, and an
 * init segment where the codec begins or changes.
 *
 * Decode times are absolute: those of the source, moved so that they are the time since 1970.  The
 * distance is fixed at each discontinuity.  Pictures bring the places of cuts themselves; sound
 * takes those of the pictures in the same ring, and waits until it has seen them. */
#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "amps-transcoder/segment/facts.h"
#include "amps-transcoder/segment/fragments.h"
#include "amps-transcoder/segment/sounds.h"
#include "amps-transcoder/segment/track_form.h"
#include "amps-transcoder/segment/units.h"
#include "common/clock.h"
#include "common/log/log.h"
#include "common/text/text.h"

#define ACCESSES_MAX 8u
#define MS_90K	     90
#define LAG_MAX_90K  (2 * TS_HZ)		/* sound waits no longer for pictures */
#define HOLE_90K     (UNITS_HOLE_MS * 90ll / 2) /* of units that still belong together */

static const AVRational ticks = {1, TS_HZ};

struct cmaf_track {
	struct segment_track base;
	bool sound;
	char wanted[SEGMENT_SOUND_MAX]; /* name of the sound; "" = the usual one */
	bool stand_in;	   /* another one is played, because the programme lacks that */
	bool looked;	   /* in these tables, for the stream */
	bool listed;	   /* struct segment_media has the names of the sounds */
	unsigned pid;	   /* of the stream; TS_PID_NONE */
	const char *codec; /* its name; static */
	struct units *units;
	struct fragments *fragments; /* NULL before the first segment */
	AVPacket *unit;		     /* the oldest one, not taken yet; empty = none */
	AVRational base_time;	     /* of the units */
	uint32_t init;		     /* number of the init segment */
	bool init_due;		     /* it is not written yet */
	int64_t offset_90k;	     /* added to the source's times ... */
	int64_t offset;		     /* ... and to those of units, in their time base */
	bool placed;		     /* the offset is known */
	/* of what was added, with the offset; AV_NOPTS_VALUE */
	int64_t last_dts, end_dts;
	int64_t lasts; /* duration of the newest unit, or of the one before if that is shorter */
	int64_t delay; /* of the newest key frame: from its decode time until it is shown */
	/* of the segment's first unit */
	int64_t begin_dts, begin_90k, begin_wall_us;
	uint32_t next_part;
	/* of sound: where the pictures of its ring can be cut, and how far they have come */
	int64_t accesses[ACCESSES_MAX];
	unsigned access_count;
	int64_t pictures_90k; /* TIME_NONE: there are none */
};
static_assert(offsetof(struct cmaf_track, base) == 0, "a track is cast to its form");

static int64_t time_90k(const struct cmaf_track *f, int64_t t)
{
	return av_rescale_q(t, f->base_time, ticks);
}

/* When a segment that begins with the unit begins to be shown.  A picture that is no key frame may
 * be shown later than those that are decoded behind it. */
static int64_t shown_90k(const struct cmaf_track *f)
{
	bool key = f->sound || f->unit->flags & AV_PKT_FLAG_KEY;

	return time_90k(f, key ? f->unit->pts : f->unit->dts + f->delay);
}

/* ---------- parts ---------- */

/* The part that grows is complete; what follows it is decoded at next_dts, or AV_NOPTS_VALUE. */
static void end_part(struct cmaf_track *f, uint32_t flags, int64_t next_dts)
{
	struct segment_track *t = &f->base;
	struct fragment part;
	int64_t begin_90k, end_90k;
	int r = fragments_cut(f->fragments, &part);

	assert(t->writing && r != 0);
	if (r < 0) {
		track_fail(t, -EIO);
		return;
	}
	if (next_dts == AV_NOPTS_VALUE)
		next_dts = part.dts + part.duration;
	begin_90k = time_90k(f, part.dts) - time_90k(f, f->begin_dts);
	end_90k = time_90k(f, next_dts) - time_90k(f, f->begin_dts);
	t->entry.flags |= flags | (part.independent ? SEGMENT_INDEPENDENT : 0) |
			  (f->stand_in ? SEGMENT_STAND_IN : 0);
	t->entry.at = (uint32_t)t->files.fd_bytes;
	t->entry.bytes = (uint32_t)part.len;
	t->entry.start_90k = f->begin_90k + begin_90k;
	t->entry.wall_us = f->begin_wall_us + begin_90k * 100 / 9;
	t->entry.duration_90k =
		(uint32_t)MIN(MAX(end_90k - begin_90k, 1), (int64_t)SEGMENT_SECONDS_MAX * TS_HZ);
	track_fail(t, segment_files_append(&t->files, part.bytes, part.len));
	if (!t->error && flags & SEGMENT_LAST)
		track_fail(t, segment_files_end(&t->files,
						(uint32_t)t->segment_90k + t->entry.duration_90k,
						f->init, &t->entry.made_s));
	else if (!t->error)
		track_fail(t, segment_files_written(&t->files, &t->entry.made_s));
	if (flags & SEGMENT_LAST)
		cuts_seal(t->cuts, (int64_t)t->segment_90k + t->entry.duration_90k);
	track_publish(t);
	t->cuts->part = MAX(t->cuts->part, t->entry.part);
	f->next_part = t->entry.part + 1;
	t->writing = !(flags & SEGMENT_LAST);
	t->entry.part = f->next_part;
	t->entry.flags = 0;
}

/* No unit came behind the last part: the segment ends with that, if there is one. */
static void end_without_part(struct cmaf_track *f)
{
	struct segment_track *t = &f->base;
	int64_t made_s;

	t->writing = false;
	if (t->entry.part == t->entry.first) {
		segment_files_drop(&t->files);
		return;
	}
	track_fail(t, segment_files_end(&t->files, (uint32_t)t->segment_90k, f->init, &made_s));
	cuts_seal(t->cuts, (int64_t)t->segment_90k);
	track_close_segment(t);
}

static void end_segment(struct cmaf_track *f, int64_t next_dts)
{
	if (!f->base.writing || f->base.error)
		return;
	if (fragments_first(f->fragments) != AV_NOPTS_VALUE)
		end_part(f, SEGMENT_LAST, next_dts);
	else
		end_without_part(f);
}

/* Codec and size are new: another init segment, from this segment on. */
static void renew(struct cmaf_track *f)
{
	struct segment_track *t = &f->base;
	const AVCodecParameters *parameters = units_parameters(f->units);
	int r;

	f->fragments = fragments_free(f->fragments);
	r = fragments_new(parameters, &f->fragments);
	if (r < 0) {
		log_warn("a stream cannot be made into MP4 channel=%s codec=%s error=%s",
			 t->job->key, avcodec_get_name(parameters->codec_id), av_err2str(r));
		track_fail(t, -ENOTSUP);
		return;
	}
	f->init = t->entry.number;
	f->init_due = true;
	facts_of_parameters(parameters, time_90k(f, f->unit->duration), &t->media);
	if (!f->sound)
		t->media.captions =
			facts_captions(f->unit->data, MIN((size_t)f->unit->size, FACTS_ES_BYTES));
}

/* Sets the offset from the source's times to the file's, from the cut's time. */
static void place(struct cmaf_track *f, const struct cut *cut)
{
	const struct segment_track *t = &f->base;

	/* keep an earlier job's offset: one from this cut would be rounded differently */
	if (t->published && t->last.init && !(t->entry.flags & SEGMENT_DISCONTINUITY))
		f->offset_90k = t->last.offset_90k;
	else
		f->offset_90k = av_rescale(cut->wall_us, TS_HZ, 1000000) - cut->pts_90k;
	f->offset = av_rescale_q(f->offset_90k, ticks, f->base_time);
	f->placed = true;
	f->last_dts = AV_NOPTS_VALUE;
}

/* What readers must know of the run that the segment belongs to. */
static void note_run(struct cmaf_track *f)
{
	struct segment_track *t = &f->base;
	struct segment *e = &t->entry;

	e->init = f->init;
	e->offset_90k = f->offset_90k;
	e->began_90k = t->last.began_90k;
	if (!t->published || e->flags & SEGMENT_DISCONTINUITY || e->init != t->last.init)
		e->began_90k = e->start_90k + e->offset_90k;
}

static uint32_t up_to_ms(int64_t duration_90k)
{
	return (uint32_t)((duration_90k + MS_90K - 1) / MS_90K);
}

/* A part has whole units, and one at least: the target of a playlist that begins is no shorter than
 * that, and not so much longer than a full part that this were too short for it. */
static void seal_parts(struct cmaf_track *f)
{
	struct segment_track *t = &f->base;
	int64_t target_90k = (int64_t)t->media.part_ms * MS_90K;
	int64_t unit_90k = MAX(time_90k(f, f->unit->duration), 1);
	int64_t full_90k = MAX(target_90k / unit_90k, 1) * unit_90k;

	if (!t->published &&
	    (full_90k > target_90k || full_90k * 100 < target_90k * SEGMENT_PART_LEAST_PERCENT))
		t->media.part_ms = up_to_ms(full_90k);
}

/* A segment begins with the unit. */
static void begin_segment(struct cmaf_track *f, const struct cut *cut)
{
	struct segment_track *t = &f->base;
	bool access = f->sound || f->unit->flags & AV_PKT_FLAG_KEY;

	end_segment(f, f->unit->dts + f->offset);
	if (t->error)
		return;
	track_begin_segment(t, cut, access ? SEGMENT_INDEPENDENT : 0);
	if (t->error)
		return;
	t->entry.flags &= ~(uint32_t)SEGMENT_INDEPENDENT; /* as its first sample says */
	if (!f->next_part)
		f->next_part =
			t->published ? t->last.part + 1 : cuts_first_part(t->cuts, clock_wall_us());
	t->entry.part = t->entry.first = f->next_part;
	if (!f->placed || t->entry.flags & SEGMENT_DISCONTINUITY)
		place(f, cut);
	f->begin_dts = f->unit->dts + f->offset;
	f->begin_90k = shown_90k(f);
	f->begin_wall_us = cut_wall_us(cut, f->begin_90k);
	seal_parts(f);
	if (!f->fragments)
		renew(f);
	note_run(f);
}

/* Would the part be too long if it ended here? */
static bool is_full(const struct cmaf_track *f, int64_t end_dts)
{
	int64_t most = av_rescale_q(f->base.media.part_ms, (AVRational){1, 1000}, f->base_time);

	return end_dts - fragments_first(f->fragments) > most;
}

/* True if the part has no room for the next picture: readers need not wait for that picture.  One
 * that lasts long, where others are missing, says nothing of the next one.  Where an access point
 * follows, its cut may end the segment with this part. */
static bool is_complete(const struct cmaf_track *f)
{
	return !f->sound && !units_access_follows(f->units) && is_full(f, f->end_dts + f->lasts);
}

/* The init segment is complete with the first unit, of which some codecs need the header. */
static void write_init(struct cmaf_track *f)
{
	struct segment_track *t = &f->base;
	const struct buf *init = fragments_init(f->fragments);

	if (!f->init_due || !init)
		return;
	track_fail(t, segment_files_init(&t->files, f->init, init->data, init->len));
	f->init_due = false;
}

static void add(struct cmaf_track *f)
{
	struct segment_track *t = &f->base;
	bool key = !f->sound && f->unit->flags & AV_PKT_FLAG_KEY;
	bool begun = fragments_first(f->fragments) != AV_NOPTS_VALUE;
	int r;

	f->unit->pts += f->offset;
	f->unit->dts += f->offset;
	if (f->last_dts != AV_NOPTS_VALUE && f->unit->dts <= f->last_dts)
		return; /* it repeats what is there */
	if (begun && (key || is_full(f, f->unit->dts + f->unit->duration)))
		end_part(f, 0, f->unit->dts);
	if (t->error)
		return;
	r = fragments_add(f->fragments, f->unit);
	if (r < 0) {
		log_debug("a unit is left out channel=%s error=%s", t->job->key, av_err2str(r));
		return;
	}
	f->lasts = f->last_dts == AV_NOPTS_VALUE ? f->unit->duration
						 : MIN(f->unit->duration, f->end_dts - f->last_dts);
	f->last_dts = f->unit->dts;
	f->end_dts = f->unit->dts + f->unit->duration;
	write_init(f);
	if (!t->error && is_complete(f))
		end_part(f, 0, f->end_dts);
}

/* ---------- cuts ---------- */

static void picture_cut(struct cmaf_track *f)
{
	struct segment_track *t = &f->base;
	bool key = f->unit->flags & AV_PKT_FLAG_KEY;
	const struct cut *cut;

	if (key)
		f->delay = f->unit->pts - f->unit->dts;
	if (t->from_90k == TIME_NONE)
		t->from_90k = f->unit->pts;
	if (!t->writing && !key)
		return;
	cut = t->writing ? cuts_next(t->cuts, &t->cut, shown_90k(f), key)
			 : track_start(t, f->unit->pts);
	if (cut)
		begin_segment(f, cut);
}

/* Each frame is an access point; where there are pictures, the first behind one of theirs counts,
 * and the one that ends a segment without a place of its own. */
static bool sound_access(struct cmaf_track *f, int64_t pts_90k, int64_t *ret_90k)
{
	bool any = false;

	if (f->pictures_90k == TIME_NONE || f->base.cut.fills) {
		*ret_90k = pts_90k;
		return true;
	}
	while (f->access_count > 0 && f->accesses[0] <= pts_90k) {
		*ret_90k = f->accesses[0];
		any = true;
		memmove(&f->accesses[0], &f->accesses[1],
			--f->access_count * sizeof(f->accesses[0]));
	}
	return any;
}

static void sound_cut(struct cmaf_track *f)
{
	struct segment_track *t = &f->base;
	int64_t pts_90k = time_90k(f, f->unit->pts), access_90k = pts_90k;
	bool access = sound_access(f, pts_90k, &access_90k);
	const struct cut *cut;

	if (t->from_90k == TIME_NONE)
		t->from_90k = pts_90k;
	if (!t->writing && !access)
		return;
	cut = t->writing ? cuts_next(t->cuts, &t->cut, access_90k, access)
			 : track_start(t, access_90k);
	if (cut)
		begin_segment(f, cut);
}

/* Must this frame of sound wait for pictures that tell where the cut is?  Behind a gap it must also
 * wait until they have begun their segment: that of the cut before may have been cut short, and the
 * sound of what follows does not belong there.  If the sound that has come is far ahead of them,
 * they have stopped. */
static bool waits(const struct cmaf_track *f)
{
	const struct segment_track *t = &f->base;
	unsigned at = t->parse.stream_of[f->pid];
	int64_t pts_90k, newest_90k;

	if (!f->sound || f->pictures_90k == TIME_NONE)
		return false;
	pts_90k = time_90k(f, f->unit->pts);
	newest_90k = MAX(pts_90k, at ? t->parse.streams[at - 1].last_dts_90k : TIME_NONE);
	if (newest_90k - f->pictures_90k >= LAG_MAX_90K)
		return false;
	if (pts_90k >= f->pictures_90k)
		return true;
	return !t->writing && t->published && f->pictures_90k - pts_90k < LAG_MAX_90K &&
	       f->access_count > 0 && f->accesses[0] <= pts_90k &&
	       cuts_newest_90k(t->cuts) < f->accesses[0] - TRACK_SAME_90K;
}

/* What follows gets a new init segment and a new offset from the source's times. */
static void break_off(struct cmaf_track *f)
{
	end_segment(f, AV_NOPTS_VALUE);
	f->fragments = fragments_free(f->fragments);
	f->placed = false;
	f->last_dts = AV_NOPTS_VALUE;
}

/* Are there units missing before this one, or does the time jump? */
static bool is_apart(const struct cmaf_track *f)
{
	int64_t off_90k;

	if (f->last_dts == AV_NOPTS_VALUE)
		return false;
	off_90k = time_90k(f, f->unit->dts + f->offset - f->end_dts);
	return off_90k > HOLE_90K || off_90k < -HOLE_90K;
}

static void take_units(struct cmaf_track *f)
{
	struct segment_track *t = &f->base;

	while (!t->error) {
		if (!f->unit->data && units_next(f->units, f->unit) != 1)
			return;
		if (units_changed(f->units)) {
			break_off(f);
			f->base_time =
				f->sound ? (AVRational){1, units_parameters(f->units)->sample_rate}
					 : ticks;
		}
		if (waits(f))
			return;
		if (is_apart(f))
			break_off(f);
		if (f->sound)
			sound_cut(f);
		else
			picture_cut(f);
		if (t->writing && !t->error)
			add(f);
		av_packet_unref(f->unit);
	}
}

/* ---------- the form ---------- */

static void end_stream(struct cmaf_track *f, bool keep)
{
	if (f->units) {
		units_gap(f->units, keep);
		f->pictures_90k = TIME_NONE;
		take_units(f);
	}
	break_off(f);
	av_packet_unref(f->unit);
}

static bool carries(const struct ts_stream *s)
{
	const AVCodecDescriptor *d = avcodec_descriptor_get_by_name(s->codec);

	return d && fragments_carry(d->id);
}

static void say_left_out(const struct cmaf_track *f, const struct ts_stream *s)
{
	log_warn("MP4 cannot carry this codec, leaving the stream out channel=%s codec=%s",
		 f->base.job->key, s->codec);
}

static void use_stream(struct cmaf_track *f, const struct ts_stream *s, bool stand_in)
{
	int r;

	f->pid = s->pid;
	f->codec = s->codec;
	f->stand_in = stand_in;
	f->units = units_free(f->units);
	if (!carries(s)) {
		say_left_out(f, s);
		return;
	}
	r = units_new(s, &f->units);
	if (r < 0)
		track_fail(&f->base, r == AVERROR(ENOMEM) ? -ENOMEM : -ENOTSUP);
}

/* What players may choose from.  The track of the usual sound names what is left out. */
static void note_sounds(struct cmaf_track *f, const struct sounds *sounds)
{
	const struct ts_parse *p = &f->base.parse;
	char names[SEGMENT_SOUNDS_MAX][SEGMENT_SOUND_MAX] = {{0}};
	struct segment_media *media = &f->base.media;

	for (unsigned i = 0; i < sounds->count; i++)
		text_copy(names[i], sizeof(names[i]), sounds->at[i].name);
	if (f->listed && memcmp(names, media->sounds, sizeof(names)) == 0)
		return;
	memcpy(media->sounds, names, sizeof(names));
	f->listed = p->stream_count > 0;
	for (unsigned i = 0; i < p->stream_count && !*f->wanted; i++)
		if (p->streams[i].kind == TS_KIND_AUDIO && !carries(&p->streams[i]))
			say_left_out(f, &p->streams[i]);
}

/* The sound of the programme that is this track's.  The usual one keeps the name of its first sound
 * as long as there is its index.  Another one takes the place of a sound that is missing, until
 * that comes back: the playlist goes on. */
static const struct ts_stream *choose_sound(struct cmaf_track *f, bool *ret_stand_in)
{
	struct segment_media *media = &f->base.media;
	const char *name = *f->wanted ? f->wanted : media->name;
	const struct sound *sound;
	struct sounds sounds;

	sounds_list(&f->base.parse, carries, &sounds);
	note_sounds(f, &sounds);
	sound = sounds_find(&sounds, name);
	*ret_stand_in = !sound && *name;
	if (!sound)
		sound = sounds_usual(&sounds);
	if (!sound)
		return NULL;
	if (!*media->name)
		text_copy(media->name, sizeof(media->name), *name ? name : sound->name);
	return sound->stream;
}

static const struct ts_stream *find_stream(const struct ts_parse *p, unsigned pid)
{
	return pid != TS_PID_NONE && p->stream_of[pid] ? &p->streams[p->stream_of[pid] - 1] : NULL;
}

/* The stream of the programme that is this track's. */
static const struct ts_stream *stream_of(struct cmaf_track *f)
{
	const struct ts_parse *p = &f->base.parse;
	bool stand_in = false;
	const struct ts_stream *s;

	if (f->looked) {
		s = find_stream(p, f->pid);
		return f->units ? s : NULL;
	}
	s = f->sound ? choose_sound(f, &stand_in) : find_stream(p, p->video_pid);
	if (!s)
		return NULL;
	f->looked = true;
	if (f->pid != s->pid || f->codec != s->codec || f->stand_in != stand_in) {
		end_stream(f, true);
		use_stream(f, s, stand_in);
	}
	return f->units ? s : NULL;
}

static void note_picture(struct cmaf_track *f, unsigned saw, const struct ts_rap *rap)
{
	const struct ts_parse *p = &f->base.parse;

	if (p->video_pid != TS_PID_NONE && p->stream_of[p->video_pid])
		f->pictures_90k = p->streams[p->stream_of[p->video_pid] - 1].last_dts_90k;
	if (!(saw & TS_SAW_RAP) || rap->pts_90k == TIME_NONE)
		return;
	if (f->access_count == ACCESSES_MAX)
		memmove(&f->accesses[0], &f->accesses[1],
			--f->access_count * sizeof(f->accesses[0]));
	f->accesses[f->access_count++] = rap->pts_90k;
}

static void on_packet(struct segment_track *t, uint8_t *packet, uint64_t pos, unsigned saw,
		      const struct ts_rap *rap)
{
	struct cmaf_track *f = (struct cmaf_track *)t;
	const struct ts_stream *s;

	if (saw & TS_SAW_PMT)
		f->looked = false;
	s = stream_of(f);
	if (!s)
		return;
	if (ts_pid(packet) == f->pid && units_packet(f->units, s, packet, pos) < 0)
		track_fail(t, -ENOMEM);
	if (f->sound)
		note_picture(f, saw, rap);
	else if (saw & TS_SAW_RAP)
		units_access(f->units, rap->pos);
	take_units(f);
}

static size_t on_staged(struct segment_track *t)
{
	return t->parsed; /* units have copies */
}

static void on_gap(struct segment_track *t, bool broke_off)
{
	end_stream((struct cmaf_track *)t, !broke_off);
}

static void on_start(struct segment_track *t)
{
	struct cmaf_track *f = (struct cmaf_track *)t;

	f->access_count = 0;
	f->pictures_90k = TIME_NONE;
	f->looked = false;
}

static int begin(struct segment_track *t, const struct job_event *event, bool sound)
{
	struct cmaf_track *f = (struct cmaf_track *)t;

	f->sound = sound;
	f->pid = TS_PID_NONE;
	f->pictures_90k = TIME_NONE;
	f->last_dts = AV_NOPTS_VALUE;
	f->base_time = ticks;
	f->unit = av_packet_alloc();
	if (!text_copy(f->wanted, sizeof(f->wanted), event->track) || !segment_sound_ok(f->wanted))
		return -EINVAL;
	t->media.part_ms = (unsigned)json_integer_value(json_object_get(event->spec, "part_ms"));
	return f->unit ? 0 : -ENOMEM;
}

static int init_picture(struct segment_track *t, const struct job_event *event)
{
	return begin(t, event, false);
}

static int init_sound(struct segment_track *t, const struct job_event *event)
{
	return begin(t, event, true);
}

static void done(struct segment_track *t)
{
	struct cmaf_track *f = (struct cmaf_track *)t;

	units_free(f->units);
	fragments_free(f->fragments);
	av_packet_free(&f->unit);
}

const struct track_form track_picture = {
	.prefix = "v",
	.extension = "m4s",
	.growing = "tmp",
	.size = sizeof(struct cmaf_track),
	.carries = carries,
	.init = init_picture,
	.done = done,
	.start = on_start,
	.packet = on_packet,
	.staged = on_staged,
	.gap = on_gap,
};

const struct track_form track_sound = {
	.prefix = "a",
	.extension = "m4s",
	.growing = "tmp",
	.size = sizeof(struct cmaf_track),
	.carries = carries,
	.init = init_sound,
	.done = done,
	.start = on_start,
	.packet = on_packet,
	.staged = on_staged,
	.gap = on_gap,
};
