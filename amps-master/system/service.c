#include "amps-master/system/service.h"

#include <assert.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "common/text/text.h"

#define FIRST_FD   3
#define FDS_MAX	   16
#define FD_MIN	   10 /* above the numbers that children are given */
#define NAME_BYTES 64

/* The value of a variable, which is removed from the environment; false: it is not set, or it does
 * not fit. */
static bool take_variable(const char *name, char *dst, size_t cap)
{
	const char *value = getenv(name);
	bool fits = value != NULL && text_copy(dst, cap, value);

	unsetenv(name);
	return fits && dst[0] != '\0';
}

static bool take_number(const char *name, uint64_t max, uint64_t *ret)
{
	char text[32];

	return take_variable(name, text, sizeof(text)) && text_parse_u64(text, max, ret) == 0;
}

/* The path of a socket, or @NAME in the abstract namespace.  A connected descriptor or -1. */
static int connect_manager(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t len = strlen(path);
	_cleanup_(closep) int fd = -1;

	if ((path[0] != '/' && path[0] != '@') || len >= sizeof(address.sun_path))
		return -1;
	memcpy(address.sun_path, path, len);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	len += offsetof(struct sockaddr_un, sun_path);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, (socklen_t)len) != 0)
		return -1;
	return TAKE_FD(fd);
}

static void find_manager(struct service *s)
{
	uint64_t pid = 0, timeout_us = 0;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	bool expected = take_number("WATCHDOG_USEC", UINT64_MAX / 2, &timeout_us);

	if (take_number("WATCHDOG_PID", INT32_MAX, &pid))
		expected = expected && pid == (uint64_t)getpid();
	if (take_variable("NOTIFY_SOCKET", path, sizeof(path)))
		s->fd = connect_manager(path);
	if (s->fd >= 0 && expected)
		s->watchdog_us = MAX(timeout_us / 2, 1);
}

/* Is it a listening TCP socket? */
static bool is_listener(int fd)
{
	int listens = 0, type = 0, family = 0;
	socklen_t len = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens &&
	       getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM &&
	       getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) == 0 &&
	       (family == AF_INET || family == AF_INET6);
}

/* A descriptor of this process alone, out of the way of those that children are given. */
static int take_fd(int fd)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, FD_MIN);
	int flags = own < 0 ? -1 : fcntl(own, F_GETFL);

	close(fd);
	if (flags >= 0 && fcntl(own, F_SETFL, flags | O_NONBLOCK) == 0)
		return own;
	close_fd(&own);
	return -1;
}

/* The next of the names, which are separated by colons; "" if there are no more. */
static void next_name(const char **at, char dst[NAME_BYTES])
{
	size_t len = strcspn(*at, ":");

	snprintf(dst, NAME_BYTES, "%.*s", (int)MIN(len, (size_t)NAME_BYTES - 1), *at);
	*at += len + ((*at)[len] == ':');
}

static int take_socket(struct service *s, int fd, const char *name, char *text, size_t cap)
{
	int *place = strcmp(name, "rtsp") == 0 ? &s->rtsp_fd : &s->http_fd;

	if (!is_listener(fd)) {
		snprintf(text, cap,
			 "the socket that the service manager passed as \"%s\" is no "
			 "listening TCP socket",
			 name);
	} else if (*place >= 0) {
		snprintf(text, cap,
			 "the service manager passed more than one socket for %s: one "
			 "that listens on [::] serves IPv4 too",
			 place == &s->rtsp_fd ? "RTSP" : "HTTP");
	} else {
		*place = take_fd(fd);
		if (*place >= 0)
			return 0;
		snprintf(text, cap, "the socket of the service manager cannot be used: %s",
			 strerror(errno));
	}
	return -EINVAL;
}

/* Variables for another process are ignored. */
static int find_sockets(struct service *s, char *text, size_t cap)
{
	char names[FDS_MAX * NAME_BYTES] = "", name[NAME_BYTES];
	const char *at = names;
	uint64_t count = 0, pid = 0;
	bool here = take_number("LISTEN_PID", INT32_MAX, &pid) && pid == (uint64_t)getpid();
	bool passed = getenv("LISTEN_FDS") != NULL;
	int r = 0;

	if (!take_number("LISTEN_FDS", FDS_MAX, &count) && here && passed) {
		snprintf(text, cap, "LISTEN_FDS of the service manager is no number up to %d",
			 FDS_MAX);
		r = -EINVAL;
	}
	if (!take_variable("LISTEN_FDNAMES", names, sizeof(names)))
		names[0] = '\0';
	assert(count <= FDS_MAX);
	for (uint64_t i = 0; here && i < count && r == 0; i++) {
		next_name(&at, name);
		r = take_socket(s, FIRST_FD + (int)i, name, text, cap);
	}
	return r;
}

int service_open(struct service *s, char *text, size_t text_cap)
{
	*s = (struct service)SERVICE_INIT;
	find_manager(s);
	return find_sockets(s, text, text_cap);
}

void service_close(struct service *s)
{
	close_fd(&s->fd);
	close_fd(&s->http_fd);
	close_fd(&s->rtsp_fd);
}

void service_set_state(struct service *s, enum service_state state)
{
	assert(state >= s->state);
	s->state = state;
}

void service_set_status(struct service *s, const char *status)
{
	snprintf(s->status, sizeof(s->status), "%.*s", SERVICE_STATUS_BYTES - 1, status);
	/* one line: the next one would be a variable */
	s->status[strcspn(s->status, "\r\n")] = '\0';
}

void service_send(struct service *s, uint64_t now_us)
{
	static const char *const states[] = {"", "READY=1\n", "STOPPING=1\n"};
	bool alive = s->watchdog_us != 0 && now_us - s->alive_us >= s->watchdog_us;
	bool told = strcmp(s->status, s->sent_status) == 0;
	char message[SERVICE_STATUS_BYTES + 64];
	int n;

	_Static_assert(array_size(states) == SERVICE_STOPPING + 1, "a line for each state");
	if (s->fd < 0 || (s->state == s->sent_state && told && !alive))
		return;
	n = snprintf(message, sizeof(message), "%s%s%s%s%s",
		     s->state != s->sent_state ? states[s->state] : "", alive ? "WATCHDOG=1\n" : "",
		     told ? "" : "STATUS=", told ? "" : s->status, told ? "" : "\n");
	assert(n > 0 && (size_t)n < sizeof(message));
	if (send(s->fd, message, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) != n)
		return;
	s->sent_state = s->state;
	memcpy(s->sent_status, s->status, sizeof(s->sent_status));
	if (alive)
		s->alive_us = now_us;
}
