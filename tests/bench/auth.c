/* auth TOKENS TRIES - what it costs to find the token of a request, and what the time betrays.
 *
 * Prints one JSON object.  "us": processor time of one request's authentication, by where its token
 * stands: {"header", "bearer", "query", "wrong"}.  "timing": TRIES wrong tokens each, in
 * random order, whose first half, or all but the last character, are those of a right one, against
 * ones of which nothing is right: the trimmed means in ns and Welch's t, of which |t| < 4.5 is
 * noise.  "control": the same of a comparison that stops at the first wrong character, which must
 * be seen. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "amps-worker/http/access.h"
#include "common/clock.h"
#include "common/shm/tokens_layout.h"

#define LENGTH	40
#define TRIM_NS 20000 /* what takes longer was interrupted */

static uint64_t dice = 88172645463325252ull;

static uint64_t roll(void)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	return dice ^= dice << 17;
}

static void random_token(char out[LENGTH + 1])
{
	for (int i = 0; i < LENGTH; i++)
		out[i] = "0123456789abcdef"[roll() >> 60];
	out[LENGTH] = '\0';
}

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "auth: %s\n", what);
	exit(1);
}

static struct tokens *make_tokens(uint32_t count)
{
	size_t bytes = sizeof(struct tokens_header) + count * sizeof(struct token_entry);
	struct tokens_header *h = calloc(1, bytes);
	struct token_entry *e = (void *)(h + 1);
	struct snapshot *s;

	if (!h)
		fail("no memory");
	h->snapshot = (struct snapshot_header){.magic = TOKENS_MAGIC,
					       .version = TOKENS_VERSION,
					       .header_bytes = sizeof(*h),
					       .total_bytes = bytes,
					       .generation = 1};
	h->count = count;
	for (uint32_t i = 0; i < count; i++) {
		char token[LENGTH + 1];

		random_token(token);
		memcpy(e[i].token, token, LENGTH);
		e[i].expires_wall_us = TIME_NONE;
	}
	if (snapshot_open_memory(&tokens_type, h, bytes, &s) < 0)
		fail("the tokens cannot be opened");
	return tokens_of(s);
}

/* ---------- the cost ---------- */

static double cpu_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static double cost(const struct facts *f, const char *format, const char *token, bool found)
{
	char head[512];
	struct http_request q;
	const char *reason;
	size_t scanned = 0;
	int status, n = 200000;
	double begin;

	snprintf(head, sizeof(head), format, token);
	if (http_parse_head(head, strlen(head), &scanned, &q, &status, &reason) !=
	    HTTP_HEAD_COMPLETE)
		fail("the request is malformed");
	begin = cpu_us();
	for (int i = 0; i < n; i++)
		if ((access_token(&q, f) != NULL) != found)
			fail("a token is not judged as it is");
	return (cpu_us() - begin) / n;
}

/* ---------- the time ---------- */

struct sums {
	double n, mean, m2;
};

static void note(struct sums *s, double x)
{
	double d = x - s->mean;

	if (x > TRIM_NS)
		return;
	s->n++;
	s->mean += d / s->n;
	s->m2 += d * (x - s->mean);
}

static double welch(const struct sums *a, const struct sums *b)
{
	double va = a->m2 / (a->n - 1) / a->n, vb = b->m2 / (b->n - 1) / b->n;

	return (a->mean - b->mean) / sqrt(va + vb);
}

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static const struct token_entry *first_match(const struct tokens *t, const char *token, size_t len)
{
	return tokens_find(t, token, len, 0);
}

/* What must be seen: it compares with one token from the first character on. */
static const struct token_entry *compare_naively(const struct tokens *t, const char *token,
						 size_t len)
{
	const struct token_entry *e = tokens_at(t, 0);

	for (size_t i = 0; i < len; i++)
		for (volatile int slow = 0; slow < 4; slow++)
			if (e->token[i] != token[i])
				return NULL;
	return e;
}

/* Wrong tokens whose first `right` characters are those of a right one, against others. */
static void compare(const struct tokens *t, int tries, size_t right, const char *name,
		    const struct token_entry *(*find)(const struct tokens *, const char *, size_t))
{
	struct sums sums[2] = {0};
	size_t count = tokens_count(t);
	char wrong[LENGTH + 1];

	for (int i = 0; i < 2 * tries; i++) {
		int kind = (int)(roll() >> 63);
		/* any right one: the ways of few tokens would be in the processor's caches */
		const char *like =
			tokens_at(t, find == compare_naively ? 0 : roll() % count)->token;
		double begin, end;

		random_token(wrong);
		if (kind == 1)
			memcpy(wrong, like, right);
		if (wrong[right] == like[right])
			wrong[right] = 'g'; /* no token has it */
		begin = now_ns();
		if (find(t, wrong, LENGTH))
			fail("a wrong token is found");
		end = now_ns();
		note(&sums[kind], end - begin);
	}
	printf("\"%s\": {\"wrong_ns\": %.1f, \"prefix_ns\": %.1f, \"t\": %.2f}", name, sums[0].mean,
	       sums[1].mean, welch(&sums[1], &sums[0]));
}

int main(int argc, char *argv[])
{
	uint32_t count = argc == 3 ? (uint32_t)atoi(argv[1]) : 0;
	int tries = argc == 3 ? atoi(argv[2]) : 0;
	char right[LENGTH + 1] = "";
	struct tokens *t;
	struct facts f;

	if (count == 0 || count > TOKENS_MAX || tries <= 0)
		fail("usage: auth TOKENS TRIES");
	t = make_tokens(count);
	f = (struct facts){.tokens = t};
	memcpy(right, tokens_at(t, count / 2)->token, LENGTH);
	printf("{\"tokens\": %u, \"us\": {\"header\": %.3f", count,
	       cost(&f, "GET / HTTP/1.1\r\nHost: x\r\nX-Amps-Token: %s\r\n\r\n", right, true));
	printf(", \"bearer\": %.3f",
	       cost(&f, "GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", right,
		    true));
	printf(", \"query\": %.3f",
	       cost(&f, "GET /stream/5.ts?token=%s HTTP/1.1\r\nHost: x\r\n\r\n", right, true));
	right[0] = 'g';
	printf(", \"wrong\": %.3f}, \"timing\": {",
	       cost(&f, "GET / HTTP/1.1\r\nHost: x\r\nX-Amps-Token: %s\r\n\r\n", right, false));
	compare(t, tries, LENGTH / 2, "half", first_match);
	printf(", ");
	compare(t, tries, LENGTH - 1, "all_but_one", first_match);
	printf(", ");
	compare(t, tries, LENGTH - 1, "control", compare_naively);
	printf("}}\n");
	return 0;
}
