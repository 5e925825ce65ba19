/* snapshot.h - immutable objects that the master publishes to the workers, generation by
 * generation.
 *
 * Of each kind there is one current generation.  The master writes it, seals it completely
 * (shm.h) and sends it as SNAPSHOT; a worker maps it, serves it from then on and answers
 * SNAPSHOT_ACK.  Each kind begins with a struct snapshot_header.  A reader's object begins with a
 * struct snapshot, which counts the references: the mapping ends with the last one.
 *
 * Nothing blocks or logs.  One thread. */
#ifndef AMPS_SNAPSHOT_H
#define AMPS_SNAPSHOT_H

#include <assert.h>
#include "common/base.h"

enum snapshot_kind {
	SNAPSHOT_CATALOG, /* catalog.h */
	SNAPSHOT_GUIDE,	  /* guide.h */
	SNAPSHOT_GEOIP,	  /* geoip.h */
	SNAPSHOT_TOKENS,  /* tokens.h; the last one, so that a worker has the others by then */
	SNAPSHOT_KIND_COUNT_
};

/* W: master, before sealing. */
struct snapshot_header {
	uint64_t magic;
	uint32_t version;
	uint32_t header_bytes; /* of the kind's whole header */
	uint64_t total_bytes;
	uint64_t generation; /* of this kind, from 1 */
};
static_assert(sizeof(struct snapshot_header) == 32, "layout of struct snapshot_header");

struct snapshot_type;

/* The first member of each kind's reader object. */
struct snapshot {
	const struct snapshot_type *type;
	const struct snapshot_header *header; /* the mapping */
	unsigned refs;
	bool mapped; /* mapped here, so to be unmapped */
};

/* A kind; static, in the file that reads it. */
struct snapshot_type {
	uint64_t magic;
	uint32_t version;
	uint32_t header_bytes;
	uint64_t bytes_max;
	/* Checks everything behind the struct snapshot_header and allocates the reader.  0,
	 * -EINVAL, -ENOMEM, -EIO (no random bytes). */
	int (*open)(const struct snapshot_header *header, struct snapshot **ret);
	/* Frees the reader, but not the mapping. */
	void (*free)(struct snapshot *s);
};

/* Maps the object (verified to be immutable) with one reference.  The descriptor stays the
 * caller's.  0, -EINVAL (not a snapshot of this kind and version), -EPERM, or as open() says. */
must_check int snapshot_open(const struct snapshot_type *type, int fd, uint64_t bytes,
			     struct snapshot **ret);

/* The same over memory (8-byte aligned) that outlives the snapshot and does not change. */
must_check int snapshot_open_memory(const struct snapshot_type *type, const void *bytes, size_t n,
				    struct snapshot **ret);

struct snapshot *snapshot_ref(struct snapshot *s);
struct snapshot *snapshot_unref(struct snapshot *s); /* returns NULL; accepts NULL */

#endif
