/* dash_text.c - see dash_text.h */
#include "amps-worker/segments/dash_text.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "amps-worker/lineup/m3u.h"
#include "amps-worker/segments/sound.h"
#include "common/clock.h"

#define HZ		90000
#define MS_90K		90
#define DELAY_TARGETS	3u	 /* a player keeps this distance from the live edge ... */
#define LOW_DELAY_MS	2000u	 /* ... and this one with low latency, or ... */
#define LOW_DELAY_PARTS 6u	 /* ... that of so many parts */
#define BANDWIDTH_GUESS 4000000u /* of a track about which nothing is known */
#define LATE_US		2000000	 /* media that is published later says how late its clock is */
#define CLOCK_STEP_US	1000000
#define SOUND_SETS	100 /* ids of the AdaptationSets of sounds begin there */

/* One manifest being written. */
struct writer {
	struct buf *b;
	const struct dash_manifest *m;
	bool low;	    /* with low latency: segments are announced */
	uint32_t next_90k;  /* how long an announced segment will be */
	uint32_t until;	    /* number of the last one */
	uint32_t target_ms; /* of a segment */
	uint32_t part_ms;
	char signature[SIGNATURE_TEXT + 1], init_signature[SIGNATURE_TEXT + 1];
};

/* Segments of one list in a row: at[newest] to at[oldest]. */
struct run {
	const struct dash_list *list;
	size_t newest, oldest;
};

static const struct dash_segment *newest_of(const struct run *r)
{
	return &r->list->at[r->newest];
}

static const struct dash_segment *oldest_of(const struct run *r)
{
	return &r->list->at[r->oldest];
}

/* When its Period begins. */
static int64_t began_ms_of(const struct run *r)
{
	return MAX(newest_of(r)->began_90k, 0) / MS_90K;
}

static void add_seconds(struct buf *b, const char *name, uint64_t ms)
{
	buf_printf(b, " %s=\"PT%" PRIu64 ".%03" PRIu64 "S\"", name, ms / 1000, ms % 1000);
}

/* ---------- segments ---------- */

/* The times of segments; equal durations in a row share an element. */
struct timeline {
	struct buf *b;
	int64_t start_90k;
	uint64_t duration_90k;
	uint64_t count;
};

static void end_element(struct timeline *t)
{
	if (t->count == 0)
		return;
	buf_printf(t->b, "<S t=\"%" PRId64 "\" d=\"%" PRIu64 "\"", t->start_90k, t->duration_90k);
	if (t->count > 1)
		buf_printf(t->b, " r=\"%" PRIu64 "\"", t->count - 1);
	buf_puts(t->b, "/>\n");
	t->count = 0;
}

static void add_time(struct timeline *t, int64_t start_90k, uint64_t duration_90k)
{
	if (t->count == 0 || duration_90k != t->duration_90k ||
	    start_90k != t->start_90k + (int64_t)(t->duration_90k * t->count)) {
		end_element(t);
		t->start_90k = start_90k;
		t->duration_90k = duration_90k;
	}
	t->count++;
}

/* Up to the start of the next segment, if that is there. */
static uint64_t duration_of(const struct writer *w, const struct run *r, size_t at)
{
	const struct dash_segment *s = &r->list->at[at];
	int64_t until_next_90k = at > r->newest ? s[-1].start_90k - s->start_90k : 0;

	if (until_next_90k > 0)
		return (uint64_t)until_next_90k;
	return s->complete ? s->duration_90k : MAX(s->duration_90k, w->next_90k);
}

/* The times of all tracks are those of the first one, whose cuts the others follow: so they do not
 * change when an announced segment is there. */
static void add_timeline(const struct writer *w, const struct run *period, uint32_t from,
			 uint32_t until)
{
	struct timeline t = {.b = w->b};
	uint32_t newest = newest_of(period)->number;
	int64_t end_90k = 0;

	assert(from >= oldest_of(period)->number);
	buf_puts(w->b, "<SegmentTimeline>\n");
	for (uint32_t n = from; n <= until; n++) {
		size_t at = period->newest + newest - MIN(n, newest);
		int64_t start_90k = n > newest ? end_90k : period->list->at[at].start_90k;
		uint64_t duration_90k = n > newest ? w->next_90k : duration_of(w, period, at);

		add_time(&t, start_90k, duration_90k);
		end_90k = start_90k + (int64_t)duration_90k;
	}
	end_element(&t);
	buf_puts(w->b, "</SegmentTimeline>\n");
}

/* ---------- tracks ---------- */

static void add_template(const struct writer *w, const struct dash_track *t, const struct run *r,
			 const struct run *period, bool last)
{
	struct buf *b = w->b;
	int64_t began_ms = began_ms_of(period);
	uint32_t ahead_ms = w->next_90k / MS_90K, until = newest_of(r)->number;

	buf_printf(b,
		   "<SegmentTemplate timescale=\"%d\" presentationTimeOffset=\"%" PRId64
		   "\" startNumber=\"%u\" initialization=\"~%s/%u/%c%u.mp4\" "
		   "media=\"~%s/%u/%c$Number$.m4s\"",
		   HZ, began_ms * MS_90K, oldest_of(r)->number, w->init_signature, t->media.track,
		   t->kind, newest_of(r)->init, w->signature, t->media.track, t->kind);
	if (last && w->low) {
		until = w->until;
		ahead_ms -= MIN(ahead_ms, w->part_ms);
		buf_printf(b,
			   " availabilityTimeOffset=\"%u.%03u\" availabilityTimeComplete=\"false\"",
			   ahead_ms / 1000, ahead_ms % 1000);
	}
	buf_puts(b, ">\n");
	add_timeline(w, period, oldest_of(r)->number, until);
	buf_puts(b, "</SegmentTemplate>\n");
}

static void add_representation(const struct writer *w, const struct dash_track *t,
			       const struct run *r, const struct run *period, bool last)
{
	const struct segment_media *media = &t->media;
	const char *codec = t->kind == 'v' ? media->picture : media->sound;
	struct buf *b = w->b;

	/* some players read the init segment once for each id */
	buf_printf(b, "<Representation id=\"%c%u-%u\" bandwidth=\"%u\"", t->kind, media->track,
		   newest_of(r)->init, media->peak_bps ? media->peak_bps : BANDWIDTH_GUESS);
	if (codec[0])
		buf_printf(b, " codecs=\"%s\"", codec);
	if (t->kind == 'v' && media->width && media->height)
		buf_printf(b, " width=\"%u\" height=\"%u\"", media->width, media->height);
	if (t->kind == 'v' && media->rate_milli)
		buf_printf(b, " frameRate=\"%u/1000\"", media->rate_milli);
	buf_puts(b, ">\n");
	if (t->kind != 'v' && media->channels)
		buf_printf(b,
			   "<AudioChannelConfiguration schemeIdUri=\"urn:mpeg:dash:23003:3:"
			   "audio_channel_configuration:2011\" value=\"%u\"/>\n",
			   media->channels);
	add_template(w, t, r, period, last);
	buf_puts(b, "</Representation>\n");
}

static bool follows(const struct dash_segment *s, const struct dash_segment *before)
{
	return s->number == before->number + 1 && s->init == before->init &&
	       s->discontinuity == before->discontinuity;
}

static bool is_listed(const struct writer *w, const struct dash_segment *s)
{
	return s->complete || w->low;
}

/* The track's segments with numbers from `first` to `end`; false if there are none. */
static bool find_run(const struct writer *w, const struct dash_list *l, uint32_t first,
		     uint32_t end, struct run *ret)
{
	size_t at = 0;

	while (at < l->count && (l->at[at].number > end || !is_listed(w, &l->at[at])))
		at++;
	if (at == l->count || l->at[at].number < first)
		return false;
	*ret = (struct run){.list = l, .newest = at, .oldest = at};
	while (ret->oldest + 1 < l->count && l->at[ret->oldest + 1].number >= first &&
	       follows(&l->at[ret->oldest], &l->at[ret->oldest + 1]))
		ret->oldest++;
	return true;
}

/* ---------- Periods ---------- */

/* The Period of the first track that ends with at[newest]. */
static struct run period_of(const struct dash_list *l, size_t newest)
{
	struct run r = {.list = l, .newest = newest, .oldest = newest};

	while (r.oldest + 1 < l->count && follows(&l->at[r.oldest], &l->at[r.oldest + 1]))
		r.oldest++;
	return r;
}

/* The last number that belongs to the Period: what is announced too. */
static uint32_t period_end(const struct writer *w, const struct run *period, bool last)
{
	return last ? MAX(w->until, newest_of(period)->number) : newest_of(period)->number;
}

/* What a player is told of a sound, to choose by (ISO/IEC 23009-1, 5.8.5.5; ETSI TS 103 285). */
static void describe_sound(struct buf *b, const struct dash_track *t)
{
	static const char *const purposes[] = {[SOUND_MAIN] = "",
					       [SOUND_CLEAN_EFFECTS] = "",
					       [SOUND_HEARING_IMPAIRED] = "2",
					       [SOUND_DESCRIPTION] = "1"};
	struct sound_facts facts = sound_read(t->media.name);

	buf_puts(b, "<Label>");
	sound_label(b, t->media.name);
	buf_puts(b, "</Label>\n");
	if (purposes[facts.purpose][0])
		buf_printf(b,
			   "<Accessibility schemeIdUri=\"urn:tva:metadata:cs:AudioPurposeCS:2007\" "
			   "value=\"%s\"/>\n",
			   purposes[facts.purpose]);
	buf_printf(b, "<Role schemeIdUri=\"urn:mpeg:dash:role:2011\" value=\"%s\"/>\n",
		   t->kind == 'a' ? "main" : "alternate");
}

static void open_set(const struct writer *w, const struct dash_track *t, size_t id)
{
	bool picture = t->kind == 'v';
	struct sound_facts facts = sound_read(t->media.name);

	buf_printf(w->b, "<AdaptationSet id=\"%zu\" contentType=\"%s\" mimeType=\"%s\"",
		   picture ? id : SOUND_SETS + (size_t)(t->kind - 'a'), picture ? "video" : "audio",
		   picture ? "video/mp4" : "audio/mp4");
	if (!picture && facts.language[0])
		buf_printf(w->b, " lang=\"%s\"", facts.language);
	buf_printf(w->b, " segmentAlignment=\"true\"%s>\n",
		   t->media.independent ? " startWithSAP=\"1\"" : "");
	if (!picture)
		describe_sound(w->b, t);
}

/* Can a player go from one to the other in the middle?  Pictures of one codec. */
static bool in_same_set(const struct dash_track *a, const struct dash_track *b)
{
	size_t n = strcspn(a->media.picture, ".");

	return a->kind == 'v' && b->kind == 'v' && strcspn(b->media.picture, ".") == n &&
	       strncmp(a->media.picture, b->media.picture, n) == 0;
}

/* The set that begins with this track: also those behind it that belong there.  Nothing, if it
 * belongs to an earlier one, or has nothing in the Period. */
static void add_set(const struct writer *w, size_t first, const struct run *period, bool last)
{
	uint32_t from = oldest_of(period)->number, end = period_end(w, period, last);
	const struct dash_track *tracks = w->m->tracks;
	struct run r;

	if (!find_run(w, &tracks[first].list, from, end, &r))
		return;
	for (size_t i = 0; i < first; i++)
		if (in_same_set(&tracks[i], &tracks[first]) &&
		    find_run(w, &tracks[i].list, from, end, &r))
			return;
	open_set(w, &tracks[first], first + 1);
	for (size_t i = first; i < w->m->count; i++)
		if ((i == first || in_same_set(&tracks[first], &tracks[i])) &&
		    find_run(w, &tracks[i].list, from, end, &r))
			add_representation(w, &tracks[i], &r, period, last);
	buf_puts(w->b, "</AdaptationSet>\n");
}

static void add_period(const struct writer *w, const struct run *period, bool last)
{
	const struct dash_segment *s = newest_of(period);
	int64_t began_ms = began_ms_of(period);

	buf_printf(w->b, "<Period id=\"%u-%u\"", s->discontinuity, s->init);
	add_seconds(w->b, "start", (uint64_t)began_ms);
	buf_puts(w->b, ">\n");
	for (size_t i = 0; i < w->m->count; i++)
		add_set(w, i, period, last);
	buf_puts(w->b, "</Period>\n");
}

/* Have all tracks something in this Period, which has just begun? */
static bool is_whole(const struct writer *w, const struct run *period)
{
	struct run r;

	for (size_t i = 0; i < w->m->count; i++)
		if (!find_run(w, &w->m->tracks[i].list, oldest_of(period)->number, UINT32_MAX, &r))
			return false;
	return true;
}

static void add_periods(const struct writer *w)
{
	const struct dash_list *l = &w->m->tracks[0].list;
	struct run periods[DASH_PERIODS_MAX];
	size_t count = 0, at = 0;
	bool behind = false;

	while (at < l->count && !is_listed(w, &l->at[at]))
		at++;
	while (at < l->count && count < array_size(periods)) {
		periods[count] = period_of(l, at);
		at = periods[count++].oldest + 1;
	}
	/* a player takes what a Period has when it first sees it */
	behind = count > 1 && periods[0].oldest == periods[0].newest && !is_whole(w, &periods[0]);
	for (size_t i = count; i > behind; i--)
		add_period(w, &periods[i - 1], i == 1);
}

/* ---------- the presentation ---------- */

/* The time by which players measure.  Media that is published later, or earlier, than its times say
 * takes the clock along: its source has stalled once, or its clock runs at another speed. */
static int64_t clock_us(const struct dash_manifest *m)
{
	const struct dash_segment *s = &m->tracks[0].list.at[0];
	int64_t late_us = m->wall_us - (s->start_90k + s->duration_90k) * 100 / 9;

	if (m->ended || (late_us >= 0 && late_us < LATE_US + m->tracks[0].media.target_s * 1000000))
		return m->wall_us;
	return m->wall_us - late_us / CLOCK_STEP_US * CLOCK_STEP_US;
}

static void add_parameter(struct buf *b, const char *name, const char *value, bool *first)
{
	if (!value[0])
		return;
	buf_printf(b, "%s%s=", *first ? "?" : "&amp;", name);
	m3u_encode(b, value);
	*first = false;
}

static void add_location(const struct writer *w)
{
	const struct dash_manifest *m = w->m;
	bool first = true;

	buf_puts(w->b, "<Location>manifest.mpd");
	add_parameter(w->b, "variant", m->variant, &first);
	add_parameter(w->b, "region", m->region, &first);
	add_parameter(w->b, "s", m->session, &first);
	buf_puts(w->b, "</Location>\n");
}

static void add_head(const struct writer *w, uint32_t delay_ms)
{
	const struct dash_manifest *m = w->m;
	const struct dash_segment *s = &m->tracks[0].list.at[0];
	char now[TIME_TEXT_MAX];
	struct buf *b = w->b;

	time_format_ms(m->wall_us, now);
	buf_puts(b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		    "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" "
		    "profiles=\"urn:mpeg:dash:profile:isoff-live:2011\" type=\"dynamic\" "
		    "availabilityStartTime=\"1970-01-01T00:00:00Z\"");
	buf_printf(b, " publishTime=\"%s\"", now);
	if (m->ended)
		add_seconds(b, "mediaPresentationDuration",
			    (uint64_t)MAX(s->start_90k + s->duration_90k, 0) / MS_90K);
	else
		add_seconds(b, "minimumUpdatePeriod", w->target_ms);
	add_seconds(b, "timeShiftBufferDepth", m->window_ms);
	add_seconds(b, "suggestedPresentationDelay", delay_ms);
	add_seconds(b, "minBufferTime", w->low ? w->part_ms : 1000);
	buf_puts(b, ">\n");
	add_location(w);
	buf_printf(b,
		   "<ServiceDescription id=\"0\">\n<Latency target=\"%u\" min=\"%u\" max=\"%u\"/>\n"
		   "<PlaybackRate min=\"0.96\" max=\"1.04\"/>\n</ServiceDescription>\n",
		   delay_ms, delay_ms / 2, delay_ms * 3);
}

static uint32_t delay_ms(const struct writer *w)
{
	return w->low ? MAX(LOW_DELAY_MS, LOW_DELAY_PARTS * w->part_ms)
		      : DELAY_TARGETS * w->target_ms;
}

void dash_text_manifest(struct buf *b, const struct dash_manifest *m)
{
	const struct dash_track *first = &m->tracks[0];
	const struct dash_list *l = &first->list;
	struct writer w = {.b = b,
			   .m = m,
			   .target_ms = first->media.target_s * 1000,
			   .part_ms = first->media.part_ms};
	char now[TIME_TEXT_MAX];

	assert(m->count > 0 && l->count > 0);
	w.low = !m->ended && first->kind == 'v' &&
		dash_list_constant(l, first->media.target_s, &w.next_90k);
	if (w.low) {
		w.target_ms = w.next_90k / MS_90K;
		w.until = l->at[0].number + DASH_AHEAD - !l->at[0].complete;
	}
	signature_write(m->key, m->channel, m->wall_us / 1000000, w.signature);
	signature_write(m->key, m->channel, SIGNATURE_INIT_S, w.init_signature);
	add_head(&w, delay_ms(&w));
	add_periods(&w);
	time_format_ms(clock_us(m), now);
	buf_printf(b,
		   "<UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:direct:2014\" value=\"%s\"/>\n"
		   "</MPD>\n",
		   now);
}
