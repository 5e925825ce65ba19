/* worker_pool_env.h - what the pool of workers is given. */
#ifndef AMPS_WORKER_POOL_ENV_H
#define AMPS_WORKER_POOL_ENV_H

#include <event2/event.h>
#include <sys/queue.h>
#include "amps-master/store/publication.h"
#include "amps-master/tuners/tuners.h"
#include "amps-master/util/backoff.h"
#include "common/log/log.h"
#include "common/msg/msg.h"

struct worker_pool_env {
	struct event_base *base;
	const char *program;   /* path of amps-worker; borrowed */
	const int *listen_fds; /* [count]; borrowed */
	const int *rtsp_fds;   /* the same for RTSP; NULL = it is off */
	const int *rtp_fds;    /* [2 * count], of RTP and RTCP in turn; with rtsp_fds; borrowed */
	unsigned count;
	int chantab_fd;			  /* borrowed */
	int media_fd;			  /* the folder of segments; borrowed */
	const char *media_key, *link_key; /* borrowed */
	enum log_level log_level;
	bool log_json;
	struct fork_brake *brake; /* shared with the nursery */
	struct tuners *tuners;	  /* receives what workers want; borrowed */
	void *owner;
	void (*changed)(void *owner); /* a worker became ready or died */
	/* An API_CALL came, to be answered once with worker_pool_api_answer(), now or later.  `m`
	 * is borrowed.  0, or -EBADMSG: it is malformed. */
	int (*api_call)(void *owner, unsigned worker, const struct msg *m);
};

/* A wait until every worker serves what was published.  Embedded; it must exist until `done`. */
struct served_wait {
	TAILQ_ENTRY(served_wait) link;
	uint64_t generations[SNAPSHOT_KIND_COUNT_];
	uint64_t end_us;
	void (*done)(void *owner);
	void *owner;
};

#endif
