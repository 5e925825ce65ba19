/* pcr.h - enough clocks in a muxed transport stream.
 *
 * libavformat's muxer writes a PCR only beside a unit of the PCR's stream: pictures five a second,
 * or a hole where a loop begins again, leave players without a clock for longer than they may be
 * (ISO 13818-1, 2.7.2: 100 ms).  This lies behind the muxer and adds packets with a PCR alone,
 * ahead of the units of the other streams and, where those are missing, ahead of the next PCR.  A
 * clock is never later than the last unit of its own stream was to be decoded.  Pure. */
#ifndef AMPS_TS_PCR_H
#define AMPS_TS_PCR_H

#include "amps-transcoder/ts/parse.h"

/* The longest distance of two PCRs: that of pictures at 24000/1001, where a packet for each of them
 * would be a waste; with fewer than ten units a second, or sound alone, what the standard allows.
 */
#define TS_PCR_STEP_90K	     3760
#define TS_PCR_STEP_SLOW_90K 9000

struct ts_pcr {
	void (*write)(void *owner, const void *bytes, size_t n);
	void *owner;
	unsigned pid; /* of the PCR; TS_PID_NONE = none seen yet */
	uint8_t cc;   /* the last one on that PID */
	bool video;
	int64_t last_90k;  /* PCR written last; TIME_NONE */
	int64_t ahead_90k; /* a unit's DTS less its PCR; TIME_NONE */
	int64_t dts_90k;   /* of the last unit of the PCR's stream; TIME_NONE */
	int64_t unit_90k;  /* distance of its last two units */
};

/* What comes out goes to `write`, whole packets. */
void ts_pcr_init(struct ts_pcr *c, void (*write)(void *owner, const void *bytes, size_t n),
		 void *owner);

/* Another muxer goes on where the last one ended; its PCR may have another PID. */
void ts_pcr_resume(struct ts_pcr *c);

/* The muxer's next bytes, whole packets; packets of another kind (192 bytes) pass unchanged. */
void ts_pcr_put(struct ts_pcr *c, const uint8_t *bytes, size_t n);

#endif
