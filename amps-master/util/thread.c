#include "amps-master/util/thread.h"

#include <signal.h>

int thread_start(void *(*run)(void *), void *arg, pthread_t *ret)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(ret, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -error;
}
