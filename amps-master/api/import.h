/* import.h - an M3U playlist, given or at a URL, becomes the channels of a request.
 *
 *	the body is read (database thread) -> amps-helper fetches the URL -> `amps import --json`
 *	converts it -> call->body is the array that edit_run() takes
 *
 * Both programs are helper processes; nothing of a playlist is parsed here. */
#ifndef AMPS_MASTER_IMPORT_H
#define AMPS_MASTER_IMPORT_H

#include "amps-master/api/call.h"

/* Reads the body of the request, in the database thread (STORE_CALL): sets call->import, or the
 * result. */
void import_read(struct store_work *w, void *call, int64_t wall_us, struct store_answer *ret);

/* Continues with call->import.  Then `done`, once: without a result, the body is ready. */
void import_start(struct api_call *c, struct helpers *helpers, void (*done)(struct api_call *c));

#endif
