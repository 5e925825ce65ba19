/* log_limit.h - how often the same place may say something about the same channel.
 *
 * LOG_LINES in LOG_WINDOW_US pass (LOG_DEBUG_LINES of level debug); of what comes beyond, the
 * newest line is kept and the rest counted, and when the window is over both are told.  So a
 * channel that flaps neither floods the log nor silences another, and how it ended is always there.
 * A table that is full lets lines pass: better many than none.  Owned by log.c; no lock of its own.
 */
#ifndef AMPS_LOG_LIMIT_H
#define AMPS_LOG_LIMIT_H

#include "common/base.h"
#include "common/limits.h"

/* A line that waits for its window to end. */
struct log_held {
	int level;
	unsigned more; /* held back beside it */
	char *message; /* owned; `fields` is behind it in the same block */
	const char *fields;
};

struct log_slot {
	const void *site;
	uint64_t channel;
	uint64_t window_us; /* when it began */
	unsigned passed;
	struct log_held held; /* message NULL = none */
};

struct log_limit {
	struct log_slot slots[LOG_SLOTS];
	unsigned held_count;
	uint64_t due_us; /* no held line is due before */
};

struct log_event {
	const void *site; /* the format: one for each place that logs */
	uint64_t channel; /* 0 = none */
	int level;
	unsigned allowed; /* lines a window */
	const char *message, *fields;
};

/* May it be written now?  Else it is held back (counted alone, without memory). */
bool log_limit_pass(struct log_limit *l, const struct log_event *e, uint64_t now_us);

/* Takes out a held line whose window is over, or any with `all`.  False when there is none; else
 * free ret->message. */
bool log_limit_due(struct log_limit *l, uint64_t now_us, bool all, struct log_held *ret);

#endif
