/* main.c - the `amps` command. */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <signal.h>
#include "amps-cli/command.h"

int main(int argc, char *argv[])
{
	int code;

	/* names are UTF-8 whatever the locale says; its width tables are needed for tables */
	if (setlocale(LC_CTYPE, "") == NULL || MB_CUR_MAX == 1)
		(void)!setlocale(LC_CTYPE, "C.UTF-8");
	/* a server that goes away is an error of send(), it does not end this program */
	signal(SIGPIPE, SIG_IGN);
	code = command_main(argc, argv);
	if (fflush(stdout) != 0 && code == COMMAND_DONE)
		code = COMMAND_FAILED;
	return code;
}
