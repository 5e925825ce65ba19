/* guard.h - restricts the addresses that a job may connect or send to.
 *
 * Our connect(), sendto(), sendmsg() and getaddrinfo() in the executable override those of libc for
 * every loaded library.  So redirects, playlist targets, keys, transports and names that change
 * their address are checked when they are used.  An inside address (common/address.h) is refused
 * unless the source's own host was inside each time it was looked up, or allow_private is set.
 *
 * The policy is global to the process (the interposed functions have no other context) and set once
 * before the source is opened; a process that never sets one is not restricted. */
#ifndef AMPS_GUARD_H
#define AMPS_GUARD_H

#include <netdb.h>
#include <sys/socket.h>
#include "common/base.h"

/* `host`: of the source's URL, without brackets; "" = none.  Must live as long as the process. */
void guard_set(const char *host, bool allow_private);

/* The source is reached through a proxy at this host and port: an inside address that the name
 * means is not refused at this port.  "" = none.  Must live as long as the process. */
void guard_set_proxy(const char *host, uint16_t port);

/* Looks the host up, to decide which addresses the source may use.  For a host that nothing else
 * looks up, because the media are elsewhere. */
void guard_judge(void);

/* Calls `interrupted` every few milliseconds during a lookup, which runs on a thread; if it returns
 * non-zero, the lookup fails with EAI_AGAIN.  Numeric hosts need no thread. */
void guard_interruptible(int (*interrupted)(void *owner), void *owner);

/* The protocols libav may use for a source of this scheme ("" or "file": a local file). */
const char *guard_protocols(const char *scheme);

/* The protocols granted if the operator set a list (NULL: none).  For a remote source the list can
 * only narrow them; a local file gets what it names. */
void guard_grant(const char *scheme, const char *list, char *dst, size_t cap);

#endif
