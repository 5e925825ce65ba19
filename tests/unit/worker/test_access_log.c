/* The access log: what a line says, what it hides, and what happens to lines that cannot be
 * written. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include "amps-worker/http/access_log.h"
#include "common/log/log.h"
#include "unit.h"
#include "worker/catalog_fixture.h"

struct book {
	struct fixture *f;
	struct access_log log;
	struct worker_page page;
	int fd; /* where lines can be read */
	struct reply reply;
	char text[2 * ACCESS_LOG_BYTES];
};

static struct book book;

static void open_book(bool framed, bool json)
{
	memset(&book, 0, sizeof(book));
	log_init("worker", LOG_INFO, json);
	book.f = fixture_new();
	cr_assert_eq(fixture_publish(book.f, 1), 0);
	book.f->facts.mono_us = clock_mono_us();
	book.fd = memfd_create("log", MFD_CLOEXEC);
	reply_init(&book.reply);
	access_log_init(&book.log);
	cr_assert_not(access_log_on(&book.log));
	access_log_open(&book.log, fcntl(book.fd, F_DUPFD_CLOEXEC, 0), framed, &book.page);
	cr_assert(access_log_on(&book.log));
}

static void close_book(void)
{
	access_log_close(&book.log);
	fixture_free(book.f);
	close(book.fd);
}

/* The line of a request with these header lines, without its newline. */
static const char *line_of(const char *target, const char *fields, int status)
{
	static char head[HTTP_HEAD_MAX];
	struct http_request q;
	struct access_entry *e;
	ssize_t n;

	snprintf(head, sizeof(head), "GET %s HTTP/1.0\r\n%s\r\n", target, fields);
	cr_assert(fixture_request(head, &q), "%s", head);
	e = access_entry_new(&q, &book.f->facts, &book.reply);
	cr_assert_not_null(e);
	access_entry_set_status(e, status);
	cr_assert_eq(ftruncate(book.fd, 0), 0);
	lseek(book.fd, 0, SEEK_SET);
	cr_assert_null(access_log_end(&book.log, e, 188));
	access_log_flush(&book.log);
	n = pread(book.fd, book.text, sizeof(book.text) - 1, 0);
	cr_assert_gt(n, 0);
	cr_assert_eq(book.text[n - 1], '\n');
	book.text[n - 1] = '\0';
	cr_assert_null(strchr(book.text, '\n'), "two lines: %s", book.text);
	return book.text;
}

static const char *bad_line_of(const char *head, size_t len)
{
	struct access_entry *e = access_entry_new_bad(head, len, &book.f->facts);
	ssize_t n;

	access_entry_set_status(e, 400);
	cr_assert_eq(ftruncate(book.fd, 0), 0);
	lseek(book.fd, 0, SEEK_SET);
	access_log_end(&book.log, e, 0);
	access_log_flush(&book.log);
	n = pread(book.fd, book.text, sizeof(book.text) - 1, 0);
	cr_assert_gt(n, 0);
	book.text[n - 1] = '\0';
	cr_assert_null(strchr(book.text, '\n'), "two lines: %s", book.text);
	return book.text;
}

#define HOLDS(line, part)                                                                          \
	do {                                                                                       \
		const char *line_ = (line);                                                        \
		cr_expect_not_null(strstr(line_, part), "%s is not in: %s", part, line_);          \
	} while (0)

Test(access_log, a_line_names_client_request_and_answer)
{
	struct token_entry guest = {.name = "living room"};
	const char *line;
	int h, m;

	open_book(false, false);
	line = line_of("/playlist.m3u?group=a%20b", "User-Agent: VLC/3\r\n", 404);
	cr_expect_eq(sscanf(line, "192.0.2.7 - - [20%*2d-%*2d-%*2dT%2d:%2d:%*2d.%*3dZ]", &h, &m),
		     2);
	HOLDS(line, "Z] \"GET /playlist.m3u?group=a%20b HTTP/1.0\" 404 188 \"-\" \"VLC/3\" ms=");
	cr_expect_null(strstr(line, "channel="));
	book.reply.asker = &guest;
	book.reply.kind = REPLY_STREAM;
	book.reply.channel = 5;
	book.reply.variant = "s d";
	line = line_of("/stream/5", "", 0);
	HOLDS(line, "192.0.2.7 - living\\x20room [");
	HOLDS(line, "\"GET /stream/5 HTTP/1.0\" 499 188 \"-\" \"-\" ms=");
	HOLDS(line, " channel=5 variant=s\\x20d");
	close_book();
}

Test(access_log, a_line_of_json_has_the_same)
{
	struct token_entry guest = {.name = "living \"room\""};
	const char *line;

	open_book(false, true);
	book.reply.asker = &guest;
	book.reply.kind = REPLY_STREAM;
	book.reply.channel = 5;
	line = line_of("/stream/5?token=x", "User-Agent: a\"b\r\n", 200);
	cr_expect_eq(strncmp(line, "{\"ts\":\"20", 9), 0, "%s", line);
	HOLDS(line, ",\"address\":\"192.0.2.7\",\"token_name\":\"living \\\"room\\\"\","
		    "\"method\":\"GET\",\"target\":\"/stream/5?token=***\",\"http\":\"1.0\","
		    "\"status\":200,\"bytes\":188,\"ms\":");
	HOLDS(line, ",\"agent\":\"a\\\"b\",\"channel\":\"5\"}");
	close_book();
	open_book(true, true);
	line = line_of("/", "", 200);
	HOLDS(line, ",\"level\":\"info\",\"program\":\"worker\",\"pid\":");
	HOLDS(line, ",\"message\":\"request\",\"fields\":{\"address\":\"192.0.2.7\",");
	cr_expect_str_eq(line + strlen(line) - 2, "}}");
	close_book();
}

Test(access_log, a_line_in_the_ordinary_log_begins_like_the_others)
{
	open_book(true, false);
	HOLDS(line_of("/", "", 200), "Z info    worker[");
	HOLDS(book.text, "] 192.0.2.7 - - [");
	close_book();
}

Test(access_log, a_secret_is_in_no_line)
{
	static const char *const targets[] = {
		"/a?token=SECRET",
		"/a?x=1&token=SECRET&y=2",
		"/a?%74oken=SECRET",
		"/a?%74%6F%6b%65%6E=SECRET",
		"/a?TOKEN=SECRET",
		"/a?token=;SECRET",
		"/a?token=x;SECRET=y",
		"/a?token=a=SECRET",
		"/a?token=?SECRET",
		"/a?x=1;token=x;SECRET",
		"/a?x?token=x?SECRET",
		"/a%3Ftoken=SECRET",
		"/a;token=SECRET?x=1",
		"/a?token=a;b&x=1&sig=a;SECRET",
		"/a?sig=SECRET&signature=SECRET&X-Amz-Signature=SECRET",
		"/a?api_key=SECRET&password=SECRET",
		"/a?url=http://user:SECRET@host/",
		"/a?url=http://host/%3Fx&&token=SECRET",
		"http://tv.lan/a?token=SECRET",
	};
	char head[256];

	open_book(false, false);
	for (size_t i = 0; i < array_size(targets); i++) {
		const char *line = line_of(targets[i],
					   "X-Amps-Token: SECRET\r\n"
					   "Authorization: Bearer SECRET\r\n",
					   200);

		cr_expect_null(strstr(line, "SECRET"), "%s: %s", targets[i], line);
		snprintf(head, sizeof(head), "GET %s HTTP/9\r\nX-Amps-Token: SECRET\r\n\r\n",
			 targets[i]);
		line = bad_line_of(head, strlen(head));
		cr_expect_null(strstr(line, "SECRET"), "%s: %s", head, line);
	}
	HOLDS(line_of("/a?x=1&token=SECRET&y=2", "", 200), "/a?x=1&token=***&y=2 ");
	HOLDS(line_of("/a?u=SECRET&pw=SECRET&id=7", "", 200), "/a?u=***&pw=***&id=7 ");
	HOLDS(line_of("/a?tok=1&y=a=b&z", "", 200), "/a?tok=1&y=a=b&z ");
	close_book();
}

Test(access_log, a_configured_token_is_in_no_line)
{
	char head[256];

	open_book(false, false);
	strcpy(book.f->entries[0].token, "Guest-5ecret");
	book.f->entry_count = 1;
	cr_assert_eq(fixture_publish(book.f, 2), 0);
	HOLDS(line_of("/Guest-5ecret/1.ts?x=Guest%2D5ecret&y=2", "User-Agent: a Guest-5ecret b\r\n",
		      404),
	      "/***/1.ts?x=***&y=2 HTTP/1.0\" 404 188 \"-\" \"a *** b\"");
	snprintf(head, sizeof(head), "Guest-5ecret /aGuest-5ecret HTTP/9\r\n\r\n");
	HOLDS(bad_line_of(head, strlen(head)), "\"*** /a*** HTTP/9\"");
	close_book();
}

Test(access_log, a_client_cannot_forge_a_line)
{
	static const char head[] = "GET /\x1b[2J\"\\\0x?tok\0en=1\rX HTTP/1.1\r\n\r\n";

	open_book(false, false);
	HOLDS(line_of("/",
		      "User-Agent: x\"\\ \x80 \xc2\x9b\xe2\x80\xae"
		      "2J\r\n",
		      200),
	      "\"x\\\"\\\\ \\x80 \\x9b\\u202e2J\" ms=");
	HOLDS(bad_line_of(head, sizeof(head) - 1),
	      " \"GET /\\x1b[2J\\\"\\\\\\x01x?tok\\x01en=1\\x0dX HTTP/1.1\" 400 ");
	HOLDS(bad_line_of("", 0), " - - [");
	HOLDS(bad_line_of("\r\n", 2), " \"\" 400 0 ");
	close_book();
}

Test(access_log, a_line_is_bounded)
{
	static char target[HTTP_LINE_MAX], fields[HTTP_HEAD_MAX], bad[HTTP_HEAD_MAX];
	static char variant[VARIANT_NAME_MAX + 1];
	struct token_entry guest = {.name = ""};

	memset(target, '\'', 7000);
	target[0] = '/';
	strcpy(fields, "User-Agent: ");
	memset(fields + 12, '\\', 4000);
	strcpy(fields + 4012, "\r\n");
	memset(guest.name, ' ', sizeof(guest.name));
	memset(bad, 1, sizeof(bad));
	memset(variant, '"', VARIANT_NAME_MAX);
	for (unsigned json = 0; json < 2; json++) {
		open_book(true, json);
		book.reply.asker = &guest;
		book.reply.kind = REPLY_STREAM;
		book.reply.variant = variant;
		cr_expect_lt(strlen(line_of(target, fields, 200)), LOG_LINE_MAX - 1);
		HOLDS(book.text, "'...");
		HOLDS(book.text, "\\\\...\"");
		HOLDS(book.text, json ? "\"}}" : "variant=");
		cr_expect_lt(strlen(bad_line_of(bad, sizeof(bad))), LOG_LINE_MAX - 1);
		HOLDS(book.text, "01...\"");
		close_book();
	}
}

static void end_one(void)
{
	struct access_entry *e = access_entry_new_bad("GET /x", 6, &book.f->facts);

	access_entry_set_status(e, 400);
	access_log_end(&book.log, e, 0);
}

static size_t lines_in(int fd)
{
	size_t lines = 0;
	ssize_t n;

	while ((n = read(fd, book.text, sizeof(book.text))) > 0)
		for (ssize_t i = 0; i < n; i++)
			lines += book.text[i] == '\n';
	return lines;
}

static uint64_t dropped(void)
{
	return atomic_load(&book.page.access_log_dropped);
}

Test(access_log, lines_wait_for_a_full_pipe_and_are_then_counted_as_dropped)
{
	size_t ended = 0, taken;
	int p[2];

	open_book(false, false);
	cr_assert_eq(pipe2(p, O_NONBLOCK | O_CLOEXEC), 0);
	access_log_open(&book.log, p[1], false, &book.page);
	for (; dropped() < 100; ended++)
		end_one();
	cr_expect_leq(book.log.len, ACCESS_LOG_BYTES);
	taken = lines_in(p[0]);
	cr_expect_gt(taken, 0);
	while (book.log.len) {
		access_log_flush(&book.log);
		taken += lines_in(p[0]);
	}
	cr_expect_eq(taken + dropped(), ended, "%zu of %zu, %zu lost", taken, ended,
		     (size_t)dropped());
	end_one();
	access_log_flush(&book.log);
	cr_expect_eq(lines_in(p[0]), 1, "it goes on");
	close(p[0]);
	close_book();
}

Test(access_log, lines_that_cannot_be_written_are_counted)
{
	open_book(false, false);
	access_log_open(&book.log, open("/dev/full", O_WRONLY | O_CLOEXEC), false, &book.page);
	for (unsigned i = 0; i < 1000; i++)
		end_one();
	access_log_flush(&book.log);
	cr_expect_eq(dropped(), 1000);
	access_log_open(&book.log, fcntl(book.fd, F_DUPFD_CLOEXEC, 0), false, &book.page);
	end_one();
	access_log_flush(&book.log);
	cr_expect_eq(lseek(book.fd, 0, SEEK_CUR) > 0 && dropped() == 1000, true);
	close_book();
}

Test(access_log, waiting_lines_go_to_the_old_file)
{
	int other = memfd_create("other", MFD_CLOEXEC);

	open_book(false, false);
	end_one();
	access_log_open(&book.log, fcntl(other, F_DUPFD_CLOEXEC, 0), false, &book.page);
	end_one();
	end_one();
	access_log_close(&book.log);
	cr_expect_not(access_log_on(&book.log));
	lseek(book.fd, 0, SEEK_SET);
	lseek(other, 0, SEEK_SET);
	cr_expect_eq(lines_in(book.fd), 1);
	cr_expect_eq(lines_in(other), 2);
	end_one(); /* off: it only ends */
	close(other);
	close_book();
}

/* The last line is cut at the limit of the file's size; once the file may grow again, the next line
 * starts on a line of its own. */
Test(access_log, a_line_that_was_cut_is_ended_before_the_next)
{
	struct rlimit limit = {100, RLIM_INFINITY};
	size_t n;

	signal(SIGXFSZ, SIG_IGN);
	open_book(false, false);
	end_one();
	access_log_flush(&book.log);
	n = (size_t)lseek(book.fd, 0, SEEK_CUR);
	limit.rlim_cur = n * 2 + n / 2;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	for (unsigned i = 0; i < 3; i++)
		end_one();
	access_log_flush(&book.log);
	cr_expect_eq(dropped(), 2);
	limit.rlim_cur = RLIM_INFINITY;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	end_one();
	access_log_flush(&book.log);
	lseek(book.fd, 0, SEEK_SET);
	cr_expect_eq(lines_in(book.fd), 4);
	HOLDS(book.text, "\n192.0.2.7 - - [");
	cr_expect_not_null(memmem(book.text + 2 * n + 1, n, "\n192.0.2.7 - ", 13));
	cr_expect_eq(dropped(), 2);
	close_book();
}
