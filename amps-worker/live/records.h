/* records.h - the records of viewers in the worker's page (common/shm/worker_page.h).
 *
 * Records are taken from a stack, so that those in use stay near the page's start; the page says
 * how many were ever used. */
#ifndef AMPS_RECORDS_H
#define AMPS_RECORDS_H

#include "common/shm/worker_page.h"

struct context;
struct viewer;

struct records {
	struct context *context; /* borrowed; its page is set before the first record is taken */
	uint64_t serials;	 /* given out so far */
	uint32_t used;		 /* ever */
	uint32_t free_count;
	uint16_t *free;			/* [WORKER_VIEWERS_MAX] */
	uint16_t fronts[VIEWER_FRONTS]; /* places that are free, as records name them */
	uint32_t front_count;
	struct viewer **viewers; /* [WORKER_VIEWERS_MAX] by record; NULL = free */
};

/* 0 or -ENOMEM; records_done() is needed either way. */
must_check int records_init(struct records *all, struct context *context);
void records_done(struct records *all);

/* Is one free? */
bool records_left(const struct records *all);

/* Publishes `from` with a serial of its own; one must be free. */
struct viewer_record *records_take(struct records *all, struct viewer *v,
				   struct viewer_record *from);
void records_give(struct records *all, struct viewer_record *rec);

/* The viewer reads this output now (UINT32_MAX: none); the page counts it there. */
void records_set_output(struct records *all, struct viewer_record *rec, uint32_t slot);

/* The viewer has moved; at most one of to->front_len and to->rest is not 0. */
void records_move(struct records *all, struct viewer_record *rec, const struct viewer_place *to);

/* The viewer with this serial, or NULL. */
struct viewer *records_find(const struct records *all, uint64_t serial);

#endif
