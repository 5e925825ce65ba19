/* sessions.h - the viewers of HLS and DASH: each is a record in the page of the worker that began
 *it, as a viewer of a stream is.
 *
 * A player sends one request after the other, to any worker.  A worker that gets one finds the
 * record in its own page or in another's, and notes bytes and time in a place of its own page
 * (struct session_use).  The worker with the record adds them up, and ends the session when no
 * worker has seen it for its lifetime.
 *
 * A session whose record is gone, because it was idle or because its worker died, begins again with
 * its next request.  One that the server has ended (`amps kick`, or it yielded to a newer one of
 * the same client) does not: its number is in the page of its worker for some time.
 *
 *	session        in the worker that has the record; record 1 - 1 session
 *	known_session  in each worker that has answered the session; 1 - 1 session_use */
#ifndef AMPS_SESSIONS_H
#define AMPS_SESSIONS_H

#include <netinet/in.h>
#include <sys/queue.h>
#include "amps-worker/http/request.h"
#include "amps-worker/live/viewer.h"

struct known_session;
LIST_HEAD(known_list, known_session);
TAILQ_HEAD(session_list, session);

#define SESSION_BUCKETS	 4096u
#define SESSION_SWEEP_US 1000000u
#define SESSION_AWAY_US	 10000000u /* longer than a player waits between two requests */

struct sessions {
	struct viewers *viewers;  /* borrowed */
	struct session_list list; /* those with a record here, the oldest first */
	struct known_list by_number[SESSION_BUCKETS];
	struct known_list by_client[SESSION_BUCKETS];
	uint32_t free_count;
	uint16_t *free; /* [WORKER_VIEWERS_MAX]: places of the page's session_uses */
	uint64_t sweep_us;
};

/* A request of a session. */
struct session_request {
	uint64_t number; /* of the session; sessions_number() for a new one */
	uint32_t channel;
	const char *variant;
	enum viewer_protocol protocol;
	struct in6_addr address;
	struct span agent;
	const struct token_entry *token; /* NULL = none */
	uint64_t token_name;		 /* tokens_name(), 0 = none */
	char region[3];			 /* "" = not known */
	bool located;			 /* ... as access_region() says */
	int64_t until_wall_us;		 /* when its signed link expires; 0 = it came without */
	bool token_room;		 /* the token may have one more viewer */
	bool counted;			 /* it has max_viewers: the master decides */
	uint32_t slot;			 /* of the output it reads; UINT32_MAX = none yet */
	uint32_t target_s;		 /* of its playlist; 0 = not known */
};

#define SESSION_ENDED_TEXT "the session was ended"

enum session_verdict {
	SESSION_GOES_ON,
	SESSION_ENDED,	    /* by the server */
	SESSION_NO_ROOM,    /* the server, or this worker, has all the viewers it may have */
	SESSION_TOKEN_FULL, /* the token has */
	SESSION_NO_MEMORY
};

/* 0 or -ENOMEM; sessions_done() is needed either way. */
must_check int sessions_init(struct sessions *all, struct viewers *viewers);
void sessions_done(struct sessions *all);

/* A number for a new session. */
uint64_t sessions_number(const struct sessions *all);

/* Does it have a record, here or in another worker? */
bool sessions_live(struct sessions *all, uint64_t number);

/* Did the server end the viewer's session so long ago that the viewer may begin another one? */
bool sessions_may_return(const struct sessions *all, uint64_t number);

/* The session has asked for something: begins it if it has no record. */
enum session_verdict sessions_touch(struct sessions *all, const struct session_request *q);

/* The reply is complete, or is held by a holder that has completed it.  Does it have to wait until
 * the master has decided whether the session of this number may begin?  True: it is held here. */
bool sessions_hold(struct sessions *all, uint64_t number, struct reply *r);

/* Who asks for a segment, whose request names no session. */
struct session_client {
	uint32_t channel;
	enum viewer_protocol protocol;
	struct in6_addr address;
	struct span agent;
};

/* Where to count the bytes of that segment; NULL: the client has no session here. */
_Atomic uint64_t *sessions_of_client(struct sessions *all, const struct session_client *client);

/* Every second or more often: adds up what all workers have sent, ends what is idle. */
void sessions_sweep(struct sessions *all, uint64_t now_us);

#endif
