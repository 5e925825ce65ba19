#include "amps-master/children/grants.h"

#include <assert.h>
#include <stdlib.h>
#include "common/shm/worker_page.h"

/* The viewers of one token. */
struct allowance {
	LIST_ENTRY(allowance) in_bucket;
	uint64_t token;
	uint32_t given;
	/* with these tokens no page had a viewer without a grant, so none will; 0 = not known */
	uint64_t complete;
};

struct grant {
	LIST_ENTRY(grant) in_bucket;
	TAILQ_ENTRY(grant) in_asked;
	uint64_t serial, token;
	bool asked;
	struct allowance *of; /* NULL: it is asked for, or has yielded */
};

static size_t bucket(uint64_t name)
{
	return (size_t)((name ^ name >> 32) % GRANT_BUCKETS);
}

void grants_init(struct grants *g)
{
	*g = (struct grants){0};
	TAILQ_INIT(&g->asked);
	for (size_t i = 0; i < GRANT_BUCKETS; i++) {
		LIST_INIT(&g->by_serial[i]);
		LIST_INIT(&g->by_token[i]);
	}
}

static struct grant *find_grant(const struct grants *g, uint64_t serial)
{
	struct grant *i;

	LIST_FOREACH (i, &g->by_serial[bucket(serial)], in_bucket) {
		if (i->serial == serial)
			return i;
	}
	return NULL;
}

static struct allowance *find_allowance(const struct grants *g, uint64_t token)
{
	struct allowance *a;

	LIST_FOREACH (a, &g->by_token[bucket(token)], in_bucket) {
		if (a->token == token)
			return a;
	}
	return NULL;
}

static struct allowance *allowance_new(struct grants *g, uint64_t token)
{
	struct allowance *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->token = token;
	LIST_INSERT_HEAD(&g->by_token[bucket(token)], a, in_bucket);
	return a;
}

int grants_ask(struct grants *g, uint64_t serial, uint64_t token)
{
	struct grant *grant;

	if (find_grant(g, serial))
		return -EEXIST;
	grant = malloc(sizeof(*grant));
	if (!grant)
		return -ENOMEM;
	*grant = (struct grant){.serial = serial, .token = token, .asked = true};
	LIST_INSERT_HEAD(&g->by_serial[bucket(serial)], grant, in_bucket);
	TAILQ_INSERT_TAIL(&g->asked, grant, in_asked);
	g->count++;
	return 0;
}

bool grants_next(const struct grants *g, struct grant_question *ret)
{
	const struct grant *grant = TAILQ_FIRST(&g->asked);

	if (!grant)
		return false;
	*ret = (struct grant_question){grant->serial, grant->token};
	return true;
}

static void leave_queue(struct grants *g, struct grant *grant)
{
	if (grant->asked)
		TAILQ_REMOVE(&g->asked, grant, in_asked);
	grant->asked = false;
}

static void free_place(struct grant *grant)
{
	struct allowance *a = grant->of;

	grant->of = NULL;
	if (!a)
		return;
	assert(a->given > 0 && a->token == grant->token);
	if (--a->given > 0)
		return;
	LIST_REMOVE(a, in_bucket);
	free(a);
}

static void grant_free(struct grants *g, struct grant *grant)
{
	assert(g->count > 0);
	g->count--;
	leave_queue(g, grant);
	free_place(grant);
	LIST_REMOVE(grant, in_bucket);
	free(grant);
}

/* The viewers of that token in a page that began before it had a limit. */
static uint32_t without_grant(const struct grants *g, const void *page, uint64_t token)
{
	const struct worker_page *header = page;
	const struct viewer_record *r = worker_page_records((void *)(uintptr_t)page);
	uint32_t used = atomic_load_explicit(&header->records_used, memory_order_relaxed), n = 0;

	if (worker_page_token_viewers(page, token) == 0)
		return 0;
	for (uint32_t i = 0; i < MIN(used, (uint32_t)WORKER_VIEWERS_MAX); i++) {
		uint64_t serial = atomic_load_explicit(&r[i].serial, memory_order_acquire);

		/* one that waits for its grant has asked */
		if (serial && atomic_load_explicit(&r[i].token, memory_order_relaxed) == token &&
		    !atomic_load_explicit(&r[i].waits, memory_order_relaxed) &&
		    !find_grant(g, serial))
			n++;
	}
	return n;
}

bool grants_decide(struct grants *g, struct grant_limit limit, const void *const *pages,
		   unsigned page_count)
{
	struct grant *grant = TAILQ_FIRST(&g->asked);
	struct allowance *a = find_allowance(g, grant->token);
	bool complete = a && a->complete == limit.generation;
	uint32_t others = 0;

	assert(grant->asked && !grant->of);
	for (unsigned i = 0; i < page_count && !complete; i++)
		others += pages[i] ? without_grant(g, pages[i], grant->token) : 0;
	if ((uint64_t)others + (a ? a->given : 0) < limit.most) {
		if (!a)
			a = allowance_new(g, grant->token);
		grant->of = a;
	}
	if (!grant->of) {
		grant_free(g, grant);
		return false;
	}
	if (others == 0)
		a->complete = limit.generation;
	a->given++;
	leave_queue(g, grant);
	return true;
}

void grants_yield(struct grants *g, uint64_t serial)
{
	struct grant *grant = find_grant(g, serial);

	if (grant)
		free_place(grant);
}

void grants_end(struct grants *g, uint64_t serial)
{
	struct grant *grant = find_grant(g, serial);

	if (grant)
		grant_free(g, grant);
}

static void drop_if(struct grants *g, bool all, unsigned worker)
{
	struct grant *i, *next;

	for (size_t b = 0; b < GRANT_BUCKETS && g->count > 0; b++) {
		for (i = LIST_FIRST(&g->by_serial[b]); i; i = next) {
			next = LIST_NEXT(i, in_bucket);
			if (all || i->serial >> VIEWER_SERIAL_SHIFT == worker)
				grant_free(g, i);
		}
	}
}

void grants_drop_worker(struct grants *g, unsigned worker)
{
	drop_if(g, false, worker);
}

void grants_done(struct grants *g)
{
	drop_if(g, true, 0);
	assert(g->count == 0 && TAILQ_EMPTY(&g->asked));
}
