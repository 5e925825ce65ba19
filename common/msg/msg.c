/* msg.c - see msg.h.  Encoders and decoders are made from the one list there. */
#include "common/msg/msg.h"

#include <assert.h>
#include <string.h>
#include <sys/socket.h>

#define MSG_HEAD_BYTES 4u

/* Cursors with a sticky error: a chain of puts or gets is checked once at its end. */
struct msg_out {
	uint8_t *at, *end;
	bool failed;
};

struct msg_in {
	const uint8_t *at, *end;
	bool failed;
};

static void put_bytes(struct msg_out *o, const void *bytes, size_t n)
{
	assert(o->at <= o->end);
	if (o->failed || (size_t)(o->end - o->at) < n) {
		o->failed = true;
		return;
	}
	memcpy(o->at, bytes, n);
	o->at += n;
}

static void put_number(struct msg_out *o, uint64_t v, unsigned bytes)
{
	uint8_t le[8];

	for (unsigned i = 0; i < bytes; i++)
		le[i] = (uint8_t)(v >> (8 * i));
	put_bytes(o, le, bytes);
}

static uint64_t get_number(struct msg_in *in, unsigned bytes)
{
	uint64_t v = 0;

	assert(in->at <= in->end && bytes <= 8);
	if (in->failed || (size_t)(in->end - in->at) < bytes) {
		in->failed = true;
		return 0;
	}
	for (unsigned i = 0; i < bytes; i++)
		v |= (uint64_t)in->at[i] << (8 * i);
	in->at += bytes;
	return v;
}

static void put_u8(struct msg_out *o, uint8_t v)
{
	put_number(o, v, 1);
}

static void put_u32(struct msg_out *o, uint32_t v)
{
	put_number(o, v, 4);
}

static void put_u64(struct msg_out *o, uint64_t v)
{
	put_number(o, v, 8);
}

static void put_i64(struct msg_out *o, int64_t v)
{
	put_number(o, (uint64_t)v, 8);
}

static void put_str(struct msg_out *o, const char *text)
{
	size_t len = text ? strlen(text) : 0;

	if (len > MESSAGE_BYTES_MAX) {
		o->failed = true;
		return;
	}
	put_number(o, len, 4);
	put_bytes(o, text ? text : "", len + 1);
}

static uint8_t get_u8(struct msg_in *in)
{
	return (uint8_t)get_number(in, 1);
}

static uint32_t get_u32(struct msg_in *in)
{
	return (uint32_t)get_number(in, 4);
}

static uint64_t get_u64(struct msg_in *in)
{
	return get_number(in, 8);
}

static int64_t get_i64(struct msg_in *in)
{
	return (int64_t)get_number(in, 8);
}

/* Borrowed from the datagram; refused unless exactly one NUL ends it. */
static const char *get_str(struct msg_in *in)
{
	uint64_t len = get_number(in, 4);
	const uint8_t *text = in->at;

	if (in->failed || (uint64_t)(in->end - in->at) < len + 1 ||
	    memchr(text, '\0', len + 1) != text + len) {
		in->failed = true;
		return "";
	}
	in->at += len + 1;
	return (const char *)text;
}

static void put_head(struct msg_out *o, enum msg_type type)
{
	put_number(o, type, 2);
	put_number(o, MSG_PROTOCOL, 2);
}

static void get_head(struct msg_in *in, enum msg_type type)
{
	if (get_number(in, 2) != type || get_number(in, 2) != MSG_PROTOCOL)
		in->failed = true;
}

#define PUT_FIELD(ftype, field) put_##ftype(&o, m->field);
#define GET_FIELD(ftype, field) out.field = get_##ftype(&in);
#define M(NAME, name, fds, fields, meaning)                                                        \
	int msg_encode_##name(const struct msg_##name *m, void *dst, size_t cap, size_t *ret_len)  \
	{                                                                                          \
		struct msg_out o = {dst, (uint8_t *)dst + cap, false};                             \
                                                                                                   \
		(void)m;                                                                           \
		put_head(&o, MSG_##NAME);                                                          \
		fields(PUT_FIELD);                                                                 \
		if (o.failed)                                                                      \
			return -EMSGSIZE;                                                          \
		*ret_len = (size_t)(o.at - (uint8_t *)dst);                                        \
		return 0;                                                                          \
	}                                                                                          \
	int msg_decode_##name(const void *datagram, size_t len, struct msg_##name *ret)            \
	{                                                                                          \
		struct msg_in in = {datagram, (const uint8_t *)datagram + len, false};             \
		struct msg_##name out;                                                             \
                                                                                                   \
		memset(&out, 0, sizeof(out));                                                      \
		get_head(&in, MSG_##NAME);                                                         \
		fields(GET_FIELD);                                                                 \
		if (in.failed || in.at != in.end)                                                  \
			return -EBADMSG;                                                           \
		*ret = out;                                                                        \
		return 0;                                                                          \
	}                                                                                          \
	int msg_send_##name(int fd, const struct msg_##name *m, const int *fds_)                   \
	{                                                                                          \
		uint8_t bytes[MESSAGE_BYTES_MAX];                                                  \
		size_t len = 0;                                                                    \
		int r = msg_encode_##name(m, bytes, sizeof(bytes), &len);                          \
                                                                                                   \
		return r < 0 ? r : msg_send_bytes(fd, bytes, len, fds_, fds);                      \
	}
MESSAGES(M)
#undef M

static const struct {
	const char *name;
	int fd_count;
} known[MSG_TYPE_COUNT_] = {
#define M(NAME, name, fds, fields, meaning) [MSG_##NAME] = {#NAME, fds},
	MESSAGES(M)
#undef M
};

#define M(NAME, name, fds, fields, meaning)                                                        \
	static_assert((fds) <= MESSAGE_FDS_MAX, #NAME " carries too many descriptors");
MESSAGES(M)
#undef M

const char *msg_name(enum msg_type type)
{
	return type > MSG_NONE_ && type < MSG_TYPE_COUNT_ ? known[type].name : "?";
}

int msg_send_bytes(int fd, const void *bytes, size_t len, const int *fds, int fd_count)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * MESSAGE_FDS_MAX)];
		struct cmsghdr align;
	} control;
	struct iovec iov = {(void *)(uintptr_t)bytes, len};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	assert(len <= MESSAGE_BYTES_MAX && fd_count >= 0 && fd_count <= MESSAGE_FDS_MAX);
	if (fd_count > 0) {
		struct cmsghdr *c;

		memset(&control, 0, sizeof(control));
		h.msg_control = control.bytes;
		h.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)fd_count);
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)fd_count);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)fd_count);
	}
	do
		n = sendmsg(fd, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return 0;
	return errno == ECONNRESET || errno == ENOTCONN ? -EPIPE : -errno;
}

/* Takes the descriptors of every control message; closes those over the maximum. */
static bool take_fds(struct msghdr *h, struct msg *m)
{
	bool ok = !(h->msg_flags & MSG_CTRUNC);

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (m->fd_count < MESSAGE_FDS_MAX) {
				m->fds[m->fd_count++] = fd;
			} else {
				close(fd);
				ok = false;
			}
		}
	}
	return ok;
}

static bool head_is_known(struct msg *m)
{
	unsigned type, protocol;

	if (m->len < MSG_HEAD_BYTES)
		return false;
	type = (unsigned)m->bytes[0] | (unsigned)m->bytes[1] << 8;
	protocol = (unsigned)m->bytes[2] | (unsigned)m->bytes[3] << 8;
	if (protocol != MSG_PROTOCOL || type <= MSG_NONE_ || type >= MSG_TYPE_COUNT_)
		return false;
	m->type = (enum msg_type)type;
	return m->fd_count == known[type].fd_count;
}

int msg_receive(int fd, struct msg *ret)
{
	/* room for more than is accepted, so that surplus descriptors arrive and are closed */
	union {
		char bytes[CMSG_SPACE(sizeof(int) * MESSAGE_FDS_MAX * 4)];
		struct cmsghdr align;
	} control;
	struct iovec iov = {ret->bytes, sizeof(ret->bytes)};
	struct msghdr h = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control.bytes,
			   .msg_controllen = sizeof(control)};
	ssize_t n;

	ret->type = MSG_NONE_;
	ret->len = 0;
	ret->fd_count = 0;
	/* an end that closed with unread messages resets the connection: the kernel reports that
	 * once, before the messages of that end */
	do
		n = recvmsg(fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	if (n < 0)
		return errno == EAGAIN ? -EAGAIN : -EPIPE;
	if (n == 0)
		return -EPIPE;
	ret->len = (size_t)n;
	if (!take_fds(&h, ret) || (h.msg_flags & MSG_TRUNC) || !head_is_known(ret)) {
		msg_done(ret);
		return -EBADMSG;
	}
	return 0;
}

void msg_done(struct msg *m)
{
	assert(m->fd_count >= 0 && m->fd_count <= MESSAGE_FDS_MAX);
	for (int i = 0; i < m->fd_count; i++)
		close_fd(&m->fds[i]);
	m->fd_count = 0;
}

int msg_socketpair(int ret_fds[2])
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		return -errno;
	ret_fds[0] = fds[0];
	ret_fds[1] = fds[1];
	return 0;
}
