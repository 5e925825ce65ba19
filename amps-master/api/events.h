/* events.h - what happens in the server, into the channel table, for /api/events.
 *
 * Used in the master's loop.  An event is one JSON object:
 *	channel  {"action":"added|changed|removed","id","name"}
 *	tuner    {"key","stream_id","state","error"}
 *	viewer   {"action":"started|ended","id","stream_id"}
 *	warning  {"message"} */
#ifndef AMPS_MASTER_EVENTS_H
#define AMPS_MASTER_EVENTS_H

#include <jansson.h>
#include "common/base.h"
#include "common/shm/chantab.h"

/* The report of a publication; of the first one, which has every channel, the warnings only. */
void events_of_report(void *chantab, const json_t *report, bool first);
void event_of_tuner(void *chantab, uint32_t channel, const char *key, enum tuner_state state,
		    const char *error);
void event_of_viewer(void *chantab, bool started, uint64_t id, uint32_t channel);
void event_of_warning(void *chantab, const char *message);

#endif
