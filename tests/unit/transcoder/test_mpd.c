#include "unit.h"

#include "amps-transcoder/source/mpd.h"

#include <string.h>

#include <stdio.h>

#define NOW	1700000000000000ll /* 2023-11-14T22:13:20Z */
#define SECOND	1000000ll
#define URL	"http://host/tv/index.mpd"
#define STARTED " availabilityStartTime=\"2023-11-14T22:12:20Z\"" /* a minute ago */

/* A manifest around what a period holds. */
#define MPD(attributes, inside)                                                                    \
	"<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"dynamic\"" STARTED attributes         \
	"><Period id=\"0\" start=\"PT0S\">" inside "</Period></MPD>"
#define VIDEO(inside)                                                                               \
	"<AdaptationSet mimeType=\"video/mp4\"><Representation id=\"v\" bandwidth=\"5000\">" inside \
	"</Representation></AdaptationSet>"

static struct mpd *parse(const char *xml)
{
	const char *problem = "";
	struct mpd *m = NULL;

	cr_assert_eq(mpd_parse(xml, strlen(xml), URL, NOW, &m, &problem), 0, "%s", problem);
	return m;
}

static const char *media(const struct mpd *m, unsigned track, size_t i)
{
	cr_assert_lt(track, m->track_count);
	cr_assert_lt(i, m->tracks[track].count);
	return m->tracks[track].segments[i].media;
}

static const char *last(const struct mpd *m)
{
	return media(m, 0, m->tracks[0].count - 1);
}

static void refuse(const char *xml, const char *reason)
{
	const char *problem = "";
	struct mpd *m = NULL;

	cr_assert_eq(mpd_parse(xml, strlen(xml), URL, NOW, &m, &problem), -EBADMSG);
	cr_assert_str_eq(problem, reason);
}

Test(mpd, a_timeline_is_followed)
{
	struct mpd *m = parse(MPD(
		" minimumUpdatePeriod=\"PT2.5S\" suggestedPresentationDelay=\"PT1M\"",
		VIDEO("<SegmentTemplate timescale=\"1000\" startNumber=\"7\" initialization=\"i-$RepresentationID$.m4s\""
		      " media=\"c-$Number%05d$-$Time$.m4s\" presentationTimeOffset=\"500\"><SegmentTimeline>"
		      "<S t=\"2500\" d=\"2000\" r=\"1\"/><S d=\"1500\"/></SegmentTimeline></SegmentTemplate>")));
	const struct mpd_track *t = &m->tracks[0];

	cr_assert(m->live && t->video);
	cr_assert_eq(m->update_us, 2500000);
	cr_assert_eq(m->delay_us, 60 * SECOND);
	cr_assert_eq(t->bandwidth, 5000);
	cr_assert_eq(t->count, 3);
	cr_assert_str_eq(media(m, 0, 0), "http://host/tv/c-00007-2500.m4s");
	cr_assert_str_eq(media(m, 0, 1), "http://host/tv/c-00008-4500.m4s");
	cr_assert_str_eq(media(m, 0, 2), "http://host/tv/c-00009-6500.m4s");
	cr_assert_str_eq(t->segments[2].init, "http://host/tv/i-v.m4s");
	cr_assert_eq(t->segments[0].start_us, 2 * SECOND);
	cr_assert_eq(t->segments[2].duration_us, 1500000);
	mpd_free(m);
}

Test(mpd, an_open_repetition_ends_now_or_at_the_next_run)
{
	struct mpd *m = parse(MPD(
		"",
		VIDEO("<SegmentTemplate media=\"$Number$\"><SegmentTimeline>"
		      "<S t=\"0\" d=\"2\" r=\"-1\"/><S t=\"10\" d=\"5\" r=\"-1\"/></SegmentTimeline></SegmentTemplate>")));

	/* five of two seconds, then nine of five: the one that ends now may not be there yet */
	cr_assert_eq(m->tracks[0].count, 14);
	cr_assert_str_eq(last(m), "http://host/tv/14");
	mpd_free(m);
}

Test(mpd, the_clock_decides_which_segments_of_one_length_exist)
{
	struct mpd *m = parse(MPD(
		" timeShiftBufferDepth=\"PT20S\"",
		VIDEO("<SegmentTemplate timescale=\"10\" duration=\"40\" startNumber=\"0\" media=\"$$$Number$\"/>")));

	/* the one that ends this very moment may not be there yet */
	cr_assert_str_eq(last(m), "http://host/tv/$13");
	cr_assert_str_eq(media(m, 0, 0), "http://host/tv/$9");
	mpd_free(m);
}

Test(mpd, lists_and_bases_are_followed)
{
	struct mpd *m = parse(
		"<MPD type=\"dynamic\"" STARTED "><BaseURL> http://other/x/\n</BaseURL><Period>"
		"<AdaptationSet mimeType=\"video/mp4\"><BaseURL>../set/</BaseURL><Representation id=\"v\">"
		"<BaseURL>rep/</BaseURL><SegmentList duration=\"10\"><Initialization sourceURL=\"init\"/>"
		"<SegmentTimeline><S t=\"0\" d=\"10\" r=\"1\"/></SegmentTimeline>"
		"<SegmentURL media=\"one?a=1&amp;b=2\"/><SegmentURL media=\"/two\"/></SegmentList>"
		"</Representation></AdaptationSet></Period></MPD>");

	cr_assert_eq(m->tracks[0].count, 2);
	cr_assert_str_eq(media(m, 0, 0), "http://other/set/rep/one?a=1&b=2");
	cr_assert_str_eq(media(m, 0, 1), "http://other/two");
	mpd_free(m);
}

#define SOUND(lang, name)                                                                          \
	"<AdaptationSet mimeType=\"audio/mp4\" lang=\"" lang "\"><SegmentTemplate duration=\"10\"" \
	" media=\"" name                                                                           \
	"-$Number$\"/><Representation bandwidth=\"1\" id=\"low\"/></AdaptationSet>"

Test(mpd, the_best_picture_and_every_sound_are_taken)
{
	struct buf text = BUF_INIT;
	struct mpd *m = parse(MPD(
		"",
		SOUND("de",
		      "de") "<AdaptationSet mimeType=\"text/vtt\"/>"
			    "<AdaptationSet mimeType=\"video/mp4\"><SegmentTemplate duration=\"10\" media=\"$RepresentationID$\"/>"
			    "<Representation id=\"sd\" bandwidth=\"1000\"/><Representation id=\"hd\" bandwidth=\"4000\"/>"
			    "<Representation id=\"sd2\" bandwidth=\"2000\"/></AdaptationSet>" SOUND(
				    "en",
				    "en") "<AdaptationSet mimeType=\"video/mp4\"><SegmentTemplate duration=\"10\" media=\"angle\"/>"
					  "<Representation id=\"b\" bandwidth=\"3000\"/></AdaptationSet>"));

	cr_assert_eq(m->track_count, 3);
	cr_assert_str_eq(media(m, 0, 0), "http://host/tv/hd");
	cr_assert_str_eq(media(m, 1, 0), "http://host/tv/de-1");
	cr_assert_str_eq(media(m, 2, 0), "http://host/tv/en-1");
	mpd_master(m, "x:", &text);
	cr_assert_not_null(strstr(text.data, "DEFAULT=YES,URI=\"x:1\",LANGUAGE=\"de\"\n"));
	cr_assert_not_null(strstr(text.data, "BANDWIDTH=4003,AUDIO=\"a\"\nx:0\n"));
	buf_done(&text);
	mpd_free(m);
}

#define PERIOD(start, name)                                                                        \
	"<Period start=\"" start "\"><AdaptationSet mimeType=\"video/mp4\"><SegmentTemplate"       \
	" duration=\"10\" initialization=\"" name "-init\" media=\"" name                          \
	"-$Number$\"/><Representation id=\"v\"/>"                                                  \
	"</AdaptationSet></Period>"

Test(mpd, periods_follow_each_other)
{
	struct buf text = BUF_INIT;
	struct mpd *m = parse("<MPD type=\"dynamic\"" STARTED ">" PERIOD("PT0S", "film")
				      PERIOD("PT35S", "ad") "</MPD>");

	cr_assert_eq(m->tracks[0].count, 6); /* four (half of the last is the ad's), two */
	cr_assert_str_eq(last(m), "http://host/tv/ad-2");
	cr_assert_eq(m->tracks[0].segments[4].start_us, 35 * SECOND);
	mpd_playlist(m, &m->tracks[0], 41, &text);
	cr_assert_str_eq(
		text.data,
		"#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:10\n#EXT-X-MEDIA-SEQUENCE:41\n"
		"#EXT-X-MAP:URI=\"http://host/tv/film-init\"\n#EXTINF:10.000000,\nhttp://host/tv/film-1\n"
		"#EXTINF:10.000000,\nhttp://host/tv/film-2\n#EXTINF:10.000000,\nhttp://host/tv/film-3\n"
		"#EXTINF:5.000000,\nhttp://host/tv/film-4\n"
		"#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"http://host/tv/ad-init\"\n"
		"#EXTINF:10.000000,\nhttp://host/tv/ad-1\n#EXTINF:10.000000,\nhttp://host/tv/ad-2\n");
	buf_done(&text);
	mpd_free(m);
}

Test(mpd, the_last_segment_of_a_period_exists_after_its_end)
{
	struct mpd *m = parse("<MPD type=\"dynamic\"" STARTED ">" PERIOD("PT0S", "film")
				      PERIOD("PT30S", "ad") PERIOD("PT60S", "next") "</MPD>");

	/* the ad's end is this moment, and the sender's clock may be slow */
	cr_assert_eq(m->tracks[0].count, 5);
	cr_assert_str_eq(media(m, 0, 2), "http://host/tv/film-3");
	cr_assert_str_eq(last(m), "http://host/tv/ad-2");
	mpd_free(m);
}

Test(mpd, only_the_newest_segments_are_kept)
{
	struct mpd *m = parse(MPD(
		"",
		VIDEO("<SegmentTemplate timescale=\"1000\" media=\"$Number$\"><SegmentTimeline>"
		      "<S t=\"0\" d=\"1\" r=\"2000000000\"/><S d=\"1\" r=\"4\"/></SegmentTimeline></SegmentTemplate>")));

	cr_assert_eq(m->tracks[0].count, MPD_SEGMENTS_MAX);
	cr_assert_str_eq(last(m), "http://host/tv/2000000006");
	mpd_free(m);
}

Test(mpd, a_finished_manifest_lists_every_segment)
{
	struct buf text = BUF_INIT;
	struct mpd *m = parse("<MPD type=\"static\" mediaPresentationDuration=\"PT25S\">" PERIOD(
		"PT0S", "film") "</MPD>");

	cr_assert(!m->live);
	cr_assert_eq(m->tracks[0].count, 3);
	mpd_playlist(m, &m->tracks[0], 0, &text);
	cr_assert_not_null(strstr(text.data, "film-3\n#EXT-X-ENDLIST\n"), "%s", text.data);
	buf_done(&text);
	mpd_free(m);
	m = parse("<MPD type=\"static\"><Period/></MPD>");
	cr_assert_eq(m->track_count, 0);
	mpd_free(m);
}

Test(mpd, unsupported_manifests_are_refused)
{
	refuse("", "the DASH manifest cannot be read");
	refuse("<MPD type=\"dynamic\">", "the DASH manifest cannot be read");
	refuse("<html/>", "not a DASH manifest");
	refuse("<!DOCTYPE MPD [<!ENTITY a \"b\">]><MPD type=\"dynamic\">&a;</MPD>",
	       "the DASH manifest cannot be read");
	refuse(MPD("", ""), "the DASH presentation has nothing that can be played");
	refuse(MPD("", "<AdaptationSet mimeType=\"video/webm\"><Representation/></AdaptationSet>"),
	       "the DASH presentation has nothing that can be played");
	refuse(MPD("", "<AdaptationSet mimeType=\"video/mp4\"><ContentProtection/><Representation/>"
		       "</AdaptationSet>"),
	       "the DASH presentation is encrypted");
}

static void refuse_bytes(const char *xml, size_t n)
{
	const char *problem = "";
	struct mpd *m = NULL;

	cr_assert_eq(mpd_parse(xml, n, URL, NOW, &m, &problem), -EBADMSG);
	cr_assert_str_eq(problem, "the DASH manifest cannot be read");
}

/* An entity may name a file; its declaration may hide in another encoding. */
Test(mpd, entities_are_refused_in_every_encoding)
{
	static const char text[] = "<!DOCTYPE MPD [<!ENTITY x SYSTEM \"file:///etc/hostname\">]>"
				   "<MPD type=\"dynamic\"><BaseURL>http://evil/&x;</BaseURL></MPD>";
	static const char utf7[] =
		"<?xml version=\"1.0\" encoding=\"UTF-7\"?>\n<!-- <MPD -->"
		"+ADwAIQ-DOCTYPE MPD +AFs- +ADwAIQ-ENTITY x SYSTEM \"file:///etc/hostname\"> +AF0->"
		"<MPD type=\"dynamic\"><BaseURL>http://evil/&x;</BaseURL></MPD>";
	char utf16[2 + 2 * sizeof(text)] = {(char)0xff, (char)0xfe};

	for (size_t i = 0; i < sizeof(text) - 1; i++)
		utf16[2 + 2 * i] = text[i];
	refuse_bytes(text, sizeof(text) - 1);
	refuse_bytes(utf7, sizeof(utf7) - 1);
	refuse_bytes(utf16, 2 * sizeof(text));
	refuse_bytes(utf16 + 2, 2 * sizeof(text) - 2);
}

/* A manifest of a few KB does not become gigabytes of addresses, nor minutes of work. */
Test(mpd, the_size_of_a_manifest_is_bounded)
{
	struct buf xml = BUF_INIT;
	const char *problem;
	struct mpd *m;

	buf_puts(&xml,
		 "<MPD type=\"dynamic\"" STARTED "><Period><AdaptationSet mimeType=\"video/mp4\">"
		 "<SegmentTemplate media=\"$Number$");
	for (int i = 0; i < 200; i++)
		buf_puts(&xml, "x$RepresentationID$");
	buf_puts(&xml, "\"><SegmentTimeline>");
	for (int i = 0; i < 300000; i++)
		buf_puts(&xml, "<S d=\"1\" r=\"999\"/>");
	buf_puts(&xml,
		 "</SegmentTimeline></SegmentTemplate><Representation id=\"v\"/></AdaptationSet>"
		 "</Period></MPD>");
	cr_assert_eq(mpd_parse(xml.data, xml.len, URL, NOW, &m, &problem), 0);
	cr_assert_eq(m->tracks[0].count, MPD_SEGMENTS_MAX);
	cr_assert_lt(strlen(last(m)), 2048);
	mpd_free(m);
	buf_done(&xml);
}

Test(mpd, nonsensical_values_make_no_segments)
{
	static const char *const templates[] = {
		"<SegmentTemplate timescale=\"0\" duration=\"1\" media=\"a\"/>",
		"<SegmentTemplate timescale=\"-5\" duration=\"1\" media=\"a\"/>",
		"<SegmentTemplate duration=\"-1\" media=\"a\"/>",
		"<SegmentTemplate duration=\"1\" media=\"a&#10;#EXT-X-KEY\"/>",
		"<SegmentTemplate media=\"a\"><SegmentTimeline><S d=\"0\" r=\"5\"/></SegmentTimeline></SegmentTemplate>",
		"<SegmentTemplate media=\"a\"><SegmentTimeline><S t=\"9223372036854775807\" d=\"9\"/>"
		"</SegmentTimeline></SegmentTemplate>",
		"<SegmentTemplate duration=\"1\"/>",
		"<SegmentTemplate media=\"$Number$\" startNumber=\"9223372036854775807\""
		" presentationTimeOffset=\"-9223372036854775807\"><SegmentTimeline>"
		"<S t=\"1152921504606846975\" d=\"1152921504606846975\" r=\"2147483647\"/>"
		"<S t=\"0\" d=\"1\" r=\"-1\"/><S t=\"1152921504606846975\" d=\"9\"/>"
		"</SegmentTimeline></SegmentTemplate>",
	};

	for (size_t i = 0; i < array_size(templates); i++) {
		char xml[1024];
		struct mpd *m;

		snprintf(xml, sizeof(xml), MPD("", VIDEO("%s")), templates[i]);
		m = parse(xml);
		for (size_t k = 0; k < m->tracks[0].count; k++)
			cr_assert_null(strpbrk(media(m, 0, k), "\r\n\""), "%s", templates[i]);
		mpd_free(m);
	}
}

Test(mpd, a_manifest_is_recognised_by_its_first_bytes)
{
	static const char yes[] = "<?xml version=\"1.0\"?>\n<!-- made by x -->\n<MPD ";

	cr_assert(mpd_probe((const uint8_t *)yes, sizeof(yes) - 1));
	cr_assert(!mpd_probe((const uint8_t *)"#EXTM3U\n", 8));
	cr_assert(!mpd_probe((const uint8_t *)"\0\0<MPD", 6));
}
