/* fetch.c - a document from the web. */
#include <stdio.h>

#include "amps-helper/tasks.h"
#include "amps-helper/web.h"
#include "common/limits.h"

static int write_out(void *owner, const char *bytes, size_t n, char *reason, size_t cap)
{
	(void)owner;
	(void)reason;
	(void)cap;
	return write_all(STDOUT_FILENO, bytes, n);
}

int fetch_run(const json_t *task, char *reason, size_t cap)
{
	struct web f = {.seconds = FETCH_SECONDS_MAX, .take = write_out};
	json_int_t limit = FETCH_BYTES_MAX;
	json_error_t wrong;

	if (json_unpack_ex((json_t *)(uintptr_t)task, &wrong, JSON_STRICT, "{s:s, s?:i, s?:I}",
			   "url", &f.url, "seconds", &f.seconds, "bytes", &limit) < 0) {
		snprintf(reason, cap, "fetch: %s", wrong.text);
		return -EINVAL;
	}
	if (f.seconds < 1 || f.seconds > FETCH_SECONDS_MAX || limit < 1 ||
	    limit > FETCH_BYTES_MAX) {
		snprintf(reason, cap, "fetch: a limit is out of range");
		return -EINVAL;
	}
	f.limit = (uint64_t)limit;
	return web_get(&f, reason, cap);
}
