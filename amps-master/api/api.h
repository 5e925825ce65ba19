/* api.h - the requests of the REST API, which workers pass on.
 *
 *	API_CALL -> a report of the loop ----------------------------------------> API_ANSWER
 *	         -> the database thread (read.h, edit.h) ------------------------>
 *	                |   ^ options that libav does not know: amps-transcoder judges them
 *	                +---+
 *	                -> a publication is applied and every worker serves it -->
 *	         -> a reload ----------------------------------------------------->
 *
 * Owned by the master, used in its loop only.  A call is answered once; if its worker has died, the
 * answer is dropped, and the change stays. */
#ifndef AMPS_MASTER_API_H
#define AMPS_MASTER_API_H

#include "amps-master/config/reload.h"
#include "amps-master/control/control_commands.h"

struct api;

struct api_env {
	struct store *store; /* borrowed, as the next five are */
	struct worker_pool *pool;
	struct helpers *helpers;
	const char *transcoder;
	const struct control_backend *backend; /* its reports, `stop` and `kick`, with `owner` */
	void *owner;
	/* Applies a new publication.  The caller frees `p` and what is left in it. */
	void (*apply)(void *owner, struct publication *p);
	/* Requests a reload, whose end api_reloaded() is told. */
	void (*reload)(void *owner, uint64_t ticket, const struct discard *discard);
	/* The result of api_import() (API_STREAM_ADD) or api_request(), as a request to the API
	 * would get it. */
	void (*answered)(void *owner, uint64_t ticket, enum api_operation operation, int status,
			 const char *json);
};

/* 0 or -ENOMEM. */
must_check int api_new(const struct api_env *env, struct api **ret);
/* After the store, the helpers and the reload, which use its calls; returns NULL; accepts NULL. */
struct api *api_free(struct api *a);

/* An API_CALL of this worker.  0, or -EBADMSG: it is malformed. */
must_check int api_on_call(struct api *a, unsigned worker, const struct msg *m);

/* Adds the channels in a file, a JSON array without ids; takes the file. */
void api_import(struct api *a, uint64_t ticket, int file);

/* One of the operations of the database thread, for the control socket.  `body` is borrowed, NULL =
 * none. */
void api_request(struct api *a, uint64_t ticket, enum api_operation operation, const char *key,
		 const json_t *body);

/* Is this the ticket of a reload that the API has requested? */
bool api_is_ticket(uint64_t ticket);
void api_reloaded(struct api *a, uint64_t ticket, const struct reload_result *result);

#endif
