/* mpd_xml.h - reading the elements and attributes of a DASH manifest (XML Schema's datatypes).
 *
 * Everything is borrowed from the document; node may be NULL.  A value that is missing or cannot be
 * read, or is larger than any real one, becomes the caller's `missing`.  Times in microseconds. */
#ifndef AMPS_MPD_XML_H
#define AMPS_MPD_XML_H

#include <libxml/tree.h>

#include "common/base.h"

bool mpd_is_named(const xmlNode *node, const char *name);

/* The first child of this name and the next sibling of it, NULL = none. */
const xmlNode *mpd_child(const xmlNode *node, const char *name);
const xmlNode *mpd_next(const xmlNode *node, const char *name);

/* The value of an attribute, NULL = none. */
const char *mpd_attr(const xmlNode *node, const char *name);

int64_t mpd_number(const char *text, int64_t missing);
int64_t mpd_duration(const char *text, int64_t missing);
int64_t mpd_time(const char *text, int64_t missing);

/* `base` with what this element's first BaseURL adds to it.  The caller's; NULL without memory. */
must_check char *mpd_base_url(const char *base, const xmlNode *node);

#endif
