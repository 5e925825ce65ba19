/* pcr.h - adds PCRs to a muxed transport stream.
 *
 * libavformat's muxer writes a PCR only with a unit of the PCR's stream.  With five pictures a
 * second, or a gap where a loop restarts, the distance exceeds the limit (ISO 13818-1, 2.7.2: 100
 * ms).  This filter behind the muxer adds packets with only a PCR: before the units of the other
 * streams and, without those, before the next PCR.  An added PCR is never later than the DTS of the
 * last unit of its own stream.  Pure. */
#ifndef AMPS_TS_PCR_H
#define AMPS_TS_PCR_H

#include "amps-transcoder/ts/parse.h"

/* The longest distance of two PCRs: that of pictures at 24000/1001, so that such streams need no
 * extra packets; with fewer than ten units a second, or only sound, the limit of the standard. */
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

/* Output goes to `write`, in whole packets. */
void ts_pcr_init(struct ts_pcr *c, void (*write)(void *owner, const void *bytes, size_t n),
		 void *owner);

/* Another muxer continues; its PCR may have another PID. */
void ts_pcr_resume(struct ts_pcr *c);

/* Takes the next bytes of the muxer, whole packets; packets of another size (192 bytes) pass
 * unchanged. */
void ts_pcr_put(struct ts_pcr *c, const uint8_t *bytes, size_t n);

#endif
