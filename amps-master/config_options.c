#include "amps-master/config_options.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "amps-master/spawn.h"
#include "common/programs.h"

#define CHECK_TIMEOUT_MS 20000

/* A place that waits for the answer to one question. */
struct place {
	char *path;
	const json_t *container;
	int line;
	size_t next; /* the next place with the same question, SIZE_MAX = none */
};

struct option_asks {
	json_t *questions; /* what the transcoder reads; the path is its first place's */
	json_t *seen;	   /* question without path, as text -> index of its first place */
	json_t *by_path;   /* path of a first place -> its index */
	struct place *places;
	size_t count, cap;
};

struct option_asks *option_asks_new(void)
{
	struct option_asks *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->questions = json_array();
	a->seen = json_object();
	a->by_path = json_object();
	if (a->questions == NULL || a->seen == NULL || a->by_path == NULL)
		return option_asks_free(a);
	return a;
}

struct option_asks *option_asks_free(struct option_asks *a)
{
	if (a == NULL)
		return NULL;
	for (size_t i = 0; i < a->count; i++)
		free(a->places[i].path);
	free(a->places);
	json_decref(a->questions);
	json_decref(a->seen);
	json_decref(a->by_path);
	free(a);
	return NULL;
}

static bool is_lavfi(const struct option_ask *ask)
{
	size_t i;
	json_t *each;

	json_array_foreach (ask->options, i, each) {
		const char *value = json_string_value(json_array_get(each, 1));

		if (value != NULL && strcmp(value, "lavfi") == 0)
			return true;
	}
	json_array_foreach (ask->args, i, each) {
		if (json_is_string(each) && strcmp(json_string_value(each), "lavfi") == 0)
			return true;
	}
	return false;
}

/* Two sources of one scheme take the same options; a lavfi source is itself judged. */
static json_t *source_class(const struct option_ask *ask)
{
	const char *end = strstr(ask->source, "://");

	if (is_lavfi(ask))
		return json_string(ask->source);
	return json_stringn(ask->source, end != NULL ? (size_t)(end - ask->source) : 0);
}

static struct place *place_new(struct option_asks *a, const struct option_ask *ask)
{
	struct place *p;

	if (a->count == a->cap) {
		size_t cap = a->cap == 0 ? 64 : a->cap * 2;
		struct place *places = reallocarray(a->places, cap, sizeof(*places));

		if (places == NULL)
			return NULL;
		a->places = places;
		a->cap = cap;
	}
	p = &a->places[a->count];
	*p = (struct place){.path = strdup(ask->path),
			    .container = ask->container,
			    .line = ask->line,
			    .next = SIZE_MAX};
	if (p->path == NULL)
		return NULL;
	a->count++;
	return p;
}

static int ask_first(struct option_asks *a, const char *text, const struct option_ask *ask,
		     json_t *options, json_t *args)
{
	json_int_t index = (json_int_t)a->count - 1;
	json_t *question =
		json_pack("{s:s, s:s, s:s, s:O, s:O}", "path", ask->path, "kind", ask->kind,
			  "source", ask->source, "options", options, "args", args);

	if (question == NULL || json_array_append_new(a->questions, question) < 0 ||
	    json_object_set_new(a->seen, text, json_integer(index)) < 0 ||
	    json_object_set_new(a->by_path, ask->path, json_integer(index)) < 0)
		return -ENOMEM;
	return 0;
}

static int ask_places(struct option_asks *a, const struct option_ask *ask, json_t *options,
		      json_t *args)
{
	json_t *key = json_pack("[s, o, O, O]", ask->kind, source_class(ask), options, args);
	_cleanup_(freep) char *text = json_dumps(key, JSON_COMPACT);
	struct place *place = text != NULL ? place_new(a, ask) : NULL;
	const json_t *seen;

	json_decref(key);
	if (place == NULL)
		return -ENOMEM;
	seen = json_object_get(a->seen, text);
	if (seen == NULL)
		return ask_first(a, text, ask, options, args);
	/* Behind the first: the order of problems is restored later by their lines. */
	place->next = a->places[json_integer_value(seen)].next;
	a->places[json_integer_value(seen)].next = a->count - 1;
	return 0;
}

int option_asks_add(struct option_asks *a, const struct option_ask *ask)
{
	json_t *options = ask->options != NULL ? ask->options : json_array();
	json_t *args = ask->args != NULL ? ask->args : json_array();
	int error = options != NULL && args != NULL ? ask_places(a, ask, options, args) : -ENOMEM;

	json_decref(options);
	json_decref(args);
	return error;
}

/* The place whose path is the longest beginning of `path`; NULL if there is none. */
static const struct place *find_place(const struct option_asks *a, const char *path)
{
	_cleanup_(freep) char *cut = strdup(path);
	const json_t *index = NULL;

	while (cut != NULL && index == NULL) {
		char *dot = strrchr(cut, '.');

		index = json_object_get(a->by_path, cut);
		if (dot == NULL)
			break;
		*dot = '\0';
	}
	return index != NULL ? &a->places[json_integer_value(index)] : NULL;
}

static void report(const struct option_asks *a, const struct marks *marks, const char *file,
		   struct problems *problems, const json_t *answer)
{
	const char *path = json_string_value(json_object_get(answer, "path"));
	const char *severity = json_string_value(json_object_get(answer, "severity"));
	const char *message = json_string_value(json_object_get(answer, "message"));
	const struct place *p = path != NULL ? find_place(a, path) : NULL;
	enum problem_severity level = PROBLEM_ERROR;
	const char *rest;

	if (p == NULL || message == NULL)
		return;
	if (severity != NULL && strcmp(severity, "warning") == 0)
		level = PROBLEM_WARNING;
	rest = path + strlen(p->path);
	for (;;) {
		_cleanup_(freep) char *full = NULL;
		int line = *rest == '.' ? marks_key(marks, p->container, rest + 1).line : 0;

		if (asprintf(&full, "%s%s", p->path, rest) < 0)
			return;
		problems_add(problems, level, file, line > 0 ? line : p->line, full, "%s", message);
		if (p->next == SIZE_MAX)
			return;
		p = &a->places[p->next];
	}
}

/* The transcoder's answer as an array, or NULL with the reason. */
static json_t *ask_transcoder(const json_t *questions, char *reason, size_t cap)
{
	char program[PATH_MAX];
	const char *const argv[] = {program, "--check-options", NULL};
	_cleanup_(freep) char *text = json_dumps(questions, JSON_COMPACT);
	struct buf out = BUF_INIT;
	json_t *answer = NULL;
	int status = 0, error;

	error = text != NULL ? programs_find("amps-transcoder", program, sizeof(program)) : -ENOMEM;
	if (error == -ENOENT) {
		snprintf(reason, cap, "amps-transcoder was not found");
		return NULL;
	}
	if (error == 0)
		error = spawn_filter(argv, text, strlen(text), CHECK_TIMEOUT_MS, &out, &status);
	if (error != 0) {
		snprintf(reason, cap, "amps-transcoder: %s", strerror(-error));
	} else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		snprintf(reason, cap, "amps-transcoder failed");
	} else {
		answer = json_loadb(out.data != NULL ? out.data : "", out.len, 0, NULL);
		if (!json_is_array(answer))
			snprintf(reason, cap, "amps-transcoder gave no list");
	}
	buf_done(&out);
	return answer;
}

void option_asks_run(struct option_asks *a, const struct marks *marks, const char *file,
		     struct problems *problems)
{
	char reason[160] = "";
	json_t *answer, *each;
	size_t i;

	if (json_array_size(a->questions) == 0)
		return;
	answer = ask_transcoder(a->questions, reason, sizeof(reason));
	if (!json_is_array(answer))
		problems_add(problems, PROBLEM_WARNING, file, 0, "",
			     "option names were not checked: %s", reason);
	json_array_foreach (answer, i, each) {
		report(a, marks, file, problems, each);
	}
	json_decref(answer);
}
