/* document.h - a guide as it comes: packed or plain (unpack.h), then XMLTV (parse.h).
 */
#ifndef AMPS_GUIDE_DOCUMENT_H
#define AMPS_GUIDE_DOCUMENT_H

#include "amps-helper/guide/parse.h"
#include "amps-helper/guide/unpack.h"

struct guide_document {
	struct unpack unpack;
	struct guide_parse *parse;
};

/* 0 or -ENOMEM; guide_document_done() accepts a zeroed one. */
must_check int guide_document_init(struct guide_document *d, const struct guide_parse_env *env);
void guide_document_done(struct guide_document *d);

/* A piece of the document; 0, or -Exxx and the reason, which names the line.  `d` is a struct
 * guide_document. */
must_check int guide_document_add(void *d, const char *bytes, size_t n, char *reason, size_t cap);
/* The document has ended. */
must_check int guide_document_end(struct guide_document *d, char *reason, size_t cap);

#endif
