/* listener.c - see listener.h */
#include "amps-worker/http/listener.h"

#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "amps-worker/http/conn.h"
#include "common/log/log.h"

struct listen_socket {
	struct listen_socket *next;
	struct worker *worker;
	struct event event;
	uint32_t index;
	int fd;
};

/* Connections of one address; exists while there is one. */
struct address_count {
	struct address_count *next;
	struct in6_addr address;
	unsigned count;
};

static struct address_count **bucket_of(struct listener *l, const struct in6_addr *a)
{
	uint32_t words[4], h;

	memcpy(words, a, sizeof(words));
	h = (words[0] ^ words[1] * 31 ^ words[2] * 131 ^ words[3]) * 2654435761u;
	return &l->addresses[h >> 22];
}

static struct address_count **find_address(struct listener *l, const struct in6_addr *a)
{
	struct address_count **at = bucket_of(l, a);

	while (*at && memcmp(&(*at)->address, a, sizeof(*a)) != 0)
		at = &(*at)->next;
	return at;
}

/* One connection more from this address; false when it has too many. */
static bool address_take(struct listener *l, const struct in6_addr *a)
{
	struct address_count **at = find_address(l, a);

	if (!*at) {
		*at = calloc(1, sizeof(**at));
		if (!*at)
			return false;
		(*at)->address = *a;
	}
	if ((*at)->count >= ADDRESS_CONNECTIONS_MAX)
		return false;
	(*at)->count++;
	return true;
}

void listener_conn_gone(struct worker *w, const struct in6_addr *peer)
{
	struct address_count **at = find_address(&w->listener, peer), *gone = *at;

	if (!gone || --gone->count)
		return;
	*at = gone->next;
	free(gone);
}

/* Tells a newcomer that there is no room.  What it has sent is read first, because closing a socket
 * with unread bytes resets it and the answer might be lost. */
static void refuse(struct worker *w, int fd)
{
	static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\n"
				     "Content-Type: application/json\r\n"
				     "Content-Length: 34\r\nRetry-After: 5\r\n"
				     "Connection: close\r\n\r\n"
				     "{\"error\": \"too many connections\"}\n";
	char waste[4096];

	static_assert(sizeof("{\"error\": \"too many connections\"}\n") - 1 == 34, "length");
	if (send(fd, answer, sizeof(answer) - 1, MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
		shutdown(fd, SHUT_WR);
		while (recv(fd, waste, sizeof(waste), MSG_DONTWAIT) > 0)
			;
	}
	close(fd);
	page_add(&w->page->connections_refused, 1);
	page_add(&w->page->responses[5], 1);
}

static void set_accepting(struct listener *l, bool accepting)
{
	for (struct listen_socket *s = l->sockets; s; s = s->next) {
		if (accepting)
			event_add(&s->event, NULL);
		else
			event_del(&s->event);
	}
	l->accepting = accepting;
}

/* The system has no descriptor left: the spare one lets a newcomer be told.  0, or -Exxx of the
 * second accept. */
static int refuse_with_spare(struct worker *w, int listen_fd)
{
	struct listener *l = &w->listener;
	int fd, error;

	close_fd(&l->spare_fd);
	fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	error = fd < 0 ? -errno : 0;
	if (fd >= 0)
		refuse(w, fd);
	l->spare_fd = eventfd(0, EFD_CLOEXEC);
	return error;
}

static void pause_accepting(struct worker *w, int error)
{
	static const struct timeval tv = {.tv_usec = ACCEPT_PAUSE_MS * 1000};

	log_warn("cannot accept connections (%s), trying again in %d ms", strerror(error),
		 ACCEPT_PAUSE_MS);
	set_accepting(&w->listener, false);
	evtimer_add(&w->listener.resume, &tv);
}

static void admit(struct worker *w, int fd, const struct sockaddr_storage *sa)
{
	struct listener *l = &w->listener;
	uint16_t port;
	struct in6_addr a = conn_address(sa, &port);

	if (w->conn_count >= l->connections_max || !address_take(l, &a)) {
		refuse(w, fd);
		return;
	}
	if (conn_new(w, fd, sa) < 0)
		listener_conn_gone(w, &a);
}

/* One accept.  False when there is nothing more to do now. */
static bool accept_one(struct worker *w, int listen_fd)
{
	struct sockaddr_storage sa = {0};
	socklen_t n = sizeof(sa);
	int fd = accept4(listen_fd, (struct sockaddr *)&sa, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
	int error = errno;

	if (fd >= 0) {
		admit(w, fd, &sa);
		return true;
	}
	if (error == EAGAIN)
		return false;
	/* else it is the newcomer's own trouble (ECONNABORTED, network errors of accept(2)) */
	if (!accept_must_pause(error))
		return true;
	error = refuse_with_spare(w, listen_fd);
	if (error == 0)
		return true;
	if (error == -EAGAIN)
		return false; /* the newcomer went away: nobody is left to be refused */
	pause_accepting(w, -error);
	return false;
}

static void on_newcomers(evutil_socket_t fd, short what, void *arg)
{
	struct listen_socket *s = arg;
	struct worker *w = s->worker;

	(void)what;
	for (unsigned i = 0; i < ACCEPT_TURN && accept_one(w, fd); i++)
		;
	feed_catch_up(w);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd;
	(void)what;
	set_accepting(&w->listener, true);
}

static struct listen_socket *listen_socket_free(struct listen_socket *s)
{
	struct listen_socket *next = s->next;

	event_del(&s->event);
	close(s->fd);
	free(s);
	return next;
}

int listener_init(struct worker *w)
{
	struct listener *l = &w->listener;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur <= RESERVED_FDS)
		return -EMFILE;
	l->connections_max = (unsigned)MIN(WORKER_CONNECTIONS_MAX, limit.rlim_cur - RESERVED_FDS);
	l->spare_fd = eventfd(0, EFD_CLOEXEC);
	evtimer_assign(&l->resume, w->base, on_resume, w);
	return 0;
}

void listener_done(struct worker *w)
{
	listener_stop(w);
	close_fd(&w->listener.spare_fd);
}

static uint16_t bound_port(int fd)
{
	struct sockaddr_storage sa = {0};
	socklen_t n = sizeof(sa);
	uint16_t port;

	if (getsockname(fd, (struct sockaddr *)&sa, &n) < 0)
		return 0;
	conn_address(&sa, &port);
	return port;
}

int listener_add(struct worker *w, uint32_t index, int fd)
{
	struct listener *l = &w->listener;
	struct listen_socket *s = calloc(1, sizeof(*s));
	int flags = fcntl(fd, F_GETFL);

	if (!s || flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
		free(s);
		close(fd);
		return -ENOMEM;
	}
	s->worker = w;
	s->index = index;
	s->fd = fd;
	event_assign(&s->event, w->base, fd, EV_READ | EV_PERSIST, on_newcomers, s);
	event_priority_set(&s->event, PRIORITY_CLIENTS);
	l->port = bound_port(fd);
	s->next = l->sockets;
	l->sockets = s;
	if (l->accepting)
		event_add(&s->event, NULL);
	return 0;
}

void listener_drop(struct worker *w, uint32_t index)
{
	struct listen_socket **at = &w->listener.sockets;

	while (*at) {
		if ((*at)->index == index)
			*at = listen_socket_free(*at);
		else
			at = &(*at)->next;
	}
}

void listener_start(struct worker *w)
{
	set_accepting(&w->listener, true);
}

void listener_stop(struct worker *w)
{
	struct listener *l = &w->listener;

	evtimer_del(&l->resume);
	l->accepting = false;
	while (l->sockets)
		l->sockets = listen_socket_free(l->sockets);
}
