/* log.c - see log.h.  The sink is global, because a process has one stderr. */
#include "common/log/log.h"

#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "common/log/log_limit.h"
#include "common/log/log_line.h"

#define PATIENCE_MS 50 /* how long a write waits for the reader of stderr */

/* How writes are kept from blocking. */
enum sink_kind {
	SINK_OWN,    /* a pipe or terminal that was opened again with O_NONBLOCK */
	SINK_SOCKET, /* MSG_DONTWAIT */
	SINK_SHARED, /* a file, or what cannot be opened again: poll() before each write */
};

static struct {
	const char *program, *channel;
	enum log_level level;
	bool json;
	pid_t pid;
	pthread_mutex_t lock; /* of `limit`, and of writing */
	struct log_limit limit;
	int fd;
	enum sink_kind kind;
	unsigned lost;		 /* lines dropped since the last one that was written */
	struct log_line *kept;	 /* the last `keep` lines; NULL = none are kept */
	size_t keep, kept_count; /* kept_count: of all lines since log_keep() */
	void (*copy)(int64_t wall_us, enum log_level level, const char *tail);
} sink = {.program = "amps",
	  .level = LOG_INFO,
	  .lock = PTHREAD_MUTEX_INITIALIZER,
	  .fd = STDERR_FILENO,
	  .kind = SINK_SHARED};

static const char *const level_names[] = {"debug", "info", "warning", "error"};

/* Opens a pipe or terminal again, because O_NONBLOCK would apply to all processes that share the
 * open file of stderr.  A regular file is not opened again: its position must stay shared. */
static void open_sink(void)
{
	struct stat st = {0};
	int fd = -1;

	if (sink.fd != STDERR_FILENO && sink.pid == getpid())
		close(sink.fd);
	sink.fd = STDERR_FILENO;
	sink.kind = SINK_SHARED;
	if (fstat(STDERR_FILENO, &st) < 0)
		return;
	if (S_ISSOCK(st.st_mode))
		sink.kind = SINK_SOCKET;
	else if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))
		fd = open("/proc/self/fd/2",
			  O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return;
	sink.fd = fd;
	sink.kind = SINK_OWN;
}

void log_init(const char *program, enum log_level level, bool json)
{
	pthread_mutex_lock(&sink.lock);
	open_sink();
	sink.copy = NULL;
	pthread_mutex_unlock(&sink.lock);
	sink.program = program;
	sink.level = level;
	sink.json = json;
	sink.pid = getpid();
}

void log_forked(const char *program)
{
	log_init(program, sink.level, sink.json);
}

void log_set_level(enum log_level level)
{
	sink.level = level;
}

void log_set_channel(const char *key)
{
	sink.channel = key;
}

bool log_enabled(enum log_level level)
{
	return level >= sink.level;
}

bool log_is_json(void)
{
	return sink.json;
}

int log_parse_level(const char *text, enum log_level *ret)
{
	for (size_t i = 0; i < array_size(level_names); i++)
		if (!strcasecmp(text, level_names[i])) {
			*ret = (enum log_level)i;
			return 0;
		}
	if (!strcasecmp(text, "warn")) {
		*ret = LOG_WARNING;
		return 0;
	}
	return -EINVAL;
}

const char *log_level_name(enum log_level level)
{
	assert(level >= LOG_DEBUG && level <= LOG_ERROR);
	return level_names[level];
}

void log_set_copy(void (*copy)(int64_t wall_us, enum log_level level, const char *tail))
{
	pthread_mutex_lock(&sink.lock);
	sink.copy = copy;
	pthread_mutex_unlock(&sink.lock);
}

/* The program's name and the level need no escapes. */
static int print_head(char *dst, size_t cap, int64_t wall_us, enum log_level level,
		      const char *program, pid_t pid)
{
	char when[TIME_TEXT_MAX];

	assert(level < array_size(level_names));
	time_format_ms(wall_us, when);
	return snprintf(dst, cap,
			sink.json ? "{\"ts\":\"%s\",\"level\":\"%s\",\"program\":\"%s\",\"pid\":%d,"
				  : "%s %-7s %s[%d] ",
			when, level_names[level], program, (int)pid);
}

int log_head(char *dst, size_t cap, int64_t wall_us, enum log_level level)
{
	return print_head(dst, cap, wall_us, level, sink.program, sink.pid);
}

static int print_text(char *line, size_t cap, const struct log_held *h)
{
	char more[64] = "";

	if (h->more)
		snprintf(more, sizeof(more), " (%u more in the last %d s)", h->more,
			 LOG_WINDOW_US / 1000000);
	return snprintf(line, cap, "%s%s%s\n", h->message, h->fields, more);
}

/* The channel's key needs no escapes. */
static int print_json(char *line, size_t cap, const struct log_held *h)
{
	char more[32] = "", channel[160] = "";
	const char *comma = "";

	if (sink.channel) {
		snprintf(channel, sizeof(channel), "\"channel\":\"%s\"", sink.channel);
		comma = *h->fields ? "," : "";
	}
	if (h->more)
		snprintf(more, sizeof(more), "%s\"more\":%u", *h->fields || *channel ? "," : "",
			 h->more);
	return snprintf(line, cap, "\"message\":\"%s\",\"fields\":{%s%s%s%s}}\n", h->message,
			channel, comma, h->fields, more);
}

/* One write a line: lines of several processes do not mix. */
static ssize_t put_bytes(const char *line, size_t n)
{
	struct pollfd room = {.fd = sink.fd, .events = POLLOUT};

	if (sink.kind == SINK_SOCKET)
		return send(sink.fd, line, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sink.kind == SINK_SHARED && poll(&room, 1, 0) == 0) {
		errno = EAGAIN;
		return -1;
	}
	return write(sink.fd, line, n);
}

/* The whole line, with its newline.  Returns its length. */
static size_t print_line(const struct log_held *h, int64_t wall_us, char line[LOG_LINE_MAX])
{
	int n = log_head(line, LOG_LINE_MAX, wall_us, (enum log_level)h->level);
	size_t cap = LOG_LINE_MAX - (size_t)n;

	assert(n > 0 && n < LOG_LINE_MAX);
	n += sink.json ? print_json(line + n, cap, h) : print_text(line + n, cap, h);
	return MIN((size_t)n, LOG_LINE_MAX - 1);
}

/* False if the sink has no room.  The first time, waits a moment for the reader; does not wait
 * while lines are being dropped. */
static bool put_line(const char *line, size_t n)
{
	struct pollfd room = {.fd = sink.fd, .events = POLLOUT};

	if (put_bytes(line, n) >= 0)
		return true;
	if (errno != EAGAIN || sink.lost || poll(&room, 1, PATIENCE_MS) <= 0)
		return false;
	return put_bytes(line, n) >= 0;
}

static struct log_line *kept_at(size_t number)
{
	return &sink.kept[number % sink.keep];
}

/* Keeps a line, behind those that are as old or older; but one that is later than LOG_LATE_US is
 * the last: the clock was set back.  Without memory, it is not kept. */
static void keep_line(const char *line, size_t n, int64_t wall_us, enum log_level level)
{
	char *copy = sink.kept ? strndup(line, n) : NULL;
	size_t at = sink.kept_count, first;

	if (!copy)
		return;
	free((char *)(uintptr_t)kept_at(at)->text);
	first = at >= sink.keep ? at - sink.keep + 1 : 0;
	for (; at > first && kept_at(at - 1)->wall_us > wall_us &&
	       kept_at(at - 1)->wall_us - wall_us <= LOG_LATE_US;
	     at--)
		*kept_at(at) = *kept_at(at - 1);
	*kept_at(at) = (struct log_line){wall_us, level, copy};
	sink.kept_count++;
}

void log_keep_other(int64_t wall_us, enum log_level level, const char *program, pid_t pid,
		    const char *tail)
{
	char line[LOG_LINE_MAX];
	int n = print_head(line, sizeof(line), wall_us, level, program, pid);

	assert(n > 0 && n < LOG_LINE_MAX);
	n += snprintf(line + n, sizeof(line) - (size_t)n, "%s", tail);
	pthread_mutex_lock(&sink.lock);
	keep_line(line, MIN((size_t)n, sizeof(line) - 1), wall_us, level);
	pthread_mutex_unlock(&sink.lock);
}

/* Takes the newline from the line that is written already. */
static void pass_on(char *line, size_t n, int64_t wall_us, enum log_level level)
{
	char head[LOG_LINE_MAX];

	line[strcspn(line, "\n")] = '\0';
	keep_line(line, n, wall_us, level);
	if (sink.copy)
		sink.copy(wall_us, level, line + log_head(head, sizeof(head), wall_us, level));
}

static void emit(const struct log_held *h)
{
	char text[] = "log lines were dropped here because standard error was not being read";
	char fields[32], line[LOG_LINE_MAX];
	const struct log_held missing = {.level = LOG_WARNING, .message = text, .fields = fields};
	int64_t wall_us = clock_wall_us();
	size_t n;

	if (sink.lost) {
		snprintf(fields, sizeof(fields), sink.json ? "\"lines\":%u" : " lines=%u",
			 sink.lost);
		n = print_line(&missing, wall_us, line);
		if (put_line(line, n))
			sink.lost = 0;
	}
	n = print_line(h, wall_us, line);
	if (sink.lost || !put_line(line, n))
		sink.lost++;
	pass_on(line, n, wall_us, (enum log_level)h->level);
}

int log_keep(size_t lines)
{
	struct log_line *kept = calloc(lines, sizeof(*kept));

	assert(!sink.kept && lines > 0);
	if (!kept)
		return -ENOMEM;
	pthread_mutex_lock(&sink.lock);
	sink.kept = kept;
	sink.keep = lines;
	pthread_mutex_unlock(&sink.lock);
	return 0;
}

void log_each_kept(bool (*each)(void *owner, const struct log_line *line), void *owner)
{
	pthread_mutex_lock(&sink.lock);
	for (size_t i = 0; i < MIN(sink.kept_count, sink.keep); i++) {
		size_t at = (sink.kept_count - 1 - i) % sink.keep;

		assert(sink.kept[at].text);
		if (!each(owner, &sink.kept[at]))
			break;
	}
	pthread_mutex_unlock(&sink.lock);
}

/* Writes the held lines that are due.  Called with the lock held. */
static void write_held(uint64_t now_us, bool all)
{
	struct log_held held;

	while (log_limit_due(&sink.limit, now_us, all, &held)) {
		emit(&held);
		free(held.message);
	}
}

void log_tick(void)
{
	pthread_mutex_lock(&sink.lock);
	write_held(clock_mono_us(), false);
	pthread_mutex_unlock(&sink.lock);
}

void log_done(void)
{
	pthread_mutex_lock(&sink.lock);
	write_held(clock_mono_us(), true);
	for (size_t i = 0; i < sink.keep; i++)
		free((char *)(uintptr_t)sink.kept[i].text);
	free(sink.kept);
	sink.kept = NULL;
	sink.keep = sink.kept_count = 0;
	pthread_mutex_unlock(&sink.lock);
}

void log_write(enum log_level level, const char *format, ...)
{
	uint64_t now_us = clock_mono_us();
	struct log_text text;
	va_list args;

	if (!log_enabled(level))
		return;
	va_start(args, format);
	log_text_format(&text, sink.json, format, args);
	va_end(args);

	const struct log_event event = {.site = format,
					.channel = text.channel,
					.level = (int)level,
					.allowed = level == LOG_DEBUG ? LOG_DEBUG_LINES : LOG_LINES,
					.message = text.message,
					.fields = text.fields};
	const struct log_held now = {
		.level = (int)level, .message = text.message, .fields = text.fields};

	pthread_mutex_lock(&sink.lock);
	write_held(now_us, false);
	if (log_limit_pass(&sink.limit, &event, now_us))
		emit(&now);
	pthread_mutex_unlock(&sink.lock);
}
