#include "amps-transcoder/encode/hardware.h"

#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "amps-transcoder/av/log.h"
#include "amps-transcoder/job/device_hint.h"
#include "amps-transcoder/options/hardware_name.h"
#include "amps-transcoder/options/options.h"
#include "amps-transcoder/options/profile.h"
#include "common/clock.h"
#include "common/log/log.h"
#include "common/text/text.h"

/* A picture that every encoder takes. */
#define TRIAL_WIDTH  640
#define TRIAL_HEIGHT 360

#define VERDICT_MAX   512
#define REAP_TRIES    20
#define REAP_PAUSE_US 5000

/* The device that an output needs. */
struct device_need {
	char name[32], device[128]; /* as written; device "" = the first */
	enum AVHWDeviceType type;   /* NONE: `auto`, or unknown */
	const AVCodec *encoder;	    /* that the profile names; NULL = the device's */
	bool encoded;		    /* by hardware */
	bool fallback;
	char key[VERDICT_MAX]; /* of its verdict in job->hardware */
};

/* A trial in a process of its own. */
struct trial {
	struct device_need need;
	pid_t pid;
	int fd; /* of its verdict: '+' and libav's name of the type, or '-' and the reason */
};

/* False: the output needs no hardware. */
static bool need_read(const json_t *spec, struct device_need *n)
{
	char problem[ERROR_TEXT_MAX];
	struct profile p;
	bool wanted;

	/* a profile that cannot be read is reported when its output begins */
	if (profile_init(&p, spec, NULL, problem, sizeof(problem)) < 0)
		return false;
	wanted = p.hardware.name && p.video.use == USE_ENCODE;
	*n = (struct device_need){.type = p.hardware.type, .fallback = p.hardware.fallback};
	if (wanted) {
		n->encoded = !p.video.named || option_is_hardware(p.video.codec->name);
		n->encoder = p.video.named && n->encoded ? p.video.codec : NULL;
		text_copy(n->name, sizeof(n->name), p.hardware.name);
		text_copy(n->device, sizeof(n->device), p.hardware.device ? p.hardware.device : "");
		snprintf(n->key, sizeof(n->key), "%s %s %d %s", n->name, n->device, n->encoded,
			 n->encoder ? n->encoder->name : "");
	}
	profile_done(&p);
	return wanted;
}

static bool is_auto(const struct device_need *n)
{
	return strcasecmp(n->name, "auto") == 0;
}

static bool is_known(const struct device_need *n)
{
	return n->type != AV_HWDEVICE_TYPE_NONE || is_auto(n);
}

/* ---------- in a trial ---------- */

/* A picture of the device, or one in memory for an encoder that uploads by itself. */
static int make_picture(AVBufferRef *device, enum AVPixelFormat format, const AVCodec *encoder,
			AVCodecContext *ctx, AVFrame *frame)
{
	AVHWFramesContext *frames;
	int r;

	frame->width = ctx->width;
	frame->height = ctx->height;
	if (!hardware_takes(encoder, format)) {
		frame->format = ctx->pix_fmt = AV_PIX_FMT_NV12;
		ctx->hw_device_ctx = av_buffer_ref(device);
		return av_frame_get_buffer(frame, 0);
	}
	ctx->pix_fmt = format;
	ctx->hw_frames_ctx = av_hwframe_ctx_alloc(device);
	if (!ctx->hw_frames_ctx)
		return AVERROR(ENOMEM);
	frames = (AVHWFramesContext *)ctx->hw_frames_ctx->data;
	frames->format = format;
	frames->sw_format = AV_PIX_FMT_NV12;
	frames->width = ctx->width;
	frames->height = ctx->height;
	frames->initial_pool_size = 8;
	r = av_hwframe_ctx_init(ctx->hw_frames_ctx);
	return r < 0 ? r : av_hwframe_get_buffer(ctx->hw_frames_ctx, frame, 0);
}

static int encode_picture(AVCodecContext *ctx, AVFrame *frame)
{
	AVPacket *packet = av_packet_alloc();
	int r = packet ? avcodec_send_frame(ctx, frame) : AVERROR(ENOMEM);

	if (r >= 0)
		r = avcodec_send_frame(ctx, NULL);
	if (r >= 0)
		r = avcodec_receive_packet(ctx, packet);
	av_packet_free(&packet);
	return r;
}

static int try_encoder(AVBufferRef *device, enum AVPixelFormat format, const AVCodec *encoder)
{
	AVCodecContext *ctx = avcodec_alloc_context3(encoder);
	AVFrame *frame = av_frame_alloc();
	int r = AVERROR(ENOMEM);

	if (ctx && frame) {
		ctx->width = TRIAL_WIDTH;
		ctx->height = TRIAL_HEIGHT;
		ctx->time_base = (AVRational){1, 25};
		r = make_picture(device, format, encoder, ctx, frame);
	}
	if (r >= 0)
		r = avcodec_open2(ctx, encoder, NULL);
	if (r >= 0)
		r = encode_picture(ctx, frame);
	av_frame_free(&frame);
	avcodec_free_context(&ctx);
	return r;
}

static int try_type(const struct device_need *n, enum AVHWDeviceType type)
{
	const AVCodec *encoder = n->encoder ? n->encoder : hardware_encoder(type);
	AVBufferRef *device = NULL;
	int r = av_hwdevice_ctx_create(&device, type, *n->device ? n->device : NULL, NULL, 0);

	if (r >= 0 && n->encoded && encoder)
		r = try_encoder(device, hardware_format(type), encoder);
	av_buffer_unref(&device);
	return r;
}

/* Writes the verdict. */
static void try_need(const struct device_need *n, int fd)
{
	const enum AVHWDeviceType one[] = {n->type, AV_HWDEVICE_TYPE_NONE};
	const enum AVHWDeviceType *type = is_auto(n) ? hardware_auto : one;
	char reason[VERDICT_MAX] = "";
	int r = AVERROR(ENOSYS);

	av_log_forget();
	while (*type != AV_HWDEVICE_TYPE_NONE && (r = try_type(n, *type)) < 0)
		type++;
	if (r >= 0) {
		dprintf(fd, "+%s", av_hwdevice_get_type_name(*type));
		return;
	}
	av_log_last(reason, sizeof(reason));
	dprintf(fd, "-%s", *reason ? reason : av_err2str(r));
}

/* In the forked process. */
static int run_trial(struct job *job, const struct device_need *n, int fd,
		     int (*enter)(struct job *job))
{
	char name[TUNER_KEY_MAX + 16];
	int r;

	/* with a copy of the job's own socket the master would not see the end of the job */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || dup3(fd, MSG_CHILD_FD, O_CLOEXEC) < 0 ||
	    close_range(MSG_CHILD_FD + 1, ~0u, 0) < 0)
		return 1;
	snprintf(name, sizeof(name), "hwaccel[%s]", job->key);
	log_forked(name);
	av_log_keep_only(true);
	job->socket = -1;
	r = enter(job);
	if (r < 0)
		dprintf(MSG_CHILD_FD, "-the sandbox could not be entered: %s", strerror(-r));
	else
		try_need(n, MSG_CHILD_FD);
	return 0;
}

/* ---------- in the job ---------- */

static int trial_start(struct trial *t, struct job *job, int (*enter)(struct job *job))
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	t->pid = fork();
	if (t->pid == 0)
		_exit(run_trial(job, &t->need, fds[1], enter));
	close(fds[1]);
	t->fd = fds[0];
	if (t->pid > 0)
		return 0;
	close_fd(&t->fd);
	return -errno;
}

/* Reads the verdict until it is there, its process has ended, or time is up.  False: time is up. */
static bool read_verdict(const struct trial *t, uint64_t end_us, char *text, size_t cap)
{
	size_t len = 0;

	for (;;) {
		struct pollfd p = {.fd = t->fd, .events = POLLIN};
		uint64_t now_us = clock_mono_us();
		int left_ms = now_us < end_us ? (int)((end_us - now_us) / 1000) : 0;
		ssize_t n;

		assert(len < cap);
		text[len] = '\0';
		if (poll(&p, 1, left_ms) == 0)
			return false;
		n = read(t->fd, text + len, cap - 1 - len);
		if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
			return true;
		len += n > 0 ? (size_t)n : 0;
	}
}

/* A process that hangs in the kernel may survive even SIGKILL for a while. */
static int trial_reap(const struct trial *t)
{
	int status = 0;

	assert(t->pid > 0); /* kill() takes others as groups */
	kill(t->pid, SIGKILL);
	for (int i = 0; i < REAP_TRIES && waitpid(t->pid, &status, WNOHANG) == 0; i++)
		usleep(REAP_PAUSE_US);
	return status;
}

static void trial_end(struct trial *t, uint64_t end_us, char *text, size_t cap)
{
	bool answered = read_verdict(t, end_us, text, cap);
	int status = trial_reap(t);

	if (!answered)
		snprintf(text, cap, "-its driver did not answer within %d ms", HARDWARE_PROBE_MS);
	else if (!*text && WIFSIGNALED(status))
		snprintf(text, cap, "-its driver crashed (signal %d)", WTERMSIG(status));
	else if (!*text)
		snprintf(text, cap, "-its driver crashed");
	close_fd(&t->fd);
}

static void set_verdict(struct job *job, const struct device_need *n, const char *text)
{
	/* without memory the device counts as not tried */
	(void)json_object_set_new(job->hardware, n->key, json_stringn_nocheck(text, strlen(text)));
}

/* The needs that differ. */
static unsigned collect(const struct job *job, struct trial *trials)
{
	const json_t *outputs = json_object_get(job->spec, "outputs"), *spec;
	unsigned n = 0;
	size_t i;

	json_array_foreach (outputs, i, spec) {
		struct trial *t = &trials[n];
		unsigned same = 0;

		if (n == HARDWARE_MAX || !need_read(spec, &t->need) || !is_known(&t->need))
			continue;
		while (strcmp(trials[same].need.key, t->need.key) != 0)
			same++;
		n += same == n;
	}
	assert(n <= HARDWARE_MAX);
	return n;
}

void hardware_probe(struct job *job, int (*enter)(struct job *job))
{
	uint64_t end_us = clock_mono_us() + HARDWARE_PROBE_MS * 1000ull;
	struct trial trials[HARDWARE_MAX];
	unsigned n = collect(job, trials);
	json_t *verdicts = n ? json_object() : NULL;
	char text[VERDICT_MAX];
	int r[HARDWARE_MAX];

	assert(!job->hardware);
	for (unsigned i = 0; i < n; i++)
		r[i] = trial_start(&trials[i], job, enter);
	job->hardware = verdicts;
	for (unsigned i = 0; i < n; i++) {
		if (r[i] == 0)
			trial_end(&trials[i], end_us, text, sizeof(text));
		else
			snprintf(text, sizeof(text), "-it cannot be tried: %s", strerror(-r[i]));
		set_verdict(job, &trials[i].need, text);
	}
}

bool hardware_needed(const struct job *job)
{
	struct trial trials[HARDWARE_MAX];
	const char *key;
	json_t *verdict;

	if (!job->hardware)
		return collect(job, trials) > 0;
	json_object_foreach (job->hardware, key, verdict)
		if (*json_string_value(verdict) == '+')
			return true;
	return false;
}

/* Opens the device, or finds it open.  A libav error. */
static int open_device(struct hardware_set *set, enum AVHWDeviceType type, const char *device,
		       const struct hardware **ret)
{
	struct hardware *h = set->list;
	int r;

	for (; h < set->list + set->count; h++)
		if (h->type == type && strcmp(h->device, device) == 0) {
			*ret = h;
			return 0;
		}
	if (set->count == HARDWARE_MAX)
		return AVERROR(EMFILE);
	*h = (struct hardware){.type = type, .format = hardware_format(type)};
	text_copy(h->device, sizeof(h->device), device);
	av_log_forget();
	r = av_hwdevice_ctx_create(&h->ref, type, *device ? device : NULL, NULL, 0);
	if (r < 0)
		return r;
	set->count++;
	*ret = h;
	return 0;
}

/* Why the device cannot be used, in `why`; or opens it. */
static int use_device(struct hardware_set *set, const struct job *job, const struct device_need *n,
		      json_t *spec, const struct hardware **ret, char *why, size_t cap)
{
	const char *verdict = json_string_value(json_object_get(job->hardware, n->key));
	int r;

	*why = '\0';
	if (!is_known(n))
		snprintf(why, cap, "this libav knows no such hardware");
	else if (!verdict)
		snprintf(why, cap, "it was not tried");
	else if (*verdict != '+')
		snprintf(why, cap, "%s", verdict + 1);
	if (*why)
		return -ENODEV;
	r = open_device(set, hardware_type(verdict + 1), n->device, ret);
	if (r < 0) {
		av_log_last(why, cap);
		if (!*why)
			snprintf(why, cap, "%s", av_err2str(r));
		return -ENODEV;
	}
	/* "auto" has become this one */
	return is_auto(n) && json_object_set_new(json_object_get(spec, "hwaccel"), "type",
						 json_string(verdict + 1)) < 0
		       ? -ENOMEM
		       : 0;
}

int hardware_settle(struct hardware_set *set, struct job *job, json_t *spec,
		    const struct hardware **ret_hardware, char *problem, size_t cap)
{
	char why[ERROR_TEXT_MAX], where[sizeof(((struct device_need *)NULL)->device) + 4] = "";
	struct device_need n;
	int r;

	*ret_hardware = NULL;
	if (!need_read(spec, &n))
		return 0;
	r = use_device(set, job, &n, spec, ret_hardware, why, sizeof(why));
	if (r != -ENODEV)
		return r;
	if (*n.device)
		snprintf(where, sizeof(where), " (%s)", n.device);
	snprintf(problem, cap, "hwaccel %s%s cannot be used: %s%s", n.name, where, why,
		 device_hint("hwaccel"));
	if (!n.fallback)
		return -EINVAL;
	job_report_notice(job, "%s; going on in software", problem);
	*problem = '\0';
	json_object_del(spec, "hwaccel");
	return json_object_set_new(spec, "software", json_true()) < 0 ? -ENOMEM : 0;
}

void hardware_set_done(struct hardware_set *set)
{
	for (unsigned i = 0; i < set->count; i++)
		av_buffer_unref(&set->list[i].ref);
	set->count = 0;
}
