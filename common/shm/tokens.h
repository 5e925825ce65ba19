/* tokens.h - reading the tokens snapshot (tokens_layout.h has the map).  Nothing blocks or logs. */
#ifndef AMPS_TOKENS_H
#define AMPS_TOKENS_H

#include "common/base.h"
#include "common/shm/tokens_layout.h"

struct tokens;

extern const struct snapshot_type tokens_type;

/* Tokens are a snapshot of this type; NULL for NULL. */
struct tokens *tokens_of(struct snapshot *s);

/* The SHA-256 of a token in lower-case hexadecimal. */
void tokens_hash(const char *token, size_t len, char hex[TOKEN_HASH_BYTES]);

/* Puts the digest of a token into the entry (TOKEN_HASHED), and its print under this base. */
void tokens_put_hashed(struct token_entry *e, uint64_t base, const char *token, size_t len);

/* Does a request need a token? */
bool tokens_needed(const struct tokens *t);

/* The first entry of this token that has not expired, or NULL.  Compares digests under a key of
 * this process, so the time of a lookup reveals nothing about the tokens.  Borrowed
 * while the snapshot is referenced. */
const struct token_entry *tokens_find(const struct tokens *t, const char *token, size_t len,
				      int64_t wall_us);

/* The hash by which records and messages name a token of the snapshot; never 0.  It is the same
 * whether the snapshot has the token or its SHA-256. */
uint64_t tokens_name(const struct tokens *t, const struct token_entry *e);

/* The first entry of that name that has not expired, or NULL. */
const struct token_entry *tokens_by_name(const struct tokens *t, uint64_t name, int64_t wall_us);

/* When the next token expires after this time; INT64_MAX: none does.  Looks at all of them. */
int64_t tokens_next_expiry(const struct tokens *t, int64_t after_us);

/* Replaces each token of TOKEN_HIDDEN_MIN bytes or more in text[0..len), as it is or
 * percent-encoded, expired or not, by "***" in place; of two tokens that overlap, all bytes of
 * both. Looks at TOKEN_HIDE_MAX bytes at most: a longer text is cut there.  Returns the new length.
 * Takes time in proportion to `len` and the number of different token lengths.  Of a token that is
 * hashed, each place of a text at which the print fits costs a digest: one of 16 million.  Of those
 * of which only the SHA-256 is known, only such as the API makes are found: TOKEN_MADE_BYTES
 * hexadecimal digits that stand alone. */
must_check size_t tokens_hide(const struct tokens *t, char *text, size_t len);

/* All entries, expired or not. */
uint64_t tokens_generation(const struct tokens *t);
size_t tokens_count(const struct tokens *t);
const struct token_entry *tokens_at(const struct tokens *t, size_t index);

/* auth.token, or NULL when none is shared. */
const struct token_entry *tokens_shared(const struct tokens *t);

#endif
