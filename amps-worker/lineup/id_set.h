/* id_set.h - the ids that a document has named.  Open addressing over 64-bit hashes. */
#ifndef AMPS_ID_SET_H
#define AMPS_ID_SET_H

#include "common/base.h"

struct id_set {
	uint64_t *slots; /* 0 = free */
	size_t mask;
};

/* Room for `count` ids.  0 or -ENOMEM; id_set_done() accepts a zeroed one. */
must_check int id_set_init(struct id_set *s, size_t count);
void id_set_done(struct id_set *s);

bool id_set_has(const struct id_set *s, const char *id);

/* Adds an id; false if it is there. */
bool id_set_add(struct id_set *s, const char *id);

#endif
