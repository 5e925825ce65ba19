/* thread.h - the master's helper threads. */
#ifndef AMPS_THREAD_H
#define AMPS_THREAD_H

#include <pthread.h>
#include "common/base.h"

/* Starts a thread that no signal reaches: they are for the loop's thread, and one would interrupt
 * the thread's system calls.  0 or -Exxx. */
must_check int thread_start(void *(*run)(void *), void *arg, pthread_t *ret);

#endif
