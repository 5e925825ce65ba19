/* log.c - see log.h.  The sink is the one mutable state of its kind: a process has one stderr. */
#include "common/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/buf.h"
#include "common/clock.h"

static struct {
	const char *program;
	enum log_level level;
	bool json;
	pid_t pid;
} sink = {.program = "amps", .level = LOG_INFO};

static const char *const level_names[] = {"debug", "info", "warning", "error"};

void log_init(const char *program, enum log_level level, bool json)
{
	sink.program = program;
	sink.level = level;
	sink.json = json;
	sink.pid = getpid();
}

void log_set_level(enum log_level level)
{
	sink.level = level;
}

bool log_enabled(enum log_level level)
{
	return level >= sink.level;
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
	return level_names[level];
}

/* Control characters would let input forge lines or drive a terminal. */
static void escape_into(struct buf *out, const char *text, bool json)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (json && (*p == '"' || *p == '\\'))
			buf_printf(out, "\\%c", *p);
		else if (*p < 0x20 || *p == 0x7f)
			buf_printf(out, json ? "\\u%04x" : "\\x%02x", *p);
		else
			buf_putc(out, (char)*p);
	}
}

void log_write(enum log_level level, const char *format, ...)
{
	_cleanup_(buf_done) struct buf message = BUF_INIT;
	_cleanup_(buf_done) struct buf line = BUF_INIT;
	int64_t wall_us = clock_wall_us();
	char when[32];
	va_list args;
	ssize_t ignored;

	if (!log_enabled(level))
		return;
	va_start(args, format);
	buf_vprintf(&message, format, args);
	va_end(args);
	time_format_iso8601(wall_us, when);
	when[19] = '\0';
	if (sink.json)
		buf_printf(&line,
			   "{\"time\":\"%s.%03dZ\",\"level\":\"%s\",\"program\":\"%s\","
			   "\"pid\":%d,\"message\":\"",
			   when, (int)(wall_us / 1000 % 1000), level_names[level], sink.program,
			   (int)sink.pid);
	else
		buf_printf(&line, "%s.%03dZ %-7s %s[%d] ", when, (int)(wall_us / 1000 % 1000),
			   level_names[level], sink.program, (int)sink.pid);
	escape_into(&line, message.data ? message.data : "", sink.json);
	buf_puts(&line, sink.json ? "\"}\n" : "\n");
	if (!buf_ok(&line))
		return;
	/* one write a line: lines of several processes do not mix */
	ignored = write(STDERR_FILENO, line.data, line.len);
	(void)ignored;
}

bool log_rate_ok(struct log_rate *rate, unsigned per_minute)
{
	uint64_t now_us = clock_mono_us();

	if (now_us - rate->window_us > 60000000u || rate->window_us == 0) {
		rate->window_us = now_us;
		rate->count = 0;
		rate->suppressed = 0;
	}
	if (rate->count < per_minute) {
		rate->count++;
		return true;
	}
	rate->suppressed++;
	return false;
}
