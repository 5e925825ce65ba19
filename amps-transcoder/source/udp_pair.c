#include "amps-transcoder/source/udp_pair.h"

#include <assert.h>
#include <poll.h>
#include <string.h>

#include "common/clock.h"
#include "common/log/log.h"

#define REPORT_US 10000000 /* what was lost is logged so often */

struct udp_pair {
	struct udp legs[RTP_LEGS];
	struct rtp_pair *merged;
	struct rtp_pair_stats stats, reported;
	uint64_t reported_us;
	unsigned leg, next, count; /* datagrams of `batch` from `next` on were not put yet */
	struct udp_batch batch;
};

int udp_pair_open(const char *const urls[RTP_LEGS], uint64_t window_us, const AVDictionary *options,
		  AVDictionary **ret_left, struct udp_pair **ret)
{
	struct udp_pair *p = calloc(1, sizeof(*p));
	int r = p ? rtp_pair_new(window_us, &p->merged) : -ENOMEM, opened = 0;

	if (r < 0) {
		free(p);
		return r;
	}
	for (unsigned i = 0; i < RTP_LEGS; i++) {
		AVDictionary *left = NULL;

		p->legs[i].fd = -1;
		r = udp_open(&p->legs[i], urls[i], options, &left);
		if (r < 0) {
			log_warn("leg %u of the pair cannot be opened (%s), going on without it",
				 i + 1, strerror(-r));
			continue;
		}
		av_dict_free(ret_left);
		*ret_left = left;
		opened++;
	}
	if (!opened) {
		udp_pair_close(p);
		return r;
	}
	*ret = p;
	return 0;
}

struct udp_pair *udp_pair_close(struct udp_pair *p)
{
	for (unsigned i = 0; p && i < RTP_LEGS; i++)
		udp_close(&p->legs[i]);
	if (p)
		rtp_pair_free(p->merged);
	free(p);
	return NULL;
}

/* Says what was lost although there are two legs, or strayed: at once, then seldom. */
static void report(struct udp_pair *p, uint64_t now_us)
{
	const struct rtp_pair_stats s = p->stats, *was = &p->reported;
	uint64_t strays[RTP_LEGS] = {s.strays[0] - was->strays[0], s.strays[1] - was->strays[1]};

	if ((s.missing == was->missing && !strays[0] && !strays[1]) ||
	    (p->reported_us && now_us - p->reported_us < REPORT_US))
		return;
	log_warn("RTP packets were lost on both legs or are of another stream, going on without "
		 "them lost=%llu leg1_lost=%llu leg2_lost=%llu leg1_strays=%llu leg2_strays=%llu",
		 (unsigned long long)(s.missing - was->missing),
		 (unsigned long long)(s.lost[0] - was->lost[0]),
		 (unsigned long long)(s.lost[1] - was->lost[1]), (unsigned long long)strays[0],
		 (unsigned long long)strays[1]);
	p->reported = s;
	p->reported_us = now_us;
}

/* Puts datagrams of the batch until one needs room.  Returns the bytes in dst. */
static size_t put_batch(struct udp_pair *p, uint8_t *dst, size_t cap, uint64_t now_us)
{
	size_t out = rtp_pair_take(p->merged, dst, cap, now_us);

	while (p->next < p->count) {
		int r = rtp_pair_put(p->merged, p->leg, udp_batch_datagram(&p->batch, p->next),
				     p->batch.bytes[p->next], now_us);
		size_t n = rtp_pair_take(p->merged, dst + out, cap - out, now_us);

		out += n;
		p->next += r == 0;
		/* what waits does not fit into dst */
		if (r < 0 && n == 0)
			break;
	}
	assert(out <= cap && p->next <= p->count);
	return out;
}

/* Receives what is there on both legs.  *ret_count: the datagrams. */
static size_t receive(struct udp_pair *p, uint8_t *dst, size_t cap, unsigned *ret_count)
{
	uint64_t now_us = clock_mono_us();
	size_t out = 0;

	for (unsigned i = 0; i < RTP_LEGS && p->next == p->count; i++) {
		int n = p->legs[i].fd < 0 ? 0 : udp_receive(&p->legs[i], &p->batch);

		/* an error such as that of an interface which is down is the leg's loss */
		p->leg = i;
		p->next = 0;
		p->count = n > 0 ? (unsigned)n : 0;
		*ret_count += p->count;
		out += put_batch(p, dst + out, cap - out, now_us);
	}
	p->stats = rtp_pair_stats(p->merged, now_us);
	report(p, now_us);
	return out;
}

ssize_t udp_pair_read(struct udp_pair *p, uint8_t *dst, size_t cap, unsigned timeout_ms)
{
	struct pollfd fds[RTP_LEGS] = {{.fd = p->legs[0].fd, .events = POLLIN},
				       {.fd = p->legs[1].fd, .events = POLLIN}};
	struct udp *u = &p->legs[0]; /* how long both gather */
	uint64_t now_us = clock_mono_us(), wait_us;
	unsigned count = 0;
	size_t n;

	if (cap < UDP_DATAGRAM_MAX)
		return -EINVAL;
	n = put_batch(p, dst, cap, now_us);
	if (n > 0)
		return (ssize_t)n;
	wait_us = rtp_pair_wait_us(p->merged, now_us);
	if (u->gather)
		poll(NULL, 0, (int)u->gather_ms);
	else if (poll(fds, RTP_LEGS, (int)MIN(timeout_ms, wait_us / 1000 + 1)) <= 0)
		return (ssize_t)put_batch(p, dst, cap, clock_mono_us());
	n = receive(p, dst, cap, &count);
	udp_choose_gather(u, count, clock_mono_us());
	u->gather = count > 0;
	return (ssize_t)n;
}

struct rtp_pair_stats udp_pair_stats(const struct udp_pair *p)
{
	return p->stats;
}
