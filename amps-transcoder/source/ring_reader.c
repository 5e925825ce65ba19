#include "amps-transcoder/source/ring_reader.h"

#include <assert.h>

#include <libavcodec/avcodec.h>
#include <string.h>

#include "amps-transcoder/av/stream_text.h"
#include "common/log/log.h"

#define AVIO_BYTES   (64 * 188)
#define PROBE_BYTES  (174 * 188)
#define START_AGE_US 800000 /* data after the start point fills the encoders at once */

void ring_reader_init(struct ring_reader *r, struct job *job, const struct ring_reader_user *user,
		      void *owner)
{
	assert(user->wait);
	memset(r, 0, sizeof(*r));
	ring_follow_init(&r->follow, START_AGE_US);
	r->job = job;
	r->user = user;
	r->owner = owner;
}

void ring_reader_done(struct ring_reader *r)
{
	ring_reader_close(r);
	ring_follow_done(&r->follow);
}

static void take_ring(struct ring_reader *r, struct job_event *event)
{
	bool again = false;
	int error = ring_follow_take(&r->follow, event, &again);

	if (error < 0)
		log_warn("a source ring cannot be mapped, waiting for another error=%s",
			 strerror(-error));
	r->replaced |= again;
}

void ring_reader_take_orders(struct ring_reader *r)
{
	for (;;) {
		struct job_event event = JOB_EVENT_INIT;

		job_poll(r->job, &event);
		if (event.kind == JOB_EVENT_NONE || event.kind == JOB_EVENT_SHUTDOWN)
			return;
		if (event.kind == JOB_EVENT_SOURCE_RING)
			take_ring(r, &event);
		else if (r->user->order)
			r->user->order(r->owner, &event);
		job_event_done(&event);
	}
}

/* The stage ends where a stream changes its codec. */
static void watch_stage(struct ring_reader *r, uint64_t from)
{
	for (size_t at = 0; at + TS_PACKET <= r->staged; at += TS_PACKET) {
		if (!ts_watch_packet(&r->watch, r->stage + at))
			continue;
		r->changed = true;
		r->follow.from_pos = from + at;
		r->staged = at;
	}
}

/* From an access point, with its PSI in front. */
static ssize_t start(struct ring_reader *r)
{
	struct ring_intro intro;
	struct ring_rap rap;

	if (!ring_follow_start(&r->follow, &rap))
		return 0;
	intro = ring_intro(&rap, false);
	assert(intro.len <= sizeof(r->stage) && r->stage_at == r->staged);
	memcpy(r->stage, intro.bytes, intro.len);
	return (ssize_t)intro.len;
}

/* Copies the next bytes into the stage; false if the owner ended the wait, the reader was lapped,
 * or the ring has ended. */
static bool fill(struct ring_reader *r)
{
	for (;;) {
		ssize_t n;

		if (r->changed)
			return false;
		n = r->follow.started ? ring_follow_copy(&r->follow, r->stage, sizeof(r->stage))
				      : start(r);
		r->lapped = n == -ESTALE;
		r->ended = n == -ENODATA;
		if (n < 0)
			return false;
		assert((size_t)n <= sizeof(r->stage));
		r->staged = (size_t)n;
		r->stage_at = 0;
		watch_stage(r, r->follow.pos - (size_t)n);
		if (r->staged > 0)
			return true;
		if (n == 0 && r->user->wait(r->owner))
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

static int open_demuxer(struct ring_reader *r)
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

int ring_reader_open(struct ring_reader *r)
{
	bool replaced = r->replaced;
	int error;

	/* this is being handled now; it must not end the wait inside */
	r->replaced = false;
	error = open_demuxer(r);
	if (error < 0)
		r->replaced |= replaced;
	else
		r->other = replaced;
	return error;
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
	ring_follow_stop(&r->follow);
	r->lapped = r->ended = r->changed = false;
	r->staged = r->stage_at = 0;
}
