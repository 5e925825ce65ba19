/* rtsp.c - the dialogue of RTSP up to its media: SETUP and PLAY, interleaved or by UDP */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "tests/bench/load/load.h"

#define UDP_RCVBUF 212992 /* what a client has by default */

static int send_request(const struct load *l, const struct client *c, const char *method,
			const char *field, const char *value)
{
	char request[1024];
	int n = snprintf(request, sizeof(request),
			 "%s rtsp://%s:%d%s RTSP/1.0\r\nCSeq: %d\r\nUser-Agent: tsload\r\n%s: %s\r\n"
			 "%s%s\r\n",
			 method, l->o.host, l->o.port, c->path, c->set_up ? 2 : 1, field, value,
			 l->o.header, *l->o.header ? "\r\n" : "");

	return send(c->fd, request, (size_t)n, MSG_NOSIGNAL) == n ? 0 : -1;
}

/* Opens a UDP socket on any port; the port, or -1. */
static int open_udp(int *ret_fd)
{
	struct sockaddr_in sa = {.sin_family = AF_INET};
	socklen_t len = sizeof(sa);
	int size = UDP_RCVBUF;

	*ret_fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*ret_fd < 0 || bind(*ret_fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    getsockname(*ret_fd, (struct sockaddr *)&sa, &len) < 0)
		return -1;
	setsockopt(*ret_fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return ntohs(sa.sin_port);
}

int rtsp_begin(struct load *l, struct client *c)
{
	char way[80] = "RTP/AVP/TCP;unicast;interleaved=0-1";

	if (l->o.protocol == LOAD_RTSP_UDP) {
		int port = open_udp(&c->control);

		if (l->reports < 0)
			l->reports_port = open_udp(&l->reports);
		if (port < 0 || l->reports_port < 0)
			return -1;
		snprintf(way, sizeof(way), "RTP/AVP;unicast;client_port=%d-%d", port,
			 l->reports_port);
	}
	return send_request(l, c, "SETUP", "Transport", way);
}

/* The socket of the media takes the place of the connection, which is kept. */
static int follow_udp(struct load *l, struct client *c)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
	int media = c->control;

	c->control = c->fd;
	c->fd = media;
	return epoll_ctl(l->epoll, EPOLL_CTL_DEL, c->control, NULL) < 0 ||
			       epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &ev) < 0
		       ? -1
		       : 1;
}

int rtsp_answered(struct load *l, struct client *c)
{
	const char *session = body_field(c->head, "Session");
	char id[64];

	if (c->set_up)
		return l->o.protocol == LOAD_RTSP_UDP ? follow_udp(l, c) : 1;
	if (!session || sscanf(session, "%63[^;\r]", id) != 1)
		return -1;
	c->set_up = true;
	c->head_len = 0;
	return send_request(l, c, "PLAY", "Session", id);
}

void rtsp_count(struct client *c, const uint8_t head[12])
{
	uint16_t sequence = (uint16_t)(head[2] << 8 | head[3]);

	if (c->counted)
		c->rtp_lost += (uint16_t)(sequence - c->sequence);
	c->counted = true;
	c->sequence = (uint16_t)(sequence + 1);
}
