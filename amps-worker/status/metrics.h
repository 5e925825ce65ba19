/* metrics.h - /metrics as Prometheus text, or as the JSON of the older Amps for
 * `Accept: application/json` and `?format=json`.
 *
 * Reads what the workers and the master publish in shared memory, so that any worker can answer for
 * the whole server; nothing in it is secret. */
#ifndef AMPS_METRICS_H
#define AMPS_METRICS_H

#include "amps-worker/http/route.h"

void metrics_handle(const struct request *q, struct reply *r);

#endif
