/* slate.c - the job that fills the plain ring while no source works: reads the format of the ring
 * before it, encodes a picture with text, and silence, in that format once, and repeats them in
 * real time. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "amps-transcoder/mux/muxer.h"
#include "amps-transcoder/roles/roles.h"
#include "amps-transcoder/slate/media.h"
#include "amps-transcoder/slate/picture.h"
#include "amps-transcoder/source/ring_follow.h"
#include "amps-transcoder/ts/parse.h"
#include "common/clock.h"
#include "common/log/log.h"

#define FORMAT_BYTES (3u << 20) /* of the ring before, to read the format */
#define FORMAT_CHUNK (64u << 10)
#define FORMAT_US    4000000	  /* the last seconds of the ring before, for its format */
#define START_90K    (10 * TS_HZ) /* well above zero: clock references come before it */
#define LEAD_US	     300000	  /* how far the slate is ahead of real time */
#define LATE_US	     1000000	  /* a job that was suspended so long skips the time */
#define WAIT_MS	     250

static_assert(SLATE_STREAMS_MAX <= MUXER_STREAMS_MAX, "a place for each stream");

struct slate {
	struct job *job;
	struct ring_follow before; /* the ring whose format it has */
	struct slate_format format;
	struct slate_media media;
	struct job_event order;		 /* the first ring to fill, until there is a muxer */
	struct muxer *muxer;		 /* NULL before that */
	AVDictionary *options;		 /* of the muxer */
	uint64_t start_us;		 /* when the first packets are due */
	int64_t next[SLATE_STREAMS_MAX]; /* packet of each track, counted from the first one */
};

static void take_output(struct slate *s, struct job_event *e)
{
	int r = 0;

	if (s->muxer) {
		r = s->muxer->ops->attach(s->muxer, e);
	} else {
		job_event_done(&s->order);
		s->order = *e;
		*e = JOB_EVENT_INIT;
	}
	if (r < 0)
		log_error("a ring cannot be used (%s), staying with the old one", strerror(-r));
}

/* Takes all waiting orders; false once the job is to end. */
static bool take_orders(struct slate *s)
{
	for (;;) {
		struct job_event e;
		enum job_event_kind kind;
		bool again;

		job_poll(s->job, &e);
		kind = e.kind;
		if (kind == JOB_EVENT_OUTPUT)
			take_output(s, &e);
		else if (kind == JOB_EVENT_SOURCE_RING &&
			 ring_follow_take(&s->before, &e, &again) < 0)
			log_warn("the ring of the source cannot be mapped");
		job_event_done(&e);
		if (kind == JOB_EVENT_SHUTDOWN)
			return false;
		if (kind == JOB_EVENT_NONE)
			return true;
	}
}

static bool is_stopped(void *owner)
{
	return !take_orders(owner);
}

/* The end of what the ring holds, from an access point on: the format that the channel had last,
 * however long the source has been silent.  False: it holds none. */
static bool read_ring(struct ring_follow *f, struct buf *bytes)
{
	static uint8_t chunk[FORMAT_CHUNK];
	struct ring_rap rap;
	struct ring_intro intro;
	ssize_t n = 0;

	if (!f->has_ring || ring_find_rap(&f->ring, clock_mono_us(), 0, &rap) < 0)
		return false;
	f->age_us = clock_mono_us() - MIN(rap.mono_us, clock_mono_us()) + FORMAT_US;
	if (!ring_follow_start(f, &rap))
		return false;
	intro = ring_intro(&rap, false);
	buf_add(bytes, intro.bytes, intro.len);
	while (bytes->len < FORMAT_BYTES && (n = ring_follow_copy(f, chunk, sizeof(chunk))) > 0)
		buf_add(bytes, chunk, (size_t)n);
	ring_follow_stop(f);
	return true;
}

static const char *text_of(const struct job *job, char *dst, size_t cap)
{
	const char *text = job_spec_text(job, "slate", "");

	char title[SLATE_TITLE_MAX];

	slate_title(job_spec_text(job, "name", ""), title);
	snprintf(dst, cap, "%s\n\nNo signal. The programme continues as soon as possible.", title);
	return *text ? text : dst;
}

/* 0 or a libav error. */
static int make_media(struct slate *s)
{
	const struct slate_stop stop = {is_stopped, s};
	char text[ERROR_TEXT_MAX];
	struct buf bytes = BUF_INIT;
	int r;

	if (!read_ring(&s->before, &bytes))
		return AVERROR_STREAM_NOT_FOUND;
	r = slate_format_read(&bytes, &s->format);
	ring_follow_done(&s->before);
	if (r == 0)
		r = slate_media_make(&s->format, text_of(s->job, text, sizeof(text)), &stop,
				     &s->media);
	return r;
}

/* Players stay with the tables that they know: the programme and its PIDs are those from before. */
static void keep_tables(struct slate *s)
{
	if (s->format.pmt_pid >= 0x20 && s->format.pmt_pid <= 0x1efa)
		av_dict_set_int(&s->options, "mpegts_pmt_start_pid", s->format.pmt_pid, 0);
	if (s->format.programme > 0 && s->format.programme <= 0xffff)
		av_dict_set_int(&s->options, "mpegts_service_id", s->format.programme, 0);
}

static int open_muxer(struct slate *s)
{
	struct muxer_stream streams[SLATE_STREAMS_MAX];
	struct muxer *m;
	int r;

	keep_tables(s);
	r = muxer_new(OUTPUT_TS, AV_CODEC_ID_NONE, s->job, &s->order, NULL, s->options, &m);
	if (r < 0)
		return AVERROR(-r);
	s->muxer = m;
	for (unsigned i = 0; i < s->media.count; i++) {
		const struct slate_track *t = &s->media.tracks[i];

		streams[i] = (struct muxer_stream){.parameters = t->parameters,
						   .language = t->stream->language,
						   .disposition = t->stream->disposition,
						   .id = t->stream->pid};
	}
	return muxer_begin(m, streams, s->media.count, 0, false);
}

static int64_t time_of(const struct slate_track *t, int64_t packet)
{
	return av_rescale_q(packet, t->step, (AVRational){1, TS_HZ});
}

/* The track whose next packet comes first. */
static unsigned next_track(const struct slate *s, int64_t *ret_90k)
{
	unsigned first = 0;

	assert(s->media.count > 0);
	*ret_90k = INT64_MAX;
	for (unsigned i = 0; i < s->media.count; i++) {
		int64_t time_90k = time_of(&s->media.tracks[i], s->next[i]);

		if (time_90k < *ret_90k) {
			*ret_90k = time_90k;
			first = i;
		}
	}
	return first;
}

static int write_next(struct slate *s, unsigned track, int64_t time_90k)
{
	const struct slate_track *t = &s->media.tracks[track];
	AVPacket *packet = av_packet_clone(t->packets[s->next[track] % t->count]);
	int r = packet ? 0 : AVERROR(ENOMEM);

	if (r == 0) {
		packet->pts = packet->dts = START_90K + time_90k;
		packet->duration = time_of(t, s->next[track] + 1) - time_90k;
		r = muxer_write(s->muxer, track, packet);
	}
	av_packet_free(&packet);
	s->next[track]++;
	return r;
}

/* Writes what is due and waits for the next.  0 or a libav error. */
static int step(struct slate *s)
{
	int64_t time_90k;
	unsigned track = next_track(s, &time_90k);
	uint64_t due_us = s->start_us + (uint64_t)time_90k * 1000 / (TS_HZ / 1000);
	uint64_t now_us = clock_mono_us() + LEAD_US;

	if (now_us >= due_us + LATE_US)
		s->start_us += now_us - due_us;
	if (now_us >= due_us)
		return write_next(s, track, time_90k);
	job_wait(s->job, (unsigned)MIN((due_us - now_us) / 1000 + 1, WAIT_MS));
	return 0;
}

static int run(struct slate *s)
{
	int r;

	for (;;) {
		if (!take_orders(s))
			return job_end_shutdown(s->job);
		if (s->before.has_ring && s->order.kind == JOB_EVENT_OUTPUT)
			break;
		job_wait(s->job, WAIT_MS);
	}
	r = make_media(s);
	if (r == 0)
		r = open_muxer(s);
	if (r == AVERROR_EXIT)
		return job_end_shutdown(s->job);
	if (r < 0)
		return job_end_failed_av(s->job, 502, "the slate cannot be made", r);
	job_report_source(s->job, SOURCE_REMUX, true, true, "slate");
	s->start_us = clock_mono_us();
	while (take_orders(s)) {
		r = step(s);
		if (r < 0)
			return job_end_failed_av(s->job, 502, "the slate cannot be shown", r);
	}
	return job_end_shutdown(s->job);
}

int slate_run(struct job *job)
{
	struct slate *s = calloc(1, sizeof(*s));
	int code;

	if (!s)
		return job_end_failed(job, 502, "no memory");
	s->job = job;
	s->order = JOB_EVENT_INIT;
	ring_follow_init(&s->before, FORMAT_US);
	code = run(s);
	muxer_free(s->muxer);
	slate_media_done(&s->media);
	ring_follow_done(&s->before);
	job_event_done(&s->order);
	av_dict_free(&s->options);
	free(s);
	return code;
}
