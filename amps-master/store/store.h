/* store.h - the database thread: SQLite on one side, publications on the other.
 *
 * One thread owns the database.  The master's loop posts requests and gets each answer as a
 * callback in its own loop (through an eventfd); neither ever waits for the other.  SPEC.md section
 * 3 "State" says what wins over what. */
#ifndef AMPS_STORE_H
#define AMPS_STORE_H

#include <event2/event.h>
#include "amps-master/store/publication.h"

struct store;

/* Opens (creates, migrates) the database in state_dir and starts the thread; blocks, so only before
 * the loop runs.  `base` gets the callbacks.  0 or -Exxx with the reason in `text`. */
must_check int store_open(struct event_base *base, const char *state_dir, struct store **ret,
			  char *text, size_t text_cap);
struct store *store_close(struct store *s); /* joins the thread; returns NULL; accepts NULL */

/* The answer to a request.  error 0: a publication (now the callee's).  Otherwise -Exxx, a reason
 * in one line, and for a refused file the problems: [{severity,file,line,path,message}] (borrowed).
 */
typedef void (*store_done_fn)(void *owner, int error, const char *text, struct publication *p,
			      const json_t *problems);

/* Takes what the loader (`amps-master --load`) wrote into its memfd (check_command.h; no model =
 * refused).  Entries that changed in the file since
 * the last load win over API changes, the others keep them; then builds a publication.  Takes
 * result_fd; parsing happens in the thread. */
void store_load(struct store *s, int result_fd, store_done_fn done, void *owner);

/* Builds a publication again from what is stored (a schedule window opened or closed). */
void store_republish(struct store *s, store_done_fn done, void *owner);

/* Everything that is in force, as a configuration file has it: the settings (defaults filled in),
 * ffmpeg_profiles, streams and scheduled_streams.  error 0: `config` (now the callee's). */
typedef void (*store_exported_fn)(void *owner, uint64_t cookie, int error, const char *text,
				  json_t *config);
void store_export(struct store *s, uint64_t cookie, store_exported_fn done, void *owner);

/* Why the database cannot be written: 0 (it can), -EBUSY (locked by another process), -ENOENT
 * (moved or deleted) or another -Exxx.  As of the last transaction or the last look, which is at
 * most STORE_PROBE_SECONDS and a time-out of two seconds ago.  Cheap; for /readyz. */
#define STORE_PROBE_SECONDS 2
int store_health(const struct store *s);

#endif
