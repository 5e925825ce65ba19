/* worker.h - a worker process: its event loop, and the parts that the loop drives.
 *
 * One thread.  Messages of the master come here and go to the part they concern. */
#ifndef AMPS_WORKER_H
#define AMPS_WORKER_H

#include <event2/event_struct.h>
#include "amps-worker/api/api.h"
#include "amps-worker/http/http.h"
#include "amps-worker/live/live.h"
#include "amps-worker/rtsp/rtsp_session.h"
#include "amps-worker/segments/segments.h"

struct worker {
	struct context context;
	struct http http;
	struct live live;
	struct rtsp_sessions rtsp;
	struct segments segments;
	struct api api;
	bool ready; /* READY was sent, connections are accepted */
	int exit_code;
	int (*confine)(int media_fd);
	struct event heartbeat; /* timer */
	struct event drain;	/* timer, once draining */
};

/* Takes the socket to the master, sends HELLO; the rest follows from messages.  `confine` is called
 * once everything is there, before the first client (worker_sandbox_enter(); NULL in tests).  0 or
 * -Exxx; worker_done() is needed either way. */
must_check int worker_init(struct worker *w, int master_fd, int (*confine)(int media_fd));
void worker_done(struct worker *w);

/* Runs until SHUTDOWN or until the master is gone.  The exit code. */
int worker_run(struct worker *w);

#endif
