#include "amps-master/lineup/tokens_build.h"

#include <string.h>
#include "amps-master/util/json.h"
#include "common/clock.h"
#include "common/text/text.h"
#include "common/shm/tokens.h"

/* Fills in the token itself; false if it is not a valid token. */
static bool entry_init(struct token_entry *e, const char *token)
{
	*e = (struct token_entry){.expires_wall_us = TIME_NONE};
	if (token == NULL || strlen(token) > TOKEN_BYTES_MAX)
		return false;
	memcpy(e->token, token, strlen(token));
	return true;
}

/* No link carries the token of an administrator: workers get only its digest. */
static void hide_token(struct token_entry *e, uint64_t base)
{
	char token[TOKEN_BYTES_MAX];
	size_t n = strnlen(e->token, sizeof(token));

	memcpy(token, e->token, n);
	tokens_put_hashed(e, base, token, n);
	explicit_bzero(token, sizeof(token));
}

static bool entry_groups(struct token_entry *e, const json_t *groups)
{
	size_t i;
	json_t *item;

	json_array_foreach (groups, i, item) {
		/* a truncated name would name another group */
		if (!json_is_string(item) || e->group_count == TOKEN_GROUPS_MAX ||
		    !text_copy(e->groups[e->group_count], TOKEN_GROUP_BYTES,
			       json_string_value(item)))
			return false;
		e->group_count++;
	}
	return true;
}

/* One of auth.tokens.  False if a restriction cannot be read: it must not be ignored. */
static bool entry_parse(const json_t *from, uint64_t base, struct token_entry *e)
{
	char scratch[32];
	const char *role = json_read_text(from, "role", scratch), *text;
	bool admin = role != NULL && strcmp(role, "admin") == 0;

	if (role != NULL && !admin && strcmp(role, "viewer") != 0)
		return false;
	text = json_read_text(from, "token_sha256", scratch);
	if (text != NULL && strlen(text) != TOKEN_HASH_BYTES)
		return false;
	if (!entry_init(e, text != NULL ? text : json_read_text(from, "token", scratch)))
		return false;
	if (text != NULL)
		e->flags |= TOKEN_HASHED;
	e->role = admin ? TOKEN_ADMIN : TOKEN_VIEWER;
	e->max_viewers = json_read_u32(from, "max_viewers", 0);
	text = json_read_text(from, "name", scratch);
	text_copy(e->name, sizeof(e->name), text != NULL ? text : "");
	text = json_read_text(from, "expires", scratch);
	if (text != NULL && time_parse_iso8601(text, &e->expires_wall_us, NULL) < 0)
		return false;
	if (admin && !(e->flags & TOKEN_HASHED))
		hide_token(e, base);
	return entry_groups(e, json_object_get(from, "groups"));
}

static void add_listed(const json_t *list, const char *whose, uint32_t flags, uint64_t base,
		       json_t *warnings, struct buf *out)
{
	size_t i;
	json_t *item;

	json_array_foreach (list, i, item) {
		struct token_entry e;

		if (!entry_parse(item, base, &e)) {
			if (json_array_append_new(warnings,
						  json_sprintf("%s[%zu] cannot be understood; it "
							       "is refused",
							       whose, i)) < 0)
				out->failed = true;
			continue;
		}
		e.flags |= flags;
		buf_add(out, &e, sizeof(e));
	}
}

int tokens_build(const json_t *auth, const json_t *made, const char *shared, uint64_t base,
		 json_t *warnings, struct buf *out)
{
	struct tokens_header header = {.snapshot = {.magic = TOKENS_MAGIC,
						    .version = TOKENS_VERSION,
						    .header_bytes = sizeof(header)},
				       .needed = shared != NULL,
				       .base = base};
	char scratch[32];
	const char *admin = json_read_text(auth, "admin_token", scratch);
	struct token_entry e;

	buf_add(out, &header, sizeof(header));
	if (shared != NULL && entry_init(&e, shared)) {
		/* where no administrator is named, the shared token does everything */
		e.role = admin != NULL ? TOKEN_VIEWER : TOKEN_ADMIN;
		e.flags = TOKEN_SHARED;
		buf_add(out, &e, sizeof(e));
	}
	if (shared != NULL && admin != NULL && entry_init(&e, admin)) {
		e.role = TOKEN_ADMIN;
		e.flags = TOKEN_COMMANDS;
		hide_token(&e, base);
		buf_add(out, &e, sizeof(e));
	}
	if (shared != NULL) {
		add_listed(json_object_get(auth, "tokens"), "auth.tokens", 0, base, warnings, out);
		add_listed(made, "the API's tokens", TOKEN_MADE, base, warnings, out);
	}
	if (!buf_ok(out))
		return -ENOMEM;
	header.count = (uint32_t)((out->len - sizeof(header)) / sizeof(e));
	header.snapshot.total_bytes = out->len;
	if (header.count > TOKENS_MAX)
		return -E2BIG;
	memcpy(out->data, &header, sizeof(header));
	return 0;
}
