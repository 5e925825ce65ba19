/* ingest.c - see ingest.h */
#include "amps-transcoder/ingest.h"

#include <string.h>

#include "amps-transcoder/remux.h"
#include "common/clock.h"
#include "common/log.h"

#define RING_SECONDS	10
#define WAIT_MS		250
#define CHUNK_MIN	(8u << 10) /* also before the bitrate is known: half a second of sound */
#define CHUNKS_A_SECOND 4u
#define GATHER_MS	20  /* what comes meanwhile is one wake-up's work */
#define WAITED_US	500 /* a read that took so long had to wait for bytes */

static void take_output(struct ingest *in, struct job_event *e)
{
	bool first = !ts_sink_attached(in->sink);
	int r = ts_sink_attach(in->sink, e);

	if (r < 0)
		log_error("a ring cannot be used (%s), %s output=%u", strerror(-r),
			  first ? "waiting for another" : "staying with the old one", e->output);
}

bool ingest_take_orders(struct ingest *in)
{
	for (;;) {
		struct job_event e;
		enum job_event_kind kind;

		job_poll(in->job, &e);
		kind = e.kind;
		if (kind == JOB_EVENT_OUTPUT)
			take_output(in, &e);
		job_event_done(&e);
		if (kind == JOB_EVENT_SHUTDOWN)
			return false;
		if (kind == JOB_EVENT_NONE)
			return true;
	}
}

bool ingest_may_read(struct ingest *in, int64_t clock_90k)
{
	uint64_t now_us = clock_mono_us();
	uint64_t delay_us = ts_sink_attached(in->sink) ? pace_delay_us(&in->pace, clock_90k, now_us)
						       : WAIT_MS * 1000;

	if (delay_us < 1000)
		return true;
	if (in->data_us)
		in->data_us = now_us; /* nobody asked the source for anything */
	job_wait(in->job, (unsigned)MIN(delay_us / 1000, WAIT_MS));
	return false;
}

void ingest_set_deadline(struct ingest *in)
{
	in->job->deadline_us = in->data_us ? in->data_us + in->stall_timeout_us
					   : in->begin_us + in->start_timeout_us;
}

void ingest_got_data(struct ingest *in, size_t bytes)
{
	in->data_us = clock_mono_us();
	in->round_bytes += bytes;
}

/* Once a channel runs, bytes without media (garbage, stuffing) are as good as none. */
static bool brings_media(struct ingest *in)
{
	uint64_t before = in->media_packets;

	in->media_packets = ts_sink_media_packets(in->sink);
	return in->media_packets != before || !ts_sink_running(in->sink);
}

/* A source that is open but shows nothing playable cannot hold a starting channel for ever. */
static bool shows_nothing(const struct ingest *in)
{
	return !ts_sink_running(in->sink) && in->data_us &&
	       clock_mono_us() - in->begin_us > in->start_timeout_us;
}

int ingest_failed(struct ingest *in, int error)
{
	const char *shown = in->source.shown;

	in->job->deadline_us = 0;
	if (error == -ECANCELED || job_ending(in->job))
		return job_end_shutdown(in->job);
	if (error == -ETIMEDOUT)
		return job_end_silent(in->job, shown, in->data_us != 0,
				      in->data_us ? in->stall_timeout_us : in->start_timeout_us);
	if (error == -ENODATA)
		return job_end_failed(in->job, 502, "the source %s is empty", shown);
	return source_failed(&in->source, error);
}

int ingest_finished(struct ingest *in)
{
	const char *shown = in->source.shown;

	if (job_ending(in->job))
		return job_end_shutdown(in->job);
	if (!ts_sink_running(in->sink))
		return job_end_failed(in->job, 502, "the source %s has nothing that can be played",
				      shown);
	in->job->deadline_us = clock_mono_us() + in->stall_timeout_us;
	if (!source_has_ended(&in->source))
		return job_end_failed(in->job, 502, "the source %s closed the connection", shown);
	ts_sink_ended(in->sink);
	return job_end_ended(in->job);
}

bool ingest_next_round(struct ingest *in)
{
	if (in->source.live || in->source.options.loop == 0 || in->round_bytes == 0)
		return false;
	if (in->source.options.loop > 0)
		in->source.options.loop--;
	in->round_bytes = 0;
	return true;
}

static void on_programme(void *owner, const struct ts_parse *p)
{
	struct ingest *in = owner;
	char streams[1024];

	if (in->told)
		return;
	in->told = true;
	ts_parse_streams_text(p, streams, sizeof(streams));
	job_say_source(in->job, SOURCE_TS, in->source.live, streams);
}

static enum pace_kind pace_of(const struct source *s)
{
	if (s->via == SOURCE_VIA_UDP)
		return PACE_NONE;
	if (s->live)
		return PACE_LIVE;
	return s->options.re ? PACE_REAL : PACE_FILE;
}

/* A paced source is read in portions of a quarter of a second. */
static size_t portion(const struct ingest *in, size_t cap)
{
	uint64_t bitrate = ts_sink_bitrate(in->sink);
	size_t wanted = bitrate / 8 / CHUNKS_A_SECOND;

	if (in->source.live)
		return cap;
	return MIN(cap, MAX(wanted, CHUNK_MIN));
}

/* A connection or a pipe may bring its bytes in small pieces.  They gather only behind a read that
 * found none waiting, so that nobody falls behind.  Datagrams gather in udp.c. */
static void gather(struct ingest *in, uint64_t asked_us)
{
	if (in->source.live && in->source.via != SOURCE_VIA_UDP && ts_sink_running(in->sink) &&
	    clock_mono_us() - asked_us >= WAITED_US)
		job_wait(in->job, GATHER_MS);
}

/* One read into the ring. */
static enum ingest_step ts_step(struct ingest *in, int *ret_code)
{
	size_t cap;
	uint8_t *space = ts_sink_space(in->sink, &cap);
	uint64_t asked_us = clock_mono_us();
	ssize_t n;

	ingest_set_deadline(in);
	n = source_read(&in->source, space, portion(in, cap));
	if (n > 0) {
		ts_sink_put(in->sink, (size_t)n);
		if (brings_media(in))
			ingest_got_data(in, (size_t)n);
		else if (job_deadline_passed(in->job))
			return ingest_end(ingest_failed(in, -ETIMEDOUT), ret_code);
		gather(in, asked_us);
	}
	if (shows_nothing(in)) {
		n = job_end_failed(in->job, 504,
				   "the source %s showed nothing that can be played in time",
				   in->source.shown);
		return ingest_end((int)n, ret_code);
	}
	if (n > 0 || n == -EAGAIN)
		return INGEST_ON;
	if (n < 0)
		return ingest_end(ingest_failed(in, (int)n), ret_code);
	if (!ingest_next_round(in))
		return ingest_end(ingest_finished(in), ret_code);
	ts_sink_repeat(in->sink);
	n = source_rewind(&in->source);
	return n < 0 ? ingest_end(ingest_failed(in, (int)n), ret_code) : INGEST_ON;
}

static int ts_run(struct ingest *in)
{
	int code = 0;

	pace_init(&in->pace, pace_of(&in->source));
	ts_sink_on_programme(in->sink, on_programme, in);
	for (;;) {
		if (!ingest_take_orders(in))
			return job_end_shutdown(in->job);
		if (ingest_may_read(in, ts_sink_clock_90k(in->sink)) &&
		    ts_step(in, &code) == INGEST_END)
			return code;
	}
}

static int open_and_run(struct ingest *in)
{
	int r;

	if (!ingest_take_orders(in))
		return job_end_shutdown(in->job);
	ingest_set_deadline(in);
	r = source_open(&in->source);
	if (r < 0)
		return ingest_failed(in, r);
	return in->source.is_ts ? ts_run(in) : remux_run(in);
}

int ingest_run(struct job *job)
{
	struct ingest in = {
		.job = job,
		.begin_us = clock_mono_us(),
		.start_timeout_us = job->start_timeout_us,
		.stall_timeout_us =
			(uint64_t)job_spec_int(job, "stall_timeout_ms", JOB_STALL_TIMEOUT_MS) *
			1000,
	};
	const char *problem = "";
	int code;

	if (source_init(&in.source, job, &problem) < 0)
		code = job_end_failed(job, 502, "%s", problem);
	else if (ts_sink_new(job, (unsigned)job_spec_int(job, "ring_seconds", RING_SECONDS),
			     &in.sink) < 0)
		code = job_end_failed(job, 502, "no memory");
	else
		code = open_and_run(&in);
	source_close(&in.source);
	ts_sink_free(in.sink);
	return code;
}
