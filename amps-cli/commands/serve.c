/* serve.c - `amps serve`: becomes the server.  systemd and Docker start this. */
#include "amps-cli/program.h"

static int run(const struct command_call *call)
{
	return program_become(NULL, call);
}

const struct command cmd_serve = {
	.name = "serve",
	.summary = "Run the server in the foreground",
	.detail = "\nSIGTERM and SIGINT stop it cleanly, SIGHUP reloads the configuration.\n"
		  "An option stands over the same key of the configuration.",
	.options = {COMMAND_OPTION_CONFIG,
		    {"host", "H", "address to listen on"},
		    {"port", "N", "port to listen on; 0 = any free one"},
		    {"workers", "N", "worker processes (default: one a core)"},
		    {"state-dir", "D", "where the database lives"},
		    {"runtime-dir", "D", "where control.sock lives"},
		    {"media-root", "D", "where HLS and DASH files live"},
		    {"log-level", "L", "debug, info, warning or error"}},
	.run = run,
};
