/* ts_start.c - runs a command that writes a transport stream to its standard output, and measures
 * the time from its start to the first bytes.  Prints one line of JSON with the names of tsload's,
 * in milliseconds.
 *
 * ts_start SECONDS COMMAND [ARGUMENT]...   SECONDS is how long it may take */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/bench/ts_file.h"
#include "tests/judge/ts_judge.h"

#define READ_BYTES (64u << 10)

static pid_t start(char **words, int *ret_output)
{
	int ends[2];
	pid_t pid;

	if (pipe(ends) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		close_range(STDERR_FILENO + 1, ~0u, 0);
		execvp(words[0], words);
		_exit(127);
	}
	close(ends[1]);
	*ret_output = ends[0];
	return pid;
}

/* Reads until the first key frame is complete.  Returns the time of the first byte, 0 = none. */
static uint64_t follow(int fd, struct ts_judge *t, uint64_t end_ns)
{
	static uint8_t buffer[READ_BYTES];
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint64_t now = pace_now_ns(), first = 0;
	ssize_t n;

	while (!t->picture_end_ns && now < end_ns) {
		if (poll(&p, 1, (int)((end_ns - now) / 1000000u) + 1) <= 0)
			break;
		n = read(fd, buffer, sizeof(buffer));
		now = pace_now_ns();
		if (n <= 0)
			break;
		first = first ? first : now;
		ts_judge_feed(t, buffer, (size_t)n, now);
	}
	return first;
}

static double since_ms(uint64_t from, uint64_t to)
{
	return (double)(to - from) / 1e6;
}

int main(int argc, char **argv)
{
	struct ts_judge t;
	uint64_t begin, first;
	int fd;
	pid_t pid;

	if (argc < 3 || strtod(argv[1], NULL) <= 0) {
		fputs("usage: ts_start SECONDS COMMAND [ARGUMENT]...\n", stderr);
		return 2;
	}
	ts_judge_init(&t, NULL, NULL);
	begin = pace_now_ns();
	pid = start(argv + 2, &fd);
	if (pid < 0) {
		perror("ts_start");
		return 2;
	}
	first = follow(fd, &t, begin + (uint64_t)(strtod(argv[1], NULL) * 1e9));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (!t.picture_end_ns) {
		fprintf(stderr, "ts_start: no key frame came\n");
		ts_judge_done(&t);
		return 1;
	}
	printf("{\"first_byte_ms\":%.3f,\"rap_ms\":%.3f,\"key_ms\":%.3f}\n", since_ms(begin, first),
	       since_ms(begin, t.access_ns), since_ms(begin, t.picture_end_ns));
	ts_judge_done(&t);
	return 0;
}
