/* pace.h - how far a reader may run ahead of its source's clock.
 *
 * A file or a stream with a known end is read at most `lead` ahead.  A live source keeps real time
 * itself: it may burst, its drift against our clock is followed, and it is throttled only if it
 * runs clearly faster.  A throttled source is read in lumps, because a wake-up costs more than
 * reading a packet.  Pure; times are given. */
#ifndef AMPS_PACE_H
#define AMPS_PACE_H

#include "common/base.h"
#include "common/clock.h"

enum pace_kind {
	PACE_NONE, /* never waits: datagrams */
	PACE_FILE, /* one second ahead */
	PACE_REAL, /* -re: nothing ahead */
	PACE_LIVE, /* four seconds ahead, or a second more than what is held; drift is followed */
};

#define PACE_LUMP_US	   150000 /* read beyond the lead before the next wait */
#define PACE_LEAD_FILE_US  1000000
#define PACE_LEAD_LIVE_US  4000000
#define PACE_SLACK_US	   1000000
#define PACE_WINDOW_US	   10000000 /* a live source's rate is judged over so long */
#define PACE_FASTER_PERMIL 20	    /* and counts as faster from here on */

struct pace {
	enum pace_kind kind;
	int64_t base_90k; /* media time that belongs to base_us */
	uint64_t base_us;
	int64_t last_90k;
	int64_t window_90k; /* where the window began */
	uint64_t window_us;
	bool held;	 /* within this window */
	bool trial;	 /* this window gives a live source some slack */
	int64_t more_us; /* so much is held back behind the reader */
};

void pace_init(struct pace *p, enum pace_kind kind);

/* The stream has come to clock_90k (TIME_NONE: unknown yet) at now_us.  Returns for how many
 * microseconds nothing should be read; 0 = go on.  A jump of the clock restarts it. */
uint64_t pace_delay_us(struct pace *p, int64_t clock_90k, uint64_t now_us);

#endif
