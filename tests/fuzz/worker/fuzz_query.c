/* Query values and path segments: what is decoded is text without control characters. */
#include <stdlib.h>
#include <string.h>
#include "amps-worker/http/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"", "a", "token", "variant"};
	static const size_t caps[] = {0, 1, 2, 17, 4096};
	struct span text;
	char *bytes = malloc(size + 1);

	if (!bytes)
		return 0;
	memcpy(bytes, data, size);
	text = (struct span){bytes, size};
	for (size_t i = 0; i < array_size(names) * array_size(caps); i++) {
		static struct http_request r;
		size_t cap = caps[i % array_size(caps)];
		char *value = malloc(cap + 1);

		r.query = text;
		http_parse_query(&r);
		if (value && http_query(&r, names[i / array_size(caps)], value, cap) == 1)
			check_text(value);
		if (value && http_decode_segment(text, value, cap) == 0)
			check_text(value);
		free(value);
	}
	free(bytes);
	return 0;
}
