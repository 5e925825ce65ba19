#include "amps-master/api/tokens.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include "amps-master/config/config_check.h"
#include "amps-master/util/json.h"
#include "common/clock.h"
#include "common/shm/tokens.h"
#include "common/shm/worker_page.h"

#define MADE_BYTES (TOKEN_MADE_BYTES / 2) /* random ones of a token */

/* ---------- the list ---------- */

static json_t *groups_of(const struct token_entry *e)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < e->group_count; i++)
		json_array_append_new(list, json_string(e->groups[i]));
	return list;
}

static uint64_t viewers_of(const struct worker_pool *pool, unsigned worker_count, uint64_t name)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < worker_count; i++) {
		const void *page = worker_pool_page(pool, i);

		n += page != NULL ? worker_page_token_viewers(page, name) : 0;
	}
	return n;
}

static json_t *describe(const struct token_entry *e, uint64_t viewers)
{
	char expires[32] = "";

	if (e->expires_wall_us != TIME_NONE)
		time_format_iso8601(e->expires_wall_us, expires);
	return json_pack("{s:s, s:s, s:o, s:I, s:s?, s:b, s:I}", "name", e->name, "role",
			 e->role == TOKEN_ADMIN ? "admin" : "viewer", "groups", groups_of(e),
			 "max_viewers", (json_int_t)e->max_viewers, "expires",
			 expires[0] != '\0' ? expires : NULL, "made", (e->flags & TOKEN_MADE) != 0,
			 "viewers", (json_int_t)viewers);
}

json_t *api_tokens_report(const struct worker_pool *pool, unsigned worker_count)
{
	const struct tokens *t = tokens_of(worker_pool_tokens(pool));
	json_t *list = t != NULL ? json_array() : NULL;

	for (size_t i = 0; list != NULL && i < tokens_count(t); i++) {
		const struct token_entry *e = tokens_at(t, i);

		/* auth.token and auth.admin_token have no name */
		if (!(e->flags & (TOKEN_SHARED | TOKEN_COMMANDS)))
			json_array_append_new(list, describe(e, viewers_of(pool, worker_count,
									   tokens_name(t, e))));
	}
	return list;
}

/* ---------- changes ---------- */

static bool is_late(struct api_call *c)
{
	if (c->deadline_us == 0 || clock_mono_us() <= c->deadline_us)
		return false;
	call_fail(c, 503, "the request had to wait too long; nothing is changed");
	return true;
}

/* "role: must be one of viewer, admin, not 'x'" */
static void refuse(struct api_call *c, const struct problems *problems)
{
	const json_t *first = json_array_get(problems->list, 0);
	const char *path = json_string_value(json_object_get(first, "path"));
	const char *message = json_string_value(json_object_get(first, "message"));

	call_fail(c, 400, "%s%s%s", path != NULL ? path : "", path != NULL && *path ? ": " : "",
		  message != NULL ? message : "refused");
}

/* The checked entry that the body asks for, or NULL and a result. */
static json_t *read_new(struct api_call *c)
{
	json_auto_t *body = call_read_body(c);
	struct problems problems = {0};
	json_t *entry = NULL;
	int r;

	if (body == NULL)
		return NULL;
	if (!json_is_object(body)) {
		call_fail(c, 400, "the body must be an object like {\"name\": \"kitchen\"}");
		return NULL;
	}
	r = problems_init(&problems);
	if (r == 0)
		r = config_check_token(body, &problems, &entry);
	if (r == -EINVAL)
		refuse(c, &problems);
	else if (r < 0)
		call_fail(c, 503, "out of memory");
	problems_done(&problems);
	return entry;
}

/* False, and a result, if there can be no further token of this name. */
static bool has_room(struct store_work *w, struct api_call *c, const char *name)
{
	const json_t *listed = json_object_get(json_object_get(w->settings, "auth"), "tokens");
	const json_t *made = store_work_tokens(w);

	if (store_has_token(listed, name))
		call_fail(c, 409, "the configuration file has a token of this name");
	else if (store_has_token(made, name))
		call_fail(c, 409, "there is a token of this name; revoke it first");
	else if (json_array_size(listed) + json_array_size(made) + 2 >= TOKENS_MAX)
		call_fail(c, 409, "there are %d tokens, no more are possible", TOKENS_MAX);
	else
		return true;
	return false;
}

/* A random token, and its digest in the entry.  0 or -Exxx. */
static int make_token(json_t *entry, char token[2 * MADE_BYTES + 1], int64_t wall_us)
{
	unsigned char bytes[MADE_BYTES];
	char hex[TOKEN_HASH_BYTES], created[32];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return -EIO;
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(token + 2 * i, 3, "%02x", bytes[i]);
	explicit_bzero(bytes, sizeof(bytes));
	tokens_hash(token, 2 * MADE_BYTES, hex);
	time_format_iso8601(wall_us, created);
	if (json_object_set_new(entry, "token_sha256", json_stringn(hex, sizeof(hex))) < 0 ||
	    json_object_set_new(entry, "created", json_string(created)) < 0)
		return -ENOMEM;
	return 0;
}

void api_token_add(struct store_work *w, void *call, int64_t wall_us, struct store_answer *ret)
{
	struct api_call *c = call;
	char token[2 * MADE_BYTES + 1];
	json_auto_t *entry = read_new(c);
	const char *name = json_string_value(json_object_get(entry, "name"));
	int r;

	*ret = (struct store_answer){0};
	if (entry == NULL || is_late(c) || !has_room(w, c, name))
		return;
	r = make_token(entry, token, wall_us);
	if (r < 0) {
		call_fail(c, 503, "no token can be made: %s", strerror(-r));
		return;
	}
	store_work_token(w, name, entry, ret);
	if (ret->changed) {
		json_object_del(entry, "token_sha256");
		json_object_set_new(entry, "token", json_string(token));
		call_succeed(c, 201, json_incref(entry));
	}
	explicit_bzero(token, sizeof(token));
}

void api_token_revoke(struct store_work *w, void *call, int64_t wall_us, struct store_answer *ret)
{
	struct api_call *c = call;
	const json_t *auth = json_object_get(w->settings, "auth");

	(void)wall_us;
	*ret = (struct store_answer){0};
	if (is_late(c))
		return;
	if (!store_has_token(store_work_tokens(w), c->m.key)) {
		if (store_has_token(json_object_get(auth, "tokens"), c->m.key))
			call_fail(c, 409,
				  "the token is in the configuration file; remove it there and "
				  "reload");
		else
			call_fail(c, 404, "there is no such token");
		return;
	}
	store_work_token(w, c->m.key, NULL, ret);
	if (ret->changed)
		call_succeed(c, 200, json_pack("{s:s}", "revoked", c->m.key));
}
