/* calls.h - the system calls a job may make. */
#ifndef AMPS_SANDBOX_CALLS_H
#define AMPS_SANDBOX_CALLS_H

#include "common/base.h"

/* Loads the seccomp filter (no_new_privs must be set); without `sockets` none can be made, with
 * `routes` also one that asks the kernel for addresses and routes.  0 or -Exxx. */
must_check int sandbox_limit_calls(bool sockets, bool routes);

#endif
