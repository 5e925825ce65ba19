/* operation.h - what the store can be asked to do, and the results.
 *
 * Made in the master's loop, carried out by the database thread, answered in the loop. */
#ifndef AMPS_OPERATION_H
#define AMPS_OPERATION_H

#include "amps-master/store/publication.h"
#include "amps-master/util/discard.h"
#include "common/limits.h"

struct store_work;
struct store_answer;

enum store_kind {
	/* Takes what the loader (`amps-master --load`) wrote into its memfd (check_command.h; no
	 * model = refused).  Entries that changed in the file since the last load win over API
	 * changes, the others keep them but for those that are to be discarded. */
	STORE_LOAD,
	/* Publishes what is in force again (a schedule window opened or closed). */
	STORE_REPUBLISH,
	/* Runs a function of the caller in the database thread: what the API reads, or checks
	 * without a change (a dry run, a source to probe). */
	STORE_CALL,
	/* The same for one that calls store_work_change().  It takes those that wait directly
	 * behind it, and behind each other, into its transaction, for up to STORE_BATCH_MS, with
	 * one publication.  None waits for another to come.  If the transaction fails, each is
	 * called again, in a transaction of its own: it must start from the beginning. */
	STORE_CHANGE,
	/* Everything that is in force, as a configuration file has it: the settings (defaults
	 * filled in), ffmpeg_profiles, streams and scheduled_streams. */
	STORE_EXPORT,
	/* Copies the database into a file, whole and consistent, while it is used: in a thread of
	 * its own, so that no other operation waits for the copy. */
	STORE_BACKUP,
};

struct store_operation {
	enum store_kind kind;
	int fd;			/* LOAD, BACKUP: taken */
	struct discard discard; /* LOAD */
	void (*call)(struct store_work *w, void *arg, int64_t wall_us, struct store_answer *ret);
	void *arg; /* of the call; the caller's */
};

/* The result.  error 0: `config` for an export, a publication for the others; a call and a backup
 * have none.  Otherwise -Exxx, a reason in one line, and for a refused file the problems:
 * [{severity,file,line,path,message}].  Changes of one transaction have one publication, which
 * comes with the first answer that the loop gets. */
struct store_answer {
	int error;
	char text[ERROR_TEXT_MAX];
	bool changed; /* by this change: it is in a publication that the loop has */
	struct publication *publication;
	json_t *config;
	json_t *problems;
	json_t *notices;     /* lines for the log, or NULL */
	const char *warning; /* another one, a warning; static or NULL */
};
void store_answer_done(struct store_answer *a);

#endif
