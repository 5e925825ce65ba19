/* metrics.c - see metrics.h.  Names follow the conventions of Prometheus: base units, `_total` for
 * counters. */
#include "amps-worker/status/metrics.h"

#include <string.h>

#include "common/shm/chantab.h"
#include "common/shm/worker_page.h"

#define TEXT_TYPE "text/plain; version=0.0.4; charset=utf-8"

static uint64_t load(const _Atomic uint64_t *value)
{
	return atomic_load_explicit(value, memory_order_relaxed);
}

static double uptime_seconds(const struct facts *f)
{
	const struct chantab_header *table = f->chantab;
	uint64_t start = table ? load(&table->start_mono_us) : 0;

	return start && f->mono_us > start ? (double)(f->mono_us - start) / 1e6 : 0;
}

static size_t channels_on_air(const struct facts *f)
{
	size_t n = 0;

	for (size_t i = 0; i < catalog_channel_count(f->catalog); i++)
		n += catalog_on_air(catalog_channel_at(f->catalog, i), f->wall_us);
	return n;
}

/* Calls `each` for every tuner slot in use. */
static void each_tuner(const struct facts *f, void (*each)(const struct tuner_slot *t, void *arg),
		       void *arg)
{
	struct tuner_slot slot;

	for (size_t i = 0; f->chantab && i < TUNERS_MAX; i++)
		if (chantab_get_tuner(f->chantab, i, &slot) == 0 && slot.state != TUNER_IDLE)
			each(&slot, arg);
}

static void count_jobs(const struct tuner_slot *t, void *arg)
{
	*(size_t *)arg += (t->pid > 0) + (t->derive_pid > 0);
}

static void answer_json(const struct facts *f, struct reply *r)
{
	size_t jobs = 0;

	each_tuner(f, count_jobs, &jobs);
	r->type = "application/json";
	buf_printf(&r->body,
		   "{\"uptime_seconds\": %.3f, \"stream_count\": %zu, "
		   "\"active_ffmpeg_processes\": %zu}\n",
		   uptime_seconds(f), channels_on_air(f), jobs);
}

static void add_help(struct buf *b, const char *name, const char *type, const char *help)
{
	buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* One sample without labels. */
static void add_single(struct buf *b, const char *name, const char *type, const char *help,
		       double value)
{
	add_help(b, name, type, help);
	buf_printf(b, "%s %.15g\n", name, value);
}

static void add_server(const struct facts *f, struct buf *b)
{
	const struct chantab_header *t = f->chantab;

	add_help(b, "amps_build_info", "gauge", "The version that runs.");
	buf_puts(b, "amps_build_info{version=\"" AMPS_VERSION "\"} 1\n");
	add_single(b, "amps_uptime_seconds", "gauge", "Time since the server started.",
		   uptime_seconds(f));
	add_single(b, "amps_channels", "gauge", "Channels on the air.", (double)channels_on_air(f));
	add_single(b, "amps_catalog_generation", "gauge", "Generation of the line-up served here.",
		   (double)catalog_generation(f->catalog));
	if (!t)
		return;
	add_single(b, "amps_ready", "gauge", "1 while the server is ready.",
		   load(&t->ready) == READINESS_READY);
	add_single(b, "amps_tuners_running", "gauge", "Tuners that have a job.",
		   (double)load(&t->tuners_running));
	add_single(b, "amps_jobs_started_total", "counter", "Jobs of tuners started.",
		   (double)load(&t->jobs_started));
	add_single(b, "amps_jobs_failed_total", "counter", "Jobs of tuners that failed.",
		   (double)load(&t->jobs_failed));
	add_single(b, "amps_overlap_tuners", "gauge", "Tuners made by overlap=true.",
		   (double)load(&t->overlap_running));
	add_single(b, "amps_overlap_refused_total", "counter",
		   "Requests with overlap=true refused: over a limit.",
		   (double)load(&t->overlap_refused));
	add_single(b, "amps_worker_restarts_total", "counter", "Workers replaced after a death.",
		   (double)load(&t->worker_restarts));
	add_single(b, "amps_hook_events_sent_total", "counter", "Events that receivers have taken.",
		   (double)load(&t->hooks_sent));
	add_single(b, "amps_hook_events_failed_total", "counter",
		   "Events given up after three tries.", (double)load(&t->hooks_failed));
	add_single(b, "amps_hook_events_dropped_total", "counter",
		   "Events lost because their receiver is too slow.",
		   (double)load(&t->hooks_dropped));
}

static const struct worker_metric {
	const char *name, *type, *help;
	size_t at; /* of the counter in struct worker_page */
} worker_metrics[] = {
#define AT(field) offsetof(struct worker_page, field)
	{"amps_connections", "gauge", "Connections open.", AT(connections_open)},
	{"amps_connections_accepted_total", "counter", "Connections accepted.",
	 AT(connections_total)},
	{"amps_connections_refused_total", "counter", "Connections closed at once: over a limit.",
	 AT(connections_refused)},
	{"amps_http_requests_total", "counter", "Requests read.", AT(requests_total)},
	{"amps_viewers", "gauge", "Viewers that receive media.", AT(viewers_open)},
	{"amps_viewers_admitted_total", "counter", "Viewers that began.", AT(viewers_total)},
	{"amps_viewer_skips_total", "counter", "Jumps of slow viewers to a newer access point.",
	 AT(viewer_skips)},
	{"amps_viewers_dropped_total", "counter", "Viewers closed for being slow or stopped.",
	 AT(viewers_dropped)},
	{"amps_websocket_errors_total", "counter",
	 "Viewers ended because what they sent breaks the protocol of WebSocket.",
	 AT(websocket_errors)},
	{"amps_media_sent_bytes_total", "counter", "Media sent to viewers.", AT(bytes_sent)},
	{"amps_answers_dropped_total", "counter",
	 "Answers ended for memory because their clients read too slowly.", AT(answers_dropped)},
	{"amps_viewer_socket_bytes", "gauge",
	 "Memory of the kernel held by viewers that do not read.", AT(socket_bytes)},
	{"amps_access_log_dropped_total", "counter", "Lines of the access log that were lost.",
	 AT(access_log_dropped)},
#undef AT
};

static const struct worker_page *worker_page_at(const struct facts *f, unsigned index)
{
	return f->worker_pages ? f->worker_pages[index] : NULL;
}

/* One worker's part of the histogram: each bucket counts those below it, too. */
static void add_zaps_of(struct buf *b, unsigned worker, const struct worker_page *page)
{
	uint64_t count = 0;

	for (size_t i = 0; i < ZAP_BUCKETS; i++) {
		count += load(&page->zaps[i]);
		buf_printf(b, "amps_zap_seconds_bucket{worker=\"%u\",le=\"", worker);
		if (i < array_size(worker_page_zap_ms))
			buf_printf(b, "%g", worker_page_zap_ms[i] / 1000.0);
		else
			buf_puts(b, "+Inf");
		buf_printf(b, "\"} %llu\n", (unsigned long long)count);
	}
	buf_printf(b, "amps_zap_seconds_sum{worker=\"%u\"} %.6f\n", worker,
		   (double)load(&page->zap_us) / 1e6);
	buf_printf(b, "amps_zap_seconds_count{worker=\"%u\"} %llu\n", worker,
		   (unsigned long long)count);
}

static void add_zaps(const struct facts *f, struct buf *b)
{
	add_help(b, "amps_zap_seconds", "histogram",
		 "From the request of a stream to its first media, from a key frame on.");
	for (unsigned w = 0; w < f->worker_count; w++)
		if (worker_page_at(f, w))
			add_zaps_of(b, w, worker_page_at(f, w));
}

static void add_workers(const struct facts *f, struct buf *b)
{
	for (size_t m = 0; m < array_size(worker_metrics); m++) {
		const struct worker_metric *metric = &worker_metrics[m];

		add_help(b, metric->name, metric->type, metric->help);
		for (unsigned w = 0; w < f->worker_count; w++) {
			const struct worker_page *page = worker_page_at(f, w);
			const void *at = page ? (const char *)page + metric->at : NULL;

			if (page)
				buf_printf(b, "%s{worker=\"%u\"} %llu\n", metric->name, w,
					   (unsigned long long)load(at));
		}
	}
	add_help(b, "amps_http_responses_total", "counter", "Answers by class of status.");
	for (unsigned w = 0; w < f->worker_count; w++) {
		const struct worker_page *page = worker_page_at(f, w);

		for (unsigned class = 1; page && class < array_size(page->responses); class ++)
			buf_printf(b,
				   "amps_http_responses_total{worker=\"%u\",code=\"%uxx\"} %llu\n",
				   w, class, (unsigned long long)load(&page->responses[class]));
	}
}

/* Escapes a label's value; a tuner's key contains a variant's name. */
static void add_label(struct buf *b, const char *text)
{
	for (; *text; text++) {
		if (*text == '\\' || *text == '"')
			buf_putc(b, '\\');
		if (*text == '\n')
			buf_puts(b, "\\n");
		else
			buf_putc(b, *text);
	}
}

static void add_tuner_sample(struct buf *b, const char *name, const struct tuner_slot *t,
			     uint64_t value)
{
	buf_printf(b, "%s{channel=\"%u\",tuner=\"", name, t->channel);
	add_label(b, t->key);
	buf_printf(b, "\"} %llu\n", (unsigned long long)value);
}

static void add_tuner_thousandths(struct buf *b, const char *name, const struct tuner_slot *t,
				  uint64_t value)
{
	buf_printf(b, "%s{channel=\"%u\",tuner=\"", name, t->channel);
	add_label(b, t->key);
	buf_printf(b, "\"} %llu.%03u\n", (unsigned long long)(value / 1000),
		   (unsigned)(value % 1000));
}

/* How many viewers read an output, from the pages of all workers. */
static uint32_t output_viewers(const struct facts *f, uint32_t output)
{
	uint32_t n = 0;

	for (unsigned w = 0; w < f->worker_count; w++)
		if (f->worker_pages[w])
			n += worker_page_output_viewers(f->worker_pages[w], output);
	return n;
}

static void add_viewers(const struct facts *f, struct buf *b)
{
	uint32_t of_tuner[TUNERS_MAX] = {0};
	struct output_slot output;
	struct tuner_slot tuner;

	for (uint32_t i = 0; f->chantab && i < OUTPUTS_MAX; i++) {
		uint32_t n = output_viewers(f, i);

		if (n && chantab_get_output(f->chantab, i, &output) == 0 &&
		    output.tuner < TUNERS_MAX)
			of_tuner[output.tuner] += n;
	}
	for (size_t i = 0; f->chantab && i < TUNERS_MAX; i++)
		if (chantab_get_tuner(f->chantab, i, &tuner) == 0 && tuner.state != TUNER_IDLE)
			add_tuner_sample(b, "amps_tuner_viewers", &tuner, of_tuner[i]);
}

static void add_tuner_input(const struct tuner_slot *t, void *arg)
{
	add_tuner_sample(arg, "amps_tuner_input_bytes_per_second", t, t->bitrate_in / 8);
}

static void add_tuner_output(const struct tuner_slot *t, void *arg)
{
	add_tuner_sample(arg, "amps_tuner_output_bytes_per_second", t, t->bitrate_out / 8);
}

static void add_tuner_restarts(const struct tuner_slot *t, void *arg)
{
	add_tuner_sample(arg, "amps_tuner_restarts_total", t, t->restarts);
}

/* A number of the slot, and what it is. */
static const struct tuner_metric {
	const char *name, *type, *help;
	size_t at;
	bool thousandths; /* it is shown in base units, as Prometheus wants them */
} tuner_metrics[] = {
#define AT(field) offsetof(struct tuner_slot, field)
	{"amps_tuner_cc_errors_total", "counter",
	 "Breaks of the continuity counters of a tuner's sources.", AT(cc_errors), false},
	{"amps_tuner_clock_jumps_total", "counter", "Jumps of the clock of a tuner's sources.",
	 AT(jumps), false},
	{"amps_tuner_source_switches_total", "counter", "Switches to another source.", AT(switches),
	 false},
	{"amps_tuner_first_media_seconds", "gauge",
	 "From the start of the source to its first media.", AT(start_ms), true},
	{"amps_tuner_pcr_interval_seconds", "gauge",
	 "Longest distance of clock references in the last seconds.", AT(pcr_interval_ms), true},
	{"amps_tuner_pcr_jitter_seconds", "gauge",
	 "Largest difference between the distances of clock references and of their arrival.",
	 AT(pcr_jitter_ms), true},
	{"amps_tuner_frames_dropped_total", "counter",
	 "Pictures that a tuner's encoders have left out.", AT(frames_dropped), false},
	{"amps_tuner_encoder_speed", "gauge",
	 "Media time that encoders take for each second in which they do not wait, 0 without any.",
	 AT(encoder_permil), true},
	{"amps_tuner_first_leg_lost_packets_total", "counter",
	 "RTP packets that the first leg of a pair did not bring in time.", AT(pair[0]), false},
	{"amps_tuner_second_leg_lost_packets_total", "counter",
	 "RTP packets that the second leg of a pair did not bring in time.", AT(pair[1]), false},
	{"amps_tuner_pair_filled_packets_total", "counter",
	 "RTP packets that one leg of a pair brought for the other.", AT(pair[2]), false},
	{"amps_tuner_pair_lost_packets_total", "counter",
	 "RTP packets that no leg of a pair brought in time.", AT(pair[3]), false},
#undef AT
};

struct tuner_samples {
	struct buf *b;
	const struct tuner_metric *metric;
};

static void add_tuner_metric(const struct tuner_slot *t, void *arg)
{
	const struct tuner_samples *s = arg;
	uint64_t value;

	memcpy(&value, (const char *)t + s->metric->at, sizeof(value));
	if (s->metric->thousandths)
		add_tuner_thousandths(s->b, s->metric->name, t, value);
	else
		add_tuner_sample(s->b, s->metric->name, t, value);
}

static void add_tuner_source(const struct tuner_slot *t, void *arg)
{
	add_tuner_sample(arg, "amps_tuner_source", t, t->source);
}

static void add_tuner_lost(const struct tuner_slot *t, void *arg)
{
	static const char *const causes[] = {"crashed", "failed", "silent", "slow", "content"};
	struct buf *b = arg;

	static_assert(array_size(causes) == array_size(t->lost), "a word for each cause");
	for (size_t i = 0; i < array_size(causes); i++) {
		buf_printf(b, "amps_tuner_jobs_lost_total{channel=\"%u\",tuner=\"", t->channel);
		add_label(b, t->key);
		buf_printf(b, "\",cause=\"%s\"} %llu\n", causes[i], (unsigned long long)t->lost[i]);
	}
}

static void add_tuner_state(const struct tuner_slot *t, void *arg)
{
	struct buf *b = arg;

	if (t->state >= TUNER_STATE_COUNT_)
		return;
	buf_printf(b, "amps_tuner_state{channel=\"%u\",tuner=\"", t->channel);
	add_label(b, t->key);
	buf_printf(b, "\",state=\"%s\"} 1\n", tuner_state_name((enum tuner_state)t->state));
}

static void add_tuners(const struct facts *f, struct buf *b)
{
	add_help(b, "amps_tuner_state", "gauge", "1 for the state a tuner is in.");
	each_tuner(f, add_tuner_state, b);
	add_help(b, "amps_tuner_viewers", "gauge", "Viewers of a tuner.");
	add_viewers(f, b);
	add_help(b, "amps_tuner_input_bytes_per_second", "gauge", "What a tuner's source sends.");
	each_tuner(f, add_tuner_input, b);
	add_help(b, "amps_tuner_output_bytes_per_second", "gauge",
		 "What a tuner's jobs make, without segments.");
	each_tuner(f, add_tuner_output, b);
	add_help(b, "amps_tuner_restarts_total", "counter", "Jobs a tuner lost and replaced.");
	each_tuner(f, add_tuner_restarts, b);
	add_help(b, "amps_tuner_jobs_lost_total", "counter", "Jobs a tuner lost, by cause.");
	each_tuner(f, add_tuner_lost, b);
	add_help(b, "amps_tuner_source", "gauge", "Which of its sources a tuner plays, from 1.");
	each_tuner(f, add_tuner_source, b);
	for (size_t i = 0; i < array_size(tuner_metrics); i++) {
		struct tuner_samples s = {b, &tuner_metrics[i]};

		add_help(b, s.metric->name, s.metric->type, s.metric->help);
		each_tuner(f, add_tuner_metric, &s);
	}
}

static bool wants_json(const struct request *q)
{
	struct span accept = http_field(q->http, "Accept");
	char format[16];

	if (http_query(q->http, "format", format, sizeof(format)) == 1)
		return strcmp(format, "json") == 0;
	return accept.at && memmem(accept.at, accept.len, "application/json", 16) != NULL;
}

void metrics_handle(const struct request *q, struct reply *r)
{
	const struct facts *f = q->facts;

	reply_field(r, "Cache-Control", "no-store");
	reply_field(r, "Vary", "Accept");
	if (wants_json(q)) {
		answer_json(f, r);
		return;
	}
	r->type = TEXT_TYPE;
	add_server(f, &r->body);
	add_workers(f, &r->body);
	add_zaps(f, &r->body);
	add_tuners(f, &r->body);
}
