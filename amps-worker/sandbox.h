/* sandbox.h - what a worker gives up once it is set up.
 *
 * It then needs its open descriptors, memory, time, and new connections that come to it: no file,
 * no program, no connection of its own.  No capability and no_new_privs; Landlock without a single
 * allowed path or port (as far as the kernel's version goes); a seccomp allow-list.  A call that is
 * not on the list fails with EPERM; execve and ptrace end the process.  Sanitizer builds need files
 * and threads of their own: they give up capabilities, programs and connections. */
#ifndef AMPS_SANDBOX_H
#define AMPS_SANDBOX_H

#include "common/base.h"

/* 0, or -Exxx when a kernel that has the means refused them.  A kernel without them is logged and
 * goes on. */
must_check int sandbox_enter(void);

#endif
