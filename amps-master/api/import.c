#include "amps-master/api/import.h"

#include <assert.h>
#include <string.h>
#include <sys/stat.h>
#include "amps-master/util/json.h"
#include "common/programs.h"

#define TIMEOUT_MS ((FETCH_SECONDS_MAX + HELPER_GRACE_S) * 1000)

/* Has it known keys only, each a text? */
static bool is_known(const json_t *body)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)body, key, value)
		if (!json_is_string(value) || (strcmp(key, "m3u") != 0 && strcmp(key, "url") != 0 &&
					       strcmp(key, "profile") != 0))
			return false;
	return true;
}

/* {"m3u": "..."} or {"url": "..."}, and perhaps "profile". */
void import_read(struct store_work *w, void *call, int64_t wall_us, struct store_answer *ret)
{
	struct api_call *c = call;
	const char *m3u, *url;

	(void)w;
	(void)wall_us;
	*ret = (struct store_answer){0};
	c->import = call_read_body(c);
	m3u = json_string_value(json_object_get(c->import, "m3u"));
	url = json_string_value(json_object_get(c->import, "url"));
	c->foreign = url != NULL;
	if (c->import == NULL)
		return;
	if ((m3u == NULL) == (url == NULL) || !is_known(c->import))
		call_fail(c, 400,
			  "the body is {\"m3u\": text} or {\"url\": text}, and perhaps "
			  "\"profile\": text");
	else if (url != NULL && strncasecmp(url, "http://", 7) != 0 &&
		 strncasecmp(url, "https://", 8) != 0)
		call_fail(c, 400, "url: must be an http or https URL");
}

static void convert(struct api_call *c, const void *m3u, size_t bytes);

static void finish(struct api_call *c)
{
	json_decref(c->import);
	c->import = NULL;
	c->import_done(c);
}

/* The words of a helper that failed, with 400, or 503 if it has crashed; true if it did. */
static bool has_failed(struct api_call *c, const char *what, const struct helper_result *result)
{
	if (result->error == 0)
		return false;
	call_fail(c, result->error == -ECHILD ? 503 : 400, "the playlist cannot be %s: %s", what,
		  result->reason);
	finish(c);
	return true;
}

static void on_converted(void *owner, struct helper_result *result)
{
	struct api_call *c = owner;
	struct stat st = {0};

	c->judge = NULL;
	if (has_failed(c, "converted", result))
		return;
	free(c->body);
	c->body = fstat(result->output_fd, &st) == 0 ? malloc((size_t)st.st_size + 1) : NULL;
	if (c->body == NULL ||
	    pread(result->output_fd, c->body, (size_t)st.st_size, 0) != st.st_size)
		call_fail(c, 503, "out of memory");
	c->m.bytes = (uint64_t)st.st_size;
	finish(c);
}

static void start(struct api_call *c, const struct helper_spec *spec,
		  void (*done)(void *owner, struct helper_result *result))
{
	int r = helper_start(c->import_helpers, spec, done, c, &c->judge);

	if (r == 0)
		return;
	call_fail(c, 503, "a helper cannot be started: %s", strerror(-r));
	finish(c);
}

static void convert(struct api_call *c, const void *m3u, size_t bytes)
{
	const char *profile = json_string_value(json_object_get(c->import, "profile"));
	char program[PATH_MAX];
	const char *const argv[] = {program,  "import",	   "-",
				    "--json", "--profile", profile != NULL ? profile : "copy",
				    NULL};
	const struct helper_spec spec = {.argv = argv,
					 .input = m3u,
					 .input_bytes = bytes,
					 .timeout_ms = API_CALL_MS,
					 .output_bytes = IMPORT_BYTES_MAX,
					 .unprivileged = true};

	if (programs_find("amps", program, sizeof(program)) == 0) {
		start(c, &spec, on_converted);
		return;
	}
	call_fail(c, 503, "the program amps was not found");
	finish(c);
}

static void on_fetched(void *owner, struct helper_result *result)
{
	struct api_call *c = owner;
	_cleanup_(freep) char *bytes = NULL;
	struct stat st = {0};

	c->judge = NULL;
	if (has_failed(c, "fetched", result))
		return;
	if (fstat(result->output_fd, &st) == 0)
		bytes = malloc((size_t)st.st_size + 1);
	if (bytes != NULL && pread(result->output_fd, bytes, (size_t)st.st_size, 0) == st.st_size) {
		convert(c, bytes, (size_t)st.st_size);
		return;
	}
	call_fail(c, 503, "out of memory");
	finish(c);
}

static void fetch(struct api_call *c, const char *url)
{
	char program[PATH_MAX];
	const char *const argv[] = {program, "fetch", NULL};
	json_auto_t *task = json_pack("{s:s}", "url", url);
	_cleanup_(freep) char *text = task != NULL ? json_dumps(task, JSON_COMPACT) : NULL;
	const struct helper_spec spec = {.argv = argv,
					 .input = text,
					 .input_bytes = text != NULL ? strlen(text) : 0,
					 .timeout_ms = TIMEOUT_MS,
					 .output_bytes = FETCH_BYTES_MAX};

	if (text != NULL && programs_find("amps-helper", program, sizeof(program)) == 0) {
		start(c, &spec, on_fetched);
		return;
	}
	call_fail(c, 503, "the program amps-helper was not found");
	finish(c);
}

void import_start(struct api_call *c, struct helpers *helpers, void (*done)(struct api_call *c))
{
	const json_t *m3u = json_object_get(c->import, "m3u");

	assert(c->result.status == 0 && c->import != NULL);
	c->import_helpers = helpers;
	c->import_done = done;
	if (m3u != NULL)
		convert(c, json_string_value(m3u), json_string_length(m3u));
	else
		fetch(c, json_string_value(json_object_get(c->import, "url")));
}
