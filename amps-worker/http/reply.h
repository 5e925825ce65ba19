/* reply.h - what a handler answers, and how it becomes bytes.
 *
 * A handler fills a struct reply; answer.c sends it.  The body is owned bytes, or a shared body
 * (body.h), or a file, or absent because the answer is a live stream. */
#ifndef AMPS_REPLY_H
#define AMPS_REPLY_H

#include <stdatomic.h>
#include "amps-worker/http/body.h"
#include "amps-worker/http/held.h"
#include "amps-worker/http/parse.h"
#include "common/text/buf.h"

struct stream_params; /* live/output.h */
struct token_entry;

enum reply_kind { REPLY_BYTES, REPLY_SHARED, REPLY_FILE, REPLY_STREAM };

/* Bytes of a regular file, or the part of them that was asked for.  They do not change while it is
 * open, but may become more (reply->follow). */
struct reply_file {
	uint64_t base;	 /* where in the file they begin */
	uint64_t size;	 /* of all of them */
	uint64_t offset; /* of what is sent; reply_render() sets it and the length */
	uint64_t length;
	int fd;	       /* owned */
	char etag[36]; /* with its quotes */
};

/* What answers of one kind take until they are done; their holder limits it. */
struct reply_load {
	uint64_t bytes;
	unsigned count;
};

struct reply {
	enum reply_kind kind;
	int status;
	const char *type;    /* Content-Type of owned bytes, a file or a stream; static */
	struct buf body;     /* owned bytes */
	struct body *shared; /* one reference */
	/* Of a shared body: the second after the last change of what it shows, for Last-Modified;
	 * 0 = not known. */
	int64_t modified_s;
	/* Of a shared body: its compressed form is what was asked for, and has this type; NULL =
	 * it is a coding for clients that accept it.  Static. */
	const char *packed_type;
	/* What follows the bytes of a shared body; reply_render() sets it.  NULL = nothing. */
	const struct body_tail *tail;
	struct reply_file file;
	/* Where the bytes that a file's answer has sent are added; NULL = nowhere. */
	_Atomic uint64_t *sent;
	struct held held; /* the answer has to wait */
	uint64_t session; /* of HLS and DASH: whose playlist it is; 0 = none */
	void *kept; /* what the holder of a held reply keeps of its request; ended with free() */
	/* Of a file that grows, for clients that know chunks; NULL = its length is known.  What was
	 * chosen is sent: chooses what has come since (1; follow is NULL if nothing can follow
	 * that), or lets the reply wait for it (0), or -Exxx: it will not be complete. */
	int (*follow)(void *owner, struct reply *r);
	void *follow_owner;
	/* Of a stream: which one, for conn_hooks.stream(); owned, ended with free().  The access
	 * log names its channel and variant ("" or borrowed from it). */
	struct stream_params *stream;
	uint32_t channel;
	const char *variant;
	struct reply_load *load; /* that this one is part of, or NULL */
	struct buf fields;	 /* further header lines, each ended with CRLF */
	uint32_t load_bytes;
	bool close;   /* end the connection after this answer */
	bool chunked; /* reply_render() sets it: the file's length is not known */
	bool unsized; /* an answer to HEAD whose body was not made: it has no length */
	bool media;   /* CORS is on */
	/* Borrowed from the snapshot of tokens, for the call of route_dispatch() and the access
	 * log: whose token it was, if the route checked one. */
	const struct token_entry *asker;
};

/* What an answer takes from its request. */
struct reply_terms {
	enum http_method method;
	unsigned minor;
	bool keep_alive;
	bool gzip; /* accepted */
	/* fields, in the request's bytes */
	struct span none_match; /* If-None-Match */
	struct span modified_since;
	struct span range; /* of a file */
	struct span if_range;
};

struct reply_terms reply_terms(const struct http_request *q);

void reply_init(struct reply *r);
void reply_done(struct reply *r);

/* {"error": "..."} with this status; the text is escaped.  Adds WWW-Authenticate to 401, and
 * Retry-After to 429 and 503 when retry_after > 0. */
void reply_error(struct reply *r, int status, unsigned retry_after, const char *format, ...)
	printf_like(4, 5);

/* Adds WWW-Authenticate, which a 401 that reply_error() does not make needs, too. */
void reply_challenge(struct reply *r);

/* Counts the reply, with so many bytes, in a load that outlives it; once. */
void reply_count(struct reply *r, struct reply_load *load, uint32_t bytes);

/* Adds one header line; name and value must be free of CR, LF and NUL (else it is left out). */
void reply_field(struct reply *r, const char *name, const char *format, ...) printf_like(3, 4);

/* What the number means, in HTTP and in RTSP; a static text. */
const char *reply_status_text(int status);

/* Builds the response head and, for GET of byte replies, what follows it: applies HEAD, ETag
 * (If-None-Match, If-Modified-Since -> 304, which is the reply's status then), Range,
 * Accept-Encoding: gzip, Connection.  *ret_body points into the reply; what follows is r->tail, or
 * of a file r->file. For REPLY_STREAM the head says Connection: close and has no length.  0 or
 * -ENOMEM. */
must_check int reply_render(struct reply *r, const struct reply_terms *t, int64_t wall_us,
			    struct buf *head, struct span *ret_body);

/* What goes before the next bytes of a chunked file (RFC 9112, 7.1; `first`: the first bytes), and
 * what goes behind the last ones. */
void reply_add_chunk(const struct reply *r, bool first, struct buf *head);

#endif
