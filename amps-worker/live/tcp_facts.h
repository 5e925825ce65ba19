/* tcp_facts.h - what the kernel knows of a TCP connection (tcp(7), TCP_INFO). */
#ifndef AMPS_TCP_FACTS_H
#define AMPS_TCP_FACTS_H

#include "common/base.h"

struct tcp_facts {
	uint32_t rtt_us;      /* smoothed round trip */
	uint32_t retransmits; /* segments that were sent again, in all */
	uint64_t delivery_bps;
	uint32_t last_ack_ms; /* since the peer acknowledged something */
	bool silent;	      /* it has not answered two probes or retransmissions */
};

/* One system call: not to be made for each write.  0 or -Exxx. */
must_check int tcp_facts_read(int fd, struct tcp_facts *ret);

#endif
