#include "amps-transcoder/segment/mp4_ring.h"

#include <assert.h>
#include <string.h>

#include "amps-transcoder/job/out_rings.h"
#include "amps-transcoder/segment/fragments.h"
#include "amps-transcoder/segment/sounds.h"
#include "amps-transcoder/segment/units.h"
#include "amps-transcoder/source/ring_follow.h"
#include "common/log/log.h"
#include "common/text/text.h"

#define CHUNK_BYTES	(340 * TS_PACKET)
#define SOUND_WAIT_90K	(2 * TS_HZ) /* for its first frame, in the time of the pictures */
#define SOUND_AHEAD_90K TS_HZ	    /* a file begins with no older sound */
#define SOUND_LOST_90K	(2 * TS_HZ)
#define SAME_90K	(TS_HZ / 50)
#define LEAD_US		1000000u		   /* of media that the first viewer gets at once */
#define APART_90K	(UNITS_HOLE_MS * 90ll / 2) /* of units that still belong together */
#define EAGER_MS	40	     /* a fragment that waits for nothing has so much */
#define LEAP_90K	(10 * TS_HZ) /* more is no loss: the file's time goes on without it */

static const AVRational ticks = {1, TS_HZ};

enum { PICTURE, SOUND, STREAMS };

/* A stream of the programme. */
struct stream {
	unsigned pid;	     /* TS_PID_NONE */
	const char *codec;   /* its name; static */
	struct units *units; /* NULL: there is none, or MP4 cannot carry it */
	AVPacket *unit;	     /* the oldest one, not taken yet; empty = none */
	AVRational base;     /* of its times */
	int place;	     /* in the file; -1 = it is not there */
	bool changed;	     /* the codec, since the file began */
	int64_t offset;	     /* added to its times */
	int64_t last, end; /* DTS of its last unit, with the offset, and its end; AV_NOPTS_VALUE */
};

struct mp4_ring {
	struct job *job; /* borrowed */
	uint32_t output;
	char lang[TRACK_NAME_MAX + 1]; /* of the sound; "" = the usual one */
	struct out_rings out;
	struct ring_follow follow;
	struct ts_parse parse;
	uint8_t stage[CHUNK_BYTES];
	uint64_t read; /* bytes of the source so far */
	struct stream streams[STREAMS];
	struct fragments *fragments; /* NULL: waits for a beginning */
	unsigned next_number;	     /* of a fragment, in the file */
	struct buf init;	     /* the last init segment */
	bool init_known;	     /* it is that of the file */
	/* of the sounds that the file can have, separated by commas */
	char languages[SEGMENT_SOUNDS_MAX * sizeof(((struct ts_stream *)0)->language)];
	bool languages_changed;
	bool init_written;  /* to the ring, or in an access point of its first fragment */
	bool access;	    /* the fragment that grows begins with an access point ... */
	int64_t access_90k; /* ... at this time */
	int64_t offset_90k; /* added to the source's times */
	/* largest end of a unit of the main stream, with it, also of an earlier job's; TIME_NONE */
	int64_t frontier_90k;
	bool renew;	 /* the sound is another one: begin again with the next key frame */
	bool sound_lost; /* no file waits for it */
	bool over;
	char why[128]; /* of an error; "" */
	int error;
};

static void fail(struct mp4_ring *m, int error)
{
	if (!m->error)
		m->error = error;
}

/* The stream whose units begin a file. */
static struct stream *main_of(struct mp4_ring *m)
{
	return &m->streams[m->streams[PICTURE].units ? PICTURE : SOUND];
}

static int64_t time_90k(const struct stream *s, int64_t t)
{
	return av_rescale_q(t, s->base, ticks);
}

static void set_offset(struct mp4_ring *m, int64_t offset_90k)
{
	m->offset_90k = offset_90k;
	for (unsigned i = 0; i < STREAMS; i++)
		m->streams[i].offset = av_rescale_q(offset_90k, ticks, m->streams[i].base);
}

/* ---------- fragments ---------- */

static uint32_t get32(const struct buf *b, size_t at)
{
	uint32_t value;

	assert(at + sizeof(value) <= b->len);
	memcpy(&value, b->data + at, sizeof(value));
	return be32toh(value);
}

static void put32(struct buf *b, size_t at, size_t value)
{
	uint32_t bytes = htobe32((uint32_t)value);

	assert(at + sizeof(bytes) <= b->len);
	memcpy(b->data + at, &bytes, sizeof(bytes));
}

/* Appends the box of the languages to the moov box, which is the last one. */
static void add_languages(struct buf *init, const char *languages)
{
	size_t moov = get32(init, 0), at = init->len;

	assert(moov + get32(init, moov) == init->len);
	buf_add(init, "\0\0\0\0uuid", 8);
	buf_puts(init, MP4_LANGUAGES_UUID);
	buf_puts(init, languages);
	if (!buf_ok(init))
		return;
	put32(init, at, init->len - at);
	put32(init, moov, init->len - moov);
}

/* Keeps the init segment if it is another one than the last. */
static void keep_init(struct mp4_ring *m)
{
	_cleanup_(buf_done) struct buf init = BUF_INIT;
	const struct buf *boxes = fragments_init(m->fragments);

	/* what follows an init segment must begin with a key frame */
	if (m->init_known && !(m->languages_changed && m->access))
		return;
	m->init_known = true;
	m->languages_changed = false;
	buf_add(&init, boxes->data, boxes->len);
	if (buf_ok(&init))
		add_languages(&init, m->languages);
	if (!buf_ok(&init)) {
		fail(m, -ENOMEM);
		return;
	}
	if (init.len == m->init.len && memcmp(init.data, m->init.data, init.len) == 0)
		return;
	if (init.len > RING_INTRO_MAX)
		fail(m, -EMSGSIZE);
	buf_done(&m->init);
	m->init = init;
	init = BUF_INIT;
	m->init_written = false;
}

static void publish(struct mp4_ring *m, const struct fragment *f)
{
	struct ring_rap rap = {.pts_90k = m->access_90k, .intro_bytes = (uint16_t)m->init.len};
	bool first = m->out.pos == 0;

	/* viewers can begin in the larger ring at once */
	if (m->access && m->out.next.writer.header)
		out_rings_move(&m->out);
	/* those who begin here have it from the access point */
	if (!m->init_written && !first)
		out_rings_append(&m->out, m->init.data, m->init.len);
	m->init_written = true;
	rap.pos = m->out.pos;
	out_rings_append(&m->out, f->bytes, f->len);
	if (m->access) {
		memcpy(rap.bytes, m->init.data, m->init.len);
		out_rings_add_rap(&m->out, &rap);
	}
	ring_writer_frontier(&m->out.ring.writer, m->frontier_90k);
	out_rings_measure(&m->out, m->frontier_90k);
}

/* The fragment that grows is complete. */
static void cut(struct mp4_ring *m)
{
	struct fragment f;
	int r;

	if (!m->fragments || !fragments_init(m->fragments) || m->error)
		return;
	r = fragments_cut(m->fragments, &f);
	if (r == 0)
		return;
	if (r < 0) {
		fail(m, -EIO);
		return;
	}
	m->next_number++;
	keep_init(m);
	if (!m->error)
		publish(m, &f);
	m->access = false;
}

/* Another file begins with the next key frame. */
static void break_off(struct mp4_ring *m)
{
	cut(m);
	m->fragments = fragments_free(m->fragments);
	m->access = false;
}

/* Is the fragment, up to that end, longer? */
static bool is_longer(const struct mp4_ring *m, const struct stream *s, int64_t end, int64_t than)
{
	int64_t first = fragments_first_of(m->fragments, (unsigned)s->place);

	return first != AV_NOPTS_VALUE && end - first > than;
}

/* Would it be too long with a unit that ends there? */
static bool is_full(const struct mp4_ring *m, const struct stream *s, int64_t end)
{
	return is_longer(m, s, end, av_rescale_q(MP4_FRAGMENT_MS, (AVRational){1, 1000}, s->base));
}

/* ---------- units ---------- */

/* Takes the next unit, unless there is one. */
static bool has_unit(struct stream *s)
{
	if (!s->units || (!s->unit->data && units_next(s->units, s->unit) != 1))
		return s->units && s->unit->data;
	if (units_changed(s->units)) {
		const AVCodecParameters *p = units_parameters(s->units);

		s->changed = true;
		if (p->codec_type == AVMEDIA_TYPE_AUDIO)
			s->base = (AVRational){1, p->sample_rate};
	}
	return true;
}

/* Is the unit one that a file can begin with?  What was written before is not written again. */
static bool begins(const struct mp4_ring *m, const struct stream *s)
{
	int64_t pts_90k = time_90k(s, s->unit->pts) + m->offset_90k;
	int64_t known_90k = m->frontier_90k;

	if (s == &m->streams[PICTURE] && !(s->unit->flags & AV_PKT_FLAG_KEY))
		return false;
	return known_90k == TIME_NONE || pts_90k >= known_90k - SAME_90K ||
	       pts_90k < known_90k - LEAP_90K;
}

/* Where the times of a file go that begins with this unit. */
static void place(struct mp4_ring *m, const struct stream *s)
{
	int64_t dts_90k = time_90k(s, s->unit->dts), pts_90k = time_90k(s, s->unit->pts);
	int64_t known_90k = m->frontier_90k, offset_90k = m->offset_90k;

	if (known_90k != TIME_NONE && llabs(pts_90k + offset_90k - known_90k) > LEAP_90K)
		offset_90k = known_90k - pts_90k;
	set_offset(m, MAX(offset_90k, -dts_90k));
}

/* Drops the frames that are too old for a file that begins there: a later file does not repeat
 * sound of the one before it.  True if there is one for it. */
static bool sound_begins(struct mp4_ring *m, int64_t begin_90k)
{
	struct stream *s = &m->streams[SOUND];

	if (m->frontier_90k == TIME_NONE)
		begin_90k -= SOUND_AHEAD_90K;
	while (has_unit(s) && time_90k(s, s->unit->pts) < begin_90k)
		av_packet_unref(s->unit);
	return s->unit->data;
}

/* Decode time of the unit that is still put together. */
static int64_t newest_90k(const struct mp4_ring *m, unsigned stream)
{
	const struct ts_parse *p = &m->parse;
	unsigned i = p->stream_of[m->streams[stream].pid];

	return i ? p->streams[i - 1].last_dts_90k : TIME_NONE;
}

/* Must a file that could begin with this picture wait for sound? */
static bool waits_for_sound(struct mp4_ring *m, const struct stream *picture)
{
	bool there = sound_begins(m, time_90k(picture, picture->unit->dts));
	int64_t newest = newest_90k(m, PICTURE);

	return !there && m->streams[SOUND].units && !m->sound_lost && !m->over &&
	       (newest == TIME_NONE || llabs(newest - picture->unit->dts) < SOUND_WAIT_90K);
}

static int open_fragments(struct mp4_ring *m)
{
	const AVCodecParameters *parameters[STREAMS];
	unsigned count = 0;

	for (unsigned i = 0; i < STREAMS; i++) {
		struct stream *s = &m->streams[i];

		s->place = -1;
		s->changed = false;
		s->last = s->end = AV_NOPTS_VALUE;
		if (!s->unit->data)
			continue;
		s->place = (int)count;
		parameters[count++] = units_parameters(s->units);
	}
	m->init_known = false;
	m->sound_lost = m->streams[SOUND].place < 0;
	m->renew = false;
	return fragments_new_streams(parameters, count, m->next_number, &m->fragments);
}

/* Begins a file, once there is all that it needs.  True if it has begun. */
static bool begin(struct mp4_ring *m)
{
	struct stream *s = main_of(m), *picture = &m->streams[PICTURE];
	int r;

	while (has_unit(s) && !begins(m, s))
		av_packet_unref(s->unit);
	if (!s->unit->data) {
		if (s == picture && newest_90k(m, SOUND) != TIME_NONE)
			sound_begins(m, newest_90k(m, SOUND));
		return false;
	}
	if (s == picture && waits_for_sound(m, s))
		return false;
	place(m, s);
	r = open_fragments(m);
	if (r == 0)
		return true;
	log_warn("fragments of MP4 cannot be made channel=%s error=%s", m->job->key, av_err2str(r));
	fail(m, r == AVERROR(ENOMEM) ? -ENOMEM : -ENOTSUP);
	return false;
}

/* ---------- a file ---------- */

/* Distance of the unit from the end of the one before it. */
static int64_t apart_90k(const struct stream *s)
{
	return s->end == AV_NOPTS_VALUE ? 0 : time_90k(s, s->unit->dts + s->offset - s->end);
}

/* Does the file have sound no more? */
static bool sound_is_lost(const struct mp4_ring *m)
{
	const struct stream *s = &m->streams[SOUND], *picture = &m->streams[PICTURE];

	return s->place >= 0 && s->end != AV_NOPTS_VALUE &&
	       time_90k(picture, picture->end) - time_90k(s, s->end) > SOUND_LOST_90K;
}

/* Must another file begin with this unit, or with the next one that can? */
static bool must_begin_again(struct mp4_ring *m, struct stream *s)
{
	if (s != main_of(m))
		return false;
	if (s->changed || s->place < 0 || llabs(apart_90k(s)) > LEAP_90K)
		return true;
	if (s != &m->streams[PICTURE] || !(s->unit->flags & AV_PKT_FLAG_KEY))
		return false;
	if (sound_is_lost(m))
		m->renew = m->sound_lost = true;
	return m->renew;
}

/* True if the file has a place for this unit; if not, another file may begin. */
static bool fits(struct mp4_ring *m, const struct stream *s)
{
	if (s->place < 0 || s->changed) {
		m->renew = true;
		m->sound_lost = false;
		return false;
	}
	return apart_90k(s) > -APART_90K && apart_90k(s) <= LEAP_90K;
}

/* Does the unit follow the one before it without a hole?  The muxer places the first unit of a
 * fragment at the end of the last one: a missing picture must be a hole, or the fragment would be
 * longer. */
static bool adjoins(const struct mp4_ring *m, const struct stream *s)
{
	int64_t apart = apart_90k(s), most = APART_90K;

	if (s == &m->streams[PICTURE])
		most = MIN(most, time_90k(s, s->unit->duration) / 2);
	return apart >= -APART_90K && apart <= most;
}

/* The unit begins a fragment, or is added to the one that grows. */
static void cut_before(struct mp4_ring *m, const struct stream *s)
{
	const AVPacket *u = s->unit;
	bool picture = s == &m->streams[PICTURE], key = u->flags & AV_PKT_FLAG_KEY;
	bool gap = !adjoins(m, s);

	if (gap || (picture && key) || is_full(m, s, u->dts + s->offset + u->duration))
		cut(m);
	if (gap)
		fragments_gap(m->fragments);
	if (s == main_of(m) && key &&
	    fragments_first_of(m->fragments, (unsigned)s->place) == AV_NOPTS_VALUE) {
		m->access = true;
		m->access_90k = time_90k(s, u->pts + s->offset);
	}
}

/* libav cannot make the boxes of this sound: goes on without it. */
static void leave_sound_out(struct mp4_ring *m)
{
	struct stream *s = &m->streams[SOUND];

	job_report_notice(m->job, "MP4 cannot carry the sound (%s), going on without it", s->codec);
	s->units = units_free(s->units);
	break_off(m);
}

static void add(struct mp4_ring *m, struct stream *s)
{
	bool main = s == main_of(m);
	AVPacket *u = s->unit;
	int r;

	cut_before(m, s);
	u->pts += s->offset;
	u->dts += s->offset;
	u->stream_index = s->place;
	if (s->last != AV_NOPTS_VALUE && u->dts <= s->last)
		return; /* it repeats what is there */
	r = fragments_add(m->fragments, u);
	if (r == AVERROR_INVALIDDATA && !main && !fragments_init(m->fragments)) {
		leave_sound_out(m);
		return;
	}
	if (r < 0) {
		log_debug("a unit is left out channel=%s error=%s", m->job->key, av_err2str(r));
		return;
	}
	s->last = u->dts;
	s->end = u->dts + u->duration;
	if (!main)
		return;
	m->frontier_90k = MAX(m->frontier_90k, time_90k(s, u->pts + u->duration));
	/* the next one would be too much */
	if (is_full(m, s, s->end + u->duration))
		cut(m);
}

/* The stream whose unit is next: a picture first of all, then in the order of decoding. */
static struct stream *next_stream(struct mp4_ring *m)
{
	struct stream *picture = &m->streams[PICTURE], *sound = &m->streams[SOUND];
	bool pictures = has_unit(picture), sounds = has_unit(sound);

	if (!pictures || !sounds)
		return pictures ? picture : sounds ? sound : NULL;
	if (picture->end == AV_NOPTS_VALUE ||
	    time_90k(picture, picture->unit->dts) <= time_90k(sound, sound->unit->dts))
		return picture;
	return sound;
}

static void take_units(struct mp4_ring *m)
{
	while (!m->error) {
		struct stream *s;

		if (!m->fragments && !begin(m))
			return;
		s = next_stream(m);
		if (!s)
			return;
		if (must_begin_again(m, s)) {
			break_off(m);
			continue;
		}
		if (fits(m, s))
			add(m, s);
		av_packet_unref(s->unit);
	}
}

/* ---------- the programme ---------- */

static bool carries(const struct ts_stream *s)
{
	const AVCodecDescriptor *d = avcodec_descriptor_get_by_name(s->codec);

	return d && fragments_carry(d->id);
}

static void use_stream(struct mp4_ring *m, struct stream *s, const struct ts_stream *from)
{
	int r;

	s->pid = from ? from->pid : TS_PID_NONE;
	s->codec = from ? from->codec : "";
	s->units = units_free(s->units);
	av_packet_unref(s->unit);
	if (!from)
		return;
	if (!carries(from)) {
		job_report_notice(m->job, "MP4 cannot carry the %s (%s), going on without it",
				  s == &m->streams[SOUND] ? "sound" : "picture", from->codec);
		return;
	}
	r = units_new(from, &s->units);
	if (r < 0)
		fail(m, r == AVERROR(ENOMEM) ? -ENOMEM : -ENOTSUP);
}

/* Other pictures are another file at once; other sound is so with the next key frame. */
static void follow_stream(struct mp4_ring *m, unsigned i, unsigned pid)
{
	const struct ts_parse *p = &m->parse;
	struct stream *s = &m->streams[i];
	unsigned at = pid == TS_PID_NONE ? 0 : p->stream_of[pid];
	const struct ts_stream *from = at ? &p->streams[at - 1] : NULL;

	if (from ? s->pid == pid && s->codec == from->codec : s->pid == TS_PID_NONE)
		return;
	if (s->units) {
		units_gap(s->units, true);
		take_units(m);
	}
	if (i == PICTURE || !m->streams[PICTURE].units)
		break_off(m);
	else
		m->renew = true;
	s->changed = true;
	use_stream(m, s, from);
}

/* The sound in the language that was asked for; else the usual one, of those that MP4 can carry.
 * Nothing begins in another language, but what an earlier job has begun goes on. */
static unsigned sound_pid(struct mp4_ring *m, const struct sounds *sounds)
{
	const struct sound *usual;

	for (unsigned i = 0; m->lang[0] && i < sounds->count; i++)
		if (strcmp(sounds->at[i].stream->language, m->lang) == 0)
			return sounds->at[i].stream->pid;
	if (m->lang[0] && m->frontier_90k == TIME_NONE) {
		text_copy(m->why, sizeof(m->why), "the source has no sound in this language");
		fail(m, -ENOENT);
	}
	usual = sounds_usual(sounds);
	return usual ? usual->stream->pid : m->parse.audio_pid;
}

static bool has_language(const struct sounds *sounds, unsigned count, const char *language)
{
	for (unsigned i = 0; i < count; i++)
		if (strcmp(sounds->at[i].stream->language, language) == 0)
			return true;
	return false;
}

static void list_languages(struct mp4_ring *m, const struct sounds *sounds)
{
	char list[sizeof(m->languages)] = "";
	size_t n = 0;

	for (unsigned i = 0; i < sounds->count; i++) {
		const char *language = sounds->at[i].stream->language;

		if (*language && !has_language(sounds, i, language))
			n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", n ? "," : "",
					      language);
	}
	assert(n < sizeof(list));
	if (strcmp(list, m->languages) == 0)
		return;
	memcpy(m->languages, list, sizeof(list));
	m->languages_changed = true;
}

static void follow_programme(struct mp4_ring *m)
{
	struct sounds sounds;

	sounds_list(&m->parse, carries, &sounds);
	follow_stream(m, PICTURE, m->parse.video_pid);
	follow_stream(m, SOUND, sound_pid(m, &sounds));
	list_languages(m, &sounds);
	if (m->error || m->streams[PICTURE].units || m->streams[SOUND].units)
		return;
	snprintf(m->why, sizeof(m->why),
		 "MP4 can carry neither the picture (%s) nor the sound (%s)",
		 *m->streams[PICTURE].codec ? m->streams[PICTURE].codec : "none",
		 *m->streams[SOUND].codec ? m->streams[SOUND].codec : "none");
	fail(m, -ENOTSUP);
}

static void take_packet(struct mp4_ring *m, const uint8_t *packet)
{
	struct ts_parse *p = &m->parse;
	struct ts_rap rap;
	unsigned saw = ts_parse_packet(p, packet, m->read, &rap), pid = ts_pid(packet);

	if (saw & TS_SAW_PMT)
		follow_programme(m);
	for (unsigned i = 0; i < STREAMS && !m->error; i++) {
		struct stream *s = &m->streams[i];

		if (!s->units || s->pid != pid || !p->stream_of[pid])
			continue;
		if (units_packet(s->units, &p->streams[p->stream_of[pid] - 1], packet, m->read) < 0)
			fail(m, -ENOMEM);
	}
	if (saw & TS_SAW_RAP && m->streams[PICTURE].units)
		units_access(m->streams[PICTURE].units, rap.pos);
	m->read += TS_PACKET;
	take_units(m);
}

/* ---------- the source ---------- */

/* What follows does not go on where the source stopped.  `broke_off`: the last units may be
 * incomplete, because the source has not ended there. */
static void gap(struct mp4_ring *m, bool broke_off)
{
	for (unsigned i = 0; i < STREAMS; i++)
		if (m->streams[i].units)
			units_gap(m->streams[i].units, !broke_off);
	take_units(m);
	break_off(m);
	for (unsigned i = 0; i < STREAMS; i++)
		av_packet_unref(m->streams[i].unit);
	ring_follow_stop(&m->follow);
}

/* From an access point, whose tables the parser reads first. */
static bool start(struct mp4_ring *m)
{
	struct ring_intro intro;
	struct ring_rap rap;
	struct ts_rap none;
	bool tables = false;

	if (!m->follow.has_ring || !ring_follow_ready(&m->follow) ||
	    !ring_follow_start(&m->follow, &rap))
		return false;
	ts_parse_init(&m->parse);
	m->parse.ref_90k = rap.pts_90k;
	intro = ring_intro(&rap, false);
	for (size_t at = 0; at + TS_PACKET <= intro.len; at += TS_PACKET)
		if (ts_parse_packet(&m->parse, intro.bytes + at, m->read, &none) & TS_SAW_PMT)
			tables = true;
	if (tables)
		follow_programme(m);
	return true;
}

/* There is nothing more to read: what waits is worth a fragment if it is not too little. */
static void cut_idle(struct mp4_ring *m)
{
	for (unsigned i = 0; m->fragments && i < STREAMS; i++) {
		const struct stream *s = &m->streams[i];
		int64_t least = av_rescale_q(EAGER_MS, (AVRational){1, 1000}, s->base);

		if (s->place >= 0 && is_longer(m, s, s->end, least - 1))
			cut(m);
	}
}

static enum segment_step read_more(struct mp4_ring *m)
{
	ssize_t n;

	if (!m->follow.started)
		return start(m) ? SEGMENT_MOVED : SEGMENT_IDLE;
	n = ring_follow_copy(&m->follow, m->stage, sizeof(m->stage));
	for (ssize_t at = 0; at + (ssize_t)TS_PACKET <= n && !m->error; at += TS_PACKET)
		take_packet(m, m->stage + at);
	if (n == 0)
		cut_idle(m);
	if (n >= 0)
		return n > 0 ? SEGMENT_MOVED : SEGMENT_IDLE;
	if (n == -ESTALE)
		log_warn("fragments of MP4 are made too slowly, skipping ahead channel=%s",
			 m->job->key);
	m->over = n == -ENODATA;
	gap(m, !m->over);
	m->follow.age_us = LEAD_US;
	if (m->over)
		out_rings_ended(&m->out);
	return m->over ? SEGMENT_ENDED : SEGMENT_MOVED;
}

static void say_failed(const struct mp4_ring *m)
{
	char why[160];

	snprintf(why, sizeof(why), "fragments of MP4 cannot be made: %s", strerror(-m->error));
	job_report_output_failed(m->job, m->output, m->out.ring.generation, *m->why ? m->why : why,
				 0);
}

enum segment_step mp4_ring_step(struct mp4_ring *m)
{
	enum segment_step step = m->over ? SEGMENT_ENDED : read_more(m);

	if (!m->error)
		return step;
	say_failed(m);
	return SEGMENT_FAILED;
}

void mp4_ring_source(struct mp4_ring *m, struct job_event *event)
{
	bool again = false;
	int r;

	/* what is left of the ring that is replaced */
	while (!event->same_job && m->follow.started && read_more(m) == SEGMENT_MOVED && !m->error)
		;
	r = ring_follow_take(&m->follow, event, &again);
	if (r < 0)
		log_warn("a source ring cannot be mapped, waiting for another error=%s",
			 strerror(-r));
	if (again) {
		gap(m, true);
		m->over = false;
	}
}

/* ---------- life ---------- */

struct mp4_ring *mp4_ring_new(struct job *job, const struct job_event *event)
{
	struct mp4_ring *m = calloc(1, sizeof(*m));
	int r = m ? 0 : -ENOMEM;

	if (m) {
		m->job = job;
		m->output = event->output;
		text_copy(m->lang, sizeof(m->lang), event->track);
		m->frontier_90k = event->continue_90k;
		m->next_number = 1;
		out_rings_init(&m->out, job);
		ts_parse_init(&m->parse);
		/* a job that follows another one looks for where that stopped */
		ring_follow_init(&m->follow,
				 event->continue_90k == TIME_NONE ? LEAD_US : UINT64_MAX);
	}
	for (unsigned i = 0; i < STREAMS && r == 0; i++) {
		m->streams[i] = (struct stream){
			.pid = TS_PID_NONE, .codec = "", .base = ticks, .place = -1};
		m->streams[i].unit = av_packet_alloc();
		r = m->streams[i].unit ? 0 : -ENOMEM;
	}
	if (r == 0)
		r = out_rings_attach(&m->out, event);
	if (r == 0)
		return m;
	job_report_output_failed(job, event->output, event->generation,
				 "there is no ring for fragments of MP4", r);
	return mp4_ring_free(m);
}

struct mp4_ring *mp4_ring_free(struct mp4_ring *m)
{
	if (!m)
		return NULL;
	for (unsigned i = 0; i < STREAMS; i++) {
		units_free(m->streams[i].units);
		av_packet_free(&m->streams[i].unit);
	}
	fragments_free(m->fragments);
	buf_done(&m->init);
	ring_follow_done(&m->follow);
	out_rings_done(&m->out);
	free(m);
	return NULL;
}

uint32_t mp4_ring_output(const struct mp4_ring *m)
{
	return m->output;
}

void mp4_ring_larger(struct mp4_ring *m, const struct job_event *event)
{
	int r = out_rings_attach(&m->out, event);

	if (r < 0)
		log_warn("a larger ring cannot be mapped, keeping the small one error=%s",
			 strerror(-r));
}
