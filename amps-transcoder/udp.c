/* udp.c - see udp.h */
#include "amps-transcoder/udp.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "amps-transcoder/url.h"
#include "common/clock.h"
#include "common/text.h"

#define DATAGRAM_TS	1316u /* seven packets, what nearly every sender sends */
#define DATAGRAM_MAX	2048u
#define BATCH		64u
#define RECEIVE_BUFFER	(8 << 20)
#define GATHER_FIRST_MS 4  /* datagrams come one by one; some at a time cost a fraction */
#define GATHER_MAX_MS	20 /* as often as a worker looks */
#define GATHER_WANTED	24 /* datagrams at a time; the smallest usual socket buffer holds 180 */
#define GATHER_BURST	48 /* a sender of so many at once may send more of them */
#define WINDOW_US	500000
#define RTP_HEADER	12u
#define TS_SYNC_BYTE	0x47

struct udp_url {
	char host[256], source[256], local[256];
	char port[8];
};

/* A setting of the URL, or of the input options where the URL does not have it. */
static void setting(const char *url, const AVDictionary *options, const char *name, char *dst,
		    size_t cap)
{
	const AVDictionaryEntry *e = av_dict_get(options, name, NULL, 0);

	if (!url_query(url, name, dst, cap) && e)
		snprintf(dst, cap, "%s", e->value);
}

static int parse_url(const char *url, const AVDictionary *options, struct udp_url *ret)
{
	const char *rest = strstr(url, "://"), *end, *at, *colon;
	uint64_t port;

	*ret = (struct udp_url){0};
	if (!rest)
		return -EINVAL;
	rest += 3;
	end = rest + strcspn(rest, "/?#");
	at = memchr(rest, '@', (size_t)(end - rest));
	/* "udp://@239.1.1.1:1234" is how players write it; "source@group" names the sender */
	if (at)
		snprintf(ret->source, sizeof(ret->source), "%.*s", (int)(at - rest), rest);
	url_host(url, ret->host, sizeof(ret->host));
	colon = memrchr(rest, ':', (size_t)(end - rest));
	if (!colon || end - colon > (ptrdiff_t)sizeof(ret->port))
		return -EINVAL;
	snprintf(ret->port, sizeof(ret->port), "%.*s", (int)(end - colon - 1), colon + 1);
	setting(url, options, "localaddr", ret->local, sizeof(ret->local));
	if (!*ret->source)
		setting(url, options, "sources", ret->source, sizeof(ret->source));
	return text_parse_u64(ret->port, 65535, &port) < 0 || port == 0 ? -EINVAL : 0;
}

static int lookup(const char *host, const char *port, int family, struct sockaddr_storage *ret,
		  socklen_t *ret_len)
{
	struct addrinfo hints = {.ai_family = family,
				 .ai_socktype = SOCK_DGRAM,
				 .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	struct addrinfo *found;

	if (getaddrinfo(*host ? host : NULL, port, &hints, &found) != 0)
		return -EHOSTUNREACH;
	memcpy(ret, found->ai_addr, found->ai_addrlen);
	*ret_len = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

static bool is_multicast(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET)
		return IN_MULTICAST(ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr));
	return IN6_IS_ADDR_MULTICAST(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

/* The interface of this name or with this address; 0 if there is none. */
static unsigned interface_index(const char *local)
{
	unsigned index = *local ? if_nametoindex(local) : 0;
	struct ifaddrs *all, *at;
	char text[INET6_ADDRSTRLEN];

	if (!*local || index || getifaddrs(&all) < 0)
		return index;
	for (at = all; at && !index; at = at->ifa_next) {
		int family = at->ifa_addr ? at->ifa_addr->sa_family : AF_UNSPEC;
		const void *bytes = &((struct sockaddr_in *)at->ifa_addr)->sin_addr;

		if (family == AF_INET6)
			bytes = &((struct sockaddr_in6 *)at->ifa_addr)->sin6_addr;
		if ((family == AF_INET || family == AF_INET6) &&
		    inet_ntop(family, bytes, text, sizeof(text)) && !strcmp(text, local))
			index = if_nametoindex(at->ifa_name);
	}
	freeifaddrs(all);
	return index;
}

/* Joins the group; from one source alone where one is named (RFC 3678). */
static int join_group(int fd, const struct sockaddr_storage *group, socklen_t len,
		      const struct udp_url *u)
{
	int level = group->ss_family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
	struct group_source_req req = {.gsr_interface = interface_index(u->local)};
	struct group_req any = {.gr_interface = req.gsr_interface};
	socklen_t ignored;
	int r;

	if (*u->local && any.gr_interface == 0)
		return -ENODEV;
	memcpy(&any.gr_group, group, len);
	if (!*u->source)
		return setsockopt(fd, level, MCAST_JOIN_GROUP, &any, sizeof(any)) < 0 ? -errno : 0;
	req.gsr_group = any.gr_group;
	r = lookup(u->source, NULL, group->ss_family, &req.gsr_source, &ignored);
	if (r < 0)
		return r;
	return setsockopt(fd, level, MCAST_JOIN_SOURCE_GROUP, &req, sizeof(req)) < 0 ? -errno : 0;
}

static int bind_and_join(int fd, const struct sockaddr_storage *a, socklen_t len,
			 const struct udp_url *u)
{
	int on = 1, off = 0, bytes = RECEIVE_BUFFER;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	/* several jobs may listen to one group, each gets every datagram; a unicast port is one's
	 */
	if (is_multicast(a))
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)a, len) < 0)
		return -errno;
	if (!is_multicast(a))
		return 0;
	if (a->ss_family == AF_INET)
		setsockopt(fd, IPPROTO_IP, IP_MULTICAST_ALL, &off, sizeof(off));
	return join_group(fd, a, len, u);
}

int udp_open(struct udp *u, const char *url, const AVDictionary *options)
{
	struct sockaddr_storage address = {0};
	_cleanup_(closep) int fd = -1;
	struct udp_url parts;
	socklen_t len;
	int r = parse_url(url, options, &parts);

	if (r == 0)
		r = lookup(parts.host, parts.port, AF_UNSPEC, &address, &len);
	if (r < 0)
		return r;
	fd = socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = bind_and_join(fd, &address, len, &parts);
	if (r < 0)
		return r;
	u->fd = TAKE_FD(fd);
	u->gather_ms = GATHER_FIRST_MS;
	return 0;
}

void udp_close(struct udp *u)
{
	close_fd(&u->fd);
}

/* Bytes of an RTP header in front of MPEG-TS (RFC 3550, 5.1), 0 if there is none. */
static size_t rtp_header(const uint8_t *d, size_t n)
{
	size_t at;

	if (n < RTP_HEADER || d[0] == TS_SYNC_BYTE || (d[0] & 0xc0) != 0x80)
		return 0;
	at = RTP_HEADER + 4u * (d[0] & 0x0f);
	if (d[0] & 0x10 && at + 4 <= n)
		at += 4u + 4u * ((size_t)d[at + 2] << 8 | d[at + 3]);
	return at < n && d[at] == TS_SYNC_BYTE ? at : 0;
}

/* Receives one batch with one slot of `stride` bytes a datagram; payloads end up back to back. */
static ssize_t receive_batch(int fd, uint8_t *dst, size_t cap, size_t stride, bool *ret_large,
			     unsigned *ret_count)
{
	struct mmsghdr messages[BATCH];
	struct iovec slots[BATCH];
	unsigned n = (unsigned)MIN(cap / stride, BATCH);
	size_t out = 0;
	int got;

	for (unsigned i = 0; i < n; i++) {
		slots[i] = (struct iovec){.iov_base = dst + i * stride, .iov_len = stride};
		messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &slots[i], .msg_iovlen = 1}};
	}
	got = recvmmsg(fd, messages, n, MSG_DONTWAIT, NULL);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	*ret_count = (unsigned)got;
	for (int i = 0; i < got; i++) {
		const uint8_t *d = dst + (size_t)i * stride;
		size_t len = messages[i].msg_len, skip = rtp_header(d, len);

		*ret_large = *ret_large || len > DATAGRAM_TS ||
			     messages[i].msg_hdr.msg_flags & MSG_TRUNC;
		if (d + skip != dst + out)
			memmove(dst + out, d + skip, len - skip);
		out += len - skip;
	}
	return (ssize_t)out;
}

/* Chooses for how long datagrams gather: by their rate, and shortly where they come in bursts. */
static void choose_gather(struct udp *u, unsigned count)
{
	uint64_t now_us = clock_mono_us(), gone_us = now_us - u->window_us, wanted_ms;

	u->window_datagrams += count;
	/* what came together because we were late is no burst */
	if (now_us - u->look_us < 2 * GATHER_MAX_MS * 1000)
		u->window_largest = MAX(u->window_largest, count);
	u->look_us = now_us;
	if (gone_us < WINDOW_US)
		return;
	wanted_ms = GATHER_WANTED * gone_us / 1000 / MAX(u->window_datagrams, 1u);
	/* the first window began with the clock */
	if (u->window_us)
		u->gather_ms =
			(unsigned)MIN(wanted_ms, u->window_largest > GATHER_BURST ? GATHER_FIRST_MS
										  : GATHER_MAX_MS);
	u->window_us = now_us;
	u->window_datagrams = u->window_largest = 0;
}

ssize_t udp_read(struct udp *u, uint8_t *dst, size_t cap, unsigned timeout_ms)
{
	struct pollfd p = {.fd = u->fd, .events = POLLIN};
	unsigned count = 0;
	bool large = false;
	ssize_t n;

	if (cap < DATAGRAM_MAX)
		return -EINVAL;
	if (u->gather)
		poll(NULL, 0, (int)u->gather_ms);
	else if (poll(&p, 1, (int)timeout_ms) <= 0)
		return 0;
	/* slots of the usual size need no moving; larger ones are for the beginning, when nothing
	 * is known, and for streams that need them */
	n = receive_batch(u->fd, dst, cap, u->slots == UDP_SLOTS_USUAL ? DATAGRAM_TS : DATAGRAM_MAX,
			  &large, &count);
	choose_gather(u, count);
	if (n > 0 && u->slots != UDP_SLOTS_LARGE)
		u->slots = large ? UDP_SLOTS_LARGE : UDP_SLOTS_USUAL;
	u->gather = n > 0;
	return n;
}
