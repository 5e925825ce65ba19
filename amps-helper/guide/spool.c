#include "amps-helper/guide/spool.h"

#include <assert.h>
#include <string.h>

#include "common/limits.h"
#include "common/search.h"

#define PENDING_BYTES 65536u

static int flush(struct guide_spool *s)
{
	int r = write_all(s->fd, s->pending.data, s->pending.len);

	s->written += s->pending.len;
	buf_reset(&s->pending);
	return r;
}

int guide_spool_add(struct guide_spool *s, const struct spooled *p, const char *bytes)
{
	struct spooled *grown;

	if (s->count == GUIDE_PROGRAMMES_MAX)
		return -E2BIG;
	if (s->count == s->cap) {
		s->cap = s->cap > 0 ? s->cap + s->cap / 2 : 4096;
		grown = reallocarray(s->list, s->cap, sizeof(*grown));
		if (grown == NULL)
			return -ENOMEM;
		s->list = grown;
	}
	assert(s->count < s->cap);
	s->list[s->count] = *p;
	s->list[s->count++].at = s->written + s->pending.len;
	buf_add(&s->pending, bytes, p->bytes);
	if (!buf_ok(&s->pending))
		return -ENOMEM;
	return s->pending.len >= PENDING_BYTES ? flush(s) : 0;
}

static int compare(const void *a, const void *b)
{
	const struct spooled *x = a, *y = b;

	if (x->channel != y->channel)
		return x->channel < y->channel ? -1 : 1;
	if (x->start_s != y->start_s)
		return x->start_s < y->start_s ? -1 : 1;
	return (x->at > y->at) - (x->at < y->at);
}

/* Completes the end; `next`: the next programme of the channel, or NULL. */
static void complete(struct spooled *p, const struct spooled *next)
{
	uint32_t last = next != NULL ? next->start_s : p->start_s + GUIDE_LAST_S;

	if (p->end_s == GUIDE_NO_END || p->end_s <= p->start_s)
		p->end_s = last;
	else if (next != NULL)
		p->end_s = MIN(p->end_s, last);
	assert(p->end_s > p->start_s);
}

int guide_spool_finish(struct guide_spool *s, int64_t from_s)
{
	size_t n = 0, kept = 0;

	if (s->count > 0)
		qsort(s->list, s->count, sizeof(*s->list), compare);
	for (size_t i = 0; i < s->count; i++)
		if (n == 0 || s->list[n - 1].channel != s->list[i].channel ||
		    s->list[n - 1].start_s != s->list[i].start_s)
			s->list[n++] = s->list[i];
	for (size_t i = 0; i < n; i++) {
		struct spooled *p = &s->list[i];

		complete(p, i + 1 < n && p[1].channel == p->channel ? p + 1 : NULL);
		if (p->end_s > from_s)
			s->list[kept++] = *p;
	}
	assert(kept <= n && n <= s->count);
	s->count = kept;
	return flush(s);
}

static int compare_channel(const void *key, const void *element)
{
	const uint32_t *channel = key;
	const struct spooled *p = element;

	return (*channel > p->channel) - (*channel < p->channel);
}

const struct spooled *guide_spool_of(const struct guide_spool *s, uint32_t channel,
				     size_t *ret_count)
{
	size_t first = search_first(&channel, s->list, s->count, sizeof(*s->list), compare_channel),
	       end = first;

	while (end < s->count && s->list[end].channel == channel)
		end++;
	*ret_count = end - first;
	return end > first ? s->list + first : NULL;
}

int guide_spool_read(const struct guide_spool *s, const struct spooled *p, char *dst)
{
	ssize_t n;

	assert(p->at + p->bytes <= s->written);
	n = pread(s->fd, dst, p->bytes, (off_t)p->at);

	return n == p->bytes ? 0 : n < 0 ? -errno : -EIO;
}

void guide_spool_done(struct guide_spool *s)
{
	free(s->list);
	buf_done(&s->pending);
}
