/* ts_check.h - reads one client's transport stream: where it starts, when its first picture is
 * there, whether its counters go on, and whether it is a run of the source (packet_log.h).
 *
 * A stream must start with a PAT and reach a random access point with nothing but PSI before it;
 * the same holds behind a mark (an adaptation-only packet with discontinuity_indicator). */
#ifndef BENCH_TS_CHECK_H
#define BENCH_TS_CHECK_H

#include "tests/bench/load/packet_log.h"
#include "tests/bench/ts_file.h"

struct ts_check {
	uint8_t *counters; /* by PID, 0xff = not seen; NULL = not verified */
	struct packet_run run;
	uint8_t carry[TS_BYTES];
	unsigned carried;
	bool synced;
	bool in_mark; /* the last packet was a mark */
	uint16_t pmt_pid, video_pid;
	uint8_t video_type;
	/* ns of the monotonic clock; 0 = did not happen */
	uint64_t rap_ns;      /* first packet of the first key frame */
	uint64_t key_end_ns;  /* its last packet, known once the next picture begins */
	uint64_t key_last_ns; /* its last packet so far */
	uint64_t rap_bytes;   /* that came before it */
	uint64_t packets, skipped_bytes, sync_losses, counter_errors, duplicates, transport_errors;
	uint64_t cuts;	     /* marked */
	uint64_t bad_starts; /* media before a random access point, or no PAT first */
};

must_check int ts_check_init(struct ts_check *t, bool verified);
void ts_check_done(struct ts_check *t);

/* The stream's next n bytes, received at now_ns. */
void ts_check_feed(struct ts_check *t, struct packet_log *l, const uint8_t *p, size_t n,
		   uint64_t now_ns);

#endif
