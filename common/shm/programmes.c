#include "common/shm/programmes.h"

#include <assert.h>

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
		const char *title = catalog_text(c, from[i].title_at);

		if (from[i].start_wall_us == TIME_NONE)
			continue;
		list[n++] =
			(struct programme){.title = title ? title : catalog_text(c, ch->name_at),
					   .description = catalog_text(c, from[i].description_at),
					   .start_us = from[i].start_wall_us,
					   .end_us = from[i].end_wall_us};
	}
	if (n == 0) {
		free(list);
		return 0;
	}
	qsort(list, n, sizeof(*list), compare);
	*ret = list;
	return (ssize_t)straighten(list, n);
}

const struct programme *programmes_now(const struct programme *list, size_t count, int64_t wall_us)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].end_us > wall_us)
			return &list[i];
	return NULL;
}
