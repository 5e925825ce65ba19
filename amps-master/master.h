/* master.h - the control plane: owns the database, the shared memory, the sockets and all children.
 *
 * One process, one loop that never waits; it reads no byte from the network. */
#ifndef AMPS_MASTER_H
#define AMPS_MASTER_H

#include "amps-master/config/serve_options.h"

/* Starts, serves until a signal or a request stops it, cleans up.  Returns the exit code. */
int master_run(const struct serve_options *o);

#endif
