#include "amps-worker/http/listener.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "common/log/log.h"
#include "common/timer.h"

struct listen_socket {
	struct listen_socket *next;
	struct listener *listener;
	struct event event;
	uint32_t index;
	int fd;
	enum conn_protocol protocol;
};

/* Refuses a new client, because there is no room.  Its bytes are read first: closing a socket with
 * unread bytes resets it and may destroy the answer. */
static void refuse(const struct listen_socket *s, int fd)
{
#define TEXT "{\"error\": \"too many connections\"}\n"
#define REST                                                                                       \
	" 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: 34\r\n"     \
	"Retry-After: 5\r\nConnection: close\r\n\r\n" TEXT
	static const char *const answers[] = {
		[CONN_HTTP] = "HTTP/1.1" REST, [CONN_RTSP] = "RTSP/1.0" REST};
	struct worker_page *page = s->listener->conns->context->page;
	const char *answer = answers[s->protocol];
	char waste[4096];

	static_assert(sizeof(TEXT) - 1 == 34, "length");
	if (send(fd, answer, strlen(answer), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
		shutdown(fd, SHUT_WR);
		while (recv(fd, waste, sizeof(waste), MSG_DONTWAIT) > 0)
			;
	}
	close(fd);
	page_add(&page->connections_refused, 1);
	page_add(&page->responses[5], 1);
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

/* The system has no descriptor left: gives up the spare one to answer a new client.  0, or -Exxx of
 * the second accept. */
static int refuse_with_spare(struct listener *l, const struct listen_socket *s)
{
	int fd, error;

	close_fd(&l->spare_fd);
	fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	error = fd < 0 ? -errno : 0;
	if (fd >= 0)
		refuse(s, fd);
	l->spare_fd = eventfd(0, EFD_CLOEXEC);
	return error;
}

static void pause_accepting(struct listener *l, int error)
{
	log_warn("cannot accept connections (%s), trying again in %d ms", strerror(error),
		 ACCEPT_PAUSE_MS);
	set_accepting(l, false);
	timer_set(&l->resume, ACCEPT_PAUSE_MS * 1000);
}

/* One accept.  False if there is nothing more to do now. */
static bool accept_one(const struct listen_socket *s)
{
	struct sockaddr_storage sa = {0};
	struct listener *l = s->listener;
	socklen_t n = sizeof(sa);
	int fd = accept4(s->fd, (struct sockaddr *)&sa, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
	int error = errno, r;

	if (fd >= 0) {
		r = conn_new(l->conns, fd, &sa, s->protocol);
		if (r == -EUSERS)
			refuse(s, fd);
		else if (r < 0)
			close(fd);
		return true;
	}
	if (error == EAGAIN)
		return false;
	/* other errors concern that client alone (ECONNABORTED, network errors of accept(2)) */
	if (!accept_must_pause(error))
		return true;
	error = refuse_with_spare(l, s);
	if (error == 0)
		return true;
	if (error == -EAGAIN)
		return false; /* the client has gone */
	pause_accepting(l, -error);
	return false;
}

static void on_new_clients(evutil_socket_t fd, short what, void *arg)
{
	const struct listen_socket *s = arg;
	const struct conn_hooks *hooks = &s->listener->conns->hooks;

	(void)fd;
	(void)what;
	for (unsigned i = 0; i < ACCEPT_TURN && accept_one(s); i++)
		;
	hooks->after_event(hooks->owner);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	set_accepting(arg, true);
}

static struct listen_socket *listen_socket_free(struct listen_socket *s)
{
	struct listen_socket *next = s->next;

	event_del(&s->event);
	close(s->fd);
	free(s);
	return next;
}

int listener_init(struct listener *l, struct conns *conns)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur <= RESERVED_FDS)
		return -EMFILE;
	conns->max = (unsigned)MIN(WORKER_CONNECTIONS_MAX, limit.rlim_cur - RESERVED_FDS);
	l->conns = conns;
	l->spare_fd = eventfd(0, EFD_CLOEXEC);
	evtimer_assign(&l->resume, conns->context->base, on_resume, l);
	return 0;
}

void listener_done(struct listener *l)
{
	if (!l->conns)
		return;
	listener_stop(l);
	close_fd(&l->spare_fd);
}

int listener_add(struct listener *l, uint32_t index, int fd, enum conn_protocol protocol)
{
	struct listen_socket *s = calloc(1, sizeof(*s));
	int flags = fcntl(fd, F_GETFL);

	if (!s || flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
		free(s);
		close(fd);
		return -ENOMEM;
	}
	s->listener = l;
	s->index = index;
	s->fd = fd;
	s->protocol = protocol;
	event_assign(&s->event, l->conns->context->base, fd, EV_READ | EV_PERSIST, on_new_clients,
		     s);
	event_priority_set(&s->event, PRIORITY_CLIENTS);
	assert(l->conns);
	l->conns->ports[protocol] = conn_bound_port(fd);
	s->next = l->sockets;
	l->sockets = s;
	if (l->accepting)
		event_add(&s->event, NULL);
	return 0;
}

void listener_drop(struct listener *l, uint32_t index)
{
	struct listen_socket **at = &l->sockets;

	while (*at) {
		if ((*at)->index == index)
			*at = listen_socket_free(*at);
		else
			at = &(*at)->next;
	}
}

void listener_start(struct listener *l)
{
	set_accepting(l, true);
}

void listener_stop(struct listener *l)
{
	evtimer_del(&l->resume);
	l->accepting = false;
	while (l->sockets)
		l->sockets = listen_socket_free(l->sockets);
}
