#include "amps-master/api/call.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "amps-master/util/json.h"
#include "common/clock.h"
#include "common/hash.h"
#include "common/shm/tokens.h"
#include "common/shm/shm.h"
#include "common/text/group.h"

void api_result_done(struct api_result *r)
{
	free(r->json);
	close_fd(&r->file);
	*r = API_RESULT_NONE;
}

int api_result_copy(const struct api_result *from, struct api_result *ret)
{
	int fd = fcntl(from->file, F_DUPFD_CLOEXEC, 3);

	assert(!from->json && from->file >= 0);
	if (fd < 0)
		return -errno;
	*ret = *from;
	ret->file = fd;
	return 0;
}

void call_reset(struct api_call *c)
{
	api_result_done(&c->result);
	json_decref(c->questions);
	c->questions = NULL;
}

static void set_result(struct api_call *c, int status, char *json)
{
	assert(c->result.status == 0);
	c->result.status = json != NULL ? status : 503;
	c->result.json = json != NULL ? json : strdup("{\"error\": \"out of memory\"}");
}

void call_succeed_text(struct api_call *c, int status, char *json)
{
	set_result(c, status, json);
}

void call_succeed_list(struct api_call *c, struct buf *list, uint64_t total)
{
	int fd = -ENOMEM;

	if (list->len > API_ANSWER_BYTES)
		fd = shm_snapshot("amps-api-list", list->data, list->len);
	call_set_etag(c, list->data);
	c->result.total = (int64_t)total;
	if (fd < 0) {
		call_succeed_text(c, 200, TAKE_PTR(list->data));
		return;
	}
	assert(c->result.status == 0);
	c->result.status = 200;
	c->result.file = fd;
	c->result.bytes = list->len;
	buf_done(list);
}

void call_succeed_file(struct api_call *c, int status, int fd, uint64_t bytes)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	assert(fd >= 0);
	if (copy < 0) {
		call_fail(c, 503, "no descriptor is left");
		return;
	}
	assert(c->result.status == 0 && c->result.file < 0);
	c->result.status = status;
	c->result.file = copy;
	c->result.bytes = bytes;
}

void call_succeed(struct api_call *c, int status, json_t *body)
{
	set_result(c, status,
		   body != NULL ? json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY) : NULL);
	json_decref(body);
}

void call_refuse(struct api_call *c, int status, const char *text, json_t *problems)
{
	call_succeed(c, status, json_pack("{s:s, s:o*}", "error", text, "problems", problems));
}

void call_fail(struct api_call *c, int status, const char *format, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	call_refuse(c, status, text, NULL);
}

/* Has the tree more levels than `most`? */
static bool is_deeper(const json_t *tree, unsigned most)
{
	bool deeper = most == 0;
	const char *key;
	json_t *item;
	size_t i;

	json_array_foreach (tree, i, item)
		deeper = deeper || is_deeper(item, most - 1);
	json_object_foreach ((json_t *)(uintptr_t)tree, key, item)
		deeper = deeper || is_deeper(item, most - 1);
	return deeper;
}

json_t *call_read_body(struct api_call *c)
{
	json_error_t error;
	json_t *body = json_loadb(c->body, c->m.bytes, JSON_REJECT_DUPLICATES, &error);

	if (body == NULL) {
		call_fail(c, 400, "the body is no JSON: %s, line %d column %d", error.text,
			  error.line, error.column);
	} else if (is_deeper(body, CONFIG_DEPTH_MAX)) {
		call_fail(c, 400, "the body has more than %d levels", CONFIG_DEPTH_MAX);
		json_decref(body);
		body = NULL;
	}
	return body;
}

void call_set_etag(struct api_call *c, const char *definition)
{
	snprintf(c->result.etag, sizeof(c->result.etag), "%016llx",
		 (unsigned long long)hash_end(hash_text(HASH_START, definition)));
}

bool call_authorize(struct api_call *c, struct snapshot *tokens)
{
	const struct tokens *t = tokens_of(tokens);

	assert(c->tokens == NULL);
	if (t == NULL) {
		call_fail(c, 503, "the tokens cannot be read");
		return false;
	}
	if (!tokens_needed(t)) {
		c->rights = API_ADMIN;
		return true;
	}
	c->token = tokens_find(t, c->m.token, strlen(c->m.token), clock_wall_us());
	if (c->token == NULL) {
		call_fail(c, 401, "the token is not valid any more");
		return false;
	}
	c->tokens = snapshot_ref(tokens);
	if (c->token->role == TOKEN_ADMIN)
		c->rights = c->token->flags & TOKEN_COMMANDS ? API_COMMANDS : API_ADMIN;
	return true;
}

bool call_may_see(const struct api_call *c, const json_t *definition)
{
	char scratch[32];
	const char *group = json_read_text(definition, "group", scratch);

	if (c->rights >= API_ADMIN || c->token == NULL || c->token->group_count == 0)
		return true;
	for (uint32_t i = 0; group != NULL && i < c->token->group_count; i++)
		if (group_equal(c->token->groups[i], strlen(c->token->groups[i]), group,
				strlen(group)))
			return true;
	return false;
}

static bool lists_region(const json_t *list, const char *region)
{
	size_t i;
	json_t *item;

	json_array_foreach (list, i, item)
		if (json_is_string(item) && strcasecmp(json_string_value(item), region) == 0)
			return true;
	return false;
}

bool call_region_allows(const struct api_call *c, const json_t *definition)
{
	const json_t *allowed = json_object_get(definition, "regions_allowed");
	const json_t *blocked = json_object_get(definition, "regions_blocked");

	if (c->m.region[0] == '\0')
		return true;
	return (json_array_size(allowed) == 0 || lists_region(allowed, c->m.region)) &&
	       !lists_region(blocked, c->m.region);
}
