#include "amps-transcoder/source/rtp_pair.h"

#include <assert.h>
#include <string.h>

#include "amps-transcoder/source/rtp_queue.h"

#define PLACES	   4096u  /* numbers of which is known which legs brought them */
#define STRAY_NEAR 2048	  /* strays of one sender have numbers so near to each other */
#define ALIVE_US   250000 /* a leg of which nothing came for so long, and the window, is silent */
#define BOTH_LEGS  ((1u << RTP_LEGS) - 1)

static_assert((PLACES & (PLACES - 1)) == 0 && PLACES > RTP_PAIR_PACKETS, "a place for each");
static_assert(RTP_PAIR_PACKETS <= RTP_QUEUE_MAX && RTP_LEGS == 2, "what the queue can hold");

/* A place in the stream: its number, counted on across the wrap. */
struct place {
	uint64_t at; /* 0 = unused */
	uint64_t since_us;
	uint32_t timestamp; /* of the packet, if it came */
	uint32_t legs;	    /* a bit for each that brought it in time */
};

struct leg {
	bool joined; /* the SSRC is known */
	uint32_t sender;
	uint64_t came_us; /* when a packet of the stream came last */
	bool astray;	  /* the last packet was this stray: */
	uint16_t stray;
	uint32_t stray_sender;
	uint64_t stray_us;
	bool refuted; /* strays of this SSRC had other timestamps than the stream's packets */
	/* a stray that is compared with the other leg's packet of its number, once that comes */
	bool probing;
	uint16_t probe;
	uint32_t probe_sender, probe_timestamp;
	uint64_t probe_us;
};

struct rtp_pair {
	struct rtp_queue *queue;
	uint64_t window_us;
	uint32_t stream; /* counts restarts; the queue takes it for the sender */
	bool begun;
	uint64_t newest;  /* place of the newest packet */
	uint64_t settled; /* all places before this one are counted */
	/* what the queue has kept aside: a bit for each leg that brought it, and the packet
	 * without its payload */
	uint32_t aside_legs;
	struct rtp_packet aside;
	struct leg legs[RTP_LEGS];
	struct rtp_pair_stats stats;
	struct place places[PLACES]; /* a place modulo their count */
};

int rtp_pair_new(uint64_t window_us, struct rtp_pair **ret)
{
	struct rtp_pair *p = calloc(1, sizeof(*p));
	int r = p ? rtp_queue_new(RTP_PAIR_PACKETS, window_us, &p->queue) : -ENOMEM;

	if (r < 0) {
		free(p);
		return r;
	}
	p->window_us = window_us;
	*ret = p;
	return 0;
}

struct rtp_pair *rtp_pair_free(struct rtp_pair *p)
{
	if (p)
		rtp_queue_free(p->queue);
	free(p);
	return NULL;
}

static struct place *place_of(struct rtp_pair *p, uint64_t at)
{
	return &p->places[at & (PLACES - 1)];
}

/* The place of a number, near the newest. */
static uint64_t place_at(const struct rtp_pair *p, uint16_t number)
{
	uint64_t at = p->newest + (uint64_t)(int64_t)(int16_t)(number - (uint16_t)p->newest);

	assert(p->begun && (uint16_t)at == number);
	return at;
}

static bool near(uint16_t a, uint16_t b)
{
	int16_t distance = (int16_t)(a - b);

	return distance < STRAY_NEAR && distance > -STRAY_NEAR;
}

enum verdict { MATCHES, DIFFERS, UNKNOWN };

/* Compares it with a packet of this number that came in time. */
static enum verdict compare(struct rtp_pair *p, const struct rtp_packet *packet)
{
	uint64_t at = place_at(p, packet->number);
	const struct place *place = place_of(p, at);

	if (place->at != at || !place->legs)
		return UNKNOWN;
	return place->timestamp == packet->timestamp ? MATCHES : DIFFERS;
}

/* Does the packet belong to the stream?  Where nothing can be compared, the SSRC decides: both legs
 * should have the same. */
static enum verdict judge(struct rtp_pair *p, const struct leg *leg, const struct leg *other,
			  const struct rtp_packet *packet)
{
	enum verdict verdict;

	if (!p->begun || !rtp_queue_near(p->queue, packet->number))
		return UNKNOWN;
	assert(leg->joined || other->joined);
	verdict = compare(p, packet);
	if (verdict != UNKNOWN || packet->sender != (leg->joined ? leg->sender : other->sender))
		return verdict;
	return leg->refuted && leg->stray_sender == packet->sender ? UNKNOWN : MATCHES;
}

/* How long after its last packet a leg counts as alive. */
static uint64_t alive_us(const struct rtp_pair *p)
{
	return p->window_us + ALIVE_US;
}

/* Is the leg, which is astray, in the stream of this packet? */
static bool agrees(const struct rtp_pair *p, const struct leg *leg, const struct rtp_packet *packet,
		   uint64_t now_us)
{
	return leg->astray && now_us - leg->stray_us <= alive_us(p) &&
	       near(packet->number, leg->stray);
}

/* Does this packet, which does not belong to the stream, begin another one? */
static bool begins(const struct rtp_pair *p, const struct leg *leg, const struct leg *other,
		   const struct rtp_packet *packet, uint64_t now_us)
{
	if (!p->begun || agrees(p, other, packet, now_us))
		return true;
	if (other->joined && now_us - other->came_us <= alive_us(p))
		return false;
	/* a single packet may be anybody's */
	return leg->astray && leg->stray_sender == packet->sender &&
	       near(packet->number, leg->stray);
}

/* Counts a place for which nothing can come in time any more. */
static void settle_place(struct rtp_pair *p, const struct place *place)
{
	for (unsigned i = 0; i < RTP_LEGS; i++)
		p->stats.lost[i] += !(place->legs & 1u << i);
	p->stats.missing += place->legs == 0;
	p->stats.filled += place->legs != 0 && place->legs != BOTH_LEGS;
}

/* Counts the places before `end`, and those that are older than the window. */
static void settle(struct rtp_pair *p, uint64_t end, uint64_t now_us)
{
	while (p->begun && p->settled <= p->newest) {
		const struct place *place = place_of(p, p->settled);

		assert(place->at == p->settled);
		if (p->settled >= end && now_us - place->since_us <= p->window_us)
			break;
		settle_place(p, place);
		p->settled++;
	}
}

/* Makes the places up to this one. */
static void advance(struct rtp_pair *p, uint64_t at, uint64_t now_us)
{
	assert(at >= PLACES);
	settle(p, at - PLACES + 1, now_us);
	while (p->newest < at) {
		p->newest++;
		*place_of(p, p->newest) = (struct place){.at = p->newest, .since_us = now_us};
	}
}

/* These legs, a bit for each, brought this packet. */
static void note(struct rtp_pair *p, uint32_t legs, const struct rtp_packet *packet)
{
	uint64_t at = place_at(p, packet->number);
	struct place *place = place_of(p, at);

	if (at < p->settled || place->at != at)
		return;
	place->legs |= legs;
	place->timestamp = packet->timestamp;
}

/* The stream begins (again) with this packet, which the queue has taken. */
static void begin(struct rtp_pair *p, unsigned leg, const struct rtp_packet *packet,
		  uint64_t now_us)
{
	struct leg *other = &p->legs[1 - leg];

	settle(p, p->newest + 1, now_us);
	p->stream++;
	p->begun = true;
	p->aside_legs = 0;
	memset(p->places, 0, sizeof(p->places));
	/* places before the first packet stay above 0 */
	p->newest = p->settled = UINT16_MAX + 1ull + packet->number;
	*place_of(p, p->newest) = (struct place){.at = p->newest, .since_us = now_us};
	other->joined = agrees(p, other, packet, now_us);
	other->sender = other->stray_sender;
	other->came_us = other->stray_us;
	other->astray = other->refuted = other->probing = false;
}

/* The queue has taken the packet. */
static void note_taken(struct rtp_pair *p, uint32_t legs, const struct rtp_packet *packet,
		       uint64_t now_us)
{
	advance(p, MAX(place_at(p, packet->number), p->newest), now_us);
	note(p, legs, packet);
}

/* The queue has kept the packet aside. */
static void note_aside(struct rtp_pair *p, unsigned leg, const struct rtp_packet *packet)
{
	bool same = p->aside_legs && p->aside.number == packet->number &&
		    p->aside.timestamp == packet->timestamp;

	p->aside_legs = (same ? p->aside_legs : 0) | 1u << leg;
	p->aside = *packet;
	p->aside.payload = NULL; /* it is not needed, and goes with the datagram */
}

static void note_stray(struct rtp_pair *p, unsigned leg, const struct rtp_packet *packet,
		       bool refuted, uint64_t now_us)
{
	struct leg *l = &p->legs[leg];

	l->refuted = refuted || (l->refuted && l->stray_sender == packet->sender);
	l->astray = true;
	l->stray = packet->number;
	l->stray_sender = packet->sender;
	l->stray_us = now_us;
	p->stats.strays[leg]++;
	if (l->probing && now_us - l->probe_us <= alive_us(p))
		return;
	l->probing = true;
	l->probe = packet->number;
	l->probe_sender = packet->sender;
	l->probe_timestamp = packet->timestamp;
	l->probe_us = now_us;
}

/* The other leg's packet has come: a leg whose stray was the same packet belongs to the stream. */
static void probe(struct leg *leg, const struct rtp_packet *packet)
{
	if (!leg->probing || leg->probe != packet->number)
		return;
	leg->probing = false;
	if (leg->probe_timestamp != packet->timestamp)
		return;
	leg->joined = true;
	leg->sender = leg->probe_sender;
	leg->refuted = false;
}

int rtp_pair_put(struct rtp_pair *p, unsigned leg, const uint8_t *datagram, size_t n,
		 uint64_t now_us)
{
	struct rtp_packet packet, queued;
	struct leg *l = &p->legs[leg], *other = &p->legs[1 - leg];
	uint64_t late = rtp_queue_stats(p->queue).late;
	enum verdict verdict;
	bool mine;
	int r;

	assert(leg < RTP_LEGS);
	if (!rtp_parse(datagram, n, &packet)) {
		p->stats.strays[leg]++;
		return 0;
	}
	verdict = judge(p, l, other, &packet);
	mine = verdict == MATCHES;
	if (!mine && !begins(p, l, other, &packet, now_us)) {
		note_stray(p, leg, &packet, verdict == DIFFERS, now_us);
		return 0;
	}
	queued = packet;
	queued.sender = p->stream + !mine;
	r = rtp_queue_put(p->queue, &queued, now_us);
	if (r < 0) {
		assert(!mine);
		return r;
	}
	assert(mine || r == RTP_PUT_DONE);
	if (r == RTP_PUT_ASIDE) {
		note_aside(p, leg, &packet);
		return 0;
	}
	if (r == RTP_PUT_BOTH) {
		assert(p->aside_legs);
		note_taken(p, p->aside_legs, &p->aside, now_us);
		p->aside_legs = 0;
	}
	if (!mine)
		begin(p, leg, &packet, now_us);
	if (rtp_queue_stats(p->queue).late == late)
		note_taken(p, 1u << leg, &packet, now_us);
	probe(other, &packet);
	*l = (struct leg){.joined = true, .sender = packet.sender, .came_us = now_us};
	assert(p->settled <= p->newest + 1 && p->newest - p->settled + 1 <= PLACES);
	return 0;
}

size_t rtp_pair_take(struct rtp_pair *p, uint8_t *dst, size_t cap, uint64_t now_us)
{
	return rtp_queue_take(p->queue, dst, cap, now_us);
}

uint64_t rtp_pair_wait_us(const struct rtp_pair *p, uint64_t now_us)
{
	return rtp_queue_wait_us(p->queue, now_us);
}

struct rtp_pair_stats rtp_pair_stats(struct rtp_pair *p, uint64_t now_us)
{
	settle(p, 0, now_us);
	return p->stats;
}
