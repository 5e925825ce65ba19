#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include "amps-master/control/control.h"
#include "amps-master/control/control_commands.h"
#include "amps-master/control/control_line.h"
#include "common/text/buf.h"
#include "common/limits.h"
#include "common/shm/shm.h"
#include "unit.h"

static char folder[64], path[128];
static struct event_base *base;
static struct control *control;
static struct control_backend backend;
#define GUIDE_TEXT "[{\"id\":1}]"

static control_ticket waiting; /* of a reload */
static unsigned shutdown_ms;
static size_t viewer_count; /* rows of the report */

static json_t *empty_list(void *owner)
{
	(void)owner;
	return json_array();
}

static json_t *many_viewers(void *owner)
{
	json_t *list = json_array();

	(void)owner;
	for (size_t i = 0; i < viewer_count; i++)
		json_array_append_new(list, json_pack("{s:i, s:s}", "id", (int)i, "user_agent",
						      "a viewer's long user agent"));
	return list;
}

static int stop_five(void *owner, const char *key)
{
	(void)owner;
	return strcmp(key, "5/sd") == 0 ? 0 : -ENOENT;
}

static json_t *explain_five(void *owner, const char *key)
{
	(void)owner;
	return strcmp(key, "5") == 0 ? json_pack("{s:[s]}", "now", "it runs") : NULL;
}

static int kick_seven(void *owner, uint64_t viewer)
{
	(void)owner;
	return viewer == 7 ? 0 : -ENOENT;
}

static int guide_file = -1;

static int guide_matches(void *owner, uint64_t *ret_bytes)
{
	(void)owner;
	*ret_bytes = strlen(GUIDE_TEXT);
	return guide_file;
}

static void export_later(void *owner, control_ticket ticket)
{
	(void)owner;
	waiting = ticket;
}

static void take_file(void *owner, control_ticket ticket, int file)
{
	close(file);
	export_later(owner, ticket);
}

static void reload_later(void *owner, control_ticket ticket, const struct discard *discard)
{
	(void)discard;
	export_later(owner, ticket);
}

static void note_shutdown(void *owner, unsigned timeout_ms)
{
	(void)owner;
	shutdown_ms = timeout_ms;
}

static void on_request(void *owner, struct control *c, control_ticket ticket, const char *method,
		       const json_t *params, int file)
{
	(void)owner;
	control_commands_run(&backend, NULL, c, ticket, method, params, file);
}

static void open_control(void)
{
	struct control_env env = {.request = on_request};

	strcpy(folder, "/tmp/amps-test-XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/control.sock", folder);
	env.base = base = event_base_new();
	backend = (struct control_backend){.report = {[REPORT_TUNERS] = empty_list,
						      [REPORT_VIEWERS] = many_viewers,
						      [REPORT_STATUS] = empty_list,
						      [REPORT_CHANNELS] = empty_list,
						      [REPORT_SCHEDULE] = empty_list,
						      [REPORT_LINKS] = empty_list},
					   .stop = stop_five,
					   .why = explain_five,
					   .kick = kick_seven,
					   .reload = reload_later,
					   .config = export_later,
					   .import = take_file,
					   .guide_matches = guide_matches,
					   .channels_now = export_later,
					   .shutdown = note_shutdown};
	cr_assert_eq(control_open(&env, path, &control), 0);
}

static void close_control(void)
{
	control_close(control);
	event_base_free(base);
	unlink(path);
	rmdir(folder);
}

TestSuite(control, .init = open_control, .fini = close_control);

static int connect_client(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	memcpy(a.sun_path, path, strlen(path) + 1);
	cr_assert_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static void send_text(int fd, const char *text)
{
	cr_assert_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Turns the loop until a whole line has come; "" when the connection was closed instead. */
static struct buf read_line(int fd)
{
	struct buf line = BUF_INIT;

	for (;;) {
		char c;
		ssize_t n = recv(fd, &c, 1, 0);

		if (n == 0 || (n < 0 && errno != EAGAIN))
			break;
		if (n < 0) {
			event_base_loop(base, EVLOOP_NONBLOCK);
			continue;
		}
		buf_putc(&line, c);
		if (c == '\n')
			break;
	}
	buf_putc(&line, '\0');
	return line;
}

static void expect_answer(int fd, const char *request, const char *answer)
{
	struct buf line;

	send_text(fd, request);
	line = read_line(fd);
	cr_expect_str_eq(line.data, answer, "%s -> %s", request, line.data);
	buf_done(&line);
}

Test(control, the_socket_is_for_owner_and_group_only)
{
	struct stat st;

	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0660);
}

Test(control, answers_with_the_id_of_the_request)
{
	int fd = connect_client();

	expect_answer(fd, "{\"id\":1,\"method\":\"ping\"}\n", "{\"id\":1,\"result\":\"pong\"}\n");
	expect_answer(fd, "{\"id\":\"x\",\"method\":\"tuners\",\"params\":{}}\n",
		      "{\"id\":\"x\",\"result\":[]}\n");
	expect_answer(fd, "{\"method\":\"stop\",\"params\":{\"key\":\"5/sd\"}}\n",
		      "{\"id\":null,\"result\":{\"stopped\":\"5/sd\"}}\n");
	expect_answer(fd, "{\"id\":2,\"method\":\"stop\",\"params\":{\"key\":\"6\"}}\n",
		      "{\"id\":2,\"error\":{\"code\":\"not_found\",\"message\":"
		      "\"no tuner 6 is running\"}}\n");
	expect_answer(fd, "{\"id\":3,\"method\":\"kick\",\"params\":{\"viewer\":\"7\"}}\n",
		      "{\"id\":3,\"result\":{\"kicked\":7}}\n");
	expect_answer(fd, "{\"id\":4,\"method\":\"why\",\"params\":{\"key\":\"5\"}}\n",
		      "{\"id\":4,\"result\":{\"now\":[\"it runs\"]}}\n");
	expect_answer(fd, "{\"id\":5,\"method\":\"why\",\"params\":{\"key\":\"6\"}}\n",
		      "{\"id\":5,\"error\":{\"code\":\"not_found\",\"message\":"
		      "\"there is no channel 6\"}}\n");
	close(fd);
}

Test(control, a_result_may_be_in_a_file)
{
	int fd = connect_client();
	struct buf line;

	expect_answer(fd, "{\"id\":\"x\",\"method\":\"epg_match\"}\n",
		      "{\"id\":\"x\",\"result\":[]}\n");
	guide_file = shm_snapshot("test-guide", GUIDE_TEXT, strlen(GUIDE_TEXT));
	expect_answer(fd, "{\"id\":\"x\",\"method\":\"epg_match\"}\n",
		      "{\"id\":\"x\",\"result\":" GUIDE_TEXT "}\n");
	expect_answer(fd, "{\"method\":\"epg_match\"}\n",
		      "{\"id\":null,\"result\":" GUIDE_TEXT "}\n");
	send_text(fd, "{\"id\":2,\"method\":\"list_now\"}\n");
	while (waiting == 0)
		event_base_loop(base, EVLOOP_ONCE);
	control_answer_file(control, waiting, -1, 0);
	line = read_line(fd);
	cr_expect(strstr(line.data, "{\"id\":2,\"error\":{\"code\":\"internal\"") == line.data);
	buf_done(&line);
	close_fd(&guide_file);
	close(fd);
}

Test(control, anything_malformed_gets_an_error_object_and_the_connection_goes_on)
{
	static const char *const lines[] = {
		"\x01\xff\n",
		"[]\n",
		"5\n",
		"{\"id\":1}\n",
		"{\"id\":[],\"method\":\"ping\"}\n",
		"{\"id\":1,\"method\":5}\n",
		"{\"id\":1,\"method\":\"ping\",\"params\":[]}\n",
		"{\"id\":1,\"method\":\"ping\",\"method\":\"ping\"}\n",
		"{\"id\":1,\"method\":\"nothing\"}\n",
		"{\"id\":1,\"method\":\"stop\",\"params\":{\"key\":7}}\n",
		"{\"id\":1,\"method\":\"kick\",\"params\":{\"viewer\":-7}}\n",
		"{\"id\":1,\"method\":\"shutdown\",\"params\":{\"timeout\":-1}}\n",
		"{\"id\":1,\"method\":\"shutdown\",\"params\":{\"timeout\":1e300}}\n",
	};
	int fd = connect_client();

	for (size_t i = 0; i < array_size(lines); i++) {
		struct buf answer;

		send_text(fd, lines[i]);
		answer = read_line(fd);
		cr_expect_not_null(strstr(answer.data, "\"error\":{\"code\":"), "%s -> %s",
				   lines[i], answer.data);
		buf_done(&answer);
	}
	cr_expect_eq(shutdown_ms, 0);
	expect_answer(fd, "\n\n{\"id\":1,\"method\":\"ping\"}\n",
		      "{\"id\":1,\"result\":\"pong\"}\n");
	close(fd);
}

Test(control, lines_sent_at_once_are_answered_in_order)
{
	int fd = connect_client();
	struct buf line;

	expect_answer(fd,
		      "{\"id\":1,\"method\":\"ping\"}\n{\"id\":2,\"method\":\"ping\"}\n"
		      "{\"id\":3,\"method\":\"ping\"}\n",
		      "{\"id\":1,\"result\":\"pong\"}\n");
	line = read_line(fd);
	cr_expect_str_eq(line.data, "{\"id\":2,\"result\":\"pong\"}\n");
	buf_done(&line);
	line = read_line(fd);
	cr_expect_str_eq(line.data, "{\"id\":3,\"result\":\"pong\"}\n");
	buf_done(&line);
	close(fd);
}

Test(control, a_line_over_the_limit_ends_the_connection)
{
	int fd = connect_client();
	struct buf line;

	for (size_t sent = 0; sent < CONTROL_LINE_MAX + 1;) {
		char text[4096];
		ssize_t n;

		memset(text, 'x', sizeof(text));
		n = send(fd, text, sizeof(text), MSG_NOSIGNAL);
		if (n > 0)
			sent += (size_t)n;
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	line = read_line(fd);
	cr_expect_not_null(strstr(line.data, "too_long"), "%s", line.data);
	buf_done(&line);
	line = read_line(fd);
	cr_expect_str_eq(line.data, "", "closed");
	buf_done(&line);
	close(fd);
}

Test(control, a_late_answer_reaches_its_client_or_is_dropped)
{
	int fd = connect_client(), gone = connect_client();
	struct buf line;
	control_ticket lost;

	send_text(gone, "{\"id\":1,\"method\":\"reload\"}\n");
	while (waiting == 0)
		event_base_loop(base, EVLOOP_NONBLOCK);
	lost = waiting;
	close(gone);
	waiting = 0;
	send_text(fd, "{\"id\":2,\"method\":\"reload\"}\n");
	while (waiting == 0)
		event_base_loop(base, EVLOOP_NONBLOCK);
	control_answer(control, lost, json_true());
	control_answer(control, waiting, json_string("done"));
	control_answer(control, waiting, json_string("twice"));
	control_fail(control, 12345, "internal", "no such ticket", NULL);
	line = read_line(fd);
	cr_expect_str_eq(line.data, "{\"id\":2,\"result\":\"done\"}\n");
	buf_done(&line);
	expect_answer(fd, "{\"id\":3,\"method\":\"ping\"}\n", "{\"id\":3,\"result\":\"pong\"}\n");
	close(fd);
}

Test(control, a_client_that_does_not_read_does_not_block_others)
{
	int deaf = connect_client(), fd = connect_client();

	viewer_count = 100000;
	send_text(deaf, "{\"id\":1,\"method\":\"viewers\"}\n{\"id\":2,\"method\":\"viewers\"}\n");
	for (int i = 0; i < 20; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	expect_answer(fd, "{\"id\":3,\"method\":\"ping\"}\n", "{\"id\":3,\"result\":\"pong\"}\n");
	close(deaf);
	close(fd);
}

Test(control, a_large_answer_arrives_complete)
{
	int fd = connect_client();
	json_t *answer;
	struct buf line;

	viewer_count = 50000;
	send_text(fd, "{\"id\":1,\"method\":\"viewers\"}\n");
	line = read_line(fd);
	answer = json_loads(line.data, 0, NULL);
	cr_assert_not_null(answer);
	cr_expect_eq(json_array_size(json_object_get(answer, "result")), 50000);
	json_decref(answer);
	buf_done(&line);
	close(fd);
}

/* Throws away what has come: how many bytes. */
static size_t read_away(int fd)
{
	static char bytes[1u << 20];
	size_t all = 0;
	ssize_t n;

	while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0)
		all += (size_t)n;
	return all;
}

/* The CPU time of a turn of the loop, which other processes and threads do not change. */
static uint64_t turn_ns(void)
{
	struct timespec before, after;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
	event_base_loop(base, EVLOOP_NONBLOCK);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
	return (uint64_t)((after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec -
			  before.tv_nsec);
}

/* What a piece of the answer takes at least, until so many bytes of it have come. */
static uint64_t piece_ns(int fd, size_t *come, size_t until)
{
	uint64_t least = UINT64_MAX;

	while (*come < until) {
		uint64_t ns = turn_ns();
		size_t n = read_away(fd);

		*come += n;
		if (n > 0)
			least = MIN(least, ns);
	}
	return least;
}

/* One that moves what is left costs a hundred times more in the first half. */
Test(control, a_piece_of_an_answer_costs_the_same_however_much_is_left)
{
	size_t bytes = 64u << 20, come = 0;
	char *text = malloc(bytes);
	uint64_t first, second;
	int fd = connect_client();

	memset(text, 'x', bytes);
	waiting = 0;
	send_text(fd, "{\"id\":1,\"method\":\"reload\"}\n");
	while (waiting == 0)
		event_base_loop(base, EVLOOP_NONBLOCK);
	control_answer(control, waiting, json_stringn_nocheck(text, bytes));
	free(text);
	first = piece_ns(fd, &come, bytes / 2);
	second = piece_ns(fd, &come, bytes);
	close(fd);
	cr_expect_lt(first, 10 * second, "%llu and %llu ns", (unsigned long long)first,
		     (unsigned long long)second);
}

Test(control, a_line_that_is_never_completed_is_dropped_in_time)
{
	int fd = connect_client();
	struct buf line;

	send_text(fd, "{\"id\":1,");
	line = read_line(fd);
	cr_expect_str_eq(line.data, "", "closed without an answer");
	buf_done(&line);
	close(fd);
}

Test(control, silent_clients_are_closed_for_one_that_sends)
{
	int fds[CONTROL_CLIENTS_PER_UID * 2];
	struct buf line;

	for (size_t i = 0; i < array_size(fds); i++) {
		fds[i] = connect_client();
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	expect_answer(fds[array_size(fds) - 1], "{\"id\":1,\"method\":\"ping\"}\n",
		      "{\"id\":1,\"result\":\"pong\"}\n");
	line = read_line(fds[0]);
	cr_expect_str_eq(line.data, "", "the oldest was closed");
	buf_done(&line);
	for (size_t i = 0; i < array_size(fds); i++)
		close(fds[i]);
}

Test(control, clients_that_are_being_answered_are_not_closed_for_others)
{
	int fds[CONTROL_CLIENTS_PER_UID + 1];
	struct buf line;

	for (size_t i = 0; i < array_size(fds); i++) {
		fds[i] = connect_client();
		if (i < CONTROL_CLIENTS_PER_UID)
			send_text(fds[i], "{\"id\":1,\"method\":\"reload\"}\n");
		for (int turn = 0; turn < 3; turn++)
			event_base_loop(base, EVLOOP_NONBLOCK);
	}
	line = read_line(fds[CONTROL_CLIENTS_PER_UID]);
	cr_expect_str_eq(line.data, "", "the one too many is closed");
	buf_done(&line);
	control_answer(control, waiting, json_true());
	line = read_line(fds[CONTROL_CLIENTS_PER_UID - 1]);
	cr_expect_str_eq(line.data, "{\"id\":1,\"result\":true}\n");
	buf_done(&line);
	for (size_t i = 0; i < array_size(fds); i++)
		close(fds[i]);
}

/* Sends a line with two descriptors of one file. */
static void send_two_files(int fd, char *text, int file)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} files = {.head = {.cmsg_level = SOL_SOCKET,
			    .cmsg_type = SCM_RIGHTS,
			    .cmsg_len = CMSG_LEN(2 * sizeof(int))}};
	struct iovec iov = {text, strlen(text)};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = &files,
			   .msg_controllen = CMSG_SPACE(2 * sizeof(int))};
	int two[] = {file, file};

	memcpy(CMSG_DATA(&files.head), two, sizeof(two));
	cr_assert_eq(sendmsg(fd, &m, MSG_NOSIGNAL), (ssize_t)strlen(text));
}

Test(control, a_second_descriptor_is_not_kept)
{
	int fd = connect_client(), pipes[2];
	char ping[] = "{\"id\":1,\"method\":\"ping\"}\n", byte;
	struct buf line;

	cr_assert_eq(pipe2(pipes, O_CLOEXEC | O_NONBLOCK), 0);
	send_two_files(fd, ping, pipes[1]);
	close(pipes[1]);
	line = read_line(fd);
	buf_done(&line);
	cr_assert_eq(read(pipes[0], &byte, 1), 0, "the server keeps a descriptor");
	close(pipes[0]);
	close(fd);
}

static void set_descriptors(rlim_t soft)
{
	struct rlimit limit;

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = soft;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

Test(control, without_descriptors_accepting_pauses_and_resumes)
{
	const struct timeval while_full = {.tv_usec = 300000};
	int fd = connect_client(), next_fd = dup(fd), turns = 0;
	struct rlimit before;

	close(next_fd);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	set_descriptors((rlim_t)next_fd);
	event_base_loopexit(base, &while_full);
	while (!event_base_got_exit(base)) {
		event_base_loop(base, EVLOOP_ONCE);
		turns++;
	}
	set_descriptors(before.rlim_cur);
	cr_expect_lt(turns, 20, "%d", turns);
	expect_answer(fd, "{\"id\":1,\"method\":\"ping\"}\n", "{\"id\":1,\"result\":\"pong\"}\n");
	close(fd);
}

Test(control_line, an_error_carries_its_problems)
{
	struct buf out = BUF_INIT;
	json_t *id = json_integer(4), *problems = json_pack("[{s:s}]", "path", "streams[0]");

	control_put_error(&out, id, "config", "1 problem", problems);
	cr_assert(buf_ok(&out));
	cr_expect_str_eq(out.data, "{\"id\":4,\"error\":{\"code\":\"config\",\"message\":"
				   "\"1 problem\",\"problems\":[{\"path\":\"streams[0]\"}]}}\n");
	json_decref(id);
	json_decref(problems);
	buf_done(&out);
}
