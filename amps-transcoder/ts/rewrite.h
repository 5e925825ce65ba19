/* rewrite.h - makes a transport stream continuous across splices.
 *
 * Nothing is changed until the first splice.  A splice is requested (a loop, a new job after an
 * older one) or found: the source's clock jumps back or more than ten seconds ahead, or a
 * discontinuity_indicator comes with another time.  From then on PCR, PTS and DTS are shifted so
 * that time continues at the frontier, and each continuity counter continues from the last one
 * written.  A found splice sets the discontinuity_indicator of its first PCR packet.  The counters
 * of tables continue even if those of the source break without a splice.  Behind a splice PAT and
 * PMT may have another version number than the source gives them (version_add): players that keep
 * the tables of a version must read those of the next job.
 *
 * Works in place, packet by packet, in the source's order.  Pure. */
#ifndef AMPS_TS_REWRITE_H
#define AMPS_TS_REWRITE_H

#include "amps-transcoder/ts/parse.h"

#define TS_JUMP_90K (10 * TS_HZ) /* a larger step ahead is another timeline */
#define TS_BACK_90K (TS_HZ / 10) /* so is one back; a smaller one is reordering */
#define TS_STEP_90K TS_HZ	 /* a larger step at a discontinuity_indicator is */

/* The section of a table whose version is being changed; it may span packets. */
struct ts_rewrite_table {
	unsigned left;	  /* bytes to come; 0 = none */
	uint32_t crc_xor; /* difference that the change makes to the CRC */
};

struct ts_rewrite {
	bool active;	    /* true from the first splice on */
	bool pending;	    /* a splice waits for the first timestamp that decides its offset */
	bool mark;	    /* the next PCR packet gets a discontinuity_indicator */
	bool has_pcr;	    /* the clock is a PCR's, not a DTS's */
	bool broken;	    /* a counter broke since the last PCR */
	bool found;	    /* the pending splice was found, not asked for */
	int64_t target_90k; /* where the pending splice's first timestamp goes */
	int64_t after_90k;  /* its first PCR is later than this; TIME_NONE */
	int64_t offset_90k; /* added to every timestamp */
	int64_t length_90k; /* of the round that is being repeated; TIME_NONE */
	int64_t round_offset_90k; /* offset_90k behind the last splice that was asked for */
	int64_t clock_90k;	  /* of the source, unwrapped, without offset; TIME_NONE */
	int64_t begun_90k;	  /* clock_90k at the last splice */
	/* the source's first PCR (or PTS) behind the last splice, and the smallest PTS of each
	 * stream within a second, without offset; TIME_NONE */
	int64_t start_90k, begins_90k[TS_STREAMS_MAX];
	int64_t old_offset_90k; /* offset of the previous timeline, for its late packets */
	int64_t old_clock_90k;
	uint64_t splices;
	uint64_t jumps; /* splices that were found */
	uint8_t round;	/* number of splices, to notice the first packet of a PID after one */
	uint8_t seen[TS_PIDS];	   /* the round in which a PID was last seen */
	uint8_t cc_shift[TS_PIDS]; /* added modulo 16 */
	void (*on_jump)(void *owner);
	void *owner;
	uint8_t version_add; /* added modulo 32 to the versions of PAT and PMT, once active */
	struct ts_rewrite_table pat, pmt;
};

void ts_rewrite_init(struct ts_rewrite *w);

/* Called when a splice was found, before the frontier is read: the parser may be told how long the
 * last sounds are, which it only estimates (ts_parse_last_unit()). */
void ts_rewrite_on_jump(struct ts_rewrite *w, void (*call)(void *owner), void *owner);

/* Another timeline follows; its first timestamp (the smallest within the look-ahead) becomes
 * target_90k. */
void ts_rewrite_splice(struct ts_rewrite *w, int64_t target_90k, bool marked);

/* The PCRs of the splice that was requested must be later than this: those of the timeline before,
 * which another rewriter has written.  Sources differ in how far their PCRs are ahead of their
 * pictures. */
void ts_rewrite_clock_after(struct ts_rewrite *w, int64_t pcr_90k);

/* The bytes since the last requested splice (or the beginning) follow again, `length_90k` later.
 * If it turns out to be another source, it is spliced to target_90k. */
void ts_rewrite_repeat(struct ts_rewrite *w, int64_t target_90k, int64_t length_90k);

/* The next bytes have new counters but continue the times: the counters are continued. */
void ts_rewrite_resume(struct ts_rewrite *w);

/* True if only a PCR behind the packets at hand decides whether another timeline begins with the
 * first of them.  The caller waits for more packets; when too many wait, it rewrites this one as a
 * part of the present timeline. */
bool ts_rewrite_waits(const struct ts_rewrite *w, const struct ts_parse *p, const uint8_t *packets,
		      size_t n);

/* Rewrites the first packet of `packets` (n of them are at hand, for a look ahead).  `p` is the
 * parser that has seen everything before it as written. */
void ts_rewrite_packet(struct ts_rewrite *w, const struct ts_parse *p, uint8_t *packets, size_t n);

/* Fast path for most packets, in the middle of a PES with the next counter: does the same as
 * ts_rewrite_packet() and ts_parse_packet().  False for any other packet, without an effect. */
static inline bool ts_rewrite_middle(struct ts_rewrite *w, struct ts_parse *p, uint8_t *packet)
{
	unsigned pid = ts_pid(packet), last = p->cc[pid];
	unsigned now = (packet[3] + w->cc_shift[pid]) & 0x0fu;

	/* no error, no start of a unit, only a payload, of a stream of the programme */
	if (packet[1] & 0xc0u || (packet[3] & 0x30u) != 0x10u || !p->stream_of[pid])
		return false;
	if (pid < TS_PID_TABLES || pid == TS_PID_NONE || pid == p->pmt_pid)
		return false;
	if (last > 15 || now != ((last + 1) & 0x0fu) || p->scan_left || w->pending ||
	    w->seen[pid] != w->round)
		return false;
	packet[3] = (uint8_t)((packet[3] & 0xf0u) | now);
	p->cc[pid] = (uint8_t)now;
	p->packets++;
	p->media_packets++;
	return true;
}

#endif
