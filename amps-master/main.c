/* main.c - amps-master: the server's control plane, and its helpers under the same name. */
#include <stdio.h>
#include <string.h>
#include "amps-master/bulk_memory.h"
#include "amps-master/check_command.h"
#include "amps-master/list_command.h"
#include "amps-master/master.h"
#include "common/log.h"
#include "common/msg.h"

static const char help[] =
	"usage: amps-master [OPTION...]\n"
	"       amps-master --check [--config FILE] [--json] [--strict]\n"
	"       amps-master --list|--schedule [--config FILE]\n"
	"\n"
	"Runs the server in the foreground; `amps serve` starts it.\n"
	"\n"
	"  --config FILE      default: ./config.yaml, else /etc/amps/amps.yaml\n"
	"  --host ADDRESS     to listen on\n"
	"  --port N           0 = any free one\n"
	"  --workers N        processes that serve clients, or auto\n"
	"  --state-dir DIR    the database\n"
	"  --runtime-dir DIR  control.sock, pid\n"
	"  --media-root DIR   segments of HLS and DASH\n"
	"  --log-level LEVEL  debug, info, warning or error\n"
	"  --version, --help\n"
	"\n"
	"SIGTERM and SIGINT stop it cleanly (twice: at once), SIGHUP reloads the configuration.\n";

int main(int argc, char **argv)
{
	struct serve_options options;

	log_init("master", LOG_INFO, false);
	if (argc > 1 && strcmp(argv[1], "--check") == 0) {
		bulk_memory_prepare();
		return check_command(argc, argv);
	}
	if (argc > 1 && (strcmp(argv[1], "--list") == 0 || strcmp(argv[1], "--schedule") == 0))
		return list_command(argc, argv);
	if (serve_options_parse(&options, argc, argv) != 0)
		return 2;
	if (options.help)
		return fputs(help, stdout) < 0;
	if (options.version)
		return printf("amps-master %s\n", AMPS_VERSION) < 0;
	if (options.load) {
		bulk_memory_prepare();
		return load_command(&options, MSG_CHILD_FD);
	}
	return master_run(&options);
}
