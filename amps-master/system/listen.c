#include "amps-master/system/listen.h"

#include <assert.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define LISTEN_BACKLOG 4096
#define PAIR_TRIES     64 /* to find an even port whose next one is free, too */

struct bind_address {
	struct sockaddr_storage storage;
	socklen_t len;
};

/* An IPv4 address of a name is preferred: "localhost" then means what players connect to. */
static int resolve(const char *host, struct bind_address *ret)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	struct addrinfo *list = NULL, *best, *ai;

	if (getaddrinfo(host, NULL, &hints, &list) != 0 || !list)
		return -ENXIO;
	best = list;
	for (ai = list; ai; ai = ai->ai_next) {
		if (ai->ai_family == AF_INET) {
			best = ai;
			break;
		}
	}
	memcpy(&ret->storage, best->ai_addr, best->ai_addrlen);
	ret->len = best->ai_addrlen;
	freeaddrinfo(list);
	return 0;
}

static void set_port(struct bind_address *a, uint16_t port)
{
	if (a->storage.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&a->storage)->sin6_port = htons(port);
	else
		((struct sockaddr_in *)&a->storage)->sin_port = htons(port);
}

static uint16_t bound_port(int fd)
{
	struct bind_address a = {.len = sizeof(a.storage)};

	if (getsockname(fd, (struct sockaddr *)&a.storage, &a.len) != 0)
		return 0;
	if (a.storage.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&a.storage)->sin6_port);
	return ntohs(((struct sockaddr_in *)&a.storage)->sin_port);
}

/* Returns a bound descriptor or -Exxx. */
static int bind_socket(const struct bind_address *a, int type, bool reuse_port)
{
	_cleanup_(closep) int fd = -1;
	int on = 1, off = 0;

	fd = socket(a->storage.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* not for UDP, where it would share the port */
	if (type == SOCK_STREAM && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0)
		return -errno;
	if (reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0)
		return -errno;
	if (a->storage.ss_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) != 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&a->storage, a->len) != 0)
		return -errno;
	return TAKE_FD(fd);
}

/* Bound alone for an instant: fails if another process listens, even with SO_REUSEPORT.  It does
 * not listen itself, or a client could connect to it and be reset. */
static int probe_port(const struct bind_address *a)
{
	_cleanup_(closep) int fd = bind_socket(a, SOCK_STREAM, false);

	return fd < 0 ? fd : 0;
}

static void name_address(const struct bind_address *a, char *dst, size_t cap)
{
	char host[NI_MAXHOST], port[NI_MAXSERV];
	bool v6 = a->storage.ss_family == AF_INET6;

	if (getnameinfo((const struct sockaddr *)&a->storage, a->len, host, sizeof(host), port,
			sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return;
	snprintf(dst, cap, v6 ? "[%.45s]:%.8s" : "%.45s:%.8s", host, port);
}

/* Where any port will do, the first socket gets one that no other socket has (the kernel chooses
 * none that is shared by SO_REUSEPORT) and keeps it while the others join. */
static int open_all(struct listeners *l, struct bind_address *a, unsigned count)
{
	assert(count <= array_size(l->fds));
	while (l->count < count) {
		int fd = bind_socket(a, SOCK_STREAM, true);

		if (fd < 0)
			return fd;
		l->fds[l->count++] = fd;
		l->port = bound_port(fd);
		set_port(a, l->port);
		if (listen(fd, LISTEN_BACKLOG) != 0)
			return -errno;
	}
	return 0;
}

/* `kind` is "" or a word before "port" with its blank. */
static int explain(int error, const char *host, const char *kind, uint16_t port, char *text,
		   size_t cap)
{
	if (error == -EADDRINUSE)
		snprintf(text, cap, "%sport %u is already in use on %s", kind, port, host);
	else if (error == -EACCES)
		snprintf(text, cap, "no permission to listen on %sport %u", kind, port);
	else if (error == -ENXIO)
		snprintf(text, cap, "%s is neither an address nor a known host name", host);
	else
		snprintf(text, cap, "cannot listen on %s %sport %u: %s", host, kind, port,
			 strerror(-error));
	return error;
}

int listen_open(struct listeners *l, const char *host, uint16_t port, unsigned count, char *text,
		size_t text_cap)
{
	struct bind_address a = {0};
	int r;

	*l = (struct listeners){0};
	r = resolve(host, &a);
	if (r < 0)
		return explain(r, host, "", port, text, text_cap);
	set_port(&a, port);
	r = port ? probe_port(&a) : 0;
	if (r == 0)
		r = open_all(l, &a, MIN(count, (unsigned)WORKERS_MAX));
	if (r < 0) {
		listen_close(l);
		return explain(r, host, "", port, text, text_cap);
	}
	name_address(&a, l->address, sizeof(l->address));
	return 0;
}

int listen_share(struct listeners *l, int fd, unsigned count, char *text, size_t text_cap)
{
	struct bind_address a = {.len = sizeof(a.storage)};

	*l = (struct listeners){0};
	if (getsockname(fd, (struct sockaddr *)&a.storage, &a.len) != 0) {
		snprintf(text, text_cap, "the socket of the service manager: %s", strerror(errno));
		return -errno;
	}
	while (l->count < MIN(count, (unsigned)WORKERS_MAX)) {
		int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

		if (copy < 0) {
			snprintf(text, text_cap, "the socket of the service manager: %s",
				 strerror(errno));
			listen_close(l);
			return -EMFILE;
		}
		l->fds[l->count++] = copy;
	}
	l->port = bound_port(fd);
	name_address(&a, l->address, sizeof(l->address));
	return 0;
}

void listen_close(struct listeners *l)
{
	while (l->count > 0)
		close_fd(&l->fds[--l->count]);
}

/* Binds the even *port, or any, and the next one.  0; or -Exxx, and *port is the one it failed at.
 */
static int open_pair(struct bind_address a, uint16_t *port, int ret_fds[2])
{
	_cleanup_(closep) int first = -1, second = -1;

	set_port(&a, *port);
	first = bind_socket(&a, SOCK_DGRAM, false);
	if (first < 0)
		return first;
	*port = bound_port(first);
	if (*port % 2)
		return -EADDRINUSE;
	set_port(&a, ++*port);
	second = bind_socket(&a, SOCK_DGRAM, false);
	if (second < 0)
		return second;
	ret_fds[0] = TAKE_FD(first);
	ret_fds[1] = TAKE_FD(second);
	return 0;
}

static int open_any_pair(const struct bind_address *a, int ret_fds[2])
{
	int r = -EADDRINUSE;

	for (unsigned i = 0; i < PAIR_TRIES && r == -EADDRINUSE; i++) {
		uint16_t any = 0;

		r = open_pair(*a, &any, ret_fds);
	}
	return r;
}

int listen_open_pairs(struct listen_pairs *l, const char *host, uint16_t port, unsigned count,
		      char *text, size_t text_cap)
{
	struct bind_address a = {0};
	uint16_t at = port;
	int r;

	*l = (struct listen_pairs){0};
	assert(port % 2 == 0 && count <= WORKERS_MAX);
	r = resolve(host, &a);
	for (unsigned i = 0; i < count && r == 0; i++) {
		at = port ? (uint16_t)(port + 2 * i) : 0;
		r = port ? open_pair(a, &at, l->fds + l->count)
			 : open_any_pair(&a, l->fds + l->count);
		if (r == 0)
			l->count += 2;
	}
	if (r == 0)
		return 0;
	explain(r, host, "server.rtp_port: UDP ", at, text, text_cap);
	listen_close_pairs(l);
	return r;
}

void listen_close_pairs(struct listen_pairs *l)
{
	while (l->count > 0)
		close_fd(&l->fds[--l->count]);
}
