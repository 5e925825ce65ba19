/* edit.h - what the API writes: channels and their programmes, in one transaction a request.
 *
 * Runs in the database thread (STORE_CALL; `call` is a struct api_call).  The request is read, laid
 * over what the database has, checked by the rules of the configuration file, and stored; the
 * answer then carries a publication and the call its result.  A request that is refused changes
 * nothing.  If libav has to judge options first, there is neither: `questions` of the call are then
 * what to ask, and with the `verdicts` it is run again.
 *
 * A source to probe is checked in the same way; nothing is stored, and the call gets the `probe`.
 */
#ifndef AMPS_EDIT_H
#define AMPS_EDIT_H

#include "amps-master/api/call.h"

void edit_run(struct store_work *w, void *call, int64_t wall_us, struct store_answer *ret);

#endif
