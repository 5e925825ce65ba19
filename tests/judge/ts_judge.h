/* ts_judge.h - judges one MPEG transport stream (ISO/IEC 13818-1), however its bytes were fetched.
 *
 * Feed it the bytes in order; then read what it found.  It judges packets (sync, continuity), time
 * (DTS and PCR that go on), tables (PAT and PMT with their checksums) and entries: a stream, and
 * what follows a mark, must begin with PAT, PMT and then a random access point of the picture.  A
 * mark is a packet without payload whose discontinuity_indicator is set.  Of several programmes the
 * first one of the PAT is judged; the counters of all PIDs are. */
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
	uint64_t packets;	/* whole ones, in sync */
	uint64_t skipped_bytes; /* that were no part of a packet */
	/* defects */
	uint64_t sync_losses;	   /* places where no packet began */
	uint64_t malformed;	   /* an adaptation field that does not fit into its packet */
	uint64_t transport_errors; /* transport_error_indicator */
	uint64_t cc_errors;	   /* counters that jumped without a mark */
	uint64_t backwards;	   /* DTS (PTS where there is none) that went back */
	uint64_t pcr_backwards;
	uint64_t psi_errors; /* PAT or PMT: checksum, table or length is wrong */
	uint64_t bad_starts; /* streams that began with something else than they must */
	uint64_t bad_cuts;   /* likewise behind a mark */
	uint64_t early;	     /* packets of media between such a beginning and the access point */
	/* no defects by themselves */
	uint64_t duplicates;	/* packets sent twice, as the standard allows */
	uint64_t marked;	/* packets with a discontinuity_indicator */
	uint64_t marks;		/* those of the picture's PID; neighbours count once */
	uint64_t cuts;		/* marks, whatever their PID; neighbours count once */
	uint64_t cc_skips;	/* counters that jumped where a mark allows it */
	uint64_t late;		/* units that began when their time to be decoded had passed */
	uint64_t pmt_changes;	/* PMTs with another version than the one before */
	int64_t first_dts, dts; /* of the picture; TS_JUDGE_NONE = none yet */
	int64_t dts_gap;	/* the longest time between two pictures as they are decoded */
	int64_t pcr_gap;    /* the longest time between two clocks of the programme, marks apart */
	uint64_t pcr_leaps; /* clocks far from the one before in a packet without a mark */
	char first_error[160]; /* the first defect in words; "" = none */
};

/* What the last packet was, for those who follow packets themselves. */
struct ts_packet {
	const uint8_t *bytes; /* TS_JUDGE_PACKET of them, until the callback returns */
	unsigned pid;
	bool mark;
	bool table;  /* of the PAT's or PMT's PID */
	bool access; /* a random access point of the picture begins */
};

/* Called for each packet in sync, after it was judged. */
typedef void (*ts_judge_packet_cb)(void *arg, const struct ts_packet *packet);

enum ts_judge_expect { EXPECT_ANYTHING, EXPECT_PAT, EXPECT_PMT, EXPECT_ACCESS };

struct ts_judge_track;

/* A section that is put together from packets. */
struct ts_judge_section {
	uint8_t bytes[TS_JUDGE_SECTION];
	size_t len;
	bool open;
};

/* Read `found` and the members up to `picture_end_ns`; the rest is the judge's own. */
struct ts_judge {
	struct ts_findings found;
	int video_pid; /* -1 = none known */
	uint8_t video_type;
	int videos[TS_JUDGE_VIDEOS_MAX]; /* every PID that was the picture's */
	unsigned video_count;
	/* times given to ts_judge_feed(); 0 = did not happen */
	uint64_t access_ns;	 /* first packet of the first random access point */
	uint64_t access_bytes;	 /* that came before it */
	uint64_t picture_end_ns; /* its last packet, known once the next picture begins */

	ts_judge_packet_cb on_packet;
	void *arg;
	struct ts_judge_track *tracks; /* one a PID; owned */
	unsigned track_count, track_cap;
	struct ts_judge_section pat, pmt;
	int pmt_pid, pcr_pid, pmt_version;
	uint8_t carry[TS_JUDGE_PACKET];
	unsigned carried;
	bool synced, starting, in_mark, in_cut;
	enum ts_judge_expect expect;
	uint64_t picture_last_ns;
};

/* A judge of a new stream; with a callback that is called for each packet, or NULL. */
void ts_judge_init(struct ts_judge *j, ts_judge_packet_cb on_packet, void *arg);
void ts_judge_done(struct ts_judge *j); /* accepts a zeroed struct */

/* The same viewer's next connection: findings stay, a start is expected. */
void ts_judge_restart(struct ts_judge *j);

/* The stream's next n bytes, which came at now_ns (never 0). */
void ts_judge_feed(struct ts_judge *j, const uint8_t *bytes, size_t n, uint64_t now_ns);

/* How many defects were found, all kinds together. */
uint64_t ts_judge_defects(const struct ts_judge *j);

/* How long the picture has gone on by its DTS, in units of 90 kHz. */
int64_t ts_judge_duration(const struct ts_judge *j);

#endif
