/* Manifests of DASH: the segments of an index, and their text. */
#include "unit.h"
#include <stdio.h>
#include "amps-worker/segments/dash_text.h"

#define HZ	   90000
#define PART_90K   (HZ / 4)
#define EPOCH_90K  (1700000000ll * HZ)
#define SOURCE_90K (7ll * HZ) /* the source's first time */

static const uint8_t key[MEDIA_KEY_BYTES] = {1};

/* An index in the making. */
struct index {
	struct segment parts[512];
	unsigned count;
	uint32_t number, discontinuity, init;
	int64_t at_90k, began_90k;
};

/* A segment of so many groups of pictures of so many parts. */
static void add(struct index *x, unsigned groups, unsigned parts, bool complete)
{
	uint32_t first = x->count;

	for (unsigned i = 0; i < groups * parts; i++) {
		cr_assert_lt(x->count, array_size(x->parts));
		x->parts[x->count] = (struct segment){
			.number = x->number,
			.part = x->count,
			.first = first,
			.discontinuity = x->discontinuity,
			.init = x->init,
			.start_90k = x->at_90k,
			.offset_90k = EPOCH_90K - SOURCE_90K,
			.began_90k = x->began_90k,
			.duration_90k = PART_90K,
			.flags = (i % parts == 0 ? SEGMENT_INDEPENDENT : 0) |
				 (complete && i + 1 == groups * parts ? SEGMENT_LAST : 0)};
		x->count++;
		x->at_90k += PART_90K;
	}
	x->number++;
}

/* A gap of a second, and what follows it. */
static void interrupt(struct index *x)
{
	x->at_90k += HZ;
	x->discontinuity++;
	x->init = x->number;
	x->began_90k = x->at_90k - SOURCE_90K + EPOCH_90K;
}

static struct index new_index(void)
{
	return (struct index){.number = 100,
			      .discontinuity = 5,
			      .init = 90,
			      .at_90k = SOURCE_90K,
			      .began_90k = EPOCH_90K - 10 * HZ};
}

static struct dash_list list_of(const struct index *x)
{
	struct dash_list l = {0};

	for (unsigned i = x->count; i > 0; i--)
		cr_assert_eq(dash_list_add(&l, &x->parts[i - 1]), 0);
	dash_list_end(&l);
	return l;
}

static char *manifest_at(const struct dash_track *tracks, size_t count, bool ended, int64_t wall_s)
{
	struct dash_manifest m = {.key = key,
				  .channel = 5,
				  .tracks = tracks,
				  .count = count,
				  .variant = "a&b",
				  .region = "",
				  .session = "77",
				  .wall_us = wall_s * 1000000,
				  .window_ms = 60000,
				  .ended = ended};
	struct buf b = BUF_INIT;

	dash_text_manifest(&b, &m);
	cr_assert(buf_ok(&b));
	return b.data;
}

static char *manifest(const struct dash_track *tracks, size_t count, bool ended)
{
	return manifest_at(tracks, count, ended, 1700000030);
}

static struct dash_track track_of(const struct index *x, char kind)
{
	struct dash_track t = {.kind = kind, .list = list_of(x)};

	t.media = (struct segment_media){
		.track = 2, .target_s = 2, .part_ms = 250, .peak_bps = 1000, .independent = 1};
	strcpy(kind == 'v' ? t.media.picture : t.media.sound,
	       kind == 'v' ? "avc1.64001f" : "mp4a.40.2");
	return t;
}

/* The text of a manifest of pictures alone; frees the list. */
static char *alone(const struct index *x, bool ended)
{
	struct dash_track t = track_of(x, 'v');
	char *text = manifest(&t, 1, ended);

	dash_list_done(&t.list);
	return text;
}

static void expect(const char *text, const char *holds)
{
	cr_expect(strstr(text, holds), "%s lacks %s", text, holds);
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	for (const char *at = strstr(text, what); at; at = strstr(at + 1, what))
		n++;
	return n;
}

Test(dash, parts_become_segments)
{
	struct index x = new_index();
	struct dash_list l;

	add(&x, 2, 4, true);
	add(&x, 1, 4, true);
	add(&x, 1, 3, false);
	l = list_of(&x);
	cr_assert_eq(l.count, 3);
	cr_assert_eq(l.at[0].number, 102);
	cr_assert(!l.at[0].complete && l.at[1].complete && l.at[2].complete);
	cr_assert_eq(l.at[0].duration_90k, 3 * PART_90K);
	cr_assert_eq(l.at[2].start_90k, EPOCH_90K);
	cr_assert_eq(l.at[2].duration_90k, 8 * PART_90K);
	cr_assert_eq(l.all_90k, 12 * PART_90K);
	dash_list_done(&l);
}

Test(dash, a_segment_without_its_beginning_or_its_end_is_left_out)
{
	struct index x = new_index();
	struct dash_list l = {0};

	add(&x, 2, 4, true);
	add(&x, 1, 3, false); /* its job died */
	interrupt(&x);
	add(&x, 1, 4, true);
	for (unsigned i = x.count; i > 3; i--)
		cr_assert_eq(dash_list_add(&l, &x.parts[i - 1]), 0);
	dash_list_end(&l);
	cr_assert_eq(l.count, 1);
	cr_assert_eq(l.at[0].number, 102);
	dash_list_done(&l);
}

Test(dash, eight_equal_groups_make_segments_constant)
{
	struct index x = new_index();
	uint32_t duration_90k = 0;
	struct dash_list l;

	for (unsigned i = 0; i < 4; i++)
		add(&x, 2, 4, true);
	l = list_of(&x);
	cr_assert(!dash_list_constant(&l, 2, &duration_90k), "seven are known");
	dash_list_done(&l);
	add(&x, 1, 4, false);
	l = list_of(&x);
	cr_assert(dash_list_constant(&l, 2, &duration_90k));
	cr_assert_eq(duration_90k, 2 * HZ);
	dash_list_done(&l);
	add(&x, 1, 3, true); /* one of another length */
	add(&x, 2, 4, true);
	l = list_of(&x);
	cr_assert(!dash_list_constant(&l, 2, &duration_90k));
	dash_list_done(&l);
}

static void expect_latency(const struct dash_track *t, uint32_t target_ms, uint32_t least_ms,
			   uint32_t most_ms)
{
	char *text = manifest(t, 1, false), line[192];

	snprintf(line, sizeof(line),
		 "<ServiceDescription id=\"0\">\n<Latency target=\"%u\" min=\"%u\" max=\"%u\"/>\n"
		 "<PlaybackRate min=\"0.96\" max=\"1.04\"/>\n</ServiceDescription>\n",
		 target_ms, least_ms, most_ms);
	expect(text, line);
	snprintf(line, sizeof(line), " suggestedPresentationDelay=\"PT%u.%03uS\"", target_ms / 1000,
		 target_ms % 1000);
	expect(text, line);
	cr_expect_eq(count(text, "<ServiceDescription"), 1);
	free(text);
}

Test(dash, the_distance_from_the_live_edge_is_described)
{
	struct index x = new_index();
	struct dash_track t;

	for (unsigned i = 0; i < 4; i++)
		add(&x, 2, 4, true);
	/* segments of irregular groups of pictures: that of three */
	t = track_of(&x, 'v');
	expect_latency(&t, 6000, 3000, 18000);
	dash_list_done(&t.list);
	/* low latency: two seconds, or that of six parts */
	add(&x, 1, 4, false);
	t = track_of(&x, 'v');
	expect_latency(&t, 2000, 1000, 6000);
	t.media.part_ms = 500;
	expect_latency(&t, 3000, 1500, 9000);
	dash_list_done(&t.list);
}

Test(dash, the_short_first_segments_are_not_what_follows)
{
	struct index x = new_index();
	uint32_t duration_90k;
	struct dash_list l;

	for (unsigned i = 0; i < 10; i++)
		add(&x, 1, 4, true);
	l = list_of(&x);
	cr_assert(!dash_list_constant(&l, 2, &duration_90k));
	cr_assert(dash_list_constant(&l, 1, &duration_90k));
	dash_list_done(&l);
}

Test(dash, complete_segments_are_listed_by_time_and_number)
{
	struct index x = new_index();
	char *text;

	add(&x, 2, 4, true);
	add(&x, 2, 4, true);
	add(&x, 1, 4, true);
	add(&x, 1, 2, false);
	text = alone(&x, false);
	expect(text, "<Period id=\"5-90\" start=\"PT1699999990.000S\">");
	expect(text, "presentationTimeOffset=\"152999999100000\" startNumber=\"100\"");
	expect(text, "<S t=\"153000000000000\" d=\"180000\" r=\"1\"/>\n"
		     "<S t=\"153000000360000\" d=\"90000\"/>\n</SegmentTimeline>");
	expect(text, "<Representation id=\"v2-90\" bandwidth=\"1000\" codecs=\"avc1.64001f\"");
	expect(text, "/2/v90.mp4\"");
	expect(text, "/2/v$Number$.m4s\">");
	expect(text, "<Location>manifest.mpd?variant=a%26b&amp;s=77</Location>");
	expect(text, "minimumUpdatePeriod=\"PT2.000S\"");
	expect(text, "suggestedPresentationDelay=\"PT6.000S\"");
	cr_expect_null(strstr(text, "availabilityTimeOffset"));
	free(text);
}

Test(dash, segments_to_come_are_announced_where_they_are_constant)
{
	struct index x = new_index();
	char *text;

	for (unsigned i = 0; i < 6; i++)
		add(&x, 2, 4, true);
	text = alone(&x, false);
	expect(text, "<S t=\"153000000000000\" d=\"180000\" r=\"7\"/>\n</SegmentTimeline>");
	expect(text, "availabilityTimeOffset=\"1.750\" availabilityTimeComplete=\"false\"");
	free(text);
	add(&x, 1, 3, false);
	text = alone(&x, false);
	expect(text, "<S t=\"153000000000000\" d=\"180000\" r=\"7\"/>\n</SegmentTimeline>");
	free(text);
}

Test(dash, a_period_begins_at_a_discontinuity_and_keeps_its_start)
{
	struct index x = new_index();
	char *text;

	add(&x, 2, 4, true);
	add(&x, 1, 4, true);
	interrupt(&x);
	add(&x, 2, 4, true);
	text = alone(&x, false);
	expect(text, "<Period id=\"5-90\" start=\"PT1699999990.000S\">");
	expect(text, "<Period id=\"6-102\" start=\"PT1700000004.000S\">");
	expect(text, "presentationTimeOffset=\"153000000360000\" startNumber=\"102\"");
	cr_expect_eq(count(text, "<Period"), 2);
	free(text);
	/* its first segment is gone */
	add(&x, 2, 4, true);
	memmove(&x.parts[0], &x.parts[20], 8 * sizeof(x.parts[0]));
	for (unsigned i = 0; i < 8; i++) {
		x.parts[i].part = i;
		x.parts[i].first = 0;
	}
	x.count = 8;
	text = alone(&x, false);
	expect(text, "<Period id=\"6-102\" start=\"PT1700000004.000S\">");
	expect(text, "startNumber=\"103\"");
	free(text);
}

Test(dash, sound_has_the_times_of_the_pictures)
{
	struct index x = new_index(), y = new_index();
	struct dash_track tracks[2];
	char *text;

	for (unsigned i = 0; i < 3; i++)
		add(&x, 2, 4, true);
	y.at_90k += 900; /* its frames begin a little later */
	for (unsigned i = 0; i < 2; i++)
		add(&y, 2, 4, true);
	tracks[0] = track_of(&x, 'v');
	tracks[1] = track_of(&y, 'a');
	text = manifest(tracks, 2, false);
	expect(text, "<S t=\"153000000000000\" d=\"180000\" r=\"2\"/>");
	expect(text, "<S t=\"153000000000000\" d=\"180000\" r=\"1\"/>");
	cr_expect_eq(count(text, "<AdaptationSet"), 2);
	expect(text, "contentType=\"audio\" mimeType=\"audio/mp4\"");
	free(text);
	/* a Period waits for all tracks */
	interrupt(&x);
	add(&x, 2, 4, true);
	dash_list_done(&tracks[0].list);
	tracks[0] = track_of(&x, 'v');
	text = manifest(tracks, 2, false);
	cr_expect_eq(count(text, "<Period"), 1, "%s", text);
	free(text);
	for (unsigned i = 0; i < 2; i++)
		dash_list_done(&tracks[i].list);
}

/* What follows this in the text, up to a slash. */
static const char *behind(const char *text, const char *what)
{
	static char found[2][64];
	static unsigned n;
	const char *at = strstr(text, what);
	char *to = found[n++ % 2];

	cr_assert(at, "%s lacks %s", text, what);
	at += strlen(what);
	snprintf(to, sizeof(found[0]), "%.*s", (int)strcspn(at, "/"), at);
	return to;
}

Test(dash, the_signature_changes_and_that_of_init_segments_stays)
{
	struct index x = new_index();
	struct dash_track t;
	char *before, *after;

	add(&x, 2, 4, true);
	t = track_of(&x, 'v');
	before = manifest_at(&t, 1, false, 1700000400 - 1);
	after = manifest_at(&t, 1, false, 1700000400);
	cr_expect_str_neq(behind(before, "media=\"~"), behind(after, "media=\"~"));
	cr_expect_str_eq(behind(before, "initialization=\"~"), behind(after, "initialization=\"~"));
	free(before);
	free(after);
	dash_list_done(&t.list);
}

/* Frees the lists; the caller's. */
static char *manifest_of(struct dash_track *tracks, size_t n)
{
	char *text = manifest(tracks, n, false);

	for (size_t i = 0; i < n; i++)
		dash_list_done(&tracks[i].list);
	return text;
}

Test(dash, each_sound_is_a_set_with_its_language)
{
	struct index x = new_index();
	struct dash_track tracks[4];
	char *text;

	add(&x, 2, 4, true);
	tracks[0] = track_of(&x, 'v');
	for (unsigned i = 1; i < 4; i++)
		tracks[i] = track_of(&x, (char)('a' + i - 1));
	strcpy(tracks[1].media.name, "ger");
	strcpy(tracks[2].media.name, "eng-ad");
	strcpy(tracks[3].media.name, "und-2");
	tracks[1].media.channels = 6;
	text = manifest_of(tracks, 4);
	cr_expect_eq(count(text, "<AdaptationSet"), 4, "%s", text);
	expect(text, "<AdaptationSet id=\"100\" contentType=\"audio\" mimeType=\"audio/mp4\" "
		     "lang=\"de\" segmentAlignment=\"true\" startWithSAP=\"1\">\n"
		     "<Label>Deutsch</Label>\n"
		     "<Role schemeIdUri=\"urn:mpeg:dash:role:2011\" value=\"main\"/>\n"
		     "<Representation id=\"a2-90\"");
	expect(text, "<AudioChannelConfiguration schemeIdUri=\"urn:mpeg:dash:23003:3:"
		     "audio_channel_configuration:2011\" value=\"6\"/>\n<SegmentTemplate");
	expect(text, "<AdaptationSet id=\"101\" contentType=\"audio\" mimeType=\"audio/mp4\" "
		     "lang=\"en\"");
	expect(text,
	       "<Label>English (audio description)</Label>\n"
	       "<Accessibility schemeIdUri=\"urn:tva:metadata:cs:AudioPurposeCS:2007\" value=\"1\"/>\n"
	       "<Role schemeIdUri=\"urn:mpeg:dash:role:2011\" value=\"alternate\"/>\n");
	expect(text, "mimeType=\"audio/mp4\" segmentAlignment=\"true\" startWithSAP=\"1\">\n"
		     "<Label>2</Label>\n");
	expect(text, "/2/c$Number$.m4s\"");
	free(text);
}

Test(dash, pictures_of_different_codecs_are_not_in_one_set)
{
	static const char *const codecs[] = {"avc1.64001f", "hvc1.1.6.L93.90", "avc1.42c01e"};
	struct index x = new_index();
	struct dash_track tracks[4];
	const char *hevc;
	char *text;

	add(&x, 2, 4, true);
	for (unsigned i = 0; i < 3; i++) {
		tracks[i] = track_of(&x, 'v');
		tracks[i].media.track = i;
		strcpy(tracks[i].media.picture, codecs[i]);
	}
	tracks[3] = track_of(&x, 'a');
	text = manifest_of(tracks, 4);
	cr_expect_eq(count(text, "<AdaptationSet"), 3, "%s", text);
	hevc = strstr(text, "<AdaptationSet id=\"2\"");
	cr_assert(hevc, "%s", text);
	cr_expect(strstr(text, "Representation id=\"v0-90\"") < hevc &&
			  strstr(text, "Representation id=\"v2-90\"") < hevc &&
			  strstr(text, "Representation id=\"v1-90\"") > hevc,
		  "%s", text);
	free(text);
}

/* A sound that the source lost has no set in the Periods behind that. */
Test(dash, a_set_is_only_in_periods_in_which_it_has_segments)
{
	struct index x = new_index(), y = new_index();
	struct dash_track tracks[3];
	char *text;

	add(&x, 2, 4, true);
	add(&y, 2, 4, true);
	interrupt(&x);
	for (unsigned i = 0; i < 2; i++)
		add(&x, 2, 4, true);
	tracks[0] = track_of(&x, 'v');
	tracks[1] = track_of(&x, 'a');
	tracks[2] = track_of(&y, 'b');
	text = manifest_of(tracks, 3);
	cr_expect_eq(count(text, "<Period"), 2, "%s", text);
	cr_expect_eq(count(text, "<AdaptationSet"), 5, "%s", text);
	cr_expect_eq(count(text, "id=\"101\""), 1, "%s", text);
	free(text);
}

Test(dash, the_end_is_the_duration)
{
	struct index x = new_index();
	char *text;

	for (unsigned i = 0; i < 6; i++)
		add(&x, 2, 4, true);
	text = alone(&x, true);
	expect(text, "mediaPresentationDuration=\"PT1700000012.000S\"");
	cr_expect_null(strstr(text, "minimumUpdatePeriod"));
	expect(text, "r=\"5\"/>\n</SegmentTimeline>");
	free(text);
}

Test(dash, the_clock_follows_media_that_drift)
{
	static const struct {
		int64_t late_s;
		const char *value;
	} cases[] = {{0, "2023-11-14T22:13:50.000Z"},
		     {3, "2023-11-14T22:13:50.000Z"},
		     {5, "2023-11-14T22:13:45.000Z"},
		     {-2, "2023-11-14T22:13:52.000Z"}};

	for (size_t i = 0; i < array_size(cases); i++) {
		struct index x = new_index();
		char wanted[64], *text;

		x.at_90k += (30 - 2 - cases[i].late_s) * HZ;
		add(&x, 2, 4, true);
		text = alone(&x, false);
		snprintf(wanted, sizeof(wanted), "direct:2014\" value=\"%s\"/>", cases[i].value);
		expect(text, wanted);
		free(text);
	}
}
