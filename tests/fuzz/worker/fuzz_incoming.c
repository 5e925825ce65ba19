/* Bodies of requests: never a crash, the same body however its bytes are cut, never more than the
 * maximum, and no byte behind what was received is read. */
#include <stdlib.h>
#include <string.h>
#include "amps-worker/http/incoming.h"

#define MAX_BYTES 64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	int result;
	size_t at, len;
	char body[MAX_BYTES];
};

static struct outcome feed(const uint8_t *data, size_t size, bool chunked, size_t step)
{
	const struct http_request q = {.chunked = chunked,
				       .content_length = chunked ? 0 : MAX_BYTES / 2};
	struct incoming in = incoming_of(&q, MAX_BYTES);
	struct outcome o = {0};
	char *bytes = NULL;
	size_t n = 0, fed = 0;

	while (o.result == 0 && fed < size) {
		size_t more = step < size - fed ? step : size - fed;

		bytes = realloc(bytes, n + more); /* of exact length, for the sanitizer */
		if (!bytes)
			abort();
		memcpy(bytes + n, data + fed, more);
		n += more;
		fed += more;
		o.result = incoming_take(&in, bytes, n);
		if (o.result == 0)
			n = incoming_cut(&in);
	}
	if (o.result == 1) {
		o.at = fed - (n - in.at);
		o.len = in.end - in.begin;
		if (o.len > MAX_BYTES)
			abort();
		if (o.len)
			memcpy(o.body, bytes + in.begin, o.len);
	}
	free(bytes);
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (int chunked = 0; chunked < 2; chunked++) {
		struct outcome whole = feed(data, size, chunked, size), cut;

		cut = feed(data, size, chunked, 1);
		if (whole.result != cut.result || whole.at != cut.at || whole.len != cut.len ||
		    memcmp(whole.body, cut.body, whole.len) != 0)
			abort();
	}
	return 0;
}
