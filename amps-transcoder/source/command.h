/* command.h - the output of a channel's command as a source: the job's side of its keeper
 * (command/keeper.h).  Waiting ends with the job's deadline and its orders. */
#ifndef AMPS_COMMAND_H
#define AMPS_COMMAND_H

#include "amps-transcoder/job/job.h"

struct command {
	int keeper;    /* job->keeper, borrowed */
	int master;    /* the job's own socket, borrowed */
	int output;    /* the pipe that the command writes to; -1: not open */
	bool ended;    /* `text` says how */
	bool finished; /* and all that it wrote has been read: nothing comes any more */
	char text[ERROR_TEXT_MAX];
};

/* Starts the command.  0; -ENODATA: it could not be started, `finished` is set; -ETIMEDOUT,
 * -ECANCELED. */
must_check int command_open(struct command *c, struct job *job);

/* Reads what the command wrote, waiting for timeout_ms.  The number of bytes, 0 (`finished` is
 * set), AVERROR(EAGAIN), or another libav error. */
int command_read(struct command *c, uint8_t *dst, size_t cap, int timeout_ms);

/* Ends the command and waits until the keeper has no process left, a little longer than
 * COMMAND_STOP_US. */
void command_close(struct command *c);

#endif
