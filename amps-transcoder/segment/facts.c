#include "amps-transcoder/segment/facts.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <libavcodec/avcodec.h>

#define PES_HEAD  9u /* bytes before a PES header's optional fields */
#define NAL_SPS	  7u /* H.264 */
#define HEVC_SPS  33u
#define HEVC_PTL  3u /* bytes of an SPS before its profile_tier_level(): two of them the header */
#define PTL_BYTES 12u

void facts_begin(struct facts *f, const struct ts_parse *p)
{
	*f = (struct facts){.video.pid = p->video_pid, .audio.pid = p->audio_pid};
}

static bool unit_wanted(const struct facts_unit *u)
{
	return u->pid != TS_PID_NONE && u->len < sizeof(u->bytes);
}

static void unit_packet(struct facts_unit *u, const uint8_t *packet)
{
	unsigned at = ts_payload_at(packet);
	size_t n;

	if (ts_pusi(packet) && u->begun) {
		u->pid = TS_PID_NONE; /* the next unit: this one is complete */
		return;
	}
	if (ts_pusi(packet)) {
		if (at + PES_HEAD > TS_PACKET)
			return;
		u->begun = true;
		at += PES_HEAD + packet[at + PES_HEAD - 1];
	}
	if (!u->begun || at >= TS_PACKET)
		return;
	assert(u->len < sizeof(u->bytes));
	n = MIN((size_t)TS_PACKET - at, sizeof(u->bytes) - u->len);
	memcpy(u->bytes + u->len, packet + at, n);
	u->len += n;
}

void facts_packet(struct facts *f, const uint8_t *packet)
{
	unsigned pid = ts_pid(packet);

	if (pid == f->video.pid && unit_wanted(&f->video))
		unit_packet(&f->video, packet);
	else if (pid == f->audio.pid && unit_wanted(&f->audio))
		unit_packet(&f->audio, packet);
}

static void avc_text(const uint8_t *bytes, size_t len, char text[SEGMENT_CODEC_MAX])
{
	for (size_t i = 0; i + 7 <= len; i++) {
		const uint8_t *b = bytes + i;

		if (b[0] != 0 || b[1] != 0 || b[2] != 1 || (b[3] & 0x1f) != NAL_SPS)
			continue;
		snprintf(text, SEGMENT_CODEC_MAX, "avc1.%02x%02x%02x", b[4], b[5], b[6]);
		return;
	}
}

/* Copies the beginning of a NAL unit without its emulation prevention bytes.  False: it is shorter.
 */
static bool nal_begin(const uint8_t *from, size_t len, uint8_t *to, size_t wanted)
{
	size_t zeros = 0, n = 0;

	for (size_t i = 0; i < len && n < wanted; i++) {
		if (zeros >= 2 && from[i] == 3) {
			zeros = 0;
			continue;
		}
		zeros = from[i] ? 0 : zeros + 1;
		to[n++] = from[i];
	}
	return n == wanted;
}

static uint32_t reversed(const uint8_t flags[4])
{
	uint32_t r = 0;

	for (unsigned bit = 0; bit < 32; bit++)
		r |= (uint32_t)(flags[bit / 8] >> (7 - bit % 8) & 1) << bit;
	return r;
}

/* ISO 14496-15, E.3: profile, compatibility flags in reverse, tier and level, and the constraint
 * bytes up to the last one that is set. */
static void ptl_text(const uint8_t ptl[PTL_BYTES], char text[SEGMENT_CODEC_MAX])
{
	static const char spaces[] = "\0ABC";
	unsigned space = ptl[0] >> 6, last = 11;
	int n = snprintf(text, SEGMENT_CODEC_MAX, "hvc1.%.1s%u.%X.%c%u", spaces + space,
			 ptl[0] & 0x1fu, reversed(ptl + 1), ptl[0] & 0x20 ? 'H' : 'L', ptl[11]);

	while (last > 5 && !ptl[last - 1])
		last--;
	for (unsigned i = 5; i < last && n > 0 && n < (int)SEGMENT_CODEC_MAX; i++)
		n += snprintf(text + n, SEGMENT_CODEC_MAX - (size_t)n, ".%X", ptl[i]);
}

static void hevc_text(const uint8_t *bytes, size_t len, char text[SEGMENT_CODEC_MAX])
{
	for (size_t i = 0; i + 4 <= len; i++) {
		const uint8_t *b = bytes + i;
		uint8_t sps[HEVC_PTL + PTL_BYTES];

		if (b[0] != 0 || b[1] != 0 || b[2] != 1 || (b[3] >> 1 & 0x3f) != HEVC_SPS)
			continue;
		if (nal_begin(b + 3, len - i - 3, sps, sizeof(sps)))
			ptl_text(sps + HEVC_PTL, text);
		return;
	}
}

/* From bytes that hold the parameter sets. */
static void picture_text(enum AVCodecID id, const uint8_t *bytes, size_t len,
			 char text[SEGMENT_CODEC_MAX])
{
	text[0] = '\0';
	if (id == AV_CODEC_ID_H264)
		avc_text(bytes, len, text);
	else if (id == AV_CODEC_ID_HEVC)
		hevc_text(bytes, len, text);
	else if (id == AV_CODEC_ID_MPEG2VIDEO)
		snprintf(text, SEGMENT_CODEC_MAX, "mp4v.61");
}

/* CODECS of a codec whose headers add nothing. */
static void sound_text(enum AVCodecID id, char text[SEGMENT_CODEC_MAX])
{
	static const struct {
		enum AVCodecID id;
		const char *text;
	} known[] = {{AV_CODEC_ID_AAC_LATM, "mp4a.40.2"},
		     {AV_CODEC_ID_AC3, "ac-3"},
		     {AV_CODEC_ID_EAC3, "ec-3"},
		     {AV_CODEC_ID_OPUS, "opus"}};

	text[0] = '\0';
	for (size_t i = 0; i < array_size(known); i++)
		if (known[i].id == id)
			snprintf(text, SEGMENT_CODEC_MAX, "%s", known[i].text);
}

/* ATSC A/53 part 4, 6.2.3: user data, in H.264 and HEVC in an SEI message, of the type of captions.
 */
enum segment_captions facts_captions(const uint8_t *bytes, size_t len)
{
	return memmem(bytes, len, "GA94\3", 5) ? CAPTIONS_CARRIED : CAPTIONS_NONE;
}

static uint32_t rate_milli(int64_t duration_90k)
{
	return duration_90k > 0 ? (uint32_t)(1000ll * TS_HZ / duration_90k) : 0;
}

static enum AVCodecID id_of(const struct ts_stream *s)
{
	const AVCodecDescriptor *d = avcodec_descriptor_get_by_name(s->codec);

	return d ? d->id : AV_CODEC_ID_NONE;
}

/* libav's parser reads the headers of a picture without decoding it. */
static void read_picture(const struct facts_unit *u, const struct ts_stream *s,
			 struct segment_media *m)
{
	enum AVCodecID id = id_of(s);
	AVCodecParserContext *parser = av_parser_init((int)id);
	AVCodecContext *codec = avcodec_alloc_context3(NULL);
	uint8_t padded[FACTS_ES_BYTES + AV_INPUT_BUFFER_PADDING_SIZE] = {0}, *out;
	int out_size;

	m->picture[0] = '\0';
	if (parser && codec && u->len) {
		codec->codec_id = id;
		memcpy(padded, u->bytes, u->len);
		parser->flags |= PARSER_FLAG_COMPLETE_FRAMES;
		av_parser_parse2(parser, codec, &out, &out_size, padded, (int)u->len,
				 AV_NOPTS_VALUE, AV_NOPTS_VALUE, 0);
		m->width = (uint16_t)MIN(MAX(parser->width, codec->width), UINT16_MAX);
		m->height = (uint16_t)MIN(MAX(parser->height, codec->height), UINT16_MAX);
		picture_text(id, u->bytes, u->len, m->picture);
		m->captions = facts_captions(u->bytes, u->len);
	}
	if (parser)
		av_parser_close(parser);
	avcodec_free_context(&codec);
	m->rate_milli = rate_milli(s->duration_90k);
}

/* The object type is in the ADTS header, the layer in that of MPEG audio. */
static void read_sound(const struct facts_unit *u, const struct ts_stream *s,
		       struct segment_media *m)
{
	bool synced = u->len > 2 && u->bytes[0] == 0xff && (u->bytes[1] & 0xe0) == 0xe0;
	enum AVCodecID id = id_of(s);

	sound_text(id, m->sound);
	if (id == AV_CODEC_ID_AAC && synced)
		snprintf(m->sound, sizeof(m->sound), "mp4a.40.%u", (u->bytes[2] >> 6) + 1u);
	else if (id == AV_CODEC_ID_MP2 && synced && u->bytes[1] & 0x06)
		snprintf(m->sound, sizeof(m->sound), "mp4a.40.%u", 35u - (u->bytes[1] >> 1 & 3u));
}

static const struct ts_stream *stream_of(const struct ts_parse *p, unsigned pid)
{
	return pid != TS_PID_NONE && p->stream_of[pid] ? &p->streams[p->stream_of[pid] - 1] : NULL;
}

void facts_read(const struct facts *f, const struct ts_parse *p, struct segment_media *ret)
{
	const struct ts_stream *video = stream_of(p, p->video_pid);
	const struct ts_stream *audio = stream_of(p, p->audio_pid);

	if (video)
		read_picture(&f->video, video, ret);
	if (audio)
		read_sound(&f->audio, audio, ret);
}

/* ISO 14496-3, 1.6.2.1: types above 30 are written as an escape and the rest. */
static unsigned object_type(const AVCodecParameters *c)
{
	const uint8_t *b = c->extradata;
	unsigned type = c->extradata_size >= 2 ? b[0] >> 3 : 0;

	return type == 31 ? 32 + ((b[0] & 7u) << 3 | b[1] >> 5) : type;
}

void facts_of_parameters(const AVCodecParameters *c, int64_t duration_90k,
			 struct segment_media *ret)
{
	if (c->codec_type == AVMEDIA_TYPE_VIDEO) {
		picture_text(c->codec_id, c->extradata, (size_t)c->extradata_size, ret->picture);
		ret->width = (uint16_t)MIN(MAX(c->width, 0), UINT16_MAX);
		ret->height = (uint16_t)MIN(MAX(c->height, 0), UINT16_MAX);
		ret->rate_milli = rate_milli(duration_90k);
		return;
	}
	sound_text(c->codec_id, ret->sound);
	ret->channels = (uint16_t)MIN(MAX(c->ch_layout.nb_channels, 0), UINT16_MAX);
	if (c->codec_id == AV_CODEC_ID_AAC && object_type(c) > 0)
		snprintf(ret->sound, sizeof(ret->sound), "mp4a.40.%u", object_type(c));
	else if (c->codec_id == AV_CODEC_ID_DTS)
		snprintf(ret->sound, sizeof(ret->sound), "dtsc");
	/* the object types that libavformat's muxer writes (ISO 14496-1, table 5) */
	else if (c->codec_id == AV_CODEC_ID_MP2 || c->codec_id == AV_CODEC_ID_MP3)
		snprintf(ret->sound, sizeof(ret->sound), "mp4a.%s",
			 c->sample_rate > 24000 ? "6B" : "69");
}
