#include "amps-master/api/call.h"

#include "unit.h"
#include "amps-master/lineup/tokens_build.h"
#include "common/clock.h"
#include "common/shm/shm.h"
#include "snapshots.h"

static struct snapshot *tokens_from(const char *auth, const char *shared)
{
	json_auto_t *tree = json_loads(auth, 0, NULL), *warnings = json_array();
	_cleanup_(buf_done) struct buf bytes = BUF_INIT;
	struct snapshot *s = NULL;
	int fd;

	cr_assert_not_null(tree);
	cr_assert_eq(tokens_build(tree, NULL, shared, 1, warnings, &bytes), 0);
	fd = shm_snapshot("test-tokens", bytes.data, bytes.len);
	cr_assert_eq(snapshot_open(&tokens_type, fd, bytes.len, &s), 0);
	close(fd);
	return s;
}

/* What a request with this token may do; -1 = nothing: 401. */
static int rights_of(struct snapshot *s, const char *token)
{
	struct api_call c = {.m = {.token = token}};
	bool allowed = call_authorize(&c, s);

	cr_assert_eq(c.result.status, allowed ? 0 : 401);
	snapshot_unref(c.tokens);
	free(c.result.json);
	return allowed ? (int)c.rights : -1;
}

Test(call, the_token_alone_decides_what_a_client_may_do)
{
	struct snapshot *s = tokens_from(
		"{\"admin_token\":\"rule\",\"tokens\":["
		"{\"name\":\"boss\",\"token\":\"boss\",\"role\":\"admin\"},"
		"{\"name\":\"old\",\"token\":\"old\",\"role\":\"admin\",\"expires\":\"2020-01-01\"},"
		"{\"name\":\"room\",\"token\":\"room\",\"groups\":[\"News\"]}]}",
		"watch");

	cr_expect_eq(rights_of(s, "watch"), API_VIEWER);
	cr_expect_eq(rights_of(s, "room"), API_VIEWER);
	cr_expect_eq(rights_of(s, "boss"), API_ADMIN);
	cr_expect_eq(rights_of(s, "rule"), API_COMMANDS);
	cr_expect_eq(rights_of(s, "old"), -1);
	cr_expect_eq(rights_of(s, "rul"), -1);
	cr_expect_eq(rights_of(s, ""), -1);
	snapshot_unref(s);
}

Test(call, without_an_admin_token_the_shared_one_changes_all_but_commands)
{
	struct snapshot *s = tokens_from("{}", "watch");

	cr_expect_eq(rights_of(s, "watch"), API_ADMIN);
	cr_expect_eq(rights_of(s, "other"), -1);
	snapshot_unref(s);
}

Test(call, without_authentication_everybody_changes_all_but_commands)
{
	struct snapshot *s = tokens_from("{\"enabled\":false}", NULL);

	cr_expect_eq(rights_of(s, ""), API_ADMIN);
	cr_expect_eq(rights_of(s, "any"), API_ADMIN);
	snapshot_unref(s);
}

Test(call, without_readable_tokens_nothing_is_allowed)
{
	struct api_call c = {.m = {.token = "rule"}};

	cr_expect_not(call_authorize(&c, NULL));
	cr_expect_eq(c.result.status, 503);
	free(c.result.json);
}

Test(call, a_token_sees_its_groups)
{
	struct snapshot *s = tokens_from(
		"{\"tokens\":[{\"name\":\"a\",\"token\":\"room\",\"groups\":[\"News\",\"Kids\"]}]}",
		"watch");
	struct api_call c = {.m = {.token = "room"}};
	json_auto_t *kids = json_pack("{s:s}", "group", " kids "),
		    *films = json_pack("{s:s}", "group", "Films"), *none = json_object();

	cr_assert(call_authorize(&c, s));
	cr_expect(call_may_see(&c, kids));
	cr_expect_not(call_may_see(&c, films));
	cr_expect_not(call_may_see(&c, none));
	snapshot_unref(c.tokens);
	snapshot_unref(s);
}

Test(call, workers_do_not_get_the_token_of_an_administrator)
{
	json_auto_t *auth =
		json_loads("{\"admin_token\":\"rule-it-all\",\"tokens\":["
			   "{\"name\":\"x\",\"token\":\"boss-of-all\",\"role\":\"admin\"}]}",
			   0, NULL);
	_cleanup_(buf_done) struct buf bytes = BUF_INIT;

	cr_assert_eq(tokens_build(auth, NULL, "watch-it-all", 1, NULL, &bytes), 0);
	cr_expect_null(memmem(bytes.data, bytes.len, "rule-it-all", 11));
	cr_expect_null(memmem(bytes.data, bytes.len, "boss-of-all", 11));
	cr_expect_not_null(memmem(bytes.data, bytes.len, "watch-it-all", 12));
}
