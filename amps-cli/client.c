#include "amps-cli/client.h"

#include <assert.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include "amps-cli/command.h"
#include "common/clock.h"
#include "common/limits.h"

static int64_t now_ms(void)
{
	return (int64_t)(clock_mono_us() / 1000);
}

int client_default_path(char *dst, size_t cap)
{
	static const char system_path[] = "/run/amps/control.sock";
	const char *dir = getenv("XDG_RUNTIME_DIR");
	int n;

	if (geteuid() != 0 && dir != NULL && dir[0] == '/') {
		n = snprintf(dst, cap, "%s/amps/control.sock", dir);
		if (n < 0 || (size_t)n >= cap)
			return -ENAMETOOLONG;
		if (access(dst, F_OK) == 0 || access(system_path, F_OK) != 0)
			return 0;
	}
	n = snprintf(dst, cap, "%s", system_path);
	return n < 0 || (size_t)n >= cap ? -ENAMETOOLONG : 0;
}

int client_open(struct client *client, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_(closep) int fd = -1;
	int r;

	*client = (struct client){.fd = -1, .next_id = 1, .in = BUF_INIT};
	if (path == NULL) {
		r = client_default_path(address.sun_path, sizeof(address.sun_path));
		if (r < 0)
			return r;
	} else {
		if (strlen(path) >= sizeof(address.sun_path))
			return -ENAMETOOLONG;
		memcpy(address.sun_path, path, strlen(path) + 1);
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	client->fd = TAKE_FD(fd);
	return 0;
}

void client_close(struct client *client)
{
	close_fd(&client->fd);
	buf_done(&client->in);
}

static int send_all(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return errno == ECONNRESET ? -EPIPE : -errno;
		bytes += sent;
		n -= (size_t)sent;
	}
	return 0;
}

/* Sends the line's first byte with a descriptor. */
static int send_with_file(int fd, const char *bytes, int file)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {(void *)(uintptr_t)bytes, 1};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = &control,
			   .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &file, sizeof(file));
	return sendmsg(fd, &m, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

static int send_question(struct client *client, const char *method, json_t *params, int file)
{
	_cleanup_(freep) char *line = NULL;
	json_t *question;
	int r;

	question = json_pack("{s:I,s:s,s:o}", "id", (json_int_t)client->next_id, "method", method,
			     "params", params != NULL ? params : json_object());
	if (question == NULL)
		return -ENOMEM;
	line = json_dumps(question, JSON_COMPACT);
	json_decref(question);
	if (line == NULL)
		return -ENOMEM;
	r = file >= 0 ? send_with_file(client->fd, line, file) : 0;
	if (r == 0)
		r = send_all(client->fd, line + (file >= 0), strlen(line) - (file >= 0));
	return r < 0 ? r : send_all(client->fd, "\n", 1);
}

/* Reads more bytes behind client->in, waiting until `deadline`. */
static int read_more(struct client *client, int64_t deadline)
{
	struct pollfd wait = {.fd = client->fd, .events = POLLIN};
	int64_t left = deadline - now_ms();
	char *room;
	ssize_t n;
	int r;

	assert(client->fd >= 0);
	r = poll(&wait, 1, left > 0 ? (int)MIN(left, INT_MAX) : 0);
	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	if (r == 0)
		return -ETIMEDOUT;
	if (client->in.len > CONTROL_ANSWER_MAX)
		return -EPROTO;
	room = buf_reserve(&client->in, 65536);
	if (room == NULL)
		return -ENOMEM;
	n = recv(client->fd, room, 65536, 0);
	if (n < 0)
		return errno == EINTR ? 0 : errno == ECONNRESET ? -EPIPE : -errno;
	if (n == 0)
		return -EPIPE;
	client->in.len += (size_t)n;
	return 0;
}

/* Waits for one line and parses it. */
static int read_answer(struct client *client, int64_t deadline, json_t **ret)
{
	size_t seen = 0;
	char *end = NULL;
	json_t *answer;

	for (;;) {
		int r;

		assert(seen <= client->in.len);
		if (client->in.len > seen)
			end = memchr(client->in.data + seen, '\n', client->in.len - seen);
		if (end != NULL)
			break;
		seen = client->in.len;
		r = read_more(client, deadline);
		if (r < 0)
			return r;
	}
	answer = json_loadb(client->in.data, (size_t)(end - client->in.data), 0, NULL);
	buf_consume(&client->in, (size_t)(end - client->in.data) + 1);
	if (!json_is_object(answer)) {
		json_decref(answer);
		return -EPROTO;
	}
	*ret = answer;
	return 0;
}

int client_ask(struct client *client, const char *method, json_t *params, int fd,
	       unsigned timeout_ms, json_t **ret_result, json_t **ret_error)
{
	int64_t deadline = now_ms() + timeout_ms;
	json_t *answer, *result, *error;
	int r;

	assert(client->fd >= 0 && client->next_id > 0);
	r = send_question(client, method, params, fd);
	if (r < 0)
		return r;
	r = read_answer(client, deadline, &answer);
	if (r < 0)
		return r;
	result = json_object_get(answer, "result");
	error = json_object_get(answer, "error");
	/* an error about a line that the server could not parse has a null id */
	if ((result == NULL) == (error == NULL) ||
	    (error == NULL &&
	     json_integer_value(json_object_get(answer, "id")) != client->next_id)) {
		json_decref(answer);
		return -EPROTO;
	}
	client->next_id++;
	*ret_result = json_incref(result);
	*ret_error = json_incref(error);
	json_decref(answer);
	return 0;
}

int client_server_pidfd(const struct client *client)
{
	struct ucred peer = {0};
	socklen_t len = sizeof(peer);
	int fd;

	if (getsockopt(client->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -errno;
	if (peer.pid <= 0)
		return -ESRCH;
	fd = (int)syscall(SYS_pidfd_open, peer.pid, 0);
	return fd < 0 ? -errno : fd;
}

int client_print_failure(const char *path, int error)
{
	char standard[256] = "its default place";

	if (path == NULL) {
		(void)!client_default_path(standard, sizeof(standard));
		path = standard;
	}
	if (error == -ENOENT || error == -ECONNREFUSED) {
		fprintf(stderr, "amps: no server at %s (is it running? another place: --socket)\n",
			path);
		return COMMAND_NO_SERVER;
	}
	if (error == -EPIPE) {
		fprintf(stderr, "amps: no server at %s any more\n", path);
		return COMMAND_NO_SERVER;
	}
	fprintf(stderr, "amps: cannot connect to %s: %s%s\n", path, strerror(-error),
		error == -EACCES ? " (members of its group may)" : "");
	return COMMAND_FAILED;
}

/* As `amps check` prints it. */
static void print_problem(const json_t *problem)
{
	const char *severity = json_string_value(json_object_get(problem, "severity"));
	const char *file = json_string_value(json_object_get(problem, "file"));
	const char *path = json_string_value(json_object_get(problem, "path"));
	const char *message = json_string_value(json_object_get(problem, "message"));
	json_int_t line = json_integer_value(json_object_get(problem, "line"));

	fputs(file != NULL ? file : "?", stderr);
	if (line > 0)
		fprintf(stderr, ":%lld", (long long)line);
	fprintf(stderr, ": %s%s%s%s\n", path != NULL ? path : "",
		path != NULL && path[0] != '\0' ? ": " : "",
		severity != NULL && strcmp(severity, "warning") == 0 ? "warning: " : "",
		message != NULL ? message : "?");
}

void client_print_error(const json_t *error)
{
	const char *message = json_string_value(json_object_get(error, "message"));
	const json_t *problem;
	size_t i;

	json_array_foreach (json_object_get(error, "problems"), i, problem)
		print_problem(problem);
	fprintf(stderr, "amps: %s\n",
		message != NULL ? message : "the server refused without a reason");
}

int client_command_file(const char *path, const char *method, json_t *params, int fd,
			unsigned timeout_ms, json_t **ret_result)
{
	struct client client;
	json_auto_t *error = NULL;
	int r;

	assert(*ret_result == NULL);
	r = client_open(&client, path);
	if (r < 0) {
		json_decref(params);
		return client_print_failure(path, r);
	}
	r = client_ask(&client, method, params, fd, timeout_ms, ret_result, &error);
	client_close(&client);
	assert(r < 0 || (*ret_result == NULL) == (error != NULL));
	if (r < 0) {
		fprintf(stderr, "amps: no answer from the server: %s\n", strerror(-r));
		return COMMAND_FAILED;
	}
	if (error != NULL) {
		client_print_error(error);
		return COMMAND_FAILED;
	}
	return COMMAND_DONE;
}

int client_command_within(const char *path, const char *method, json_t *params, unsigned timeout_ms,
			  json_t **ret_result)
{
	return client_command_file(path, method, params, -1, timeout_ms, ret_result);
}

int client_command(const char *path, const char *method, json_t *params, json_t **ret_result)
{
	return client_command_within(path, method, params, CONTROL_ANSWER_MS, ret_result);
}
