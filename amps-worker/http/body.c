#include "amps-worker/http/body.h"

#include <assert.h>

struct body *body_ref(struct body *b)
{
	assert(b->refs > 0);
	b->refs++;
	return b;
}

struct body *body_unref(struct body *b)
{
	if (!b)
		return NULL;
	assert(b->refs > 0);
	if (--b->refs == 0) {
		if (b->account) {
			assert(b->account->bytes >= b->plain_len + b->gzip_len);
			b->account->bytes -= b->plain_len + b->gzip_len;
		}
		free(b->plain);
		free(b->gzip);
		body_follow_free(b->follow);
		free(b);
	}
	return NULL;
}

void body_tail_add(struct body_tail *t, const char *at, size_t len)
{
	struct body_run *last = t->count ? &t->runs[t->count - 1] : NULL, *grown;

	if (len == 0)
		return;
	t->bytes += len;
	if (last && last->at + last->len == at) {
		last->len += len;
		return;
	}
	if (t->count == t->cap) {
		t->cap = t->cap ? 2 * t->cap : 4;
		grown = reallocarray(t->runs, t->cap, sizeof(*t->runs));
		t->failed |= !grown;
		if (!grown)
			return;
		t->runs = grown;
	}
	t->runs[t->count++] = (struct body_run){at, len};
}

struct body_follow *body_follow_free(struct body_follow *f)
{
	if (!f)
		return NULL;
	free(f->plain.runs);
	free(f->packed.runs);
	snapshot_unref(f->snapshot);
	free(f);
	return NULL;
}

void body_count(struct body *b, struct body_account *account)
{
	assert(!b->account);
	b->account = account;
	account->bytes += b->plain_len + b->gzip_len;
}
