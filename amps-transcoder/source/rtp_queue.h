/* rtp_queue.h - puts RTP packets back in order (RFC 3550): by sequence number.  A packet waits for
 * missing ones before it, up to a maximum time and a maximum number of waiting packets.  Duplicates
 * and late packets are dropped.  A number far ahead may be a stray packet's, and would cost all
 * that are before it: it is kept aside until another one near it follows (RFC 3550, A.1) or the
 * stream is near it.  It is dropped if the stream goes on for the maximum time and is not near it.
 * Another SSRC or a large jump of the numbers means another sender: waiting packets are output
 * first.  Pure except for its memory; any input is safe. */
#ifndef AMPS_RTP_QUEUE_H
#define AMPS_RTP_QUEUE_H

#include "common/base.h"

#define RTP_PAYLOAD_MAX	     2048u   /* bytes */
#define RTP_REORDER_PACKETS  500     /* that wait at most, unless the source says otherwise */
#define RTP_REORDER_MAX	     900     /* what a source may say */
#define RTP_QUEUE_MAX	     4000u   /* that a queue can hold */
#define RTP_FAR		     64	     /* so much ahead of the newest is far */
#define RTP_FAR_NEAR	     16	     /* a number that follows one is at most so far from it */
#define RTP_MAX_DELAY_US     100000  /* so long at most */
#define RTP_MAX_DELAY_MAX_US 5000000 /* what a source may say */

/* What became of the packets, since the beginning. */
struct rtp_stats {
	uint64_t lost;	     /* never came, or not in time */
	uint64_t late;	     /* came when they were given up, and are dropped; not what was sent
				before the first that came: the stream begins with that */
	uint64_t duplicates; /* dropped */
	uint64_t reordered;  /* put in their place */
};

/* An RTP packet that carries MPEG-TS. */
struct rtp_packet {
	uint32_t sender, timestamp;
	uint16_t number;
	const uint8_t *payload; /* borrowed from the datagram; without its padding */
	size_t len;
};

/* False if the datagram is not such a packet. */
bool rtp_parse(const uint8_t *datagram, size_t n, struct rtp_packet *ret);

struct rtp_queue;

/* max_packets 0..RTP_QUEUE_MAX; 0: nothing waits.  0 or -ENOMEM. */
must_check int rtp_queue_new(unsigned max_packets, uint64_t max_delay_us, struct rtp_queue **ret);
struct rtp_queue *rtp_queue_free(struct rtp_queue *q); /* returns NULL; accepts NULL */

/* What became of a packet. */
enum rtp_put {
	RTP_PUT_DONE,  /* it waits for its turn, or is late or a duplicate and was dropped */
	RTP_PUT_ASIDE, /* it is kept aside, in place of the one that was */
	RTP_PUT_BOTH,  /* it waits for its turn, and so does the one that was kept aside */
};

/* An rtp_put, or -EAGAIN: rtp_queue_take() must make room first. */
must_check int rtp_queue_put(struct rtp_queue *q, const struct rtp_packet *packet, uint64_t now_us);

/* Is the number near enough to those that came for the same sender to have sent it? */
bool rtp_queue_near(const struct rtp_queue *q, uint16_t number);

/* Copies the payloads whose turn it is, back to back; the bytes.  A payload that does not fit
 * stays. */
size_t rtp_queue_take(struct rtp_queue *q, uint8_t *dst, size_t cap, uint64_t now_us);

/* In how many microseconds the wait for a missing packet ends; UINT64_MAX: none waits. */
uint64_t rtp_queue_wait_us(const struct rtp_queue *q, uint64_t now_us);

struct rtp_stats rtp_queue_stats(const struct rtp_queue *q);

#endif
