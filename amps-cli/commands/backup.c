/* backup.c - `amps backup`: a copy of the server's database. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "amps-cli/client.h"
#include "amps-cli/command.h"
#include "common/limits.h"

static int run(const struct command_call *call)
{
	json_auto_t *report = NULL;
	/* the command opens it, because the server's user may not */
	_cleanup_(closep) int fd = open(call->operand, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0) {
		fprintf(stderr, "amps: %s: %s\n", call->operand, strerror(errno));
		return COMMAND_FAILED;
	}
	return client_command_file(command_value(call, "socket"), "backup", NULL, fd,
				   CONTROL_ANSWER_MS, &report);
}

const struct command cmd_backup = {
	.name = "backup",
	.operand = "FILE",
	.summary = "Copy the database of the running server",
	.detail = "\nFILE is replaced.  To go back to it, stop the server and put it in place of\n"
		  "amps.db in the state folder, without amps.db-wal and amps.db-shm.  It contains\n"
		  "tokens and the credentials of sources.",
	.options = {COMMAND_OPTION_SOCKET},
	.run = run,
};
