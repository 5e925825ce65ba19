/* serve.c - `amps serve`: becomes the server.  systemd and Docker start this. */
#include "amps-cli/program.h"

static int run(const struct command_call *call)
{
	return program_become(NULL, call);
}

const struct command cmd_serve = {
	.name = "serve",
	.summary = "Run the server in the foreground",
	.detail =
		"\nSIGTERM and SIGINT stop it cleanly; SIGHUP reloads the configuration and opens\n"
		"the access log again, so that it can be rotated.  An option overrides the same\n"
		"key of the configuration.\n\n"
		"Started as root, it binds its ports, creates its folders and then becomes the\n"
		"user server.user (default: amps, if that user exists).",
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
