/* hls_text.c - see hls_text.h */
#include "amps-worker/segments/hls_text.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "amps-worker/lineup/m3u.h"
#include "amps-worker/segments/sound.h"
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

/* Among longer ones, a segment of less than a second has no date: players work it out from the
 * dates around it (RFC 8216, 6.3.3).  Chromium goes on with the segment whose date is nearest to
 * the end of the last one, if that is less than a second away.  When a gap follows a short segment,
 * that is the short segment itself, and a transport stream that is appended twice ends the player.
 */
static void add_date(struct buf *b, const struct segment_media *media, const struct segment *e)
{
	char when[TIME_TEXT_MAX];

	if (e->duration_90k < HZ && media->target_s > 1 && !(e->flags & SEGMENT_DISCONTINUITY))
		return;
	time_format_ms(e->wall_us, when);
	buf_printf(b, "#EXT-X-PROGRAM-DATE-TIME:%s\n", when);
}

static void add_entry(struct buf *b, struct hls_signer *signer, const struct segment_media *media,
		      const struct segment *e)
{
	uint64_t us = (uint64_t)e->duration_90k * 1000000 / HZ;

	if (e->flags & SEGMENT_DISCONTINUITY)
		buf_puts(b, "#EXT-X-DISCONTINUITY\n");
	add_date(b, media, e);
	buf_printf(b, "#EXTINF:%" PRIu64 ".%06" PRIu64 ",\n", us / 1000000, us % 1000000);
	buf_printf(b, "%s~%s/%u/%u.ts\n", signer->place->prefix, hls_sign(signer, e->made_s),
		   media->track, e->number);
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
		add_entry(b, &signer, m->media, &m->entries[i]);
	}
	if (m->ended)
		buf_puts(b, "#EXT-X-ENDLIST\n");
}

/* Players leave out a variant with a codec that they do not have, so sounds of each codec are a
 * group, and each group has the variants for itself.  Is it the first of its codec? */
static bool begins_group(const struct hls_multivariant *m, size_t i)
{
	for (size_t before = 0; before < i; before++)
		if (strcmp(m->sounds[before].media.sound, m->sounds[i].media.sound) == 0)
			return false;
	return true;
}

static void add_group(struct buf *b, const struct hls_multivariant *m, size_t i)
{
	const char *codec = m->sounds[i].media.sound;

	if (strcmp(codec, m->sounds[0].media.sound) == 0)
		buf_puts(b, "\"sound\"");
	else
		buf_printf(b, "\"sound-%s\"", codec);
}

static bool is_alike(const char *name, const char *other)
{
	struct sound_facts a = sound_read(name), b = sound_read(other);

	return strcmp(a.language, b.language) == 0 && a.purpose == b.purpose && a.nth == b.nth;
}

/* A language may have two codes, and no two sounds have the same name. */
static void add_name(struct buf *b, const struct hls_multivariant *m, size_t i)
{
	const char *name = m->sounds[i].media.name;
	bool again = false;

	for (size_t before = 0; before < i; before++)
		again = again || is_alike(m->sounds[before].media.name, name);
	sound_label(b, name);
	if (again)
		buf_printf(b, " (%s)", name);
}

static void add_sound(struct buf *b, const struct hls_multivariant *m, size_t i)
{
	static const char *const traits[] = {
		[SOUND_MAIN] = "",
		[SOUND_CLEAN_EFFECTS] = "",
		[SOUND_HEARING_IMPAIRED] = "public.accessibility.enhances-speech-intelligibility",
		[SOUND_DESCRIPTION] = "public.accessibility.describes-video"};
	const struct hls_sound *sound = &m->sounds[i];
	struct sound_facts facts = sound_read(sound->media.name);

	buf_puts(b, "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=");
	add_group(b, m, i);
	buf_puts(b, ",NAME=\"");
	add_name(b, m, i);
	buf_putc(b, '"');
	if (facts.language[0])
		buf_printf(b, ",LANGUAGE=\"%s\"", facts.language);
	buf_printf(b, ",DEFAULT=%s,AUTOSELECT=YES", begins_group(m, i) ? "YES" : "NO");
	if (traits[facts.purpose][0])
		buf_printf(b, ",CHARACTERISTICS=\"%s\"", traits[facts.purpose]);
	if (sound->media.channels)
		buf_printf(b, ",CHANNELS=\"%u\"", sound->media.channels);
	/* without an address it is the variant itself */
	if (m->form != OUTPUT_CMAF_SOUND || !begins_group(m, i)) {
		buf_puts(b, ",URI=\"");
		hls_text_link(b, &(struct hls_link){.variant = sound->variant,
						    .form = OUTPUT_CMAF_SOUND,
						    .sound = sound->track,
						    .region = m->region,
						    .session = m->session});
		buf_putc(b, '"');
	}
	buf_putc(b, '\n');
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

/* Adds what the largest sound of the group takes, which is played beside the picture. */
static void add_rates(const struct hls_multivariant *m, size_t group, uint32_t *peak,
		      uint32_t *average)
{
	uint32_t sound_peak = 0, sound_average = 0;

	for (size_t i = group; i < m->sound_count; i++) {
		const struct segment_media *sound = &m->sounds[i].media;

		if (strcmp(sound->sound, m->sounds[group].media.sound) != 0)
			continue;
		sound_peak = MAX(sound_peak, sound->peak_bps);
		sound_average = MAX(sound_average, sound->average_bps);
	}
	*peak += sound_peak;
	*average += *average ? sound_average : 0;
}

/* `group`: the first of the sounds that it is played with, if there are any. */
static void add_variant(struct buf *b, const struct hls_multivariant *all,
			const struct segment_media *m, size_t group, enum segment_captions captions)
{
	const struct hls_sound *beside =
		all->sound_count && all->form != OUTPUT_CMAF_SOUND ? &all->sounds[group] : NULL;
	uint32_t peak = m->peak_bps ? m->peak_bps : BANDWIDTH_GUESS;
	uint32_t average = m->average_bps;

	if (beside)
		add_rates(all, group, &peak, &average);
	buf_printf(b, "#EXT-X-STREAM-INF:BANDWIDTH=%u", peak);
	if (average)
		buf_printf(b, ",AVERAGE-BANDWIDTH=%u", MIN(average, peak));
	add_codecs(b, m, beside);
	if (m->width && m->height)
		buf_printf(b, ",RESOLUTION=%ux%u", m->width, m->height);
	if (m->rate_milli)
		buf_printf(b, ",FRAME-RATE=%u.%03u", m->rate_milli / MILLI, m->rate_milli % MILLI);
	if (all->sound_count) {
		buf_puts(b, ",AUDIO=");
		add_group(b, all, group);
	}
	if (captions == CAPTIONS_NONE)
		buf_puts(b, ",CLOSED-CAPTIONS=NONE");
	else if (captions_of(m) == CAPTIONS_CARRIED)
		buf_puts(b, ",CLOSED-CAPTIONS=\"captions\"");
	buf_putc(b, '\n');
}

/* All variants with the sounds of one group. */
static void add_variants(struct buf *b, const struct hls_multivariant *m, size_t group,
			 enum segment_captions captions)
{
	bool sound = m->form == OUTPUT_CMAF_SOUND && group > 0;
	struct hls_link link = {.form = m->form, .region = m->region, .session = m->session};

	for (size_t i = 0; i < m->count; i++) {
		/* of sound alone, each further group is one variant */
		if (sound && i > 0)
			return;
		link.variant = m->variants[i].name;
		link.sound = sound ? m->sounds[group].track : NULL;
		add_variant(b, m, sound ? &m->sounds[group].media : &m->variants[i].media, group,
			    captions);
		hls_text_link(b, &link);
		buf_putc(b, '\n');
	}
}

static void add_parameter(struct buf *b, size_t path_end, const char *name, const char *value)
{
	if (!value || !value[0])
		return;
	buf_printf(b, "%c%s=", b->len == path_end ? '?' : '&', name);
	m3u_encode(b, value);
}

void hls_text_link(struct buf *b, const struct hls_link *link)
{
	static const char *const tracks[OUTPUT_FORM_COUNT_] = {
		[OUTPUT_CMAF_PICTURE] = "picture", [OUTPUT_CMAF_SOUND] = "sound"};
	size_t path_end;

	assert(form_is_segments(link->form));
	buf_puts(b, "media.m3u8");
	path_end = b->len;
	add_parameter(b, path_end, "variant", link->variant);
	add_parameter(b, path_end, "track", tracks[link->form]);
	add_parameter(b, path_end, "lang", link->sound);
	add_parameter(b, path_end, "region", link->region);
	add_parameter(b, path_end, "s", link->session);
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
	for (size_t i = 0; i < m->sound_count; i++)
		add_sound(b, m, i);
	if (captions == CAPTIONS_CARRIED)
		buf_puts(b, "#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"captions\",NAME=\"CC1\","
			    "INSTREAM-ID=\"CC1\"\n");
	add_variants(b, m, 0, captions);
	for (size_t i = 1; i < m->sound_count; i++)
		if (begins_group(m, i))
			add_variants(b, m, i, captions);
}
