/* publication.h - one generation of the line-up, as the database thread hands it to the loop. */
#ifndef AMPS_PUBLICATION_H
#define AMPS_PUBLICATION_H

#include "amps-master/lineup/lineup.h"
#include "common/shm/snapshot.h"

/* A sealed snapshot, as workers get it. */
struct published {
	int fd; /* owned; -1 = none */
	uint64_t bytes;
	uint64_t generation; /* of its kind */
};

/* Everything one generation consists of.  The receiver owns it. */
struct publication {
	uint64_t generation;				  /* also the catalog's */
	struct published snapshots[SNAPSHOT_KIND_COUNT_]; /* without one: as published before */
	struct lineup *lineup;
	json_t *report;	  /* {"added":[{id,name}],"changed":[],"removed":[],"warnings":[...]};
			   * old_group: the group that a channel has left, or in which it was */
	json_t *settings; /* of a configuration just loaded: what settings_follow() reads; else NULL
			   */
	int64_t next_change_wall_us; /* when a schedule window opens or closes next, or TIME_NONE */
};

/* Without snapshots and line-up, its report empty; NULL without memory. */
struct publication *publication_new(void);
void publication_free(struct publication *p); /* accepts NULL */

#endif
