/* tuner_segments.c - see segments.h */
#include "amps-master/tuners/tuner.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>

#include "common/text/buf.h"
#include "common/log/log.h"
#include "common/msg/peer.h"
#include "common/shm/ring_writer.h"
#include "common/shm/segment.h"
#include "common/text/text.h"

#define PULSES_A_STEP	4u  /* a shorter window acts with the next segment */
#define STEP_DOWN	10u /* percent */
#define STEP_UP		1u
#define PERCENT_MIN	10u
#define FULL_HOLD_US	3000000u
#define INDEX_SPARE	64u /* entries beyond those that are kept */
#define INDEX_FIRST_AGE 60000u

/* The oldest part whose entry can be read without a gap up to `newest`. */
static uint32_t oldest_readable(const struct ring *from, uint32_t newest, uint32_t most)
{
	uint32_t number = newest;
	struct segment s;

	while (number > 0 && newest - number + 1 < most && segment_read(from, number - 1, &s) == 0)
		number--;
	return number;
}

static void carry_facts(const struct ring *from, struct ring_writer *w, uint32_t number)
{
	struct ring_rap rap;

	if (ring_find_rap(from, clock_mono_us(), 0, &rap) < 0)
		return;
	rap.pos = segment_position(number);
	ring_writer_add_rap(w, &rap);
}

void segments_carry(const struct ring *from, int fd, uint64_t data_bytes)
{
	uint32_t most = (uint32_t)(data_bytes / 2 / sizeof(struct segment));
	struct segment_media facts;
	struct ring_writer w;
	struct segment newest, s;

	assert(most > 0);
	/* what the dead job wrote is checked: its successor trusts what is carried over */
	if (segment_newest(from, &newest) < 0 || segment_media_read(from, &facts) < 0 ||
	    newest.number == SEGMENT_NUMBER_MAX || newest.part == UINT32_MAX ||
	    ring_writer_open(&w, fd, data_bytes) < 0)
		return;
	for (uint32_t n = oldest_readable(from, newest.part, most); n <= newest.part; n++) {
		if (segment_read(from, n, &s) < 0)
			break;
		if (w.commit == 0)
			ring_writer_begin(&w, segment_position(n));
		ring_writer_append(&w, &s, sizeof(s));
	}
	if (w.commit > 0)
		carry_facts(from, &w, (uint32_t)(w.commit / sizeof(s)) - 1);
	ring_writer_close(&w);
}

uint64_t segments_index_bytes(const struct lineup_output *def)
{
	const struct channel_segments *s = def->segments;
	uint64_t ms = (uint64_t)s->window_ms + s->keep_ms + INDEX_FIRST_AGE;
	uint32_t entry_ms = MIN(s->segment_ms, SEGMENT_MS_MIN);

	assert(s->segment_ms > 0 && s->part_ms > 0);
	if (def->form != OUTPUT_HLS_TS)
		entry_ms = MIN(entry_ms, s->part_ms);
	/* half of the ring is carried over; the other half is for what follows */
	return 2 * (ms / entry_ms + INDEX_SPARE) * sizeof(struct segment);
}

/* Does a tuner of this channel have files in the folder of this number? */
static bool is_taken(const struct tuner *t, uint32_t number)
{
	assert(number < SEGMENT_TRACKS_MAX);
	for (const struct tuner *x = t->owner->all; x; x = x->next)
		if (x->channel == t->channel && x->tracks && x->tracks[number].used)
			return true;
	return false;
}

/* Does the variant have segments, or may it get some? */
static bool is_alive(const struct tuner *t, const char *variant)
{
	for (const struct output *o = t->outputs; o; o = o->next)
		if (form_is_segments(o->id.form) && strcmp(o->id.variant, variant) == 0)
			return true;
	for (size_t i = 0; t->def && i < t->def->output_count; i++)
		if (form_is_segments(t->def->outputs[i].form) &&
		    strcmp(t->def->outputs[i].variant, variant) == 0)
			return true;
	return false;
}

static void track_release(struct tuner *t, uint32_t number)
{
	assert(t->tracks[number].used);
	media_root_remove_track(t->owner->env.media, t->channel, number);
	t->tracks[number].used = false;
}

/* SEGMENT_TRACKS_MAX if it has none. */
static uint32_t track_find(const struct tuner *t, const char *variant)
{
	uint32_t n = 0;

	while (n < SEGMENT_TRACKS_MAX &&
	       !(t->tracks && t->tracks[n].used && strcmp(t->tracks[n].variant, variant) == 0))
		n++;
	return n;
}

/* The number of a variant that has none: as listed, or another one that is free. */
static uint32_t track_choose(struct tuner *t, const struct lineup_output *def)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < SEGMENT_TRACKS_MAX; i++)
		if (t->tracks[i].used && !is_alive(t, t->tracks[i].variant))
			track_release(t, i);
	assert(def->segments->track < SEGMENT_TRACKS_MAX);
	if (!is_taken(t, def->segments->track))
		return def->segments->track;
	while (n < SEGMENT_TRACKS_MAX && is_taken(t, n))
		n++;
	return n;
}

uint32_t segments_track(struct tuner *t, const struct lineup_output *def)
{
	uint32_t n = track_find(t, def->variant);

	if (n < SEGMENT_TRACKS_MAX)
		return n;
	if (!t->tracks)
		t->tracks = calloc(SEGMENT_TRACKS_MAX, sizeof(*t->tracks));
	n = t->tracks ? track_choose(t, def) : SEGMENT_TRACKS_MAX;
	if (n < SEGMENT_TRACKS_MAX)
		t->tracks[n].used =
			text_copy(t->tracks[n].variant, sizeof(t->tracks[n].variant), def->variant);
	return n;
}

int segments_make_folders(struct tuner *t)
{
	int r = 0;

	/* one viewer's own tuner has no segments */
	for (size_t i = 0; r == 0 && !t->own && i < t->def->output_count; i++) {
		const struct lineup_output *def = &t->def->outputs[i];
		uint32_t track;

		if (!form_is_segments(def->form))
			continue;
		track = segments_track(t, def);
		r = track == SEGMENT_TRACKS_MAX
			    ? -ENOMEM
			    : media_root_make_track(t->owner->env.media, t->channel, track);
	}
	if (r < 0)
		log_error("the folder for segments cannot be made (%s) channel=%s", strerror(-r),
			  t->key);
	return r;
}

void segments_sweep(struct tuner *t)
{
	assert(tuner_empty(t));
	for (uint32_t n = 0; t->tracks && n < SEGMENT_TRACKS_MAX; n++)
		if (t->tracks[n].used)
			track_release(t, n);
	free(t->tracks);
	t->tracks = NULL;
}

void segments_spec(const struct tuner *t, struct buf *spec)
{
	const struct lineup_settings *s = &t->owner->lineup->settings;
	const struct media_root *m = t->owner->env.media;
	json_t *tracks = json_array(), *all;
	char *text;

	for (size_t i = 0; !t->own && i < t->def->output_count; i++)
		if (t->def->outputs[i].form == OUTPUT_HLS_TS)
			json_array_append_new(
				tracks, json_integer(track_find(t, t->def->outputs[i].variant)));
	all = json_pack("{sI ss so sI sI sI sI}", "channel", (json_int_t)t->channel, "media_root",
			m->path, "tracks", tracks, "discontinuity",
			(json_int_t)discontinuities_first(&m->discontinuities, clock_mono_us()),
			"gop_ms", (json_int_t)t->gop_ms, "memory_mb", (json_int_t)s->memory_mb,
			"ring_seconds", (json_int_t)s->ring_seconds);
	text = all ? json_dumps(all, JSON_COMPACT) : NULL;
	if (text)
		buf_puts(spec, text);
	free(text);
	json_decref(all);
}

char *segments_output_spec(const struct channel_segments *s, uint32_t track, unsigned place)
{
	char *text;
	int n = asprintf(&text,
			 "{\"track\":%u,\"place\":%u,\"segment_ms\":%u,\"window_ms\":%u,"
			 "\"keep_ms\":%u,\"part_ms\":%u,\"independent\":%s,\"key_ms\":%u}",
			 track, place, s->segment_ms, s->window_ms, s->keep_ms, s->part_ms,
			 s->independent ? "true" : "false", s->key_ms);

	return n < 0 ? NULL : text;
}

unsigned segments_place(const struct tuner *t, const struct output_id *id)
{
	bool taken[SEGMENT_SOUNDS_MAX + 1] = {true};
	unsigned place = 0;

	if (id->form != OUTPUT_CMAF_SOUND || !id->track[0])
		return 0;
	for (const struct output *o = t->outputs; o; o = o->next)
		if (o->id.form == id->form && strcmp(o->id.variant, id->variant) == 0)
			taken[o->place] = true;
	while (place < SEGMENT_SOUNDS_MAX && taken[place])
		place++;
	return place;
}

bool segments_lack_track(const struct tuner *t)
{
	for (size_t i = 0; t->tracks && t->def && i < t->def->output_count; i++) {
		const struct lineup_output *def = &t->def->outputs[i];

		if (form_is_segments(def->form) &&
		    track_find(t, def->variant) == SEGMENT_TRACKS_MAX)
			return true;
	}
	return false;
}

static uint64_t used_bytes(const struct tuners *ts)
{
	uint64_t used = 0;

	for (const struct tuner *t = ts->all; t; t = t->next)
		for (const struct output *o = t->outputs; o; o = o->next)
			if (form_is_segments(o->id.form) && o->current.map.header)
				used += MIN(atomic_load_explicit(&o->current.map.header->bytes_in,
								 memory_order_relaxed),
					    ts->env.media->limit);
	return used;
}

static void set_percent(struct tuners *ts, unsigned percent)
{
	assert(percent >= PERCENT_MIN && percent <= 100);
	if (ts->media.percent == percent)
		return;
	if (ts->media.percent == 100)
		log_warn("segments take too much room, shortening playlists used_mb=%llu "
			 "room_mb=%llu",
			 (unsigned long long)(ts->media.used >> 20),
			 (unsigned long long)(ts->media.room >> 20));
	ts->media.percent = percent;
	for (struct tuner *t = ts->all; t; t = t->next) {
		struct job *j = t->jobs[SEAT_SEGMENT];

		if (j && j->state != JOB_STOPPING)
			peer_send_job_window(j->peer, &(struct msg_job_window){.percent = percent},
					     NULL);
	}
}

/* False if there is nothing to measure: no segments, and no shortened windows. */
static bool measure(struct tuners *ts)
{
	struct media_use *m = &ts->media;

	m->used = used_bytes(ts);
	if (m->used == 0 && m->percent == 100)
		return false;
	m->room = media_root_room(ts->env.media, m->used);
	return true;
}

bool segments_full(struct tuners *ts)
{
	const struct media_use *m = &ts->media;
	bool full = measure(ts) && m->used > 0 && m->used >= m->room;

	return full || clock_mono_us() < m->full_until_us;
}

void segments_hold(struct tuners *ts)
{
	ts->media.full_until_us = clock_mono_us() + FULL_HOLD_US;
}

static void note_discontinuities(const struct tuners *ts)
{
	struct segment newest;

	for (const struct tuner *t = ts->all; t; t = t->next)
		for (const struct output *o = t->outputs; o; o = o->next)
			if (form_is_segments(o->id.form) && o->current.map.header &&
			    segment_newest(&o->current.map, &newest) == 0)
				discontinuities_reached(&ts->env.media->discontinuities,
							newest.discontinuity);
}

void segments_pulse(struct tuners *ts)
{
	struct media_use *m = &ts->media;

	if (!measure(ts))
		return;
	note_discontinuities(ts);
	if (++m->pulses % PULSES_A_STEP != 0)
		return;
	if (m->used > m->room / 10 * 9)
		set_percent(ts, MAX(m->percent * (100 - STEP_DOWN) / 100, PERCENT_MIN));
	else if (m->used < m->room / 10 * 7)
		set_percent(ts, MIN(m->percent + STEP_UP, 100u));
}
