#include "amps-master/api/api.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "amps-master/api/call.h"
#include "amps-master/api/edit.h"
#include "amps-master/api/import.h"
#include "amps-master/api/list_cache.h"
#include "amps-master/api/read.h"
#include "amps-master/api/tokens.h"
#include "amps-master/config/config_options.h"
#include "amps-master/util/json.h"
#include "common/clock.h"
#include "common/log/log.h"
#include "common/shm/shm.h"

#define TICKET_BIT (1ull << 63) /* the control socket counts from 1 */

struct api {
	struct api_env env;
	LIST_HEAD(, api_call) calls;
	struct list_cache lists; /* the database thread's */
	uint64_t last_ticket;
};

static struct api_call *call_free(struct api_call *c)
{
	if (c == NULL)
		return NULL;
	close_fd(&c->file);
	if (c->api != NULL)
		LIST_REMOVE(c, link);
	free(c->message);
	free(c->body);
	api_result_done(&c->result);
	free(c->probe);
	snapshot_unref(c->tokens);
	json_decref(c->questions);
	json_decref(c->verdicts);
	json_decref(c->import);
	free(c);
	return NULL;
}

static struct api_call *call_new(void)
{
	struct api_call *c = calloc(1, sizeof(*c));

	if (c != NULL) {
		c->result = API_RESULT_NONE;
		c->file = -1;
	}
	return c;
}

static void send_answer(const struct api_call *c)
{
	const struct api_result *result = &c->result;
	uint64_t n = result->file >= 0 ? result->bytes : result->json ? strlen(result->json) : 0;
	struct msg_api_answer answer = {.call = c->m.call,
					.status = (uint32_t)result->status,
					.bytes = n,
					.etag = result->etag,
					.total = result->total};
	_cleanup_(closep) int copy =
		result->file >= 0 ? -1 : shm_snapshot("amps-api-answer", result->json, n);
	int fd = MAX(result->file, copy);

	if (fd >= 0)
		worker_pool_api_answer(c->api->env.pool, c->worker, &answer, fd);
	else
		log_error("cannot answer a request to the API (%s), it will time out",
			  strerror(-copy));
}

/* Answers and frees the call. */
static void call_end(struct api_call *c)
{
	const struct api_env *env = &c->api->env;

	assert(c->result.status >= 200);
	if (c->worker == API_NO_WORKER)
		env->answered(env->owner, c->ticket, (enum api_operation)c->m.operation,
			      c->result.status, c->result.json != NULL ? c->result.json : "");
	else
		send_answer(c);
	call_free(c);
}

/* ---------- what the loop knows ---------- */

static void run_report(struct api_call *c, enum control_report report)
{
	const struct api_env *env = &c->api->env;

	call_succeed(c, 200, env->backend->report[report](env->owner));
	call_end(c);
}

static void run_status(struct api_call *c)
{
	run_report(c, REPORT_STATUS);
}

static void run_tuners(struct api_call *c)
{
	run_report(c, REPORT_TUNERS);
}

static void run_viewers(struct api_call *c)
{
	run_report(c, REPORT_VIEWERS);
}

static void run_guide_matches(struct api_call *c)
{
	const struct api_env *env = &c->api->env;
	uint64_t bytes;
	int fd = env->backend->guide_matches(env->owner, &bytes);

	if (fd >= 0)
		call_succeed_file(c, 200, fd, bytes);
	else
		call_succeed(c, 200, json_array());
	call_end(c);
}

static void run_tokens(struct api_call *c)
{
	run_report(c, REPORT_TOKENS);
}

static void run_stop(struct api_call *c)
{
	const struct api_env *env = &c->api->env;

	if (env->backend->stop(env->owner, c->m.key) == 0)
		call_succeed(c, 200, json_pack("{s:s}", "stopped", c->m.key));
	else
		call_fail(c, 404, "no tuner %s is running", c->m.key);
	call_end(c);
}

static void run_why(struct api_call *c)
{
	const struct api_env *env = &c->api->env;
	json_t *report = env->backend->why(env->owner, c->m.key);

	if (report != NULL)
		call_succeed(c, 200, report);
	else
		call_fail(c, 404, "there is no channel %s", c->m.key);
	call_end(c);
}

static void run_kick(struct api_call *c)
{
	const struct api_env *env = &c->api->env;

	if (env->backend->kick(env->owner, c->m.id) == 0)
		call_succeed(c, 200, json_pack("{s:I}", "kicked", (json_int_t)c->m.id));
	else
		call_fail(c, 404, "there is no such viewer");
	call_end(c);
}

/* The worker has put the base of links into `match`. */
static void run_link(struct api_call *c)
{
	const struct api_env *env = &c->api->env;
	json_auto_t *body = call_read_body(c);
	char reason[ERROR_TEXT_MAX];
	json_t *link = NULL;
	int r;

	if (body != NULL) {
		r = env->backend->link(env->owner, c->m.match, body, &link, reason);
		if (r == 0)
			call_succeed(c, 201, link);
		else
			call_fail(c, r == -ENOENT ? 404 : 400, "%s", reason);
	}
	call_end(c);
}

static void run_reload(struct api_call *c)
{
	json_auto_t *body = c->m.bytes > 0 ? call_read_body(c) : NULL;
	struct discard discard;

	if (c->result.status != 0) {
		call_end(c);
		return;
	}
	if ((body != NULL && !json_is_object(body)) || discard_read(body, &discard) < 0) {
		call_fail(c, 400, "the body is {\"" DISCARD_KEY "\": true or the id of a channel}");
		call_end(c);
		return;
	}
	c->ticket = TICKET_BIT | ++c->api->last_ticket;
	c->api->env.reload(c->api->env.owner, c->ticket, &discard);
}

/* What of the log is shown, and where it is collected. */
struct log_view {
	const struct msg_api_call *m;
	enum log_level level;
	json_t *lines;
};

static bool add_log_line(void *owner, const struct log_line *line)
{
	struct log_view *v = owner;
	char when[TIME_TEXT_MAX];

	if (json_array_size(v->lines) >= v->m->limit)
		return false;
	if (line->level < v->level || strcasestr(line->text, v->m->search) == NULL)
		return true;
	time_format_ms(line->wall_us, when);
	json_array_insert_new(v->lines, 0,
			      json_pack("{s:s, s:s, s:s}", "time", when, "level",
					log_level_name(line->level), "line", line->text));
	return true;
}

static void run_log(struct api_call *c)
{
	struct log_view v = {.m = &c->m, .level = LOG_DEBUG};

	if (c->m.key[0] != '\0' && log_parse_level(c->m.key, &v.level) < 0) {
		call_fail(c, 400, "level: must be debug, info, warning or error");
	} else {
		v.lines = json_array();
		log_each_kept(add_log_line, &v);
		call_succeed(c, 200, v.lines);
	}
	call_end(c);
}

bool api_is_ticket(uint64_t ticket)
{
	return (ticket & TICKET_BIT) != 0;
}

void api_reloaded(struct api *a, uint64_t ticket, const struct reload_result *result)
{
	struct api_call *c;

	LIST_FOREACH (c, &a->calls, link)
		if (c->ticket == ticket)
			break;
	assert(c != NULL);
	if (result->error == 0)
		call_succeed(c, 200, json_incref((json_t *)(uintptr_t)result->report));
	else
		call_refuse(c, result->problems != NULL ? 400 : 503, result->text,
			    json_incref((json_t *)(uintptr_t)result->problems));
	call_end(c);
}

/* ---------- what the database thread does ---------- */

static void on_stored(void *owner, uint64_t cookie, struct store_answer *a);

static void on_served(void *owner)
{
	call_end(owner);
}

typedef void (*store_fn)(struct store_work *w, void *arg, int64_t wall_us,
			 struct store_answer *ret);

/* The body from this file.  0, -ENOMEM or -EBADMSG. */
static int read_body(struct api_call *c, int fd)
{
	size_t n = (size_t)c->m.bytes;

	assert(c->body == NULL && fd >= 0);
	c->body = malloc(n + 1);
	if (c->body == NULL)
		return -ENOMEM;
	if (pread(fd, c->body, n, 0) == (ssize_t)n)
		return 0;
	free(c->body);
	c->body = NULL;
	return -EBADMSG;
}

/* Reading megabytes would block the loop. */
static void read_file_and_edit(struct store_work *w, void *call, int64_t wall_us,
			       struct store_answer *ret)
{
	struct api_call *c = call;

	*ret = (struct store_answer){0};
	if (c->body != NULL || read_body(c, c->file) == 0) {
		edit_run(w, call, wall_us, ret);
		return;
	}
	call_reset(c);
	call_fail(c, 503, "the list cannot be read");
}

static void submit(struct api_call *c, store_fn call)
{
	/* what changes nothing does not fail with the changes beside it */
	bool changes = (call == edit_run || call == read_file_and_edit || call == api_token_add ||
			call == api_token_revoke) &&
		       c->m.operation != API_PROBE && !c->m.dry_run;

	store_submit(c->api->env.store,
		     &(struct store_operation){
			     .kind = changes ? STORE_CHANGE : STORE_CALL, .call = call, .arg = c},
		     on_stored, c, 0);
}

static void on_judged(void *owner, struct helper_result *result)
{
	struct api_call *c = owner;

	c->judge = NULL;
	c->verdicts = result->error == 0 ? json_fd_load(result->output_fd) : NULL;
	if (option_answer_valid(c->verdicts)) {
		submit(c, edit_run);
		return;
	}
	call_fail(c, 503, "the options cannot be checked: %s",
		  result->error != 0 ? result->reason : "amps-transcoder gave no list");
	call_end(c);
}

/* Refuses and ends the call if as many others as may have a helper each; true if it did.  Probes,
 * which may take long, are counted apart. */
static bool lacks_helper(struct api_call *c)
{
	bool probes = c->probe != NULL;
	const struct api_call *other;
	unsigned n = 0;

	LIST_FOREACH (other, &c->api->calls, link)
		n += other->judge != NULL && (other->probe != NULL) == probes;
	if (n < (probes ? API_PROBES_MAX : API_HELPERS_MAX))
		return false;
	call_fail(c, 503, "too many %s",
		  probes ? "sources are being probed" : "requests are being checked");
	call_end(c);
	return true;
}

/* Lets libav judge the options; the change then begins again. */
static void judge(struct api_call *c)
{
	const struct api_env *env = &c->api->env;
	const char *const argv[] = {env->transcoder, "--check-options", NULL};
	_cleanup_(freep) char *text = json_dumps(c->questions, JSON_COMPACT);
	const struct helper_spec spec = {.argv = argv,
					 .input = text,
					 .input_bytes = text != NULL ? strlen(text) : 0,
					 .timeout_ms = API_JUDGE_MS,
					 .output_bytes = CHECK_BYTES_MAX,
					 .logs = true};
	int r = text != NULL ? helper_start(env->helpers, &spec, on_judged, c, &c->judge) : -ENOMEM;

	json_decref(c->questions);
	c->questions = NULL;
	if (r == 0)
		return;
	call_fail(c, 503, "the options cannot be checked: %s", strerror(-r));
	call_end(c);
}

/* The process has read what came from the source, so its answer is checked. */
static void read_probe(struct api_call *c, json_t *found)
{
	const char *error = json_string_value(json_object_get(found, "error"));
	json_int_t status = json_integer_value(json_object_get(found, "status"));

	if (json_is_array(json_object_get(found, "streams")))
		call_succeed(c, 200, json_incref(found));
	else if (error != NULL)
		call_fail(c, status == 504 ? 504 : 502, "%s", error);
	else
		call_fail(c, 502, "the probe gave no answer");
}

static void on_probed(void *owner, struct helper_result *result)
{
	struct api_call *c = owner;
	json_auto_t *found = result->error == 0 ? json_fd_load(result->output_fd) : NULL;

	c->judge = NULL;
	if (result->error == 0)
		read_probe(c, found);
	else
		call_fail(c, result->error == -ETIMEDOUT ? 504 : 502, "the probe failed: %s",
			  result->reason);
	call_end(c);
}

/* Lets a process without rights open the source, which the database thread has checked. */
static void probe(struct api_call *c)
{
	const struct api_env *env = &c->api->env;
	const char *const argv[] = {env->transcoder, "--probe", NULL};
	const struct helper_spec spec = {.argv = argv,
					 .input = c->probe,
					 .input_bytes = strlen(c->probe),
					 .timeout_ms = API_PROBE_MS,
					 .output_bytes = API_PROBE_BYTES,
					 .unprivileged = true};
	int r = helper_start(env->helpers, &spec, on_probed, c, &c->judge);

	if (r == 0)
		return;
	call_fail(c, 503, "the source cannot be probed: %s", strerror(-r));
	call_end(c);
}

/* The channels of a playlist are added like those of a request. */
static void on_imported(struct api_call *c)
{
	if (c->result.status == 0)
		submit(c, edit_run);
	else
		call_end(c);
}

static void on_stored(void *owner, uint64_t cookie, struct store_answer *a)
{
	struct api_call *c = owner;
	const struct api_env *env = &c->api->env;

	(void)cookie;
	/* it may carry the publication of other calls */
	if (a->publication != NULL)
		env->apply(env->owner, a->publication);
	if (a->error < 0) {
		call_reset(c);
		call_fail(c, 503, "%s", a->text);
		call_end(c);
	} else if (a->changed) {
		c->served = (struct served_wait){.done = on_served, .owner = c};
		worker_pool_await(env->pool, &c->served);
	} else if (c->result.status == 0 && c->import != NULL) {
		if (!lacks_helper(c))
			import_start(c, env->helpers, on_imported);
	} else if (c->questions != NULL) {
		if (!lacks_helper(c))
			judge(c);
	} else if (c->probe != NULL) {
		if (!lacks_helper(c))
			probe(c);
	} else {
		call_end(c);
	}
}

/* An operation runs in the loop, or is the store's. */
static const struct {
	void (*run)(struct api_call *c);
	store_fn store;
} operations[API_OPERATION_COUNT_] = {
	[API_STREAMS] = {.store = read_streams},
	[API_STREAM] = {.store = read_stream},
	[API_STREAM_ADD] = {.store = edit_run},
	[API_STREAM_CHANGE] = {.store = edit_run},
	[API_STREAM_DELETE] = {.store = edit_run},
	[API_PROGRAMS] = {.store = read_programs},
	[API_PROGRAMS_CHANGE] = {.store = edit_run},
	[API_PROFILES] = {.store = read_profiles},
	[API_PLUGINS] = {.store = read_plugins},
	[API_STATUS] = {.run = run_status},
	[API_TUNERS] = {.run = run_tuners},
	[API_TUNER_STOP] = {.run = run_stop},
	[API_VIEWERS] = {.run = run_viewers},
	[API_VIEWER_KICK] = {.run = run_kick},
	[API_IMPORT] = {.store = import_read},
	[API_RELOAD] = {.run = run_reload},
	[API_LOG] = {.run = run_log},
	[API_GUIDE_MATCHES] = {.run = run_guide_matches},
	[API_PROBE] = {.store = edit_run},
	[API_WHY] = {.run = run_why},
	[API_TOKENS] = {.run = run_tokens},
	[API_TOKEN_ADD] = {.store = api_token_add},
	[API_LINK] = {.run = run_link},
	[API_TOKEN_REVOKE] = {.store = api_token_revoke},
};

/* What a viewer may ask for. */
static bool is_for_viewers(enum api_operation operation)
{
	return operation == API_STREAMS || operation == API_STREAM || operation == API_PROGRAMS;
}

static int call_read(struct api_call *c, const struct msg *m)
{
	c->message = malloc(m->len);
	if (c->message == NULL)
		return -ENOMEM;
	memcpy(c->message, m->bytes, m->len);
	if (msg_decode_api_call(c->message, m->len, &c->m) != 0 ||
	    c->m.operation >= API_OPERATION_COUNT_ || c->m.bytes > HTTP_BODY_LIST_MAX ||
	    c->m.id > INT64_MAX)
		return -EBADMSG;
	return 0;
}

/* Has the worker too much here for another call?  One that it has given up counts until its end. */
static bool is_full(const struct api *a, unsigned worker, uint64_t bytes)
{
	const struct api_call *c;
	unsigned n = 0;

	LIST_FOREACH (c, &a->calls, link) {
		if (c->worker != worker)
			continue;
		n++;
		bytes += c->m.bytes;
	}
	return n >= API_CALLS_MAX || bytes > API_BYTES_MAX;
}

/* False, and a result, if the client may not do what it asks for. */
static bool is_allowed(struct api_call *c)
{
	if (!call_authorize(c, worker_pool_tokens(c->api->env.pool)))
		return false;
	if (c->rights >= API_ADMIN || is_for_viewers(c->m.operation))
		return true;
	call_fail(c, 403, "this needs an administrator's token");
	return false;
}

static void call_enter(struct api *a, struct api_call *c, unsigned worker)
{
	c->api = a;
	c->worker = worker;
	c->lists = &a->lists;
	LIST_INSERT_HEAD(&a->calls, c, link);
}

/* The size of a sealed memfd, whose bytes and size cannot change, or -Exxx.  Anything else is
 * refused: reading a file, a pipe or a device may block. */
static ssize_t sealed_bytes(int fd)
{
	const int needed = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;
	struct stat st;

	if ((MAX(fcntl(fd, F_GET_SEALS), 0) & needed) != needed)
		return -EINVAL;
	if (fstat(fd, &st) < 0)
		return -errno;
	return st.st_size >= 0 && st.st_size <= IMPORT_BYTES_MAX ? st.st_size : -EFBIG;
}

void api_import(struct api *a, uint64_t ticket, int file)
{
	_cleanup_(closep) int fd = file;
	struct api_call *c = call_new();
	ssize_t n = c != NULL ? sealed_bytes(fd) : -ENOMEM;

	if (n < 0) {
		call_free(c);
		a->env.answered(a->env.owner, ticket, API_STREAM_ADD, 503,
				n == -EFBIG ? "{\"error\": \"the list is too large\"}"
				: n == -EINVAL
					? "{\"error\": \"the descriptor is no sealed memfd\"}"
					: "");
		return;
	}
	call_enter(a, c, API_NO_WORKER);
	c->ticket = ticket;
	c->file = TAKE_FD(fd);
	/* a client that may open the control socket may change everything */
	c->rights = API_COMMANDS;
	c->m = (struct msg_api_call){
		.operation = API_STREAM_ADD, .bytes = (uint64_t)n, .match = ""};
	submit(c, read_file_and_edit);
}

void api_request(struct api *a, uint64_t ticket, enum api_operation operation, const char *key,
		 const json_t *body)
{
	struct api_call *c = call_new();
	char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : strdup("");

	if (c != NULL)
		c->message = (uint8_t *)strdup(key);
	if (c == NULL || c->message == NULL || text == NULL) {
		free(text);
		call_free(c);
		a->env.answered(a->env.owner, ticket, operation, 503, "");
		return;
	}
	call_enter(a, c, API_NO_WORKER);
	c->ticket = ticket;
	c->body = text;
	c->rights = API_COMMANDS;
	c->m = (struct msg_api_call){.operation = (uint8_t)operation,
				     .key = (const char *)c->message,
				     .bytes = strlen(text),
				     .match = ""};
	assert(operations[operation].store != NULL);
	submit(c, operations[operation].store);
}

int api_on_call(struct api *a, unsigned worker, const struct msg *m)
{
	struct api_call *c = call_new();
	int r = c != NULL ? call_read(c, m) : -ENOMEM;
	bool full = r == 0 && is_full(a, worker, c->m.bytes);

	if (r == 0 && !full)
		r = read_body(c, m->fds[0]);
	if (r < 0) {
		call_free(c);
		/* without memory the request times out */
		return r == -ENOMEM ? 0 : r;
	}
	call_enter(a, c, worker);
	c->deadline_us = clock_mono_us() + (API_CALL_MS - API_SPARE_MS) * 1000ull;
	if (full) {
		call_fail(c, 503, "too many requests wait for the server");
		call_end(c);
	} else if (!is_allowed(c)) {
		call_end(c);
	} else if (operations[c->m.operation].run != NULL) {
		operations[c->m.operation].run(c);
	} else {
		submit(c, operations[c->m.operation].store);
	}
	return 0;
}

int api_new(const struct api_env *env, struct api **ret)
{
	struct api *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return -ENOMEM;
	a->env = *env;
	LIST_INIT(&a->calls);
	*ret = a;
	return 0;
}

struct api *api_free(struct api *a)
{
	struct api_call *c;

	if (a == NULL)
		return NULL;
	while ((c = LIST_FIRST(&a->calls)) != NULL)
		call_free(c);
	list_cache_done(&a->lists);
	free(a);
	return NULL;
}
