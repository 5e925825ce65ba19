/* reply.h - what a handler wants to be answered, and how it becomes bytes.
 *
 * A handler fills a struct reply; conn.c sends it.  A body is either owned bytes, or a shared
 * immutable body (`struct body`, reference-counted, kept in the body cache), or nothing because the
 * answer is a live stream. */
#ifndef AMPS_REPLY_H
#define AMPS_REPLY_H

#include "common/text/buf.h"
#include "common/shm/catalog.h"
#include "amps-worker/http/parse.h"

struct body_account; /* memory.h */

/* Immutable bytes with what HTTP says about them; made once, sent to many. */
struct body {
	unsigned refs; /* worker-private, no atomics */
	char *plain;
	size_t plain_len;
	char *gzip; /* NULL when compression does not pay */
	size_t gzip_len;
	char etag[40];		      /* with its quotes; "" = none */
	const char *type;	      /* static */
	struct body_account *account; /* NULL = not counted */
};
struct body *body_ref(struct body *b);
struct body *body_unref(struct body *b); /* returns NULL; accepts NULL */

/* Counts the body in an account that outlives it. */
void body_count(struct body *b, struct body_account *account);

struct making;
struct token_entry;

enum reply_kind { REPLY_BYTES, REPLY_SHARED, REPLY_STREAM };

/* Which output a stream answer reads (stream.c takes it from here). */
struct stream_wish {
	uint32_t channel;
	enum form form;
	bool own;	  /* from a tuner of its own (overlap=true) */
	uint64_t address; /* of who asks, as the master counts such tuners; else 0 */
	bool limited;	  /* the token is an entry of auth.tokens */
	uint32_t join_ms;
	char variant[VARIANT_NAME_MAX + 1];
	const char *content_type; /* static */
	uint64_t token;		  /* worker_page_token() of who asks, 0 = no token */
};

struct reply {
	enum reply_kind kind;
	int status;
	const char *type;    /* Content-Type of owned bytes; static */
	struct buf body;     /* owned bytes */
	struct body *shared; /* one reference */
	/* Borrowed: the shared body is still being made, the answer waits for it (body_maker.h). */
	struct making *making;
	struct stream_wish stream;
	struct buf fields; /* further header lines, each ended with CRLF */
	bool close;	   /* end the connection after this answer */
	bool media;	   /* CORS is on */
	/* Borrowed from the snapshot of tokens, for the call of route_dispatch() and the access
	 * log: who asks, where the route wanted to know. */
	const struct token_entry *asker;
};

void reply_init(struct reply *r);
void reply_done(struct reply *r);

/* {"error": "..."} with this status; the text is escaped.  Adds WWW-Authenticate to 401, and
 * Retry-After to 429 and 503 when retry_after > 0. */
void reply_error(struct reply *r, int status, unsigned retry_after, const char *format, ...)
	printf_like(4, 5);

/* Adds one header line; name and value must be free of CR, LF and NUL (else it is left out). */
void reply_field(struct reply *r, const char *name, const char *format, ...) printf_like(3, 4);

/* Builds the response head and, for GET of byte replies, what follows it: applies HEAD, ETag
 * (If-None-Match -> 304, which is the reply's status then), Accept-Encoding: gzip, Connection.
 * *ret_body points into the reply.
 * For REPLY_STREAM the head says Connection: close and has no length.  0 or -ENOMEM. */
must_check int reply_render(struct reply *r, const struct http_request *q, int64_t wall_us,
			    struct buf *head, struct span *ret_body);

const char *http_status_text(int status);

#endif
