/* control_line.h - one line of the control protocol (docs/control.md), as bytes and as a call.
 *
 *	{"id":1,"method":"tuners","params":{}}
 *	{"id":1,"result":...}  or  {"id":1,"error":{"code":"not_found","message":"..."}}
 *
 * Pure: no socket, no log. */
#ifndef AMPS_CONTROL_LINE_H
#define AMPS_CONTROL_LINE_H

#include <jansson.h>
#include "common/base.h"
#include "common/text/buf.h"

struct control_call {
	json_t *root;	      /* owned */
	const json_t *id;     /* null, number or string; NULL if absent; borrowed from root */
	const char *method;   /* borrowed from root */
	const json_t *params; /* an object, or NULL; borrowed from root */
};

/* Parses a line without its newline.  0, or -EINVAL with the reason in *ret_message (a constant),
 * and then only c->id is valid. */
must_check int control_call_parse(struct control_call *c, const char *line, size_t len,
				  const char **ret_message);
void control_call_done(struct control_call *c); /* accepts a zeroed struct */

/* Append an answer and its newline.  `text` is the JSON of the result; `result` and `problems` (may
 * be NULL) are borrowed. */
void control_put_result(struct buf *out, const json_t *id, const json_t *result);
void control_put_text(struct buf *out, const json_t *id, const char *text, size_t len);
void control_put_error(struct buf *out, const json_t *id, const char *code, const char *message,
		       const json_t *problems);

#endif
