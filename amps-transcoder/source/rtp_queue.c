#include "amps-transcoder/source/rtp_queue.h"

#include <assert.h>
#include <string.h>

#define RTP_HEADER   12u
#define TS_SYNC_BYTE 0x47
#define SLOTS_LEAST  1024u

static_assert((SLOTS_LEAST & (SLOTS_LEAST - 1)) == 0 && RTP_QUEUE_MAX < UINT16_MAX / 4,
	      "a slot for each that waits");

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
	struct slot aside;   /* one more than RTP_FAR ahead of the newest, if it waits */
	unsigned slot_count; /* a power of two above max_packets */
	struct slot slots[]; /* a slot is a number modulo their count */
};

int rtp_queue_new(unsigned max_packets, uint64_t max_delay_us, struct rtp_queue **ret)
{
	unsigned slots = SLOTS_LEAST;
	struct rtp_queue *q;

	max_packets = MIN(max_packets, RTP_QUEUE_MAX);
	while (slots <= max_packets)
		slots *= 2;
	q = calloc(1, sizeof(*q) + slots * sizeof(q->slots[0]));
	if (!q)
		return -ENOMEM;
	q->slot_count = slots;
	q->max_packets = max_packets;
	q->max_delay_us = max_delay_us;
	*ret = q;
	return 0;
}

struct rtp_queue *rtp_queue_free(struct rtp_queue *q)
{
	free(q);
	return NULL;
}

static uint32_t read_u32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

bool rtp_parse(const uint8_t *datagram, size_t n, struct rtp_packet *ret)
{
	size_t at, end = n;

	if (n < RTP_HEADER || datagram[0] == TS_SYNC_BYTE || (datagram[0] & 0xc0) != 0x80)
		return false;
	at = RTP_HEADER + 4u * (datagram[0] & 0x0f);
	if (datagram[0] & 0x10 && at + 4 <= n)
		at += 4u + 4u * ((size_t)datagram[at + 2] << 8 | datagram[at + 3]);
	if (at >= n || datagram[at] != TS_SYNC_BYTE)
		return false;
	if (datagram[0] & 0x20 && datagram[n - 1] < n - at)
		end -= datagram[n - 1];
	*ret = (struct rtp_packet){.sender = read_u32(datagram + 8),
				   .timestamp = read_u32(datagram + 4),
				   .number = (uint16_t)(datagram[2] << 8 | datagram[3]),
				   .payload = datagram + at,
				   .len = end - at};
	return true;
}

static struct slot *slot_of(struct rtp_queue *q, uint16_t number)
{
	return &q->slots[number & (q->slot_count - 1)];
}

/* The first packet that waits, behind the missing ones; there must be one. */
static uint16_t first_waiting(const struct rtp_queue *q)
{
	uint16_t number = q->next;

	assert(q->waiting > 0);
	while (!q->slots[number & (q->slot_count - 1)].waits)
		number++;
	return number;
}

/* How far ahead of the newest this number is. */
static int beyond(const struct rtp_queue *q, uint16_t number)
{
	return (int16_t)(number - q->newest);
}

static void fill(struct slot *s, const struct rtp_packet *packet, uint64_t now_us)
{
	s->came_us = now_us;
	s->number = packet->number;
	s->len = (uint16_t)MIN(packet->len, RTP_PAYLOAD_MAX);
	s->waits = s->used = true;
	memcpy(s->bytes, packet->payload, s->len);
}

static void store(struct rtp_queue *q, const struct rtp_packet *packet, uint64_t now_us)
{
	struct slot *s = slot_of(q, packet->number);

	assert(!s->waits && q->waiting < q->slot_count);
	assert((uint16_t)(packet->number - q->next) < q->slot_count);
	fill(s, packet, now_us);
	if (beyond(q, packet->number) < 0)
		q->stats.reordered++;
	else
		q->newest = packet->number;
	q->waiting++;
}

/* Another sender begins with this number.  -EAGAIN while packets of the last one wait. */
static int begin(struct rtp_queue *q, uint16_t number, uint32_t sender)
{
	q->hurry = q->waiting > 0;
	if (q->hurry)
		return -EAGAIN;
	for (unsigned i = 0; i < q->slot_count; i++)
		q->slots[i].used = false;
	q->aside.waits = false;
	q->begun = q->fresh = true;
	q->sender = sender;
	q->first = q->next = q->newest = number;
	return 0;
}

/* How far ahead of its turn this number is; negative: behind it. */
static int ahead_of(const struct rtp_queue *q, uint16_t number)
{
	return (int16_t)(number - q->next);
}

bool rtp_queue_near(const struct rtp_queue *q, uint16_t number)
{
	int ahead = ahead_of(q, number), slots = (int)q->slot_count;

	return q->begun && ahead < slots && ahead > -slots;
}

static void store_aside(struct rtp_queue *q, uint64_t came_us)
{
	struct slot *a = &q->aside;

	assert(a->waits);
	a->waits = false;
	store(q, &(struct rtp_packet){.number = a->number, .payload = a->bytes, .len = a->len},
	      came_us);
}

/* A number that is far ahead belongs to the stream only together with one near it. */
static int put_far(struct rtp_queue *q, const struct rtp_packet *packet, uint64_t now_us)
{
	struct slot *a = &q->aside;
	int distance = (int16_t)(packet->number - a->number);

	if (!a->waits || distance == 0 || distance > RTP_FAR_NEAR || distance < -RTP_FAR_NEAR) {
		fill(a, packet, now_us);
		return RTP_PUT_ASIDE;
	}
	store_aside(q, a->came_us);
	store(q, packet, now_us);
	return RTP_PUT_BOTH;
}

/* The stream may have come near to the packet that is kept aside: then that one has overtaken it.
 * Its wait begins now: until now the packets before it were not late. */
static int put_near(struct rtp_queue *q, const struct rtp_packet *packet, uint64_t now_us)
{
	struct slot *a = &q->aside;

	store(q, packet, now_us);
	assert(!a->waits || beyond(q, a->number) > 0);
	/* also where nothing waits: it would cost the packets before it */
	if (q->max_packets == 0 || now_us >= a->came_us + q->max_delay_us)
		a->waits = false;
	if (!a->waits || beyond(q, a->number) > RTP_FAR)
		return RTP_PUT_DONE;
	store_aside(q, now_us);
	return RTP_PUT_BOTH;
}

int rtp_queue_put(struct rtp_queue *q, const struct rtp_packet *packet, uint64_t now_us)
{
	uint16_t number = packet->number;
	struct slot *s = slot_of(q, number);
	int r = 0;

	assert(packet->len > 0);
	if (!rtp_queue_near(q, number) || packet->sender != q->sender)
		r = begin(q, number, packet->sender);
	if (r < 0)
		return r;
	if (s->used && s->number == number)
		q->stats.duplicates++;
	else if (ahead_of(q, number) < 0)
		q->stats.late += !q->fresh || (int16_t)(number - q->first) > 0;
	else if (beyond(q, number) > RTP_FAR)
		return put_far(q, packet, now_us);
	else
		return put_near(q, packet, now_us);
	return RTP_PUT_DONE;
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
			/* what was here a wrap ago must not be taken for these */
			for (; q->next != first; q->next++)
				slot_of(q, q->next)->used = false;
			continue;
		}
		if (s->len > cap - out)
			break;
		assert(s->number == q->next);
		assert(q->waiting <= q->slot_count && out <= cap);
		memcpy(dst + out, s->bytes, s->len);
		out += s->len;
		s->waits = false;
		q->waiting--;
		q->next++;
		q->fresh = q->fresh && (uint16_t)(q->next - q->first) < q->slot_count;
	}
	q->hurry = q->hurry && q->waiting > 0;
	return out;
}

uint64_t rtp_queue_wait_us(const struct rtp_queue *q, uint64_t now_us)
{
	uint64_t until;

	if (q->waiting == 0)
		return UINT64_MAX;
	until = q->slots[first_waiting(q) & (q->slot_count - 1)].came_us + q->max_delay_us;
	return until > now_us ? until - now_us : 0;
}

struct rtp_stats rtp_queue_stats(const struct rtp_queue *q)
{
	return q->stats;
}
