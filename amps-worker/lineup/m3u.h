/* m3u.h - writes values into an M3U playlist so that none of them can end a line, an attribute or a
 * name early.  Control characters and the line and paragraph separators of Unicode are left out; a
 * double quote becomes a single one. */
#ifndef AMPS_M3U_H
#define AMPS_M3U_H

#include "common/text/buf.h"

/* Appends ` name="value"`; nothing for NULL or a value of which nothing is left. */
void m3u_attribute(struct buf *b, const char *name, const char *value);

/* Appends text that fills the rest of a line.  Returns false, and appends nothing, if nothing
 * visible is left of it. */
bool m3u_text(struct buf *b, const char *text);

/* The same without commas, for the name after EXTINF: some readers take what follows the last
 * comma. */
bool m3u_name(struct buf *b, const char *text);

/* Appends a value of a URL's query or path; all but unreserved characters are percent-encoded. */
void m3u_encode(struct buf *b, const char *text);

#endif
