/* fetch.c - see fetch.h */
#include "tests/system/fetch.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	};
	socklen_t len;
};

static int parse_address(const char *host, int port, struct address *ret)
{
	struct address v4 = {.v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)},
			     .len = sizeof(v4.v4)};
	struct address v6 = {.v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)},
			     .len = sizeof(v6.v6)};

	if (inet_pton(AF_INET, host, &v4.v4.sin_addr) == 1)
		*ret = v4;
	else if (inet_pton(AF_INET6, host, &v6.v6.sin6_addr) == 1)
		*ret = v6;
	else
		return -EINVAL;
	return 0;
}

static int ask(const struct fetch *f, const char *host, int port, const char *path)
{
	const char *form = strchr(host, ':') ? "GET %s HTTP/1.1\r\nHost: [%s]:%d\r\n\r\n"
					     : "GET %s HTTP/1.1\r\nHost: %s:%d\r\n\r\n";
	char question[512];
	int n = snprintf(question, sizeof(question), form, path, host, port);

	if (n >= (int)sizeof(question))
		return -ENAMETOOLONG;
	return send(f->fd, question, (size_t)n, MSG_NOSIGNAL) == n ? 0 : -ECONNRESET;
}

int fetch_open(struct fetch *f, const char *host, int port, const char *path, int rcvbuf)
{
	struct address to, me = {.len = sizeof(me.v6)};
	int r = parse_address(host, port, &to);

	*f = (struct fetch){.fd = -1};
	if (r < 0)
		return r;
	f->fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (f->fd < 0)
		return -errno;
	if (rcvbuf)
		setsockopt(f->fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
	r = connect(f->fd, &to.any, to.len) < 0 ? -errno : ask(f, host, port, path);
	if (r < 0) {
		fetch_close(f);
		return r;
	}
	getsockname(f->fd, &me.any, &me.len);
	f->port = ntohs(me.any.sa_family == AF_INET6 ? me.v6.sin6_port : me.v4.sin_port);
	f->state = FETCH_HEAD;
	return 0;
}

/* Bytes of the head in front of the body; all of them while the head goes on. */
static size_t head_take(struct fetch *f, const uint8_t *b, size_t n)
{
	size_t had = f->head_len, take = MIN(n, FETCH_HEAD_MAX - 1 - had);
	char *end;

	memcpy(f->head + had, b, take);
	f->head_len += take;
	f->head[f->head_len] = '\0';
	end = strstr(f->head, "\r\n\r\n");
	if (!end)
		return n;
	if (sscanf(f->head, "HTTP/1.1 %d", &f->status) != 1)
		f->status = -1;
	f->state = FETCH_BODY;
	return (size_t)(end + 4 - f->head) - had;
}

ssize_t fetch_read(struct fetch *f, uint8_t *buf, size_t cap, const uint8_t **ret_body,
		   size_t *ret_len)
{
	ssize_t n = recv(f->fd, buf, cap, MSG_DONTWAIT);
	size_t head = 0;

	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (f->state == FETCH_HEAD)
		head = head_take(f, buf, (size_t)n);
	*ret_body = buf + head;
	*ret_len = (size_t)n - head;
	return n;
}

void fetch_close(struct fetch *f)
{
	close_fd(&f->fd);
	f->state = FETCH_CLOSED;
}
