/* dash_list.c - see dash_list.h */
#include "amps-worker/segments/dash_list.h"

#include <assert.h>
#include <stdlib.h>

#define HZ	   90000u
#define SAME_90K   180u /* durations that differ by less are the same */
#define GROUPS_MIN 8u	/* of the same length say that the next ones will have it too */

void dash_list_done(struct dash_list *l)
{
	free(l->at);
	*l = (struct dash_list){0};
}

static bool is_same(uint64_t a, uint64_t b)
{
	return (a > b ? a - b : b - a) < SAME_90K;
}

/* A group of pictures of which both access points are known. */
static void note_group(struct dash_list *l, uint64_t duration_90k)
{
	if (l->groups == 0)
		l->group_90k = (uint32_t)MIN(duration_90k, UINT32_MAX);
	else if (!is_same(duration_90k, l->group_90k))
		l->groups_differ = true;
	l->groups += !l->groups_differ;
}

static void measure_group(struct dash_list *l, const struct segment *part, bool continues)
{
	/* the group before a discontinuity was broken off */
	if (!continues)
		l->access_seen = false;
	l->open_90k += part->duration_90k;
	if (!(part->flags & SEGMENT_INDEPENDENT))
		return;
	if (l->access_seen && !l->groups_differ)
		note_group(l, l->open_90k);
	l->access_seen = true;
	l->open_90k = 0;
}

static struct dash_segment *add_segment(struct dash_list *l)
{
	size_t cap = MAX(2 * l->cap, 32u);
	struct dash_segment *grown;

	if (l->count < l->cap)
		return &l->at[l->count++];
	grown = reallocarray(l->at, cap, sizeof(*grown));
	if (!grown)
		return NULL;
	l->at = grown;
	l->cap = cap;
	return &l->at[l->count++];
}

int dash_list_add(struct dash_list *l, const struct segment *part)
{
	struct dash_segment *s = l->count ? &l->at[l->count - 1] : NULL;

	assert(part->duration_90k > 0 && l->count <= l->cap);
	measure_group(l, part, !s || s->discontinuity == part->discontinuity);
	if (!s || s->number != part->number) {
		dash_list_end(l);
		s = add_segment(l);
		if (!s)
			return -ENOMEM;
		*s = (struct dash_segment){.number = part->number,
					   .discontinuity = part->discontinuity,
					   .init = part->init,
					   .began_90k = part->began_90k,
					   .complete = part->flags & SEGMENT_LAST};
	}
	s->start_90k = part->start_90k + part->offset_90k;
	s->duration_90k += part->duration_90k;
	l->begun = part->first == part->part;
	if (l->begun && s->complete)
		l->all_90k += s->duration_90k;
	return 0;
}

void dash_list_end(struct dash_list *l)
{
	const struct dash_segment *s = l->count ? &l->at[l->count - 1] : NULL;

	/* one that is not complete and not the newest was broken off: it has no file */
	if (s && (!l->begun || (l->count > 1 && !s->complete)))
		l->count--;
}

bool dash_list_constant(const struct dash_list *l, uint32_t target_s, uint32_t *ret_90k)
{
	size_t at = l->count > 0 && !l->at[0].complete;
	uint32_t duration_90k;

	/* the last one before a discontinuity was broken off */
	while (at > 0 && at < l->count && l->at[at].discontinuity != l->at[at - 1].discontinuity)
		at++;
	if (l->groups < GROUPS_MIN || at >= l->count)
		return false;
	duration_90k = l->at[at].duration_90k;
	assert(l->group_90k > 0);
	/* the first segments of a cold start are shorter */
	if (!is_same((duration_90k + l->group_90k / 2) / l->group_90k * l->group_90k,
		     duration_90k) ||
	    2ull * duration_90k <= (uint64_t)target_s * HZ)
		return false;
	*ret_90k = duration_90k;
	return true;
}
