/* udp.h - receiving MPEG-TS over UDP, unicast or multicast, bare or in RTP (RFC 2250). */
#ifndef AMPS_UDP_H
#define AMPS_UDP_H

#include <libavutil/dict.h>
#include "common/base.h"

#define UDP_DATAGRAM_MAX 2048u
#define UDP_BATCH	 64u

struct udp_rtp;

/* Datagrams as they were received; longer ones are cut off. */
struct udp_batch {
	uint16_t bytes[UDP_BATCH];
	uint8_t data[UDP_BATCH * UDP_DATAGRAM_MAX];
};

static inline const uint8_t *udp_batch_datagram(const struct udp_batch *b, unsigned i)
{
	return b->data + i * UDP_DATAGRAM_MAX;
}

struct udp {
	int fd; /* -1 = closed */
	/* is any datagram larger than seven packets? */
	enum udp_slots { UDP_SLOTS_UNKNOWN, UDP_SLOTS_USUAL, UDP_SLOTS_LARGE } slots;
	bool gather;	    /* the stream runs: let some datagrams come together ... */
	unsigned gather_ms; /* ... for so long, from what came within the last window: */
	uint64_t window_us; /* when it began */
	uint64_t look_us;   /* when we looked last */
	unsigned window_datagrams, window_largest; /* all of them, most at once */
	/* of RTP alone, from the first such packet on; NULL before */
	struct udp_rtp *rtp;
	unsigned reorder_packets;
	uint64_t reorder_us;
};

/* Opens `udp://[source@]host:port[?settings]` (or rtp://) for receiving; the settings are ffmpeg's
 * and may be options (NULL: none) instead.  A multicast group is joined on the interface
 * localaddr (a name or an address), only for the named senders.  Else it receives at localaddr, at
 * the host if that is a local address, or at any local address; then the host is the sender.
 *
 * *ret_left gets the options that were not used, owned by the caller; unused parameters of the URL
 * are logged.  0, -EINVAL (not such a URL or setting), -Exxx: libav's log may have the reason. */
must_check int udp_open(struct udp *u, const char *url, const AVDictionary *options,
			AVDictionary **ret_left);
void udp_close(struct udp *u);

/* Receives what is there, payloads back to back.  RTP headers are removed, RTP packets put in order
 * (source/rtp_queue.h); how many were lost is logged.  Waits up to timeout_ms for the first.
 * Returns the bytes, 0 after the timeout, -Exxx. */
must_check ssize_t udp_read(struct udp *u, uint8_t *dst, size_t cap, unsigned timeout_ms);

/* Receives the datagrams that are there, as they are.  Their count, or -Exxx. */
must_check int udp_receive(const struct udp *u, struct udp_batch *ret);

/* `count` datagrams were received together at now_us (a monotonic time above 0): sets gather_ms, by
 * their rate, and short if they come in bursts.  Called by udp_read().  Pure. */
void udp_choose_gather(struct udp *u, unsigned count, uint64_t now_us);

#endif
