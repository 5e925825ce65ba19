/* Range: a part lies within the file and is not empty, whatever the field says.  The first eight
 * bytes are the size of the file. */
#include <stdlib.h>
#include <string.h>
#include "amps-worker/http/range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct span field, uint64_t size)
{
	uint64_t first = UINT64_MAX, length = UINT64_MAX;

	switch (range_parse(field, size, &first, &length)) {
	case RANGE_PART:
		if (first >= size || length == 0 || length > size - first)
			abort();
		break;
	case RANGE_UNSATISFIABLE:
	case RANGE_WHOLE:
		/* untouched */
		if (first != UINT64_MAX || length != UINT64_MAX)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t bytes = 0;
	char *text;

	if (size < sizeof(bytes))
		return 0;
	memcpy(&bytes, data, sizeof(bytes));
	size -= sizeof(bytes);
	text = malloc(size + 1);
	if (!text)
		return 0;
	memcpy(text, data + sizeof(bytes), size);
	check((struct span){text, size}, bytes);
	check((struct span){text, size}, bytes % 4096);
	if (range_allowed((struct span){text, size}, "\"a\"") &&
	    !(size == 3 && memcmp(text, "\"a\"", 3) == 0))
		abort();
	free(text);
	return 0;
}
