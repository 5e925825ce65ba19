/* process.h - what proc(5) says about a process. */
#ifndef AMPS_PROCESS_H
#define AMPS_PROCESS_H

#include <sys/types.h>
#include "common/base.h"

/* The private memory in bytes: without files and shared memory, such as rings.  0 after it exited.
 */
uint64_t process_own_bytes(pid_t pid);

#endif
