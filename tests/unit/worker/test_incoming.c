#include "amps-worker/http/incoming.h"

#include <stdio.h>
#include <string.h>
#include "unit.h"

#define HEAD	  "HEAD"
#define MAX_BYTES 16u

/* Feeds the bytes behind HEAD `step` at a time.  1 with the body and the rest, or the error; 0 if
 * it is not complete. */
static int feed(bool chunked, uint64_t length, const char *bytes, size_t step, char *body,
		const char **rest)
{
	const struct http_request q = {
		.chunked = chunked, .content_length = length, .head_bytes = strlen(HEAD)};
	struct incoming in = incoming_of(&q, MAX_BYTES);
	static char buffer[64]; /* however much comes, little is kept */
	size_t len = strlen(HEAD);
	int r = 0;

	memcpy(buffer, HEAD, len);
	while (r == 0 && *bytes) {
		size_t n = strnlen(bytes, step);

		cr_assert_lt(len + n, sizeof(buffer));
		memcpy(buffer + len, bytes, n);
		bytes += n;
		len += n;
		buffer[len] = '\0';
		r = incoming_take(&in, buffer, len);
		if (r == 0)
			len = incoming_cut(&in);
	}
	cr_assert_eq(memcmp(buffer, HEAD, strlen(HEAD)), 0);
	if (r == 1) {
		memcpy(body, buffer + in.begin, in.end - in.begin);
		body[in.end - in.begin] = '\0';
		*rest = buffer + in.at;
	}
	return r;
}

static void check(bool chunked, uint64_t length, const char *bytes, int result, const char *body,
		  const char *rest)
{
	for (size_t step = 1; step < 12; step++) {
		char got[64] = "";
		const char *behind = "";
		int r = feed(chunked, length, bytes, step, got, &behind);

		cr_assert_eq(r, result, "%d in steps of %zu: %s", r, step, bytes);
		if (r != 1)
			continue;
		cr_assert_str_eq(got, body, "%s in steps of %zu: %s", got, step, bytes);
		/* what follows has come with it, or has not come yet */
		cr_assert_eq(strncmp(rest, behind, strlen(behind)), 0, "%s", behind);
	}
}

Test(incoming, a_body_ends_by_its_length)
{
	check(false, 5, "hello", 1, "hello", "");
	check(false, 5, "helloGET /", 1, "hello", "GET /");
	check(false, 5, "hell", 0, "", "");
	check(false, MAX_BYTES, "0123456789abcdef", 1, "0123456789abcdef", "");
}

Test(incoming, chunks_are_put_together)
{
	check(true, 0, "5\r\nhello\r\n0\r\n\r\n", 1, "hello", "");
	check(true, 0, "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\nGET /", 1, "hello", "GET /");
	check(true, 0, "00005;a=b;c=\"d\"\r\nhello\r\n000\r\nTrailer: x\r\n\r\n", 1, "hello", "");
	check(true, 0, "A \r\n0123456789\r\n0\r\n\r\n", 1, "0123456789", "");
	check(true, 0, "0\r\n\r\n", 1, "", "");
	check(true, 0, "5\r\nhello\r\n", 0, "", "");
	check(true, 0, "5\r\nhello\r\n0\r\n", 0, "", "");
}

Test(incoming, malformed_chunks_are_refused)
{
	static const char *const wrong[] = {
		"5\nhello\r\n0\r\n\r\n",	   /* no CR */
		"5\rhello\r\n0\r\n\r\n",	   /* no LF */
		"5\r\nhellox\r\n0\r\n\r\n",	   /* longer than its size */
		"5\r\nhello\n0\r\n\r\n",	   /* a bare LF behind it */
		"\r\nhello\r\n0\r\n\r\n",	   /* no size */
		"-5\r\nhello\r\n0\r\n\r\n",	   /* a sign */
		"0x5\r\nhello\r\n0\r\n\r\n",	   /* a prefix */
		"000000005\r\nhello\r\n0\r\n\r\n", /* too many digits */
		"5\r\nhello\r\n0\r\nA: b\n\r\n",   /* a trailer without CR */
	};

	for (size_t i = 0; i < array_size(wrong); i++)
		check(true, 0, wrong[i], -EBADMSG, "", "");
}

Test(incoming, a_body_over_the_maximum_is_refused)
{
	check(true, 0, "11\r\n0123456789abcdefg\r\n0\r\n\r\n", -E2BIG, "", "");
	check(true, 0, "10\r\n0123456789abcdef\r\n1\r\nx\r\n0\r\n\r\n", -E2BIG, "", "");
	check(true, 0, "ffffffff\r\n", -E2BIG, "", "");
}

Test(incoming, extensions_and_trailers_are_bounded_together)
{
	static char bytes[HTTP_CHUNK_EXTRA_MAX + 2 * HTTP_CHUNK_LINE_MAX];
	size_t n = (size_t)sprintf(bytes, "1;%01000d\r\nx\r\n0\r\n", 0);

	while (n + HTTP_CHUNK_LINE_MAX < HTTP_CHUNK_EXTRA_MAX)
		n += (size_t)sprintf(bytes + n, "T: %01000d\r\n", 0);
	strcpy(bytes + n, "\r\n");
	check(true, 0, bytes, 1, "x", "");
	for (unsigned i = 0; i < 2; i++)
		n += (size_t)sprintf(bytes + n, "T: %01000d\r\n", 0);
	check(true, 0, bytes, -EBADMSG, "", "");
}
