/* publication.h - one generation of the line-up, as the database thread hands it to the loop. */
#ifndef AMPS_PUBLICATION_H
#define AMPS_PUBLICATION_H

#include "amps-master/lineup/lineup.h"

/* Everything one generation consists of.  The receiver owns it. */
struct publication {
	uint64_t generation;
	int catalog_fd; /* sealed snapshot */
	uint64_t catalog_bytes;
	int tokens_fd; /* sealed snapshot; its generation is tokens_generation */
	uint64_t tokens_bytes;
	uint64_t tokens_generation;
	struct lineup *lineup;
	json_t *report; /* {"added":[{id,name}],"changed":[],"removed":[],"warnings":[...]} */
	json_t *server; /* the settings under `server` of a configuration just loaded, else NULL */
	int64_t next_change_wall_us; /* when a schedule window opens or closes next, or TIME_NONE */
};

/* Without snapshots and line-up, its report empty; NULL without memory. */
struct publication *publication_new(void);
void publication_free(struct publication *p); /* accepts NULL */

#endif
