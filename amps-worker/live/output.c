/* output.c - see output.h */
#include "amps-worker/live/output.h"

#include <assert.h>
#include <string.h>

#include "amps-worker/http/conn.h"
#include "amps-worker/live/viewer.h"
#include "amps-worker/worker.h"
#include "common/log/log.h"
#include "common/text/text.h"

static struct output_bucket *bucket_of(struct worker *w, uint32_t channel)
{
	return &w->outputs.buckets[channel % OUTPUT_BUCKETS];
}

void outputs_init(struct worker *w)
{
	for (unsigned i = 0; i < OUTPUT_BUCKETS; i++)
		LIST_INIT(&w->outputs.buckets[i]);
}

static struct output *find_shared(struct worker *w, uint32_t channel, enum form form,
				  const char *variant)
{
	struct output *o;

	LIST_FOREACH(o, bucket_of(w, channel), in_bucket)
	{
		if (o->channel == channel && o->form == form && !o->own &&
		    strcmp(o->variant, variant) == 0)
			return o;
	}
	return NULL;
}

static struct output *find_want(struct worker *w, uint32_t want)
{
	struct output *o;

	for (unsigned i = 0; i < OUTPUT_BUCKETS; i++) {
		LIST_FOREACH(o, &w->outputs.buckets[i], in_bucket)
		{
			if (o->want == want)
				return o;
		}
	}
	return NULL;
}

static struct output *output_new(struct worker *w, uint32_t channel, enum form form,
				 const char *variant)
{
	struct output *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->worker = w;
	o->slot = UINT32_MAX;
	o->channel = channel;
	o->form = form;
	text_copy(o->variant, sizeof(o->variant), variant);
	TAILQ_INIT(&o->waiting);
	TAILQ_INIT(&o->rings);
	LIST_INSERT_HEAD(bucket_of(w, o->channel), o, in_bucket);
	return o;
}

/* Its first viewer has come. */
static void output_want(struct output *o, const struct stream_wish *wish)
{
	struct worker *w = o->worker;
	struct stream_ring *offered = output_ring(o);

	o->want = ++w->outputs.wants;
	o->own = wish->own;
	if (offered)
		feed_add_ring(w, offered);
	peer_send_want(w->master,
		       &(struct msg_want){.want = o->want,
					  .channel = o->channel,
					  .form = (uint8_t)o->form,
					  .own = o->own,
					  .address = wish->address,
					  .token = wish->own && wish->limited ? wish->token : 0,
					  .variant = o->variant},
		       NULL);
}

struct output *output_use(struct worker *w, const struct stream_wish *wish)
{
	struct output *o =
		wish->own ? NULL : find_shared(w, wish->channel, wish->form, wish->variant);

	if (!o)
		o = output_new(w, wish->channel, wish->form, wish->variant);
	if (!o)
		return NULL;
	if (!o->want)
		output_want(o, wish);
	o->users++;
	return o;
}

static void stream_ring_free(struct stream_ring *r)
{
	if (r->output->want)
		feed_remove_ring(r->output->worker, r);
	TAILQ_REMOVE(&r->output->rings, r, in_output);
	ring_close(&r->map);
	free(r);
}

static void output_free(struct output *o)
{
	struct stream_ring *r;

	assert(!o->users);
	if (!o->gone)
		LIST_REMOVE(o, in_bucket);
	while ((r = TAILQ_FIRST(&o->rings)))
		stream_ring_free(r);
	free(o);
}

void output_unuse(struct output *o)
{
	assert(o->users && o->want);
	if (--o->users)
		return;
	if (!o->gone)
		peer_send_release(o->worker->master, &(struct msg_release){.want = o->want}, NULL);
	if (!o->offered) {
		output_free(o);
		return;
	}
	output_trim(o);
	if (output_ring(o))
		feed_remove_ring(o->worker, output_ring(o));
	o->want = 0;
}

struct stream_ring *output_ring(const struct output *o)
{
	return TAILQ_LAST(&o->rings, ring_list);
}

void output_trim(struct output *o)
{
	struct stream_ring *r, *next;

	/* one that is gone is being walked over, or drains and ends as a whole */
	for (r = o->gone ? NULL : TAILQ_FIRST(&o->rings); r; r = next) {
		next = TAILQ_NEXT(r, in_output);
		if (next && TAILQ_EMPTY(&r->viewers)) {
			next->same_job = false; /* of who comes from a ring before this one */
			stream_ring_free(r);
		}
	}
}

static struct stream_ring *stream_ring_new(struct output *o, int fd, uint64_t data_bytes,
					   uint64_t generation, bool same_job)
{
	struct stream_ring *r = calloc(1, sizeof(*r));
	int e;

	if (!r)
		return NULL;
	e = ring_open(&r->map, fd, data_bytes);
	if (e < 0) {
		log_warn("a ring cannot be used (%s), waiting for the next channel=%u",
			 strerror(-e), o->channel);
		free(r);
		return NULL;
	}
	r->output = o;
	r->generation = generation;
	r->same_job = same_job;
	TAILQ_INIT(&r->viewers);
	TAILQ_INSERT_TAIL(&o->rings, r, in_output);
	if (o->want)
		feed_add_ring(o->worker, r);
	return r;
}

void output_begin_waiting(struct output *o)
{
	struct stream_ring *r = output_ring(o);
	struct viewer *v, *next;

	if (!r || TAILQ_EMPTY(&o->waiting))
		return;
	o->users++; /* the last of them may go */
	for (v = TAILQ_FIRST(&o->waiting); v; v = next) {
		next = TAILQ_NEXT(v, link);
		if (viewer_try_begin(v, r) == VIEWER_GONE)
			conn_free(v->conn);
	}
	output_unuse(o);
}

int output_on_ring(struct worker *w, const struct msg_output_ring *m, int fd)
{
	struct output *o = find_want(w, m->want);
	struct stream_ring *newest = o ? output_ring(o) : NULL, *r;

	/* our release and this message may have passed each other */
	if (!o || (newest && m->generation == newest->generation))
		return 0;
	r = stream_ring_new(o, fd, m->data_bytes, m->generation, m->same_job);
	if (!r)
		return 0;
	o->slot = m->output;
	o->live = m->live;
	if (newest)
		feed_hurry(w, newest); /* its viewers may move over */
	o->users++;
	output_trim(o);
	output_begin_waiting(o);
	output_unuse(o);
	return 0;
}

void outputs_free(struct worker *w)
{
	struct output *o;

	for (unsigned i = 0; i < OUTPUT_BUCKETS; i++)
		while ((o = LIST_FIRST(&w->outputs.buckets[i])))
			output_free(o);
}

int output_on_offer(struct worker *w, const struct msg_output_offer *m, int fd)
{
	struct output *o;

	if (m->form >= FORM_COUNT_)
		return -EBADMSG;
	o = find_shared(w, m->channel, m->form, m->variant);
	if (!o)
		o = output_new(w, m->channel, m->form, m->variant);
	if (!o)
		return 0; /* viewers ask the master, as without an offer */
	o->offered = true;
	/* a wanted one gets its rings in OUTPUT_RING */
	if (o->want)
		return 0;
	o->slot = m->output;
	o->live = m->live;
	if (!stream_ring_new(o, fd, m->data_bytes, m->generation, false)) {
		output_free(o);
		return 0;
	}
	output_trim(o);
	return 0;
}

void output_on_offer_end(struct worker *w, uint32_t slot)
{
	struct output *o, *next;

	for (unsigned i = 0; i < OUTPUT_BUCKETS; i++) {
		for (o = LIST_FIRST(&w->outputs.buckets[i]); o; o = next) {
			next = LIST_NEXT(o, in_bucket);
			if (o->slot != slot)
				continue;
			o->offered = false;
			if (!o->want)
				output_free(o);
		}
	}
}

/* Ends everybody who streams; for those who may drain, the passes do it. */
static void output_end_viewers(struct output *o)
{
	struct stream_ring *r;
	struct viewer *v, *next;

	TAILQ_FOREACH(r, &o->rings, in_output)
	{
		if (o->ended) {
			feed_hurry(o->worker, r);
			continue;
		}
		for (v = TAILQ_FIRST(&r->viewers); v; v = next) {
			next = TAILQ_NEXT(v, link);
			conn_free(v->conn);
		}
	}
}

void output_on_gone(struct worker *w, const struct msg_output_gone *m)
{
	struct output *o = find_want(w, m->want);
	unsigned status = m->status >= 400 && m->status < 600 ? m->status : 502;
	struct viewer *v, *next;

	if (!o)
		return;
	o->gone = true;
	o->offered = false;
	o->ended = m->reason == GONE_ENDED;
	LIST_REMOVE(o, in_bucket);
	o->users++;
	for (v = TAILQ_FIRST(&o->waiting); v; v = next) {
		next = TAILQ_NEXT(v, link);
		conn_refuse_viewer(v->conn, (int)status, m->text);
	}
	output_end_viewers(o);
	output_unuse(o);
}
