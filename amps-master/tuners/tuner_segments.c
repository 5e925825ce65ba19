/* tuner_segments.c - what the master knows of segments: their index across generations, their
 * folders, the room that they may take. */
#include "amps-master/tuners/tuner.h"

#include <assert.h>
#include <jansson.h>

#include "common/hash.h"
#include "common/log/log.h"
#include "common/shm/ring_writer.h"
#include "common/shm/segment.h"

#define PULSES_A_STEP	4u  /* a shorter window acts with the next segment */
#define STEP_DOWN	10u /* percent */
#define STEP_UP		1u
#define PERCENT_MIN	10u
#define FULL_HOLD_US	3000000u
#define INDEX_SPARE	64u /* entries beyond those that are kept */
#define INDEX_FIRST_AGE 60000u

/* The number of the oldest entry that can be read without a gap up to `newest`. */
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

	/* what the dead job wrote is checked: its successor believes what is carried over */
	if (segment_newest(from, &newest) < 0 || segment_media_read(from, &facts) < 0 ||
	    newest.number == SEGMENT_NUMBER_MAX || ring_writer_open(&w, fd, data_bytes) < 0)
		return;
	for (uint32_t n = oldest_readable(from, newest.number, most); n <= newest.number; n++) {
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

uint64_t segments_index_bytes(const struct channel_segments *s)
{
	uint64_t ms = (uint64_t)s->window_ms + s->keep_ms + INDEX_FIRST_AGE;

	/* half of the ring is carried over; the other half is for what follows */
	return 2 * (ms / MIN(s->segment_ms, SEGMENT_MS_MIN) + INDEX_SPARE) * sizeof(struct segment);
}

int segments_make_folders(struct tuner *t)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < t->def->output_count; i++) {
		uint32_t track = t->def->outputs[i].segments.track;

		if (t->def->outputs[i].form != OUTPUT_HLS_TS)
			continue;
		t->media_tracks |= 1u << track;
		r = media_root_make_track(t->owner->env.media, t->channel, track);
	}
	if (r < 0)
		log_error("the folder for segments cannot be made (%s) channel=%s", strerror(-r),
			  t->key);
	return r;
}

void segments_sweep(struct tuner *t)
{
	assert(tuner_empty(t));
	for (uint32_t track = 0; t->media_tracks >> track; track++)
		if (t->media_tracks >> track & 1u)
			media_root_remove_track(t->owner->env.media, t->channel, track);
	t->media_tracks = 0;
}

void segments_spec(const struct tuner *t, struct buf *spec)
{
	const struct lineup_settings *s = &t->owner->lineup->settings;
	json_t *tracks = json_array(), *all;
	char *text;

	for (size_t i = 0; i < t->def->output_count; i++)
		if (t->def->outputs[i].form == OUTPUT_HLS_TS)
			json_array_append_new(tracks,
					      json_integer(t->def->outputs[i].segments.track));
	all = json_pack("{sI ss so sI sI}", "channel", (json_int_t)t->channel, "media_root",
			t->owner->env.media->path, "tracks", tracks, "gop_ms",
			(json_int_t)t->gop_ms, "memory_mb", (json_int_t)s->memory_mb);
	text = all ? json_dumps(all, JSON_COMPACT) : NULL;
	if (text)
		buf_puts(spec, text);
	free(text);
	json_decref(all);
}

/* A hash of the numbers of the tracks. */
static uint64_t tracks_of(const struct lineup_tuner *def)
{
	uint64_t h = HASH_START;

	for (size_t i = 0; def && i < def->output_count; i++)
		if (def->outputs[i].form == OUTPUT_HLS_TS)
			h = hash_u64(h, def->outputs[i].segments.track);
	return h;
}

bool segments_differ(const struct lineup_tuner *a, const struct lineup_tuner *b)
{
	return tracks_of(a) != tracks_of(b);
}

static uint64_t used_bytes(const struct tuners *ts)
{
	uint64_t used = 0;

	for (const struct tuner *t = ts->all; t; t = t->next)
		for (const struct output *o = t->outputs; o; o = o->next)
			if (o->reads && o->current.map.header)
				used += MIN(atomic_load_explicit(&o->current.map.header->bytes_in,
								 memory_order_relaxed),
					    ts->env.media->limit);
	return used;
}

static void set_percent(struct tuners *ts, unsigned percent)
{
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

bool segments_full(struct tuners *ts)
{
	struct media_use *m = &ts->media;

	m->used = used_bytes(ts);
	m->room = media_root_room(ts->env.media, m->used);
	return (m->used > 0 && m->used >= m->room) || clock_mono_us() < m->full_until_us;
}

void segments_hold(struct tuners *ts)
{
	ts->media.full_until_us = clock_mono_us() + FULL_HOLD_US;
}

void segments_pulse(struct tuners *ts)
{
	struct media_use *m = &ts->media;

	if (!segments_full(ts) && m->used == 0 && m->percent == 100)
		return;
	if (++m->pulses % PULSES_A_STEP != 0)
		return;
	if (m->used > m->room / 10 * 9)
		set_percent(ts, MAX(m->percent * (100 - STEP_DOWN) / 100, PERCENT_MIN));
	else if (m->used < m->room / 10 * 7)
		set_percent(ts, MIN(m->percent + STEP_UP, 100u));
}
