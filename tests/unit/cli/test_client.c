/* The server is a thread that answers each line with the next of its script. */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include "amps-cli/client.h"
#include "amps-cli/command.h"
#include "unit.h"

struct server {
	char dir[64];
	char path[96];
	int listener;
	pthread_t thread;
	const char *const *answers; /* ends with NULL; then the connection is closed */
	char seen[65536];	    /* the last line */
};

static void answer_all(struct server *s, int fd)
{
	size_t n = 0;

	for (size_t i = 0; s->answers[i] != NULL; i++) {
		n = 0;
		while (n < sizeof(s->seen) - 1 && read(fd, s->seen + n, 1) == 1 &&
		       s->seen[n] != '\n')
			n++;
		s->seen[n] = '\0';
		/* in two pieces, as a stream may; the client may be gone already */
		if (write(fd, s->answers[i], 1) != 1 ||
		    write(fd, s->answers[i] + 1, strlen(s->answers[i]) - 1) < 0)
			return;
	}
}

static void *serve(void *arg)
{
	struct server *s = arg;
	int fd = accept(s->listener, NULL, NULL);

	answer_all(s, fd);
	close(fd);
	return NULL;
}

/* An address to connect to that does not answer. */
static void server_listen(struct server *s)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	signal(SIGPIPE, SIG_IGN);
	snprintf(s->dir, sizeof(s->dir), "/tmp/amps-test-client-XXXXXX");
	cr_assert_not_null(mkdtemp(s->dir));
	snprintf(s->path, sizeof(s->path), "%s/control.sock", s->dir);
	memcpy(address.sun_path, s->path, strlen(s->path) + 1);
	s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(s->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(listen(s->listener, 4), 0);
}

static void server_start(struct server *s, const char *const *answers)
{
	server_listen(s);
	s->answers = answers;
	cr_assert_eq(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_remove(struct server *s)
{
	close(s->listener);
	unlink(s->path);
	rmdir(s->dir);
}

static void server_stop(struct server *s)
{
	pthread_join(s->thread, NULL);
	server_remove(s);
}

/* One question against one answer line. */
static int ask_once(const char *answer, json_t **ret_result, json_t **ret_error)
{
	const char *const answers[] = {answer, NULL};
	struct server s = {0};
	struct client client;
	int r;

	server_start(&s, answers);
	cr_assert_eq(client_open(&client, s.path), 0);
	r = client_ask(&client, "tuners", NULL, -1, 5000, ret_result, ret_error);
	client_close(&client);
	server_stop(&s);
	return r;
}

Test(client, a_result_is_returned)
{
	const char *const answers[] = {"{\"id\":1,\"result\":[{\"key\":\"5\"}]}\n",
				       "{\"id\":2,\"result\":{}}\n", NULL};
	struct server s = {0};
	struct client client;
	json_t *result = NULL, *error = NULL;

	server_start(&s, answers);
	cr_assert_eq(client_open(&client, s.path), 0);
	cr_assert_eq(client_ask(&client, "tuners", NULL, -1, 5000, &result, &error), 0);
	cr_assert_null(error);
	cr_assert_eq(json_array_size(result), 1);
	json_decref(result);
	cr_assert_eq(client_ask(&client, "stop", json_pack("{s:s}", "key", "5/sd"), -1, 5000,
				&result, &error),
		     0);
	json_decref(result);
	client_close(&client);
	server_stop(&s);
	cr_assert_str_eq(s.seen, "{\"id\":2,\"method\":\"stop\",\"params\":{\"key\":\"5/sd\"}}");
}

Test(client, an_error_is_returned)
{
	json_t *result = NULL, *error = NULL;

	cr_assert_eq(ask_once("{\"id\":1,\"error\":{\"code\":\"not_found\",\"message\":\"no\"}}\n",
			      &result, &error),
		     0);
	cr_assert_null(result);
	cr_assert_str_eq(json_string_value(json_object_get(error, "code")), "not_found");
	json_decref(error);
}

Test(client, an_answer_that_breaks_the_protocol_is_refused)
{
	static const char *const bad[] = {
		"hello\n",
		"[]\n",
		"{}\n",
		"{\"id\":1}\n",
		"{\"id\":7,\"result\":1}\n",
		"{\"id\":1,\"result\":1,\"error\":{}}\n",
	};

	for (size_t i = 0; i < array_size(bad); i++) {
		json_t *result = NULL, *error = NULL;

		cr_assert_eq(ask_once(bad[i], &result, &error), -EPROTO, "%s", bad[i]);
		cr_assert_null(result);
		cr_assert_null(error);
	}
}

Test(client, a_server_that_ends_is_a_broken_pipe)
{
	json_t *result = NULL, *error = NULL;

	cr_assert_eq(ask_once("{\"id\":1,\"res", &result, &error), -EPIPE);
}

Test(client, a_silent_server_times_out)
{
	struct server s = {0};
	struct client client;
	json_t *result = NULL, *error = NULL;

	server_listen(&s);
	cr_assert_eq(client_open(&client, s.path), 0);
	cr_assert_eq(client_ask(&client, "tuners", NULL, -1, 0, &result, &error), -ETIMEDOUT);
	client_close(&client);
	server_remove(&s);
}

Test(client, an_answer_larger_than_one_read)
{
	const size_t n = 1u << 20;
	char *line = malloc(n + 64);
	json_t *result = NULL, *error = NULL;
	size_t at = (size_t)snprintf(line, 64, "{\"id\":1,\"result\":\"");

	memset(line + at, 'x', n);
	memcpy(line + at + n, "\"}\n", 4);
	cr_assert_eq(ask_once(line, &result, &error), 0);
	cr_assert_eq(json_string_length(result), n);
	json_decref(result);
	free(line);
}

Test(client, no_server_differs_from_other_failures)
{
	struct client client;
	char path[200];

	cr_assert_eq(client_open(&client, "/nonexistent/control.sock"), -ENOENT);
	client_close(&client);
	cr_assert_eq(client_print_failure("/nonexistent/control.sock", -ENOENT), COMMAND_NO_SERVER);
	cr_assert_eq(client_print_failure("/nonexistent/control.sock", -ECONNREFUSED),
		     COMMAND_NO_SERVER);
	cr_assert_eq(client_print_failure("/nonexistent/control.sock", -EACCES), COMMAND_FAILED);
	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	cr_assert_eq(client_open(&client, path), -ENAMETOOLONG);
	client_close(&client);
}

Test(client, the_end_of_the_server_can_be_waited_for)
{
	const char *const answers[] = {"x", NULL};
	struct server s = {0};
	struct client client;
	struct pollfd wait = {.events = POLLIN};

	server_start(&s, answers);
	cr_assert_eq(client_open(&client, s.path), 0);
	/* the server is this very process, which has not ended */
	wait.fd = client_server_pidfd(&client);
	cr_assert_geq(wait.fd, 0);
	cr_assert_eq(poll(&wait, 1, 0), 0);
	close(wait.fd);
	client_close(&client);
	server_stop(&s);
}

Test(client, the_default_path_follows_the_user)
{
	char path[256];

	setenv("XDG_RUNTIME_DIR", "/nonexistent", 1);
	cr_assert_eq(client_default_path(path, sizeof(path)), 0);
	if (geteuid() == 0)
		cr_assert_str_eq(path, "/run/amps/control.sock");
	else if (access("/run/amps/control.sock", F_OK) != 0)
		cr_assert_str_eq(path, "/nonexistent/amps/control.sock");
	cr_assert_eq(client_default_path(path, 4), -ENAMETOOLONG);
}
