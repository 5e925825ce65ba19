/* A control line through the parser, the table of methods and the answer, on a real socket pair of
 * the control module with a backend that has nothing behind it. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "amps-master/control/control.h"
#include "amps-master/control/control_commands.h"
#include "amps-master/control/control_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static json_t *nothing(void *owner)
{
	(void)owner;
	return json_array();
}

static int no_key(void *owner, const char *key)
{
	(void)owner;
	return key[0] == '5' ? 0 : -ENOENT;
}

static json_t *no_reason(void *owner, const char *key)
{
	(void)owner;
	return key[0] == '5' ? json_object() : NULL;
}

static int no_viewer(void *owner, uint64_t viewer)
{
	(void)owner;
	return viewer == 5 ? 0 : -ENOENT;
}

static void no_config(void *owner, control_ticket ticket)
{
	control_fail(*(struct control **)owner, ticket, "config", "nothing to load", NULL);
}

static void no_file(void *owner, control_ticket ticket, int file)
{
	close(file);
	no_config(owner, ticket);
}

static void no_reload(void *owner, control_ticket ticket, const struct discard *discard)
{
	if (discard->count > DISCARD_IDS_MAX)
		abort();
	no_config(owner, ticket);
}

static int no_matches(void *owner, uint64_t *ret_bytes)
{
	(void)owner;
	*ret_bytes = 0;
	return -1;
}

static void no_shutdown(void *owner, unsigned timeout_ms)
{
	(void)owner;
	if (timeout_ms > 3600000)
		abort();
}

static void on_request(void *owner, struct control *c, control_ticket ticket, const char *method,
		       const json_t *params, int file)
{
	const struct control_backend backend = {.report = {[REPORT_TUNERS] = nothing,
							   [REPORT_VIEWERS] = nothing,
							   [REPORT_STATUS] = nothing,
							   [REPORT_CHANNELS] = nothing,
							   [REPORT_SCHEDULE] = nothing,
							   [REPORT_LINKS] = nothing},
						.stop = no_key,
						.why = no_reason,
						.kick = no_viewer,
						.reload = no_reload,
						.config = no_config,
						.import = no_file,
						.backup = no_file,
						.guide_matches = no_matches,
						.channels_now = no_config,
						.shutdown = no_shutdown};

	control_commands_run(&backend, owner, c, ticket, method, params, file);
}

static char path[64];

static void remove_socket(void)
{
	unlink(path);
}

static int connect_client(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	memcpy(a.sun_path, path, strlen(path) + 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0)
		abort();
	return fd;
}

/* Every answer is a line of JSON with an id and either a result or an error. */
static void check_answers(const struct buf *answers)
{
	const char *at = answers->data, *end = at ? at + answers->len : NULL;

	while (at && at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		json_t *answer;

		if (!newline)
			return; /* cut off by the end of this round */
		answer = json_loadb(at, (size_t)(newline - at), 0, NULL);
		if (!answer || !json_object_get(answer, "id") ||
		    !json_object_get(answer, "result") == !json_object_get(answer, "error"))
			abort();
		json_decref(answer);
		at = newline + 1;
	}
}

static void converse(struct event_base *base, int fd, const uint8_t *data, size_t size)
{
	struct buf answers = BUF_INIT;
	size_t sent = 0;

	/* each answer takes a turn of the loop or two */
	for (size_t turn = 0; turn < 64 + size; turn++) {
		char bytes[4096];
		ssize_t n = sent < size ? send(fd, data + sent, size - sent, MSG_NOSIGNAL) : 0;

		if (n > 0)
			sent += (size_t)n;
		event_base_loop(base, EVLOOP_NONBLOCK);
		n = recv(fd, bytes, sizeof(bytes), 0);
		if (n > 0)
			buf_add(&answers, bytes, (size_t)n);
		if (n == 0)
			break;
	}
	check_answers(&answers);
	buf_done(&answers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct control *control;
	static struct event_base *base;
	int fd;

	if (!base) {
		struct control_env env = {.owner = &control, .request = on_request};

		snprintf(path, sizeof(path), "/tmp/amps-fuzz-control-%d", (int)getpid());
		remove_socket();
		atexit(remove_socket);
		env.base = base = event_base_new();
		if (!base || control_open(&env, path, &control) != 0)
			abort();
	}
	fd = connect_client();
	converse(base, fd, data, size);
	close(fd);
	event_base_loop(base, EVLOOP_NONBLOCK);
	return 0;
}
