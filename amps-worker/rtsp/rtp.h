/* rtp.h - RTP and RTCP as a sender of MPEG-TS needs them (RFC 3550, RFC 2250).
 *
 * Pure: nothing here allocates, blocks or logs.  Time stamps follow the programme clock of the
 * media, so they are exact however the packets are bunched. */
#ifndef AMPS_RTP_H
#define AMPS_RTP_H

#include "common/base.h"

#define RTP_HEAD_BYTES	  12u
#define RTP_PAYLOAD_MP2T  33u
#define RTP_PAYLOAD_BYTES (7u * 188u)
#define RTCP_REPORT_MAX	  52u /* bytes of a sender report with its description and a BYE */
#define RTCP_REPORTED_MAX 64u /* sources in a datagram; more are left out */

/* The clock of a stream, up to some packet. */
struct rtp_clock {
	uint32_t stamp; /* of the packet, 90 kHz */
	uint32_t pcr;	/* the last program clock reference, its lower 32 bits of 90 kHz */
	uint64_t seen_us;
	uint16_t pid;	/* of the PCR */
	uint8_t others; /* PCRs of other PIDs since the last one of this */
	bool known;	/* a PCR was seen */
	bool broken;	/* the next one begins a new time base */
};

struct rtp_stream {
	uint32_t ssrc;
	uint16_t seq; /* of the next packet */
	struct rtp_clock clock;
	uint32_t packets, bytes; /* sent so far; they may wrap */
};

/* Moves the clock over the payload of one packet, whole transport packets, sent at now_us.  True if
 * the stamp does not continue the earlier ones: the packet's marker bit. */
bool rtp_clock_follow(struct rtp_clock *c, const uint8_t *payload, size_t n, uint64_t now_us);

/* The head of the packet `ahead` of s->seq. */
void rtp_write_head(const struct rtp_stream *s, size_t ahead, uint32_t stamp, bool marker,
		    uint8_t to[RTP_HEAD_BYTES]);

/* Writes a sender report with its description (SDES), `bye`: and the end of the stream.  Its
 * length. */
size_t rtcp_write_report(const struct rtp_stream *s, int64_t wall_us, bool bye,
			 uint8_t to[RTCP_REPORT_MAX]);

/* The sources that a datagram of RTCP has receivers' reports on, in its order.  Their count; 0: it
 * is not well-formed, or has none. */
size_t rtcp_read_reports(const uint8_t *bytes, size_t n, uint32_t ret_ssrc[RTCP_REPORTED_MAX]);

#endif
