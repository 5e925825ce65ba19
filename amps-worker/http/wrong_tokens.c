#include "amps-worker/http/wrong_tokens.h"

#include <assert.h>

#include "amps-worker/http/access.h"
#include "common/hash.h"
#include "common/log/log.h"
#include "common/shm/worker_page.h"
#include "common/text/address.h"

static uint32_t load(const _Atomic uint32_t *at)
{
	return atomic_load_explicit(at, memory_order_relaxed);
}

/* The places that a client may have in a page. */
static struct wrong_client *set_of(const void *page, uint64_t client)
{
	uint64_t h = hash_end(hash_u64(HASH_START, client));

	return worker_page_wrong_tokens(page)->of[h % WRONG_TOKEN_SETS];
}

static struct wrong_client *find(const void *page, uint64_t client)
{
	struct wrong_client *set = set_of(page, client);

	for (unsigned i = 0; i < WRONG_TOKEN_WAYS; i++)
		if (atomic_load_explicit(&set[i].client, memory_order_acquire) == client)
			return &set[i];
	return NULL;
}

static bool is_recent(uint32_t at_s, uint32_t now_s)
{
	return at_s != 0 && now_s - at_s < WRONG_TOKENS_S;
}

static uint32_t newest(const struct wrong_client *w)
{
	return load(&w->at_s[(load(&w->count) + WRONG_TOKENS_MAX - 1) % WRONG_TOKENS_MAX]);
}

/* The client's place in our page; if it has none, that of the client that was quiet for longest. */
static struct wrong_client *take(const struct facts *f, uint64_t client)
{
	struct wrong_client *w = find(f->page, client), *set = set_of(f->page, client);

	if (w)
		return w;
	w = set;
	for (unsigned i = 1; i < WRONG_TOKEN_WAYS; i++)
		if (newest(&set[i]) < newest(w))
			w = &set[i];
	atomic_store_explicit(&w->client, 0, memory_order_relaxed);
	atomic_store_explicit(&w->count, 0, memory_order_relaxed);
	atomic_store_explicit(&w->refused_s, 0, memory_order_relaxed);
	for (unsigned i = 0; i < WRONG_TOKENS_MAX; i++)
		atomic_store_explicit(&w->at_s[i], 0, memory_order_relaxed);
	atomic_store_explicit(&w->client, client, memory_order_release);
	return w;
}

static void note(struct wrong_client *w, uint32_t now_s)
{
	uint32_t count = load(&w->count);

	atomic_store_explicit(&w->at_s[count % WRONG_TOKENS_MAX], now_s, memory_order_relaxed);
	atomic_store_explicit(&w->count, count + 1, memory_order_relaxed);
}

/* What all workers have seen of a client. */
struct seen {
	unsigned wrong; /* tokens of the last minute */
	bool refused;	/* one of them was */
};

static struct seen seen_of(const struct facts *f, uint64_t client, uint32_t now_s)
{
	struct seen s = {0};

	for (unsigned i = 0; i < f->worker_count; i++) {
		const struct wrong_client *w =
			f->worker_pages[i] ? find(f->worker_pages[i], client) : NULL;

		for (unsigned n = 0; w && n < WRONG_TOKENS_MAX; n++)
			s.wrong += is_recent(load(&w->at_s[n]), now_s);
		s.refused |= w && is_recent(load(&w->refused_s), now_s);
	}
	return s;
}

bool wrong_tokens_over(const struct request *q)
{
	const struct facts *f = q->facts;
	struct in6_addr address = access_client(q->http, f);
	uint64_t client = address_client(&address);
	uint32_t now_s = (uint32_t)(f->mono_us / 1000000) + 1; /* 0 is no time */
	char text[INET6_ADDRSTRLEN];
	struct wrong_client *own;
	struct seen seen;

	if (!f->page)
		return false;
	seen = seen_of(f, client, now_s);
	own = take(f, client);
	assert(atomic_load_explicit(&own->client, memory_order_relaxed) == client);
	note(own, now_s);
	if (seen.wrong < WRONG_TOKENS_MAX)
		return false;
	atomic_store_explicit(&own->refused_s, now_s, memory_order_relaxed);
	if (!seen.refused) {
		address_text(&address, text);
		log_warn("%u wrong tokens came from one address within %u s, refusing further ones "
			 "address=%s",
			 WRONG_TOKENS_MAX, WRONG_TOKENS_S, text);
	}
	return true;
}
