/* access_log.h - a line for each request that ended and each viewer that left.
 *
 *	192.0.2.1 - guest [2026-01-31T12:00:00.123Z] "GET /stream/5?token=*** HTTP/1.1" 200 188 "-"
 *	"VLC/3" ms=61 channel=5 variant=sd
 *
 * (one line) close to what other servers write; a JSON object if the log is JSON.  In the ordinary
 * log a line begins like the others there.  The time is that of the end; the bytes are those of the
 * body that were sent; 499 means that the client left before the answer; a head that could not be
 * parsed is quoted as it came.
 *
 * A connection keeps an entry while its request runs.  At the end the entry becomes a line in a
 * bounded buffer, which is written when it holds enough, a few times a second, and when the log
 * closes.  What comes from a client is escaped and bounded, so that no client can forge a line, and
 * the values of parameters that look secret are hidden.  The loop never waits for a reader: pipes
 * and sockets do not block, and a line without room is dropped and counted
 * (amps_access_log_dropped_total). */
#ifndef AMPS_ACCESS_LOG_H
#define AMPS_ACCESS_LOG_H

#include "amps-worker/http/access_entry.h"
#include "common/shm/worker_page.h"

struct access_log {
	int fd;	     /* owned; -1 = off */
	bool framed; /* the ordinary log: lines begin like its own */
	bool socket;
	bool full;		  /* a write would block; access_log_flush() tries again */
	bool inside;		  /* the bytes written end inside a line ... */
	bool torn;		  /* ... whose rest was dropped */
	struct worker_page *page; /* borrowed; where lost lines are counted */
	char *lines;		  /* [ACCESS_LOG_BYTES + 1]; the first byte is a newline */
	size_t len;		  /* waiting, behind that byte */
	uint64_t unreported;	  /* lines dropped since the last warning */
	int reason;		  /* why the last ones were dropped */
	uint64_t report_us;	  /* no warning before */
};

void access_log_init(struct access_log *l);

/* Takes fd for the lines that follow; writes what it can to the old descriptor and closes that.
 * Without memory it warns and stays off. */
void access_log_open(struct access_log *l, int fd, bool framed, struct worker_page *page);

/* Writes what it can and turns the log off. */
void access_log_close(struct access_log *l);

/* Every second or more often. */
void access_log_flush(struct access_log *l);

static inline bool access_log_on(const struct access_log *l)
{
	return l->fd >= 0;
}

/* Writes the line of an entry and frees it; `bytes` of the body were sent.  Returns NULL; accepts
 * NULL. */
struct access_entry *access_log_end(struct access_log *l, struct access_entry *e, uint64_t bytes);

#endif
