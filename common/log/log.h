/* log.h - writes one line for each event to stderr, as text or JSON.
 *
 * A program calls log_init() once in main(); pure modules of common/ never log.  A message is an
 * English sentence, then its fields: "worker %u died, replacing it pid=%d" (log_line.h).  The
 * fields say what the event is about, a channel always as channel=%s; a warning ends with what is
 * done about it.  Values are passed by conversions and escaped, so that no input can forge a line.
 * Never pass secrets: use text_redact_url() for URLs.
 *
 * The lines of one place in the code about one channel are limited (log_limit.h).  Lines that were
 * held back are written later, before the next line or by log_tick().  If stderr is not being read,
 * lines are dropped instead of blocking, and the next line that is written says how many.  May be
 * called by any thread. */
#ifndef AMPS_LOG_H
#define AMPS_LOG_H

#include <sys/types.h>
#include "common/base.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

/* Opens the pipe or terminal behind stderr for the log.  Call it again in a forked process and
 * after replacing stderr.  `program` ("worker[2]") is borrowed for the life of the process. */
void log_init(const char *program, enum log_level level, bool json);
void log_set_level(enum log_level level);

/* In a forked process whose descriptors beyond the standard ones are closed: opens stderr again,
 * with the level and the form that the parent has. */
void log_forked(const char *program);

/* All lines of this process are about this channel: JSON lines get it as a field (text lines have
 * it in the program's name).  Borrowed for the life of the process. */
void log_set_channel(const char *key);

/* Writes the held lines that are due; call it about every second. */
void log_tick(void);
/* Writes all held lines, before the process ends; none is kept any more. */
void log_done(void);

/* A line as it was written, without its newline: UTF-8, without control characters. */
struct log_line {
	int64_t wall_us;
	enum log_level level;
	const char *text;
};

/* This process keeps its last lines from now on, also those that stderr had no room for.  Called
 * once.  0 or -ENOMEM. */
must_check int log_keep(size_t lines);
/* Keeps a line of another process, too, in its place by time if it is at most LOG_LATE_US late.
 * `program` and `pid` begin the line; `tail` (log_set_copy()) ends it, and is free of control
 * characters. */
void log_keep_other(int64_t wall_us, enum log_level level, const char *program, pid_t pid,
		    const char *tail);
/* Calls `each` for every kept line, the newest first, until it returns false.  It must not log, and
 * the line is valid only in the call. */
void log_each_kept(bool (*each)(void *owner, const struct log_line *line), void *owner);

/* From now on until log_init() or log_forked(), passes each line on when it is written: `tail` is
 * what follows time, level, program and pid, without a newline.  `copy` must neither block nor
 * log; it is called by any thread, by one at a time. */
void log_set_copy(void (*copy)(int64_t wall_us, enum log_level level, const char *tail));

/* "debug", "info", "warning" (or "warn"), "error" -> level; -EINVAL. */
must_check int log_parse_level(const char *text, enum log_level *ret);
const char *log_level_name(enum log_level level);

void log_write(enum log_level level, const char *format, ...) printf_like(2, 3);
bool log_enabled(enum log_level level);

/* Writes the beginning of a line, up to its message, for code that writes a line itself.  Returns
 * its length, below 200. */
int log_head(char *dst, size_t cap, int64_t wall_us, enum log_level level);
bool log_is_json(void);

#define log_debug(...) (log_enabled(LOG_DEBUG) ? log_write(LOG_DEBUG, __VA_ARGS__) : (void)0)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARNING, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)

#endif
