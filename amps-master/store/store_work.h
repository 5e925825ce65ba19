/* store_work.h - what the database thread does for a request, without the thread: store.c calls it
 * there, unit tests directly. */
#ifndef AMPS_STORE_WORK_H
#define AMPS_STORE_WORK_H

#include "amps-master/store/db.h"
#include "amps-master/store/operation.h"
#include "amps-master/store/publish.h"

struct store_work {
	struct db *db;
	struct publisher publisher;
	json_t *settings;	      /* as published last, profiles completed, or NULL */
	uint64_t settings_hash;	      /* of their text in the database */
	json_t *tokens;		      /* that the API has made, as published last, or NULL */
	struct channel_list channels; /* all of the rows, resolved against them */
	struct store_batch *batch;    /* of a transaction that is open, or NULL */
	int error; /* of the last transaction, or of the last look since: 0 or -Exxx */
	uint64_t probes;
};

/* 0 or -Exxx with the reason. */
must_check int store_work_open(const char *state_dir, struct store_work *w, char *text,
			       size_t text_cap);
void store_work_close(struct store_work *w);

/* The operations of store.h, at the wall time given.  `bytes` is the loader's JSON.  A first load
 * that finds the disk full publishes what is stored. */
void store_work_load(struct store_work *w, const char *bytes, size_t n,
		     const struct discard *discard, int64_t wall_us, struct store_answer *ret);
void store_work_republish(struct store_work *w, int64_t wall_us, struct store_answer *ret);

/* Puts or deletes channels, as the API does: each stays so until its entry in the file changes.
 * The ids grow.  `options`: what option_memory.h wants to be kept, or NULL.  -ENOENT: there is none
 * to delete.
 *
 * Changes share the transaction that the first of them opens; nothing is stored or published before
 * store_work_commit().  After a change that failed, the commit fails, too: all are made, or none.
 */
struct store_change {
	uint32_t channel;
	const json_t *entry; /* checked, its id is `channel`; NULL = delete; borrowed */
};
void store_work_change(struct store_work *w, const struct store_change *changes, size_t count,
		       const char *options, struct store_answer *ret);

/* The tokens that the API has made, with the changes of an open transaction; borrowed, may be NULL.
 */
const json_t *store_work_tokens(const struct store_work *w);
/* Has the list an entry of this name? */
bool store_has_token(const json_t *list, const char *name);

/* Adds such a token (an entry of auth.tokens with token_sha256) whose name is free, or deletes the
 * one of that name (`entry` NULL), which is there, in the same way. */
void store_work_token(struct store_work *w, const char *name, const json_t *entry,
		      struct store_answer *ret);

/* Stores and publishes the changes since the last commit; without one the answer is empty. */
void store_work_commit(struct store_work *w, int64_t wall_us, struct store_answer *ret);

/* With the changes of an open transaction. */
size_t store_work_channel_count(const struct store_work *w);
void store_work_export(struct store_work *w, struct store_answer *ret);

/* Copies the database into the file, which is emptied before; `fd` stays the caller's.  Runs in a
 * thread of its own, and ends early once `stop` is set. */
void store_work_backup(const char *state_dir, int fd, const atomic_bool *stop,
		       struct store_answer *ret);

/* Looks whether the database can be written: without a write while it could be, with a small one
 * after a failure. */
void store_work_probe(struct store_work *w);

#endif
