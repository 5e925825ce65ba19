/* keeper.h - the process that owns the command of a channel (custom_ffmpeg).
 *
 *	master > job > guard > keeper > the command > whatever it starts
 *
 * A sandbox survives exec, so a job cannot start a command.  It forks the keeper before it gives up
 * its rights.  The keeper, and with it the command, has no capabilities and no_new_privs, but
 * neither the job's system call filter nor its Landlock rules.
 *
 * The keeper is a child subreaper: every process that the command starts stays below it, also one
 * that made itself a daemon.  It exits when none is left, and ends them
 *	when the job asks (SHUTDOWN): SIGTERM to the command's process group, SIGKILL to all that
 *		are left after COMMAND_STOP_US;
 *	when the job is gone (end of file), whatever killed it: SIGKILL at once.  A job dies with
 *its master, so this covers the death of the master, too; the nursery owns neither; when the
 *command has exited, or one of its processes uses too much memory. The guard, a child subreaper
 *too, does nothing but wait for the keeper.  If the keeper is killed, the kernel kills the command,
 *the guard inherits what is left and kills it, and the job ends.  If the guard is killed, the
 *keeper ends everything.
 *
 * Messages: COMMAND_RUN starts the command, COMMAND_OUTPUT has its standard output, COMMAND_ENDED
 * says how it ended.  Standard error goes to the log (stderr_log.h). */
#ifndef AMPS_KEEPER_H
#define AMPS_KEEPER_H

#include <sys/types.h>
#include "amps-transcoder/job/job.h"

#define COMMAND_STOP_US 1000000 /* from SIGTERM to SIGKILL; a job has two seconds to stop */

/* Forks the keeper of job->spec's "command"; its socket is job->keeper then.  To be called once,
 * before the job has threads or a sandbox.
 * In the job: the pid of the keeper, or -Exxx.  In the keeper: 0; it goes on with keeper_run(). */
must_check pid_t keeper_fork(struct job *job);

/* The guard and the keeper, until no process is left below them.  Returns the exit code. */
int keeper_run(const struct job *job);

#endif
