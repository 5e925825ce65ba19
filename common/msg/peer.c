#include "common/msg/peer.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>

/* A peer only moves down this list. */
enum peer_state {
	PEER_OPEN,
	PEER_DEAF,     /* the other end has closed: nothing is sent, its last messages are read */
	PEER_BROKEN,   /* `error` is set; the loop will report it */
	PEER_REPORTED, /* on_broken was called: no further event */
};

/* A datagram that the socket has not taken yet. */
struct queued {
	struct queued *next;
	size_t len;
	int fd_count;
	int fds[MESSAGE_FDS_MAX]; /* duplicates; owned */
	uint8_t bytes[];
};

struct peer {
	int fd;
	struct event *read_event, *write_event;
	const struct peer_handler *handler;
	void *owner;
	struct queued *first, **last;
	size_t queued_count;
	enum peer_state state;
	int error;
	bool *gone; /* set by peer_free() for a callback that is still running */
	struct msg *incoming;
};

static struct queued *queued_free(struct queued *q)
{
	struct queued *next = q->next;

	assert(q->fd_count >= 0 && q->fd_count <= MESSAGE_FDS_MAX);
	for (int i = 0; i < q->fd_count; i++)
		close_fd(&q->fds[i]);
	free(q);
	return next;
}

/* NULL when memory or descriptors are out. */
static struct queued *queued_new(const void *bytes, size_t len, const int *fds, int fd_count)
{
	struct queued *q = calloc(1, sizeof(*q) + len);

	if (!q)
		return NULL;
	q->len = len;
	memcpy(q->bytes, bytes, len);
	for (int i = 0; i < fd_count; i++) {
		q->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
		if (q->fds[i] < 0) {
			queued_free(q);
			return NULL;
		}
		q->fd_count++;
	}
	return q;
}

static void peer_set_state(struct peer *p, enum peer_state state)
{
	assert(state > p->state);
	assert((p->error != 0) == (state >= PEER_BROKEN));
	p->state = state;
}

static void peer_set_error(struct peer *p, int error)
{
	assert(error < 0);
	p->error = error;
	peer_set_state(p, PEER_BROKEN);
}

/* For a send: the error is reported by the loop. */
static void peer_break(struct peer *p, int error)
{
	if (p->state >= PEER_BROKEN)
		return;
	peer_set_error(p, error);
	event_active(p->write_event, EV_WRITE, 0);
}

/* From the loop; the handler may free the peer. */
static void peer_report(struct peer *p)
{
	peer_set_state(p, PEER_REPORTED);
	event_del(p->read_event);
	event_del(p->write_event);
	p->handler->on_broken(p->owner, p, p->error);
}

/* The reader reports the end, after the last messages. */
static void peer_set_deaf(struct peer *p)
{
	peer_set_state(p, PEER_DEAF);
	while (p->first)
		p->first = queued_free(p->first);
	p->last = &p->first;
	p->queued_count = 0;
}

static void peer_update_events(struct peer *p)
{
	assert((p->first == NULL) == (p->queued_count == 0));
	if (p->first && p->state == PEER_OPEN)
		event_add(p->write_event, NULL);
	else
		event_del(p->write_event);
}

static void peer_send(struct peer *p, const void *bytes, size_t len, const int *fds, int fd_count)
{
	struct queued *q;
	int r = -EAGAIN;

	if (p->state != PEER_OPEN)
		return;
	if (!p->first)
		r = msg_send_bytes(p->fd, bytes, len, fds, fd_count);
	if (r == -EPIPE)
		peer_set_deaf(p);
	if (r == 0 || r == -EPIPE)
		return;
	if (r != -EAGAIN && r != -ENOBUFS) {
		peer_break(p, r);
		return;
	}
	q = p->queued_count < PEER_QUEUE_MAX ? queued_new(bytes, len, fds, fd_count) : NULL;
	if (!q) {
		peer_break(p, -ENOBUFS);
		return;
	}
	assert(*p->last == NULL);
	*p->last = q;
	p->last = &q->next;
	p->queued_count++;
	peer_update_events(p);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct peer *p = arg;

	(void)fd;
	(void)what;
	while (p->state == PEER_OPEN && p->first) {
		struct queued *q = p->first;
		int r = msg_send_bytes(p->fd, q->bytes, q->len, q->fds, q->fd_count);

		if (r == -EAGAIN || r == -ENOBUFS)
			break;
		if (r == -EPIPE) {
			peer_set_deaf(p);
			break;
		}
		if (r < 0) {
			peer_set_error(p, r);
			break;
		}
		p->first = queued_free(q);
		p->queued_count--;
		if (!p->first)
			p->last = &p->first;
	}
	peer_update_events(p);
	if (p->state == PEER_BROKEN)
		peer_report(p);
}

/* Messages that one turn of the loop takes from a peer, so that others get their turn. */
#define PEER_TURN 64

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct peer *p = arg;
	bool gone = false;

	(void)fd;
	(void)what;
	assert(p->state < PEER_REPORTED && p->gone == NULL);
	p->gone = &gone;
	for (int i = 0; i < PEER_TURN && p->state < PEER_BROKEN; i++) {
		struct msg *m = p->incoming;
		int r = msg_receive(p->fd, m);

		if (r == -EAGAIN)
			break;
		if (r == 0) {
			r = p->handler->on_message(p->owner, p, m);
			if (gone)
				return;
			msg_done(m);
		}
		if (r < 0 && p->state < PEER_BROKEN)
			peer_set_error(p, r);
	}
	p->gone = NULL;
	if (p->state == PEER_BROKEN)
		peer_report(p);
}

int peer_new(struct event_base *base, int fd, const struct peer_handler *handler, void *owner,
	     struct peer **ret)
{
	struct peer *p = calloc(1, sizeof(*p));

	if (!p) {
		close(fd);
		return -ENOMEM;
	}
	p->fd = fd;
	p->handler = handler;
	p->owner = owner;
	p->last = &p->first;
	p->incoming = calloc(1, sizeof(*p->incoming));
	p->read_event = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, p);
	p->write_event = event_new(base, fd, EV_WRITE | EV_PERSIST, on_writable, p);
	if (!p->incoming || !p->read_event || !p->write_event ||
	    event_add(p->read_event, NULL) < 0) {
		peer_free(p);
		return -ENOMEM;
	}
	*ret = p;
	return 0;
}

struct peer *peer_free(struct peer *p)
{
	if (!p)
		return NULL;
	if (p->gone) {
		*p->gone = true;
		msg_done(p->incoming);
	}
	if (p->read_event)
		event_free(p->read_event);
	if (p->write_event)
		event_free(p->write_event);
	while (p->first)
		p->first = queued_free(p->first);
	free(p->incoming);
	close(p->fd);
	free(p);
	return NULL;
}

#define M(NAME, name, fds, fields, meaning)                                                        \
	void peer_send_##name(struct peer *p, const struct msg_##name *m, const int *fds_)         \
	{                                                                                          \
		uint8_t bytes[MESSAGE_BYTES_MAX];                                                  \
		size_t len = 0;                                                                    \
		int r = msg_encode_##name(m, bytes, sizeof(bytes), &len);                          \
                                                                                                   \
		if (r < 0)                                                                         \
			peer_break(p, r);                                                          \
		else                                                                               \
			peer_send(p, bytes, len, fds_, fds);                                       \
	}
MESSAGES(M)
#undef M
