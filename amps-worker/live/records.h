/* records.h - the records of viewers in the worker's page (common/shm/worker_page.h).
 *
 * Records are taken from a stack, so that those in use stay near the page's start; the page says
 * how many were ever used. */
#ifndef AMPS_RECORDS_H
#define AMPS_RECORDS_H

#include "common/shm/worker_page.h"

struct context;
struct session; /* segments/sessions.h */
struct viewer;

/* The owner of a record: a viewer, or a session and the function by which the server ends it.
 * Zeroed while the record is free. */
struct record_owner {
	struct viewer *viewer;
	struct session *session;
	void (*end)(struct session *s);
	bool uncounted; /* its token does not count it: it waits for its grant */
};

struct records {
	struct context *context; /* borrowed; its page is set before the first record is taken */
	uint64_t serials;	 /* given out so far */
	uint32_t used;		 /* ever */
	uint32_t free_count;
	uint16_t *free;			/* [WORKER_VIEWERS_MAX] */
	uint16_t fronts[VIEWER_FRONTS]; /* places that are free, as records name them */
	uint32_t front_count;
	struct record_owner *owners; /* [WORKER_VIEWERS_MAX] by record */
	int64_t next_end_wall_us;    /* no link of a record taken since rights_tick() ends sooner */
};

/* 0 or -ENOMEM; records_done() is needed either way. */
must_check int records_init(struct records *all, struct context *context);
void records_done(struct records *all);

/* Is one free? */
bool records_left(const struct records *all);

/* Publishes `from`, with a serial of its own if it has none; one must be free. */
struct viewer_record *records_take(struct records *all, struct record_owner owner,
				   struct viewer_record *from);
/* The viewer has its grant: its token counts it from now on. */
void records_count_token(struct records *all, struct viewer_record *rec);
void records_give(struct records *all, struct viewer_record *rec);

/* Sets the user agent, cut and printable; `agent` may be NULL. */
void records_set_agent(struct viewer_record *rec, const char *agent, size_t len);

/* The viewer reads this output now (UINT32_MAX: none); the page counts it there. */
void records_set_output(struct records *all, struct viewer_record *rec, uint32_t slot);

/* The viewer has moved; at most one of to->front_len and to->rest is not 0. */
void records_move(struct records *all, struct viewer_record *rec, const struct viewer_place *to);

/* The owner of the record with this serial, or NULL. */
const struct record_owner *records_find(const struct records *all, uint64_t serial);

#endif
