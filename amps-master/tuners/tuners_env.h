/* tuners_env.h - what the tuners need of the rest of the master. */
#ifndef AMPS_TUNERS_ENV_H
#define AMPS_TUNERS_ENV_H

#include <event2/event.h>
#include "amps-master/system/helper.h"
#include "amps-master/system/media_root.h"
#include "common/log/log.h"
#include "common/msg/msg.h"

/* What an operator is told of a tuner.  It has failed when its source is lost or cannot start:
 * once, until it plays a source again (recovered) or is not wanted any more.  A source that makes
 * way for another one is not lost, and a slate is no source. */
enum tuner_news { NEWS_STARTED, NEWS_FAILED, NEWS_RECOVERED, NEWS_COUNT_ };

/* Callbacks never call back into the tuners. */
struct tuners_env {
	struct event_base *base;
	struct helpers *helpers; /* for look-ups */
	void *chantab;		 /* mapped for writing */
	int64_t epoch_mono_us;
	enum log_level log_level;
	bool log_json;
	struct media_root *media; /* borrowed */
	void *owner;
	/* Sends to a worker; does nothing if that worker is gone. */
	void (*output_ring)(void *owner, unsigned worker, const struct msg_output_ring *m, int fd);
	/* The same to every worker, or to one. */
	void (*output_offer)(void *owner, int worker, const struct msg_output_offer *m, int fd);
	void (*output_offer_end)(void *owner, const struct msg_output_offer_end *m);
	void (*output_turn)(void *owner, unsigned worker, const struct msg_output_turn *m);
	void (*output_gone)(void *owner, unsigned worker, const struct msg_output_gone *m);
	/* Sends the job's end of a socket to the nursery. 0 or -EAGAIN (no nursery at the moment;
	 * the call is repeated after tuners_nursery_ready()).  The fd stays the caller's. */
	int (*fork_job)(void *owner, int fd);
	/* A tuner has another state; `error`: its last error, or "". */
	void (*state_changed)(void *owner, uint32_t channel, const char *key, uint32_t state,
			      const char *error);
	/* Follows state_changed(), and comes without it where the state says less. */
	void (*news)(void *owner, enum tuner_news news, uint32_t channel, const char *key,
		     uint32_t state, const char *error);
	/* The nursery has received a job and no process has appeared: it hangs. */
	void (*nursery_hangs)(void *owner);
};

#endif
