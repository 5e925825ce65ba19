/* spawn.h - the only fork+exec in the master.
 *
 * Children get the descriptors named here and nothing else; default signals, an empty signal mask,
 * and PR_SET_PDEATHSIG(SIGKILL) with a check that the parent is still there. */
#ifndef AMPS_SPAWN_H
#define AMPS_SPAWN_H

#include <sys/types.h>
#include "common/msg/peer.h"

/* What a program starts with; everything is borrowed for the call. */
struct spawn {
	const char *const *argv; /* argv[0] is a path */
	const char *const *env;	 /* NULL = the environment of this process */
	int in;			 /* -1 = /dev/null */
	int out, err;		 /* -1 = those of this process */
	int message;		 /* becomes MSG_CHILD_FD; -1 = none */
	bool group;		 /* the child leads a process group of its own */
	bool unprivileged;	 /* no capabilities, no_new_privs */
	unsigned memory_mb;	 /* of private memory (RLIMIT_DATA); 0 = no limit */
	uint64_t file_bytes;	 /* of a file that it writes; 0 = no limit */
};

/* 0 and the pid, or -Exxx (exec's own error included). */
must_check int spawn_program(const struct spawn *s, pid_t *ret_pid);

/* Starts argv[0] with /dev/null as stdin, our stdout and stderr, and `child_fd` as its descriptor 3
 * (-1: none).  child_fd stays the caller's. */
must_check int spawn_child(const char *const argv[], int child_fd, pid_t *ret_pid);

/* The same with one end of a new socket pair as descriptor 3, and a peer at the other end.  0 or
 * -Exxx. */
must_check int spawn_peer(const char *const argv[], struct event_base *base,
			  const struct peer_handler *handler, void *owner, struct peer **ret_peer,
			  pid_t *ret_pid);

#endif
