#include "amps-worker/http/answer.h"

#include <assert.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "common/limits.h"

#define PIECES 64u /* parts of an answer in one sendmsg() */

struct answer *answer_new(void)
{
	struct answer *a = calloc(1, sizeof(*a));

	if (a)
		reply_init(&a->reply);
	return a;
}

struct answer *answer_free(struct answer *a)
{
	if (!a)
		return NULL;
	reply_done(&a->reply);
	buf_done(&a->head);
	free(a->kept);
	free(a);
	return NULL;
}

void answer_keep_terms(struct answer *a)
{
	struct span *fields[] = {&a->terms.none_match, &a->terms.modified_since, &a->terms.range,
				 &a->terms.if_range};
	size_t all = 0, at = 0;

	for (size_t i = 0; i < array_size(fields); i++)
		all += fields[i]->len;
	a->kept = all ? malloc(all) : NULL;
	for (size_t i = 0; i < array_size(fields); i++) {
		struct span *f = fields[i];

		if (f->at && a->kept)
			f->at = memcpy(a->kept + at, f->at, f->len);
		else
			*f = (struct span){0};
		at += f->len;
	}
}

int answer_render(struct answer *a, int64_t wall_us)
{
	return reply_render(&a->reply, &a->terms, wall_us, &a->head, &a->body);
}

uint64_t answer_file_bytes(const struct answer *a)
{
	const struct reply *r = &a->reply;
	bool follows = r->kind == REPLY_FILE && a->terms.method == HTTP_GET &&
		       (r->status == 200 || r->status == 206);

	return follows ? r->file.length : 0;
}

uint64_t answer_bytes(const struct answer *a)
{
	return a->body.len + answer_file_bytes(a) + (a->reply.tail ? a->reply.tail->bytes : 0);
}

/* Adds what is left of some bytes, of which `*sent` were sent with those before them. */
static void add_left(struct msghdr *m, const char *at, size_t len, uint64_t *sent)
{
	size_t done = (size_t)MIN(*sent, len);

	*sent -= done;
	if (done < len)
		m->msg_iov[m->msg_iovlen++] =
			(struct iovec){(void *)(uintptr_t)(at + done), len - done};
}

/* Adds what is left of the tail, as far as there is room. */
static void add_tail(struct answer *a, struct msghdr *m)
{
	const struct body_tail *t = a->reply.tail;
	uint64_t sent;

	if (a->run_at == 0)
		a->run_at = a->head.len + a->body.len;
	while (a->run < t->count && a->run_at + t->runs[a->run].len <= a->sent)
		a->run_at += t->runs[a->run++].len;
	sent = a->sent - MIN(a->sent, a->run_at);
	for (size_t i = a->run; i < t->count && m->msg_iovlen < PIECES; i++)
		add_left(m, t->runs[i].at, t->runs[i].len, &sent);
	assert(sent == 0);
}

/* What is left of the head and of a body in memory. */
static ssize_t send_memory(struct answer *a, int socket)
{
	struct iovec iov[PIECES];
	struct msghdr m = {.msg_iov = iov};
	int more = answer_file_bytes(a) ? MSG_MORE : 0; /* the head shares a packet with the file */
	uint64_t sent = a->sent;

	add_left(&m, a->head.data, a->head.len, &sent);
	add_left(&m, a->body.at, a->body.len, &sent);
	if (a->reply.tail)
		add_tail(a, &m);
	return sendmsg(socket, &m, MSG_DONTWAIT | MSG_NOSIGNAL | more);
}

/* Some more of the file. */
static ssize_t send_file(const struct answer *a, int socket)
{
	const struct reply_file *f = &a->reply.file;
	uint64_t done = a->sent - a->head.len;
	off_t at = (off_t)(f->base + f->offset + done);

	assert(a->sent >= a->head.len && done < f->length);
	return sendfile(socket, f->fd, &at, MIN(f->length - done, HTTP_TURN_BYTES));
}

ssize_t answer_send(struct answer *a, int socket)
{
	ssize_t n;

	assert(!answer_is_sent(a));
	n = answer_in_file(a) ? send_file(a, socket) : send_memory(a, socket);
	if (n > 0)
		a->sent += (uint64_t)n;
	assert(n < 0 || a->sent <= a->head.len + answer_bytes(a));
	return n;
}
