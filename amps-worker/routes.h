/* routes.h - every address the worker serves. */
#ifndef AMPS_ROUTES_H
#define AMPS_ROUTES_H

#include "amps-worker/http/route.h"

extern const struct route worker_routes[]; /* ends with a NULL pattern */

#endif
