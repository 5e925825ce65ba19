/* tokens_layout.h - the map of the tokens snapshot (snapshot.h).
 *
 * Viewers' tokens of the configuration file are in plain text if the file has them so, because the
 * links of a playlist carry them.  Of those that the API has made, of `token_sha256`, and of an
 * administrator's token that no link carries, there is only the digest, so that a worker that was
 * taken over has no administrator's rights.  Only workers get the object.
 *
 *	offset 0   struct tokens_header
 *	80         struct token_entry[count]; entry 0 is auth.token if it has TOKEN_SHARED
 *
 * W: master, before sealing.  Readers: workers. */
#ifndef AMPS_TOKENS_LAYOUT_H
#define AMPS_TOKENS_LAYOUT_H

#include <assert.h>
#include "common/limits.h"
#include "common/shm/snapshot.h"

#define TOKENS_MAGIC   0x534e454b4f545341ull /* "ASTOKENS" */
#define TOKENS_VERSION 5u

struct tokens_header {
	struct snapshot_header snapshot;
	uint32_t count;
	uint32_t needed; /* 1: a request needs a token; 0: authentication is off */
	uint64_t base;	 /* random: a client cannot choose texts with the prints of tokens */
	uint8_t pad[32];
};

enum token_role { TOKEN_VIEWER = 0, TOKEN_ADMIN = 1 };

#define TOKEN_SHARED	  1u /* auth.token: also what the links of an administrator carry */
#define TOKEN_COMMANDS	  2u /* auth.admin_token: the only one that may change commands */
#define TOKEN_HASHED	  4u /* `token` is the SHA-256 of the token in hexadecimal */
#define TOKEN_MADE	  8u /* by the API, which can also revoke it */
#define TOKEN_MADE_BYTES  40 /* hexadecimal digits of one that the API makes */
#define TOKEN_PRINT_BITS  24
#define TOKEN_GROUPS_MAX  16
#define TOKEN_GROUP_BYTES 64

struct token_entry {
	char token[TOKEN_BYTES_MAX]; /* NUL-padded */
	char name[64];
	uint32_t role; /* enum token_role */
	uint32_t flags;
	uint32_t max_viewers; /* 0 = no limit */
	uint32_t group_count; /* 0 = all groups */
	char groups[TOKEN_GROUPS_MAX][TOKEN_GROUP_BYTES];
	int64_t expires_wall_us; /* TIME_NONE = never */
	/* of a token that is TOKEN_HASHED, to find it in a text: */
	uint32_t length; /* its bytes; 0 = not known, it is not found */
	uint32_t print;	 /* TOKEN_PRINT_BITS of their hash under the header's base */
};

static_assert(sizeof(struct tokens_header) == 80, "layout of struct tokens_header");
static_assert(sizeof(struct token_entry) == 256 + 64 + 16 + 1024 + 16, "layout of token_entry");

#endif
