/* answer.h - an answer under way: its head, what follows that, and how much of it was sent.
 *
 * What follows are bytes in memory, runs of a snapshot behind them (body.h), or a file; the reply
 * owns all of them.  One thread, nothing blocks. */
#ifndef AMPS_ANSWER_H
#define AMPS_ANSWER_H

#include "amps-worker/http/reply.h"

struct answer {
	struct reply reply;
	struct buf head;
	struct span body;	  /* empty if a file follows the head */
	struct reply_terms terms; /* its fields are the request's, or in `kept` */
	char *kept;
	uint64_t sent;	   /* of the head and what follows it */
	size_t run;	   /* of the reply's tail, that is being sent ... */
	uint64_t run_at;   /* ... and where it begins, counted as `sent` */
	uint64_t before;   /* of a file that grows: bytes of it that were sent earlier */
	uint64_t begun_us; /* when the first byte could be sent; 0 = it cannot yet */
};

struct answer *answer_new(void);	      /* NULL: no memory */
struct answer *answer_free(struct answer *a); /* returns NULL; accepts NULL */

/* Copies the fields that the terms borrow from the request; without memory they are left out. */
void answer_keep_terms(struct answer *a);

/* Makes the head, and decides what follows it.  0 or -ENOMEM. */
must_check int answer_render(struct answer *a, int64_t wall_us);

/* Bytes of what follows the head. */
uint64_t answer_bytes(const struct answer *a);

/* Those of a file. */
uint64_t answer_file_bytes(const struct answer *a);

/* Sends some more, and counts it.  Bytes; 0 if the file is shorter than it was; -1 and errno. */
ssize_t answer_send(struct answer *a, int socket);

/* Is the next byte the file's? */
static inline bool answer_in_file(const struct answer *a)
{
	return answer_file_bytes(a) > 0 && a->sent >= a->head.len;
}

static inline bool answer_is_sent(const struct answer *a)
{
	return a->sent == a->head.len + answer_bytes(a);
}

#endif
