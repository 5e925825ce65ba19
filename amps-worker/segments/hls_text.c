/* hls_text.c - see hls_text.h */
#include "amps-worker/segments/hls_text.h"

#include <assert.h>
#include <inttypes.h>

#include "amps-worker/lineup/m3u.h"
#include "common/clock.h"

#define HZ		90000u
#define MILLI		1000u
#define BANDWIDTH_GUESS 4000000u /* of a variant about which nothing is known */

/* Writes the signature only when it differs from that of the entry before: most do not. */
struct signer {
	const struct hls_place *place;
	uint32_t track;
	int64_t window; /* of `text`; INT64_MIN = none yet */
	char text[SIGNATURE_TEXT + 1];
};

static const char *sign(struct signer *s, int64_t made_s)
{
	int64_t window = made_s / SIGNATURE_SECONDS;

	if (s->window != window)
		signature_write(s->place->key, s->place->channel, made_s, s->text);
	s->window = window;
	return s->text;
}

static void add_entry(struct buf *b, struct signer *signer, const struct segment *e)
{
	char when[TIME_TEXT_MAX];
	uint64_t us = (uint64_t)e->duration_90k * 1000000 / HZ;

	time_format_ms(e->wall_us, when);
	if (e->flags & SEGMENT_DISCONTINUITY)
		buf_puts(b, "#EXT-X-DISCONTINUITY\n");
	buf_printf(b, "#EXT-X-PROGRAM-DATE-TIME:%s\n#EXTINF:%" PRIu64 ".%06" PRIu64 ",\n", when,
		   us / 1000000, us % 1000000);
	buf_printf(b, "%s~%s/%u/%u.ts\n", signer->place->prefix, sign(signer, e->made_s),
		   signer->track, e->number);
}

void hls_text_media(struct buf *b, const struct hls_place *place, const struct segment_media *media,
		    const struct segment *entries, size_t count)
{
	struct signer signer = {.place = place, .track = media->track, .window = INT64_MIN};
	/* the discontinuity in front of the first entry is listed, so it is not counted */
	bool marked = count && entries[0].flags & SEGMENT_DISCONTINUITY && entries[0].discontinuity;

	assert(count > 0);
	buf_printf(b, "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:%u\n", media->target_s);
	buf_printf(b, "#EXT-X-MEDIA-SEQUENCE:%u\n#EXT-X-DISCONTINUITY-SEQUENCE:%u\n",
		   entries[0].number, entries[0].discontinuity - marked);
	if (media->independent)
		buf_puts(b, "#EXT-X-INDEPENDENT-SEGMENTS\n");
	for (size_t i = 0; i < count; i++) {
		assert(entries[i].number == entries[0].number + i);
		add_entry(b, &signer, &entries[i]);
	}
}

static void add_variant(struct buf *b, const struct segment_media *m)
{
	uint32_t peak = m->peak_bps ? m->peak_bps : BANDWIDTH_GUESS;

	buf_printf(b, "#EXT-X-STREAM-INF:BANDWIDTH=%u", peak);
	if (m->average_bps)
		buf_printf(b, ",AVERAGE-BANDWIDTH=%u", MIN(m->average_bps, peak));
	if (m->codecs[0])
		buf_printf(b, ",CODECS=\"%s\"", m->codecs);
	if (m->width && m->height)
		buf_printf(b, ",RESOLUTION=%ux%u", m->width, m->height);
	if (m->rate_milli)
		buf_printf(b, ",FRAME-RATE=%u.%03u", m->rate_milli / MILLI, m->rate_milli % MILLI);
	buf_putc(b, '\n');
}

static void add_parameter(struct buf *b, size_t path_end, const char *name, const char *value)
{
	if (!value[0])
		return;
	buf_printf(b, "%c%s=", b->len == path_end ? '?' : '&', name);
	m3u_encode(b, value);
}

void hls_text_multivariant(struct buf *b, const struct hls_variant *variants, size_t count,
			   const char *session, const char *region)
{
	bool independent = count > 0;

	for (size_t i = 0; i < count; i++)
		independent = independent && variants[i].media.independent;
	buf_puts(b, "#EXTM3U\n#EXT-X-VERSION:3\n");
	if (independent)
		buf_puts(b, "#EXT-X-INDEPENDENT-SEGMENTS\n");
	for (size_t i = 0; i < count; i++) {
		size_t path_end;

		add_variant(b, &variants[i].media);
		buf_puts(b, "media.m3u8");
		path_end = b->len;
		add_parameter(b, path_end, "variant", variants[i].name);
		add_parameter(b, path_end, "region", region);
		add_parameter(b, path_end, "s", session);
		buf_putc(b, '\n');
	}
}
