#include "common/shm/programmes.h"

#include <assert.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
	const struct programme *x = a, *y = b;

	return (x->start_us > y->start_us) - (x->start_us < y->start_us);
}

/* Fills ends in, and drops all but one of those that start together.  Returns the new count. */
static size_t straighten(struct programme *list, size_t count)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		if (n == 0 || list[i].start_us > list[n - 1].start_us)
			list[n++] = list[i];
	for (size_t i = 0; i < n; i++) {
		struct programme *p = &list[i];
		int64_t next = i + 1 < n ? p[1].start_us : p->start_us + PROGRAMME_LAST_US;

		if (p->end_us == TIME_NONE || p->end_us <= p->start_us ||
		    (i + 1 < n && p->end_us > next))
			p->end_us = next;
		assert(p->end_us > p->start_us);
	}
	return n;
}

static struct programme programme_of(const struct catalog *c, const struct catalog_channel *ch,
				     const struct catalog_program *p)
{
	const char *title = catalog_text(c, p->title_at);

	return (struct programme){.title = title ? title : catalog_text(c, ch->name_at),
				  .description = catalog_text(c, p->description_at),
				  .start_us = p->start_wall_us,
				  .end_us = p->end_wall_us};
}

ssize_t programmes_read(const struct catalog *c, const struct catalog_channel *ch,
			struct programme **ret)
{
	const struct catalog_program *from = catalog_programs(c, ch);
	struct programme *list;
	size_t n = 0;

	*ret = NULL;
	if (!from || !ch->program_count)
		return 0;
	list = calloc(ch->program_count, sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (uint32_t i = 0; i < ch->program_count; i++) {
		if (from[i].start_wall_us != TIME_NONE)
			list[n++] = programme_of(c, ch, &from[i]);
	}
	if (n == 0) {
		free(list);
		return 0;
	}
	qsort(list, n, sizeof(*list), compare);
	*ret = list;
	return (ssize_t)straighten(list, n);
}

#define SEEN_MAX                                                                                   \
	(PROGRAMMES_AHEAD + 2u) /* with what is on, and the one that ends the last of them */

/* What one pass has seen: `first` = 1 if one has begun, which is then the latest of those; behind
 * it, those that begin earliest after the time. */
struct seen {
	const struct catalog_program *list[SEEN_MAX];
	size_t first, count;
};

static void see(struct seen *s, const struct catalog_program *p, int64_t wall_us)
{
	size_t at = s->count;

	if (p->start_wall_us <= wall_us) {
		if (s->first && s->list[0]->start_wall_us >= p->start_wall_us)
			return;
		if (!s->first)
			memmove(&s->list[1], &s->list[0],
				MIN(s->count, SEEN_MAX - 1) * sizeof(s->list[0]));
		s->count = s->first ? s->count : MIN(s->count + 1, SEEN_MAX);
		s->first = 1;
		s->list[0] = p;
		return;
	}
	while (at > s->first && s->list[at - 1]->start_wall_us > p->start_wall_us)
		at--;
	if (at == SEEN_MAX || (at > s->first && s->list[at - 1]->start_wall_us == p->start_wall_us))
		return;
	s->count = MIN(s->count + 1, SEEN_MAX);
	memmove(&s->list[at + 1], &s->list[at], (s->count - at - 1) * sizeof(s->list[0]));
	s->list[at] = p;
}

void programmes_ahead(const struct catalog *c, const struct catalog_channel *ch, int64_t wall_us,
		      struct programmes_ahead *ret)
{
	const struct catalog_program *from = catalog_programs(c, ch), *last = NULL;
	struct programme list[SEEN_MAX], end;
	struct seen seen = {.count = 0};

	*ret = (struct programmes_ahead){.end_us = TIME_NONE, .changed_us = TIME_NONE};
	for (uint32_t i = 0; from && i < ch->program_count; i++) {
		if (from[i].start_wall_us == TIME_NONE)
			continue;
		see(&seen, &from[i], wall_us);
		if (!last || from[i].start_wall_us > last->start_wall_us)
			last = &from[i];
	}
	if (!last)
		return;
	end = programme_of(c, ch, last);
	straighten(&end, 1);
	ret->end_us = end.end_us;
	assert(seen.count > 0 && seen.count <= SEEN_MAX);
	for (size_t i = 0; i < seen.count; i++)
		list[i] = programme_of(c, ch, seen.list[i]);
	straighten(list, seen.count);
	if (seen.first)
		ret->changed_us = list[0].end_us <= wall_us ? list[0].end_us : list[0].start_us;
	for (size_t i = 0; i < seen.count && ret->count < PROGRAMMES_AHEAD; i++)
		if (list[i].end_us > wall_us)
			ret->list[ret->count++] = list[i];
}
