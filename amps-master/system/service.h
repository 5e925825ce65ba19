/* service.h - what a service manager gives to the server, and what the server tells it: listening
 * sockets (sd_listen_fds(3)), readiness, a line of status and signs of life (sd_notify(3)).
 *
 * The protocol is three variables and a datagram.  It is written here, because libsystemd would
 * bring its own dependencies into the process that owns the database, and would be missing where
 * there is no systemd.  Owned by the master, used in its loop only; never blocks. */
#ifndef AMPS_SERVICE_H
#define AMPS_SERVICE_H

#include "common/base.h"

#define SERVICE_STATUS_BYTES 512

enum service_state { SERVICE_STARTING, SERVICE_READY, SERVICE_STOPPING };

struct service {
	int fd;		      /* to the manager, connected; -1 = there is none */
	uint64_t watchdog_us; /* between two signs of life; 0 = none are expected */
	uint64_t alive_us;    /* when the last one was sent */
	enum service_state state, sent_state;
	char status[SERVICE_STATUS_BYTES], sent_status[SERVICE_STATUS_BYTES];
	int http_fd, rtsp_fd; /* listening sockets from the manager, owned; -1 = none */
};

#define SERVICE_INIT                                                                               \
	{                                                                                          \
		.fd = -1, .http_fd = -1, .rtsp_fd = -1                                             \
	}

/* Takes what the environment names, and removes the variables, which are not meant for children.
 * A manager that cannot be reached is none.  0, or -EINVAL with the reason in `text`: a socket was
 * passed that cannot be used. */
must_check int service_open(struct service *s, char *text, size_t text_cap);
void service_close(struct service *s);

/* Sets the state; it only advances. */
void service_set_state(struct service *s, enum service_state state);
/* Sets the line that `systemctl status` shows; it is cut to SERVICE_STATUS_BYTES - 1. */
void service_set_status(struct service *s, const char *status);

/* Sends what has changed since the last time, and a sign of life if one is due.  What the manager
 * has no room for is sent by the next call. */
void service_send(struct service *s, uint64_t now_us);

#endif
