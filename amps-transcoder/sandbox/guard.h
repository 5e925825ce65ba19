/* guard.h - which addresses a job may talk to.
 *
 * Our connect(), sendto(), sendmsg() and getaddrinfo() stand in the executable before libc's, for
 * every library loaded; so redirects, playlist targets, keys, transports and names that change
 * their address are judged where they are used.  Inside = loopback, private, link-local, shared
 * (RFC 6598), unique local, unspecified, multicast and reserved addresses, also when wrapped in
 * IPv6.  An inside address is refused unless the source's own host was inside each time it was
 * looked up, or allow_private is set.
 *
 * The policy is global to the process (the interposed functions have no other context) and set once
 * before the source is opened; a process that never sets one is not restricted. */
#ifndef AMPS_GUARD_H
#define AMPS_GUARD_H

#include <netdb.h>
#include <sys/socket.h>
#include "common/base.h"

/* `host`: of the source's URL, without brackets; "" = none.  Borrowed for ever. */
void guard_set(const char *host, bool allow_private);

/* From now on `interrupted` is asked every few milliseconds while a name is looked up (on a
 * thread); non-zero gives up with EAI_AGAIN.  Numeric hosts need no thread. */
void guard_interruptible(int (*interrupted)(void *owner), void *owner);
void guard_clear(void);

/* Is this an inside address?  Families other than INET and INET6 are not. */
bool guard_inside(const struct sockaddr *address);

/* Is there an address, and every one of them inside?  A name that leads to both sides is outside:
 * else whoever owns it opens this network to a redirect by adding 127.0.0.1 to it. */
bool guard_all_inside(const struct addrinfo *found);

/* The protocols libav may use for a source of this scheme ("" or "file": a local file). */
const char *guard_protocols(const char *scheme);

/* Those it is granted where the operator wished for a list (NULL: none): a remote source may narrow
 * what is possible, a local file may name what it needs. */
void guard_grant(const char *scheme, const char *wish, char *dst, size_t cap);

#endif
