/* context.c - see context.h; tcp(7) for tcp_mem */
#include "amps-worker/context/context.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/shm/chantab.h"
#include "common/shm/shm.h"
#include "common/text/text.h"

#define SOCKETS_DEFAULT (256u << 20) /* if the kernel's limit cannot be read */

/* Half of what TCP may hold before the kernel limits all sockets; 0 = unknown. */
static size_t kernel_share(void)
{
	unsigned long long low, pressure, high;
	FILE *f = fopen("/proc/sys/net/ipv4/tcp_mem", "re");
	int n = f ? fscanf(f, "%llu %llu %llu", &low, &pressure, &high) : 0;

	if (f)
		fclose(f);
	return n == 3 ? (size_t)pressure / 2 * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

/* Maps a page the master made; NULL on failure. */
static void *map_page(int fd, uint64_t bytes, bool own)
{
	void *map;

	if (bytes != WORKER_PAGE_BYTES || shm_verify(fd, bytes, false) < 0)
		return NULL;
	map = own ? shm_map_write(fd, bytes) : shm_map_read(fd, bytes);
	if (map && worker_page_check(map) < 0) {
		shm_unmap(map, bytes);
		return NULL;
	}
	return map;
}

static void set_page(struct context *x, uint32_t index, const void *map)
{
	assert(index < WORKERS_MAX);
	if (x->pages[index])
		shm_unmap(x->pages[index], WORKER_PAGE_BYTES);
	x->pages[index] = map;
	x->page_count = MAX(x->page_count, index + 1);
	assert(x->page_count <= WORKERS_MAX);
}

static_assert((int)LINK_KEY_BYTES == (int)MEDIA_KEY_BYTES, "both are read alike");

static int read_key(const char *text, uint8_t key[MEDIA_KEY_BYTES])
{
	if (strlen(text) != 2 * MEDIA_KEY_BYTES)
		return -EBADMSG;
	for (size_t i = 0; i < MEDIA_KEY_BYTES; i++) {
		int high = text_hex_value(text[2 * i]), low = text_hex_value(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EBADMSG;
		key[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

int context_on_setup(struct context *x, const struct msg_worker_setup *m, int page_fd, int table_fd,
		     int *media_fd)
{
	size_t share = kernel_share();
	void *map;

	if (x->page || m->index >= WORKERS_MAX || m->table_bytes != CHANTAB_BYTES ||
	    read_key(m->media_key, x->media_key) < 0 || read_key(m->link_key, x->link_key) < 0)
		return -EBADMSG;
	map = map_page(page_fd, m->page_bytes, true);
	if (!map)
		return -EINVAL;
	x->index = m->index;
	x->page = map;
	set_page(x, m->index, map);
	if (shm_verify(table_fd, m->table_bytes, false) < 0)
		return -EINVAL;
	x->chantab = shm_map_read(table_fd, m->table_bytes);
	if (!x->chantab || chantab_check(x->chantab) < 0)
		return -EINVAL;
	x->media_fd = TAKE_FD(*media_fd);
	x->sockets_max = (share ? share : SOCKETS_DEFAULT) / MAX(m->worker_count, 1u);
	return 0;
}

int context_on_worker_peer(struct context *x, const struct msg_worker_peer *m, int fd)
{
	void *map;

	if (m->index >= WORKERS_MAX || m->index == x->index)
		return -EBADMSG;
	map = map_page(fd, m->page_bytes, false);
	if (!map)
		return -EINVAL;
	set_page(x, m->index, map);
	return 0;
}

int context_on_worker_peer_gone(struct context *x, uint32_t index)
{
	if (index >= WORKERS_MAX || index == x->index)
		return -EBADMSG;
	set_page(x, index, NULL);
	return 0;
}

static const struct snapshot_type *const types[SNAPSHOT_KIND_COUNT_] = {
	[SNAPSHOT_CATALOG] = &catalog_type,
	[SNAPSHOT_TOKENS] = &tokens_type,
	[SNAPSHOT_GUIDE] = &guide_type,
	[SNAPSHOT_GEOIP] = &geoip_type,
};

/* Does the next snapshot change what lists show, to anybody? */
static bool changes_lists(const struct context *x, enum snapshot_kind kind, struct snapshot *next)
{
	const struct catalog *now = context_catalog(x);

	return kind != SNAPSHOT_CATALOG || !now ||
	       catalog_content_hash(now) != catalog_content_hash(catalog_of(next));
}

int context_on_snapshot(struct context *x, const struct msg_snapshot *m, int fd)
{
	struct snapshot *s;
	int r;

	if (m->kind >= SNAPSHOT_KIND_COUNT_)
		return -EBADMSG;
	r = snapshot_open(types[m->kind], fd, m->bytes, &s);
	if (r < 0)
		return r;
	if (changes_lists(x, m->kind, s))
		x->lineup_s = MAX(x->lineup_s, clock_wall_us() / 1000000 + 1);
	snapshot_unref(x->snapshots[m->kind]);
	x->snapshots[m->kind] = s;
	if (m->kind == SNAPSHOT_CATALOG && x->page)
		atomic_store_explicit(&x->page->catalog_generation, m->generation,
				      memory_order_relaxed);
	peer_send_snapshot_ack(
		x->master, &(struct msg_snapshot_ack){.kind = m->kind, .generation = m->generation},
		NULL);
	return 0;
}

bool context_complete(const struct context *x)
{
	return x->snapshots[SNAPSHOT_CATALOG] && x->snapshots[SNAPSHOT_TOKENS];
}

void context_done(struct context *x)
{
	peer_free(x->master);
	for (unsigned i = 0; i < x->page_count; i++) {
		if (x->pages[i])
			shm_unmap(x->pages[i], WORKER_PAGE_BYTES);
	}
	shm_unmap(x->chantab, CHANTAB_BYTES);
	for (size_t i = 0; i < SNAPSHOT_KIND_COUNT_; i++)
		snapshot_unref(x->snapshots[i]);
	close_fd(&x->media_fd);
}
