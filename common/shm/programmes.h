/* programmes.h - the programmes that a channel has by itself (next_programs): those whose time can
 * be read, by time, each with an end behind its start and not behind the start of the next.
 *
 * Pure but for the memory of the list. */
#ifndef AMPS_PROGRAMMES_H
#define AMPS_PROGRAMMES_H

#include <assert.h>
#include "common/shm/catalog.h"

/* Of one whose end is not known and after which there is none. */
#define PROGRAMME_LAST_US (3600ll * 1000000)

struct programme {
	const char *title;	 /* the channel's name where there is none; NULL if that has none */
	const char *description; /* or NULL */
	int64_t start_us, end_us;
};

/* All of them: *ret is an array for free(), or NULL if there is none.  Their count or -ENOMEM. */
must_check ssize_t programmes_read(const struct catalog *c, const struct catalog_channel *ch,
				   struct programme **ret);

#define PROGRAMMES_AHEAD 2u

struct programmes_ahead {
	struct programme list[PROGRAMMES_AHEAD]; /* the first ones that are not over */
	size_t count;
	int64_t end_us;	    /* of the last programme of all; TIME_NONE = there is none */
	int64_t changed_us; /* when one last began or ended; TIME_NONE = none has begun */
};

/* Looks for them in one pass, without memory. */
void programmes_ahead(const struct catalog *c, const struct catalog_channel *ch, int64_t wall_us,
		      struct programmes_ahead *ret);

/* When a list of what is on or next is made again because a programme begins or ends: at
 * the full minute, so that many channels do not make it again more often. */
static inline int64_t programmes_minute(int64_t change_us)
{
	const int64_t minute_us = 60 * 1000000ll;

	assert(change_us >= 0 && change_us < INT64_MAX - minute_us);
	return (change_us + minute_us - 1) / minute_us * minute_us;
}

#endif
