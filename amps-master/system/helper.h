/* helper.h - programs that do one thing beside the server: started, fed, bounded, reaped.
 *
 *	RUNNING -> ENDING (SIGTERM) -> KILLED (SIGKILL) -> reaped
 *
 * A helper leads a process group of its own, to which every signal goes; what is left of the group
 * when the helper exits is killed.  stdin is a file with the input, stdout a file whose size the
 * kernel limits: nothing is copied while a helper runs, but of a quiet one's stderr.
 *
 * The master owns one set of helpers and uses it in its loop only.  A helper's pid belongs to this
 * part alone: code that calls waitpid() for any child must call helpers_reap() first. */
#ifndef AMPS_HELPER_H
#define AMPS_HELPER_H

#include <event2/event.h>
#include <sys/types.h>
#include "common/base.h"
#include "common/limits.h"

struct helpers;
struct helper;

struct helper_spec {
	const char *const *argv; /* argv[0] is a path */
	const char *const *env;	 /* NULL = the environment of this process */
	const void *input;	 /* for its stdin; copied */
	size_t input_bytes;
	unsigned timeout_ms;   /* until it is ended */
	uint64_t output_bytes; /* most on stdout, and on stderr; 0 = no limit */
	unsigned memory_mb;    /* of private memory; 0 = no limit */
	bool logs;	       /* its stderr is ours; else it is kept */
	bool quiet;	       /* writes what it likes: stdout is lost, of stderr the end is kept */
	bool unprivileged;     /* no capabilities, no_new_privs */
};

struct helper_result {
	/* 0, or why there is no good output: -ETIMEDOUT, -EFBIG (too much output), -ECHILD (it was
	 * ended by a signal), -EIO (its exit code is not 0), another -Exxx (it was not started) */
	int error;
	int status;		      /* wait status */
	char reason[ERROR_TEXT_MAX];  /* one line; of -EIO the last one that it wrote on stderr */
	char said[HELPER_SAID_BYTES]; /* the end of its stderr */
	/* its stdout, at its beginning; closed by the caller unless taken; shm_end() seals it */
	int output_fd;
};

/* 0 or -ENOMEM. */
must_check int helpers_new(struct event_base *base, struct helpers **ret);
/* Kills those that run, without a call of their `done`; returns NULL; accepts NULL. */
struct helpers *helpers_free(struct helpers *hs);

/* Starts one.  0, then `done` is called exactly once, from the loop, unless helper_cancel() comes
 * first; or -Exxx (exec's own error included), then it is never called.  *ret is valid until
 * then. */
must_check int helper_start(struct helpers *hs, const struct helper_spec *spec,
			    void (*done)(void *owner, struct helper_result *result), void *owner,
			    struct helper **ret);

/* Ends it; its `done` is not called any more.  Returns NULL; accepts NULL. */
struct helper *helper_cancel(struct helper *h);

/* A child has exited and is not reaped yet.  True if it was a helper: it is reaped now. */
bool helpers_reap(struct helpers *hs, pid_t pid);

/* Starts one and waits for its end: for a process without a loop.  The result says why it failed,
 * also to start; its output_fd is the caller's. */
void helper_run(const struct helper_spec *spec, struct helper_result *ret);

#endif
