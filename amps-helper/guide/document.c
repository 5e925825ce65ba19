#include "amps-helper/guide/document.h"

#include <stdio.h>
#include <string.h>

#include "common/limits.h"

int guide_document_init(struct guide_document *d, const struct guide_parse_env *env)
{
	int r = guide_parse_new(env, &d->parse);

	d->unpack = (struct unpack){.take = guide_parse_add, .owner = d->parse};
	return r;
}

void guide_document_done(struct guide_document *d)
{
	unpack_done(&d->unpack);
	guide_parse_free(d->parse);
	d->parse = NULL;
}

/* Damage of the packed form is behind the line that was read last. */
static int judge(const struct guide_document *d, int r, char *reason, size_t cap)
{
	char text[ERROR_TEXT_MAX];

	if (r == 0 || strncmp(reason, "line ", 5) == 0)
		return r;
	snprintf(text, sizeof(text), "%s", reason[0] != '\0' ? reason : strerror(-r));
	snprintf(reason, cap, "line %lu: %s", guide_parse_line(d->parse), text);
	return r;
}

int guide_document_add(void *arg, const char *bytes, size_t n, char *reason, size_t cap)
{
	struct guide_document *d = arg;

	return judge(d, unpack_add(&d->unpack, bytes, n, reason, cap), reason, cap);
}

int guide_document_end(struct guide_document *d, char *reason, size_t cap)
{
	int r = unpack_end(&d->unpack, reason, cap);

	if (r == 0)
		r = guide_parse_end(d->parse, reason, cap);
	return judge(d, r, reason, cap);
}
