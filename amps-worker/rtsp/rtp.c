#include "amps-worker/rtsp/rtp.h"

#include <assert.h>
#include <string.h>

#define PACKET		188u
#define PCR_GAP_MAX	(2u * 90000u) /* a larger step begins a new time base */
#define OTHERS_MAX	16u	      /* PCRs of another PID after which that is the clock */
#define NTP_EPOCH	2208988800u   /* seconds from 1900 to 1970 */
#define SENDER_REPORT	200u
#define RECEIVER_REPORT 201u
#define DESCRIPTION	202u
#define GOODBYE		203u
#define CNAME		1u
#define REPORT_BYTES	24u /* of one block */

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value & 0xffff);
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* A new time base: the stamp goes on by the time that has passed. */
static void rebase(struct rtp_clock *c, uint64_t now_us)
{
	uint64_t passed_us = MIN(now_us - c->seen_us, 1000000u);

	c->stamp += (uint32_t)(passed_us * 9 / 100);
	c->broken = false;
}

/* A PCR of the clock's PID.  True if it begins a new time base. */
static bool take_pcr(struct rtp_clock *c, uint32_t pcr, uint64_t now_us)
{
	uint32_t step = pcr - c->pcr;
	bool jumps = c->known && (c->broken || step > PCR_GAP_MAX);

	if (jumps)
		rebase(c, now_us);
	else if (c->known)
		c->stamp += step;
	c->known = true;
	c->pcr = pcr;
	c->seen_us = now_us;
	c->others = 0;
	return jumps;
}

/* Is it time to follow the clock of this PID, because the one that was followed has stopped? */
static bool takes_over(struct rtp_clock *c)
{
	if (++c->others < OTHERS_MAX)
		return false;
	c->broken = true;
	return true;
}

/* A transport packet with an adaptation field that is not empty. */
static bool follow_field(struct rtp_clock *c, const uint8_t *packet, uint64_t now_us)
{
	uint16_t pid = (uint16_t)((packet[1] & 0x1f) << 8 | packet[2]);
	bool has_pcr = packet[5] & 0x10 && packet[4] >= 7;

	if (packet[5] & 0x80 && c->known && pid == c->pid)
		c->broken = true;
	if (!has_pcr || (c->known && pid != c->pid && !takes_over(c)))
		return false;
	c->pid = pid;
	return take_pcr(c, get32(packet + 6) << 1 | packet[10] >> 7, now_us);
}

bool rtp_clock_follow(struct rtp_clock *c, const uint8_t *payload, size_t n, uint64_t now_us)
{
	bool jumps = false;

	for (size_t at = 0; at + PACKET <= n; at += PACKET)
		if (payload[at + 3] & 0x20 && payload[at + 4] > 0)
			jumps |= follow_field(c, payload + at, now_us);
	return jumps;
}

void rtp_write_head(const struct rtp_stream *s, size_t ahead, uint32_t stamp, bool marker,
		    uint8_t to[RTP_HEAD_BYTES])
{
	to[0] = 0x80;
	to[1] = (uint8_t)(RTP_PAYLOAD_MP2T | (marker ? 0x80 : 0));
	put16(to + 2, s->seq + (uint32_t)ahead);
	put32(to + 4, stamp);
	put32(to + 8, s->ssrc);
}

/* The head of an RTCP packet of so many bytes. */
static void rtcp_head(uint8_t *to, unsigned count, unsigned type, size_t bytes)
{
	assert(bytes % 4 == 0 && bytes >= 8);
	to[0] = (uint8_t)(0x80 | count);
	to[1] = (uint8_t)type;
	put16(to + 2, (uint32_t)(bytes / 4 - 1));
}

size_t rtcp_write_report(const struct rtp_stream *s, int64_t wall_us, bool bye,
			 uint8_t to[RTCP_REPORT_MAX])
{
	static const uint8_t name[] = {CNAME, 4, 'a', 'm', 'p', 's', 0, 0};
	uint64_t us = (uint64_t)wall_us % 1000000;
	size_t n = 28;

	rtcp_head(to, 0, SENDER_REPORT, n);
	put32(to + 4, s->ssrc);
	put32(to + 8, (uint32_t)((uint64_t)wall_us / 1000000 + NTP_EPOCH));
	put32(to + 12, (uint32_t)((us << 32) / 1000000));
	put32(to + 16, s->clock.stamp);
	put32(to + 20, s->packets);
	put32(to + 24, s->bytes);
	rtcp_head(to + n, 1, DESCRIPTION, 8 + sizeof(name));
	put32(to + n + 4, s->ssrc);
	memcpy(to + n + 8, name, sizeof(name));
	n += 8 + sizeof(name);
	if (!bye)
		return n;
	rtcp_head(to + n, 1, GOODBYE, 8);
	put32(to + n + 4, s->ssrc);
	assert(n + 8 <= RTCP_REPORT_MAX);
	return n + 8;
}

size_t rtcp_read_reports(const uint8_t *bytes, size_t n, uint32_t ret_ssrc[RTCP_REPORTED_MAX])
{
	size_t count = 0;

	for (size_t at = 0; at < n;) {
		size_t length, blocks;

		if (n - at < 4 || bytes[at] >> 6 != 2)
			return 0;
		length = 4 * ((size_t)(bytes[at + 2] << 8 | bytes[at + 3]) + 1);
		blocks = bytes[at] & 0x1f;
		if (length > n - at)
			return 0;
		if (bytes[at + 1] != RECEIVER_REPORT)
			blocks = 0;
		else if (8 + blocks * REPORT_BYTES > length)
			return 0;
		for (size_t i = 0; i < blocks && count < RTCP_REPORTED_MAX; i++)
			ret_ssrc[count++] = get32(bytes + at + 8 + i * REPORT_BYTES);
		at += length;
	}
	assert(count <= RTCP_REPORTED_MAX);
	return count;
}
