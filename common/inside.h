/* inside.h - which network addresses are inside: not those of a host on the internet.
 *
 * Inside = loopback, private, link-local, shared (RFC 6598), unique local, unspecified, multicast
 * and reserved addresses, also when wrapped in IPv6. */
#ifndef AMPS_INSIDE_H
#define AMPS_INSIDE_H

#include <netdb.h>
#include <sys/socket.h>
#include "common/base.h"

/* True for an inside address; false for families other than INET and INET6. */
bool address_inside(const struct sockaddr *address);

/* True if there is an address, and all are inside.  A name with addresses on both sides is outside:
 * else its owner could allow redirects into this network by adding 127.0.0.1. */
bool address_all_inside(const struct addrinfo *found);

#endif
