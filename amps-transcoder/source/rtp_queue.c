#include "amps-transcoder/source/rtp_queue.h"

#include <assert.h>
#include <string.h>

#define RTP_HEADER   12u
#define TS_SYNC_BYTE 0x47
#define SLOTS	     1024u /* a slot is a number modulo this */

static_assert((SLOTS & (SLOTS - 1)) == 0 && SLOTS > RTP_REORDER_MAX, "a slot for each that waits");

struct slot {
	uint64_t came_us;
	uint16_t number, len;
	bool waits, used; /* used: `number` is of a packet that was here */
	uint8_t bytes[RTP_PAYLOAD_MAX];
};

struct rtp_queue {
	unsigned max_packets;
	uint64_t max_delay_us;
	bool begun, hurry; /* hurry: another sender begins, nothing is waited for */
	bool fresh;	   /* packets sent before the first that came may still come */
	uint16_t first;	   /* the number of the first that came */
	uint16_t next;	   /* the number whose turn it is */
	uint16_t newest;   /* of those that came */
	uint32_t sender;
	unsigned waiting;
	struct rtp_stats stats;
	struct slot slots[SLOTS];
};

int rtp_queue_new(unsigned max_packets, uint64_t max_delay_us, struct rtp_queue **ret)
{
	struct rtp_queue *q = calloc(1, sizeof(*q));

	if (!q)
		return -ENOMEM;
	q->max_packets = MIN(max_packets, (unsigned)RTP_REORDER_MAX);
	q->max_delay_us = max_delay_us;
	*ret = q;
	return 0;
}

struct rtp_queue *rtp_queue_free(struct rtp_queue *q)
{
	free(q);
	return NULL;
}

size_t rtp_payload(const uint8_t *packet, size_t n, size_t *ret_end)
{
	size_t at;

	if (n < RTP_HEADER || packet[0] == TS_SYNC_BYTE || (packet[0] & 0xc0) != 0x80)
		return 0;
	at = RTP_HEADER + 4u * (packet[0] & 0x0f);
	if (packet[0] & 0x10 && at + 4 <= n)
		at += 4u + 4u * ((size_t)packet[at + 2] << 8 | packet[at + 3]);
	if (at >= n || packet[at] != TS_SYNC_BYTE)
		return 0;
	*ret_end = packet[0] & 0x20 && packet[n - 1] < n - at ? n - packet[n - 1] : n;
	return at;
}

static struct slot *slot_of(struct rtp_queue *q, uint16_t number)
{
	return &q->slots[number & (SLOTS - 1)];
}

/* The first packet that waits, behind the missing ones; there must be one. */
static uint16_t first_waiting(const struct rtp_queue *q)
{
	uint16_t number = q->next;

	assert(q->waiting > 0);
	while (!q->slots[number & (SLOTS - 1)].waits)
		number++;
	return number;
}

static void store(struct rtp_queue *q, uint16_t number, const uint8_t *payload, size_t n,
		  uint64_t now_us)
{
	struct slot *s = slot_of(q, number);

	assert(!s->waits && q->waiting < SLOTS);
	s->came_us = now_us;
	s->number = number;
	s->len = (uint16_t)MIN(n, RTP_PAYLOAD_MAX);
	s->waits = s->used = true;
	memcpy(s->bytes, payload, s->len);
	if ((int16_t)(number - q->newest) < 0)
		q->stats.reordered++;
	else
		q->newest = number;
	q->waiting++;
}

/* Another sender begins with this number.  -EAGAIN while packets of the last one wait. */
static int begin(struct rtp_queue *q, uint16_t number, uint32_t sender)
{
	q->hurry = q->waiting > 0;
	if (q->hurry)
		return -EAGAIN;
	for (unsigned i = 0; i < SLOTS; i++)
		q->slots[i].used = false;
	q->begun = q->fresh = true;
	q->sender = sender;
	q->first = q->next = q->newest = number;
	return 0;
}

int rtp_queue_put(struct rtp_queue *q, const uint8_t *packet, size_t n, uint64_t now_us)
{
	uint16_t number = (uint16_t)(packet[2] << 8 | packet[3]);
	uint32_t sender = (uint32_t)packet[8] << 24 | (uint32_t)packet[9] << 16 |
			  (uint32_t)packet[10] << 8 | packet[11];
	int ahead = (int16_t)(number - q->next), r = 0;
	struct slot *s = slot_of(q, number);
	size_t end = n, at = rtp_payload(packet, n, &end);

	assert(at > 0);
	if (!q->begun || sender != q->sender || ahead >= (int)SLOTS || ahead <= -(int)SLOTS) {
		r = begin(q, number, sender);
		ahead = 0;
	}
	if (r < 0)
		return r;
	if (s->used && s->number == number)
		q->stats.duplicates++;
	else if (ahead < 0)
		q->stats.late += !q->fresh || (int16_t)(number - q->first) > 0;
	else
		store(q, number, packet + at, end - at, now_us);
	return 0;
}

/* Is the packet whose turn it is given up? */
static bool gives_up(const struct rtp_queue *q, uint64_t now_us)
{
	return q->hurry || q->waiting > q->max_packets || rtp_queue_wait_us(q, now_us) == 0;
}

size_t rtp_queue_take(struct rtp_queue *q, uint8_t *dst, size_t cap, uint64_t now_us)
{
	size_t out = 0;

	while (q->waiting > 0) {
		struct slot *s = slot_of(q, q->next);

		if (!s->waits && !gives_up(q, now_us))
			break;
		if (!s->waits) {
			uint16_t first = first_waiting(q);

			q->stats.lost += (uint16_t)(first - q->next);
			q->next = first;
			continue;
		}
		if (s->len > cap - out)
			break;
		assert(s->number == q->next);
		assert(q->waiting <= SLOTS && out <= cap);
		memcpy(dst + out, s->bytes, s->len);
		out += s->len;
		s->waits = false;
		q->waiting--;
		q->next++;
		q->fresh = q->fresh && (uint16_t)(q->next - q->first) < SLOTS;
	}
	q->hurry = q->hurry && q->waiting > 0;
	return out;
}

uint64_t rtp_queue_wait_us(const struct rtp_queue *q, uint64_t now_us)
{
	uint64_t until;

	if (q->waiting == 0)
		return UINT64_MAX;
	until = q->slots[first_waiting(q) & (SLOTS - 1)].came_us + q->max_delay_us;
	return until > now_us ? until - now_us : 0;
}

struct rtp_stats rtp_queue_stats(const struct rtp_queue *q)
{
	return q->stats;
}
