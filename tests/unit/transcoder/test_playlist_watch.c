#include "amps-transcoder/source/playlist_watch.h"

#include <stdio.h>
#include <string.h>
#include "unit.h"

#include "common/limits.h"

#define VARIANT "#EXT-X-STREAM-INF:\n"

static struct playlist_watch w;

/* The connection has brought `n` more bytes; its buffer holds `text`, the last of them. */
static void bring(AVIOContext *pb, char *text, int64_t n)
{
	pb->buffer = (unsigned char *)text;
	pb->buf_end = pb->buffer + strlen(text);
	pb->pos += n;
}

static void bring_text(AVIOContext *pb, char *text)
{
	bring(pb, text, (int64_t)strlen(text));
}

Test(playlist_watch, one_variant_too_many_is_a_problem)
{
	AVIOContext *pb = avio_alloc_context(NULL, 0, 0, NULL, NULL, NULL, NULL);
	char first[] = "#EXTM3U\n", more[] = VARIANT;

	cr_assert_not_null(pb);
	playlist_watch_add(&w, pb);
	bring_text(pb, first);
	cr_assert_not(playlist_watch_look(&w));
	for (unsigned i = 0; i < PLAYLIST_VARIANTS_MAX; i++) {
		bring_text(pb, more);
		cr_assert_not(playlist_watch_look(&w), "%u variants", i + 1);
	}
	bring_text(pb, more);
	cr_assert(playlist_watch_look(&w));
	cr_assert_str_eq(w.problem, "the source's playlist has more than 1024 variants");
	/* for ever */
	playlist_watch_media(&w);
	cr_assert(playlist_watch_look(&w));
	pb->buffer = NULL;
	avio_context_free(&pb);
}

Test(playlist_watch, one_byte_too_many_is_a_problem)
{
	AVIOContext *pb = avio_alloc_context(NULL, 0, 0, NULL, NULL, NULL, NULL);
	char first[] = "<MPD>", more[] = " ";

	cr_assert_not_null(pb);
	playlist_watch_add(&w, pb);
	bring_text(pb, first);
	cr_assert_not(playlist_watch_look(&w));
	bring(pb, more, PLAYLIST_BYTES_MAX - (int64_t)strlen(first));
	cr_assert_not(playlist_watch_look(&w));
	cr_assert_eq(w.bytes, PLAYLIST_BYTES_MAX);
	bring(pb, more, 1);
	cr_assert(playlist_watch_look(&w));
	cr_assert_str_eq(w.problem, "the source's playlist is longer than 8 MB");
	pb->buffer = NULL;
	avio_context_free(&pb);
}

Test(playlist_watch, media_between_playlists_resets_the_count)
{
	AVIOContext *pb = avio_alloc_context(NULL, 0, 0, NULL, NULL, NULL, NULL);
	char first[] = "\xef\xbb\xbf#EXTM3U\n" VARIANT;

	cr_assert_not_null(pb);
	playlist_watch_add(&w, pb);
	bring_text(pb, first);
	cr_assert_not(playlist_watch_look(&w));
	cr_assert_eq(w.variants, 1);
	playlist_watch_media(&w);
	cr_assert_eq(w.variants, 0);
	cr_assert_eq(w.bytes, 0);
	playlist_watch_remove(&w, pb);
	cr_assert_eq(w.count, 0);
	pb->buffer = NULL;
	avio_context_free(&pb);
}

Test(playlist_watch, connections_with_media_are_not_counted)
{
	AVIOContext *pb = avio_alloc_context(NULL, 0, 0, NULL, NULL, NULL, NULL);
	char media[] = "G" VARIANT;

	cr_assert_not_null(pb);
	playlist_watch_add(&w, pb);
	cr_assert_not(playlist_watch_look(&w));
	cr_assert_eq(w.count, 1, "nothing has come yet");
	bring_text(pb, media);
	cr_assert_not(playlist_watch_look(&w));
	cr_assert_eq(w.count, 0);
	cr_assert_eq(w.variants, 0);
	pb->buffer = NULL;
	avio_context_free(&pb);
}

Test(playlist_watch, the_longest_target_duration_is_known)
{
	static const struct {
		const char *text;
		unsigned target_s;
	} cases[] = {
		{"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\na.ts\n", 6},
		{"#EXTM3U\n#EXT-X-TARGETDURATION:4\n", 6},
		{"#EXTM3U\n#EXT-X-TARGETDURATION:", 6},
		{"#EXTM3U\n#EXT-X-TARGETDURATION:99999999999\n", PLAYLIST_TARGET_MAX_S},
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		AVIOContext *pb = avio_alloc_context(NULL, 0, 0, NULL, NULL, NULL, NULL);
		char text[128];

		cr_assert_not_null(pb);
		snprintf(text, sizeof(text), "%s", cases[i].text);
		playlist_watch_add(&w, pb);
		bring_text(pb, text);
		cr_assert_not(playlist_watch_look(&w));
		cr_expect_eq(w.target_s, cases[i].target_s, "%zu", i);
		playlist_watch_remove(&w, pb);
		pb->buffer = NULL;
		avio_context_free(&pb);
	}
}
