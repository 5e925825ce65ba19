/* access_log.h - a line for each request that ended and each viewer that left.
 *
 *	192.0.2.1 - guest [2026-01-31T12:00:00.123Z] "GET /stream/5?token=*** HTTP/1.1" 200 188 "-"
 *	"VLC/3" ms=61 channel=5 variant=sd
 *
 * (one line) close to what other servers write; a JSON object where the log is JSON.  Where it goes
 * to "the ordinary log", a line begins as the others there do.  The time is that of the end; the
 * bytes are those of the body that went out; 499 stands for a client that left before it was
 * answered; a head that could not be read stands in quotes as it came.
 *
 * Begun as an entry that a connection keeps, ended as a line in a bounded buffer, which is written
 * when it holds enough, a few times a second, and at the end.  What comes from a client is escaped
 * and bounded, so that nothing can forge a line, and the value of every parameter whose name smells
 * of a secret is hidden.  The loop never waits for a reader: descriptors that can be full do not
 * block, and what finds no room is dropped and counted (amps_access_log_dropped_total). */
#ifndef AMPS_ACCESS_LOG_H
#define AMPS_ACCESS_LOG_H

#include "amps-worker/http/access_entry.h"
#include "common/shm/worker_page.h"

struct access_log {
	int fd;	     /* owned; -1 = off */
	bool framed; /* the ordinary log: lines begin like its own */
	bool socket;
	bool full;		  /* it took no more; asked again by the next access_log_flush() */
	bool inside;		  /* what went out ends inside of a line ... */
	bool torn;		  /* ... whose rest is lost */
	struct worker_page *page; /* borrowed; where lost lines are counted */
	char *lines;		  /* [ACCESS_LOG_BYTES + 1]; the first byte is a newline */
	size_t len;		  /* waiting, behind that byte */
	uint64_t untold;	  /* lost lines nobody was told of */
	int reason;		  /* why the last were lost */
	uint64_t tell_us;	  /* not before */
};

void access_log_init(struct access_log *l);

/* Takes fd and goes on there with what still waits; the old one is written to and closed.  Without
 * memory it warns and is off. */
void access_log_open(struct access_log *l, int fd, bool framed, struct worker_page *page);

/* Writes what can be written; off from now on. */
void access_log_close(struct access_log *l);

/* Every second or more often. */
void access_log_flush(struct access_log *l);

static inline bool access_log_on(const struct access_log *l)
{
	return l->fd >= 0;
}

/* Its line, and its end; `bytes` of the body went out.  Returns NULL; accepts NULL. */
struct access_entry *access_log_end(struct access_log *l, struct access_entry *e, uint64_t bytes);

#endif
