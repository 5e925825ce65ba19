/* control_commands.h - the methods of the control socket, in one table.
 *
 * The commands know the master only through struct control_backend, so that they can be tested (and
 * fuzzed) without one. */
#ifndef AMPS_CONTROL_COMMANDS_H
#define AMPS_CONTROL_COMMANDS_H

#include "amps-master/control/control.h"
#include "amps-master/util/discard.h"
#include "common/limits.h"

enum control_report {
	REPORT_CHANNELS,
	REPORT_GUIDE,
	REPORT_LINKS,
	REPORT_SCHEDULE,
	REPORT_STATUS,
	REPORT_TOKENS,
	REPORT_TUNERS,
	REPORT_VIEWERS,
	REPORT_COUNT_
};

/* `owner` is the argument of control_commands_run(). */
struct control_backend {
	/* New references; NULL = no memory, or what it is about cannot be read. */
	json_t *(*report[REPORT_COUNT_])(void *owner);
	int (*stop)(void *owner, const char *key);    /* 0 or -ENOENT */
	json_t *(*why)(void *owner, const char *key); /* NULL: there is no such channel */
	int (*kick)(void *owner, uint64_t viewer);    /* 0 or -ENOENT */
	/* Answers later. */
	void (*reload)(void *owner, control_ticket ticket, const struct discard *discard);
	void (*config)(void *owner, control_ticket ticket); /* answers later */
	/* Adds the channels in a file, a JSON array, or copies the database into a file; the file
	 * is taken.  Both answer later. */
	void (*import)(void *owner, control_ticket ticket, int file);
	void (*backup)(void *owner, control_ticket ticket, int file);
	void (*refresh_guide)(void *owner);
	/* A file in memory with the JSON of what of the guides matched; borrowed.  -1 = not known
	 * yet. */
	int (*guide_matches)(void *owner, uint64_t *ret_bytes);
	void (*channels_now)(void *owner, control_ticket ticket); /* answers later */
	/* Makes a token that `params` describe, or revokes the one of this name; both answer
	 * later. */
	void (*token_create)(void *owner, control_ticket ticket, const json_t *params);
	void (*token_revoke)(void *owner, control_ticket ticket, const char *name);
	/* A signed link as `asked` describes it, from `base` on (NULL: the server's own URL).  0,
	 * -EINVAL or -ENOENT (no such channel), with the reason. */
	int (*link)(void *owner, const char *base, const json_t *asked, json_t **ret_link,
		    char reason[ERROR_TEXT_MAX]);
	/* `timeout_ms` 0 = at once.  Called after the request was answered. */
	void (*shutdown)(void *owner, unsigned timeout_ms);
};

/* Runs one request and answers it, or lets the backend answer it later.  Takes `file`, -1 = none.
 */
void control_commands_run(const struct control_backend *b, void *owner, struct control *c,
			  control_ticket ticket, const char *method, const json_t *params,
			  int file);

#endif
