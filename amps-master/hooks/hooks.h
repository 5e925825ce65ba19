/* hooks.h - tells other programs what happens: `hooks` of the configuration.
 *
 *	what happens -> queue of its hook -> amps-helper sends it (URL), or the command gets it
 *
 * Each hook has a queue and at most one process, so a receiver that does not answer delays neither
 * the other hooks nor the server.  A queue is bounded: events are dropped while it is full.  An
 *event is tried HOOK_TRIES times.  The channel table counts events that were sent, failed and
 *dropped.
 *
 *	IDLE -> RUNNING (a process) -> PAUSED -> RUNNING ... -> IDLE (the queue is empty)
 *
 * Owned by the master, used in its loop only. */
#ifndef AMPS_HOOKS_H
#define AMPS_HOOKS_H

#include <event2/event.h>
#include <jansson.h>
#include "amps-master/store/publication.h"
#include "amps-master/system/helper.h"
#include "common/shm/chantab.h"

enum hook_kind {
	HOOK_CHANNEL_STARTED,
	HOOK_CHANNEL_FAILED,
	HOOK_CHANNEL_RECOVERED,
	HOOK_VIEWER_STARTED,
	HOOK_VIEWER_ENDED,
	HOOK_KIND_COUNT_
};

struct hooks;

struct hooks_env {
	struct event_base *base;
	struct helpers *helpers;
	struct chantab_header *chantab; /* its counters of hooks; borrowed */
};

/* 0 or -ENOMEM. */
must_check int hooks_new(const struct hooks_env *env, struct hooks **ret);
struct hooks *hooks_free(struct hooks *h); /* returns NULL; accepts NULL */

/* A publication is applied: if it has settings, they name the receivers. */
void hooks_follow(struct hooks *h, const struct publication *p);

/* Is there a receiver, and room for an event?  Without room the event counts as dropped: ask once
 * for each event, and make its text only then. */
must_check bool hooks_wants(struct hooks *h, enum hook_kind kind);

/* Queues an event that hooks_wants() has answered true for.  Takes `what`, an object, to which
 * "event", "number" and "time" are added; NULL (no memory): it is dropped. */
void hooks_put(struct hooks *h, enum hook_kind kind, json_t *what);

/* The event of a channel's tuner, if there is a receiver and room.  `error`: "" = none. */
void hooks_put_channel(struct hooks *h, enum hook_kind kind, uint32_t channel, const char *key,
		       enum tuner_state state, const char *error);

#endif
