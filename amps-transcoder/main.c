/* main.c - amps-transcoder: the nursery of jobs, the offline check of libav options, and the probe
 * of a source. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <libavformat/avformat.h>

#include "amps-transcoder/av/log.h"
#include "amps-transcoder/job_run.h"
#include "amps-transcoder/nursery.h"
#include "amps-transcoder/options/check_options.h"
#include "common/log/log.h"
#include "common/msg/msg.h"

#define EXIT_USAGE 2

static int usage(FILE *to, int code)
{
	fputs("Usage: amps-transcoder --nursery [text|json] | --check-options | --probe |\n"
	      "                       --version\n"
	      "  --nursery        start jobs for amps-master (its socket is descriptor 3)\n"
	      "  --check-options  check the options given as JSON on stdin against libav\n"
	      "  --probe          tell what the source given as JSON on stdin is\n",
	      to);
	return code;
}

static int nursery_command(int argc, char **argv)
{
	struct title title;

	title_init(&title, argc, argv);
	log_init("nursery", LOG_INFO, argc > 2 && !strcmp(argv[2], "json"));
	signal(SIGPIPE, SIG_IGN);
	avformat_network_init();
	/* every job has these from here: finding a function in two hundred libraries takes longer
	 * than the rest of a start */
	av_log_install();
	av_log_take_stderr();
	return nursery_main(MSG_CHILD_FD, &title);
}

static int probe_command(void)
{
	log_init("probe", LOG_WARNING, false);
	signal(SIGPIPE, SIG_IGN);
	avformat_network_init();
	return job_probe();
}

int main(int argc, char **argv)
{
	int code;

	if (argc != 2 && !(argc == 3 && !strcmp(argv[1], "--nursery")))
		return usage(stderr, EXIT_USAGE);
	if (!strcmp(argv[1], "--check-options"))
		return check_options_command();
	if (!strcmp(argv[1], "--version")) {
		puts("amps-transcoder " AMPS_VERSION);
		return 0;
	}
	if (!strcmp(argv[1], "--help"))
		return usage(stdout, 0);
	if (!strcmp(argv[1], "--probe"))
		code = probe_command();
	else if (!strcmp(argv[1], "--nursery"))
		code = nursery_command(argc, argv);
	else
		return usage(stderr, EXIT_USAGE);
	/* a job has sent its final message, a probe has answered; skip the destructors of two
	 * hundred libraries */
	fflush(NULL);
	_exit(code);
}
