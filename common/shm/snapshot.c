#include "common/shm/snapshot.h"

#include "common/shm/shm.h"

static bool size_possible(const struct snapshot_type *type, uint64_t bytes)
{
	return bytes >= type->header_bytes && bytes <= type->bytes_max;
}

static bool header_valid(const struct snapshot_type *type, const struct snapshot_header *h,
			 uint64_t bytes)
{
	return h->magic == type->magic && h->version == type->version &&
	       h->header_bytes == type->header_bytes && h->total_bytes == bytes;
}

int snapshot_open_memory(const struct snapshot_type *type, const void *bytes, size_t n,
			 struct snapshot **ret)
{
	struct snapshot *s;
	int r;

	if ((uintptr_t)bytes % 8 != 0 || !size_possible(type, n) || !header_valid(type, bytes, n))
		return -EINVAL;
	r = type->open(bytes, &s);
	if (r < 0)
		return r;
	*s = (struct snapshot){.type = type, .header = bytes, .refs = 1};
	*ret = s;
	return 0;
}

int snapshot_open(const struct snapshot_type *type, int fd, uint64_t bytes, struct snapshot **ret)
{
	const void *map;
	int r;

	if (!size_possible(type, bytes))
		return -EINVAL;
	r = shm_verify(fd, bytes, true);
	if (r < 0)
		return r;
	map = shm_map_read(fd, bytes);
	if (!map)
		return -ENOMEM;
	r = snapshot_open_memory(type, map, bytes, ret);
	if (r < 0)
		shm_unmap(map, bytes);
	else
		(*ret)->mapped = true;
	return r;
}

struct snapshot *snapshot_ref(struct snapshot *s)
{
	assert(s->refs > 0);
	s->refs++;
	return s;
}

struct snapshot *snapshot_unref(struct snapshot *s)
{
	struct snapshot was;

	if (!s)
		return NULL;
	assert(s->refs > 0);
	if (--s->refs > 0)
		return NULL;
	was = *s;
	was.type->free(s);
	if (was.mapped)
		shm_unmap(was.header, was.header->total_bytes);
	return NULL;
}
