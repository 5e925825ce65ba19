/* screen.h - full-screen use of the terminal.
 *
 * screen_open() takes over the terminal on stdout (alternate buffer, no cursor, no echo) and blocks
 * the signals that screen_wait() reports; screen_close() restores it.  One at a time. */
#ifndef AMPS_CLI_SCREEN_H
#define AMPS_CLI_SCREEN_H

#include <signal.h>
#include <termios.h>
#include "common/base.h"
#include "common/text/buf.h"

struct screen {
	struct termios saved; /* of stdin */
	bool keys;	      /* stdin is a terminal: `saved` is valid */
	sigset_t mask;	      /* of signals, before */
	int signals;	      /* signalfd; -1 = not open */
};

/* 0 or -Exxx (then nothing has changed). */
must_check int screen_open(struct screen *s);
void screen_close(struct screen *s);

/* Shows these lines, as many as fit. */
void screen_draw(const struct buf *lines);

/* Waits.  True to end: q, Ctrl-C, or a signal that ends a program.  False after timeout_ms, another
 * key, or a change of size.  Ctrl-Z stops the process as usual. */
bool screen_wait(struct screen *s, int timeout_ms);

#endif
