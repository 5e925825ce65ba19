/* xml_repair.h - makes what many guides contain well-formed, as it comes: an '&' that begins no
 * reference becomes "&amp;" ("&nbsp;" a space), and characters that XML does not have become
 * spaces. The number of lines stays the same; nothing in CDATA and comments changes but those
 * characters. */
#ifndef AMPS_XML_REPAIR_H
#define AMPS_XML_REPAIR_H

#include "common/base.h"
#include "common/text/buf.h"

struct xml_repair {
	enum {
		REPAIR_FIRST,
		REPAIR_TEXT,
		REPAIR_REFERENCE,
		REPAIR_DATA,
		REPAIR_COMMENT,
		REPAIR_OFF
	} state;
	char held[12]; /* of a reference: what follows the '&' */
	size_t held_bytes;
	char last[9]; /* the last bytes before this one, to see marks */
};

/* Appends the repaired form of some bytes; of a zeroed struct at first. */
void xml_repair_add(struct xml_repair *x, const char *bytes, size_t n, struct buf *out);
void xml_repair_end(struct xml_repair *x, struct buf *out);

#endif
