#include "amps-transcoder/source/source.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "amps-transcoder/av/log.h"
#include "amps-transcoder/options/url.h"
#include "amps-transcoder/sandbox/guard.h"
#include "amps-transcoder/source/hls_languages.h"
#include "amps-transcoder/source/joined.h"
#include "amps-transcoder/source/mpd.h"
#include "amps-transcoder/source/tls.h"
#include "amps-transcoder/ts/align.h"
#include "common/clock.h"
#include "common/log/log.h"
#include "common/text/text.h"

#define READ_BUFFER	 (64 << 10)
#define WHITELIST	 "protocol_whitelist"
#define LIVE_PROBE	 "1000000" /* bytes libav may look at to find the streams */
#define LIVE_START	 "-3"	   /* HLS: segments behind its end */
#define STALL_TARGETS	 3	   /* target durations */
#define UNKNOWN_TARGET_S 10	   /* a long one */
#define REDIRECTS	 8	   /* libav follows at most so many */

int source_init(struct source *s, struct job *job, const char **ret_problem)
{
	*s = (struct source){
		.job = job,
		.fd = -1,
		.udp = {.fd = -1},
		.command = {.keeper = job->keeper, .master = job->socket, .output = -1},
		.size = -1};
	if (job->keeper >= 0) {
		/* the command opens its source itself */
		s->url = "pipe:";
		snprintf(s->shown, sizeof(s->shown), "custom_ffmpeg");
	} else {
		s->url = job_spec_text(job, "source", "");
		s->pair = job_spec_text(job, "pair", NULL);
		s->sound = job_spec_text(job, "sound", NULL);
		s->looked_up = job_spec_text(job, "page", NULL) != NULL;
		text_redact_url(s->url, s->shown, sizeof(s->shown));
	}
	if (s->pair) {
		size_t n = strlen(s->shown);

		assert(n < sizeof(s->shown));
		snprintf(s->shown + n, sizeof(s->shown) - n, " + ");
		n = strlen(s->shown);
		text_redact_url(s->pair, s->shown + n, sizeof(s->shown) - n);
	}
	url_scheme(s->url, s->scheme, sizeof(s->scheme));
	if (!*s->url) {
		*ret_problem = "the channel has no source";
		return -EINVAL;
	}
	if (source_options_read(&s->options, job->spec) < 0) {
		*ret_problem = "an input option has no usable value";
		return -EINVAL;
	}
	source_tls_set(s->options.libav);
	s->ops = source_ops_of(s);
	return 0;
}

/* libav's error code as ours. */
static int errno_of(int averror)
{
	if (averror == AVERROR_EXIT)
		return -ECANCELED;
	/* libav's own codes are four letters, far below any errno */
	return averror < -4095 ? -EIO : averror;
}

static bool head_holds(const struct source *s, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= s->head_len; i++)
		if (strncasecmp((const char *)s->head + i, word, n) == 0)
			return true;
	return false;
}

/* Login pages, error pages and the like, after blanks and a byte order mark. */
static bool is_web_page(const struct source *s)
{
	size_t i = 0;

	while (i < s->head_len && memchr("\xef\xbb\xbf \t\r\n", s->head[i], 7))
		i++;
	return i < s->head_len && s->head[i] == '<' &&
	       (head_holds(s, "<!doctype html") || head_holds(s, "<html"));
}

/* Why it failed, if libav has logged no reason; else NULL. */
static const char *plain_reason(const struct source *s, int error)
{
	struct av_log_answers answers = av_log_http_answers();
	char lines[ERROR_TEXT_MAX];

	if (is_web_page(s))
		return "the source answered with a web page (HTML)";
	av_log_last(lines, sizeof(lines));
	if (*lines || errno_of(error) != -EIO ||
	    (strcmp(s->scheme, "http") != 0 && strcmp(s->scheme, "https") != 0))
		return NULL;
	if (answers.redirects >= REDIRECTS)
		return "the source redirects in a loop";
	return answers.all ? NULL : "the source closed the connection without an answer";
}

int source_failed(const struct source *s, int error)
{
	const char *reason = plain_reason(s, error);

	if (reason)
		return job_end_failed(s->job, 502, "%s: %s", s->shown, reason);
	return job_end_failed_av(s->job, 502, s->shown, error);
}

/* The reason why a blocking call of libav ended. */
int source_why_ended(const struct source *s, int averror)
{
	if (job_ending(s->job))
		return -ECANCELED;
	if (job_deadline_passed(s->job))
		return -ETIMEDOUT;
	return errno_of(averror);
}

/* An address that was looked up has expired: libav would skip the segments that are refused. */
static bool is_refused(const struct source *s)
{
	return s->looked_up && s->demuxing && av_log_http_answers().refusals > s->refusals;
}

static int on_interrupt(void *opaque)
{
	struct source *s = opaque;

	return playlist_watch_look(&s->playlists) || is_refused(s) || job_interrupt(s->job);
}

AVIOInterruptCB source_interrupt(struct source *s)
{
	return (AVIOInterruptCB){.callback = on_interrupt, .opaque = s};
}

/* Wrap the demuxer's own functions; source/dash.c and source/hls_languages.c wrap these. */
static int on_io_open(AVFormatContext *ic, AVIOContext **pb, const char *url, int flags,
		      AVDictionary **options)
{
	struct source *s = ic->interrupt_callback.opaque;
	int r = s->io_open(ic, pb, url, flags, options);

	if (r >= 0)
		playlist_watch_add(&s->playlists, *pb);
	return r;
}

static int on_io_close(AVFormatContext *ic, AVIOContext *pb)
{
	struct source *s = ic->interrupt_callback.opaque;

	playlist_watch_remove(&s->playlists, pb);
	return s->io_close(ic, pb);
}

/* A context that is interrupted for the job and whose playlists are watched; NULL without memory.
 */
static AVFormatContext *new_context(struct source *s)
{
	AVFormatContext *ic = avformat_alloc_context();

	if (!ic)
		return NULL;
	ic->interrupt_callback = source_interrupt(s);
	s->io_open = ic->io_open;
	s->io_close = ic->io_close2;
	ic->io_open = on_io_open;
	ic->io_close2 = on_io_close;
	return ic;
}

void source_note_media(struct source *s)
{
	playlist_watch_media(&s->playlists);
}

const char *source_problem(const struct source *s)
{
	if (s->command.finished)
		return s->command.text;
	if (is_refused(s))
		return "the server refuses the address that was found for the source";
	return *s->playlists.problem ? s->playlists.problem : NULL;
}

AVDictionary *source_libav_options(const struct source *s)
{
	const AVDictionaryEntry *list = av_dict_get(s->options.libav, WHITELIST, NULL, 0);
	AVDictionary *d = NULL;
	char granted[256];

	source_options_for_libav(&s->options, &d);
	guard_grant(s->scheme, list ? list->value : NULL, granted, sizeof(granted));
	av_dict_set(&d, WHITELIST, granted, 0);
	return d;
}

/* Reads only what the decision needs, so that a slow stream starts at once, and a page whose
 * connection stays open fails at once. */
int source_fill_head(struct source *s)
{
	while (s->head_len < sizeof(s->head)) {
		int n = s->ops->read(s, s->head + s->head_len, sizeof(s->head) - s->head_len);

		if (n == 0)
			break;
		if (n == AVERROR(EAGAIN) && !job_interrupt(s->job))
			continue;
		if (n < 0)
			return source_why_ended(s, n);
		s->head_len += (size_t)n;
		s->is_ts = ts_align_probe(s->head, s->head_len);
		if (s->is_ts)
			break;
		if (is_web_page(s))
			return -EBADMSG;
	}
	return s->head_len ? 0 : -ENODATA;
}

int source_open(struct source *s)
{
	int r;

	assert(s->ops->gives != SOURCE_FRAMES);
	av_log_forget();
	r = s->ops->open ? s->ops->open(s) : 0;
	/* libav handles seeking and formats that the operator names */
	if (!s->ops->datagrams &&
	    (s->options.seek_us || s->options.length_us ||
	     (*s->options.format && strcmp(s->options.format, "mpegts") != 0)))
		s->is_ts = false;
	/* libav's muxer extracts one programme of several, or some of the streams */
	if (s->options.programme || source_options_without_any(&s->options) || s->sound)
		s->is_ts = false;
	if (r == 0 && s->is_ts)
		source_options_leftover_ts(&s->options,
					   s->ops->protocol ? s->left : s->options.libav);
	return r;
}

ssize_t source_read(struct source *s, uint8_t *dst, size_t cap)
{
	int n;

	assert(s->head_at <= s->head_len && s->head_len <= sizeof(s->head));
	if (s->head_at < s->head_len) {
		size_t part = MIN(cap, s->head_len - s->head_at);

		memcpy(dst, s->head + s->head_at, part);
		s->head_at += part;
		return (ssize_t)part;
	}
	n = s->ops->read(s, dst, cap);
	/* libav reports the end of a stream of unknown length as an error */
	if (n == AVERROR(EIO) && s->avio && s->live && !job_interrupt(s->job))
		return 0;
	if (n >= 0)
		return n;
	return n == AVERROR(EAGAIN) && !job_deadline_passed(s->job) ? -EAGAIN
								    : source_why_ended(s, n);
}

struct rtp_pair_stats source_pair_stats(const struct source *s)
{
	return s->legs ? udp_pair_stats(s->legs) : (struct rtp_pair_stats){0};
}

int source_rewind(struct source *s)
{
	return s->ops->rewind ? s->ops->rewind(s) : -ESPIPE;
}

/* What libav needs to know about any source. */
static void common_options(AVDictionary **d)
{
	/* 33 bits are unwrapped by us */
	av_dict_set(d, "correct_ts_overflow", "0", 0);
	av_dict_set(d, "probesize", LIVE_PROBE, AV_DICT_DONT_OVERWRITE);
	/* the frame rate is not needed; guessing it from twenty pictures would take a second */
	av_dict_set(d, "fpsprobesize", "0", AV_DICT_DONT_OVERWRITE);
	av_dict_set(d, "live_start_index", LIVE_START, AV_DICT_DONT_OVERWRITE);
}

/* Read callback for libav: for our own sockets, and for sources that cannot be opened twice. */
static int read_for_libav(void *opaque, uint8_t *dst, int cap)
{
	struct source *s = opaque;
	ssize_t n;

	do {
		n = source_read(s, dst, (size_t)cap);
	} while (n == -EAGAIN && !job_interrupt(s->job));
	if (n == 0)
		return AVERROR_EOF;
	return n == -EAGAIN ? AVERROR_EXIT : (int)n;
}

AVIOContext *source_own_avio(struct source *s)
{
	uint8_t *buffer = s->own ? NULL : av_malloc(READ_BUFFER);

	if (buffer)
		s->own = avio_alloc_context(buffer, READ_BUFFER, 0, s, read_for_libav, NULL, NULL);
	if (!s->own)
		av_free(buffer);
	return s->own;
}

static int open_demuxer(struct source *s, AVFormatContext **ic, const AVInputFormat *format)
{
	AVDictionary *d = source_libav_options(s);
	const char *url = s->ops->local ? url_file_path(s->url) : s->url;
	/* if so, the protocol took its options when it was opened */
	bool opened = s->ops->protocol && (*ic)->pb;
	struct hls_languages *languages = hls_languages_watch(*ic);
	int r;

	common_options(&d);
	r = avformat_open_input(ic, url, format, &d);
	if (r >= 0) {
		if (languages)
			hls_languages_apply(languages, *ic);
		if (opened)
			source_options_common(&d, s->left);
		source_options_leftover(&s->options, d);
	}
	hls_languages_free(languages);
	av_dict_free(&d);
	return r;
}

static void look_at_demuxer(struct source *s, const AVFormatContext *ic)
{
	const char *format = ic->iformat->name;

	if (!strcmp(format, "dash") || !strcmp(format, "hls") || !strcmp(format, "sdp") ||
	    s->ops->gives == SOURCE_PACKETS)
		s->live = ic->duration == AV_NOPTS_VALUE;
	s->playlist = !strcmp(format, "hls") && !s->dash;
}

uint64_t source_stall_us(const struct source *s, const AVFormatContext *demuxer, uint64_t stall_us)
{
	const char *format = demuxer->iformat->name;
	unsigned target_s = s->dash ? dash_target_s(s->dash) : s->playlists.target_s;

	if (!s->live || (strcmp(format, "hls") != 0 && strcmp(format, "dash") != 0))
		return stall_us;
	return MAX(stall_us, STALL_TARGETS * (target_s ? target_s : UNKNOWN_TARGET_S) * 1000000ull);
}

/* True if it is a live DASH presentation; then *ic is open, or *ret is an error. */
static bool open_dash(struct source *s, AVFormatContext **ic, int *ret)
{
	struct dash_origin origin = {.url = s->url,
				     .options = s->options.libav,
				     .interrupt = {.callback = job_interrupt, .opaque = s->job},
				     .live = &s->live};
	AVDictionary *d = NULL;

	if (!s->avio || *s->options.format || !mpd_probe(s->head, s->head_len) ||
	    dash_new(&origin, s->avio, s->head + s->head_at, s->head_len - s->head_at, &s->dash) <
		    0)
		return false;
	d = source_libav_options(s);
	*ret = dash_prepare(s->dash, *ic, &d);
	if (*ret < 0) {
		avformat_free_context(*ic);
	} else {
		common_options(&d);
		*ret = avformat_open_input(ic, dash_url(), av_find_input_format("hls"), &d);
	}
	if (*ret >= 0) {
		source_options_common(&d, s->left);
		source_options_leftover(&s->options, d);
	}
	av_dict_free(&d);
	return true;
}

/* Opens the sound that comes from an address of its own, and joins it to *ic, which it takes in
 * failure.  0 or a libav error. */
static int join_sound(struct source *s, AVFormatContext **ic)
{
	AVDictionary *d = source_libav_options(s);
	AVFormatContext *sound = new_context(s);
	int r = sound ? 0 : AVERROR(ENOMEM);

	common_options(&d);
	if (r == 0)
		r = avformat_open_input(&sound, s->sound, NULL, &d);
	av_dict_free(&d);
	if (r >= 0)
		r = avformat_find_stream_info(sound, NULL);
	if (r >= 0)
		return joined_open(*ic, sound, ic);
	avformat_close_input(&sound);
	avformat_close_input(ic);
	return r;
}

int source_demuxer_open(struct source *s, AVFormatContext **ret)
{
	const AVInputFormat *format = NULL;
	AVFormatContext *ic;
	int r;

	if (*s->options.format) {
		format = av_find_input_format(s->options.format);
		if (!format)
			return AVERROR_DEMUXER_NOT_FOUND;
	}
	ic = new_context(s);
	if (!ic)
		return AVERROR(ENOMEM);
	if (!open_dash(s, &ic, &r)) {
		ic->pb = s->ops->avio ? s->ops->avio(s) : NULL;
		if (ic->pb && ic->pb == s->avio)
			playlist_watch_add(&s->playlists, s->avio);
		r = open_demuxer(s, &ic, format);
	}
	if (r < 0)
		return r;
	/* do not use a playlist that was cut short */
	r = source_problem(s) ? AVERROR_EXIT : avformat_find_stream_info(ic, NULL);
	if (r < 0) {
		avformat_close_input(&ic);
		return r;
	}
	r = s->sound ? join_sound(s, &ic) : 0;
	if (r < 0)
		return r;
	look_at_demuxer(s, ic);
	source_options_discard(&s->options, ic);
	s->refusals = av_log_http_answers().refusals;
	s->demuxing = true;
	*ret = ic;
	return 0;
}

int source_demuxer_read(struct source *s, AVFormatContext *ic, AVPacket *packet)
{
	return s->sound ? joined_read(ic, packet) : av_read_frame(ic, packet);
}

void source_demuxer_close(struct source *s, AVFormatContext **ic)
{
	if (s->sound)
		joined_close(ic);
	else
		avformat_close_input(ic);
}

int source_demuxer_to_begin(const struct source *s, AVFormatContext *ic)
{
	int64_t to = (ic->start_time == AV_NOPTS_VALUE ? 0 : ic->start_time) + s->options.seek_us;
	int r;

	if (s->sound)
		return joined_seek(ic, s->options.seek_us);
	r = avformat_seek_file(ic, -1, INT64_MIN, to, to, 0);
	return r < 0 && s->options.seek_us == 0 ? av_seek_frame(ic, -1, 0, AVSEEK_FLAG_BYTE) : r;
}

bool source_note_time(struct source *s, int64_t begin_90k, int64_t time_90k)
{
	s->complete = s->options.length_us && time_90k != TIME_NONE && begin_90k != TIME_NONE &&
		      time_90k - begin_90k >= s->options.length_us * 9 / 100;
	return s->complete;
}

/* libavformat's demuxer stops in the same way at the end of a playlist (EXT-X-ENDLIST, RFC 8216
 * 4.3.3.4) and at a playlist that is no longer updated; only reading it again shows which. */
static bool playlist_has_end(struct source *s)
{
	AVFormatContext *ic = new_context(s);
	AVDictionary *d = source_libav_options(s);
	bool ended = false;

	if (ic && avformat_open_input(&ic, s->url, av_find_input_format("hls"), &d) >= 0) {
		ended = ic->duration != AV_NOPTS_VALUE;
		avformat_close_input(&ic);
	}
	av_dict_free(&d);
	return ended;
}

bool source_has_ended(struct source *s)
{
	return !s->live || s->complete || (s->playlist && playlist_has_end(s));
}

void source_close(struct source *s)
{
	if (s->ops && s->ops->close)
		s->ops->close(s);
	s->dash = dash_free(s->dash);
	if (s->own)
		av_freep(&s->own->buffer);
	avio_context_free(&s->own);
	av_dict_free(&s->left);
	source_options_done(&s->options);
	source_tls_clear();
	s->ops = NULL;
}
