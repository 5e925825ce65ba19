#include "amps-worker/live/tcp_facts.h"

#include <errno.h>
#include <linux/tcp.h> /* the C library's struct tcp_info ends before the delivery rate */
#include <netinet/in.h>
#include <sys/socket.h>

int tcp_facts_read(int fd, struct tcp_facts *ret)
{
	struct tcp_info info = {0}; /* an older kernel fills in less */
	socklen_t n = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) < 0)
		return -errno;
	*ret = (struct tcp_facts){
		.rtt_us = info.tcpi_rtt,
		.retransmits = info.tcpi_total_retrans,
		.delivery_bps = info.tcpi_delivery_rate * 8,
		.last_ack_ms = info.tcpi_last_ack_recv,
		.silent = info.tcpi_probes >= 2 || info.tcpi_retransmits >= 2,
	};
	return 0;
}
