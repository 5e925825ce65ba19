#include "amps-master/control/control.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include "amps-master/control/control_line.h"
#include "common/text/buf.h"
#include "common/limits.h"
#include "common/log/log.h"
#include "common/shm/shm.h"
#include "common/timer.h"

#define NO_MEMORY "the answer cannot be made, perhaps for lack of memory"

/* READING -> WORKING (a request is being answered) -> WRITING -> READING ...; all -> CLOSED. */
enum client_state { CLIENT_READING, CLIENT_WORKING, CLIENT_WRITING, CLIENT_CLOSED };

struct client {
	LIST_ENTRY(client) link;
	struct control *control;
	int fd;
	uid_t uid;
	enum client_state state;
	bool last;	       /* close once the answer is written */
	control_ticket ticket; /* of the request being answered, else 0 */
	json_t *id;	       /* of that request */
	int file;	       /* came with the line that is being read; -1 = none */
	struct buf in, out;
	size_t sent; /* bytes of out */
	struct event *read_event, *write_event;
	struct event *timer; /* whenever it fires, the client is freed */
};

struct control {
	struct control_env env;
	struct sockaddr_un address;
	dev_t device; /* of the socket's file */
	ino_t inode;
	int fd;
	struct event *event;
	struct event *resume; /* timer: accepts again */
	bool starved;	      /* the last accept failed for lack of descriptors or memory */
	LIST_HEAD(, client) clients;
	unsigned client_count;
	control_ticket last_ticket;
};

static void client_free(struct client *c)
{
	assert(c->control->client_count > 0);
	LIST_REMOVE(c, link);
	c->control->client_count--;
	if (c->read_event)
		event_free(c->read_event);
	if (c->write_event)
		event_free(c->write_event);
	if (c->timer)
		event_free(c->timer);
	close_fd(&c->fd);
	close_fd(&c->file);
	json_decref(c->id);
	buf_done(&c->in);
	buf_done(&c->out);
	free(c);
}

/* The only place that arms a client's events, from its state.  None is armed while a request is
 * being answered: a closed connection is found when the answer is written. */
static void client_update_events(struct client *c)
{
	bool reading = c->state == CLIENT_READING, writing = c->state == CLIENT_WRITING;

	if (reading)
		event_add(c->read_event, NULL);
	else
		event_del(c->read_event);
	if (writing)
		event_add(c->write_event, NULL);
	else
		event_del(c->write_event);
	if (writing)
		timer_set(c->timer, CONTROL_STALL_MS * 1000ull);
	else if (c->state == CLIENT_CLOSED)
		event_active(c->timer, EV_TIMEOUT, 0);
	else if (!reading || c->in.len == 0)
		event_del(c->timer);
	else if (!evtimer_pending(c->timer, NULL))
		timer_set(c->timer, CONTROL_DEADLINE_MS * 1000ull);
}

static void client_set_state(struct client *c, enum client_state state)
{
	static const uint8_t legal[] = {
		[CLIENT_READING] =
			1u << CLIENT_WORKING | 1u << CLIENT_WRITING | 1u << CLIENT_CLOSED,
		[CLIENT_WORKING] = 1u << CLIENT_WRITING | 1u << CLIENT_CLOSED,
		[CLIENT_WRITING] = 1u << CLIENT_READING | 1u << CLIENT_CLOSED,
	};
	bool allowed;

	if (c->state == CLIENT_CLOSED)
		return;
	assert(c->state < array_size(legal));
	allowed = legal[c->state] & 1u << state;
	assert(allowed);
	event_del(c->timer);
	c->state = state;
	client_update_events(c);
}

static void answer_ready(struct client *c)
{
	assert(c->out.len > 0 || !buf_ok(&c->out));
	c->ticket = 0;
	json_decref(c->id);
	c->id = NULL;
	client_set_state(c, buf_ok(&c->out) ? CLIENT_WRITING : CLIENT_CLOSED);
}

static void refuse(struct client *c, const char *code, const char *message)
{
	control_put_error(&c->out, c->id, code, message, NULL);
	answer_ready(c);
}

static void handle_line(struct client *c, const char *line, size_t len)
{
	struct control *control = c->control;
	struct control_call call;
	const char *message;
	int r = control_call_parse(&call, line, len, &message);

	assert(c->state == CLIENT_READING && c->ticket == 0 && !c->id);
	c->id = call.id ? json_incref((json_t *)(uintptr_t)call.id) : NULL;
	if (r < 0) {
		refuse(c, "bad_request", message);
	} else {
		c->ticket = ++control->last_ticket;
		client_set_state(c, CLIENT_WORKING);
		log_debug("a control client asks method=%s uid=%u", call.method, c->uid);
		control->env.request(control->env.owner, control, c->ticket, call.method,
				     call.params, TAKE_FD(c->file));
	}
	control_call_done(&call);
}

/* Takes the next line out of what has been read; false if there is none. */
static bool next_line(struct client *c)
{
	char *end = c->in.len > 0 ? memchr(c->in.data, '\n', c->in.len) : NULL;
	size_t len = end ? (size_t)(end - c->in.data) : c->in.len;
	_cleanup_(buf_done) struct buf line = BUF_INIT;

	if (len > CONTROL_LINE_MAX) {
		c->last = true;
		refuse(c, "too_long", "a line has at most 65536 bytes");
		return false;
	}
	if (!end)
		return false;
	/* A copy, because handling a request may read more into `in`. */
	if (len > 0)
		buf_add(&line, c->in.data, len);
	buf_consume(&c->in, len + 1);
	if (len > 0 && buf_ok(&line))
		handle_line(c, line.data, line.len);
	return true;
}

static void handle_input(struct client *c)
{
	while (c->state == CLIENT_READING && next_line(c))
		;
}

/* Keeps one descriptor that came with the bytes; the kernel closes what has no room.  The room ends
 * with the first one: what CMSG_SPACE() adds to align it would hold a second. */
static void take_file(struct client *c, struct msghdr *m)
{
	struct cmsghdr *head = CMSG_FIRSTHDR(m);

	if (!head || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS ||
	    head->cmsg_len < CMSG_LEN(sizeof(int)))
		return;
	close_fd(&c->file);
	memcpy(&c->file, CMSG_DATA(head), sizeof(c->file));
}

static ssize_t receive(struct client *c, char *bytes, size_t cap)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {bytes, cap};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = &control,
			   .msg_controllen = CMSG_LEN(sizeof(int))};
	ssize_t n = recvmsg(c->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n > 0)
		take_file(c, &m);
	return n;
}

static void on_readable(int fd, short what, void *arg)
{
	struct client *c = arg;
	char bytes[16384];
	ssize_t n = receive(c, bytes, sizeof(bytes));

	(void)fd;
	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		buf_add(&c->in, bytes, (size_t)n);
	if (n <= 0 || !buf_ok(&c->in)) {
		client_set_state(c, CLIENT_CLOSED);
		return;
	}
	handle_input(c);
	/* The deadline counts from a line's first byte, however slowly the rest arrives. */
	client_update_events(c);
}

static void on_writable(int fd, short what, void *arg)
{
	struct client *c = arg;
	ssize_t n;

	(void)what;
	assert(c->state == CLIENT_WRITING && c->sent < c->out.len);
	n = send(fd, c->out.data + c->sent, c->out.len - c->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			client_set_state(c, CLIENT_CLOSED);
		return;
	}
	c->sent += (size_t)n;
	if (c->sent < c->out.len) {
		client_update_events(c);
		return;
	}
	buf_done(&c->out);
	c->sent = 0;
	client_set_state(c, c->last ? CLIENT_CLOSED : CLIENT_READING);
	handle_input(c);
}

static void on_timer(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	client_free(arg);
}

/* Makes room for one more client of this user by closing the one that has been idle for longest:
 * silent connections cannot shut out a client that sends requests. */
static bool make_room(struct control *control, uid_t uid)
{
	struct client *c, *oldest = NULL, *oldest_own = NULL;
	unsigned own = 0;

	/* the newest is first */
	LIST_FOREACH (c, &control->clients, link) {
		own += c->uid == uid;
		if (c->state != CLIENT_READING)
			continue;
		oldest = c;
		if (c->uid == uid)
			oldest_own = c;
	}
	if (own >= CONTROL_CLIENTS_PER_UID)
		oldest = oldest_own;
	else if (control->client_count < CONTROL_CLIENTS_MAX)
		return true;
	if (oldest)
		client_free(oldest);
	return oldest != NULL;
}

/* Takes fd. */
static void client_new(struct control *control, int fd, const struct ucred *peer)
{
	struct event_base *base = control->env.base;
	struct client *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return;
	}
	*c = (struct client){.control = control, .fd = fd, .file = -1, .uid = peer->uid};
	LIST_INSERT_HEAD(&control->clients, c, link);
	control->client_count++;
	assert(control->client_count <= CONTROL_CLIENTS_MAX);
	c->read_event = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, c);
	c->write_event = event_new(base, fd, EV_WRITE | EV_PERSIST, on_writable, c);
	c->timer = evtimer_new(base, on_timer, c);
	if (!c->read_event || !c->write_event || !c->timer) {
		client_free(c);
		return;
	}
	client_update_events(c);
	log_debug("a control client has connected uid=%u pid=%d", peer->uid, peer->pid);
}

static void pause_accepting(struct control *control, int error)
{
	if (!control->starved)
		log_warn("cannot accept control clients (%s), trying again every %d ms",
			 strerror(error), ACCEPT_PAUSE_MS);
	control->starved = true;
	event_del(control->event);
	timer_set(control->resume, ACCEPT_PAUSE_MS * 1000);
}

static void on_resume(int fd, short what, void *arg)
{
	const struct control *control = arg;

	(void)fd;
	(void)what;
	event_add(control->event, NULL);
}

static void on_accept(int listen_fd, short what, void *arg)
{
	struct control *control = arg;
	struct ucred peer = {.uid = (uid_t)-1};
	socklen_t len = sizeof(peer);
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)what;
	if (fd < 0) {
		if (accept_must_pause(errno))
			pause_accepting(control, errno);
		return;
	}
	control->starved = false;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0 ||
	    !make_room(control, peer.uid)) {
		log_warn("there are too many control clients, refusing a connection uid=%u pid=%d",
			 peer.uid, peer.pid);
		close(fd);
		return;
	}
	client_new(control, fd, &peer);
}

static int open_socket(struct control *control)
{
	const char *path = control->address.sun_path;
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	if (fd < 0)
		return -errno;
	/* No client can connect before listen(), and the mode is set before it. */
	if (bind(fd, (const struct sockaddr *)&control->address, sizeof(control->address)) != 0 ||
	    chmod(path, 0660) != 0 || listen(fd, CONTROL_CLIENTS_MAX) != 0 || lstat(path, &st) != 0)
		return -errno;
	control->device = st.st_dev;
	control->inode = st.st_ino;
	return TAKE_FD(fd);
}

int control_rebind(struct control *control)
{
	struct event *event;
	int fd = open_socket(control);

	assert((control->fd < 0) == !control->event);
	if (fd < 0)
		return fd;
	event = event_new(control->env.base, fd, EV_READ | EV_PERSIST, on_accept, control);
	if (!event || event_add(event, NULL) != 0) {
		if (event)
			event_free(event);
		close(fd);
		return -ENOMEM;
	}
	if (control->event)
		event_free(control->event);
	close_fd(&control->fd);
	control->event = event;
	control->fd = fd;
	return 0;
}

int control_open(const struct control_env *env, const char *path, struct control **ret)
{
	struct control *control = calloc(1, sizeof(*control));
	int r = -ENOMEM;

	if (!control)
		return -ENOMEM;
	control->env = *env;
	control->fd = -1;
	control->address.sun_family = AF_UNIX;
	LIST_INIT(&control->clients);
	if (strlen(path) >= sizeof(control->address.sun_path)) {
		r = -ENAMETOOLONG;
		goto fail;
	}
	memcpy(control->address.sun_path, path, strlen(path) + 1);
	control->resume = evtimer_new(env->base, on_resume, control);
	if (!control->resume)
		goto fail;
	r = control_rebind(control);
	if (r < 0)
		goto fail;
	*ret = control;
	return 0;
fail:
	control_close(control);
	return r;
}

bool control_lost(const struct control *control)
{
	struct stat st;

	return lstat(control->address.sun_path, &st) != 0 || st.st_dev != control->device ||
	       st.st_ino != control->inode;
}

struct control *control_close(struct control *control)
{
	struct client *c;

	if (!control)
		return NULL;
	while ((c = LIST_FIRST(&control->clients)))
		client_free(c);
	if (control->event)
		event_free(control->event);
	if (control->resume)
		event_free(control->resume);
	close_fd(&control->fd);
	free(control);
	return NULL;
}

static struct client *find_ticket(struct control *control, control_ticket ticket)
{
	struct client *c;

	assert(ticket != 0);
	LIST_FOREACH (c, &control->clients, link) {
		if (c->ticket == ticket)
			return c;
	}
	return NULL;
}

void control_answer(struct control *control, control_ticket ticket, json_t *result)
{
	struct client *c = find_ticket(control, ticket);

	assert(!c || c->state == CLIENT_WORKING);
	if (c && result) {
		control_put_result(&c->out, c->id, result);
		answer_ready(c);
	} else if (c) {
		refuse(c, "internal", NO_MEMORY);
	}
	json_decref(result);
}

/* False: it cannot be read. */
static bool put_file(struct client *c, int fd, size_t bytes)
{
	const char *text = fd >= 0 ? shm_map_read(fd, bytes) : NULL;

	if (text == NULL)
		return false;
	control_put_text(&c->out, c->id, text, bytes);
	shm_unmap(text, bytes);
	return true;
}

void control_answer_file(struct control *control, control_ticket ticket, int fd, uint64_t bytes)
{
	struct client *c = find_ticket(control, ticket);

	assert(!c || c->state == CLIENT_WORKING);
	if (c && put_file(c, fd, (size_t)bytes))
		answer_ready(c);
	else if (c)
		refuse(c, "internal", NO_MEMORY);
}

void control_fail(struct control *control, control_ticket ticket, const char *code,
		  const char *message, const json_t *problems)
{
	struct client *c = find_ticket(control, ticket);

	if (!c)
		return;
	assert(c->state == CLIENT_WORKING);
	control_put_error(&c->out, c->id, code, message, problems);
	answer_ready(c);
}
