/* client.c - one connection: connects, sends the request, reads the answer, closes */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "tests/bench/load/load.h"

#define CHUNK_HEAD_BYTES 512u /* bytes to read if only a chunk's head is needed */
#define UPGRADE                                                                                    \
	"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"              \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

void client_close(struct load *l, struct client *c, bool early)
{
	if (c->fd >= 0) {
		close_fd(&c->fd);
		l->alive--;
	}
	close_fd(&c->control);
	c->failed = c->state != CLIENT_BODY;
	if (c->failed)
		l->failed++;
	else
		l->in_body--;
	c->closed_early = early;
	c->state = CLIENT_DONE;
	free(c->head);
	c->head = NULL;
}

int client_start(struct load *l, struct client *c)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)l->o.port)};
	struct epoll_event ev = {.events = EPOLLOUT, .data.ptr = c};
	int rcvbuf = c->slow ? LOAD_SLOW_RCVBUF : l->o.rcvbuf;

	inet_pton(AF_INET, l->o.host, &sa.sin_addr);
	c->head = calloc(1, LOAD_HEAD_MAX);
	if (!c->head)
		return -ENOMEM;
	c->start_ns = pace_now_ns();
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return -errno;
	if (rcvbuf)
		setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
	l->alive++;
	c->state = CLIENT_CONNECTING;
	if (connect(c->fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 && errno != EINPROGRESS)
		client_close(l, c, true);
	else if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &ev) < 0)
		return -errno;
	return 0;
}

void client_connected(struct load *l, struct client *c)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
	socklen_t len = sizeof(int);
	char request[2048];
	int error = 0, n;

	getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	n = snprintf(request, sizeof(request),
		     "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUser-Agent: tsload\r\nAccept: */*\r\n"
		     "%s%s%s\r\n",
		     c->path, l->o.host, l->o.port, l->o.header, *l->o.header ? "\r\n" : "",
		     l->o.protocol == LOAD_WS ? UPGRADE : "");
	if (l->o.protocol >= LOAD_RTSP)
		error = error ? error : rtsp_begin(l, c);
	else if (!error && send(c->fd, request, (size_t)n, MSG_NOSIGNAL) != n)
		error = EPIPE;
	if (error) {
		client_close(l, c, true);
		return;
	}
	c->connected_ns = pace_now_ns();
	c->state = CLIENT_HEAD;
	if (c->slow) /* read_slow() reads it on a timer */
		epoll_ctl(l->epoll, EPOLL_CTL_DEL, c->fd, NULL);
	else
		epoll_ctl(l->epoll, EPOLL_CTL_MOD, c->fd, &ev);
}

/* The number of bytes that may be discarded without parsing; 0 = none. */
static size_t blind_bytes(const struct load *l, const struct client *c, size_t max)
{
	if (c->state != CLIENT_BODY || client_parses(l, c) || c->body == BODY_DATAGRAMS)
		return 0;
	if (c->body == BODY_CLOSE || c->body == BODY_WRAPPED)
		return max;
	if (c->body == BODY_CHUNKED && c->chunk != CHUNK_DATA)
		return 0;
	/* leave the last byte to body_feed(), which handles the end */
	return c->left > 1 ? MIN(max, c->left - 1) : 0;
}

static ssize_t receive_blind(struct load *l, struct client *c, size_t n)
{
	ssize_t got = recv(c->fd, NULL, n, MSG_TRUNC | MSG_DONTWAIT);

	if (got <= 0)
		return got;
	body_count(l, c, (size_t)got, pace_now_ns());
	if (c->body == BODY_LENGTH || c->body == BODY_CHUNKED)
		c->left -= (uint64_t)got;
	return got;
}

/* Sets *ret_over if the client was closed. */
static ssize_t receive(struct load *l, struct client *c, size_t n, bool *ret_over)
{
	ssize_t got = recv(c->fd, l->buffer, n, MSG_DONTWAIT);
	uint64_t now = pace_now_ns();
	int over;

	if (got <= 0)
		return got;
	over = c->state == CLIENT_HEAD ? head_feed(l, c, l->buffer, (size_t)got, now)
				       : body_feed(l, c, l->buffer, (size_t)got, now);
	if (over) {
		client_close(l, c, true);
		*ret_over = true;
	} else if (l->o.zap && (l->o.key_end ? c->ts.picture_end_ns : c->ts.access_ns)) {
		client_close(l, c, false);
		*ret_over = true;
	}
	return got;
}

void client_read(struct load *l, struct client *c, size_t max)
{
	bool over = false;

	while (max) {
		size_t blind = blind_bytes(l, c, max);
		size_t want = blind ? blind : MIN(max, LOAD_BUFFER);
		ssize_t got;

		if (!blind && c->state == CLIENT_BODY && !client_parses(l, c) &&
		    c->body != BODY_DATAGRAMS)
			want = MIN(want, CHUNK_HEAD_BYTES);
		got = blind ? receive_blind(l, c, want) : receive(l, c, want, &over);
		if (over || (got < 0 && (errno == EAGAIN || errno == EINTR)))
			return;
		if (got <= 0) {
			client_close(l, c, true);
			return;
		}
		if ((size_t)got < want)
			return;
		max -= (size_t)got;
	}
}
