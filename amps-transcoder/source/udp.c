#include "amps-transcoder/source/udp.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <libavutil/log.h>

#include "amps-transcoder/options/source_options.h"
#include "amps-transcoder/source/rtp_queue.h"
#include "amps-transcoder/source/udp_url.h"
#include "common/clock.h"
#include "common/log/log.h"

#define DATAGRAM_TS	1316u /* seven packets, the usual size of a datagram */
#define RECEIVE_BUFFER	(8 << 20)
#define GATHER_FIRST_MS 4  /* receive several datagrams with one call, which is far cheaper */
#define GATHER_MAX_MS	20 /* as often as a worker looks */
#define GATHER_WANTED	24 /* datagrams at a time; the smallest usual socket buffer holds 180 */
#define GATHER_BURST	48 /* a sender of so many at once may send more of them */
#define WINDOW_US	500000
#define REPORT_US	10000000 /* what was lost is logged so often */

/* RTP is received beside the ring, where its packets wait for those before them. */
struct udp_rtp {
	struct rtp_queue *queue;
	struct rtp_stats reported;
	uint64_t reported_us;
	uint8_t batch[UDP_BATCH * UDP_DATAGRAM_MAX];
};

/* Logs why the source cannot be opened. */
static int failed(const char *what, const char *which, int r)
{
	av_log(NULL, AV_LOG_ERROR, "%s %s: %s\n", what, which, strerror(-r));
	return r;
}

static int lookup(const char *host, uint16_t port, int family, struct sockaddr_storage *ret,
		  socklen_t *ret_len)
{
	struct addrinfo hints = {.ai_family = family,
				 .ai_socktype = SOCK_DGRAM,
				 .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	struct addrinfo *found;
	char service[8];
	int r;

	snprintf(service, sizeof(service), "%u", port);
	r = getaddrinfo(*host ? host : NULL, service, &hints, &found);
	if (r != 0) {
		av_log(NULL, AV_LOG_ERROR, "%s: %s\n", host, gai_strerror(r));
		return -EHOSTUNREACH;
	}
	assert(found->ai_addrlen <= sizeof(*ret));
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

static void set_port(struct sockaddr_storage *a, uint16_t port)
{
	if (a->ss_family == AF_INET)
		((struct sockaddr_in *)a)->sin_port = htons(port);
	else
		((struct sockaddr_in6 *)a)->sin6_port = htons(port);
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

/* Joins for the senders of a list only, or for all except those (RFC 3678). */
static int filter_senders(int fd, const struct group_req *group, int option, const char *senders)
{
	int family = group->gr_group.ss_family;
	struct group_source_req req = {.gsr_interface = group->gr_interface,
				       .gsr_group = group->gr_group};
	socklen_t ignored;
	char sender[256];

	for (; *senders; senders += *senders == ',') {
		size_t len = strcspn(senders, ",");
		int r;

		snprintf(sender, sizeof(sender), "%.*s", (int)len, senders);
		senders += len;
		if (len == 0)
			continue;
		r = lookup(sender, 0, family, &req.gsr_source, &ignored);
		if (r < 0)
			return r;
		if (setsockopt(fd, family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6, option, &req,
			       sizeof(req)) < 0)
			return failed(option == MCAST_BLOCK_SOURCE ? "cannot block the sender"
								   : "cannot ask for the sender",
				      sender, -errno);
	}
	return 0;
}

static int join_group(int fd, const struct sockaddr_storage *group, socklen_t len,
		      const struct udp_url *url)
{
	int level = group->ss_family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
	struct group_req req = {.gr_interface = interface_index(url->local)};

	if (*url->local && req.gr_interface == 0)
		return failed("localaddr is no interface here:", url->local, -ENODEV);
	assert(len <= sizeof(req.gr_group));
	memcpy(&req.gr_group, group, len);
	if (*url->sources)
		return filter_senders(fd, &req, MCAST_JOIN_SOURCE_GROUP, url->sources);
	if (setsockopt(fd, level, MCAST_JOIN_GROUP, &req, sizeof(req)) < 0)
		return failed("cannot join the group", url->host, -errno);
	return filter_senders(fd, &req, MCAST_BLOCK_SOURCE, url->block);
}

static int bind_group(int fd, const struct sockaddr_storage *group, socklen_t len,
		      const struct udp_url *url)
{
	int on = 1, off = 0;

	/* several jobs may listen to one group, each gets every datagram */
	if (url->reuse != 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)group, len) < 0)
		return -errno;
	if (group->ss_family == AF_INET)
		setsockopt(fd, IPPROTO_IP, IP_MULTICAST_ALL, &off, sizeof(off));
	return join_group(fd, group, len, url);
}

static bool is_interface(const char *name)
{
	return *name && if_nametoindex(name);
}

/* Binds to localaddr, or to the host if that is a local address; else the host is the sender, and
 * any local address will do. */
static int bind_local(int fd, const struct sockaddr_storage *host, socklen_t len,
		      const struct udp_url *url)
{
	bool by_interface = is_interface(url->local);
	bool by_address = *url->local && !by_interface;
	uint16_t port = url->local_port ? url->local_port : url->port;
	struct sockaddr_storage at = *host;
	int r = by_address ? lookup(url->local, port, host->ss_family, &at, &len) : 0;

	if (r < 0)
		return r;
	set_port(&at, port);
	if (by_interface && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, url->local,
				       (socklen_t)strlen(url->local)) < 0)
		return failed("cannot receive from the interface", url->local, -errno);
	if (bind(fd, (struct sockaddr *)&at, len) == 0)
		return 0;
	if (by_address)
		return failed("cannot receive at localaddr", url->local, -errno);
	if (errno != EADDRNOTAVAIL)
		return -errno;
	r = lookup("", port, host->ss_family, &at, &len);
	if (r < 0)
		return r;
	return bind(fd, (struct sockaddr *)&at, len) < 0 ? -errno : 0;
}

static int bind_host(int fd, const struct sockaddr_storage *host, socklen_t len,
		     const struct udp_url *url)
{
	int on = 1, r;

	/* the port is exclusive unless the operator allows reuse */
	if (url->reuse > 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	r = bind_local(fd, host, len, url);
	if (r < 0 || !url->connect)
		return r;
	if (!*url->host)
		return failed("connect", "needs a host in the URL", -EINVAL);
	if (connect(fd, (const struct sockaddr *)host, len) < 0)
		return failed("cannot connect to", url->host, -errno);
	return 0;
}

static void set_buffer(int fd, int wanted)
{
	int bytes = wanted < 0 ? RECEIVE_BUFFER : wanted, got;
	socklen_t len = sizeof(got);

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	/* the kernel doubles the value for its own overhead */
	if (wanted >= 0 && getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &len) == 0 &&
	    got / 2 < wanted)
		log_warn("the kernel allows a receive buffer of %d bytes (net.core.rmem_max), "
			 "going on with that instead of buffer_size=%d",
			 got / 2, wanted);
}

static int open_socket(const struct udp_url *url, bool *ret_multicast)
{
	bool any = !*url->host && *url->local && !is_interface(url->local);
	struct sockaddr_storage host = {0};
	_cleanup_(closep) int fd = -1;
	bool multicast;
	socklen_t len;
	int r = lookup(any ? url->local : url->host, url->port, AF_UNSPEC, &host, &len);

	if (r < 0)
		return r;
	fd = socket(host.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	set_buffer(fd, url->buffer_bytes);
	multicast = is_multicast(&host);
	r = multicast ? bind_group(fd, &host, len, url) : bind_host(fd, &host, len, url);
	if (r < 0)
		return r;
	*ret_multicast = multicast;
	return TAKE_FD(fd);
}

int udp_open(struct udp *u, const char *url, const AVDictionary *options, AVDictionary **ret_left)
{
	_cleanup_(udp_url_done) struct udp_url parts = {0};
	const AVDictionaryEntry *e = NULL;
	bool multicast = false;
	int r = udp_url_parse(url, options, &parts);

	if (r == 0)
		r = open_socket(&parts, &multicast);
	if (r < 0)
		return r;
	u->fd = r;
	u->gather_ms = GATHER_FIRST_MS;
	u->reorder_packets = (unsigned)parts.reorder_packets;
	u->reorder_us = (uint64_t)parts.reorder_us;
	udp_url_followed(&parts, multicast);
	while ((e = av_dict_get(parts.query, "", e, AV_DICT_IGNORE_SUFFIX)))
		source_options_unused(e->key);
	*ret_left = TAKE_PTR(parts.options);
	return 0;
}

static struct udp_rtp *rtp_free(struct udp_rtp *rtp)
{
	if (rtp)
		rtp_queue_free(rtp->queue);
	free(rtp);
	return NULL;
}

void udp_close(struct udp *u)
{
	close_fd(&u->fd);
	u->rtp = rtp_free(u->rtp);
}

static bool is_rtp(const uint8_t *datagram, size_t n)
{
	struct rtp_packet packet;

	return rtp_parse(datagram, n, &packet);
}

/* The first RTP packet has come, in a batch of `bytes` that lies at `batch`. */
static int begin_rtp(struct udp *u, const uint8_t *batch, size_t bytes)
{
	struct udp_rtp *rtp = calloc(1, sizeof(*rtp));
	int r = rtp ? rtp_queue_new(u->reorder_packets, u->reorder_us, &rtp->queue) : -ENOMEM;

	if (r < 0) {
		rtp_free(rtp);
		return r;
	}
	assert(bytes <= sizeof(rtp->batch));
	memcpy(rtp->batch, batch, bytes);
	u->rtp = rtp;
	return 0;
}

/* Says what was lost: at once, then seldom. */
static void report_losses(struct udp_rtp *rtp, uint64_t now_us)
{
	struct rtp_stats s = rtp_queue_stats(rtp->queue);

	if ((s.lost == rtp->reported.lost && s.late == rtp->reported.late) ||
	    (rtp->reported_us && now_us - rtp->reported_us < REPORT_US))
		return;
	log_warn("RTP packets were lost or late, going on without them lost=%llu "
		 "late=%llu duplicates=%llu reordered=%llu",
		 (unsigned long long)(s.lost - rtp->reported.lost),
		 (unsigned long long)(s.late - rtp->reported.late),
		 (unsigned long long)(s.duplicates - rtp->reported.duplicates),
		 (unsigned long long)(s.reordered - rtp->reported.reordered));
	rtp->reported = s;
	rtp->reported_us = now_us;
}

/* Takes a datagram of an RTP stream; one without RTP is copied at once.  Returns the bytes in dst.
 */
static size_t take_rtp(struct udp_rtp *rtp, const uint8_t *datagram, size_t n, uint8_t *dst,
		       size_t cap, uint64_t now_us)
{
	struct rtp_packet packet;
	size_t out = 0;

	if (!rtp_parse(datagram, n, &packet)) {
		n = MIN(n, cap);
		memcpy(dst, datagram, n);
		return n;
	}
	/* another sender: output the waiting packets of the last one first */
	if (rtp_queue_put(rtp->queue, &packet, now_us) < 0) {
		out = rtp_queue_take(rtp->queue, dst, cap, now_us);
		if (rtp_queue_put(rtp->queue, &packet, now_us) < 0)
			return out;
	}
	return out + rtp_queue_take(rtp->queue, dst + out, cap - out, now_us);
}

/* Outputs the packets of the queue whose turn it is. */
static size_t due_rtp(struct udp *u, uint8_t *dst, size_t cap)
{
	uint64_t now_us = clock_mono_us();
	size_t n = u->rtp ? rtp_queue_take(u->rtp->queue, dst, cap, now_us) : 0;

	if (n)
		report_losses(u->rtp, now_us);
	return n;
}

static size_t order_batch(struct udp_rtp *rtp, const struct mmsghdr *messages, unsigned count,
			  size_t stride, uint8_t *dst, size_t cap)
{
	uint64_t now_us = clock_mono_us();
	size_t out = 0;

	for (unsigned i = 0; i < count; i++)
		out += take_rtp(rtp, rtp->batch + i * stride, messages[i].msg_len, dst + out,
				cap - out, now_us);
	assert(out <= cap);
	report_losses(rtp, now_us);
	return out;
}

static size_t close_up(const struct mmsghdr *messages, unsigned count, size_t stride, uint8_t *dst)
{
	size_t out = 0;

	for (unsigned i = 0; i < count; i++) {
		assert(out <= i * stride);
		if (i * stride != out)
			memmove(dst + out, dst + i * stride, messages[i].msg_len);
		out += messages[i].msg_len;
	}
	return out;
}

/* Receives up to n datagrams into slots of `stride` bytes.  Their count, or -Exxx. */
static int receive_slots(int fd, uint8_t *at, unsigned n, size_t stride, struct mmsghdr *messages)
{
	struct iovec slots[UDP_BATCH];
	int got;

	assert(n > 0 && n <= UDP_BATCH);
	for (unsigned i = 0; i < n; i++) {
		slots[i] = (struct iovec){.iov_base = at + i * stride, .iov_len = stride};
		messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &slots[i], .msg_iovlen = 1}};
	}
	got = recvmmsg(fd, messages, n, MSG_DONTWAIT, NULL);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	assert((unsigned)got <= n);
	return got;
}

int udp_receive(const struct udp *u, struct udp_batch *ret)
{
	struct mmsghdr messages[UDP_BATCH];
	int n = receive_slots(u->fd, ret->data, UDP_BATCH, UDP_DATAGRAM_MAX, messages);

	for (int i = 0; i < n; i++)
		ret->bytes[i] = (uint16_t)messages[i].msg_len;
	return n;
}

/* Receives one batch with one slot of `stride` bytes a datagram; payloads end up back to back. */
static ssize_t receive_batch(struct udp *u, uint8_t *dst, size_t cap, size_t stride,
			     bool *ret_large, unsigned *ret_count)
{
	struct mmsghdr messages[UDP_BATCH];
	unsigned n = (unsigned)MIN(cap / stride, UDP_BATCH);
	int got, r = 0;

	assert(!u->rtp || n * stride <= sizeof(u->rtp->batch));
	got = receive_slots(u->fd, u->rtp ? u->rtp->batch : dst, n, stride, messages);
	if (got < 0)
		return got;
	*ret_count = (unsigned)got;
	for (int i = 0; i < got; i++)
		*ret_large = *ret_large || messages[i].msg_len > DATAGRAM_TS ||
			     messages[i].msg_hdr.msg_flags & MSG_TRUNC;
	if (!u->rtp && got > 0 && is_rtp(dst, messages[0].msg_len))
		r = begin_rtp(u, dst, (size_t)got * stride);
	if (r < 0)
		return r;
	return (ssize_t)(u->rtp ? order_batch(u->rtp, messages, *ret_count, stride, dst, cap)
				: close_up(messages, *ret_count, stride, dst));
}

/* Limits the timeout to the wait of the first packet in the queue. */
static int wait_ms(const struct udp *u, unsigned timeout_ms)
{
	uint64_t us = u->rtp ? rtp_queue_wait_us(u->rtp->queue, clock_mono_us()) : UINT64_MAX;

	return (int)MIN(timeout_ms, us / 1000 + 1);
}

void udp_choose_gather(struct udp *u, unsigned count, uint64_t now_us)
{
	uint64_t gone_us = now_us - u->window_us, wanted_ms;

	u->window_datagrams += count;
	/* datagrams that gathered because we were late are not a burst */
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

	if (cap < UDP_DATAGRAM_MAX)
		return -EINVAL;
	n = (ssize_t)due_rtp(u, dst, cap);
	if (n > 0)
		return n;
	if (u->gather)
		poll(NULL, 0, (int)u->gather_ms);
	else if (poll(&p, 1, wait_ms(u, timeout_ms)) <= 0)
		return (ssize_t)due_rtp(u, dst, cap);
	/* slots of the usual size need no copying; use large slots at the beginning, when the size
	 * is unknown, and for streams that need them */
	n = receive_batch(u, dst, cap, u->slots == UDP_SLOTS_USUAL ? DATAGRAM_TS : UDP_DATAGRAM_MAX,
			  &large, &count);
	udp_choose_gather(u, count, clock_mono_us());
	if (n > 0 && u->slots != UDP_SLOTS_LARGE)
		u->slots = large ? UDP_SLOTS_LARGE : UDP_SLOTS_USUAL;
	u->gather = n > 0;
	return n;
}
