#include "common/shm/tokens.h"

#include <assert.h>
#include <nettle/base16.h>
#include <nettle/sha2.h>
#include <string.h>
#include <sys/random.h>

#include "common/clock.h"
#include "common/search.h"
#include "common/shm/worker_page.h"
#include "common/text/text.h"

struct token_digest {
	uint8_t bytes[SHA256_DIGEST_SIZE];
	uint32_t entry;
};

struct token_name {
	uint64_t name;
	uint32_t entry;
};

struct tokens {
	struct snapshot snapshot;
	const struct tokens_header *header;
	const struct token_entry *entries;
	/* Random and private to this process: a client cannot compute the digest of a guess, so the
	 * time of a lookup reveals nothing about the tokens. */
	uint8_t key[SHA256_DIGEST_SIZE];
	/* For tokens_hide(): the rolling hash of each token under a random base, and which lengths
	 * occur. */
	uint64_t base;
	uint64_t *hashes; /* [hash_mask + 1], open addressing; 0 = empty */
	size_t hash_mask;
	bool lengths[TOKEN_BYTES_MAX + 1];
	/* Of tokens that are hashed; their prints are in the table, too. */
	bool hashed_lengths[TOKEN_BYTES_MAX + 1];
	uint64_t *names;	       /* of each entry */
	struct token_name *by_name;    /* the same, sorted */
	struct token_digest digests[]; /* one for each entry, sorted */
};

static bool entry_valid(const struct token_entry *e)
{
	if (e->role > TOKEN_ADMIN || e->group_count > TOKEN_GROUPS_MAX ||
	    e->name[sizeof(e->name) - 1] != '\0')
		return false;
	if (e->flags & TOKEN_HASHED &&
	    (e->length > TOKEN_BYTES_MAX || e->print >> TOKEN_PRINT_BITS != 0))
		return false;
	for (size_t i = 0; i < e->group_count; i++)
		if (e->groups[i][TOKEN_GROUP_BYTES - 1] != '\0')
			return false;
	return true;
}

static bool tokens_valid(const struct tokens_header *h)
{
	const struct token_entry *entries = (const void *)(h + 1);

	if (h->count > TOKENS_MAX ||
	    h->snapshot.total_bytes != sizeof(*h) + h->count * sizeof(struct token_entry))
		return false;
	for (size_t i = 0; i < h->count; i++)
		if (!entry_valid(&entries[i]))
			return false;
	return true;
}

/* Of a token's SHA-256. */
static void digest(const struct tokens *t, const char hex[TOKEN_HASH_BYTES],
		   uint8_t out[SHA256_DIGEST_SIZE])
{
	struct sha256_ctx context;

	sha256_init(&context);
	sha256_update(&context, sizeof(t->key), t->key);
	sha256_update(&context, TOKEN_HASH_BYTES, (const uint8_t *)hex);
	sha256_digest(&context, SHA256_DIGEST_SIZE, out);
}

void tokens_hash(const char *token, size_t len, char hex[TOKEN_HASH_BYTES])
{
	uint8_t bytes[SHA256_DIGEST_SIZE];
	struct sha256_ctx context;

	static_assert(BASE16_ENCODE_LENGTH(SHA256_DIGEST_SIZE) == TOKEN_HASH_BYTES, "fits");
	sha256_init(&context);
	sha256_update(&context, len, (const uint8_t *)token);
	sha256_digest(&context, sizeof(bytes), bytes);
	base16_encode_update(hex, sizeof(bytes), bytes);
}

static uint64_t roll_in(uint64_t base, uint64_t hash, uint8_t byte)
{
	return hash * base + byte + 1;
}

static uint64_t roll_all(uint64_t base, const char *token, size_t len)
{
	uint64_t hash = 0;

	for (size_t i = 0; i < len; i++)
		hash = roll_in(base, hash, (uint8_t)token[i]);
	return hash;
}

/* The factor of the first of `size` bytes in their hash. */
static uint64_t first_factor(uint64_t base, size_t size)
{
	uint64_t factor = 1;

	for (size_t i = 1; i < size; i++)
		factor *= base;
	return factor;
}

/* The upper bits: the lower ones do not depend on the whole base. */
static uint32_t print_of(uint64_t hash)
{
	return (uint32_t)(hash >> (64 - TOKEN_PRINT_BITS));
}

/* What the table has of a token that is hashed. */
static uint64_t print_key(size_t len, uint32_t print)
{
	return 1ull << 63 | (uint64_t)len << TOKEN_PRINT_BITS | print;
}

void tokens_put_hashed(struct token_entry *e, uint64_t base, const char *token, size_t len)
{
	assert(len <= TOKEN_BYTES_MAX);
	memset(e->token, 0, sizeof(e->token));
	tokens_hash(token, len, e->token);
	e->flags |= TOKEN_HASHED;
	assert(len > 0);
	e->length = (uint32_t)len;
	e->print = print_of(roll_all(base, token, len));
}

static int compare_digests(const void *a, const void *b)
{
	const struct token_digest *x = a, *y = b;
	int r = memcmp(x->bytes, y->bytes, sizeof(x->bytes));

	return r != 0 ? r : (x->entry > y->entry) - (x->entry < y->entry);
}

static int compare_names(const void *a, const void *b)
{
	const struct token_name *x = a, *y = b;

	if (x->name != y->name)
		return x->name < y->name ? -1 : 1;
	return (x->entry > y->entry) - (x->entry < y->entry);
}

static int digests_make(struct tokens *t)
{
	uint32_t count = t->header->count;

	t->names = calloc(count + 1, sizeof(*t->names));
	t->by_name = calloc(count + 1, sizeof(*t->by_name));
	if (!t->names || !t->by_name)
		return -ENOMEM;
	if (getrandom(t->key, sizeof(t->key), 0) != (ssize_t)sizeof(t->key))
		return -EIO;
	for (uint32_t i = 0; i < count; i++) {
		const struct token_entry *e = &t->entries[i];
		char hex[TOKEN_HASH_BYTES];

		if (e->flags & TOKEN_HASHED)
			memcpy(hex, e->token, sizeof(hex));
		else
			tokens_hash(e->token, strnlen(e->token, TOKEN_BYTES_MAX), hex);
		digest(t, hex, t->digests[i].bytes);
		t->digests[i].entry = i;
		t->names[i] = worker_page_token(hex, sizeof(hex));
		t->by_name[i] = (struct token_name){t->names[i], i};
	}
	qsort(t->digests, count, sizeof(t->digests[0]), compare_digests);
	qsort(t->by_name, count, sizeof(t->by_name[0]), compare_names);
	return 0;
}

/* The place of the hash in the table, or the free place for it. */
static uint64_t *hash_slot(const struct tokens *t, uint64_t hash)
{
	size_t at = (size_t)(hash * 0x9e3779b97f4a7c15ull >> 32) & t->hash_mask;

	/* at most a quarter of the places is taken, so that a search ends */
	assert(t->hash_mask + 1 >= (size_t)t->header->count * 4);
	while (t->hashes[at] != 0 && t->hashes[at] != hash)
		at = (at + 1) & t->hash_mask;
	return &t->hashes[at];
}

static int hashes_make(struct tokens *t)
{
	size_t slots = 4;

	if (getrandom(&t->base, sizeof(t->base), 0) != (ssize_t)sizeof(t->base))
		return -EIO;
	t->base |= 1;
	while (slots < (size_t)t->header->count * 4)
		slots *= 2;
	t->hash_mask = slots - 1;
	t->hashes = calloc(slots, sizeof(t->hashes[0]));
	if (!t->hashes)
		return -ENOMEM;
	for (uint32_t i = 0; i < t->header->count; i++) {
		const struct token_entry *e = &t->entries[i];
		const char *token = e->token;
		size_t n = strnlen(token, TOKEN_BYTES_MAX);
		uint64_t hash;

		if (e->flags & TOKEN_HASHED && e->length >= TOKEN_HIDDEN_MIN) {
			t->hashed_lengths[e->length] = true;
			*hash_slot(t, print_key(e->length, e->print)) =
				print_key(e->length, e->print);
		}
		if (e->flags & TOKEN_HASHED || n < TOKEN_HIDDEN_MIN)
			continue;
		hash = roll_all(t->base, token, n);
		*hash_slot(t, hash) = hash;
		t->lengths[n] = true;
	}
	return 0;
}

static void tokens_free(struct tokens *t)
{
	free(t->hashes);
	free(t->names);
	free(t->by_name);
	free(t);
}

static void free_tokens(struct snapshot *s)
{
	tokens_free(tokens_of(s));
}

static int open_tokens(const struct snapshot_header *header, struct snapshot **ret)
{
	const struct tokens_header *h = (const void *)header;
	struct tokens *t;
	int r;

	if (!tokens_valid(h))
		return -EINVAL;
	t = calloc(1, sizeof(*t) + h->count * sizeof(t->digests[0]));
	if (t == NULL)
		return -ENOMEM;
	t->header = h;
	t->entries = (const void *)(h + 1);
	r = digests_make(t);
	if (r == 0)
		r = hashes_make(t);
	if (r < 0) {
		tokens_free(t);
		return r;
	}
	*ret = &t->snapshot;
	return 0;
}

const struct snapshot_type tokens_type = {
	.magic = TOKENS_MAGIC,
	.version = TOKENS_VERSION,
	.header_bytes = sizeof(struct tokens_header),
	.bytes_max = sizeof(struct tokens_header) + TOKENS_MAX * sizeof(struct token_entry),
	.open = open_tokens,
	.free = free_tokens,
};

struct tokens *tokens_of(struct snapshot *s)
{
	assert(!s || s->type == &tokens_type);
	return (struct tokens *)(void *)s;
}

/* The digests from the first one of this SHA-256 on; *ret_count of them are equal. */
static const struct token_digest *find_hash(const struct tokens *t,
					    const char hex[TOKEN_HASH_BYTES], size_t *ret_count)
{
	struct token_digest asked = {.entry = 0};
	size_t first, end;

	digest(t, hex, asked.bytes);
	first = search_first(&asked, t->digests, t->header->count, sizeof(asked), compare_digests);
	/* equal tokens are neighbours, in the order of their entries */
	for (end = first; end < t->header->count; end++)
		if (memcmp(t->digests[end].bytes, asked.bytes, sizeof(asked.bytes)) != 0)
			break;
	*ret_count = end - first;
	return &t->digests[first];
}

static bool is_valid(const struct token_entry *e, int64_t wall_us)
{
	return e->expires_wall_us == TIME_NONE || wall_us < e->expires_wall_us;
}

const struct token_entry *tokens_find(const struct tokens *t, const char *token, size_t len,
				      int64_t wall_us)
{
	char hex[TOKEN_HASH_BYTES];
	const struct token_digest *d;
	size_t count;

	if (len == 0)
		return NULL;
	tokens_hash(token, len, hex);
	for (d = find_hash(t, hex, &count); count > 0; count--, d++) {
		assert(d->entry < t->header->count);
		if (is_valid(&t->entries[d->entry], wall_us))
			return &t->entries[d->entry];
	}
	return NULL;
}

uint64_t tokens_name(const struct tokens *t, const struct token_entry *e)
{
	assert(e >= t->entries && e < t->entries + t->header->count);
	return t->names[e - t->entries];
}

const struct token_entry *tokens_by_name(const struct tokens *t, uint64_t name, int64_t wall_us)
{
	const struct token_name key = {.name = name};
	size_t at = search_first(&key, t->by_name, t->header->count, sizeof(key), compare_names);

	for (; at < t->header->count && t->by_name[at].name == name; at++)
		if (is_valid(&t->entries[t->by_name[at].entry], wall_us))
			return &t->entries[t->by_name[at].entry];
	return NULL;
}

int64_t tokens_next_expiry(const struct tokens *t, int64_t after_us)
{
	int64_t next = INT64_MAX;

	for (uint32_t i = 0; i < t->header->count; i++) {
		int64_t at = t->entries[i].expires_wall_us;

		if (at != TIME_NONE && at > after_us)
			next = MIN(next, at);
	}
	return next;
}

/* The next byte at text[*at], percent-decoded; moves *at behind it. */
static uint8_t take_byte(const char *text, size_t len, size_t *at)
{
	size_t i = *at;
	int byte = text_percent_byte(text + i, len - i);

	*at = i + (byte < 0 ? 1 : 3);
	return (uint8_t)(byte < 0 ? text[i] : byte);
}

/* Marks the bytes of each token of `size` bytes: a window of that many decoded bytes moves over the
 * text. */
static void mark_tokens(const struct tokens *t, size_t size, const char *text, size_t len,
			bool *marks)
{
	size_t from = 0, to = 0, held = 0, marked = 0;
	uint64_t hash = 0, first = first_factor(t->base, size);

	while (to < len) {
		if (held == size) {
			hash -= first * (take_byte(text, len, &from) + 1ull);
			held--;
		}
		hash = roll_in(t->base, hash, take_byte(text, len, &to));
		if (++held < size || *hash_slot(t, hash) == 0)
			continue;
		for (marked = MAX(marked, from); marked < to; marked++)
			marks[marked] = true;
	}
}

/* Are the bytes of text[from..to), percent-decoded, a token that is hashed? */
static bool is_hashed_token(const struct tokens *t, const char *text, size_t from, size_t to)
{
	char token[TOKEN_BYTES_MAX], hex[TOKEN_HASH_BYTES];
	size_t n = 0, count;

	while (from < to && n < sizeof(token))
		token[n++] = (char)take_byte(text, to, &from);
	tokens_hash(token, n, hex);
	find_hash(t, hex, &count);
	return count > 0;
}

/* The same of hashed tokens: the print of a window's bytes shows which ones to look at. */
static void mark_hashed(const struct tokens *t, size_t size, const char *text, size_t len,
			bool *marks)
{
	size_t from = 0, to = 0, held = 0, marked = 0;
	uint64_t base = t->header->base, hash = 0, first = first_factor(base, size);

	while (to < len) {
		if (held == size) {
			hash -= first * (take_byte(text, len, &from) + 1ull);
			held--;
		}
		hash = roll_in(base, hash, take_byte(text, len, &to));
		if (++held < size || *hash_slot(t, print_key(size, print_of(hash))) == 0 ||
		    !is_hashed_token(t, text, from, to))
			continue;
		for (marked = MAX(marked, from); marked < to; marked++)
			marks[marked] = true;
	}
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* The same of tokens that the API has made: words of their length and letters. */
static void mark_made(const struct tokens *t, const char *text, size_t len, bool *marks)
{
	for (size_t from = 0, to; from < len; from = to + 1) {
		for (to = from; to < len && is_hex(text[to]); to++)
			;
		if (to - from == TOKEN_MADE_BYTES && is_hashed_token(t, text, from, to))
			memset(marks + from, true, to - from);
	}
}

size_t tokens_hide(const struct tokens *t, char *text, size_t len)
{
	bool marks[TOKEN_HIDE_MAX];
	size_t kept = 0;

	len = MIN(len, sizeof(marks));
	memset(marks, 0, len);
	for (size_t n = TOKEN_HIDDEN_MIN; n <= TOKEN_BYTES_MAX; n++) {
		if (t->lengths[n])
			mark_tokens(t, n, text, len, marks);
		if (t->hashed_lengths[n])
			mark_hashed(t, n, text, len, marks);
	}
	if (t->header->count > 0)
		mark_made(t, text, len, marks);
	for (size_t i = 0; i < len; i++) {
		if (!marks[i]) {
			text[kept++] = text[i];
		} else if (i == 0 || !marks[i - 1]) {
			assert(kept + 3 <= len);
			memcpy(text + kept, "***", 3);
			kept += 3;
		}
	}
	return kept;
}

bool tokens_needed(const struct tokens *t)
{
	return t->header->needed != 0;
}

uint64_t tokens_generation(const struct tokens *t)
{
	return t->header->snapshot.generation;
}

size_t tokens_count(const struct tokens *t)
{
	return t->header->count;
}

const struct token_entry *tokens_at(const struct tokens *t, size_t index)
{
	assert(index < t->header->count);
	return &t->entries[index];
}

const struct token_entry *tokens_shared(const struct tokens *t)
{
	if (t->header->count == 0 || (t->entries[0].flags & TOKEN_SHARED) == 0)
		return NULL;
	return &t->entries[0];
}
