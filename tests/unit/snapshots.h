/* snapshots.h - snapshots as tests open them. */
#ifndef AMPS_TEST_SNAPSHOTS_H
#define AMPS_TEST_SNAPSHOTS_H

#include "common/shm/catalog.h"
#include "common/shm/tokens.h"

static inline int open_catalog(int fd, uint64_t bytes, struct catalog **ret)
{
	struct snapshot *s;
	int r = snapshot_open(&catalog_type, fd, bytes, &s);

	if (r == 0)
		*ret = catalog_of(s);
	return r;
}

static inline int open_tokens(int fd, uint64_t bytes, struct tokens **ret)
{
	struct snapshot *s;
	int r = snapshot_open(&tokens_type, fd, bytes, &s);

	if (r == 0)
		*ret = tokens_of(s);
	return r;
}

/* Both accept NULL. */
static inline void close_catalog(struct catalog *c)
{
	snapshot_unref(c ? catalog_snapshot(c) : NULL);
}

/* The snapshot is the first member. */
static inline void close_tokens(struct tokens *t)
{
	snapshot_unref((struct snapshot *)(void *)t);
}

#endif
