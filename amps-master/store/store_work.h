/* store_work.h - what the database thread does for a request, without the thread: store.c calls it
 * there, unit tests directly. */
#ifndef AMPS_STORE_WORK_H
#define AMPS_STORE_WORK_H

#include "amps-master/store/db.h"
#include "amps-master/store/publish.h"
#include "common/limits.h"

struct store_work {
	struct db *db;
	struct publisher publisher;
	int error; /* of the last transaction, or of the last look since: 0 or -Exxx */
	uint64_t probes;
};

/* What a request came to.  error 0: a publication; else a reason, maybe problems. */
struct store_answer {
	int error;
	char text[ERROR_TEXT_MAX];
	struct publication *publication;
	json_t *problems;
	json_t *notices; /* lines for the log, or NULL */
	json_t *config;	 /* of an export */
};
void store_answer_done(struct store_answer *a);

/* 0 or -Exxx with the reason. */
must_check int store_work_open(const char *state_dir, struct store_work *w, char *text,
			       size_t text_cap);
void store_work_close(struct store_work *w);

/* As store_load() and store_republish(), at the wall time given.  `bytes` is the loader's JSON. */
void store_work_load(struct store_work *w, const char *bytes, size_t n, int64_t wall_us,
		     struct store_answer *ret);
void store_work_republish(struct store_work *w, int64_t wall_us, struct store_answer *ret);

/* As store_export(). */
void store_work_export(struct store_work *w, struct store_answer *ret);

/* Looks whether the database can be written: without a write while it could be, with a small one
 * after a failure. */
void store_work_probe(struct store_work *w);

#endif
