/* command.h - the commands of `amps`: one file and one const struct each, found through one table.
 *
 * A command is described by data (options, operand, summary), so that parsing, usage errors and
 * --help are the same everywhere.  Results go to stdout, errors to stderr. */
#ifndef AMPS_CLI_COMMAND_H
#define AMPS_CLI_COMMAND_H

#include "common/base.h"

#define COMMAND_OPTIONS_MAX 12

/* The exit codes of `amps`. */
enum command_exit {
	COMMAND_DONE = 0,
	COMMAND_FAILED = 1,
	COMMAND_USAGE = 2,
	COMMAND_NO_SERVER = 3,
};

struct command_option {
	const char *name;  /* without the dashes */
	const char *value; /* its placeholder in the help; NULL = a flag */
	const char *help;
};

struct command;
struct view; /* term/view.h */

/* One parsed command line.  Everything is borrowed from argv. */
struct command_call {
	const struct command *command;
	const char *values[COMMAND_OPTIONS_MAX]; /* by option index; a given flag is "" */
	const char *operand, *second;		 /* NULL when none was given */
};

struct command {
	const char *name;
	const char *operand; /* its placeholder, "[X]" if it may be left out; NULL = none */
	bool two;	     /* the placeholder stands for two words */
	const char *summary; /* one line of `amps --help` */
	const char *detail;  /* paragraphs of `amps COMMAND --help`; may be NULL */
	struct command_option options[COMMAND_OPTIONS_MAX]; /* ends at the first without a name */
	const struct view *view;			    /* for lineup_show() and watch_run() */
	int (*run)(const struct command_call *call);	    /* returns an enum command_exit */
};

/* Options that several commands share. */
#define COMMAND_OPTION_SOCKET                                                                      \
	{                                                                                          \
		"socket", "PATH",                                                                  \
			"control socket (default: control.sock in the runtime directory)"          \
	}
#define COMMAND_OPTION_JSON                                                                        \
	{                                                                                          \
		"json", NULL, "print JSON"                                                         \
	}
#define COMMAND_OPTION_WATCH                                                                       \
	{                                                                                          \
		"watch", NULL, "repeat every second"                                               \
	}
#define COMMAND_OPTION_CONFIG                                                                      \
	{                                                                                          \
		"config", "FILE",                                                                  \
			"configuration (default: ./config.yaml, else "                             \
			"/etc/amps/amps.yaml)"                                                     \
	}

/* Every command, in the order of `amps --help`; C(NAME) has its struct cmd_NAME in commands/NAME.c.
 */
#define COMMANDS(C)                                                                                \
	C(serve)                                                                                   \
	C(check)                                                                                   \
	C(list)                                                                                    \
	C(tuners)                                                                                  \
	C(viewers)                                                                                 \
	C(why)                                                                                     \
	C(stop)                                                                                    \
	C(kick)                                                                                    \
	C(status)                                                                                  \
	C(reload)                                                                                  \
	C(shutdown)                                                                                \
	C(import)                                                                                  \
	C(schedule)                                                                                \
	C(epg)                                                                                     \
	C(link)                                                                                    \
	C(tokens)                                                                                  \
	C(vlc)                                                                                     \
	C(config)                                                                                  \
	C(backup)

#define C(name) extern const struct command cmd_##name;
COMMANDS(C)
#undef C

/* The value given for an option of the call's command, "" for a given flag, NULL when not given. */
const char *command_value(const struct command_call *call, const char *option);

/* Runs `amps` with main()'s arguments and returns its exit code.  Never exits by itself, except
 * through a program that `serve` or `check` becomes. */
must_check int command_main(int argc, char *argv[]);

#endif
