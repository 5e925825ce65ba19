/* time.h - times of XMLTV: "20260131180000 +0100", shorter forms, and some names of zones. */
#ifndef AMPS_GUIDE_TIME_H
#define AMPS_GUIDE_TIME_H

#include "common/base.h"

/* Seconds since 1970.  A time without a zone is one of the process's zone (TZ) if `local`, else
 * UTC.  -EINVAL: it cannot be read, or is before 1970 or behind 2105. */
must_check int guide_time_parse(const char *text, bool local, int64_t shift_s, uint32_t *ret_s);

#endif
