/* log.h - one line an event on stderr, as text or JSON.
 *
 * A program calls log_init() once in main(); pure modules of common/ never log.  A message is an
 * English sentence with a key=value tail; a warning ends with what we do about it.  User strings
 * go through "%s" and are escaped by the sink (control characters and quotes), so no input can
 * forge a line.  Secrets never enter: pass URLs through text_redact_url() first. */
#ifndef AMPS_LOG_H
#define AMPS_LOG_H

#include "common/base.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

/* `program` is borrowed for the life of the process ("worker[2]"). */
void log_init(const char *program, enum log_level level, bool json);
void log_set_level(enum log_level level);

/* "debug", "info", "warning" (or "warn"), "error" -> level; -EINVAL. */
must_check int log_parse_level(const char *text, enum log_level *ret);
const char *log_level_name(enum log_level level);

void log_write(enum log_level level, const char *format, ...) printf_like(2, 3);
bool log_enabled(enum log_level level);

#define log_debug(...) (log_enabled(LOG_DEBUG) ? log_write(LOG_DEBUG, __VA_ARGS__) : (void)0)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARNING, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)

/* True at most `per_minute` times a minute for one call site; the caller owns the static state. */
struct log_rate {
	uint64_t window_us;
	unsigned count, suppressed;
};
bool log_rate_ok(struct log_rate *rate, unsigned per_minute);

#endif
