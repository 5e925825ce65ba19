#include "amps-transcoder/av/log.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <libavutil/log.h>

#include "common/log/log.h"
#include "common/text/text.h"

#define LINE_MAX_BYTES 240
#define RAW_MAX_BYTES  4096 /* a whole line: a cut URL could not be redacted */
#define LINES_KEPT     8
#define LINES_JOINED   3
#define SYSLOG_ERR     3
#define SYSLOG_WARNING 4
#define HTTP_HEADER    "header='" /* before a header of an HTTP response */

static struct {
	pthread_mutex_t lock;
	unsigned count; /* lines kept since the last av_log_forget() */
	struct av_log_answers answers;
	char expression[LINE_MAX_BYTES]; /* last line of libav's evaluator */
	struct {
		int level;
		char text[LINE_MAX_BYTES];
	} lines[LINES_KEPT];
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool is_evaluator(void *object)
{
	const AVClass *class = object ? *(const AVClass *const *)object : NULL;

	return class && strcmp(class->class_name, "Eval") == 0;
}

static void keep(void *object, int level, const char *text)
{
	unsigned at;

	pthread_mutex_lock(&kept.lock);
	at = kept.count++ % LINES_KEPT;
	kept.lines[at].level = level;
	memcpy(kept.lines[at].text, text, LINE_MAX_BYTES);
	if (is_evaluator(object))
		memcpy(kept.expression, text, LINE_MAX_BYTES);
	pthread_mutex_unlock(&kept.lock);
}

static void note_http_header(const char *format, va_list args)
{
	char line[64];
	unsigned status;
	va_list copy;

	va_copy(copy, args);
	vsnprintf(line, sizeof(line), format, copy);
	va_end(copy);
	if (sscanf(line, HTTP_HEADER "HTTP/%*u.%*u %3u", &status) != 1)
		return;
	pthread_mutex_lock(&kept.lock);
	kept.answers.all++;
	kept.answers.redirects += status / 100 == 3;
	kept.answers.refusals += status == 403 || status == 410;
	pthread_mutex_unlock(&kept.lock);
}

/* One line, redacted, in `line` (of LINE_MAX_BYTES); empty if it says nothing.  Without the object:
 * its address in front says nothing, and the scale filter of FFmpeg 5.1 logs wrong flags with an
 * object that is none, in which av_log_format_line2() looks for a parent. */
static void format_line(int level, const char *format, va_list args, char *line)
{
	char raw[RAW_MAX_BYTES];
	int prefix = 1, n;

	n = av_log_format_line2(NULL, level, format, args, raw, sizeof(raw), &prefix);
	/* the last word of a line that was cut may be half a URL */
	if (n >= (int)sizeof(raw) && strrchr(raw, ' '))
		*strrchr(raw, ' ') = '\0';
	raw[strcspn(raw, "\r\n")] = '\0';
	text_redact_words(raw, line, LINE_MAX_BYTES);
}

static void on_line(void *object, int level, const char *format, va_list args)
{
	char line[LINE_MAX_BYTES] = "";

	if (level == AV_LOG_TRACE && strncmp(format, HTTP_HEADER, strlen(HTTP_HEADER)) == 0)
		note_http_header(format, args);
	if (level > AV_LOG_WARNING && !log_enabled(LOG_DEBUG))
		return;
	format_line(level, format, args, line);
	if (!*line || level > AV_LOG_VERBOSE)
		return;
	if (level <= AV_LOG_WARNING)
		keep(object, level, line);
	log_debug("libav: %s", line);
}

static void on_kept_line(void *object, int level, const char *format, va_list args)
{
	char line[LINE_MAX_BYTES] = "";

	if (level > AV_LOG_WARNING)
		return;
	format_line(level, format, args, line);
	if (*line)
		keep(object, level, line);
}

/* Log callback of libsrt, which else writes to stderr (its docs/API, srt_setloghandler).  Called
 * from its own threads; the levels are those of syslog(3). */
static void on_srt_line(void *opaque, int level, const char *file, int line, const char *area,
			const char *message)
{
	(void)opaque;
	(void)file;
	(void)line;
	(void)area;
	av_log(NULL,
	       level <= SYSLOG_ERR	 ? AV_LOG_ERROR
	       : level == SYSLOG_WARNING ? AV_LOG_WARNING
					 : AV_LOG_VERBOSE,
	       "srt: %s\n", message);
}

/* NULL if libavformat is built without SRT. */
static void listen_to_srt(void)
{
	void (*set_handler)(void *, typeof(on_srt_line) *);

	*(void **)(&set_handler) = dlsym(RTLD_DEFAULT, "srt_setloghandler");
	if (set_handler)
		set_handler(NULL, on_srt_line);
}

void av_log_install(void)
{
	av_log_set_callback(on_line);
	listen_to_srt();
}

void av_log_keep_only(bool on)
{
	av_log_set_callback(on ? on_kept_line : av_log_default_callback);
}

#ifdef __GLIBC__
/* The level of a line that a library wrote to stderr, or -1 for a line of unknown form. */
static int stderr_level(const char *line)
{
	static const struct {
		const char *begin;
		int level;
	} known[] = {
		{"x265 [error]", AV_LOG_ERROR}, {"x265 [warning]", AV_LOG_WARNING},
		{"x265 [", AV_LOG_VERBOSE},	{"encoded ", AV_LOG_VERBOSE},
		{"x264 [error]", AV_LOG_ERROR}, {"x264 [warning]", AV_LOG_WARNING},
		{"x264 [", AV_LOG_VERBOSE},	{"libnuma: ", AV_LOG_VERBOSE},
	};

	for (size_t i = 0; i < array_size(known); i++)
		if (!strncmp(line, known[i].begin, strlen(known[i].begin)))
			return known[i].level;
	return -1;
}

static ssize_t on_stderr(void *cookie, const char *bytes, size_t n)
{
	(void)cookie;
	for (size_t at = 0, len; at < n; at += len + 1) {
		const char *end = memchr(bytes + at, '\n', n - at);
		char line[LINE_MAX_BYTES];
		int level;

		len = end ? (size_t)(end - bytes) - at : n - at;
		snprintf(line, sizeof(line), "%.*s", (int)MIN(len, sizeof(line)), bytes + at);
		line[strcspn(line, "\r")] = '\0';
		level = stderr_level(line);
		if (*line && level < 0)
			log_warn("a library wrote to stderr: '%s'", line);
		else if (*line)
			av_log(NULL, level, "%s\n", line);
	}
	return (ssize_t)n;
}

/* x265, libnuma and others print to the stream stderr instead of calling the log of libav.  Without
 * this their raw lines would mix with our log, which goes to the descriptor. */
void av_log_take_stderr(void)
{
	FILE *f = fopencookie(NULL, "w", (cookie_io_functions_t){.write = on_stderr});

	if (!f)
		return;
	setvbuf(f, NULL, _IOLBF, 0);
	stderr = f;
}
#else
/* stderr is a constant there. */
void av_log_take_stderr(void)
{
}
#endif

void av_log_forget(void)
{
	pthread_mutex_lock(&kept.lock);
	kept.count = 0;
	kept.expression[0] = '\0';
	kept.answers = (struct av_log_answers){0};
	pthread_mutex_unlock(&kept.lock);
}

struct av_log_answers av_log_http_answers(void)
{
	struct av_log_answers answers;

	pthread_mutex_lock(&kept.lock);
	answers = kept.answers;
	pthread_mutex_unlock(&kept.lock);
	return answers;
}

void av_log_expression(char *dst, size_t cap)
{
	pthread_mutex_lock(&kept.lock);
	text_copy(dst, cap, kept.expression);
	pthread_mutex_unlock(&kept.lock);
}

/* The level to report: errors if there are any, else warnings. */
static int worst_level(unsigned first)
{
	for (unsigned i = first; i < kept.count; i++)
		if (kept.lines[i % LINES_KEPT].level <= AV_LOG_ERROR)
			return AV_LOG_ERROR;
	return AV_LOG_WARNING;
}

void av_log_last(char *dst, size_t cap)
{
	const char *joined[LINES_JOINED];
	unsigned n = 0, first;
	size_t used = 0;
	int level;

	*dst = '\0';
	pthread_mutex_lock(&kept.lock);
	first = kept.count > LINES_KEPT ? kept.count - LINES_KEPT : 0;
	level = worst_level(first);
	for (unsigned i = kept.count; i > first && n < LINES_JOINED; i--) {
		const char *text = kept.lines[(i - 1) % LINES_KEPT].text;

		if (kept.lines[(i - 1) % LINES_KEPT].level <= level &&
		    (n == 0 || strcmp(joined[n - 1], text) != 0))
			joined[n++] = text;
	}
	while (n-- && used < cap)
		used += (size_t)snprintf(dst + used, cap - used, "%s%s", used ? "; " : "",
					 joined[n]);
	pthread_mutex_unlock(&kept.lock);
}
