#include "amps-worker/api/api.h"

#include <assert.h>
#include <stdio.h>
#include <sys/mman.h>

/* What a held reply keeps of its call. */
struct call {
	uint64_t number;
	bool reads; /* GET or HEAD */
};

static const struct held_rule rule = {
	.deadline_ms = API_CALL_MS,
	.late = {504, "the server did not answer in time; the change may still be made"},
};

void api_init(struct api *a, struct context *context)
{
	/* the number of a dead worker's call must not be used again */
	*a = (struct api){.context = context, .last_call = (uint64_t)getpid() << 32};
	TAILQ_INIT(&a->waiting);
	events_init(&a->events, context);
}

static bool is_full(const struct api *a)
{
	const struct held *h;
	unsigned n = 0;

	TAILQ_FOREACH (h, &a->waiting, in_holder)
		n++;
	return n >= API_CALLS_MAX;
}

/* Is there no room for another answer of so many bytes? */
static bool is_loaded(const struct api *a, uint64_t bytes)
{
	const struct reply_load *load = &a->under_way;

	/* an answer that is larger than all may be together is sent while there is no other */
	return load->count >= API_ANSWERS_MAX ||
	       (load->count > 0 && load->bytes + bytes > API_ANSWERS_BYTES);
}

/* A descriptor or -Exxx. */
static int body_file(struct span body)
{
	_cleanup_(closep) int fd = memfd_create("amps-api-call", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : 0;

	if (r == 0 && body.len > 0)
		r = write_all(fd, body.at, body.len);
	return r < 0 ? r : TAKE_FD(fd);
}

void api_call(struct api *a, struct msg_api_call *m, const struct request *q, struct reply *r)
{
	enum http_method method = q->http->method;
	struct call *call;
	int fd;

	if (is_full(a)) {
		reply_error(r, 503, RETRY_AFTER_S, "too many requests wait for the server");
		return;
	}
	if (is_loaded(a, 1)) {
		reply_error(r, 503, RETRY_AFTER_S, "too many clients take their answers slowly");
		return;
	}
	call = malloc(sizeof(*call));
	fd = call ? body_file(q->http->body) : -ENOMEM;
	if (fd < 0) {
		free(call);
		reply_error(r, 503, RETRY_AFTER_S, "there is no memory for the request");
		return;
	}
	m->call = ++a->last_call;
	m->bytes = q->http->body.len;
	*call = (struct call){m->call, method == HTTP_GET || method == HTTP_HEAD};
	assert(!r->kept);
	r->kept = call;
	peer_send_api_call(a->context->master, m, &fd);
	close(fd);
	held_begin(&r->held, r, &a->waiting, &rule);
}

static struct held *find_held(const struct api *a, uint64_t number)
{
	struct held *h;

	TAILQ_FOREACH (h, &a->waiting, in_holder) {
		const struct call *call = h->reply->kept;

		if (call->number == number)
			return h;
	}
	return NULL;
}

static int read_body(struct buf *b, int fd, size_t bytes)
{
	char *at = buf_reserve(b, bytes);
	ssize_t n = at ? pread(fd, at, bytes, 0) : -1;

	if (!at)
		return -ENOMEM;
	if (n != (ssize_t)bytes)
		return -EIO;
	b->len += bytes;
	return 0;
}

/* A list of thousands of channels is sent from the file; an answer that a client may have already
 * needs the file's check of its tag. */
static int fill_reply(struct reply *r, const struct msg_api_answer *m, int *fd)
{
	const struct call *call = r->kept;

	r->status = (int)m->status;
	r->type = "application/json";
	reply_field(r, "Cache-Control", "private, no-cache");
	if (m->total >= 0)
		reply_field(r, "X-Total-Count", "%lld", (long long)m->total);
	if (m->status == 401)
		reply_challenge(r);
	if (m->status == 503)
		reply_field(r, "Retry-After", "%u", RETRY_AFTER_S);
	if (call->reads && m->status == 200 && (m->etag[0] || m->bytes > API_ANSWER_BYTES)) {
		r->kind = REPLY_FILE;
		r->file.fd = TAKE_FD(*fd);
		r->file.size = m->bytes;
		if (m->etag[0])
			snprintf(r->file.etag, sizeof(r->file.etag), "\"%s\"", m->etag);
		return 0;
	}
	if (m->etag[0])
		reply_field(r, "ETag", "\"%s\"", m->etag);
	return read_body(&r->body, *fd, m->bytes);
}

/* A change has been made: its answer is sent in any case. */
static const struct held_error *take_answer(struct api *a, struct reply *r,
					    const struct msg_api_answer *m, int *fd)
{
	static const struct held_error failed = {500, "the answer cannot be read"};
	static const struct held_error loaded = {503, "too many clients take their answers slowly"};
	const struct call *call = r->kept;

	if (call->reads && is_loaded(a, m->bytes))
		return &loaded;
	reply_count(r, &a->under_way, m->bytes);
	return fill_reply(r, m, fd) < 0 ? &failed : NULL;
}

int api_on_answer(struct api *a, const struct msg_api_answer *m, int *fd)
{
	struct held *h = find_held(a, m->call);

	if (m->status < 200 || m->status > 599)
		return -EBADMSG;
	if (h)
		held_ready(h, take_answer(a, h->reply, m, fd));
	return 0;
}
