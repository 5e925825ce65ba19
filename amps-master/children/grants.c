#include "amps-master/children/grants.h"

#include <assert.h>
#include <stdlib.h>
#include "common/shm/worker_page.h"

/* The viewers of one token. */
struct allowance {
	LIST_ENTRY(allowance) in_bucket;
	uint64_t token;
	uint32_t given;
};

struct grant {
	LIST_ENTRY(grant) in_bucket;
	uint64_t serial;
	struct allowance *of;
};

static size_t bucket(uint64_t name)
{
	return (size_t)((name ^ name >> 32) % GRANT_BUCKETS);
}

void grants_init(struct grants *g)
{
	*g = (struct grants){0};
	for (size_t i = 0; i < GRANT_BUCKETS; i++) {
		LIST_INIT(&g->by_serial[i]);
		LIST_INIT(&g->by_token[i]);
	}
}

static struct grant *find_grant(struct grants *g, uint64_t serial)
{
	struct grant *i;

	LIST_FOREACH (i, &g->by_serial[bucket(serial)], in_bucket) {
		if (i->serial == serial)
			return i;
	}
	return NULL;
}

static struct allowance *find_allowance(struct grants *g, uint64_t token)
{
	struct allowance *a;

	LIST_FOREACH (a, &g->by_token[bucket(token)], in_bucket) {
		if (a->token == token)
			return a;
	}
	return NULL;
}

int grants_ask(struct grants *g, uint64_t serial, uint64_t token, uint32_t most)
{
	struct allowance *a = find_allowance(g, token);
	struct grant *grant;

	if (find_grant(g, serial))
		return -EEXIST;
	if ((a ? a->given : 0) >= most)
		return -EDQUOT;
	grant = malloc(sizeof(*grant));
	if (grant && !a) {
		a = calloc(1, sizeof(*a));
		if (a) {
			a->token = token;
			LIST_INSERT_HEAD(&g->by_token[bucket(token)], a, in_bucket);
		}
	}
	if (!grant || !a) {
		free(grant);
		return -ENOMEM;
	}
	*grant = (struct grant){.serial = serial, .of = a};
	LIST_INSERT_HEAD(&g->by_serial[bucket(serial)], grant, in_bucket);
	a->given++;
	g->count++;
	return 0;
}

static void grant_free(struct grants *g, struct grant *grant)
{
	struct allowance *a = grant->of;

	assert(a->given > 0 && g->count > 0);
	g->count--;
	LIST_REMOVE(grant, in_bucket);
	free(grant);
	if (--a->given > 0)
		return;
	LIST_REMOVE(a, in_bucket);
	free(a);
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
	assert(g->count == 0);
}
