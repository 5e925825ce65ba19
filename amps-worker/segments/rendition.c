/* rendition.c - see rendition.h */
#include "amps-worker/segments/rendition.h"

#include <assert.h>
#include <string.h>

#include "common/clock.h"
#include "common/text/text.h"

#define PLAYLIST_TYPE	 "application/vnd.apple.mpegurl"
#define PLAYLIST_KEPT_US 60000000 /* a body that was replaced leaves the cache then */
#define POLL_US		 5000	  /* between two looks at indexes that requests wait for */
#define POLLS_ELSEWHERE	 8u  /* looks between two at other renditions than the one that moved */
#define MS		 90u /* in 1/90,000 s */
#define FIRST_SEGMENTS	 3u  /* with so many complete ones a playlist is not early any more */
#define REFUSED_US	 5000000

static struct rendition_list *bucket_of(struct renditions *all, uint32_t channel)
{
	return &all->buckets[channel % RENDITION_BUCKETS];
}

static void on_timer(evutil_socket_t fd, short what, void *arg);

static uint64_t waits_until(const struct held *h, uint64_t now_us)
{
	const char *r = (const char *)h->holder - offsetof(struct rendition, waiting);

	return output_start_until(((const struct rendition *)r)->output, now_us);
}

void renditions_init(struct renditions *all, struct outputs *outputs, struct event_base *base,
		     void *owner)
{
	*all = (struct renditions){
		.outputs = outputs,
		.start_rule = {.late = {504, "the channel did not start in time"},
			       .waits_until = waits_until},
		.move_rule = {.late = {503, "the playlist did not move in time"}},
		.owner = owner};
	LIST_INIT(&all->polled);
	LIST_INIT(&all->replaced);
	evtimer_assign(&all->timer, base, on_timer, all);
	for (unsigned i = 0; i < RENDITION_BUCKETS; i++)
		LIST_INIT(&all->buckets[i]);
}

static void end_polling(struct rendition *r)
{
	if (r->polled)
		LIST_REMOVE(r, in_polled);
	r->polled = false;
}

/* Frees a rendition that is in no bucket any more. */
static void release(struct rendition *r)
{
	assert(TAILQ_EMPTY(&r->waiting) && TAILQ_EMPTY(&r->answering));
	end_polling(r);
	if (!r->output->gone)
		TAILQ_REMOVE(&r->output->watches, &r->watch, link);
	output_unuse(r->output);
	for (size_t i = 0; i < array_size(r->texts); i++)
		buf_done(&r->texts[i].text);
	free(r);
}

static void rendition_free(struct rendition *r)
{
	LIST_REMOVE(r, in_bucket);
	release(r);
}

void renditions_done(struct renditions *all)
{
	if (event_initialized(&all->timer))
		evtimer_del(&all->timer);
	for (unsigned i = 0; i < RENDITION_BUCKETS; i++)
		while (!LIST_EMPTY(&all->buckets[i]))
			rendition_free(LIST_FIRST(&all->buckets[i]));
	while (!LIST_EMPTY(&all->replaced))
		rendition_free(LIST_FIRST(&all->replaced));
}

static struct rendition *of_watch(struct output_watch *w)
{
	return (struct rendition *)(void *)((char *)w - offsetof(struct rendition, watch));
}

static const struct rendition_calls *calls_of(const struct held *h)
{
	const struct rendition_wait *w = h->reply->kept;

	assert(w);
	return w->calls;
}

/* Answers all that wait with an error. */
static void fail_all(struct rendition *r, const struct held_error *error)
{
	struct held *h;

	while ((h = TAILQ_FIRST(&r->waiting)))
		held_ready(h, calls_of(h)->refuse(h->reply, error));
}

/* Answers those that have what they wait for.  An answer may free connections, and with them other
 * requests that wait here, so each is taken from the head of a list. */
static void answer_ready(struct rendition *r)
{
	void *owner = r->all->owner;
	struct held *h, *next;

	for (h = TAILQ_FIRST(&r->waiting); h; h = next) {
		next = TAILQ_NEXT(h, in_holder);
		if (calls_of(h)->ready(owner, r, h->reply))
			held_move(h, &r->answering);
	}
	while ((h = TAILQ_FIRST(&r->answering))) {
		const struct rendition_calls *calls = calls_of(h);
		const struct held_error *error = calls->answer(owner, r, h->reply);

		if (error || !calls->wait(owner, h->reply))
			held_ready(h, error);
	}
}

static void arm(struct renditions *all)
{
	static const struct timeval soon = {.tv_usec = POLL_US};

	if (!LIST_EMPTY(&all->polled) && !evtimer_pending(&all->timer, NULL))
		evtimer_add(&all->timer, &soon);
}

static void begin_polling(struct rendition *r)
{
	if (!r->polled)
		LIST_INSERT_HEAD(&r->all->polled, r, in_polled);
	r->polled = true;
	arm(r->all);
}

static void poll_one(struct rendition *r)
{
	bool now_and_then = r->all->polls % POLLS_ELSEWHERE == 0;
	const struct stream_ring *ring = output_ring(r->output);
	uint64_t commit = ring ? ring_commit(&ring->map) : 0;

	/* before there is a playlist, another rendition may be what is waited for */
	if (commit != r->seen_commit || (!r->target_s && now_and_then) ||
	    (ring && ring_ended(&ring->map))) {
		r->seen_commit = commit;
		answer_ready(r);
	}
	if (TAILQ_EMPTY(&r->waiting))
		end_polling(r);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct renditions *all = arg;
	struct rendition *r, *next;

	(void)fd;
	(void)what;
	all->polls++;
	for (r = LIST_FIRST(&all->polled); r; r = next) {
		next = LIST_NEXT(r, in_polled);
		poll_one(r);
	}
	arm(all);
}

void rendition_live_on(struct rendition *r)
{
	r->until_us = clock_mono_us() +
		      MAX(r->target_s * RENDITION_TARGETS * 1000000ull, RENDITION_MIN_US);
}

static void on_ring(struct output_watch *w)
{
	struct rendition *r = of_watch(w);

	answer_ready(r);
}

static void note_refusal(struct renditions *all, const struct output_id *id)
{
	all->refusals[all->refusal_count++ % REFUSALS_KEPT] =
		(struct rendition_refusal){.id = *id, .until_us = clock_mono_us() + REFUSED_US};
}

static void on_gone(struct output_watch *w, int status, const char *text)
{
	struct rendition *r = of_watch(w);
	struct held_error error = {status, text};

	assert(r->output->gone);
	TAILQ_REMOVE(&r->output->watches, w, link);
	if (r->output->ended && rendition_ready(r)) {
		rendition_live_on(r);
		answer_ready(r);
		return;
	}
	if (!rendition_ready(r))
		note_refusal(r->all, &r->output->id);
	/* out of the bucket: a request that comes meanwhile begins a new one */
	LIST_REMOVE(r, in_bucket);
	fail_all(r, &error);
	release(r);
}

static bool is_of(const struct output_id *id, const struct rendition_request *q)
{
	return id->channel == q->channel && id->form == q->form &&
	       !strcmp(id->variant, q->variant) && !strcmp(id->track, q->sound ? q->sound : "");
}

bool rendition_refused(const struct renditions *all, const struct rendition_request *q)
{
	uint64_t now_us = clock_mono_us();

	for (unsigned i = 0; i < REFUSALS_KEPT; i++)
		if (all->refusals[i].until_us > now_us && is_of(&all->refusals[i].id, q))
			return true;
	return false;
}

struct rendition *rendition_find(struct renditions *all, const struct rendition_request *q)
{
	struct rendition *r;

	LIST_FOREACH (r, bucket_of(all, q->channel), in_bucket)
		if (is_of(&r->output->id, q))
			return r;
	return NULL;
}

/* The output of the request, wanted here or offered; NULL. */
static const struct output *known_output(struct renditions *all, const struct rendition_request *q)
{
	const struct rendition *r = rendition_find(all, q);
	const struct output *o = NULL;

	if (r)
		return r->output;
	while ((o = outputs_next(all->outputs, q->channel, o)))
		if (is_of(&o->id, q))
			return o;
	return NULL;
}

static bool media_of(const struct output *o, struct segment_media *ret)
{
	const struct stream_ring *ring = o ? output_ring(o) : NULL;

	return ring && segment_media_read(&ring->map, ret) == 0;
}

static bool newest_of(const struct output *o, struct segment *ret)
{
	const struct stream_ring *ring = o ? output_ring(o) : NULL;

	return ring && segment_newest(&ring->map, ret) == 0;
}

bool rendition_early(const struct segment *newest)
{
	unsigned complete =
		newest->number - newest->oldest + (newest->flags & SEGMENT_LAST ? 1 : 0);

	return complete < FIRST_SEGMENTS;
}

/* Is it, since it was published, the last part of its segment, and shorter than others may be? */
static bool is_short_last(const struct segment *s, const struct segment_media *media)
{
	return (s->flags & (SEGMENT_LAST | SEGMENT_CLOSED_LATE)) == SEGMENT_LAST &&
	       s->part != s->first &&
	       s->duration_90k < SEGMENT_PART_LEAST_PERCENT * media->part_ms * MS / 100;
}

static bool is_ended(const struct output *o)
{
	const struct stream_ring *ring = o ? output_ring(o) : NULL;

	return ring && ring_ended(&ring->map);
}

/* A short last part is listed with the first part of the next segment, as the end of its segment is
 * (hls_parts.c): without the end, nothing says that it may be short.  Until then it is the hinted
 * part. `ended` was read before, so that an index that has ended is seen whole. */
static bool newest_listed_of(const struct output *o, bool ended, struct segment *ret)
{
	struct segment_media media;
	struct segment before;

	if (!newest_of(o, ret) || !media_of(o, &media))
		return false;
	if (!ended && !rendition_early(ret) && is_short_last(ret, &media) &&
	    segment_read(&output_ring(o)->map, ret->part - 1, &before) == 0)
		*ret = before;
	return true;
}

bool renditions_media(struct renditions *all, const struct rendition_request *q,
		      struct segment_media *ret)
{
	return media_of(known_output(all, q), ret);
}

bool renditions_newest_listed(struct renditions *all, const struct rendition_request *q,
			      struct segment *ret)
{
	const struct output *o = known_output(all, q);

	return newest_listed_of(o, is_ended(o), ret);
}

static bool has_files(const struct output *o, const struct rendition_track *track)
{
	struct segment_media media;

	return o->id.channel == track->channel && o->id.form == track->form &&
	       media_of(o, &media) && media.track == track->number && media.place == track->place;
}

struct rendition *rendition_of_track(struct renditions *all, const struct rendition_track *track)
{
	const struct output *o = NULL;
	struct rendition *r;

	LIST_FOREACH (r, bucket_of(all, track->channel), in_bucket)
		if (has_files(r->output, track))
			return r;
	while ((o = outputs_next(all->outputs, track->channel, o)))
		if (has_files(o, track))
			return rendition_get(all,
					     &(struct rendition_request){.channel = track->channel,
									 .variant = o->id.variant,
									 .form = track->form,
									 .sound = o->id.track});
	return NULL;
}

size_t renditions_sounds(struct renditions *all, uint32_t channel, const char *variant,
			 char to[SEGMENT_SOUNDS_MAX][SEGMENT_SOUND_MAX])
{
	const struct output *o = NULL;
	size_t count = 0;

	while (count < SEGMENT_SOUNDS_MAX && (o = outputs_next(all->outputs, channel, o)))
		if (o->id.form == OUTPUT_CMAF_SOUND && o->id.track[0] &&
		    strcmp(o->id.variant, variant) == 0)
			count += text_copy(to[count], SEGMENT_SOUND_MAX, o->id.track);
	return count;
}

static struct rendition *rendition_new(struct renditions *all, const struct rendition_request *q)
{
	struct stream_params p = {.id = {.channel = q->channel, .form = q->form}};
	struct rendition *r = calloc(1, sizeof(*r));

	text_copy(p.id.variant, sizeof(p.id.variant), q->variant);
	text_copy(p.id.track, sizeof(p.id.track), q->sound ? q->sound : "");
	if (r)
		r->output = output_use(all->outputs, &p);
	if (!r || !r->output) {
		free(r);
		return NULL;
	}
	r->all = all;
	r->watch = (struct output_watch){.on_ring = on_ring, .on_gone = on_gone};
	TAILQ_INIT(&r->waiting);
	TAILQ_INIT(&r->answering);
	TAILQ_INSERT_TAIL(&r->output->watches, &r->watch, link);
	LIST_INSERT_HEAD(bucket_of(all, q->channel), r, in_bucket);
	return r;
}

struct rendition *rendition_get(struct renditions *all, const struct rendition_request *q)
{
	struct rendition *r = rendition_find(all, q);

	if (r && r->output->gone) {
		if (!q->begins)
			return r; /* it does not live on */
		LIST_REMOVE(r, in_bucket);
		LIST_INSERT_HEAD(&all->replaced, r, in_bucket);
		r = NULL;
	}
	if (!r)
		r = rendition_new(all, q);
	if (r)
		rendition_live_on(r);
	return r;
}

bool rendition_ready(const struct rendition *r)
{
	struct segment_media media;
	struct segment newest;

	return rendition_media(r, &media) && rendition_newest(r, &newest);
}

bool rendition_media(const struct rendition *r, struct segment_media *ret)
{
	return media_of(r->output, ret);
}

void rendition_listed(struct rendition *r, const struct segment_media *media)
{
	r->target_s = media->target_s;
}

void rendition_hold(struct rendition *r, struct reply *reply, uint32_t start_timeout_ms)
{
	/* a start that the master has not given up may still wait for a whole GOP */
	r->all->start_rule.deadline_ms = start_timeout_ms + SEGMENT_HELD_MAX_S * 1000;
	held_begin(&reply->held, reply, &r->waiting, &r->all->start_rule);
	/* what it waits for may be ready in another rendition */
	if (r->output->id.form != OUTPUT_HLS_TS)
		begin_polling(r);
}

bool rendition_ended(const struct rendition *r)
{
	return is_ended(r->output);
}

bool rendition_newest(const struct rendition *r, struct segment *ret)
{
	return newest_of(r->output, ret);
}

bool rendition_newest_listed(const struct rendition *r, struct segment *ret)
{
	return newest_listed_of(r->output, is_ended(r->output), ret);
}

int rendition_part(const struct rendition *r, uint32_t part, struct segment *ret)
{
	const struct stream_ring *ring = output_ring(r->output);

	return ring ? segment_read(&ring->map, part, ret) : -ENOENT;
}

void rendition_hold_move(struct rendition *r, struct reply *reply)
{
	struct renditions *all = r->all;
	struct segment_media media = {.target_s = 1};

	rendition_media(r, &media);
	all->move_rule.deadline_ms = RENDITION_TARGETS * media.target_s * 1000;
	held_begin(&reply->held, reply, &r->waiting, &all->move_rule);
	begin_polling(r);
}

/* How many parts the playlist has that ends with `newest`: those of its segments that can be read.
 * A segment whose first parts are gone does not count.  0: there is no whole one. */
static size_t count_parts(const struct ring *ring, const struct segment *newest)
{
	size_t most = ring->data_bytes / sizeof(*newest), whole = 0;
	struct segment s = *newest;

	for (size_t count = 1;; count++) {
		if (s.first == s.part)
			whole = count;
		if (count == most || count > newest->part ||
		    segment_read(ring, newest->part - (uint32_t)count, &s) < 0 ||
		    s.number < newest->oldest)
			return whole;
	}
}

/* The parts of the playlist that ends with `newest`, with their number; NULL if there are none, or
 * without memory. */
static struct segment *read_entries(const struct ring *ring, const struct segment *newest,
				    size_t *ret_count)
{
	size_t count = count_parts(ring, newest), got = 0;
	struct segment *all = count ? calloc(count, sizeof(*all)) : NULL;

	if (!all)
		return NULL;
	all[count - 1] = *newest;
	/* segments of which something is overwritten meanwhile are left out */
	for (size_t i = count - 1; i > 0; i--)
		if (segment_read(ring, newest->part - (uint32_t)(count - i), &all[i - 1]) < 0) {
			got = i;
			break;
		}
	while (got < count && all[got].part != all[got].first)
		got++;
	if (got == count) {
		free(all);
		return NULL;
	}
	memmove(all, all + got, (count - got) * sizeof(*all));
	*ret_count = count - got;
	return all;
}

static struct body *make_body(const struct ring *ring, const struct hls_place *place,
			      struct hls_media playlist, const struct segment *newest,
			      const struct buf *key, struct body_cache *cache, int64_t wall_us)
{
	_cleanup_(freep) struct segment *entries = NULL;
	struct buf text = BUF_INIT;
	struct body *body;

	playlist.entries = entries = read_entries(ring, newest, &playlist.count);
	if (!entries)
		return NULL;
	/* each segment is one part, with its number */
	for (size_t i = 0; i < playlist.count; i++)
		if (entries[i].number != entries[i].part)
			return NULL;
	hls_text_media(&text, place, &playlist);
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
	/* before the newest entry, with which the last words come */
	struct hls_media playlist = {.media = &media, .ended = rendition_ended(r)};
	struct segment newest;
	struct buf key = BUF_INIT;
	struct body *body;

	if (!rendition_media(r, &media) || segment_newest(&ring->map, &newest) < 0)
		return NULL;
	rendition_listed(r, &media);
	/* all that the text depends on: what is older than the newest entry does not change */
	buf_printf(&key, "hls %u %s %u %llu %u %u %d %s", place->channel, place->prefix,
		   media.track, (unsigned long long)ring->generation, newest.part, newest.oldest,
		   playlist.ended, r->output->id.variant);
	if (!buf_ok(&key))
		return NULL;
	body = body_cache_get(cache, key.data, key.len, wall_us);
	if (!body)
		body = make_body(&ring->map, place, playlist, &newest, &key, cache, wall_us);
	buf_done(&key);
	return body;
}

static bool is_current(const struct rendition_text *t, const struct stream_ring *ring,
		       const struct segment *newest, bool ended)
{
	return t->text.len > 0 && t->generation == ring->generation && t->part == newest->part &&
	       t->oldest == newest->oldest && t->flags == newest->flags && t->ended == ended;
}

/* Leaves out the segment that still grows: before it plays, Shaka reads segments here and there in
 * its first playlist, and if there are few, one that has no address yet would be among them. */
static void leave_out_growing(struct hls_media *m)
{
	size_t count = m->count;

	while (count > 0 && !(m->entries[count - 1].flags & SEGMENT_LAST))
		count--;
	if (count == 0)
		return;
	m->count = count;
	m->closed = true;
}

const struct buf *rendition_parts(struct rendition *r, const struct hls_place *place,
				  enum hls_copy copy)
{
	const struct stream_ring *ring = output_ring(r->output);
	struct rendition_text *t = &r->texts[copy];
	_cleanup_(freep) struct segment *entries = NULL;
	struct segment_media media;
	struct hls_media playlist = {
		.media = &media, .delta = copy == HLS_DELTA, .ended = rendition_ended(r)};
	struct segment newest;

	if (!rendition_media(r, &media) || !newest_listed_of(r->output, playlist.ended, &newest))
		return NULL;
	rendition_listed(r, &media);
	if (is_current(t, ring, &newest, playlist.ended))
		return &t->text;
	t->generation = ring->generation;
	t->part = newest.part;
	t->oldest = newest.oldest;
	t->flags = newest.flags;
	t->ended = playlist.ended;
	playlist.entries = entries = read_entries(&ring->map, &newest, &playlist.count);
	playlist.early = rendition_early(&newest);
	if (entries && copy == HLS_FIRST && playlist.early && !playlist.ended)
		leave_out_growing(&playlist);
	buf_reset(&t->text);
	if (entries)
		hls_text_parts(&t->text, place, &playlist);
	if (!buf_ok(&t->text))
		buf_done(&t->text);
	return t->text.len > 0 ? &t->text : NULL;
}

void renditions_sweep(struct renditions *all, uint64_t now_us)
{
	struct rendition *old, *after;

	for (old = LIST_FIRST(&all->replaced); old; old = after) {
		after = LIST_NEXT(old, in_bucket);
		if (TAILQ_EMPTY(&old->waiting))
			rendition_free(old);
	}
	for (unsigned i = 0; i < RENDITION_BUCKETS; i++) {
		struct rendition *r, *next;

		for (r = LIST_FIRST(&all->buckets[i]); r; r = next) {
			next = LIST_NEXT(r, in_bucket);
			if (now_us > r->until_us && TAILQ_EMPTY(&r->waiting))
				rendition_free(r);
		}
	}
}
