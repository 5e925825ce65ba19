/* geoip_import.h - reads the file of countries (region.geoip) and publishes it.
 *
 *	the configuration is loaded -> amps-helper reads the file -> sealed, published
 *
 * Whatever fails, what was read last stays.  The file is read at the start and at each reload.
 *
 * Owned by the master, used in its loop only. */
#ifndef AMPS_GEOIP_IMPORT_H
#define AMPS_GEOIP_IMPORT_H

#include "amps-master/store/publication.h"
#include "amps-master/system/helper.h"

struct geoip_import;

struct geoip_env {
	struct helpers *helpers;
	void *owner;
	/* A snapshot to publish; takes it out of *p. */
	void (*publish)(void *owner, struct published *p);
	void (*warn)(void *owner, const char *message); /* to those who watch the server */
};

/* 0 or -ENOMEM. */
must_check int geoip_import_new(const struct geoip_env *env, struct geoip_import **ret);
struct geoip_import *geoip_import_free(struct geoip_import *g); /* returns NULL; accepts NULL */

/* A publication is applied: if it has settings, they name the file, which is read again. */
void geoip_import_follow(struct geoip_import *g, const struct publication *p);

/* Is nothing being read? */
bool geoip_import_idle(const struct geoip_import *g);

#endif
