/* log.h - passes the log of libav on to our log, and keeps the last lines as reasons for failures.
 *
 * The callback is global to the process and called from codec threads, so the lines are global,
 * too, and guarded by a mutex.  Credentials in URLs are redacted before a line is kept or logged.
 */
#ifndef AMPS_AV_LOG_H
#define AMPS_AV_LOG_H

#include "common/base.h"

void av_log_install(void);

/* For the check of options: lines are kept, not logged; or (false) they go where libav sends them
 * by itself. */
void av_log_keep_only(bool on);

/* Replaces the stream stderr: lines that libraries print there go to our log, those of x264, x265
 * and libnuma like lines of libav.  Once a process, before any thread. */
void av_log_take_stderr(void);

/* The last lines of level error (else warning) since av_log_forget(), joined by "; ", newest last.
 * Empty when there is none. */
void av_log_last(char *dst, size_t cap);
void av_log_forget(void);

/* The last complaint of libav's evaluator of expressions since av_log_forget(); empty when there is
 * none. */
void av_log_expression(char *dst, size_t cap);

/* The responses of HTTP servers since av_log_forget(); libav reports them only in its trace. */
struct av_log_answers {
	unsigned all, redirects, refusals; /* redirects: 3xx; refusals: 403, 410 */
};
struct av_log_answers av_log_http_answers(void);

#endif
