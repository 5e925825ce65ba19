/* Any bytes as the request of --check-options. */
#include "amps-transcoder/options/check_options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *request = json_loadb((const char *)data, size, 0, NULL);

	json_decref(check_options(request, NULL));
	json_decref(request);
	return 0;
}
