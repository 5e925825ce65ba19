/* main.c - amps-worker: serves the clients of one core.  Only amps-master starts it, with its
 *socket on descriptor MSG_CHILD_FD.
 *
 *	amps-worker [--log-level LEVEL] [--log-format text|json] */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "amps-worker/sandbox.h"
#include "amps-worker/worker.h"
#include "common/log/log.h"
#include "common/msg/log_copy.h"

static int parse_options(int argc, char **argv)
{
	static const struct option options[] = {
		{"log-level", required_argument, NULL, 'l'},
		{"log-format", required_argument, NULL, 'f'},
		{0},
	};
	enum log_level level = LOG_INFO;
	bool json = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'f')
			json = strcmp(optarg, "json") == 0;
		else if (c != 'l' || log_parse_level(optarg, &level) < 0)
			return -EINVAL;
	}
	if (optind != argc)
		return -EINVAL;
	log_init("worker", level, json);
	return 0;
}

int main(int argc, char **argv)
{
	static struct worker worker;
	struct stat st;
	int r;

	if (parse_options(argc, argv) < 0 || fstat(MSG_CHILD_FD, &st) < 0 ||
	    !S_ISSOCK(st.st_mode)) {
		fprintf(stderr, "amps-worker is started by amps-master\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN); /* a terminal sends ^C to every process; the master handles it */
	log_copy_to(MSG_CHILD_FD, false);
	r = worker_init(&worker, MSG_CHILD_FD, worker_sandbox_enter);
	if (r < 0) {
		log_error("cannot start (%s), ending", strerror(-r));
		worker_done(&worker);
		return 1;
	}
	r = worker_run(&worker);
	worker_done(&worker);
	return r;
}
