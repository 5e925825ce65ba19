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
		free(b);
	}
	return NULL;
}

void body_count(struct body *b, struct body_account *account)
{
	assert(!b->account);
	b->account = account;
	account->bytes += b->plain_len + b->gzip_len;
}
