#include "amps-transcoder/command/stderr_log.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/log/log.h"
#include "common/text/text.h"

#define SECOND_US 1000000

static bool is_blank(const char *text)
{
	return text[strspn(text, " \t")] == '\0';
}

/* The line is complete. */
static void put_line(struct stderr_log *l, bool progress)
{
	char *kept = l->last[l->kept % STDERR_LINES_KEPT];
	char clean[STDERR_LINE_MAX];
	bool skipped = l->skips, cut = l->len == sizeof(l->line) - 1;

	assert(l->len < sizeof(l->line));
	l->line[l->len] = '\0';
	/* the last word of a line that was cut may be half a URL */
	if (cut && strrchr(l->line, ' '))
		*strrchr(l->line, ' ') = '\0';
	l->len = 0;
	l->skips = false;
	if (skipped || is_blank(l->line))
		return;
	text_redact_words(l->line, clean, sizeof(clean));
	if (progress) {
		log_debug("the command shows its progress: %s", clean);
		return;
	}
	log_info("the command wrote: %s", clean);
	text_copy(kept, STDERR_KEPT_MAX, clean);
	l->kept++;
}

static void put_char(struct stderr_log *l, char c)
{
	if (c == '\n' || l->returned)
		put_line(l, c != '\n');
	l->returned = c == '\r';
	if (c != '\n' && c != '\r' && l->len < sizeof(l->line) - 1)
		l->line[l->len++] = c ? c : ' ';
}

void stderr_log_take(struct stderr_log *l, const char *bytes, size_t n, uint64_t now_us)
{
	size_t at = 0;

	if (now_us - l->since_us >= SECOND_US) {
		l->since_us = now_us;
		l->bytes = 0;
	}
	l->bytes += n;
	/* only the end is read, from the next line on: it may be the last words */
	if (l->bytes > STDERR_BYTES_A_SECOND && n > STDERR_LINE_MAX) {
		at = n - STDERR_LINE_MAX;
		l->returned = false;
		l->skips = true;
	}
	for (; at < n; at++)
		put_char(l, bytes[at]);
}

void stderr_log_finish(struct stderr_log *l)
{
	put_char(l, '\n');
}

void stderr_log_last(const struct stderr_log *l, char *dst, size_t cap)
{
	unsigned first = l->kept > STDERR_LINES_KEPT ? l->kept - STDERR_LINES_KEPT : 0;
	size_t used = 0;

	assert(cap > 0);
	*dst = '\0';
	for (unsigned i = first; i < l->kept && used < cap; i++)
		used += (size_t)snprintf(dst + used, cap - used, "%s%s", used ? "; " : "",
					 l->last[i % STDERR_LINES_KEPT]);
}
