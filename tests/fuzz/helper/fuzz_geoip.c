/* A file of countries with any bytes: the walk over its tree. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

#include "amps-helper/tasks.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);

	(void)argc;
	(void)argv;
	return dup2(nothing, STDOUT_FILENO) < 0; /* the table goes there */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[32], reason[256] = "";
	int fd = memfd_create("countries", MFD_CLOEXEC);
	json_t *task;

	if (fd < 0 || write_all(fd, data, size) < 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	task = json_pack("{s:s, s:i}", "path", path, "generation", 1);
	if (task != NULL && geoip_run(task, reason, sizeof(reason)) < 0 && reason[0] == '\0')
		__builtin_trap(); /* a failure has a reason */
	json_decref(task);
	close(fd);
	return 0;
}
