#include "amps-master/config/loader.h"

int loader_start(struct helpers *hs, const char *const argv[],
		 void (*done)(void *owner, struct helper_result *result), void *owner,
		 struct helper **ret)
{
	const struct helper_spec spec = {
		.argv = argv, .timeout_ms = LOADER_TIMEOUT_MS, .logs = true};

	return helper_start(hs, &spec, done, owner, ret);
}
