/* log.h - one line an event on stderr, as text or JSON.
 *
 * A program calls log_init() once in main(); pure modules of common/ never log.  A message is an
 * English sentence, then its fields: "worker %u died, replacing it pid=%d" (log_line.h).  What the
 * event is about is in the fields, a channel always as channel=%s; a warning ends with what we do
 * about it.  Values go through conversions and are escaped by the sink, so no input can forge a
 * line.  Secrets never enter: pass URLs through text_redact_url() first.
 *
 * The same place may say only so much about the same channel in ten seconds (log_limit.h); what was
 * held back is told afterwards, by the next line or by log_tick().  If stderr is not being read,
 * lines are dropped instead of blocking, and the next line that is written says how many.  May be
 * called by any thread. */
#ifndef AMPS_LOG_H
#define AMPS_LOG_H

#include "common/base.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

/* Opens the pipe or terminal behind stderr for the log.  To be called again by a forked process,
 * or when stderr is another file.  `program` is borrowed for the life of the process
 * ("worker[2]"). */
void log_init(const char *program, enum log_level level, bool json);
void log_set_level(enum log_level level);

/* Every line of this process is about this channel: a field of each line in JSON, where text has it
 * in the program's name.  Borrowed for the life of the process. */
void log_set_channel(const char *key);

/* Tells what was held back and is due; to be called every second or so. */
void log_tick(void);
/* Tells all that was held back: before the process ends. */
void log_done(void);

/* "debug", "info", "warning" (or "warn"), "error" -> level; -EINVAL. */
must_check int log_parse_level(const char *text, enum log_level *ret);
const char *log_level_name(enum log_level level);

void log_write(enum log_level level, const char *format, ...) printf_like(2, 3);
bool log_enabled(enum log_level level);

/* How a line of this process begins, up to its message; for lines that others write.  What
 * snprintf() returns, well below 200. */
int log_head(char *dst, size_t cap, int64_t wall_us, enum log_level level);
bool log_is_json(void);

#define log_debug(...) (log_enabled(LOG_DEBUG) ? log_write(LOG_DEBUG, __VA_ARGS__) : (void)0)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARNING, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)

#endif
