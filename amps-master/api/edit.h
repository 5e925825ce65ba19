/* edit.h - what the API writes: channels and their programmes, a request as a whole or not at all.
 *
 * Runs in the database thread (STORE_CHANGE, or STORE_CALL for a dry run or a probe; `call` is a
 * struct api_call).  The request is read, laid over what the database has, checked by the rules of
 * the configuration file, and added to the transaction that is open; the call then has the result
 * that stands once that is committed.  A request that is refused changes nothing.  If libav has to
 * judge options first, the call has no result yet: its `questions` are then what to ask, and with
 * the `verdicts` it is run again.
 *
 * A source to probe is checked in the same way; nothing is stored, and the call gets the `probe`.
 */
#ifndef AMPS_EDIT_H
#define AMPS_EDIT_H

#include "amps-master/api/call.h"

void edit_run(struct store_work *w, void *call, int64_t wall_us, struct store_answer *ret);

#endif
