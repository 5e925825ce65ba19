/* udp_pair.h - receives two RTP legs of one feed as one stream (source/rtp_pair.h). */
#ifndef AMPS_UDP_PAIR_H
#define AMPS_UDP_PAIR_H

#include "amps-transcoder/source/rtp_pair.h"
#include "amps-transcoder/source/udp.h"

struct udp_pair;

/* Opens both URLs as udp_open() does.  A leg that cannot be opened is logged, and the other one is
 * received alone.  0 or -Exxx. */
must_check int udp_pair_open(const char *const urls[RTP_LEGS], uint64_t window_us,
			     const AVDictionary *options, AVDictionary **ret_left,
			     struct udp_pair **ret);
struct udp_pair *udp_pair_close(struct udp_pair *p); /* returns NULL; accepts NULL */

/* As udp_read(): what was lost is logged. */
must_check ssize_t udp_pair_read(struct udp_pair *p, uint8_t *dst, size_t cap, unsigned timeout_ms);

/* What was counted until the last read. */
struct rtp_pair_stats udp_pair_stats(const struct udp_pair *p);

#endif
