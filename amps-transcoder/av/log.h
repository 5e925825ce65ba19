/* log.h - what libav says: into our log, and the last lines kept as reasons for failures.
 *
 * libav's callback is global to the process and called from codec threads; so are these lines,
 * behind a mutex.  URLs with credentials are hidden before a line is kept or logged. */
#ifndef AMPS_AV_LOG_H
#define AMPS_AV_LOG_H

#include "common/base.h"

void av_log_install(void);

/* Replaces the stream stderr: what libraries print there becomes lines of our log, those of x264,
 * x265 and libnuma as if libav had said them.  Once a process, before any thread. */
void av_log_take_stderr(void);

/* The last lines of level error (else warning) since av_log_forget(), joined by "; ", newest last.
 * Empty when there is none. */
void av_log_last(char *dst, size_t cap);
void av_log_forget(void);

/* The answers of HTTP servers since av_log_forget(), which libav shows in its trace alone. */
struct av_log_answers {
	unsigned all, redirects; /* redirects: of status 3xx */
};
struct av_log_answers av_log_http_answers(void);

#endif
