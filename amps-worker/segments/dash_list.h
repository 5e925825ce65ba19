/* dash_list.h - the segments of one track as a manifest of DASH lists them, from the parts of its
 * index.  Pure but for the memory of the list. */
#ifndef AMPS_DASH_LIST_H
#define AMPS_DASH_LIST_H

#include "common/shm/segment.h"

struct dash_segment {
	uint32_t number, discontinuity;
	uint32_t init;	       /* number of its init segment */
	uint32_t duration_90k; /* so far, while it grows */
	int64_t start_90k;     /* earliest presentation time in its file */
	int64_t began_90k;     /* the same of the first segment with this discontinuity and init */
	bool complete;
};

struct dash_list {
	struct dash_segment *at; /* newest first */
	size_t count, cap;
	bool begun;	  /* the first part of the last segment was seen */
	uint64_t all_90k; /* of complete segments */
	/* the newest groups of pictures: those between two access points */
	unsigned groups;    /* that were as long as each other */
	uint32_t group_90k; /* of each of them */
	bool groups_differ; /* the next older one was not */
	uint64_t open_90k;  /* since the access point that was looked for last */
	bool access_seen;
	uint32_t newest_discontinuity;
};

/* Adds the next older part; the first one is the newest.  0 or -ENOMEM. */
must_check int dash_list_add(struct dash_list *l, const struct segment *part);

/* No further part will be added: drops the oldest segment unless it is whole. */
void dash_list_end(struct dash_list *l);

void dash_list_done(struct dash_list *l);

/* Are segments of pictures all as long as each other?  Then *ret_90k is how long the next ones will
 * be. */
bool dash_list_constant(const struct dash_list *l, uint32_t target_s, uint32_t *ret_90k);

#endif
