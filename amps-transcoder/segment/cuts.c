#include "amps-transcoder/segment/cuts.h"

#include <assert.h>

#include "common/clock.h"

#define HZ	      90000
#define SAME_90K      (HZ / 50) /* cuts of variants differ by less */
#define GOP_MIN_90K   (SEGMENT_GOP_MIN_MS * 90ll)
#define NEAR_90K      (10 * HZ)		 /* tracks further apart are not on the same timeline */
#define OVER_90K      (49 * HZ / 100)	 /* what rounding leaves of a second */
#define NUMBERS_BEGIN 1735689600000000ll /* 2025-01-01 */
#define PART_US	      100000		 /* parts are longer than that on average */

void cuts_init(struct cuts *c, int64_t wall_us, uint32_t discontinuity, int64_t gop_90k)
{
	int64_t number = (wall_us - NUMBERS_BEGIN) / (SEGMENT_MEAN_MIN_MS * 1000);

	*c = (struct cuts){.gop_90k = gop_90k,
			   .firsts = SEGMENT_FIRST_GOPS,
			   .passed_90k = TIME_NONE,
			   .seen_90k = TIME_NONE};
	/* a clock that is wrong by years must not end the numbers */
	c->next = (uint32_t)MIN(MAX(number, 1), (int64_t)SEGMENT_NUMBER_MAX / 2);
	c->discontinuity = discontinuity;
	assert(c->next > 0);
}

uint32_t cuts_first_part(const struct cuts *c, int64_t wall_us)
{
	int64_t number = (wall_us - NUMBERS_BEGIN) / PART_US;

	/* here, too, a clock that is wrong by years must not end the numbers */
	return MAX((uint32_t)MIN(MAX(number, 1), (int64_t)UINT32_MAX / 2), c->part + 1);
}

/* Numbers go on at `next`: the newest cut of tracks that have begun gets the number before it. */
static void skip_to(struct cuts *c, uint32_t next)
{
	bool begun = c->count > 0 && c->seen_90k != TIME_NONE;

	if (begun) {
		struct cut last = c->at[(c->next - 1) % CUTS_KEPT];

		last.number = next - 1;
		c->at[last.number % CUTS_KEPT] = last;
	}
	c->count = begun;
	c->next = next;
	c->passed_90k = TIME_NONE;
}

void cuts_adopt(struct cuts *c, const struct cut_track *t, uint32_t target_s)
{
	/* other tracks may have been some segments ahead, or have begun already */
	bool follows = c->adopted || c->count > 0;

	if (!follows || t->number >= c->next)
		skip_to(c, t->number + 1);
	/* it cannot cut any more before that end, so the others must not */
	if (t->number + 1 == c->next)
		c->passed_90k = MAX(c->passed_90k, t->end_90k - 2 * SAME_90K);
	c->discontinuity = follows ? MAX(c->discontinuity, t->discontinuity) : t->discontinuity;
	c->adopted = true;
	assert(c->next > t->number);
	c->target_s = target_s;
	c->firsts = 0;
}

void cuts_adopt_cut(struct cuts *c, const struct cut *before)
{
	/* tracks that have begun have cuts of their own */
	if (before->number + 1 != c->next - c->count || c->seen_90k != TIME_NONE ||
	    c->count == CUTS_KEPT)
		return;
	c->at[before->number % CUTS_KEPT] = *before;
	c->count++;
}

static const struct cut *newest(const struct cuts *c)
{
	return c->count ? &c->at[(c->next - 1) % CUTS_KEPT] : NULL;
}

int64_t cuts_newest_90k(const struct cuts *c)
{
	const struct cut *cut = newest(c);

	return cut ? cut->pts_90k : TIME_NONE;
}

static const struct cut *find(const struct cuts *c, uint32_t number)
{
	uint32_t kept = MIN(c->count, CUTS_KEPT);
	const struct cut *cut = &c->at[number % CUTS_KEPT];

	if (number >= c->next || c->next - number > kept)
		return NULL;
	assert(cut->number == number);
	return cut;
}

/* The next cut of others that the track has not had. */
static const struct cut *following(const struct cuts *c, const struct cut_track *t)
{
	return find(c, MAX(t->number + 1, c->next - MIN(c->count, CUTS_KEPT)));
}

int64_t cut_wall_us(const struct cut *c, int64_t pts_90k)
{
	return c->wall_us + (pts_90k - c->pts_90k) * 100 / 9;
}

static const struct cut *add(struct cuts *c, int64_t pts_90k, int64_t wall_us,
			     uint32_t discontinuity)
{
	struct cut *cut = &c->at[c->next % CUTS_KEPT];

	c->discontinuity = MAX(c->discontinuity, discontinuity);
	*cut = (struct cut){.number = c->next,
			    .discontinuity = c->discontinuity,
			    .pts_90k = pts_90k,
			    .wall_us = wall_us};
	c->next++;
	c->count++;
	return cut;
}

static const struct cut *take(const struct cuts *c, struct cut_track *t, const struct cut *cut,
			      int64_t pts_90k)
{
	assert(!t->begun || cut->number > t->number);
	t->begun = true;
	t->number = cut->number;
	t->start_90k = t->seen_90k = pts_90k;
	t->blind = false;
	t->fills = cut == &c->filler;
	return cut;
}

/* The newest cut of others that is not later than pts and that the track has not had. */
static const struct cut *latest(const struct cuts *c, const struct cut_track *t, int64_t pts_90k)
{
	uint32_t kept = MIN(c->count, CUTS_KEPT);

	for (uint32_t n = c->next; n > c->next - kept; n--) {
		const struct cut *cut = find(c, n - 1);

		if (t->begun && cut->number <= t->number)
			return NULL;
		if (cut->pts_90k <= pts_90k + SAME_90K)
			return cut;
	}
	return NULL;
}

/* RFC 8216, 4.3.3.1: rounded to the nearest second. */
static uint32_t rounded_s(int64_t duration_90k)
{
	return (uint32_t)MIN(MAX((duration_90k + HZ / 2) / HZ, 1), (int64_t)SEGMENT_SECONDS_MAX);
}

static uint32_t target_of(const struct cuts *c, int64_t duration_90k)
{
	return rounded_s(MAX(MAX(c->segment_90k, c->gop_90k), duration_90k));
}

void cuts_seal(struct cuts *c, int64_t duration_90k)
{
	if (!c->target_s)
		c->target_s = target_of(c, duration_90k);
}

/* How long the next group may last: as long as the longest of the last ones.  One long group long
 * ago does not count, or from then on every access point would end a segment. */
static int64_t next_gop_90k(const struct cuts *c)
{
	int64_t longest = c->gop_count < CUTS_GOPS ? c->gop_90k : 0;

	for (unsigned i = 0; i < CUTS_GOPS; i++)
		longest = MAX(longest, c->gops_90k[i]);
	return longest;
}

/* Does a segment end at this access point? */
static bool is_due(const struct cuts *c, const struct cut_track *t, int64_t duration_90k)
{
	/* else all that follow would begin between access points, too, if these are as far apart as
	 * the target duration */
	if (t->blind)
		return true;
	if (duration_90k < MIN(GOP_MIN_90K, c->segment_90k) - SAME_90K)
		return false;
	if (c->firsts || duration_90k >= c->segment_90k - SAME_90K)
		return true;
	/* the next access point may come too late */
	return c->target_s && duration_90k + next_gop_90k(c) > (int64_t)c->target_s * HZ + SAME_90K;
}

/* Must it end here, without an access point?  Its duration counts rounded, so it may be slightly
 * longer than the target duration: where the source's clock has jumped, the next access point comes
 * some pictures later than usual.  `step_90k`: from the picture before to this one. */
static bool is_late(const struct cuts *c, int64_t duration_90k, int64_t step_90k)
{
	uint32_t target_s = c->target_s ? c->target_s : MAX(target_of(c, 0), SEGMENT_HELD_MAX_S);
	int64_t over_90k = duration_90k - (int64_t)target_s * HZ;
	int64_t most_90k = c->target_s ? OVER_90K : 0;

	return over_90k >= 0 && over_90k + step_90k >= most_90k;
}

/* Another track has passed this place without a cut: the next cut is for that track to choose. */
static bool is_passed(const struct cuts *c, int64_t pts_90k)
{
	return c->passed_90k != TIME_NONE && pts_90k < c->passed_90k + SAME_90K &&
	       pts_90k > c->passed_90k - NEAR_90K;
}

/* Another track has been here, or further on. */
static bool is_seen(const struct cuts *c, int64_t pts_90k)
{
	return c->seen_90k != TIME_NONE && pts_90k <= c->seen_90k &&
	       pts_90k > c->seen_90k - NEAR_90K;
}

/* Must the track, which begins here, wait for a later access point?  If it now took the number of a
 * later cut of the others, or cut where they did not, its cuts would lie between theirs from then
 * on. */
static bool must_wait(struct cuts *c, const struct cut_track *t, const struct cut *cut,
		      int64_t pts_90k)
{
	if (cut)
		return cut->pts_90k > pts_90k + SAME_90K && cut->pts_90k <= pts_90k + NEAR_90K;
	if (!t->begun)
		return newest(c);
	if (!is_passed(c, pts_90k) && !is_seen(c, pts_90k))
		return false;
	/* the others' next cut, at which it begins, counts its discontinuity */
	c->discontinuity = MAX(c->discontinuity, t->discontinuity + 1);
	return true;
}

/* Does the track make the segment that it alone lacked when the job ended, from where it stopped?
 */
static bool catches_up(const struct cut_track *t, const struct cut *cut, int64_t pts_90k)
{
	return t->whole && cut && cut->number == t->number + 1 &&
	       cut->discontinuity == t->discontinuity && pts_90k <= t->end_90k + 2 * SAME_90K;
}

/* The cut with which the track begins, or one of the same place with the only number that it lacks.
 */
static const struct cut *fill(struct cuts *c, const struct cut_track *t, const struct cut *cut)
{
	if (!t->begun || cut->number != t->number + 2)
		return cut;
	c->filler = *cut;
	c->filler.number = t->number + 1;
	return &c->filler;
}

const struct cut *cuts_start(struct cuts *c, struct cut_track *t, int64_t pts_90k, int64_t wall_us)
{
	const struct cut *cut = latest(c, t, pts_90k), *last = newest(c);
	uint32_t before = t->discontinuity;

	assert(pts_90k != TIME_NONE);
	if (!cut && t->begun)
		cut = following(c, t);
	if (must_wait(c, t, cut, pts_90k))
		return NULL;
	/* time never goes back in a playlist */
	if (!cut && last)
		wall_us = MAX(wall_us, last->wall_us);
	if (!cut)
		cut = add(c, pts_90k, wall_us, t->begun ? before + 1 : 0);
	if (!t->begun || catches_up(t, cut, pts_90k))
		t->discontinuity = cut->discontinuity;
	else
		t->discontinuity = MAX(cut->discontinuity, before + 1);
	t->whole = false;
	t->access_90k = c->seen_90k = pts_90k;
	/* if this track has counted more discontinuities, the others follow with the next cut */
	c->discontinuity = MAX(c->discontinuity, t->discontinuity);
	return take(c, t, fill(c, t, cut), pts_90k);
}

static void note_access(struct cuts *c, struct cut_track *t, int64_t pts_90k)
{
	int64_t gop_90k = pts_90k - t->access_90k;

	if (t->access_90k != TIME_NONE && gop_90k <= (int64_t)SEGMENT_SECONDS_MAX * HZ) {
		c->gop_90k = MAX(c->gop_90k, gop_90k);
		c->gops_90k[c->gop_count++ % CUTS_GOPS] = gop_90k;
	}
	t->access_90k = pts_90k;
}

const struct cut *cuts_next(struct cuts *c, struct cut_track *t, int64_t pts_90k, bool access)
{
	int64_t duration_90k = pts_90k - t->start_90k;
	int64_t step_90k = MAX(pts_90k - t->seen_90k, 0);
	const struct cut *cut = following(c, t);
	bool late = is_late(c, duration_90k, step_90k);

	assert(t->begun && pts_90k != TIME_NONE);
	t->seen_90k = MAX(t->seen_90k, pts_90k);
	c->seen_90k = MAX(c->seen_90k, pts_90k);
	if (access)
		note_access(c, t, pts_90k);
	if (duration_90k <= 0)
		return NULL;
	if (cut && !(access && pts_90k >= cut->pts_90k - SAME_90K) && !late)
		return NULL;
	if (!cut && !late && !(access && is_due(c, t, duration_90k) && !is_passed(c, pts_90k))) {
		if (access && !is_passed(c, pts_90k))
			c->passed_90k = pts_90k;
		return NULL;
	}
	if (!cut) {
		cuts_seal(c, duration_90k);
		c->firsts -= c->firsts > 0;
		cut = add(c, pts_90k, cut_wall_us(newest(c), pts_90k), 0);
	}
	t->discontinuity = MAX(t->discontinuity, cut->discontinuity);
	take(c, t, cut, pts_90k);
	t->blind = !access;
	return cut;
}
