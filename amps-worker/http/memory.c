/* memory.c - see memory.h */
#include "amps-worker/http/memory.h"

#include "amps-worker/http/body_cache.h"
#include "amps-worker/http/conn.h"
#include "common/log/log.h"

static int compare_holders(const void *a, const void *b)
{
	const struct memory_holder *x = a, *y = b;

	return (x->order > y->order) - (x->order < y->order);
}

void memory_sort(struct memory_holder *list, size_t count)
{
	qsort(list, count, sizeof(*list), compare_holders);
}

/* The answers that are old enough, the slowest first; NULL without memory or candidates. */
static struct memory_holder *slow_answers(const struct conns *all, size_t *ret_count)
{
	struct memory_holder *list = malloc(all->count * sizeof(*list));
	struct conn *c;
	uint64_t rate;
	size_t n = 0;

	TAILQ_FOREACH(c, &all->list, link)
	{
		if (list && conn_answer_rate(c, &rate))
			list[n++] = (struct memory_holder){.conn = c, .order = rate};
	}
	if (!n) {
		free(list);
		return NULL;
	}
	memory_sort(list, n);
	*ret_count = n;
	return list;
}

bool memory_make_room(struct memory *m)
{
	struct memory_holder *list;
	size_t count = 0, ended = 0;

	if (m->bodies.bytes < m->bodies_max)
		return true;
	body_cache_drop_unused(m->cache);
	list = m->bodies.bytes < m->bodies_max ? NULL : slow_answers(m->conns, &count);
	/* more than needed, so that the next call does not search again */
	while (ended < count && m->bodies.bytes > m->bodies_max / 4 * 3)
		conn_free(list[ended++].conn);
	free(list);
	if (ended) {
		page_add(&m->conns->context->page->answers_dropped, ended);
		log_warn("answers held %zu MiB of memory, ended the slowest clients=%zu",
			 m->bodies_max >> 20, ended);
	}
	return m->bodies.bytes < m->bodies_max;
}
