/* address.h - a client's address, IPv4 as ::ffff:a.b.c.d: as text, and which client it is. */
#ifndef AMPS_ADDRESS_H
#define AMPS_ADDRESS_H

#include <netinet/in.h>
#include "common/base.h"

/* "192.0.2.1" or "2001:db8::1". */
void address_text(const struct in6_addr *address, char out[INET6_ADDRSTRLEN]);

/* Names the client of an address: an IPv4 address, or an IPv6 network of 64 bits, because a host
 * can use any address of its network.  Never 0. */
uint64_t address_client(const struct in6_addr *address);

#endif
