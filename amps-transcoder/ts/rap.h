/* rap.h - a random access point of a transport stream, and how a ring gets it: which packets a
 * reader sends before the stream's own.  Pure. */
#ifndef AMPS_TS_RAP_H
#define AMPS_TS_RAP_H

#include "common/base.h"
#include "common/clock.h"
#include "common/shm/form.h"
#include "common/shm/ring_layout.h"

#define TS_RAP_PSI_PACKETS 7u  /* packets of PAT and PMT */
#define TS_RAP_PIDS	   14u /* PIDs whose continuity it knows */

/* One continuity counter: the last value used on `pid` before the access point. */
struct ts_pid_cc {
	uint16_t pid;
	uint8_t cc; /* 0..15, or 0xff: PID not seen yet */
};

/* The tables are the last good ones before `pos`, with counters that the stream's next ones on
 * their PIDs follow. */
struct ts_rap {
	uint64_t pos;	 /* of the packet in which the access unit starts */
	int64_t pts_90k; /* unwrapped; TIME_NONE if unknown */
	int64_t pcr_90k; /* last PCR before or at pos; TIME_NONE if none */
	uint16_t pcr_pid;
	unsigned pid_count, psi_packets;
	struct ts_pid_cc pids[TS_RAP_PIDS];
	uint8_t psi[TS_RAP_PSI_PACKETS * TS_PACKET];
};

/* A packet without payload and with discontinuity_indicator: the next payload on this PID has the
 * counter behind `cc`. */
void ts_rap_mark(uint8_t *packet, unsigned pid, unsigned cc);

/* The mark is an adaptation-only packet with discontinuity_indicator for each PID (ISO 13818-1,
 * 2.4.3.5; its counter is the one before the next payload's; a PID not seen yet will begin at 0;
 * that of the PCR's PID has the first PCR).  The intro is the PSI packets. */
void ts_rap_pack(const struct ts_rap *from, struct ring_rap *ret);

#endif
