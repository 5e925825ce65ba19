/* range.h - the Range and If-Range fields of a request (RFC 9110 section 14).  Pure. */
#ifndef AMPS_HTTP_RANGE_H
#define AMPS_HTTP_RANGE_H

#include "amps-worker/http/parse.h"

/* What a Range field asks for. */
enum range_verdict {
	RANGE_WHOLE,	    /* no field, another unit, malformed, or several ranges: ignored */
	RANGE_PART,	    /* bytes [*ret_first, *ret_first + *ret_length) */
	RANGE_UNSATISFIABLE /* 416 */
};

/* The part of `size` bytes that `field` asks for. */
enum range_verdict range_parse(struct span field, uint64_t size, uint64_t *ret_first,
			       uint64_t *ret_length);

/* Does If-Range allow a part of the representation with this strong tag?  An absent field does; a
 * date never does, because no answer with parts has one. */
bool range_allowed(struct span if_range, const char *etag);

#endif
