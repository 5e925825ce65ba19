#include "amps-master/config/config_options.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "amps-master/system/helper.h"
#include "amps-master/util/json.h"
#include "common/programs.h"

#define CHECK_TIMEOUT_MS 20000

/* A place in the file whose option list is one question. */
struct place {
	char *path;
	const json_t *container;
	int line;
	size_t next; /* the next place with the same question, SIZE_MAX = none */
};

/* One option list.  `json` is sent to the transcoder; `text` is the same without the path. */
struct question {
	json_t *json;
	char *text;
	size_t place;  /* index of the first place */
	json_t *found; /* the verdict: [[rest of the path, severity, message], ...] */
	bool open;     /* the memory has no verdict */
	bool reads;    /* the verdict depends on files that filters read: it is not remembered */
};

struct option_asks {
	json_t *seen;	 /* text of a question -> its index */
	json_t *by_path; /* path of a first place -> index of its question */
	struct question *questions;
	size_t question_count, question_cap;
	struct place *places;
	size_t count, cap;
};

struct option_asks *option_asks_new(void)
{
	struct option_asks *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->seen = json_object();
	a->by_path = json_object();
	if (a->seen == NULL || a->by_path == NULL)
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
	for (size_t i = 0; i < a->question_count; i++) {
		json_decref(a->questions[i].json);
		json_decref(a->questions[i].found);
		free(a->questions[i].text);
	}
	free(a->questions);
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

/* Sources of one scheme accept the same options; a lavfi source is itself checked. */
static json_t *source_class(const struct option_ask *ask)
{
	const char *end = strstr(ask->source, "://");

	if (is_lavfi(ask))
		return json_string(ask->source);
	return json_stringn(ask->source, end != NULL ? (size_t)(end - ask->source) : 0);
}

/* Makes room for one more element; the array may move.  0 or -ENOMEM. */
static int grow(void **array, size_t *cap, size_t count, size_t size)
{
	size_t wanted = *cap == 0 ? 64 : *cap * 2;
	void *grown;

	assert(count <= *cap);
	if (count < *cap)
		return 0;
	grown = reallocarray(*array, wanted, size);
	if (grown == NULL)
		return -ENOMEM;
	*array = grown;
	*cap = wanted;
	return 0;
}

static struct place *place_new(struct option_asks *a, const struct option_ask *ask)
{
	struct place *p;

	if (grow((void **)&a->places, &a->cap, a->count, sizeof(*p)) < 0)
		return NULL;
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

/* Takes `text`. */
static int ask_first(struct option_asks *a, char *text, const struct option_ask *ask,
		     json_t *options, json_t *args)
{
	json_int_t index = (json_int_t)a->question_count;
	struct question *q;

	assert(a->count > 0); /* its place was added before */
	if (grow((void **)&a->questions, &a->question_cap, a->question_count, sizeof(*q)) < 0) {
		free(text);
		return -ENOMEM;
	}
	q = &a->questions[a->question_count++];
	*q = (struct question){
		.json = json_pack("{s:s, s:s, s:s, s:O, s:O}", "path", ask->path, "kind", ask->kind,
				  "source", ask->source, "options", options, "args", args),
		.text = text,
		.place = a->count - 1,
	};
	if (q->json == NULL || json_object_set_new(a->seen, text, json_integer(index)) < 0 ||
	    json_object_set_new(a->by_path, ask->path, json_integer(index)) < 0)
		return -ENOMEM;
	return 0;
}

static int ask_places(struct option_asks *a, const struct option_ask *ask, json_t *options,
		      json_t *args)
{
	json_auto_t *key = json_pack("[s, o, O, O]", ask->kind, source_class(ask), options, args);
	_cleanup_(freep) char *text = json_dumps(key, JSON_COMPACT);
	struct place *place = text != NULL ? place_new(a, ask) : NULL, *first;
	const json_t *seen;

	if (place == NULL)
		return -ENOMEM;
	seen = json_object_get(a->seen, text);
	if (seen == NULL)
		return ask_first(a, TAKE_PTR(text), ask, options, args);
	/* inserted behind the first place: problems are sorted by line later */
	assert((size_t)json_integer_value(seen) < a->question_count);
	first = &a->places[a->questions[json_integer_value(seen)].place];
	place->next = first->next;
	first->next = a->count - 1;
	assert(first != place);
	return 0;
}

int option_asks_add(struct option_asks *a, const struct option_ask *ask)
{
	json_auto_t *options = ask->options != NULL ? ask->options : json_array();
	json_auto_t *args = ask->args != NULL ? ask->args : json_array();

	return options != NULL && args != NULL ? ask_places(a, ask, options, args) : -ENOMEM;
}

/* The question whose first place is the longest beginning of `path`; NULL if there is none. */
static struct question *find_question(const struct option_asks *a, const char *path)
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
	assert(index == NULL || (size_t)json_integer_value(index) < a->question_count);
	return index != NULL ? &a->questions[json_integer_value(index)] : NULL;
}

/* Reports one finding at each of the question's places. */
static void report(const struct option_asks *a, const struct question *q, const json_t *finding,
		   const struct marks *marks, const char *file, struct problems *problems)
{
	const char *rest = json_string_value(json_array_get(finding, 0));
	const char *severity = json_string_value(json_array_get(finding, 1));
	const char *message = json_string_value(json_array_get(finding, 2));
	const struct place *p;

	if (rest == NULL || severity == NULL || message == NULL)
		return;
	for (size_t i = q->place; i != SIZE_MAX; i = p->next) {
		_cleanup_(freep) char *full = NULL;
		int line;

		assert(i < a->count);
		p = &a->places[i];
		line = *rest == '.' ? marks_key(marks, p->container, rest + 1).line : 0;
		if (asprintf(&full, "%s%s", p->path, rest) < 0)
			return;
		problems_add(problems,
			     strcmp(severity, "warning") == 0 ? PROBLEM_WARNING : PROBLEM_ERROR,
			     file, line > 0 ? line : p->line, full, "%s", message);
	}
}

/* Assigns the transcoder's findings to their questions. */
static void take_findings(struct option_asks *a, const json_t *problems)
{
	size_t i;
	json_t *each;

	json_array_foreach (problems, i, each) {
		const char *path = json_string_value(json_object_get(each, "path"));
		const char *severity = json_string_value(json_object_get(each, "severity"));
		struct question *q = path != NULL ? find_question(a, path) : NULL;
		json_t *finding;

		if (q == NULL)
			continue;
		assert(strncmp(path, a->places[q->place].path, strlen(a->places[q->place].path)) ==
		       0);
		finding = json_pack("[s s O]", path + strlen(a->places[q->place].path),
				    severity != NULL ? severity : "error",
				    json_object_get(each, "message"));
		if (q->found == NULL)
			q->found = json_array();
		/* without memory the finding is lost, as in problems_add() */
		(void)json_array_append_new(q->found, finding);
	}
}

static void take_reading(struct option_asks *a, const json_t *paths)
{
	size_t i;
	json_t *each;

	json_array_foreach (paths, i, each) {
		const char *path = json_string_value(each);
		struct question *q = path != NULL ? find_question(a, path) : NULL;

		if (q != NULL)
			q->reads = true;
	}
}

/* The transcoder's answer {"problems":[...],"reading":[...],"files":[...]}, or NULL with the
 * reason. */
static json_t *ask_transcoder(const json_t *questions, char *reason, size_t cap)
{
	char program[PATH_MAX];
	const char *const argv[] = {program, "--check-options", NULL};
	_cleanup_(freep) char *text = json_dumps(questions, JSON_COMPACT);
	struct helper_spec spec = {.argv = argv,
				   .input = text,
				   .timeout_ms = CHECK_TIMEOUT_MS,
				   .output_bytes = CHECK_BYTES_MAX,
				   .logs = true};
	struct helper_result result;
	json_t *answer = NULL;

	if (text == NULL || programs_find("amps-transcoder", program, sizeof(program)) < 0) {
		snprintf(reason, cap, "amps-transcoder was not found");
		return NULL;
	}
	spec.input_bytes = strlen(text);
	helper_run(&spec, &result);
	if (result.error == 0) {
		answer = json_fd_load(result.output_fd);
		if (!option_answer_valid(answer)) {
			snprintf(reason, cap, "amps-transcoder gave no list");
			json_decref(answer);
			answer = NULL;
		}
	} else {
		snprintf(reason, cap, "amps-transcoder: %s", result.reason);
	}
	close_fd(&result.output_fd);
	return answer;
}

bool option_answer_valid(const json_t *answer)
{
	return json_is_array(json_object_get(answer, "problems"));
}

json_t *option_asks_recall(struct option_asks *a, struct option_memory *memory)
{
	json_t *open = json_array();

	for (size_t i = 0; i < a->question_count; i++) {
		struct question *q = &a->questions[i];
		const json_t *verdict = memory != NULL ? option_memory_find(memory, q->text) : NULL;

		assert(q->found == NULL);
		q->found = json_incref((json_t *)(uintptr_t)verdict);
		q->open = verdict == NULL;
		if (q->open && json_array_append(open, q->json) < 0) {
			json_decref(open);
			return NULL;
		}
	}
	return open;
}

/* Adds the new verdicts to the memory. */
static void learn(const struct option_asks *a, struct option_memory *memory, const json_t *files)
{
	json_auto_t *nothing = json_array();

	option_memory_judged_by(memory, files);
	for (size_t i = 0; i < a->question_count; i++) {
		const struct question *q = &a->questions[i];

		if (q->open && !q->reads)
			option_memory_learn(memory, q->text, q->found != NULL ? q->found : nothing);
	}
}

void option_asks_judge(struct option_asks *a, struct option_memory *memory, const json_t *answer,
		       const struct marks *marks, const char *file, struct problems *problems)
{
	json_t *finding;
	size_t i;

	take_findings(a, json_object_get(answer, "problems"));
	take_reading(a, json_object_get(answer, "reading"));
	if (answer != NULL && memory != NULL)
		learn(a, memory, json_object_get(answer, "files"));
	for (size_t q = 0; q < a->question_count; q++)
		json_array_foreach (a->questions[q].found, i, finding)
			report(a, &a->questions[q], finding, marks, file, problems);
}

void option_asks_run(struct option_asks *a, struct option_memory *memory, const struct marks *marks,
		     const char *file, struct problems *problems)
{
	json_auto_t *open = option_asks_recall(a, memory), *answer = NULL;
	char reason[160] = "";

	if (open == NULL || json_array_size(open) > 0) {
		answer = open != NULL ? ask_transcoder(open, reason, sizeof(reason)) : NULL;
		if (answer == NULL)
			problems_add(problems, PROBLEM_WARNING, file, 0, "",
				     "option names were not checked: %s", reason);
	}
	option_asks_judge(a, memory, answer, marks, file, problems);
}
