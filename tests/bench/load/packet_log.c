/* packet_log.c - see packet_log.h */
#include "tests/bench/load/packet_log.h"

#include <string.h>

#include "tests/bench/ts_file.h"

int packet_log_init(struct packet_log *l)
{
	l->count = 0;
	l->hashes = calloc(PACKET_LOG_MAX, sizeof(*l->hashes));
	return l->hashes ? 0 : -ENOMEM;
}

void packet_log_done(struct packet_log *l)
{
	free(l->hashes);
	l->hashes = NULL;
}

uint64_t packet_hash(const uint8_t *packet)
{
	uint64_t h = 0x9e3779b97f4a7c15u, word;
	size_t i;

	for (i = 0; i + 8 <= TS_BYTES; i += 8) {
		memcpy(&word, packet + i, 8);
		h = (h ^ word) * 0xff51afd7ed558ccdu;
		h ^= h >> 32;
	}
	for (; i < TS_BYTES; i++)
		h = (h ^ packet[i]) * 0x100000001b3u;
	return h ^ h >> 29;
}

static bool find_newest(const struct packet_log *l, uint64_t hash, size_t *ret_at)
{
	for (size_t i = l->count; i-- > 0;) {
		if (l->hashes[i] == hash) {
			*ret_at = i;
			return true;
		}
	}
	return false;
}

static bool find_ahead(const struct packet_log *l, size_t from, uint64_t hash, size_t *ret_at)
{
	for (size_t i = from; i < l->count; i++) {
		if (l->hashes[i] == hash) {
			*ret_at = i;
			return true;
		}
	}
	return false;
}

static void stray(struct packet_run *r, const struct packet_log *l, uint64_t hash, bool filler)
{
	size_t at;

	r->place = RUN_ASTRAY;
	if (filler)
		return;
	if (!find_ahead(l, r->at, hash, &at)) {
		r->alien++;
		return;
	}
	r->lost += at - r->at;
	r->at = at + 1;
	r->place = RUN_PLACED;
}

static void compare(struct packet_run *r, struct packet_log *l, uint64_t hash, bool filler)
{
	if (r->place == RUN_PLACED && r->at == l->count && l->count < PACKET_LOG_MAX)
		l->hashes[l->count++] = hash;
	if (r->place == RUN_PLACED && r->at < l->count && l->hashes[r->at] == hash) {
		r->at++;
		r->compared++;
	} else if (r->at < PACKET_LOG_MAX) {
		stray(r, l, hash, filler);
	}
}

static void queue_add(struct packet_run *r, uint64_t hash)
{
	if (!r->queue)
		r->queue = calloc(PACKET_QUEUE_MAX, sizeof(*r->queue));
	if (!r->queue || r->queued == PACKET_QUEUE_MAX) {
		r->abandoned++;
		packet_run_leave(r);
		return;
	}
	r->queue[r->queued++] = hash;
}

void packet_run_enter(struct packet_run *r, struct packet_log *l, uint64_t hash)
{
	r->place = RUN_QUEUED;
	if (l->count == 0) {
		r->at = 0;
		r->place = RUN_PLACED;
		compare(r, l, hash, false);
		return;
	}
	queue_add(r, hash);
	packet_run_settle(r, l);
}

void packet_run_next(struct packet_run *r, struct packet_log *l, uint64_t hash, bool filler)
{
	if (r->place == RUN_QUEUED)
		queue_add(r, hash);
	else if (r->place != RUN_SEEKING)
		compare(r, l, hash, filler);
}

void packet_run_leave(struct packet_run *r)
{
	free(r->queue);
	r->queue = NULL;
	r->queued = 0;
	r->place = RUN_SEEKING;
}

void packet_run_settle(struct packet_run *r, struct packet_log *l)
{
	uint64_t *queue;
	size_t at;

	if (r->place != RUN_QUEUED || !find_newest(l, r->queue[0], &at))
		return;
	r->at = at;
	r->place = RUN_PLACED;
	queue = TAKE_PTR(r->queue);
	for (size_t i = 0; i < r->queued; i++)
		compare(r, l, queue[i], false);
	r->queued = 0;
	free(queue);
}
