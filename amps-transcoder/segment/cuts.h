/* cuts.h - where segments begin: one list of cuts for all tracks of a job, so that number, time and
 * discontinuity of a segment are the same in every variant.
 *
 * A track that reaches a place first decides and adds a cut; the others cut where the list says.
 * Each calls cuts_start() at an access point that follows a gap (or is its first), and cuts_next()
 * at each picture that follows.  Pure: no I/O, no clock, no log.
 *
 * TARGETDURATION is sealed when the first segment ends: the longest of the configured duration, the
 * longest distance of access points that is remembered, and that segment. A segment whose picture
 * brings no access point in time ends without one, and the segment behind it at the first one. */
#ifndef AMPS_CUTS_H
#define AMPS_CUTS_H

#include "common/base.h"
#include "common/limits.h"

#define CUTS_KEPT 64u
#define CUTS_GOPS 16u

struct cut {
	uint32_t number;	/* of the segment that begins here */
	uint32_t discontinuity; /* sequence, as struct segment has it */
	int64_t pts_90k;
	int64_t wall_us; /* of that picture */
};

struct cuts {
	struct cut at[CUTS_KEPT];    /* number % CUTS_KEPT */
	uint32_t count;		     /* of cuts so far */
	uint32_t next;		     /* number of the next cut */
	uint32_t discontinuity;	     /* of the newest cut */
	int64_t segment_90k;	     /* least duration; 0 = not known */
	int64_t gop_90k;	     /* longest distance of access points, also of earlier jobs */
	int64_t gops_90k[CUTS_GOPS]; /* the last ones, of all tracks; 0 = not yet */
	unsigned gop_count;
	uint32_t target_s;  /* sealed; 0 = not yet */
	bool adopted;	    /* numbers go on behind those of an earlier job */
	unsigned firsts;    /* segments to come that end at each access point */
	int64_t passed_90k; /* the newest access point at which a track did not cut */
	int64_t seen_90k;   /* the newest picture of any track since one began */
	uint32_t part;	    /* the highest number of a part that a track of the job had */
	struct cut filler;  /* the last one that filled a hole */
};

/* Of one track; zeroed at first. */
struct cut_track {
	bool begun;			/* it has had a segment, maybe in an earlier job */
	uint32_t number, discontinuity; /* of its newest segment */
	int64_t start_90k;
	int64_t seen_90k;   /* the newest picture since then */
	int64_t access_90k; /* its last access point; TIME_NONE */
	/* its newest segment only has the number that the track lacked: it ends at the next access
	 * point, and in a track where each unit is one, with its first unit */
	bool fills;
	bool blind; /* its newest segment began without an access point, for want of one */
	/* an earlier job completed its newest segment, which ends here, so that the track may go on
	 * without a break with the next one, if the other tracks have that already */
	bool whole;
	int64_t end_90k;
};

/* A cold start: numbers begin with that of this time, so that they grow from one start to the next;
 * discontinuities with the number given. */
void cuts_init(struct cuts *c, int64_t wall_us, uint32_t discontinuity, int64_t gop_90k);
/* Number of the first part of a track that has none before it.  No part has had it: a track of this
 * job that has ended had lower ones, and so had tracks of earlier jobs by this time. */
uint32_t cuts_first_part(const struct cuts *c, int64_t wall_us);
/* Numbers go on behind what an earlier job made of this track, in whose playlist the target
 * duration is sealed.  No track gets a cut before the end of that which this one had not. */
void cuts_adopt(struct cuts *c, const struct cut_track *t, uint32_t target_s);
/* Where a segment of that began, after cuts_adopt(), the newest one first: a track that lacks it
 * makes it, or its playlist would have a hole.  Left out if it does not adjoin those that are
 * known.
 */
void cuts_adopt_cut(struct cuts *c, const struct cut *before);

/* The track begins with this access point: a segment of this cut's number.  NULL: the next cut of
 * the others is later; try the next one.  `pts_90k` may be later than the cut's.
 *
 * A source may break off when one track has just begun a segment and another one has not: that one
 * lacks a number, and a playlist with a hole is none.  Then a short segment of that number comes
 * first (t->fills). */
const struct cut *cuts_start(struct cuts *c, struct cut_track *t, int64_t pts_90k, int64_t wall_us);

/* A picture begins: the cut if a segment begins with it, or NULL. */
const struct cut *cuts_next(struct cuts *c, struct cut_track *t, int64_t pts_90k, bool access);

/* A first segment of this duration has ended, also without a cut: seals the target duration. */
void cuts_seal(struct cuts *c, int64_t duration_90k);

/* Of the newest cut; TIME_NONE. */
int64_t cuts_newest_90k(const struct cuts *c);

/* Time of this pts, as the cuts have it. */
int64_t cut_wall_us(const struct cut *c, int64_t pts_90k);

#endif
