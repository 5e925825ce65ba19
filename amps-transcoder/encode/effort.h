/* effort.h - how fast a job that encodes could go, and how many pictures it has left out.
 *
 * The speed is the media time that it has taken for each second in which it did not wait for its
 * source: 1.0 is the least that keeps up.  Times are those of the source's pictures, or of its
 * sound where there are none.  Pure; times are given. */
#ifndef AMPS_EFFORT_H
#define AMPS_EFFORT_H

#include "common/base.h"
#include "common/clock.h"

#define EFFORT_REPORT_US 2000000u

struct effort {
	uint64_t since_us, waited_us; /* of the present measurement; 0 = none */
	int64_t from_90k, newest_90k; /* media taken in it */
	int64_t apart_90k;	      /* of the last two pictures; 0 = not known */
	bool pictures;		      /* sound does not count */
	bool skipped;		      /* what comes next does not go on there */
	uint64_t dropped;	      /* pictures since the last report */
};

#define EFFORT_INIT ((struct effort){.newest_90k = TIME_NONE})

struct effort_report {
	uint32_t permil; /* the speed, in thousandths */
	uint64_t dropped;
};

/* It has waited so long for the source. */
void effort_waited(struct effort *e, uint64_t us);

/* It takes a picture, or (false) a frame of sound, of this decode time.  True: there is a report.
 */
must_check bool effort_take(struct effort *e, bool picture, int64_t time_90k, uint64_t now_us,
			    struct effort_report *ret);

/* The source goes on elsewhere.  `slow`: what is between was left out, else there was nothing. */
void effort_skip(struct effort *e, bool slow);

#endif
