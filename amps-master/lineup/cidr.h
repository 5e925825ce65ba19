/* cidr.h - networks as they are written: "10.0.0.0/8", "::1". */
#ifndef AMPS_CIDR_H
#define AMPS_CIDR_H

#include "common/base.h"
#include "common/shm/catalog_layout.h"

/* An address alone is a network of one; an IPv4 one is mapped into IPv6.  False: it is no network.
 */
must_check bool cidr_parse(const char *text, struct catalog_cidr *ret);

#endif
