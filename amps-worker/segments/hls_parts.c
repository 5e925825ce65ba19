/* hls_parts.c - media playlists of fragments of MP4, with low latency (draft-pantos-hls-rfc8216bis,
 * 4.4.3.7 to 4.4.5.4, 6.2.5). */
#include "amps-worker/segments/hls_text.h"

#include <assert.h>
#include <inttypes.h>

#include "common/clock.h"

#define HZ		  90000u
#define PARTS_TARGETS	  3u /* target durations in which segments are listed with their parts */
#define SKIP_TARGETS	  6u
#define HOLD_BACK_TARGETS 3u
#define HOLD_BACK_PARTS	  3u

/* One playlist being written. */
struct writer {
	struct buf *b;
	const struct hls_media *m;
	struct hls_signer files, parts;
	uint32_t init;	     /* of the last EXT-X-MAP; 0 = none */
	uint64_t behind_90k; /* what follows the segment that is being written */
};

static void add_seconds(struct buf *b, uint64_t duration_90k)
{
	uint64_t us = duration_90k * 1000000 / HZ;

	buf_printf(b, "%" PRIu64 ".%06" PRIu64, us / 1000000, us % 1000000);
}

static void add_file(struct writer *w, int64_t made_s, uint32_t number, const char *extension)
{
	const struct hls_place *place = w->files.place;

	buf_printf(w->b, "%s~%s/%u/%c%u.%s", place->prefix, hls_sign(&w->files, made_s),
		   w->m->media->track, place->kind, number, extension);
}

static void add_part_uri(struct writer *w, uint32_t part)
{
	const struct hls_place *place = w->parts.place;

	buf_printf(w->b, "%s~%s/%u/%cp%u.m4s", place->prefix,
		   hls_sign(&w->parts, signature_part_s(part)), w->m->media->track, place->kind,
		   part);
}

static void add_head(struct writer *w)
{
	const struct segment_media *media = w->m->media;
	struct buf *b = w->b;

	buf_printf(b, "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:%u\n", media->target_s);
	buf_printf(b,
		   "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,HOLD-BACK=%u.0,"
		   "PART-HOLD-BACK=%u.%03u,CAN-SKIP-UNTIL=%u.0\n",
		   HOLD_BACK_TARGETS * media->target_s, HOLD_BACK_PARTS * media->part_ms / 1000,
		   HOLD_BACK_PARTS * media->part_ms % 1000, SKIP_TARGETS * media->target_s);
	buf_printf(b, "#EXT-X-PART-INF:PART-TARGET=%u.%03u\n", media->part_ms / 1000,
		   media->part_ms % 1000);
	if (media->independent)
		buf_puts(b, "#EXT-X-INDEPENDENT-SEGMENTS\n");
}

static void add_init(struct writer *w, const struct segment *e)
{
	if (e->init == w->init)
		return;
	w->init = e->init;
	buf_puts(w->b, "#EXT-X-MAP:URI=\"");
	add_file(w, SIGNATURE_INIT_S, e->init, "mp4");
	buf_puts(w->b, "\"\n");
}

static void add_part(struct writer *w, const struct segment *e)
{
	buf_puts(w->b, "#EXT-X-PART:DURATION=");
	add_seconds(w->b, e->duration_90k);
	buf_puts(w->b, ",URI=\"");
	add_part_uri(w, e->part);
	buf_printf(w->b, "\"%s\n", e->flags & SEGMENT_INDEPENDENT ? ",INDEPENDENT=YES" : "");
}

/* The segment of entries[at .. end), with what belongs in front of it.
 *
 * Its end is listed with the first part of the next one, but for the first few segments and the
 * last one of all.  hls.js takes a segment whose end it knows for buffered when less than 0.2 s of
 * it are missing: if it learned of the end before it had the part in front of the last one, it
 * never asked for the last one, and stalled. */
static void add_segment(struct writer *w, size_t at, size_t end)
{
	const struct segment *first = &w->m->entries[at], *last = &w->m->entries[end - 1];
	bool whole =
		end < w->m->count || w->m->ended || (w->m->early && last->flags & SEGMENT_LAST);
	uint64_t duration_90k = 0;
	char when[TIME_TEXT_MAX];

	/* players that start there need the init segment, even if it is the same */
	if (first->flags & SEGMENT_DISCONTINUITY) {
		buf_puts(w->b, "#EXT-X-DISCONTINUITY\n");
		w->init = 0;
	}
	add_init(w, first);
	time_format_ms(first->wall_us, when);
	buf_printf(w->b, "#EXT-X-PROGRAM-DATE-TIME:%s\n", when);
	for (size_t i = at; i < end; i++) {
		duration_90k += w->m->entries[i].duration_90k;
		if (w->behind_90k < (uint64_t)PARTS_TARGETS * w->m->media->target_s * HZ)
			add_part(w, &w->m->entries[i]);
	}
	if (!whole)
		return;
	buf_puts(w->b, "#EXTINF:");
	add_seconds(w->b, duration_90k);
	buf_puts(w->b, ",\n");
	add_file(w, last->made_s, last->number, "m4s");
	buf_putc(w->b, '\n');
}

static size_t segment_end(const struct hls_media *m, size_t at)
{
	size_t end = at + 1;

	while (end < m->count && m->entries[end].number == m->entries[at].number)
		end++;
	return end;
}

/* How many segments a delta update leaves out: those that end earlier than the skip boundary.  None
 * with a discontinuity: players count those that they see. */
static unsigned count_skipped(const struct hls_media *m, uint64_t all_90k)
{
	uint64_t until_90k = (uint64_t)SKIP_TARGETS * m->media->target_s * HZ;
	unsigned skipped = 0;
	size_t at = 0;

	while (m->delta && at < m->count) {
		size_t end = segment_end(m, at);

		for (size_t i = at; i < end; i++)
			all_90k -= m->entries[i].duration_90k;
		if (all_90k < until_90k || m->entries[at].flags & SEGMENT_DISCONTINUITY)
			break;
		skipped++;
		at = end;
	}
	return skipped;
}

void hls_text_parts(struct buf *b, const struct hls_place *place, const struct hls_media *m)
{
	struct writer w = {.b = b,
			   .m = m,
			   .files = {.place = place, .window = INT64_MIN},
			   .parts = {.place = place, .window = INT64_MIN}};
	const struct segment *first = &m->entries[0], *last = &m->entries[m->count - 1];
	bool marked = first->flags & SEGMENT_DISCONTINUITY && first->discontinuity;
	unsigned skipped, n = 0;

	assert(m->count > 0 && first->part == first->first);
	for (size_t i = 0; i < m->count; i++)
		w.behind_90k += m->entries[i].duration_90k;
	add_head(&w);
	buf_printf(b, "#EXT-X-MEDIA-SEQUENCE:%u\n#EXT-X-DISCONTINUITY-SEQUENCE:%u\n", first->number,
		   first->discontinuity - marked);
	skipped = count_skipped(m, w.behind_90k);
	if (skipped > 0)
		buf_printf(b, "#EXT-X-SKIP:SKIPPED-SEGMENTS=%u\n", skipped);
	for (size_t at = 0, end; at < m->count; at = end, n++) {
		end = segment_end(m, at);
		for (size_t i = at; i < end; i++)
			w.behind_90k -= m->entries[i].duration_90k;
		/* what is left begins with EXT-X-MAP: not all players remember the one before */
		if (n >= skipped)
			add_segment(&w, at, end);
	}
	if (m->ended)
		buf_puts(b, "#EXT-X-ENDLIST\n");
	if (m->ended || m->closed)
		return;
	buf_puts(b, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"");
	add_part_uri(&w, last->part + 1);
	buf_puts(b, "\"\n");
}

void hls_text_report(struct buf *b, const struct hls_report *report)
{
	buf_printf(b, "#EXT-X-RENDITION-REPORT:URI=\"%s\",LAST-MSN=%u,LAST-PART=%u\n", report->uri,
		   report->number, report->part);
}
