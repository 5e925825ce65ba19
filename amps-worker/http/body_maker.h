/* body_maker.h - makes large bodies in slices, so that they never delay the loop's other work,
 * above all the feed of the viewers.
 *
 * A request for a body that is not in the cache gets a `making`: its text is written and compressed
 * MAKE_SLICE_US at a time, one making after the other, alternating with the feed.  Requests for the
 * same body meanwhile are held by the same making (held.h).  The first slice runs at once, so that
 * a small body is answered in the same turn of the loop.  A making that no request waits for is
 * dropped.  While living bodies use all the memory they may (http.h), makings wait for room.  One
 * per worker. */
#ifndef AMPS_BODY_MAKER_H
#define AMPS_BODY_MAKER_H

#include <event2/event.h>
#include "amps-worker/http/body_cache.h"
#include "amps-worker/http/reply.h"

#define MAKE_SLICE_US	1000u
#define MAKE_STARVED_US 10000u /* a making that has not run for so long goes before clients */

/* The error of -EFBIG, with status 413. */
#define BODY_TOO_LARGE "the answer would be too large, ask for fewer channels"

struct body_maker;

/* How a text is made. */
struct body_source {
	const char *type; /* Content-Type; static */
	/* Appends some more, for a few tens of microseconds: 1, or 0 if the text is complete and
	 * *ret_expires_us (body_cache_keep()) is set, or -ENOMEM, or -EFBIG: it would be too long.
	 */
	int (*step)(void *state, struct buf *out, int64_t *ret_expires_us);
	void (*free)(void *state);
	/* What follows the complete text; the maker takes it.  NULL = nothing follows. */
	struct body_follow *(*follow)(void *state);
	/* When what the complete text shows last differed by time alone, 0 = never; NULL if it is
	 * not needed. */
	int64_t (*changed_us)(void *state);
};

/* Where the memory of bodies is counted, and how to make room when it is used up. */
struct body_room {
	struct body_account *account;
	bool (*make)(void *owner); /* true: there is room for one more body */
	void *owner;
};

struct body_maker *body_maker_new(struct event_base *base, struct body_cache *cache,
				  const struct body_room *room);
void body_maker_free(struct body_maker *m); /* no request may wait any more; accepts NULL */

/* Holds the reply until the making under way for this key has set its body, or an error.  False:
 * there is none under way. */
must_check bool body_maker_join(struct body_maker *m, const void *key, size_t key_len,
				struct reply *r);

/* Begins a making; takes `state`.  0: r->shared is set, or the reply is held until then; -EBUSY:
 * too many makings wait; -ENOMEM; -EFBIG. */
must_check int body_maker_start(struct body_maker *m, const void *key, size_t key_len,
				int64_t wall_us, const struct body_source *source, void *state,
				struct reply *r);

/* To be called from events of higher priority: runs a slice when makings have been starved. */
void body_maker_catch_up(struct body_maker *m);

#endif
