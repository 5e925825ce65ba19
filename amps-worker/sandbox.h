/* sandbox.h - the rights a worker gives up once it is set up.
 *
 * From then on it needs its open descriptors, memory, time, incoming connections and the files of
 * segments: no other file, no program, no outgoing connection.  It has no capability and
 * no_new_privs, Landlock rules that allow reading below one folder and no port (as far as the
 * kernel supports them), and a seccomp allow-list.  A call that is not on the list fails with
 * EPERM; execve and ptrace end the process.  Sanitizer builds need files and threads of their own:
 * they give up capabilities, programs and connections. */
#ifndef AMPS_WORKER_SANDBOX_H
#define AMPS_WORKER_SANDBOX_H

#include "common/base.h"

/* `media_fd` is the folder of segments; -1 = none.  0, or -Exxx if a kernel that supports these
 * limits refused them.  On a kernel that does not, logs that and returns 0. */
must_check int worker_sandbox_enter(int media_fd);

#endif
