/* log_limit.h - limits the lines that one place in the code logs about one channel.
 *
 * LOG_LINES in LOG_WINDOW_US pass (LOG_DEBUG_LINES of level debug).  Of the lines beyond, the
 * newest is held and the others are counted; both are written when the window is over.  So a
 * channel that changes often neither floods the log nor suppresses lines about another one, and
 * its last state is always logged.  If the table is full, lines pass.  Owned by log.c; no lock of
 * its own. */
#ifndef AMPS_LOG_LIMIT_H
#define AMPS_LOG_LIMIT_H

#include "common/base.h"
#include "common/limits.h"

/* A line that waits for its window to end. */
struct log_held {
	int level;
	unsigned more; /* lines that were counted instead of written */
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

/* True if the line may be written now.  Else it is held; without memory it is only counted. */
bool log_limit_pass(struct log_limit *l, const struct log_event *e, uint64_t now_us);

/* Takes out a held line whose window is over, or any with `all`.  False when there is none; else
 * free ret->message. */
bool log_limit_due(struct log_limit *l, uint64_t now_us, bool all, struct log_held *ret);

#endif
