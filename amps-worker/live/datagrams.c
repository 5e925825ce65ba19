/* datagrams.c - see datagrams.h; ip(7) for IP_PKTINFO, ipv6(7) for IPV6_PKTINFO */
#include "amps-worker/live/datagrams.h"

#include <assert.h>
#include <string.h>

#include "amps-worker/context/context.h"

/* The socket has room: those that wait get their turn, until one finds it full again and waits at
 * the end of the list. */
static void on_room(evutil_socket_t fd, short what, void *arg)
{
	struct datagram_socket *s = arg;
	struct datagrams *d, *last;

	(void)fd;
	(void)what;
	while ((d = TAILQ_FIRST(&s->waiting))) {
		datagrams_leave(d);
		last = TAILQ_LAST(&s->waiting, datagrams_list);
		d->on_room(d->owner);
		if (TAILQ_LAST(&s->waiting, datagrams_list) != last)
			break;
	}
	if (!TAILQ_EMPTY(&s->waiting))
		event_add(&s->room, NULL);
}

void datagram_socket_init(struct datagram_socket *s, struct event_base *base, int fd)
{
	struct sockaddr_storage sa = {0};
	socklen_t n = sizeof(sa);

	s->fd = fd;
	s->v6 = getsockname(fd, (struct sockaddr *)&sa, &n) == 0 && sa.ss_family == AF_INET6;
	TAILQ_INIT(&s->waiting);
	event_assign(&s->room, base, fd, EV_WRITE, on_room, s);
	event_priority_set(&s->room, PRIORITY_NORMAL);
}

void datagram_socket_done(struct datagram_socket *s)
{
	if (s->fd <= 0)
		return;
	assert(TAILQ_EMPTY(&s->waiting));
	event_del(&s->room);
	close_fd(&s->fd);
}

static void *begin_control(struct datagram_path *p, int level, int type, size_t n)
{
	struct cmsghdr *c = (void *)p->control;

	assert(CMSG_SPACE(n) <= sizeof(p->control));
	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(n);
	p->control_len = CMSG_SPACE(n);
	return CMSG_DATA(c);
}

/* The answers come from the address that the client knows, also where the server has several. */
static int set_source(struct datagram_path *p, int tcp_fd)
{
	struct sockaddr_storage sa = {0};
	const struct sockaddr_in6 *v6 = (const void *)&sa;
	const struct sockaddr_in *v4 = (const void *)&sa;
	socklen_t n = sizeof(sa);

	if (getsockname(tcp_fd, (struct sockaddr *)&sa, &n) < 0)
		return -errno;
	if (sa.ss_family != p->to.ss_family)
		return -EAFNOSUPPORT;
	if (sa.ss_family == AF_INET6) {
		struct in6_pktinfo from = {.ipi6_addr = v6->sin6_addr};

		memcpy(begin_control(p, IPPROTO_IPV6, IPV6_PKTINFO, sizeof(from)), &from,
		       sizeof(from));
	} else {
		struct in_pktinfo from = {.ipi_spec_dst = v4->sin_addr};

		memcpy(begin_control(p, IPPROTO_IP, IP_PKTINFO, sizeof(from)), &from, sizeof(from));
	}
	return 0;
}

int datagram_path_of(const struct datagram_socket *s, int tcp_fd, uint16_t port,
		     struct datagram_path *ret)
{
	struct datagram_path p = {.to_len = sizeof(p.to)};
	int r;

	if (getpeername(tcp_fd, (struct sockaddr *)&p.to, &p.to_len) < 0)
		return -errno;
	if ((p.to.ss_family == AF_INET6) != s->v6)
		return -EAFNOSUPPORT;
	if (s->v6)
		((struct sockaddr_in6 *)&p.to)->sin6_port = htons(port);
	else
		((struct sockaddr_in *)&p.to)->sin_port = htons(port);
	r = set_source(&p, tcp_fd);
	if (r == 0)
		*ret = p;
	return r;
}

size_t datagrams_credit(struct datagrams *d, uint64_t now_us, uint64_t bytes_per_second)
{
	uint64_t rate = MAX(MIN(bytes_per_second, UINT32_MAX) * 3 / 2, DATAGRAM_RATE_MIN);
	uint64_t passed_us = MIN(now_us - d->credit_us, 1000000u);

	d->credit = d->credit_us ? MIN(d->credit + rate * passed_us / 1000000, DATAGRAM_BURST)
				 : DATAGRAM_FIRST;
	d->credit_us = now_us;
	return (size_t)d->credit;
}

static void wait_for_room(struct datagrams *d)
{
	struct datagram_socket *s = d->socket;

	assert(!d->waits);
	if (TAILQ_EMPTY(&s->waiting))
		event_add(&s->room, NULL);
	TAILQ_INSERT_TAIL(&s->waiting, d, link);
	d->waits = true;
}

ssize_t datagrams_send(struct datagrams *d, uint8_t *bytes, const uint32_t *at, size_t count)
{
	struct mmsghdr list[DATAGRAMS_AT_ONCE];
	struct iovec pieces[DATAGRAMS_AT_ONCE];
	const struct datagram_path *p = d->path;
	int sent;

	assert(count > 0 && count <= DATAGRAMS_AT_ONCE);
	for (size_t i = 0; i < count; i++) {
		pieces[i] = (struct iovec){bytes + at[i], at[i + 1] - at[i]};
		list[i].msg_hdr = (struct msghdr){
			.msg_name = (void *)(uintptr_t)&p->to,
			.msg_namelen = p->to_len,
			.msg_iov = pieces + i,
			.msg_iovlen = 1,
			.msg_control = p->control_len ? (void *)(uintptr_t)p->control : NULL,
			.msg_controllen = p->control_len,
		};
	}
	sent = sendmmsg(d->socket->fd, list, (unsigned)count, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent < 0 && errno != EAGAIN && errno != ENOBUFS && errno != EINTR)
		return -errno;
	sent = MAX(sent, 0);
	for (int i = 0; i < sent; i++)
		d->credit -= MIN(d->credit, list[i].msg_len);
	if ((size_t)sent < count)
		wait_for_room(d);
	return sent;
}

void datagrams_leave(struct datagrams *d)
{
	struct datagram_socket *s = d->socket;

	if (!d->waits)
		return;
	TAILQ_REMOVE(&s->waiting, d, link);
	d->waits = false;
	if (TAILQ_EMPTY(&s->waiting))
		event_del(&s->room);
}
