/* ingest.c - the job that owns the source connection and fills the plain ring with the whole
 * source, whatever the profile says. */

#include "amps-transcoder/roles/remux.h"
#include "amps-transcoder/roles/roles.h"
#include "common/clock.h"
#include "common/log/log.h"

#define RING_SECONDS	10
#define CHUNK_MIN	(8u << 10) /* also before the bitrate is known: half a second of sound */
#define CHUNKS_A_SECOND 4u
#define GATHER_MS	20  /* what comes meanwhile is one wake-up's work */
#define WAITED_US	500 /* a read that took so long had to wait for bytes */

/* Once a channel runs, bytes without media (garbage, stuffing) are as good as none. */
static bool brings_media(struct intake *in)
{
	uint64_t before = in->media_packets;

	in->media_packets = ts_sink_media_packets(in->sink);
	return in->media_packets != before || !ts_sink_running(in->sink);
}

/* A source that is open but shows nothing playable cannot hold a starting channel for ever. */
static bool shows_nothing(const struct intake *in)
{
	return !ts_sink_running(in->sink) && in->data_us &&
	       clock_mono_us() - in->begin_us > in->start_timeout_us;
}

static void on_programme(void *owner, const struct ts_parse *p)
{
	struct intake *in = owner;
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
static size_t portion(const struct intake *in, size_t cap)
{
	uint64_t bitrate = ts_sink_bitrate(in->sink);
	size_t wanted = bitrate / 8 / CHUNKS_A_SECOND;

	if (in->source.live)
		return cap;
	return MIN(cap, MAX(wanted, CHUNK_MIN));
}

/* A connection or a pipe may bring its bytes in small pieces.  They gather only behind a read that
 * found none waiting, so that nobody falls behind.  Datagrams gather in source/udp.c. */
static void gather(struct intake *in, uint64_t asked_us)
{
	if (in->source.live && in->source.via != SOURCE_VIA_UDP && ts_sink_running(in->sink) &&
	    clock_mono_us() - asked_us >= WAITED_US)
		job_wait(in->job, GATHER_MS);
}

/* One read into the ring. */
static enum intake_step ts_step(struct intake *in, int *ret_code)
{
	size_t cap;
	uint8_t *space = ts_sink_space(in->sink, &cap);
	uint64_t asked_us = clock_mono_us();
	ssize_t n;

	intake_set_deadline(in);
	n = source_read(&in->source, space, portion(in, cap));
	if (n > 0) {
		ts_sink_put(in->sink, (size_t)n);
		if (brings_media(in))
			intake_got_data(in, (size_t)n);
		else if (job_deadline_passed(in->job))
			return intake_end(intake_failed(in, -ETIMEDOUT), ret_code);
		gather(in, asked_us);
	}
	if (shows_nothing(in)) {
		n = job_end_failed(in->job, 504,
				   "the source %s showed nothing that can be played in time",
				   in->source.shown);
		return intake_end((int)n, ret_code);
	}
	if (n > 0 || n == -EAGAIN)
		return INTAKE_ON;
	if (n < 0)
		return intake_end(intake_failed(in, (int)n), ret_code);
	if (!intake_next_round(in))
		return intake_end(intake_finished(in), ret_code);
	ts_sink_repeat(in->sink);
	n = source_rewind(&in->source);
	return n < 0 ? intake_end(intake_failed(in, (int)n), ret_code) : INTAKE_ON;
}

static int ts_run(struct intake *in)
{
	int code = 0;

	pace_init(&in->pace, pace_of(&in->source));
	ts_sink_on_programme(in->sink, on_programme, in);
	for (;;) {
		if (!intake_take_orders(in))
			return job_end_shutdown(in->job);
		if (intake_may_read(in, ts_sink_clock_90k(in->sink)) &&
		    ts_step(in, &code) == INTAKE_END)
			return code;
	}
}

static int open_and_run(struct intake *in)
{
	int r;

	if (!intake_take_orders(in))
		return job_end_shutdown(in->job);
	intake_set_deadline(in);
	r = source_open(&in->source);
	if (r < 0)
		return intake_failed(in, r);
	return in->source.is_ts ? ts_run(in) : remux_run(in);
}

int ingest_run(struct job *job)
{
	struct intake in = {
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
