/* shutdown.c - `amps shutdown`: asks the server to stop and waits until it has ended. */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "amps-cli/client.h"
#include "amps-cli/command.h"
#include "common/text/text.h"

#define DEFAULT_TIMEOUT_S 10
#define TIMEOUT_MAX_S	  3600
/* beyond the timeout given to the server: to kill the rest and clean up */
#define CLEANUP_MS 5000

/* Without a pidfd (a server in another pid namespace): waits until nothing listens any more. */
static int wait_socket(const char *path, int timeout_ms)
{
	const struct timespec pause = {.tv_nsec = 50000000};

	for (int waited = 0; waited < timeout_ms; waited += 50) {
		struct client client;
		int r = client_open(&client, path);

		client_close(&client);
		if (r == -ENOENT || r == -ECONNREFUSED)
			return 0;
		nanosleep(&pause, NULL);
	}
	return -ETIMEDOUT;
}

static int wait_gone(const char *path, int pidfd, int timeout_ms)
{
	struct pollfd wait = {.fd = pidfd, .events = POLLIN};
	int r;

	if (pidfd < 0)
		return wait_socket(path, timeout_ms);
	do
		r = poll(&wait, 1, timeout_ms);
	while (r < 0 && errno == EINTR);
	return r > 0 ? 0 : -ETIMEDOUT;
}

/* The server may end before it has answered. */
static int stop_server(struct client *client, const char *path, unsigned timeout_s)
{
	json_t *params = json_pack("{s:i}", "timeout", (int)timeout_s);
	_cleanup_(closep) int pidfd = client_server_pidfd(client);
	int timeout_ms = (int)timeout_s * 1000 + CLEANUP_MS;
	json_auto_t *result = NULL, *error = NULL;
	int r = client_ask(client, "shutdown", params, -1, (unsigned)timeout_ms, &result, &error);

	if (error != NULL) {
		client_print_error(error);
		return COMMAND_FAILED;
	}
	if (r < 0 && r != -EPIPE) {
		fprintf(stderr, "amps: no answer from the server: %s\n", strerror(-r));
		return COMMAND_FAILED;
	}
	if (wait_gone(path, pidfd, timeout_ms) < 0) {
		fprintf(stderr, "amps: the server is still running after %u seconds\n", timeout_s);
		return COMMAND_FAILED;
	}
	return COMMAND_DONE;
}

static int run(const struct command_call *call)
{
	const char *path = command_value(call, "socket");
	const char *text = command_value(call, "timeout");
	uint64_t timeout_s = DEFAULT_TIMEOUT_S;
	struct client client;
	int r;

	if (text != NULL && text_parse_u64(text, TIMEOUT_MAX_S, &timeout_s) < 0) {
		fprintf(stderr, "amps shutdown: --timeout takes 0 to %d seconds\n", TIMEOUT_MAX_S);
		return COMMAND_USAGE;
	}
	r = client_open(&client, path);
	if (r < 0)
		return client_print_failure(path, r);
	r = stop_server(&client, path, (unsigned)timeout_s);
	client_close(&client);
	return r;
}

const struct command cmd_shutdown = {
	.name = "shutdown",
	.summary = "Stop the server and wait until it has ended",
	.options = {{"timeout", "S", "seconds that the tuners have to end (default: 10)"},
		    COMMAND_OPTION_SOCKET},
	.run = run,
};
