/* xml.h - writes text into an XML document, so that nothing in it can end an element or a value. */
#ifndef AMPS_XML_H
#define AMPS_XML_H

#include "common/text/buf.h"

/* Appends UTF-8 text for an element or a quoted attribute.  Characters that XML 1.0 does not have
 * are left out; a byte that is not UTF-8 becomes '?'. */
void xml_put(struct buf *b, const char *text, size_t len);

/* The same in an element of this name; nothing for NULL. */
void xml_element(struct buf *b, const char *name, const char *text);

/* Appends what xml_put() was given, but for what it left out. */
void xml_read(struct buf *b, const char *text, size_t len);

#endif
