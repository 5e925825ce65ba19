/* xmltv.h - the elements of an XMLTV document, in the order of its DTD.  Pure. */
#ifndef AMPS_XMLTV_H
#define AMPS_XMLTV_H

#include "common/shm/programmes.h"
#include "common/text/buf.h"

#define XMLTV_END "</tv>\n"

void xmltv_put_head(struct buf *b);

/* The channel, with the address of its stream. */
void xmltv_put_channel(struct buf *b, const struct catalog *c, const struct catalog_channel *ch,
		       const char *url);

/* A programme of the channel with this id. */
void xmltv_put_programme(struct buf *b, const char *id, const struct programme *p);

#endif
