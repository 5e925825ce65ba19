/* sandbox.h - a job gives up its rights before it opens its source, a helper before it begins its
 * task.
 *
 * No capability and no_new_privs, not dumpable, resource limits, Landlock (read-only paths, TCP
 * ports) where the kernel has it, a seccomp allow-list: no exec, no fork, no file opened for
 * writing but below `writable`, no ptrace, no signal to another process, no Unix socket but a pair
 * of this process, no netlink but for datagrams: the interface of a multicast group is found by its
 * address, and without capabilities netlink changes nothing. Sanitizer builds keep what the
 * sanitizers need.
 *
 * With `devices` the drivers of graphics hardware run in the process, and what they call differs
 * from driver to driver.  The filter of system calls refuses what no driver needs (exec, fork,
 * ptrace, a signal to another process ...) instead of allowing a list.  The address space is not
 * limited: CUDA reserves more than there is memory.  Only Landlock keeps such a job from writing to
 * other files than those devices.
 *
 * What stays possible: a job with a source over HTTP, RTSP and the like may make a TCP connection
 * to any address and port, and any job with sockets may send datagrams anywhere.  The address guard
 * (sandbox/guard.h) checks what libav asks for; it does not stop code that took over the job. */
#ifndef AMPS_COMMON_SANDBOX_H
#define AMPS_COMMON_SANDBOX_H

#include "common/base.h"

/* Where a job may connect to.  Landlock decides by port, from its version 4 on; without it PORT and
 * DATAGRAMS are ANY. */
enum sandbox_network {
	SANDBOX_OFFLINE,   /* no socket at all */
	SANDBOX_DATAGRAMS, /* TCP only to name servers */
	SANDBOX_PORT,	   /* TCP to name servers and to `port` */
	SANDBOX_ANY,
};

struct sandbox {
	const char *file; /* the source, if it is a local file; NULL otherwise */
	bool file_folder; /* its whole folder may be read (a local playlist) */
	/* further files and folders that may be read: certificates, keys, what filters name */
	const char *const *more;
	size_t more_count;
	/* folders in which files are made, appended to, cut off and removed, and nothing else in
	 * them */
	const char *const *writable;
	size_t writable_count;
	uint64_t file_bytes; /* of each of these files, at most */
	/* the devices of graphics hardware may be used, and what their drivers read */
	bool devices;
	enum sandbox_network network;
	uint16_t port;	    /* SANDBOX_PORT */
	unsigned memory_mb; /* memory it may use; the limit of the address space is larger */
};

/* 0, or -Exxx if a right could not be dropped.  A kernel without Landlock is no error. */
must_check int sandbox_enter(const struct sandbox *s);

#endif
