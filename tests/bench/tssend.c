/* tssend.c - sends a TS file in a loop, in real time, as UDP datagrams of seven packets.
 *
 * tssend [-r] FILE BITS-PER-SECOND HOST:PORT...; -r wraps them in RTP (RFC 3550, RFC 2250). */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/bench/ts_file.h"

#define DATAGRAM_PACKETS 7u
#define TARGETS_MAX	 256
#define RTP_HEAD	 12u
#define RTP_MP2T	 33
#define TICKS_PER_SECOND 200u /* a tick sends several datagrams, to save CPU time */

struct sender {
	struct ts_file file;
	struct sockaddr_in targets[TARGETS_MAX];
	int target_count;
	int fd;
	double bits_per_second;
	size_t rtp; /* bytes before the packets */
	uint16_t sequence;
	uint64_t sent;
};

static int add_target(struct sender *s, const char *text)
{
	struct sockaddr_in *to = &s->targets[s->target_count];
	struct in_addr lo = {htonl(INADDR_LOOPBACK)};
	const char *colon = strchr(text, ':');
	char host[64];

	if (!colon || (size_t)(colon - text) >= sizeof(host) || s->target_count == TARGETS_MAX)
		return -EINVAL;
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	to->sin_family = AF_INET;
	to->sin_port = htons((uint16_t)atoi(colon + 1));
	if (inet_pton(AF_INET, host, &to->sin_addr) != 1)
		return -EINVAL;
	if (IN_MULTICAST(ntohl(to->sin_addr.s_addr)))
		setsockopt(s->fd, IPPROTO_IP, IP_MULTICAST_IF, &lo, sizeof(lo));
	s->target_count++;
	return 0;
}

static void write_rtp(struct sender *s, uint8_t *head)
{
	uint32_t stamp = htonl((uint32_t)((double)s->sent * 8 / s->bits_per_second * 90000));
	uint16_t sequence = htons(s->sequence++);

	memset(head, 0, RTP_HEAD);
	head[0] = 0x80;
	head[1] = RTP_MP2T;
	memcpy(head + 2, &sequence, 2);
	memcpy(head + 4, &stamp, 4);
	head[11] = 1;
}

static void send_datagram(struct sender *s)
{
	uint8_t datagram[RTP_HEAD + DATAGRAM_PACKETS * TS_BYTES];

	if (s->rtp)
		write_rtp(s, datagram);
	for (size_t i = 0; i < DATAGRAM_PACKETS; i++)
		ts_file_next(&s->file, datagram + s->rtp + i * TS_BYTES);
	for (int i = 0; i < s->target_count; i++)
		sendto(s->fd, datagram, s->rtp + DATAGRAM_PACKETS * TS_BYTES, MSG_DONTWAIT,
		       (struct sockaddr *)&s->targets[i], sizeof(s->targets[i]));
	s->sent += DATAGRAM_PACKETS * TS_BYTES;
}

int main(int argc, char **argv)
{
	static struct sender s;
	uint64_t start, end;
	int e = 0;

	if (argc > 1 && strcmp(argv[1], "-r") == 0) {
		s.rtp = RTP_HEAD;
		argv++, argc--;
	}
	s.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	for (int i = 3; i < argc && e == 0; i++)
		e = add_target(&s, argv[i]);
	s.bits_per_second = argc > 3 ? strtod(argv[2], NULL) : 0;
	if (e < 0 || s.bits_per_second <= 0) {
		fputs("usage: tssend [-r] FILE BITS-PER-SECOND HOST:PORT...\n", stderr);
		return 2;
	}
	e = ts_file_open(&s.file, argv[1]);
	if (e < 0) {
		fprintf(stderr, "tssend: %s: %s\n", argv[1], strerror(-e));
		return 1;
	}
	for (start = pace_now_ns();;) {
		pace_until(start, s.sent, s.bits_per_second);
		end = s.sent + (uint64_t)(s.bits_per_second / 8 / TICKS_PER_SECOND);
		while (s.sent < end)
			send_datagram(&s);
	}
}
