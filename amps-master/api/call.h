/* call.h - one request to the API, from the worker's message to the answer. */
#ifndef AMPS_CALL_H
#define AMPS_CALL_H

#include <jansson.h>
#include <limits.h>
#include <sys/queue.h>
#include "amps-master/children/worker_pool.h"
#include "amps-master/store/store_work.h"
#include "amps-master/system/helper.h"
#include "common/text/buf.h"

struct api;
struct list_cache;

#define API_NO_WORKER UINT_MAX

/* What the client may do; each may also do what those before it may. */
enum api_rights { API_VIEWER, API_ADMIN, API_COMMANDS };

/* What the client gets. */
struct api_result {
	int status; /* of HTTP; 0 = not known yet */
	char *json; /* the body */
	int file;   /* or a sealed memfd that has it; -1 */
	uint64_t bytes;
	char etag[20]; /* "" = none */
	int64_t total; /* of a list; -1 */
};
#define API_RESULT_NONE ((struct api_result){.file = -1, .total = -1})
void api_result_done(struct api_result *r);
/* Of a result with a file.  0, or -Exxx: no descriptor is left. */
must_check int api_result_copy(const struct api_result *from, struct api_result *ret);

/* Owned by the loop, except while the store has it. */
struct api_call {
	LIST_ENTRY(api_call) link;
	struct api *api;
	unsigned worker;      /* API_NO_WORKER: the control socket asks */
	uint64_t deadline_us; /* of the clock that only rises: no change begins later; 0 = none */
	uint64_t ticket;
	uint8_t *message; /* what `m` points into */
	struct msg_api_call m;
	enum api_rights rights;
	struct snapshot *tokens;	 /* a reference; `token` is in it */
	const struct token_entry *token; /* NULL: none is needed */
	char *body;			 /* m.bytes of it */
	int file; /* from which the database thread reads it; -1: it is here */
	struct api_result result;
	/* Options that libav has not judged yet: the change stops, they are judged by
	 * amps-transcoder, and it begins again. */
	json_t *questions;
	json_t *verdicts;
	struct helper *judge; /* or another helper that the call waits for */
	char *probe;	      /* the spec of the source that is probed */
	json_t *import;	      /* what import.h works on */
	bool foreign;	      /* the channels come from another machine */
	struct helpers *import_helpers;
	struct list_cache *lists; /* borrowed; the database thread's */
	void (*import_done)(struct api_call *c);
	struct served_wait served;
};

/* Forgets what has come of the call so far. */
void call_reset(struct api_call *c);
/* Sets the result: {"error": "..."}. */
void call_fail(struct api_call *c, int status, const char *format, ...) printf_like(3, 4);
/* The same, and `problems`: [{"path", "message"}]; taken. */
void call_refuse(struct api_call *c, int status, const char *text, json_t *problems);
/* The same with a tree, which is taken; NULL: there was no memory. */
void call_succeed(struct api_call *c, int status, json_t *body);
/* The same with a list, as text of which `total` are all; a long one becomes a file.  Takes what is
 * in `list`. */
void call_succeed_list(struct api_call *c, struct buf *list, uint64_t total);
/* The same with a text in a file in memory, which is borrowed. */
void call_succeed_file(struct api_call *c, int status, int fd, uint64_t bytes);
/* The same with the text of a tree. */
void call_succeed_text(struct api_call *c, int status, char *json);

/* The body as a tree, the caller's.  NULL, and a result: it is no JSON, has a key twice or too many
 * levels. */
json_t *call_read_body(struct api_call *c);

/* The tag of an entry, from its text in the database. */
void call_set_etag(struct api_call *c, const char *definition);

/* Decides by the token, not by what the worker says, what the client may do.  `tokens` are those
 * that are published; NULL: they cannot be read.  False, and a result, if it may do nothing. */
bool call_authorize(struct api_call *c, struct snapshot *tokens);

/* May the client see a channel of this definition?  Administrators may see all. */
bool call_may_see(const struct api_call *c, const json_t *definition);
/* Is the channel open to the region that the request carries, if it carries one? */
bool call_region_allows(const struct api_call *c, const json_t *definition);

#endif
