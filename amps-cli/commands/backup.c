/* backup.c - `amps backup`: a copy of the server's database. */
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "amps-cli/client.h"
#include "amps-cli/command.h"
#include "common/limits.h"

static int complain(const char *path, int error)
{
	fprintf(stderr, "amps: %s: %s\n", path, strerror(error));
	return COMMAND_FAILED;
}

/* The whole copy, which the server has written to disk, takes the place of an older one. */
static int put_in_place(const char *copy, const char *path)
{
	_cleanup_(freep) char *text = strdup(path);
	_cleanup_(closep) int folder = -1;

	if (rename(copy, path) < 0)
		return complain(path, errno);
	if (text)
		folder = open(dirname(text), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder >= 0 && fsync(folder) < 0 && errno != EINVAL)
		return complain(path, errno);
	return COMMAND_DONE;
}

static int run(const struct command_call *call)
{
	json_auto_t *report = NULL;
	char copy[PATH_MAX];
	_cleanup_(closep) int fd = -1;
	struct stat st;
	int r;

	if (lstat(call->operand, &st) == 0 && !S_ISREG(st.st_mode)) {
		fprintf(stderr, "amps: %s: is no regular file\n", call->operand);
		return COMMAND_FAILED;
	}
	if ((size_t)snprintf(copy, sizeof(copy), "%s.XXXXXX", call->operand) >= sizeof(copy))
		return complain(call->operand, ENAMETOOLONG);
	/* the command opens it, because the server's user may not; its mode is 0600 */
	fd = mkostemp(copy, O_CLOEXEC);
	if (fd < 0)
		return complain(call->operand, errno);
	r = client_command_file(command_value(call, "socket"), "backup", NULL, fd,
				CONTROL_ANSWER_MS, &report);
	if (r == COMMAND_DONE)
		r = put_in_place(copy, call->operand);
	if (r != COMMAND_DONE)
		unlink(copy);
	return r;
}

const struct command cmd_backup = {
	.name = "backup",
	.operand = "FILE",
	.summary = "Copy the database of the running server",
	.detail = "\nFILE is replaced once the copy is whole.  To go back to it, stop the server\n"
		  "and put it in place of amps.db in the state folder, without amps.db-wal and\n"
		  "amps.db-shm.  It contains tokens and the credentials of sources.",
	.options = {COMMAND_OPTION_SOCKET},
	.run = run,
};
