/* Heads of requests: never a crash, the same verdict however the bytes are cut, and spans that stay
 * inside the bytes. */
#include <stdlib.h>
#include <string.h>
#include "amps-worker/http/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	enum http_verdict verdict;
	int status;
	struct http_request request;
};

static void feed(struct outcome *o, const char *bytes, size_t size, size_t step)
{
	size_t scanned = 0, n = 0;
	const char *reason = NULL;

	o->status = 0;
	do {
		n = step < size - n ? n + step : size;
		o->verdict = http_parse_head(bytes, n, &scanned, &o->request, &o->status, &reason);
	} while (o->verdict == HTTP_HEAD_INCOMPLETE && n < size);
	if (o->verdict == HTTP_HEAD_BAD && (!reason || o->status < 400))
		abort();
}

static void inside(struct span s, const char *bytes, const struct http_request *r)
{
	if (s.len && (s.at < bytes || s.at + s.len > bytes + r->head_bytes))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct outcome whole, cut;
	char *bytes = malloc(size + 1); /* of exact length, for the sanitizer */

	if (!bytes)
		return 0;
	memcpy(bytes, data, size);
	feed(&whole, bytes, size, size ? size : 1);
	feed(&cut, bytes, size, 1);
	if (whole.verdict != cut.verdict || whole.status != cut.status)
		abort();
	if (whole.verdict == HTTP_HEAD_COMPLETE) {
		const struct http_request *r = &whole.request;

		if (r->head_bytes > size || r->path.len == 0 || r->path.at[0] != '/')
			abort();
		inside(r->query, bytes, r);
		inside(r->host, bytes, r);
		for (size_t i = 0; i < r->field_count; i++) {
			inside(r->fields[i].name, bytes, r);
			inside(r->fields[i].value, bytes, r);
		}
	}
	free(bytes);
	return 0;
}
