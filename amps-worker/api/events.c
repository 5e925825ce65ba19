#include "amps-worker/api/events.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>

#include "amps-worker/lineup/groups.h"
#include "common/clock.h"
#include "common/shm/chantab.h"

/* What a held reply keeps of its client. */
struct client {
	uint64_t last;	 /* event that it has got, or that was not for it */
	uint64_t tokens; /* generation that let it in; another one may not */
	bool admin;
	struct token_entry token; /* its groups and its end; none without authentication */
};

static const struct held_rule rule = {
	/* events_tick() sends something long before */
	.deadline_ms = 6 * EVENTS_IDLE_MS,
	.late = {503, "no events could be sent"},
};

void events_init(struct events *e, struct context *context)
{
	*e = (struct events){.context = context};
	TAILQ_INIT(&e->waiting);
}

static bool is_seen(const struct events *e, const struct client *c, const struct event_slot *event)
{
	const struct catalog *catalog = context_catalog(e->context);
	const struct catalog_channel *channel;

	if (c->admin)
		return true;
	if (event->kind != EVENT_CHANNEL)
		return false;
	channel = catalog_find(catalog, event->channel);
	if (channel && group_allowed(&c->token, catalog_text(catalog, channel->group_at)))
		return true;
	return group_allowed(&c->token, event->old_group[0] ? event->old_group : NULL);
}

static void add_event(struct buf *b, const struct event_slot *event)
{
	static const char *const names[EVENT_KIND_COUNT_] = {
		[EVENT_CHANNEL] = "channel",
		[EVENT_TUNER] = "tuner",
		[EVENT_VIEWER] = "viewer",
		[EVENT_WARNING] = "warning",
	};

	buf_printf(b, "id: %llu\nevent: %s\ndata: %s\n\n", (unsigned long long)event->number,
		   names[event->kind], event->text);
}

/* What has happened since and the client may see; of many events the first. */
static void add_events(const struct events *e, struct client *c, struct buf *b)
{
	const void *table = e->context->chantab;
	uint64_t last = chantab_last_event(table);

	if (last > EVENTS_KEPT && c->last < last - EVENTS_KEPT)
		c->last = last - EVENTS_KEPT;
	while (c->last < last && b->len < EVENTS_PART_BYTES) {
		struct event_slot event;
		int r = chantab_get_event(table, c->last + 1, &event);

		if (r == -EAGAIN)
			break;
		c->last++;
		if (r == 0 && is_seen(e, c, &event))
			add_event(b, &event);
	}
}

/* The text becomes the next part of the answer.  A file of its own: what the kernel still sends of
 * the one before must not change. */
static int set_part(struct reply *r, const struct buf *b)
{
	int fd = buf_ok(b) ? memfd_create("amps-events", MFD_CLOEXEC) : -1;

	if (fd < 0 || write_all(fd, b->data, b->len) < 0) {
		close_fd(&fd);
		return -ENOMEM;
	}
	close_fd(&r->file.fd);
	r->file.fd = fd;
	r->file.base = r->file.offset = 0;
	r->file.size = r->file.length = b->len;
	return 0;
}

/* Chooses the next part: 1, 0 nothing has happened, or -Exxx: the client must ask again. */
static int take_next(struct events *e, struct reply *r, bool idle)
{
	struct client *c = r->kept;
	_cleanup_(buf_done) struct buf b = BUF_INIT;
	int res;

	/* the token may be gone: the client goes on where it was */
	if (c->tokens != tokens_generation(context_tokens(e->context)) || e->context->draining ||
	    (c->token.expires_wall_us != TIME_NONE && clock_wall_us() >= c->token.expires_wall_us))
		return -EPIPE;
	add_events(e, c, &b);
	if (b.len == 0 && idle)
		buf_puts(&b, ":\n\n"); /* shows that the server is there, and finds dead peers */
	if (b.len == 0)
		return buf_ok(&b) ? 0 : -ENOMEM;
	res = set_part(r, &b);
	return res < 0 ? res : 1;
}

static int on_follow(void *owner, struct reply *r)
{
	struct events *e = owner;
	int res = take_next(e, r, false);

	if (res == 0)
		held_begin(&r->held, r, &e->waiting, &rule);
	return res;
}

void events_tick(struct events *e, uint64_t now_us)
{
	static const struct held_error gone = {503, "the events end here"};
	struct held_list waiting = TAILQ_HEAD_INITIALIZER(waiting);
	uint64_t last = e->context->chantab ? chantab_last_event(e->context->chantab) : 0;
	bool idle = now_us - e->idle_us >= EVENTS_IDLE_MS * 1000;
	struct held *h;

	if (idle)
		e->idle_us = now_us;
	if (TAILQ_EMPTY(&e->waiting) || (last == e->last && !idle))
		return;
	e->last = last;
	/* those that go on may wait again at once */
	while ((h = TAILQ_FIRST(&e->waiting)))
		held_move(h, &waiting);
	while ((h = TAILQ_FIRST(&waiting))) {
		int res = take_next(e, h->reply, idle);

		if (res == 0)
			held_move(h, &e->waiting);
		else
			held_ready(h, res < 0 ? &gone : NULL);
	}
}

void events_answer(struct events *e, const struct request *q, uint64_t after, struct reply *r)
{
	bool full = e->clients.count >= EVENTS_CLIENTS_MAX;
	struct client *c = full ? NULL : calloc(1, sizeof(*c));
	_cleanup_(buf_done) struct buf b = BUF_INIT;
	uint64_t last;

	if (!c) {
		reply_error(r, 503, RETRY_AFTER_S, "too many clients follow the events");
		return;
	}
	assert(!r->kept);
	r->kept = c;
	reply_count(r, &e->clients, 0);
	last = chantab_last_event(e->context->chantab);
	c->last = after ? after : last;
	if (c->last > last)
		c->last = 0; /* not a number of this server: send all that is kept */
	c->tokens = tokens_generation(context_tokens(e->context));
	c->admin = route_is_admin(q);
	c->token.expires_wall_us = TIME_NONE;
	if (q->token)
		c->token = *q->token;
	explicit_bzero(c->token.token, sizeof(c->token.token));
	buf_puts(&b, "retry: 2000\n\n");
	add_events(e, c, &b);
	if (set_part(r, &b) < 0) {
		reply_error(r, 503, RETRY_AFTER_S, "there is no memory for the events");
		return;
	}
	r->kind = REPLY_FILE;
	r->type = "text/event-stream";
	r->follow = on_follow;
	r->follow_owner = e;
	reply_field(r, "Cache-Control", "no-store");
	reply_field(r, "X-Accel-Buffering", "no");
}
