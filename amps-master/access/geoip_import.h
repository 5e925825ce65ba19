/* geoip_import.h - reads the file of countries (region.geoip) and publishes it.
 *
 *	the configuration is loaded -> amps-helper reads the file -> sealed, published
 *
 * Whatever fails, what was read last stays.  The file is read at the start and at each reload.
 *
 * Owned by the master, used in its loop only. */
#ifndef AMPS_GEOIP_IMPORT_H
#define AMPS_GEOIP_IMPORT_H

#include "amps-master/children/worker_pool.h"
#include "amps-master/store/publication.h"
#include "amps-master/system/helper.h"
#include "common/shm/chantab.h"

struct geoip_import;

/* Publishes to the workers of `pool`; a failure is also an event in `chantab`.  All three are
 * borrowed.  0 or -ENOMEM. */
must_check int geoip_import_new(struct helpers *helpers, struct worker_pool *pool,
				struct chantab_header *chantab, struct geoip_import **ret);
struct geoip_import *geoip_import_free(struct geoip_import *g); /* returns NULL; accepts NULL */

/* A publication is applied: if it has settings, they name the file, which is read again. */
void geoip_import_follow(struct geoip_import *g, const struct publication *p);

/* Is nothing being read? */
bool geoip_import_idle(const struct geoip_import *g);

#endif
