/* hls_text.c - see hls_text.h */
#include "amps-worker/segments/hls_text.h"

#include <assert.h>
#include <inttypes.h>

#include "amps-worker/lineup/m3u.h"
#include "common/clock.h"

#define HZ		90000u
#define MILLI		1000u
#define BANDWIDTH_GUESS 4000000u /* of a variant about which nothing is known */

const char *hls_sign(struct hls_signer *s, int64_t made_s)
{
	int64_t window = made_s / SIGNATURE_SECONDS;

	if (s->window != window)
		signature_write(s->place->key, s->place->channel, made_s, s->text);
	s->window = window;
	return s->text;
}

static void add_entry(struct buf *b, struct hls_signer *signer, uint32_t track,
		      const struct segment *e)
{
	char when[TIME_TEXT_MAX];
	uint64_t us = (uint64_t)e->duration_90k * 1000000 / HZ;

	time_format_ms(e->wall_us, when);
	if (e->flags & SEGMENT_DISCONTINUITY)
		buf_puts(b, "#EXT-X-DISCONTINUITY\n");
	buf_printf(b, "#EXT-X-PROGRAM-DATE-TIME:%s\n#EXTINF:%" PRIu64 ".%06" PRIu64 ",\n", when,
		   us / 1000000, us % 1000000);
	buf_printf(b, "%s~%s/%u/%u.ts\n", signer->place->prefix, hls_sign(signer, e->made_s), track,
		   e->number);
}

void hls_text_media(struct buf *b, const struct hls_place *place, const struct hls_media *m)
{
	struct hls_signer signer = {.place = place, .window = INT64_MIN};
	const struct segment *first = &m->entries[0];
	/* the discontinuity in front of the first entry is listed, so it is not counted */
	bool marked = first->flags & SEGMENT_DISCONTINUITY && first->discontinuity;

	assert(m->count > 0);
	buf_printf(b, "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:%u\n", m->media->target_s);
	buf_printf(b, "#EXT-X-MEDIA-SEQUENCE:%u\n#EXT-X-DISCONTINUITY-SEQUENCE:%u\n", first->number,
		   first->discontinuity - marked);
	if (m->media->independent)
		buf_puts(b, "#EXT-X-INDEPENDENT-SEGMENTS\n");
	for (size_t i = 0; i < m->count; i++) {
		assert(m->entries[i].number == first->number + i);
		add_entry(b, &signer, m->media->track, &m->entries[i]);
	}
	if (m->ended)
		buf_puts(b, "#EXT-X-ENDLIST\n");
}

/* CODECS of a variant, with the sound that is played with it.  A list that lacks one of its streams
 * would be wrong, so it is left out then. */
static void add_codecs(struct buf *b, const struct segment_media *m, const struct hls_sound *beside)
{
	const char *picture = m->picture, *sound = beside ? beside->media.sound : m->sound;

	if ((m->streams & SEGMENT_HAS_PICTURE && !*picture) ||
	    (m->streams & SEGMENT_HAS_SOUND && !*sound) || (!*picture && !*sound))
		return;
	buf_printf(b, ",CODECS=\"%s%s%s\"", picture, *picture && *sound ? "," : "", sound);
}

static enum segment_captions captions_of(const struct segment_media *m)
{
	return *m->picture || !*m->sound ? m->captions : CAPTIONS_NONE;
}

/* What the variants have in common: none has captions, or one that runs has.  A player that is told
 * nothing may fetch some segments first to see. */
static enum segment_captions captions_of_all(const struct hls_multivariant *m)
{
	enum segment_captions all = CAPTIONS_NONE;

	for (size_t i = 0; i < m->count; i++) {
		enum segment_captions one = captions_of(&m->variants[i].media);

		if (one == CAPTIONS_CARRIED)
			return one;
		if (one == CAPTIONS_UNKNOWN)
			all = one;
	}
	return all;
}

static void add_variant(struct buf *b, const struct segment_media *m, const struct hls_sound *sound,
			enum segment_captions captions)
{
	uint32_t peak = m->peak_bps ? m->peak_bps : BANDWIDTH_GUESS;
	uint32_t average = m->average_bps;

	/* with the sound that is played with it */
	if (sound) {
		peak += sound->media.peak_bps;
		average += average ? sound->media.average_bps : 0;
	}
	buf_printf(b, "#EXT-X-STREAM-INF:BANDWIDTH=%u", peak);
	if (average)
		buf_printf(b, ",AVERAGE-BANDWIDTH=%u", MIN(average, peak));
	add_codecs(b, m, sound);
	if (m->width && m->height)
		buf_printf(b, ",RESOLUTION=%ux%u", m->width, m->height);
	if (m->rate_milli)
		buf_printf(b, ",FRAME-RATE=%u.%03u", m->rate_milli / MILLI, m->rate_milli % MILLI);
	if (sound)
		buf_puts(b, ",AUDIO=\"sound\"");
	if (captions == CAPTIONS_NONE)
		buf_puts(b, ",CLOSED-CAPTIONS=NONE");
	else if (captions_of(m) == CAPTIONS_CARRIED)
		buf_puts(b, ",CLOSED-CAPTIONS=\"captions\"");
	buf_putc(b, '\n');
}

static void add_parameter(struct buf *b, size_t path_end, const char *name, const char *value)
{
	if (!value[0])
		return;
	buf_printf(b, "%c%s=", b->len == path_end ? '?' : '&', name);
	m3u_encode(b, value);
}

void hls_text_link(struct buf *b, const char *variant, enum output_form form, const char *region,
		   const char *session)
{
	static const char *const tracks[OUTPUT_FORM_COUNT_] = {
		[OUTPUT_CMAF_PICTURE] = "picture", [OUTPUT_CMAF_SOUND] = "sound"};
	size_t path_end;

	assert(form_is_segments(form));
	buf_puts(b, "media.m3u8");
	path_end = b->len;
	add_parameter(b, path_end, "variant", variant);
	add_parameter(b, path_end, "track", tracks[form] ? tracks[form] : "");
	add_parameter(b, path_end, "region", region);
	add_parameter(b, path_end, "s", session);
}

void hls_text_multivariant(struct buf *b, const struct hls_multivariant *m)
{
	bool independent = m->count > 0;
	enum segment_captions captions = captions_of_all(m);

	for (size_t i = 0; i < m->count; i++)
		independent = independent && m->variants[i].media.independent;
	buf_printf(b, "#EXTM3U\n#EXT-X-VERSION:%d\n", m->form == OUTPUT_HLS_TS ? 3 : 6);
	if (independent)
		buf_puts(b, "#EXT-X-INDEPENDENT-SEGMENTS\n");
	if (m->sound) {
		buf_puts(b, "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound\",NAME=\"1\",DEFAULT=YES,"
			    "AUTOSELECT=YES,URI=\"");
		hls_text_link(b, m->sound->name, OUTPUT_CMAF_SOUND, m->region, m->session);
		buf_puts(b, "\"\n");
	}
	if (captions == CAPTIONS_CARRIED)
		buf_puts(b, "#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"captions\",NAME=\"CC1\","
			    "INSTREAM-ID=\"CC1\"\n");
	for (size_t i = 0; i < m->count; i++) {
		add_variant(b, &m->variants[i].media, m->sound, captions);
		hls_text_link(b, m->variants[i].name, m->form, m->region, m->session);
		buf_putc(b, '\n');
	}
}
