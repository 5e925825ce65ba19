#include "amps-transcoder/segment/units.h"

#include <assert.h>
#include <string.h>
#include <sys/queue.h>

#include <libavcodec/ac3_parser.h>
#include <libavcodec/bsf.h>

#include "common/text/buf.h"

#define ADTS_HEAD     7u
#define AAC_SAMPLES   1024
#define USUAL_90K     (TS_HZ / 25) /* duration of a picture before that of another is known */
#define APART_MAX_90K (10 * 90000) /* pictures further apart say nothing */
#define PES_HEAD      9u	   /* bytes before a PES header's optional fields */

static const AVRational ticks = {1, TS_HZ};

struct unit {
	TAILQ_ENTRY(unit) link;
	AVPacket *packet;
	AVCodecParameters *parameters; /* valid from this unit on; NULL = as before */
};
TAILQ_HEAD(unit_list, unit);

/* The payload of a PES, as far as it has come. */
struct pes {
	struct buf bytes;
	bool begun, access;
	uint64_t pos;	/* of its first packet */
	size_t want;	/* bytes of its payload; 0 = as many as come */
	size_t carried; /* bytes in front, of a frame of sound that the PES before it began */
	int64_t pts_90k, dts_90k;
};

struct units {
	bool sound;
	AVCodecParserContext *parser;
	AVCodecContext *codec; /* what the parser found; never opened */
	AVBSFContext *bsf;     /* takes the extradata out of the packets */
	struct pes pes;
	uint8_t counter;     /* of the last packet; 0xff = none */
	AVPacket *picture;   /* the last one, whose duration the next one gives; empty = none */
	int64_t apart_90k;   /* distance of the last two pictures; 0 = not known */
	int64_t next_sample; /* where the next frame of sound goes; AV_NOPTS_VALUE */
	unsigned adts;	     /* what the headers of sound have in common; 0 = there was none */
	AVCodecParameters *found, *parameters;
	bool fresh; /* `found` has not been taken by a unit yet */
	bool changed;
	struct unit_list list;
};

static int open_bsf(struct units *u, enum AVCodecID id)
{
	const char *name = id == AV_CODEC_ID_AAC ? "aac_adtstoasc"
			   : u->sound		 ? "null"
						 : "extract_extradata";
	int r = av_bsf_alloc(av_bsf_get_by_name(name), &u->bsf);

	if (r < 0)
		return r;
	u->bsf->par_in->codec_id = id;
	u->bsf->par_in->codec_type = u->sound ? AVMEDIA_TYPE_AUDIO : AVMEDIA_TYPE_VIDEO;
	u->bsf->time_base_in = ticks;
	r = av_bsf_init(u->bsf);
	/* a codec that this filter does not know has no extradata in its packets */
	if (r == AVERROR(EINVAL) && !u->sound) {
		av_bsf_free(&u->bsf);
		r = av_bsf_get_null_filter(&u->bsf);
	}
	return r;
}

int units_new(const struct ts_stream *stream, struct units **ret)
{
	const AVCodecDescriptor *d = avcodec_descriptor_get_by_name(stream->codec);
	struct units *u = calloc(1, sizeof(*u));
	int r = 0;

	if (!u)
		return AVERROR(ENOMEM);
	TAILQ_INIT(&u->list);
	u->sound = stream->kind == TS_KIND_AUDIO;
	u->counter = 0xff;
	u->next_sample = AV_NOPTS_VALUE;
	u->parser = d ? av_parser_init((int)d->id) : NULL;
	if (!u->parser)
		r = AVERROR_DECODER_NOT_FOUND;
	u->codec = avcodec_alloc_context3(NULL);
	u->picture = av_packet_alloc();
	u->found = avcodec_parameters_alloc();
	if (r == 0 && (!u->codec || !u->picture || !u->found))
		r = AVERROR(ENOMEM);
	if (r == 0) {
		u->codec->codec_id = d->id;
		u->codec->codec_type = d->type;
		if (!u->sound)
			u->parser->flags |= PARSER_FLAG_COMPLETE_FRAMES;
		r = open_bsf(u, d->id);
	}
	if (r < 0)
		u = units_free(u);
	*ret = u;
	return r;
}

static void unit_free(struct units *u, struct unit *unit)
{
	TAILQ_REMOVE(&u->list, unit, link);
	av_packet_free(&unit->packet);
	avcodec_parameters_free(&unit->parameters);
	free(unit);
}

struct units *units_free(struct units *u)
{
	if (!u)
		return NULL;
	while (!TAILQ_EMPTY(&u->list))
		unit_free(u, TAILQ_FIRST(&u->list));
	av_parser_close(u->parser);
	avcodec_free_context(&u->codec);
	av_bsf_free(&u->bsf);
	av_packet_free(&u->picture);
	avcodec_parameters_free(&u->found);
	avcodec_parameters_free(&u->parameters);
	buf_done(&u->pes.bytes);
	free(u);
	return NULL;
}

/* Appends the unit; the packet's reference moves. */
static int put(struct units *u, AVPacket *packet)
{
	struct unit *unit = calloc(1, sizeof(*unit));

	if (unit)
		unit->packet = av_packet_alloc();
	if (unit && unit->packet && u->fresh) {
		unit->parameters = avcodec_parameters_alloc();
		if (unit->parameters && avcodec_parameters_copy(unit->parameters, u->found) < 0)
			avcodec_parameters_free(&unit->parameters);
	}
	if (!unit || !unit->packet || (u->fresh && !unit->parameters)) {
		if (unit)
			av_packet_free(&unit->packet);
		free(unit);
		av_packet_unref(packet);
		return AVERROR(ENOMEM);
	}
	u->fresh = false;
	av_packet_move_ref(unit->packet, packet);
	TAILQ_INSERT_TAIL(&u->list, unit, link);
	return 0;
}

static bool differs(const struct units *u, const uint8_t *extra, size_t n)
{
	const AVCodecParameters *f = u->found;

	if (f->codec_id == AV_CODEC_ID_NONE)
		return true;
	if (extra)
		return n != (size_t)f->extradata_size || memcmp(extra, f->extradata, n) != 0;
	return u->sound && (f->sample_rate != u->codec->sample_rate ||
			    f->ch_layout.nb_channels != u->codec->ch_layout.nb_channels);
}

/* What the parser and the filter found in this packet becomes the parameters, if it differs. */
static int note_parameters(struct units *u, const AVPacket *packet)
{
	size_t n = 0;
	const uint8_t *extra = av_packet_get_side_data(packet, AV_PKT_DATA_NEW_EXTRADATA, &n);
	int width = MAX(u->parser->width, u->codec->width);
	int height = MAX(u->parser->height, u->codec->height);
	AVCodecParameters *f = u->found;

	if (!differs(u, extra, n))
		return 0;
	/* a stream cannot begin with pictures whose headers have not come */
	if (!u->sound && ((!extra && u->bsf->filter->name[0] == 'e') || width <= 0 || height <= 0))
		return 0;
	if (avcodec_parameters_from_context(f, u->codec) < 0)
		return AVERROR(ENOMEM);
	if (!u->sound) {
		f->width = width;
		f->height = height;
	}
	av_freep(&f->extradata);
	f->extradata_size = 0;
	if (extra) {
		f->extradata = av_mallocz(n + AV_INPUT_BUFFER_PADDING_SIZE);
		if (!f->extradata)
			return AVERROR(ENOMEM);
		memcpy(f->extradata, extra, n);
		f->extradata_size = (int)n;
	}
	u->fresh = true;
	return 0;
}

/* Sends it through the filter; on return it is as the filter made it, or empty. */
static int filter(struct units *u, AVPacket *packet)
{
	int r = av_bsf_send_packet(u->bsf, packet);

	av_packet_unref(packet);
	if (r >= 0)
		r = av_bsf_receive_packet(u->bsf, packet);
	/* data that is not a frame of this codec is left out */
	return r < 0 && r != AVERROR(ENOMEM) ? 0 : MIN(r, 0);
}

/* The last picture gets its duration from the decode time of the next one, and is complete.  Where
 * pictures may be missing between them, or no next one is known, it lasts as long as those before
 * it. */
static int complete_picture(struct units *u, int64_t next_dts)
{
	int64_t usual = u->apart_90k ? u->apart_90k : USUAL_90K, apart;

	if (!u->picture->data)
		return 0;
	apart = next_dts == AV_NOPTS_VALUE ? 0 : next_dts - u->picture->dts;
	u->picture->duration = apart;
	if (apart <= 0 || apart > APART_MAX_90K ||
	    (u->apart_90k && apart > MAX(UNITS_HOLE_MS * 90ll, 2 * u->apart_90k)))
		u->picture->duration = usual;
	if (apart > 0 && apart <= APART_MAX_90K)
		u->apart_90k = apart;
	assert(u->picture->duration > 0);
	return put(u, u->picture);
}

static int take_picture(struct units *u)
{
	const struct pes *pes = &u->pes;
	AVPacket *packet = av_packet_alloc();
	uint8_t *out;
	int out_n, r = packet ? av_new_packet(packet, (int)pes->bytes.len) : AVERROR(ENOMEM);

	if (r < 0)
		goto out;
	memcpy(packet->data, pes->bytes.data, pes->bytes.len);
	packet->pts = pes->pts_90k;
	packet->dts = pes->dts_90k;
	packet->flags = pes->access ? AV_PKT_FLAG_KEY : 0;
	av_parser_parse2(u->parser, u->codec, &out, &out_n, packet->data, packet->size, packet->pts,
			 packet->dts, 0);
	r = filter(u, packet);
	if (r < 0 || !packet->data)
		goto out;
	assert(!u->picture->data);
	r = note_parameters(u, packet);
	if (r >= 0 && u->found->codec_id != AV_CODEC_ID_NONE)
		av_packet_move_ref(u->picture, packet);
out:
	buf_reset(&u->pes.bytes);
	av_packet_free(&packet);
	return r;
}

/* The header of a frame (ISO 13818-7, 6.2). */
struct adts {
	size_t len; /* of the frame, with it */
	unsigned config;
	int samples, rate, channels;
};

/* False if none begins at `b`. */
static bool read_adts(const uint8_t *b, struct adts *ret)
{
	static const int rates[] = {96000, 88200, 64000, 48000, 44100, 32000, 24000,
				    22050, 16000, 12000, 11025, 8000,  7350};
	unsigned rate = b[2] >> 2 & 0x0fu;
	int channels = (b[2] & 1) << 2 | b[3] >> 6;

	ret->len = (size_t)(b[3] & 3u) << 11 | (size_t)b[4] << 3 | b[5] >> 5;
	if (b[0] != 0xff || (b[1] & 0xf6) != 0xf0 || rate >= array_size(rates) ||
	    ret->len < ADTS_HEAD)
		return false;
	/* all but the private bit of what says how to decode; never 0 */
	ret->config = 1u + ((b[2] & 0xfdu) << 2 | b[3] >> 6);
	ret->rate = rates[rate];
	ret->channels = channels == 7 ? 8 : MAX(channels, 1);
	ret->samples = AAC_SAMPLES * ((b[6] & 3) + 1);
	return true;
}

/* The data of a frame may look like a header.  One that differs from those before it counts only if
 * one of its kind follows, or the frame ends with the PES. */
static bool is_frame(const struct units *u, const struct adts *h, const uint8_t *frame, size_t left)
{
	struct adts next;

	if (h->config == u->adts || h->len == left)
		return true;
	return h->len + ADTS_HEAD <= left && read_adts(frame + h->len, &next) &&
	       next.config == h->config;
}

/* libavcodec's parser leaves open what a decoder may double: the rate of the core counts here.  The
 * filter writes the extradata for its first frame only, so another kind needs another filter. */
static int use_adts(struct units *u, const struct adts *h)
{
	if (h->config == u->adts)
		return 0;
	if (u->codec->sample_rate != h->rate)
		u->next_sample = AV_NOPTS_VALUE;
	u->adts = h->config;
	u->codec->sample_rate = h->rate;
	u->codec->frame_size = AAC_SAMPLES;
	av_channel_layout_uninit(&u->codec->ch_layout);
	av_channel_layout_default(&u->codec->ch_layout, h->channels);
	av_bsf_free(&u->bsf);
	return open_bsf(u, AV_CODEC_ID_AAC);
}

/* A copy of these bytes, filtered, becomes the next unit. */
static int put_frame(struct units *u, const uint8_t *bytes, size_t n, int samples)
{
	AVPacket *packet = av_packet_alloc();
	int r = packet ? av_new_packet(packet, (int)n) : AVERROR(ENOMEM);

	if (r >= 0) {
		memcpy(packet->data, bytes, n);
		packet->pts = packet->dts = u->next_sample;
		packet->flags = AV_PKT_FLAG_KEY;
		u->next_sample += samples;
		r = filter(u, packet);
	}
	if (r >= 0 && packet->data) {
		packet->duration = samples;
		r = note_parameters(u, packet);
		if (r >= 0)
			r = put(u, packet);
	}
	av_packet_free(&packet);
	return r;
}

/* The frame is to be played at `at`.  What is missing before it is filled with copies of it, so
 * that the durations add up, if that is little. */
static int reach(struct units *u, const uint8_t *bytes, size_t n, int samples, int64_t at)
{
	int64_t rate = u->codec->sample_rate, off;
	int r = 0;

	if (u->next_sample == AV_NOPTS_VALUE)
		u->next_sample = at;
	off = at - u->next_sample;
	if (off > rate * UNITS_DRIFT_MS / 1000 && off <= rate * UNITS_HOLE_MS / 1000)
		for (int64_t i = 0; r >= 0 && i < off / samples; i++)
			r = put_frame(u, bytes, n, samples);
	else if (llabs(off) > rate * UNITS_DRIFT_MS / 1000)
		u->next_sample = at;
	return r;
}

/* A frame of so many samples; pts_90k AV_NOPTS_VALUE: it follows the one before it. */
static int take_frame(struct units *u, const uint8_t *bytes, size_t n, int samples, int64_t pts_90k)
{
	int rate = u->codec->sample_rate, r = 0;

	if (rate <= 0 || samples <= 0)
		return 0;
	if (pts_90k != AV_NOPTS_VALUE)
		r = reach(u, bytes, n, samples,
			  av_rescale_q(pts_90k, ticks, (AVRational){1, rate}));
	return r < 0 || u->next_sample == AV_NOPTS_VALUE ? r : put_frame(u, bytes, n, samples);
}

/* ADTS says how long a frame is, so that none waits for the next one.  What is left of the PES is
 * kept for the next one. */
static int take_adts(struct units *u)
{
	struct buf *b = &u->pes.bytes;
	size_t at = 0;
	int64_t pts = u->pes.pts_90k;
	struct adts h;
	int r = 0;

	while (r >= 0 && at + ADTS_HEAD <= b->len) {
		const uint8_t *frame = (const uint8_t *)b->data + at;
		bool begins = read_adts(frame, &h);

		if (begins && at + h.len > b->len)
			break;
		if (!begins || !is_frame(u, &h, frame, b->len - at)) {
			at++;
			continue;
		}
		r = use_adts(u, &h);
		if (r >= 0)
			r = take_frame(u, frame, h.len, h.samples,
				       at >= u->pes.carried ? pts : AV_NOPTS_VALUE);
		if (at >= u->pes.carried)
			pts = AV_NOPTS_VALUE;
		at += h.len;
	}
	buf_consume(b, at);
	u->pes.carried = b->len;
	return r;
}

/* For Dolby's codecs the boxes of MP4 are made from a frame that has a header. */
static bool is_whole(const struct units *u, const uint8_t *frame, size_t n)
{
	uint8_t id;
	uint16_t size;

	if (u->codec->codec_id != AV_CODEC_ID_AC3 && u->codec->codec_id != AV_CODEC_ID_EAC3)
		return true;
	return av_ac3_parse_header(frame, n, &id, &size) >= 0 && size <= n;
}

static int take_sound(struct units *u)
{
	const uint8_t *at = (const uint8_t *)u->pes.bytes.data;
	int left = (int)u->pes.bytes.len, r = 0;
	int64_t pts = u->pes.pts_90k;

	while (left > 0 && r >= 0) {
		uint8_t *out;
		int out_n, used = av_parser_parse2(u->parser, u->codec, &out, &out_n, at, left, pts,
						   pts, 0);

		if (used < 0)
			return 0;
		pts = AV_NOPTS_VALUE;
		at += used;
		left -= used;
		if (out_n > 0 && is_whole(u, out, (size_t)out_n))
			r = take_frame(u, out, (size_t)out_n, u->parser->duration, u->parser->pts);
		else if (out_n <= 0 && used == 0)
			break;
	}
	buf_reset(&u->pes.bytes);
	return r;
}

/* The PES is complete. */
static int end_pes(struct units *u)
{
	char *zero;

	if (!u->pes.begun)
		return 0;
	u->pes.begun = false;
	if (u->pes.bytes.len == 0)
		return 0;
	zero = buf_reserve(&u->pes.bytes, AV_INPUT_BUFFER_PADDING_SIZE);
	if (!zero)
		return AVERROR(ENOMEM);
	memset(zero, 0, AV_INPUT_BUFFER_PADDING_SIZE);
	if (!u->sound)
		return take_picture(u);
	return u->codec->codec_id == AV_CODEC_ID_AAC ? take_adts(u) : take_sound(u);
}

static int begin_pes(struct units *u, const struct ts_stream *stream, const uint8_t *pes,
		     uint64_t pos)
{
	size_t length = (size_t)pes[4] << 8 | pes[5];
	size_t head = PES_HEAD - 6u + pes[PES_HEAD - 1];

	u->pes.begun = stream->last_pts_90k != TIME_NONE;
	u->pes.access = false;
	u->pes.pos = pos;
	u->pes.want = length > head ? u->pes.carried + length - head : 0;
	u->pes.pts_90k = stream->last_pts_90k;
	u->pes.dts_90k = stream->last_dts_90k;
	return u->sound || !u->pes.begun ? 0 : complete_picture(u, u->pes.dts_90k);
}

static void add_payload(struct pes *pes, const uint8_t *packet, unsigned at)
{
	if (at < TS_PACKET && pes->bytes.len < UNITS_BYTES_MAX)
		buf_add(&pes->bytes, packet + at, TS_PACKET - at);
}

static void forget(struct pes *pes)
{
	pes->begun = false;
	pes->carried = 0;
	buf_reset(&pes->bytes);
}

int units_packet(struct units *u, const struct ts_stream *stream, const uint8_t *packet,
		 uint64_t pos)
{
	unsigned at = ts_payload_at(packet);
	uint8_t counter = packet[3] & 0x0f;
	struct ts_pes head;
	int r = 0;

	if (!ts_has_payload(packet))
		return 0;
	if (u->counter <= 15 && !(ts_adaptation_flags(packet) & TS_FLAG_DISCONTINUITY)) {
		if (counter == u->counter)
			return 0; /* sent twice */
		/* a packet is missing, so the unit is incomplete; at the start of a unit it may be
		 * whole units that are missing */
		if (counter != ((u->counter + 1) & 0x0f) && !ts_pusi(packet))
			units_gap(u, false);
	}
	u->counter = counter;
	if (ts_pusi(packet)) {
		r = end_pes(u);
		if (r < 0 || !ts_pes_find(packet, &head) || !head.pts_at)
			return r;
		r = begin_pes(u, stream, packet + at, pos);
		at += PES_HEAD + packet[at + PES_HEAD - 1];
	}
	if (u->pes.begun)
		add_payload(&u->pes, packet, at);
	/* sound need not wait for the next PES */
	if (r >= 0 && u->sound && u->pes.begun && u->pes.want && u->pes.bytes.len >= u->pes.want)
		r = end_pes(u);
	return r < 0 ? r : buf_ok(&u->pes.bytes) ? 0 : AVERROR(ENOMEM);
}

void units_access(struct units *u, uint64_t pos)
{
	if (u->pes.begun && u->pes.pos == pos)
		u->pes.access = true;
}

bool units_access_follows(const struct units *u)
{
	const struct unit *next = TAILQ_FIRST(&u->list);

	return next ? next->packet->flags & AV_PKT_FLAG_KEY : u->pes.begun && u->pes.access;
}

void units_gap(struct units *u, bool keep)
{
	if (keep)
		(void)!end_pes(u);
	forget(&u->pes);
	(void)!complete_picture(u, AV_NOPTS_VALUE);
	u->next_sample = AV_NOPTS_VALUE;
	u->counter = 0xff;
}

const AVCodecParameters *units_parameters(const struct units *u)
{
	return u->parameters;
}

bool units_changed(struct units *u)
{
	bool changed = u->changed;

	u->changed = false;
	return changed;
}

int units_next(struct units *u, AVPacket *ret)
{
	struct unit *unit = TAILQ_FIRST(&u->list);

	if (!unit)
		return 0;
	av_packet_move_ref(ret, unit->packet);
	if (unit->parameters) {
		avcodec_parameters_free(&u->parameters);
		u->parameters = unit->parameters;
		unit->parameters = NULL;
		u->changed = true;
	}
	unit_free(u, unit);
	return 1;
}
