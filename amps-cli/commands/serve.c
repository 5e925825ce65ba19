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
		  "An option overrides the same key of the configuration.",
	.options = {COMMAND_OPTION_CONFIG,
		    {"host", "H", "address to listen on"},
		    {"port", "N", "port to listen on; 0 = any free one"},
		    {"workers", "N", "worker processes (default: one per core)"},
		    {"state-dir", "D", "folder of the database"},
		    {"runtime-dir", "D", "folder of control.sock"},
		    {"media-root", "D", "folder of HLS and DASH files"},
		    {"log-level", "L", "debug, info, warning or error"}},
	.run = run,
};
