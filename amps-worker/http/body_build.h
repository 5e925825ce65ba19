/* body_build.h - makes a body of plain bytes: its ETag and its compressed form, in steps that each
 * take well under a millisecond. */
#ifndef AMPS_BODY_BUILD_H
#define AMPS_BODY_BUILD_H

#include <zlib.h>
#include "amps-worker/http/body.h"
#include "common/text/buf.h"

struct body_build {
	struct body *body;
	size_t at; /* bytes of the plain form that were processed */
	uint64_t hash;
	bool packing;
	z_stream z; /* while packing */
	struct buf packed;
};

/* Takes the bytes out of `plain` (empty afterwards), and takes `follow`, NULL = nothing follows.  0
 * or -ENOMEM. */
must_check int body_build_begin(struct body_build *b, struct buf *plain, const char *type,
				struct body_follow *follow);

/* Processes some more; true when all is done. */
bool body_build_step(struct body_build *b);

/* The finished body, with one reference for the caller. */
struct body *body_build_end(struct body_build *b);

/* Frees an unfinished one. */
void body_build_cancel(struct body_build *b);

#endif
