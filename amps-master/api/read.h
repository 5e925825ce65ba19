/* read.h - what the API reads from the database: channels, programmes, profiles.
 *
 * Each runs in the database thread (STORE_CALL; `call` is a struct api_call) and sets the call's
 * result.  A viewer gets fields of an allow-list only. */
#ifndef AMPS_READ_H
#define AMPS_READ_H

#include "amps-master/api/call.h"

void read_streams(struct store_work *w, void *call, int64_t wall_us, struct store_answer *ret);
void read_stream(struct store_work *w, void *call, int64_t wall_us, struct store_answer *ret);
void read_programs(struct store_work *w, void *call, int64_t wall_us, struct store_answer *ret);
void read_profiles(struct store_work *w, void *call, int64_t wall_us, struct store_answer *ret);
void read_plugins(struct store_work *w, void *call, int64_t wall_us, struct store_answer *ret);

#endif
