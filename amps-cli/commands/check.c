/* check.c - `amps check`: validates a configuration without starting anything. */
#include "amps-cli/program.h"

static int run(const struct command_call *call)
{
	return program_become("--check", call);
}

const struct command cmd_check = {
	.name = "check",
	.summary = "Check a configuration and print every problem",
	.detail =
		"\nEach problem is one line, FILE:LINE: path: message.  Errors make the exit code\n"
		"1, warnings only with --strict.  --database also says how good the database in\n"
		"the state folder is and, if it is damaged, what to do.  A program of\n"
		"custom_ffmpeg that is not there is a warning, and so is a yt-dlp that is missing\n"
		"or older than 180 days, if a channel needs it.",
	.options = {COMMAND_OPTION_CONFIG,
		    COMMAND_OPTION_JSON,
		    {"strict", NULL, "warnings fail as well"},
		    {"database", NULL, "judge the database too"},
		    {"state-dir", "D", "its folder (default: server.state_dir)"}},
	.run = run,
};
