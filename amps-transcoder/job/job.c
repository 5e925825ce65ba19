#include "amps-transcoder/job/job.h"

#include <assert.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include <libavutil/error.h>

#include "amps-transcoder/av/log.h"
#include "amps-transcoder/job/device_hint.h"
#include "common/clock.h"
#include "common/hash.h"
#include "common/log/log.h"
#include "common/text/text.h"

#define HEARTBEAT_US	  250000 /* twice as often as the master needs */
#define INTERRUPT_LOOK_US 20000	 /* how often a blocked libav looks at the socket */
#define TICK_US		  25000
#define READ_US		  100000
#define SEND_PATIENCE_MS  1000

void job_event_done(struct job_event *e)
{
	close_fd(&e->fd);
	json_decref(e->spec);
	*e = JOB_EVENT_INIT;
}

static void heartbeat(struct job *job, uint64_t now_us)
{
	if (now_us - job->heartbeat_us < HEARTBEAT_US)
		return;
	job->heartbeat_us = now_us;
	log_tick();
	for (unsigned i = 0; i < JOB_RINGS_MAX; i++)
		if (job->rings[i])
			ring_writer_heartbeat(job->rings[i], now_us);
}

void job_on_tick(struct job *job, void (*tick)(void *owner), void *owner)
{
	job->tick = tick;
	job->tick_owner = owner;
}

static void beat(struct job *job, uint64_t now_us)
{
	heartbeat(job, now_us);
	if (job->tick)
		job->tick(job->tick_owner);
}

void job_ring_add(struct job *job, struct ring_writer *w)
{
	assert(w && w->header);
	for (unsigned i = 0; i < JOB_RINGS_MAX; i++)
		if (!job->rings[i]) {
			job->rings[i] = w;
			ring_writer_heartbeat(w, clock_mono_us());
			return;
		}
	log_warn("there is no room for another ring, going on without its heartbeat");
}

void job_ring_remove(struct job *job, struct ring_writer *w)
{
	for (unsigned i = 0; i < JOB_RINGS_MAX; i++)
		if (job->rings[i] == w)
			job->rings[i] = NULL;
}

static void job_set_broken(struct job *job, const char *why)
{
	if (!job->broken)
		log_debug("lost the connection to the master (%s), ending", why);
	job->broken = true;
	job->shutdown = true;
}

/* Decodes a message into an event. 0 or -EBADMSG. */
static int decode_output(struct msg *m, struct job_event *e)
{
	struct msg_job_output d;
	int r = msg_decode_job_output(m->bytes, m->len, &d);

	if (r < 0)
		return r;
	if (*d.spec) {
		e->spec = json_loads(d.spec, 0, NULL);
		if (!e->spec)
			return -EBADMSG;
	}
	e->kind = JOB_EVENT_OUTPUT;
	e->fd = TAKE_FD(m->fds[0]);
	e->output = d.output;
	e->generation = d.generation;
	e->data_bytes = d.data_bytes;
	if (d.form >= OUTPUT_FORM_COUNT_ || !text_copy(e->track, sizeof(e->track), d.track))
		return -EBADMSG;
	e->form = d.form;
	e->continue_90k = d.continue_90k;
	e->continue_clock_90k = d.continue_clock_90k;
	e->continue_mono_us = d.continue_mono_us;
	return 0;
}

static int decode_output_off(struct msg *m, struct job_event *e)
{
	struct msg_job_output_off d;
	int r = msg_decode_job_output_off(m->bytes, m->len, &d);

	if (r < 0)
		return r;
	e->kind = JOB_EVENT_OUTPUT_OFF;
	e->output = d.output;
	return 0;
}

static int decode_source_ring(struct msg *m, struct job_event *e)
{
	struct msg_job_source_ring d;
	int r = msg_decode_job_source_ring(m->bytes, m->len, &d);

	if (r < 0)
		return r;
	e->kind = JOB_EVENT_SOURCE_RING;
	e->fd = TAKE_FD(m->fds[0]);
	e->output = d.output;
	e->generation = d.generation;
	e->data_bytes = d.data_bytes;
	e->unit_bytes = d.unit_bytes;
	e->same_job = d.same_job;
	return 0;
}

static int decode_window(struct msg *m, struct job_event *e)
{
	struct msg_job_window d;
	int r = msg_decode_job_window(m->bytes, m->len, &d);

	if (r < 0)
		return r;
	e->kind = JOB_EVENT_WINDOW;
	e->percent = MIN(d.percent, 100u);
	return 0;
}

static int decode_event(struct msg *m, struct job_event *e)
{
	switch (m->type) {
	case MSG_JOB_OUTPUT:
		return decode_output(m, e);
	case MSG_JOB_OUTPUT_OFF:
		return decode_output_off(m, e);
	case MSG_JOB_SOURCE_RING:
		return decode_source_ring(m, e);
	case MSG_JOB_WINDOW:
		return decode_window(m, e);
	case MSG_SHUTDOWN:
		e->kind = JOB_EVENT_SHUTDOWN;
		return 0;
	default:
		return -EBADMSG;
	}
}

/* Moves one waiting message into the queue; false when there is none (or no room). */
static bool take_message(struct job *job)
{
	struct job_event *e;
	struct msg m;
	int r;

	if (job->broken || job->event_count == JOB_EVENTS_MAX)
		return false;
	r = msg_receive(job->socket, &m);
	if (r == -EAGAIN)
		return false;
	if (r < 0) {
		job_set_broken(job, strerror(-r));
		return false;
	}
	e = &job->events[(job->event_first + job->event_count) % JOB_EVENTS_MAX];
	*e = JOB_EVENT_INIT;
	r = decode_event(&m, e);
	msg_done(&m);
	if (r < 0) {
		job_event_done(e);
		job_set_broken(job, "unknown message");
		return false;
	}
	if (e->kind == JOB_EVENT_SHUTDOWN)
		job->shutdown = true;
	else
		job->event_count++;
	return true;
}

static void pump(struct job *job)
{
	beat(job, clock_mono_us());
	while (take_message(job))
		;
}

void job_poll(struct job *job, struct job_event *ret)
{
	pump(job);
	*ret = JOB_EVENT_INIT;
	if (job->shutdown) {
		ret->kind = JOB_EVENT_SHUTDOWN;
		return;
	}
	if (!job->event_count)
		return;
	assert(job->event_count <= JOB_EVENTS_MAX && job->event_first < JOB_EVENTS_MAX);
	*ret = job->events[job->event_first];
	job->events[job->event_first] = JOB_EVENT_INIT;
	job->event_first = (job->event_first + 1) % JOB_EVENTS_MAX;
	job->event_count--;
}

bool job_wait(struct job *job, unsigned timeout_ms)
{
	uint64_t end_us = clock_mono_us() + timeout_ms * 1000ull;
	uint64_t step_us = job->tick ? TICK_US : HEARTBEAT_US;

	for (;;) {
		struct pollfd p = {.fd = job->socket, .events = POLLIN};
		uint64_t now_us = clock_mono_us();
		uint64_t left_us = end_us > now_us ? end_us - now_us : 0;
		struct timespec t = {.tv_nsec = (long)MIN(left_us, step_us) * 1000};

		beat(job, now_us);
		if (job->shutdown || job->event_count || ppoll(&p, 1, &t, NULL) > 0)
			return true;
		if (left_us <= step_us)
			return false;
	}
}

int job_read_ms(const struct job *job)
{
	return (job->tick ? TICK_US : READ_US) / 1000;
}

bool job_deadline_passed(const struct job *job)
{
	return job->deadline_us && clock_mono_us() >= job->deadline_us;
}

int job_interrupt(void *opaque)
{
	struct job *job = opaque;
	uint64_t now_us = clock_mono_us();

	if (now_us - job->looked_us >= INTERRUPT_LOOK_US) {
		job->looked_us = now_us;
		pump(job);
	}
	return job->shutdown || (job->deadline_us && now_us >= job->deadline_us);
}

bool job_ending(const struct job *job)
{
	return job->shutdown;
}

bool job_switched_off(const struct job *job, uint32_t output)
{
	for (unsigned i = 0; i < job->event_count; i++) {
		const struct job_event *e = &job->events[(job->event_first + i) % JOB_EVENTS_MAX];

		if (e->kind == JOB_EVENT_OUTPUT_OFF && e->output == output)
			return true;
	}
	return false;
}

/* Sends, and retries for SEND_PATIENCE_MS while the socket is full. */
#define SEND(job, name, ...)                                                                       \
	do {                                                                                       \
		struct msg_##name words_ = {__VA_ARGS__};                                          \
		int sent_;                                                                         \
                                                                                                   \
		do                                                                                 \
			sent_ = msg_send_##name((job)->socket, &words_, NULL);                     \
		while (sent_ == -EAGAIN && writable(job));                                         \
		if (sent_ < 0)                                                                     \
			job_set_broken(job, strerror(-sent_));                                     \
	} while (0)

static bool writable(struct job *job)
{
	struct pollfd p = {.fd = job->socket, .events = POLLOUT};

	return poll(&p, 1, SEND_PATIENCE_MS) > 0;
}

void job_report_mapped(struct job *job, uint32_t output, uint64_t generation)
{
	SEND(job, job_mapped, .output = output, .generation = generation);
}

void job_report_running(struct job *job, uint32_t output, uint64_t generation)
{
	SEND(job, job_running, .output = output, .generation = generation);
}

void job_report_ring_small(struct job *job, uint32_t output, uint64_t wanted_bytes)
{
	SEND(job, job_ring_small, .output = output, .wanted_bytes = wanted_bytes);
}

void job_report_source(struct job *job, enum source_kind kind, bool live, bool pictures,
		       const char *streams)
{
	log_debug("the source is open live=%d streams=%s", live, streams);
	SEND(job, job_source, .kind = (uint8_t)kind, .live = live, .pictures = pictures);
}

static void job_report_stalled(struct job *job)
{
	SEND(job, job_stalled, .none_ = {});
}

static bool noticed_before(struct job *job, const char *text)
{
	uint64_t hash = hash_text(HASH_START, text);

	for (unsigned i = 0; i < job->notice_count; i++)
		if (job->notices[i] == hash)
			return true;
	if (job->notice_count == JOB_NOTICES_MAX)
		return true;
	job->notices[job->notice_count++] = hash;
	return false;
}

void job_report_notice(struct job *job, const char *format, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (!noticed_before(job, text))
		SEND(job, job_notice, .text = text);
}

void job_report_gop(struct job *job, unsigned longest_ms)
{
	SEND(job, job_gop, .longest_ms = longest_ms);
}

void job_report_content(struct job *job, enum content_fault fault)
{
	SEND(job, job_content, .fault = (uint8_t)fault);
}

void job_report_slow(struct job *job, bool slow)
{
	SEND(job, job_slow, .slow = slow);
}

void job_report_effort(struct job *job, unsigned permil, uint64_t dropped)
{
	SEND(job, job_effort, .permil = permil, .dropped = dropped);
}

void job_report_rate(struct job *job, unsigned permil)
{
	SEND(job, job_rate, .permil = permil);
}

int job_end_shutdown(struct job *job)
{
	assert(job->shutdown);
	log_debug("asked to end");
	(void)job;
	return 0;
}

int job_end_ended(struct job *job)
{
	log_info("the source came to its end");
	SEND(job, job_ended, .none_ = {});
	return 0;
}

int job_end_silent(struct job *job, const char *shown, bool begun, uint64_t timeout_us)
{
	job->deadline_us = 0;
	if (begun)
		job_report_stalled(job);
	return job_end_failed(job, 504, "the source %s sent %s %llu ms", shown,
			      begun ? "nothing that can be played for" : "nothing within",
			      (unsigned long long)(timeout_us / 1000));
}

int job_end_failed(struct job *job, unsigned status, const char *format, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list args;

	assert(status == 502 || status == 504);
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_warn("%s, ending the job status=%u", text, status);
	SEND(job, job_failed, .status = status, .text = text);
	return 1;
}

/* Why libav failed: its last log lines, because a bare error code does not help an operator. */
static void reason_av(char *dst, size_t cap, const char *what, int averror)
{
	char lines[ERROR_TEXT_MAX - 64];

	av_log_last(lines, sizeof(lines));
	if (!*lines)
		av_strerror(averror, lines, sizeof(lines));
	snprintf(dst, cap, "%s: %s%s", what, lines, device_hint(what));
}

int job_end_failed_av(struct job *job, unsigned status, const char *what, int averror)
{
	char text[ERROR_TEXT_MAX];

	reason_av(text, sizeof(text), what, averror);
	return job_end_failed(job, status, "%s", text);
}

void job_report_output_failed(struct job *job, uint32_t output, uint64_t generation,
			      const char *what, int averror)
{
	char text[ERROR_TEXT_MAX];

	if (averror)
		reason_av(text, sizeof(text), what, averror);
	else
		snprintf(text, sizeof(text), "%s", what);
	log_warn("%s, this output stops output=%u", text, output);
	SEND(job, job_output_failed, .output = output, .generation = generation, .status = 502,
	     .text = text);
}

void job_report_output_full(struct job *job, uint32_t output, uint64_t generation, const char *why)
{
	log_warn("%s, this output stops output=%u", why, output);
	SEND(job, job_output_failed, .output = output, .generation = generation, .status = 503,
	     .text = why);
}

const char *job_spec_text(const struct job *job, const char *name, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(job->spec, name));

	return text ? text : otherwise;
}

int64_t job_spec_int(const struct job *job, const char *name, int64_t otherwise)
{
	const json_t *v = json_object_get(job->spec, name);

	return json_is_integer(v) ? json_integer_value(v) : otherwise;
}

bool job_spec_bool(const struct job *job, const char *name)
{
	return json_is_true(json_object_get(job->spec, name));
}

int job_open(struct job *job, int socket)
{
	assert(socket >= 0);
	*job = (struct job){.socket = socket, .keeper = -1};
	SEND(job, hello, .program = "job", .version = AMPS_VERSION, .pid = (uint32_t)getpid());
	SEND(job, ready, .none_ = {});
	return job->broken ? -EPIPE : 0;
}

const char *job_role_name(const struct job *job)
{
	static const char *const names[JOB_ROLE_COUNT_] = {[JOB_DERIVE] = " derive",
							   [JOB_SEGMENT] = " segment",
							   [JOB_SLATE] = " slate",
							   [JOB_WATCH] = " watch"};

	assert(job->role < JOB_ROLE_COUNT_);
	return names[job->role] ? names[job->role] : "";
}

/* Reads the JOB message. 0, -EBADMSG, -ENOMEM. */
static int take_orders(struct job *job, const struct msg *m)
{
	struct msg_job d;
	int r;

	if (m->type != MSG_JOB)
		return -EBADMSG;
	r = msg_decode_job(m->bytes, m->len, &d);
	if (r < 0)
		return r;
	if (d.role >= JOB_ROLE_COUNT_ || strlen(d.key) >= sizeof(job->key))
		return -EBADMSG;
	job->spec = json_loads(d.spec, 0, NULL);
	if (!json_is_object(job->spec))
		return -EBADMSG;
	job->role = (enum job_role)d.role;
	strncpy(job->key, d.key, sizeof(job->key) - 1);
	job->continue_90k = d.continue_90k;
	job->continue_mono_us = d.continue_mono_us;
	job->epoch_mono_us = d.epoch_mono_us;
	job->master_pid = (pid_t)d.master_pid;
	job->start_timeout_us =
		1000ull * (d.restart_ms ? d.restart_ms
					: (uint64_t)job_spec_int(job, "start_timeout_ms",
								 JOB_START_TIMEOUT_MS));
	snprintf(job->program, sizeof(job->program), "job[%s%s]", job->key, job_role_name(job));
	log_init(job->program, (enum log_level)MIN(d.log_level, (uint32_t)LOG_ERROR), d.log_json);
	log_set_channel(job->key);
	return 0;
}

int job_await_orders(struct job *job)
{
	struct pollfd p = {.fd = job->socket, .events = POLLIN};
	struct msg m;
	int r;

	do {
		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			return -errno;
		r = msg_receive(job->socket, &m);
	} while (r == -EAGAIN);
	if (r < 0)
		return r;
	r = take_orders(job, &m);
	msg_done(&m);
	return r;
}

int job_follow_master(const struct job *job)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	return getppid() == job->master_pid ? 0 : -ESRCH;
}

void job_close(struct job *job)
{
	while (job->event_count) {
		job_event_done(&job->events[job->event_first]);
		job->event_first = (job->event_first + 1) % JOB_EVENTS_MAX;
		job->event_count--;
	}
	json_decref(job->spec);
	json_decref(job->hardware);
	job->spec = job->hardware = NULL;
	close_fd(&job->keeper);
	close_fd(&job->socket);
}
