#include "amps-transcoder/segment/facts.h"

#include <stdio.h>
#include <string.h>

#include <libavcodec/avcodec.h>

#define PES_HEAD   9u /* bytes before a PES header's optional fields */
#define NAL_SPS	   7u /* H.264 */
#define HEVC_MAIN  1
#define CODEC_TEXT 32u

void facts_begin(struct facts *f, const struct ts_parse *p)
{
	*f = (struct facts){.video.pid = p->video_pid, .audio.pid = p->audio_pid};
}

static bool unit_wanted(const struct facts_unit *u)
{
	return u->pid != TS_PID_NONE && u->len < sizeof(u->bytes);
}

bool facts_wanted(const struct facts *f)
{
	return unit_wanted(&f->video) || unit_wanted(&f->audio);
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

static void avc_text(const struct facts_unit *u, char text[CODEC_TEXT])
{
	for (size_t i = 0; i + 7 <= u->len; i++) {
		const uint8_t *b = u->bytes + i;

		if (b[0] != 0 || b[1] != 0 || b[2] != 1 || (b[3] & 0x1f) != NAL_SPS)
			continue;
		snprintf(text, CODEC_TEXT, "avc1.%02x%02x%02x", b[4], b[5], b[6]);
		return;
	}
}

static void hevc_text(const AVCodecContext *codec, char text[CODEC_TEXT])
{
	/* the compatibility flags of Main and Main 10, as their profiles require them */
	if (codec->profile > 0 && codec->level > 0)
		snprintf(text, CODEC_TEXT, "hvc1.%d.%d.L%d.B0", codec->profile,
			 codec->profile == HEVC_MAIN ? 6 : 4, codec->level);
}

/* libav's parser reads the headers of a picture without decoding it. */
static void read_picture(const struct facts_unit *u, const struct ts_stream *s,
			 struct segment_media *m, char text[CODEC_TEXT])
{
	const AVCodecDescriptor *d = avcodec_descriptor_get_by_name(s->codec);
	AVCodecParserContext *parser = d ? av_parser_init((int)d->id) : NULL;
	AVCodecContext *codec = avcodec_alloc_context3(NULL);
	uint8_t padded[FACTS_ES_BYTES + AV_INPUT_BUFFER_PADDING_SIZE] = {0}, *out;
	int out_size;

	if (parser && codec && u->len) {
		codec->codec_id = d->id;
		memcpy(padded, u->bytes, u->len);
		parser->flags |= PARSER_FLAG_COMPLETE_FRAMES;
		av_parser_parse2(parser, codec, &out, &out_size, padded, (int)u->len,
				 AV_NOPTS_VALUE, AV_NOPTS_VALUE, 0);
		m->width = (uint16_t)MIN(MAX(parser->width, codec->width), UINT16_MAX);
		m->height = (uint16_t)MIN(MAX(parser->height, codec->height), UINT16_MAX);
		if (d->id == AV_CODEC_ID_H264)
			avc_text(u, text);
		else if (d->id == AV_CODEC_ID_HEVC)
			hevc_text(codec, text);
	}
	if (parser)
		av_parser_close(parser);
	avcodec_free_context(&codec);
	if (s->duration_90k > 0)
		m->rate_milli = (uint32_t)(1000ll * TS_HZ / s->duration_90k);
}

static void sound_text(const struct facts_unit *u, const struct ts_stream *s, char text[CODEC_TEXT])
{
	static const struct {
		const char *codec, *text;
	} known[] = {{"aac_latm", "mp4a.40.2"},
		     {"ac3", "ac-3"},
		     {"eac3", "ec-3"},
		     {"mp2", "mp4a.40.33"},
		     {"opus", "opus"}};

	/* the object type is in the ADTS header */
	if (strcmp(s->codec, "aac") == 0 && u->len > 2 && u->bytes[0] == 0xff)
		snprintf(text, CODEC_TEXT, "mp4a.40.%u", (u->bytes[2] >> 6) + 1u);
	for (size_t i = 0; i < array_size(known); i++)
		if (strcmp(known[i].codec, s->codec) == 0)
			snprintf(text, CODEC_TEXT, "%s", known[i].text);
}

static const struct ts_stream *stream_of(const struct ts_parse *p, unsigned pid)
{
	return pid != TS_PID_NONE && p->stream_of[pid] ? &p->streams[p->stream_of[pid] - 1] : NULL;
}

void facts_read(const struct facts *f, const struct ts_parse *p, struct segment_media *ret)
{
	const struct ts_stream *video = stream_of(p, p->video_pid);
	const struct ts_stream *audio = stream_of(p, p->audio_pid);
	char picture[CODEC_TEXT] = "", sound[CODEC_TEXT] = "";

	if (video)
		read_picture(&f->video, video, ret, picture);
	if (audio)
		sound_text(&f->audio, audio, sound);
	/* a list that lacks one of the streams would be wrong */
	if ((video && !*picture) || (audio && !*sound))
		return;
	snprintf(ret->codecs, sizeof(ret->codecs), "%s%s%s", picture, *picture && *sound ? "," : "",
		 sound);
}
