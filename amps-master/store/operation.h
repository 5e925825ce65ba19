/* operation.h - what the store can be asked to do, and what comes of it.
 *
 * Made in the master's loop, carried out by the database thread, answered in the loop. */
#ifndef AMPS_OPERATION_H
#define AMPS_OPERATION_H

#include "amps-master/store/publication.h"
#include "common/limits.h"

enum store_kind {
	/* Takes what the loader (`amps-master --load`) wrote into its memfd (check_command.h; no
	 * model = refused).  Entries that changed in the file since the last load win over API
	 * changes, the others keep them. */
	STORE_LOAD,
	/* Publishes what is in force again (a schedule window opened or closed). */
	STORE_REPUBLISH,
	/* Puts or deletes one channel, as the API does: it stays so until the file's entry changes.
	 * -ENOENT: there is none to delete. */
	STORE_CHANGE,
	/* Everything that is in force, as a configuration file has it: the settings (defaults
	 * filled in), ffmpeg_profiles, streams and scheduled_streams. */
	STORE_EXPORT,
};

struct store_operation {
	enum store_kind kind;
	int fd;		  /* LOAD: taken */
	uint32_t channel; /* CHANGE */
	json_t *entry;	  /* CHANGE: taken; checked, its id is `channel`; NULL = delete */
};

/* What came of it.  error 0: `config` of an export, a publication of the others.  Otherwise -Exxx,
 * a reason in one line, and for a refused file the problems:
 * [{severity,file,line,path,message}]. */
struct store_answer {
	int error;
	char text[ERROR_TEXT_MAX];
	struct publication *publication;
	json_t *config;
	json_t *problems;
	json_t *notices; /* lines for the log, or NULL */
};
void store_answer_done(struct store_answer *a);

#endif
