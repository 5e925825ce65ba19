/* health.h - /healthz (this process answers) and /readyz (the workers are up and the database can
 * be written).  Handlers of route.c. */
#ifndef AMPS_HEALTH_H
#define AMPS_HEALTH_H

#include "amps-worker/http/route.h"

void health_live(const struct request *q, struct reply *r);
void health_ready(const struct request *q, struct reply *r);

#endif
