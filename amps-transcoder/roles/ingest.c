/* ingest.c - the job that owns the source connection and fills the plain ring with the whole
 * source, whatever the profile says. */

#include <string.h>

#include "amps-transcoder/roles/intake.h"
#include "amps-transcoder/roles/remux.h"
#include "amps-transcoder/roles/roles.h"
#include "amps-transcoder/ts/sink.h"
#include "common/clock.h"
#include "common/log/log.h"

#define CHUNK_MIN	(8u << 10) /* also before the bitrate is known: half a second of sound */
#define CHUNKS_A_SECOND 4u
#define GATHER_MS	20  /* bytes that arrive meanwhile are handled together */
#define WAITED_US	500 /* a read that took longer had to wait for bytes */

struct ingest {
	struct intake in;
	struct ts_sink *sink;
	uint64_t media_packets;	  /* of the sink, when media last came */
	uint64_t show_timeout_us; /* for the first that can be played; a key frame may take long */
	bool reported;		  /* the master knows what the source is */
};

/* The target is the sink. */
static void take_order(void *sink, struct job_event *e)
{
	bool first = !ts_sink_attached(sink);
	int r = e->kind == JOB_EVENT_OUTPUT ? ts_sink_attach(sink, e) : 0;

	if (r < 0)
		log_error("a ring cannot be used (%s), %s output=%u", strerror(-r),
			  first ? "waiting for another" : "staying with the old one", e->output);
}

static bool sink_ready(const void *sink)
{
	return ts_sink_attached(sink);
}

static bool sink_running(const void *sink)
{
	return ts_sink_running(sink);
}

static void sink_ended(void *sink)
{
	ts_sink_ended(sink);
}

static uint64_t sink_holds_until_us(const void *sink)
{
	return ts_sink_holds_until_us(sink);
}

static enum content_fault sink_gone(const void *sink)
{
	return ts_sink_gone(sink);
}

static const struct intake_target sink_target = {.order = take_order,
						 .ready = sink_ready,
						 .running = sink_running,
						 .holds_until_us = sink_holds_until_us,
						 .gone = sink_gone,
						 .ended = sink_ended};

/* Once a channel runs, bytes without media (garbage, stuffing) do not count as data. */
static bool brings_media(struct ingest *g)
{
	uint64_t before = g->media_packets;

	g->media_packets = ts_sink_media_packets(g->sink);
	return g->media_packets != before || !ts_sink_running(g->sink);
}

/* True if an open source has sent nothing playable within start_timeout. */
static bool shows_nothing(const struct ingest *g)
{
	return !ts_sink_running(g->sink) && g->in.data_us &&
	       clock_mono_us() - g->in.begin_us > g->show_timeout_us;
}

static void on_programme(void *owner, const struct ts_parse *p)
{
	struct ingest *g = owner;
	bool pictures = false;
	char streams[1024];

	if (g->reported)
		return;
	for (unsigned i = 0; i < p->stream_count; i++)
		pictures = pictures || p->streams[i].kind == TS_KIND_VIDEO;
	g->reported = true;
	ts_parse_streams_text(p, streams, sizeof(streams));
	job_report_source(g->in.job, SOURCE_TS, g->in.source.live, pictures, streams);
}

static enum pace_kind pace_of(const struct source *s)
{
	if (s->ops->datagrams)
		return PACE_NONE;
	if (s->live)
		return PACE_LIVE;
	return s->options.re ? PACE_REAL : PACE_FILE;
}

/* A paced source is read in portions of a quarter of a second. */
static size_t portion(const struct ingest *g, size_t cap)
{
	uint64_t bitrate = ts_sink_bitrate(g->sink);
	size_t wanted = bitrate / 8 / CHUNKS_A_SECOND;

	if (g->in.source.live)
		return cap;
	return MIN(cap, MAX(wanted, CHUNK_MIN));
}

/* A connection or a pipe may deliver small pieces.  Wait for more of them only after a read that
 * had to wait, so that the job never falls behind.  Datagrams are gathered in source/udp.c. */
static void gather(struct ingest *g, uint64_t asked_us)
{
	if (g->in.source.live && !g->in.source.ops->datagrams && ts_sink_running(g->sink) &&
	    clock_mono_us() - asked_us >= WAITED_US)
		job_wait(g->in.job, GATHER_MS);
}

/* One read into the ring. */
static enum intake_step ts_step(struct ingest *g, int *ret_code)
{
	size_t cap;
	uint8_t *space = ts_sink_space(g->sink, &cap);
	uint64_t asked_us = clock_mono_us(), pair[RING_PAIR_COUNT_];
	ssize_t n;

	intake_set_deadline(&g->in);
	n = source_read(&g->in.source, space, portion(g, cap));
	if (n > 0) {
		ts_sink_put(g->sink, (size_t)n);
		if (intake_pair_counts(&g->in, pair))
			ts_sink_pair(g->sink, pair);
		if (brings_media(g))
			intake_got_data(&g->in, (size_t)n);
		else if (job_deadline_passed(g->in.job))
			return intake_end(intake_failed(&g->in, -ETIMEDOUT), ret_code);
		gather(g, asked_us);
	}
	intake_waited(&g->in, asked_us);
	if (intake_clock_stands(&g->in, ts_sink_frozen_us(g->sink), ret_code) == INTAKE_END)
		return INTAKE_END;
	if (shows_nothing(g)) {
		n = job_end_failed(g->in.job, 504,
				   "the source %s showed nothing that can be played in time",
				   g->in.source.shown);
		return intake_end((int)n, ret_code);
	}
	if (n > 0 || n == -EAGAIN)
		return INTAKE_ON;
	if (n < 0)
		return intake_end(intake_failed(&g->in, (int)n), ret_code);
	if (!intake_next_round(&g->in))
		return intake_end(intake_finished(&g->in), ret_code);
	ts_sink_repeat(g->sink);
	n = source_rewind(&g->in.source);
	return n < 0 ? intake_end(intake_failed(&g->in, (int)n), ret_code) : INTAKE_ON;
}

static int ts_run(struct ingest *g)
{
	int code = 0;

	intake_begin_pace(&g->in, pace_of(&g->in.source));
	ts_sink_on_programme(g->sink, on_programme, g);
	for (;;) {
		if (!intake_take_orders(&g->in))
			return job_end_shutdown(g->in.job);
		if (intake_may_read(&g->in, ts_sink_clock_90k(g->sink)) &&
		    ts_step(g, &code) == INTAKE_END)
			return code;
	}
}

static int open_and_run(struct ingest *g)
{
	int r;

	if (!intake_take_orders(&g->in))
		return job_end_shutdown(g->in.job);
	intake_set_deadline(&g->in);
	r = source_open(&g->in.source);
	if (r < 0)
		return intake_failed(&g->in, r);
	return g->in.source.is_ts ? ts_run(g) : remux_run(&g->in, g->sink);
}

/* The first viewer waits for the cushion to fill, until half of the time is over after which it
 * gives up. */
static int hold_back(struct ingest *g)
{
	if (!g->in.cushion_us)
		return 0;
	return ts_sink_hold_back(g->sink, g->in.cushion_us,
				 g->in.begin_us + g->show_timeout_us / 2);
}

int ingest_run(struct job *job)
{
	struct ingest g = {.show_timeout_us =
				   1000ull * (uint64_t)job_spec_int(job, "start_timeout_ms",
								    JOB_START_TIMEOUT_MS)};
	int code;

	if (ts_sink_new(job, &g.sink) < 0)
		return job_end_failed(job, 502, "no memory");
	if (intake_init(&g.in, job, &sink_target, g.sink, &code) == INTAKE_ON)
		code = hold_back(&g) < 0 ? job_end_failed(job, 502, "no memory") : open_and_run(&g);
	/* viewers get what the lost source has sent, before the next one begins */
	if (!job_ending(job))
		ts_sink_let_go(g.sink);
	source_close(&g.in.source);
	ts_sink_free(g.sink);
	return code;
}
