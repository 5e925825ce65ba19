/* ts_file.h - plays a transport stream file from memory, in a loop, at a constant rate.
 *
 * The continuity counters are rewritten so that they continue from the end of the file to its
 * beginning; clocks are not.  For the programs of this folder only. */
#ifndef BENCH_TS_FILE_H
#define BENCH_TS_FILE_H

#include "common/base.h"

#define TS_BYTES 188u
#define TS_SYNC	 0x47

struct ts_file {
	const uint8_t *bytes;
	size_t len; /* whole packets */
	size_t at;
	uint8_t counters[8192];
};

/* Maps the file.  0, -EINVAL (the file has no packet) or the error of open(). */
must_check int ts_file_open(struct ts_file *f, const char *path);

/* Copies the next packet to dst, with its counter. */
void ts_file_next(struct ts_file *f, uint8_t *dst);

static inline unsigned ts_pid(const uint8_t *packet)
{
	return (packet[1] & 0x1fu) << 8 | packet[2];
}

static inline bool ts_has_payload(const uint8_t *packet)
{
	return packet[3] & 0x10;
}

/* The adaptation field's random_access_indicator. */
static inline bool ts_random_access(const uint8_t *packet)
{
	return (packet[3] & 0x20) && packet[4] && (packet[5] & 0x40);
}

/* The monotonic clock in nanoseconds. */
uint64_t pace_now_ns(void);

/* Sleeps until `bytes` are due at `bits_per_second` since start_ns. */
void pace_until(uint64_t start_ns, uint64_t bytes, double bits_per_second);

/* Binds this process to a CPU; a negative number changes nothing. */
void pin_to_cpu(int cpu);

#endif
