/* rtp_pair.h - merges two RTP legs of one feed (SMPTE ST 2022-7): by sequence number.
 *
 * Both legs put into one queue (rtp_queue.h), so a packet leaves as soon as those before it have
 * left, whichever leg brought it; one that is missing on both legs is given up after the window.
 * The window is the largest difference of the legs' delays that costs nothing.
 *
 * A packet belongs to the stream if its number is near the last ones and its RTP timestamp is that
 * of the other leg's packet of this number; if that has not come, its SSRC decides.  Other packets
 * are strays: they are dropped, and counted, until the other leg has strays with those numbers, too
 * (the sender was restarted), or has been silent for longer than the window.  One that is far ahead
 * belongs to the stream only if another one near it follows.
 * Pure except for its memory, which is bounded; any input is safe. */
#ifndef AMPS_RTP_PAIR_H
#define AMPS_RTP_PAIR_H

#include "common/base.h"

#define RTP_LEGS	 2u
#define RTP_PAIR_PACKETS 3000u /* that wait at most, whatever the window */

struct rtp_pair_stats {
	uint64_t lost[RTP_LEGS];   /* did not come on this leg within the window */
	uint64_t strays[RTP_LEGS]; /* dropped because they are of another stream, or no RTP */
	uint64_t filled;	   /* came on one leg only: without the pair they were missing */
	uint64_t missing;	   /* came on neither */
};

struct rtp_pair;

/* 0 or -ENOMEM. */
must_check int rtp_pair_new(uint64_t window_us, struct rtp_pair **ret);
struct rtp_pair *rtp_pair_free(struct rtp_pair *p); /* returns NULL; accepts NULL */

/* Takes a datagram that came on this leg, 0 or 1.  0, also if it is dropped, or -EAGAIN:
 * rtp_pair_take() must make room first. */
must_check int rtp_pair_put(struct rtp_pair *p, unsigned leg, const uint8_t *datagram, size_t n,
			    uint64_t now_us);

/* As rtp_queue_take() and rtp_queue_wait_us(). */
size_t rtp_pair_take(struct rtp_pair *p, uint8_t *dst, size_t cap, uint64_t now_us);
uint64_t rtp_pair_wait_us(const struct rtp_pair *p, uint64_t now_us);

/* What was counted since the beginning.  A packet counts once the window has passed. */
struct rtp_pair_stats rtp_pair_stats(struct rtp_pair *p, uint64_t now_us);

#endif
