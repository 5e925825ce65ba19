/* test_fetch.c - descriptions of a fetch that are refused, and reasons that need no server */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include "unit.h"

#include "amps-helper/tasks.h"

static char reason[512];

static int fetch(const char *text)
{
	json_t *task = json_loads(text, 0, NULL);
	int r;

	cr_assert_not_null(task);
	reason[0] = '\0';
	r = fetch_run(task, reason, sizeof(reason));
	json_decref(task);
	return r;
}

Test(fetch, a_description_has_a_url_and_limits_in_range)
{
	static const char *const wrong[] = {
		"{}",
		"[]",
		"{\"url\":5}",
		"{\"url\":\"http://127.0.0.1:1/\",\"more\":1}",
		"{\"url\":\"http://127.0.0.1:1/\",\"seconds\":0}",
		"{\"url\":\"http://127.0.0.1:1/\",\"seconds\":31}",
		"{\"url\":\"http://127.0.0.1:1/\",\"bytes\":0}",
		"{\"url\":\"http://127.0.0.1:1/\",\"bytes\":16777217}",
	};

	for (size_t i = 0; i < array_size(wrong); i++) {
		cr_expect_eq(fetch(wrong[i]), -EINVAL, "%s", wrong[i]);
		cr_expect_eq(strncmp(reason, "fetch: ", 7), 0, "%s", reason);
	}
}

Test(fetch, other_protocols_are_refused)
{
	static const char *const urls[] = {"file:///etc/passwd", "ftp://127.0.0.1/", "gopher://h/",
					   "FILE:/etc/passwd", "dict://127.0.0.1:1/"};

	for (size_t i = 0; i < array_size(urls); i++) {
		char text[128];

		snprintf(text, sizeof(text), "{\"url\":\"%s\"}", urls[i]);
		cr_expect_eq(fetch(text), -EIO, "%s", urls[i]);
		cr_expect_str_eq(reason, "only http and https are allowed", "%s", urls[i]);
	}
}

Test(fetch, a_refused_connection_is_named)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0); /* bound, but it does not listen */
	char text[128];

	cr_assert_eq(bind(fd, (struct sockaddr *)&at, size), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&at, &size), 0);
	snprintf(text, sizeof(text), "{\"url\":\"http://u:secret@127.0.0.1:%d/\"}",
		 ntohs(at.sin_port));
	cr_expect_eq(fetch(text), -EIO);
	cr_expect_str_eq(reason, "no connection: Connection refused");
	close(fd);
}
