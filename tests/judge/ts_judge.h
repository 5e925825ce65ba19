/* ts_judge.h - checks an MPEG transport stream (ISO/IEC 13818-1), independent of its transport.
 *
 * Feed it the bytes in order, then read `found`.  It checks packets (sync, continuity), time (DTS
 * and PCR must increase), tables (PAT and PMT with their checksums) and starts: a stream, and what
 * follows a mark, must begin with PAT, PMT and then a random access point of the video.  A mark is
 * a packet without payload whose discontinuity_indicator is set; one alone, right in front of a
 * packet of its own PID, announces only that PID's counter.  Continuity is checked for all
 * PIDs, everything else for the first programme of the PAT. */
#ifndef TESTS_TS_JUDGE_H
#define TESTS_TS_JUDGE_H

#include "common/base.h"

#define TS_JUDGE_PACKET	    188u
#define TS_JUDGE_NULL_PID   0x1fffu
#define TS_JUDGE_VIDEOS_MAX 8u
#define TS_JUDGE_SECTION    1024u /* ISO/IEC 13818-1: no PAT or PMT is longer */
#define TS_JUDGE_NONE	    INT64_MIN

/* Times are in units of 90 kHz. */
struct ts_findings {
	uint64_t packets;	/* complete packets, in sync */
	uint64_t skipped_bytes; /* bytes that do not belong to a packet */
	/* defects */
	uint64_t sync_losses;	   /* places where a packet should begin but does not */
	uint64_t malformed;	   /* adaptation fields that do not fit into their packet */
	uint64_t transport_errors; /* packets with transport_error_indicator */
	uint64_t cc_errors;	   /* continuity counters that jumped without a mark */
	uint64_t backwards;	   /* DTS (or PTS, without a DTS) that decreased */
	uint64_t pcr_backwards;	   /* PCRs that decreased */
	uint64_t psi_errors;	   /* PATs or PMTs with a wrong checksum, table id or length */
	uint64_t bad_starts;	   /* streams that do not begin as required above */
	uint64_t bad_cuts;	   /* the same behind a mark */
	uint64_t early;		   /* media packets before the access point of such a start */
	/* not defects by themselves */
	uint64_t duplicates;	/* packets sent twice, as the standard allows */
	uint64_t marked;	/* packets with a discontinuity_indicator */
	uint64_t marks;		/* marks on the video's PID; adjacent ones count once */
	uint64_t cuts;		/* marks on any PID; adjacent ones count once */
	uint64_t cc_skips;	/* continuity counters that jumped where a mark allows it */
	uint64_t late;		/* access units that began after their decoding time */
	uint64_t pmt_changes;	/* PMTs with another version than the one before */
	int64_t first_dts, dts; /* of the video; TS_JUDGE_NONE = none yet */
	int64_t dts_gap;	/* the longest difference between the DTS of two pictures */
	int64_t pcr_gap;	/* the longest difference between two PCRs, except at marks */
	uint64_t pcr_leaps;	/* PCRs far from the one before, in a packet without a mark */
	char first_error[160];	/* text of the first defect; "" = none */
};

/* The packet that ts_judge_packet_cb gets. */
struct ts_packet {
	const uint8_t *bytes; /* TS_JUDGE_PACKET of them, until the callback returns */
	unsigned pid;
	bool mark;
	bool table;  /* on the PAT's or PMT's PID */
	bool access; /* a random access point of the video begins here */
};

/* Called for each packet in sync, after it was checked. */
typedef void (*ts_judge_packet_cb)(void *arg, const struct ts_packet *packet);

enum ts_judge_expect { EXPECT_ANYTHING, EXPECT_PAT, EXPECT_PMT, EXPECT_ACCESS };

struct ts_judge_track;

/* A section that is assembled from packets. */
struct ts_judge_section {
	uint8_t bytes[TS_JUDGE_SECTION];
	size_t len;
	bool open;
};

/* Callers read `found` and the members up to `picture_end_ns`; the rest is private. */
struct ts_judge {
	struct ts_findings found;
	int video_pid; /* -1 = none known */
	uint8_t video_type;
	int videos[TS_JUDGE_VIDEOS_MAX]; /* every PID that was the video's so far */
	unsigned video_count;
	/* times given to ts_judge_feed(); 0 = did not happen */
	uint64_t access_ns;	 /* first packet of the first random access point */
	uint64_t access_bytes;	 /* bytes before that packet */
	uint64_t picture_end_ns; /* last packet of that picture, set when the next one begins */

	ts_judge_packet_cb on_packet;
	void *arg;
	struct ts_judge_track *tracks; /* one for each PID; owned */
	unsigned track_count, track_cap;
	struct ts_judge_section pat, pmt;
	int pmt_pid, pcr_pid, pmt_version;
	int lone_pid; /* the last packet was a mark on this PID, behind media; -1 */
	uint8_t carry[TS_JUDGE_PACKET];
	unsigned carried;
	bool synced, starting, in_mark, in_cut;
	enum ts_judge_expect expect;
	uint64_t picture_last_ns;
};

/* Starts to check a new stream; `on_packet` may be NULL. */
void ts_judge_init(struct ts_judge *j, ts_judge_packet_cb on_packet, void *arg);
void ts_judge_done(struct ts_judge *j); /* accepts a zeroed struct */

/* The same viewer's next connection: keeps the findings and expects a start. */
void ts_judge_restart(struct ts_judge *j);

/* The stream's next n bytes, which arrived at now_ns (never 0). */
void ts_judge_feed(struct ts_judge *j, const uint8_t *bytes, size_t n, uint64_t now_ns);

/* The number of defects of all kinds. */
uint64_t ts_judge_defects(const struct ts_judge *j);

/* The duration of the video by its DTS, in units of 90 kHz. */
int64_t ts_judge_duration(const struct ts_judge *j);

#endif
