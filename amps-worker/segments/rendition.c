/* rendition.c - see rendition.h */
#include "amps-worker/segments/rendition.h"

#include <assert.h>
#include <string.h>

#include "common/clock.h"
#include "common/text/text.h"

#define PLAYLIST_TYPE	 "application/vnd.apple.mpegurl"
#define PLAYLIST_KEPT_US 60000000 /* a body that was replaced leaves the cache then */

static struct rendition_list *bucket_of(struct renditions *all, uint32_t channel)
{
	return &all->buckets[channel % RENDITION_BUCKETS];
}

void renditions_init(struct renditions *all, struct outputs *outputs)
{
	*all = (struct renditions){
		.outputs = outputs,
		.start_rule = {.late = {504, "the channel did not start in time"}}};
	for (unsigned i = 0; i < RENDITION_BUCKETS; i++)
		LIST_INIT(&all->buckets[i]);
}

static void rendition_free(struct rendition *r)
{
	assert(TAILQ_EMPTY(&r->waiting));
	if (!r->output->gone)
		TAILQ_REMOVE(&r->output->watches, &r->watch, link);
	LIST_REMOVE(r, in_bucket);
	output_unuse(r->output);
	free(r);
}

void renditions_done(struct renditions *all)
{
	for (unsigned i = 0; i < RENDITION_BUCKETS; i++)
		while (!LIST_EMPTY(&all->buckets[i]))
			rendition_free(LIST_FIRST(&all->buckets[i]));
}

static struct rendition *of_watch(struct output_watch *w)
{
	return (struct rendition *)(void *)((char *)w - offsetof(struct rendition, watch));
}

/* Answers all that wait; `error` NULL: the rendition is ready. */
static void answer_all(struct rendition *r, const struct held_error *error)
{
	const struct renditions *all = r->all;
	struct held *h;

	while ((h = TAILQ_FIRST(&r->waiting)))
		held_ready(h, error ? error : all->answer(all->owner, r, h->reply));
}

static void live_on(struct rendition *r)
{
	r->until_us = clock_mono_us() +
		      MAX(r->target_s * RENDITION_TARGETS * 1000000ull, RENDITION_MIN_US);
}

static void on_ring(struct output_watch *w)
{
	struct rendition *r = of_watch(w);

	if (rendition_ready(r))
		answer_all(r, NULL);
}

static void on_gone(struct output_watch *w, int status, const char *text)
{
	struct rendition *r = of_watch(w);
	struct held_error error = {status, text};

	assert(r->output->gone);
	TAILQ_REMOVE(&r->output->watches, w, link);
	if (r->output->ended && rendition_ready(r)) {
		live_on(r);
		return;
	}
	/* out of the bucket: a request that comes meanwhile begins a new one */
	LIST_REMOVE(r, in_bucket);
	answer_all(r, &error);
	output_unuse(r->output);
	free(r);
}

struct rendition *rendition_find(struct renditions *all, uint32_t channel, const char *variant)
{
	struct rendition *r;

	LIST_FOREACH (r, bucket_of(all, channel), in_bucket) {
		if (r->output->id.channel == channel && !strcmp(r->output->id.variant, variant))
			return r;
	}
	return NULL;
}

static struct rendition *rendition_new(struct renditions *all, const struct rendition_request *q)
{
	struct stream_params p = {.id = {.channel = q->channel, .form = OUTPUT_HLS_TS}};
	struct rendition *r = calloc(1, sizeof(*r));

	text_copy(p.id.variant, sizeof(p.id.variant), q->variant);
	if (r)
		r->output = output_use(all->outputs, &p);
	if (!r || !r->output) {
		free(r);
		return NULL;
	}
	r->all = all;
	r->watch = (struct output_watch){.on_ring = on_ring, .on_gone = on_gone};
	TAILQ_INIT(&r->waiting);
	TAILQ_INSERT_TAIL(&r->output->watches, &r->watch, link);
	LIST_INSERT_HEAD(bucket_of(all, q->channel), r, in_bucket);
	return r;
}

struct rendition *rendition_get(struct renditions *all, const struct rendition_request *q)
{
	struct rendition *r = rendition_find(all, q->channel, q->variant);

	if (r && r->output->gone) {
		if (!q->begins)
			return r; /* it does not live on */
		rendition_free(r);
		r = NULL;
	}
	if (!r)
		r = rendition_new(all, q);
	if (r)
		live_on(r);
	return r;
}

bool rendition_ready(const struct rendition *r)
{
	struct segment_media media;
	struct segment newest;

	return rendition_media(r, &media) &&
	       segment_newest(&output_ring(r->output)->map, &newest) == 0;
}

bool rendition_media(const struct rendition *r, struct segment_media *ret)
{
	const struct stream_ring *ring = output_ring(r->output);

	return ring && segment_media_read(&ring->map, ret) == 0;
}

void rendition_hold(struct rendition *r, struct reply *reply, uint32_t start_timeout_ms)
{
	/* a start that the master has not given up may still wait for a whole GOP */
	r->all->start_rule.deadline_ms = start_timeout_ms + SEGMENT_HELD_MAX_S * 1000;
	held_begin(&reply->held, reply, &r->waiting, &r->all->start_rule);
}

/* The entries of the playlist that ends with `newest`, with their number; NULL without memory. */
static struct segment *read_entries(const struct ring *ring, const struct segment *newest,
				    size_t *ret_count)
{
	size_t room = (size_t)newest->number - newest->oldest + 1, count = 0;
	struct segment *all;

	/* no more than the ring can hold, whatever `oldest` says */
	room = MIN(room, ring->data_bytes / sizeof(*all));
	all = calloc(room, sizeof(*all));
	if (!all)
		return NULL;
	all[room - 1] = *newest;
	for (count = 1; count < room; count++)
		if (segment_read(ring, newest->number - (uint32_t)count, &all[room - 1 - count]) <
		    0)
			break; /* the playlist begins behind it */
	assert(count <= room);
	memmove(all, all + room - count, count * sizeof(*all));
	*ret_count = count;
	return all;
}

static struct body *make_body(const struct ring *ring, const struct hls_place *place,
			      const struct segment_media *media, const struct segment *newest,
			      const struct buf *key, struct body_cache *cache, int64_t wall_us)
{
	_cleanup_(freep) struct segment *entries = NULL;
	struct buf text = BUF_INIT;
	struct body *body;
	size_t count;

	entries = read_entries(ring, newest, &count);
	if (!entries)
		return NULL;
	hls_text_media(&text, place, media, entries, count);
	if (ring_ended(ring))
		buf_puts(&text, "#EXT-X-ENDLIST\n");
	body = buf_ok(&text) ? body_cache_put(cache, key->data, key->len, &text, PLAYLIST_TYPE,
					      wall_us, wall_us + PLAYLIST_KEPT_US)
			     : NULL;
	buf_done(&text);
	return body;
}

struct body *rendition_playlist(struct rendition *r, const struct hls_place *place,
				struct body_cache *cache, int64_t wall_us)
{
	const struct stream_ring *ring = output_ring(r->output);
	struct segment_media media;
	struct segment newest;
	struct buf key = BUF_INIT;
	struct body *body;

	if (!rendition_media(r, &media) || segment_newest(&ring->map, &newest) < 0)
		return NULL;
	r->target_s = media.target_s;
	/* all that the text depends on: what is older than the newest entry does not change */
	buf_printf(&key, "hls %u %s %u %llu %u %u %d %s", place->channel, place->prefix,
		   media.track, (unsigned long long)ring->generation, newest.number, newest.oldest,
		   ring_ended(&ring->map), r->output->id.variant);
	if (!buf_ok(&key))
		return NULL;
	body = body_cache_get(cache, key.data, key.len, wall_us);
	if (!body)
		body = make_body(&ring->map, place, &media, &newest, &key, cache, wall_us);
	buf_done(&key);
	return body;
}

void renditions_sweep(struct renditions *all, uint64_t now_us)
{
	for (unsigned i = 0; i < RENDITION_BUCKETS; i++) {
		struct rendition *r, *next;

		for (r = LIST_FIRST(&all->buckets[i]); r; r = next) {
			next = LIST_NEXT(r, in_bucket);
			if (now_us > r->until_us && TAILQ_EMPTY(&r->waiting))
				rendition_free(r);
		}
	}
}
