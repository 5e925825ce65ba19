#include "amps-transcoder/source/ring_reader.h"

#include <assert.h>

#include <libavcodec/avcodec.h>
#include <string.h>

#include "amps-transcoder/av/stream_text.h"

#define AVIO_BYTES   (64 * 188)
#define PROBE_BYTES  (174 * 188)
#define START_AGE_US 800000 /* data after the start point fills the encoders at once */

void ring_reader_init(struct ring_reader *r, bool (*wait)(void *owner), void *owner)
{
	memset(r, 0, sizeof(*r));
	r->wait = wait;
	r->owner = owner;
}

void ring_reader_done(struct ring_reader *r)
{
	ring_reader_close(r);
	if (r->has_ring)
		ring_close(&r->ring);
	if (r->has_larger)
		ring_close(&r->larger);
	r->has_ring = r->has_larger = false;
}

int ring_reader_take(struct ring_reader *r, struct job_event *event, bool *ret_again)
{
	struct ring ring;
	int error = ring_open(&ring, event->fd, event->data_bytes, TS_PACKET);

	if (error < 0)
		return error;
	if (r->has_larger)
		ring_close(&r->larger);
	r->has_larger = false;
	if (r->has_ring && event->same_job) {
		r->larger = ring;
		r->has_larger = true;
		*ret_again = false;
		return 0;
	}
	if (r->has_ring)
		ring_close(&r->ring);
	r->ring = ring;
	r->has_ring = true;
	r->started = false;
	r->changed_pos = 0;
	*ret_again = true;
	return 0;
}

static bool find_start(const struct ring_reader *r, struct ring_rap *rap)
{
	return r->has_ring && ring_find_rap(&r->ring, clock_mono_us(), START_AGE_US, rap) == 0 &&
	       rap->pos >= r->changed_pos;
}

static void use_larger(struct ring_reader *r)
{
	assert(r->has_ring && r->has_larger);
	ring_close(&r->ring);
	r->ring = r->larger;
	r->has_larger = false;
	r->changed_pos = 0;
}

bool ring_reader_ready(struct ring_reader *r)
{
	struct ring_rap rap;

	if (find_start(r, &rap))
		return true;
	/* the job may have left the ring before writing an access point of the changed source */
	if (!r->changed_pos || !r->has_larger || ring_oldest_rap(&r->larger, 0, &rap) < 0)
		return false;
	use_larger(r);
	return find_start(r, &rap);
}

bool ring_reader_over(const struct ring_reader *r)
{
	struct ring_rap rap;

	/* check in this order, so that bytes written before the end are seen */
	return r->has_ring && !r->has_larger && r->changed_pos && ring_ended(&r->ring) &&
	       !find_start(r, &rap);
}

/* Moves to an access point, with its PSI in front. */
static bool start(struct ring_reader *r)
{
	struct ring_intro intro;
	struct ring_rap rap;

	if (!find_start(r, &rap))
		return false;
	intro = ring_intro(&rap, false);
	memcpy(r->stage, intro.bytes, intro.len);
	r->staged = intro.len;
	r->stage_at = 0;
	r->pos = rap.pos;
	r->started = true;
	return true;
}

/* The larger ring of the same job begins where the old one stopped. */
static bool move(struct ring_reader *r)
{
	struct ring_rap rap;

	if (!r->has_larger || ring_oldest_rap(&r->larger, 0, &rap) < 0)
		return false;
	use_larger(r);
	r->pos = rap.pos;
	return true;
}

/* The stage ends where a stream changes its codec. */
static void watch_stage(struct ring_reader *r, uint64_t from)
{
	for (size_t at = 0; at + TS_PACKET <= r->staged; at += TS_PACKET) {
		if (!ts_watch_packet(&r->watch, r->stage + at))
			continue;
		r->changed = true;
		r->changed_pos = from + at;
		r->staged = at;
	}
}

/* Copies the next bytes into the stage; false if the owner ended the wait, the reader was lapped,
 * or the ring has ended. */
static bool fill(struct ring_reader *r)
{
	for (;;) {
		uint64_t from = r->pos;
		ssize_t n;
		bool complete;

		if (r->changed)
			return false;
		if (!r->started && start(r)) {
			watch_stage(r, from);
			return true;
		}
		/* check this before looking for the last bytes */
		complete = r->started && ring_ended(&r->ring);
		n = r->started ? ring_copy(&r->ring, &r->pos, r->stage, sizeof(r->stage)) : 0;
		if (n > 0) {
			r->staged = (size_t)n;
			r->stage_at = 0;
			watch_stage(r, from);
			if (r->staged > 0)
				return true;
			continue;
		}
		if (n == -ESTALE) {
			r->lapped = true;
			return false;
		}
		if (move(r))
			continue;
		r->ended = complete;
		if (r->ended || r->wait(r->owner))
			return false;
	}
}

static int read_bytes(void *opaque, uint8_t *dst, int cap)
{
	struct ring_reader *r = opaque;
	size_t n;

	if (r->stage_at == r->staged && !fill(r))
		return r->ended ? AVERROR_EOF : AVERROR_EXIT;
	assert(r->stage_at <= r->staged && r->staged <= sizeof(r->stage));
	n = MIN((size_t)cap, r->staged - r->stage_at);
	memcpy(dst, r->stage + r->stage_at, n);
	r->stage_at += n;
	return (int)n;
}

static AVFormatContext *new_demuxer(struct ring_reader *r)
{
	AVFormatContext *demuxer = avformat_alloc_context();
	uint8_t *buffer = av_malloc(AVIO_BYTES);

	if (demuxer && buffer)
		demuxer->pb = avio_alloc_context(buffer, AVIO_BYTES, 0, r, read_bytes, NULL, NULL);
	if (demuxer && demuxer->pb) {
		demuxer->flags |= AVFMT_FLAG_CUSTOM_IO;
		demuxer->probesize = PROBE_BYTES;
		/* encode/timeline.c unwraps 33 bits; it outlives the demuxer */
		demuxer->correct_ts_overflow = 0;
		return demuxer;
	}
	av_free(buffer);
	avformat_free_context(demuxer);
	return NULL;
}

static void free_avio(AVIOContext **avio)
{
	if (*avio)
		av_freep(&(*avio)->buffer);
	avio_context_free(avio);
}

static const struct ts_stream *find_known(const struct ring_reader *r, int pid)
{
	for (unsigned i = 0; i < r->watch.count; i++)
		if (r->watch.known[i].pid == pid)
			return &r->watch.known[i];
	return NULL;
}

/* libavformat recognises several types of sound only by probing, and may lose them again; the PMT
 * identifies them at once.  For a codec that libav does not have, the name is kept. */
static void recognise(AVStream *stream, const struct ts_stream *known)
{
	const AVCodecDescriptor *d = avcodec_descriptor_get_by_name(known->codec);
	AVCodecParameters *p = stream->codecpar;

	if (d) {
		p->codec_type = d->type;
		p->codec_id = d->id;
		return;
	}
	p->codec_type = known->kind == TS_KIND_VIDEO ? AVMEDIA_TYPE_VIDEO : AVMEDIA_TYPE_AUDIO;
	p->codec_id = AV_CODEC_ID_NONE;
	av_dict_set(&stream->metadata, STREAM_TEXT_CODEC, known->codec, AV_DICT_DONT_OVERWRITE);
}

static bool is_recognised(const AVStream *stream)
{
	return stream->codecpar->codec_id != AV_CODEC_ID_NONE &&
	       stream->codecpar->codec_type != AVMEDIA_TYPE_DATA &&
	       !av_dict_get(stream->metadata, STREAM_TEXT_CODEC, NULL, 0);
}

static void recognise_streams(const struct ring_reader *r)
{
	for (unsigned i = 0; i < r->demuxer->nb_streams; i++) {
		AVStream *stream = r->demuxer->streams[i];
		const struct ts_stream *known;

		if (is_recognised(stream))
			continue;
		known = find_known(r, stream->id);
		if (known && known->kind != TS_KIND_OTHER)
			recognise(stream, known);
	}
}

int ring_reader_open(struct ring_reader *r)
{
	AVFormatContext *demuxer;
	AVIOContext *avio;
	int error;

	ring_reader_close(r);
	ts_watch_init(&r->watch);
	demuxer = new_demuxer(r);
	if (!demuxer)
		return AVERROR(ENOMEM);
	avio = demuxer->pb;
	error = avformat_open_input(&demuxer, NULL, av_find_input_format("mpegts"), NULL);
	if (error < 0) {
		free_avio(&avio); /* open_input freed the rest */
		return error;
	}
	r->demuxer = demuxer;
	recognise_streams(r);
	return 0;
}

int ring_reader_read(struct ring_reader *r, AVPacket *packet)
{
	int error = av_read_frame(r->demuxer, packet);

	recognise_streams(r);
	return error;
}

void ring_reader_close(struct ring_reader *r)
{
	AVIOContext *avio = r->demuxer ? r->demuxer->pb : NULL;

	avformat_close_input(&r->demuxer);
	free_avio(&avio);
	r->started = r->lapped = r->ended = r->changed = false;
	r->staged = r->stage_at = 0;
}
