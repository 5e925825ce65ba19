#include "amps-transcoder/ts/cushion.h"

#include <assert.h>
#include <string.h>

#include "amps-transcoder/ts/align.h"
#include "amps-transcoder/ts/parse.h"

#define STAGE_BYTES   (64u << 10)
#define BLOCK_PACKETS 43u   /* about 8 KB: 20 ms of 3 Mbit/s */
#define BLOCKS	      8192u /* 66 MB; pages that are not used take no memory */
/* one put takes a block for each packet at most, and cushion_repeat() one more */
#define BLOCKS_SPARE (STAGE_BYTES / TS_PACKET + 2)
#define NO_BLOCK     UINT32_MAX

#define BLOCK_US    20000    /* of media in a block */
#define STEP_MAX_US 1000000  /* a larger step of the clock is a hole in the source */
#define STEP_US	    40000    /* of a jump, if no step was seen */
#define JUMP_US	    10000000 /* another timeline */
#define WINDOW_US   10000000 /* the most that is held is judged over so long, or two cushions */
#define FOLLOW	    200	     /* by 1 / FOLLOW of real time at most */

struct block {
	int64_t media_us; /* at its first packet */
	uint32_t next;	  /* in the queue, or of those that are free */
	uint16_t packets;
	bool repeat;
	uint8_t bytes[BLOCK_PACKETS * TS_PACKET];
};

struct cushion {
	uint64_t hold_us;
	struct ts_align align;
	struct ts_parse parse;
	struct clock_watch watch;
	size_t rest; /* bytes of the stage that are no whole packet yet */
	/* the source's time */
	int64_t clock_90k; /* TIME_NONE */
	int64_t media_us, step_us;
	uint64_t clock_us; /* when it last moved */
	/* the schedule */
	bool playing;
	bool open; /* let go at once, from now on */
	bool overflowed;
	int64_t offset_us;  /* while playing */
	uint64_t since_us;  /* while filling: when its first byte came; 0 = there is none */
	uint64_t until_us;  /* while filling: no longer than that; UINT64_MAX */
	uint64_t window_us; /* when the present measurement began */
	int64_t most_us;    /* held in it; INT64_MIN */
	/* the blocks */
	uint32_t first, last, free, taken;
	unsigned used, touched;
	uint8_t stage[STAGE_BYTES];
	struct block blocks[BLOCKS];
};

int cushion_new(uint64_t hold_us, uint64_t first_until_us, struct cushion **ret)
{
	struct cushion *c = calloc(1, sizeof(*c));

	assert(hold_us > 0);
	if (!c)
		return -ENOMEM;
	c->hold_us = hold_us;
	c->until_us = first_until_us;
	c->clock_90k = TIME_NONE;
	c->step_us = STEP_US;
	c->first = c->last = c->free = c->taken = NO_BLOCK;
	c->watch = CLOCK_WATCH_INIT;
	ts_parse_init(&c->parse);
	*ret = c;
	return 0;
}

struct cushion *cushion_free(struct cushion *c)
{
	free(c);
	return NULL;
}

/* ---------- the blocks ---------- */

static struct block *block_add(struct cushion *c)
{
	uint32_t at = c->free;
	struct block *b;

	assert(c->used < BLOCKS);
	if (at == NO_BLOCK)
		at = c->touched++;
	else
		c->free = c->blocks[at].next;
	assert(at < BLOCKS);
	b = &c->blocks[at];
	b->media_us = c->media_us;
	b->next = NO_BLOCK;
	b->packets = 0;
	b->repeat = false;
	if (c->last == NO_BLOCK)
		c->first = at;
	else
		c->blocks[c->last].next = at;
	c->last = at;
	c->used++;
	return b;
}

static void give_back_taken(struct cushion *c)
{
	if (c->taken == NO_BLOCK)
		return;
	c->blocks[c->taken].next = c->free;
	c->free = c->taken;
	c->taken = NO_BLOCK;
	assert(c->used > 0);
	c->used--;
}

static void append(struct cushion *c, const uint8_t *packet)
{
	struct block *b = c->last == NO_BLOCK ? NULL : &c->blocks[c->last];

	if (!b || b->packets == BLOCK_PACKETS || c->media_us - b->media_us >= BLOCK_US)
		b = block_add(c);
	memcpy(b->bytes + (size_t)b->packets * TS_PACKET, packet, TS_PACKET);
	b->packets++;
}

/* ---------- the schedule ---------- */

static void begin_filling(struct cushion *c, uint64_t now_us)
{
	c->playing = false;
	c->since_us = now_us;
	c->until_us = UINT64_MAX;
}

static void begin_window(struct cushion *c, uint64_t now_us)
{
	c->window_us = now_us;
	c->most_us = INT64_MIN;
}

/* What is held, from the first block to the newest time. */
static int64_t held_us(const struct cushion *c)
{
	return c->first == NO_BLOCK ? 0 : c->media_us - c->blocks[c->first].media_us;
}

static uint64_t fill_end_us(const struct cushion *c)
{
	return MIN(c->since_us + c->hold_us, c->until_us);
}

/* Ends the filling if it is time.  What is held beyond the cushion is due at once. */
static void try_to_play(struct cushion *c, uint64_t now_us)
{
	int64_t held = held_us(c), hold = (int64_t)c->hold_us;

	assert(!c->playing);
	if (c->first == NO_BLOCK || (held < hold && now_us < fill_end_us(c)))
		return;
	c->playing = true;
	c->offset_us = (int64_t)now_us - c->media_us + MIN(held, hold);
	begin_window(c, now_us);
}

/* The clocks of the source and of this machine differ, and so may the first burst from later ones:
 * the most that is held becomes the cushion, slowly. */
static void follow(struct cushion *c, int64_t lead_us, uint64_t now_us)
{
	int64_t window_us = (int64_t)MAX(2 * c->hold_us, (uint64_t)WINDOW_US);
	int64_t most_step = window_us / FOLLOW, excess;

	c->most_us = MAX(c->most_us, lead_us);
	if ((int64_t)(now_us - c->window_us) < window_us)
		return;
	excess = c->most_us - (int64_t)c->hold_us;
	c->offset_us -= MIN(MAX(excess, -most_step), most_step);
	begin_window(c, now_us);
}

/* The newest media came now. */
static void judge(struct cushion *c, uint64_t now_us)
{
	int64_t lead_us = c->media_us + c->offset_us - (int64_t)now_us;

	if (!c->playing)
		return;
	if (lead_us < 0) {
		begin_filling(c, now_us);
		return;
	}
	if (lead_us > (int64_t)c->hold_us + CUSHION_SLACK_US) {
		c->offset_us -= lead_us - (int64_t)c->hold_us;
		lead_us = (int64_t)c->hold_us;
	}
	follow(c, lead_us, now_us);
}

/* By how much media time has advanced with this step of the clock. */
static int64_t step_of(struct cushion *c, int64_t step_us, uint64_t now_us)
{
	if (step_us < 0 || step_us > JUMP_US)
		return c->step_us;
	if (step_us > STEP_MAX_US)
		return MIN(step_us, (int64_t)(now_us - c->clock_us));
	c->step_us = step_us;
	return step_us;
}

static void note_clock(struct cushion *c, uint64_t now_us)
{
	int64_t clock_90k = c->parse.clock_90k;

	if (clock_90k == TIME_NONE || clock_90k == c->clock_90k)
		return;
	if (c->clock_90k != TIME_NONE)
		c->media_us += step_of(c, (clock_90k - c->clock_90k) * 100 / 9, now_us);
	c->clock_90k = clock_90k;
	c->clock_us = now_us;
	judge(c, now_us);
}

/* ---------- in and out ---------- */

uint8_t *cushion_space(struct cushion *c, size_t *ret_cap)
{
	assert(c->rest < STAGE_BYTES);
	*ret_cap = STAGE_BYTES - c->rest;
	return c->stage + c->rest;
}

void cushion_put(struct cushion *c, size_t n, uint64_t now_us)
{
	size_t rest, whole = ts_align(&c->align, c->stage, c->rest + n, &rest);
	struct ts_rap rap;

	assert(whole + rest <= STAGE_BYTES && c->used + BLOCKS_SPARE <= BLOCKS + 1);
	for (size_t at = 0; at < whole; at += TS_PACKET) {
		const uint8_t *packet = c->stage + at;

		if (ts_parse_packet(&c->parse, packet, 0, &rap) & TS_SAW_PCR)
			clock_watch_time(&c->watch, c->parse.pcr_90k, now_us);
		note_clock(c, now_us);
		append(c, packet);
	}
	if (!c->playing && !c->since_us && c->first != NO_BLOCK)
		c->since_us = now_us;
	memmove(c->stage, c->stage + whole, rest);
	c->rest = rest;
}

void cushion_repeat(struct cushion *c)
{
	block_add(c)->repeat = true;
	c->rest = 0; /* half a packet at the end */
	ts_align_restart(&c->align);
}

bool cushion_take(struct cushion *c, uint64_t now_us, struct cushion_piece *ret)
{
	struct block *b;
	bool full;

	give_back_taken(c);
	if (c->first == NO_BLOCK)
		return false;
	full = c->used + BLOCKS_SPARE > BLOCKS;
	if (!c->playing)
		try_to_play(c, now_us);
	b = &c->blocks[c->first];
	if (!c->open && !full && (!c->playing || b->media_us + c->offset_us > (int64_t)now_us))
		return false;
	c->overflowed = c->overflowed || (full && !c->open);
	c->taken = c->first;
	c->first = b->next;
	if (c->first == NO_BLOCK)
		c->last = NO_BLOCK;
	*ret = (struct cushion_piece){
		.bytes = b->bytes, .n = (size_t)b->packets * TS_PACKET, .repeat = b->repeat};
	return true;
}

void cushion_let_go(struct cushion *c)
{
	c->open = true;
}

uint64_t cushion_empty_us(const struct cushion *c)
{
	if (c->first == NO_BLOCK || c->open)
		return 0;
	return c->playing ? (uint64_t)(c->media_us + c->offset_us)
			  : fill_end_us(c) + (uint64_t)MAX(held_us(c), 0);
}

bool cushion_overflowed(const struct cushion *c)
{
	return c->overflowed;
}

int64_t cushion_clock_90k(const struct cushion *c)
{
	return c->clock_90k == TIME_NONE ? TIME_NONE : c->media_us * 9 / 100;
}

uint64_t cushion_media_packets(const struct cushion *c)
{
	return c->parse.media_packets;
}

const struct clock_watch *cushion_clock_watch(const struct cushion *c)
{
	return &c->watch;
}

uint64_t cushion_losses(const struct cushion *c)
{
	return c->align.losses;
}
