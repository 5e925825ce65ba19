/* program.h - starts the program of a command, as the keeper's child.
 *
 * It gets /dev/null as standard input, a pipe each as standard output and standard error, and no
 * other descriptor; a process group of its own; no capability and no_new_privs (from the keeper);
 * PATH, HOME and LANG of the server and the variables of its definition, and nothing else of the
 * environment; default signals; SIGKILL when its parent dies. */
#ifndef AMPS_PROGRAM_H
#define AMPS_PROGRAM_H

#include <jansson.h>
#include <sys/types.h>
#include "common/base.h"

struct program {
	pid_t pid;	 /* of the process, and of its group */
	int out, errors; /* our ends of its pipes */
};

/* Starts what `command` says (lineup/command_spec.h makes it).  `data_mb` limits the private memory
 * that a process of it may reserve.  0; or -Exxx with a sentence in `reason`. */
must_check int program_start(const json_t *command, unsigned data_mb, struct program *ret,
			     char *reason, size_t cap);

#endif
