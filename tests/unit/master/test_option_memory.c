#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "amps-master/config/option_memory.h"
#include "amps-master/store/store_work.h"
#include "master/state_folder.h"
#include "unit.h"

struct judge {
	char path[64];
	json_t *files;
};

/* A file that stands for the program that judged. */
static void judge_make(struct judge *j, const char *content)
{
	FILE *f;

	strcpy(j->path, "/tmp/amps-judge-XXXXXX");
	close(mkstemp(j->path));
	f = fopen(j->path, "w");
	fputs(content, f);
	fclose(f);
	j->files = json_pack("[s]", j->path);
}

static void judge_remove(struct judge *j)
{
	unlink(j->path);
	json_decref(j->files);
}

/* What a load remembers after it has asked `questions` for the first time. */
static char *learned(const struct judge *j, const char *const questions[], size_t count)
{
	struct option_memory *m = option_memory_new(NULL);
	json_t *verdict = json_pack("[[s s s]]", ".g", "error", "no number");
	char *text;

	for (size_t i = 0; i < count; i++)
		cr_assert_null(option_memory_find(m, questions[i]));
	option_memory_judged_by(m, j->files);
	for (size_t i = 0; i < count; i++)
		option_memory_learn(m, questions[i], verdict);
	text = option_memory_text(m);
	json_decref(verdict);
	option_memory_free(m);
	cr_assert_not_null(text);
	return text;
}

static bool knows(const char *text, const char *question)
{
	struct option_memory *m = option_memory_new(NULL);
	bool known;

	option_memory_read(m, text);
	known = option_memory_find(m, question) != NULL;
	option_memory_free(m);
	return known;
}

Test(option_memory, a_verdict_is_remembered_word_by_word)
{
	static const char *const questions[] = {"[\"profile\",\"\",[[\"g\",\"x\"]],[]]"};
	struct judge j;
	struct option_memory *m = option_memory_new(NULL);
	json_t *expected = json_pack("[[s s s]]", ".g", "error", "no number");
	char *text;

	judge_make(&j, "1");
	text = learned(&j, questions, 1);
	option_memory_read(m, text);
	cr_assert(json_equal(option_memory_find(m, questions[0]), expected));
	cr_assert_null(option_memory_find(m, "[\"profile\",\"\",[[\"g\",\"y\"]],[]]"));
	cr_assert_null(option_memory_text(m), "nothing is new");
	option_memory_free(m);
	json_decref(expected);
	free(text);
	judge_remove(&j);
}

Test(option_memory, another_program_or_library_clears_the_memory)
{
	static const char *const questions[] = {"a"};
	struct judge j;
	char *text;
	FILE *f;

	judge_make(&j, "1");
	text = learned(&j, questions, 1);
	cr_assert(knows(text, "a"));
	setenv("LD_LIBRARY_PATH", "/elsewhere", 1);
	cr_assert_not(knows(text, "a"), "the libraries would come from elsewhere");
	unsetenv("LD_LIBRARY_PATH");
	cr_assert(knows(text, "a"));
	f = fopen(j.path, "a");
	fputs("2", f);
	fclose(f);
	cr_assert_not(knows(text, "a"), "a file has changed");
	unlink(j.path);
	cr_assert_not(knows(text, "a"), "a file is gone");
	free(text);
	judge_remove(&j);
}

Test(option_memory, questions_that_are_not_asked_again_are_dropped)
{
	static const char *const questions[] = {"a", "b"};
	struct option_memory *m = option_memory_new(NULL);
	struct judge j;
	char *text, *later;

	judge_make(&j, "1");
	text = learned(&j, questions, 2);
	option_memory_read(m, text);
	cr_assert_not_null(option_memory_find(m, "b"));
	later = option_memory_text(m);
	cr_assert_not_null(later);
	cr_assert(knows(later, "b"));
	cr_assert_not(knows(later, "a"));
	option_memory_free(m);
	free(text);
	free(later);
	judge_remove(&j);
}

/* A change of one channel asks for few of the file's. */
Test(option_memory, a_change_keeps_the_verdicts_of_a_large_file)
{
	enum { COUNT = API_DISTINCT_MAX + 1 };
	static char names[COUNT][16];
	static const char *questions[COUNT];
	struct option_memory *m;
	json_t *verdict = json_array();
	struct judge j;
	char *text, *kept;

	for (size_t i = 0; i < COUNT; i++) {
		snprintf(names[i], sizeof(names[i]), "%zu", i);
		questions[i] = names[i];
	}
	judge_make(&j, "1");
	text = learned(&j, questions, COUNT);
	m = option_memory_new(NULL);
	option_memory_read(m, text);
	cr_assert_not_null(option_memory_find(m, "7"));
	option_memory_judged_by(m, j.files);
	option_memory_learn(m, "new", verdict);
	option_memory_keep(m);
	kept = option_memory_text(m);
	cr_assert(!kept || knows(kept, "8"), "a verdict that was not asked for is lost");
	cr_assert(!kept || !knows(kept, "new"), "there is no room for more");
	option_memory_free(m);
	json_decref(verdict);
	free(text);
	free(kept);
	judge_remove(&j);
}

Test(option_memory, an_unreadable_memory_is_empty)
{
	static const char *const texts[] = {
		"", "[]", "{", "{\"files\":5,\"verdicts\":{}}",
		"{\"files\":[],\"identity\":\"\",\"verdicts\":{\"a\":[]}}"};
	struct option_memory *m = option_memory_new("/nonexistent/amps");

	option_memory_open(m, NULL);
	for (size_t i = 0; i < array_size(texts); i++)
		cr_assert_not(knows(texts[i], "a"));
	cr_assert_null(option_memory_text(m));
	option_memory_free(m);
}

/* The way it goes: a loader writes, the database keeps, the next loader finds. */
Test(option_memory, the_database_keeps_it_for_the_next_loader)
{
	static const char *const questions[] = {"a"};
	struct state_folder folder;
	struct store_work w;
	struct store_answer answer;
	struct option_memory *m;
	struct judge j;
	char *text, *result, reason[256];
	json_t *tree;

	judge_make(&j, "1");
	state_folder_make(&folder);
	text = learned(&j, questions, 1);
	tree = json_pack("{s[] s{s{}} ss}", "problems", "model", "server", "options", text);
	result = json_dumps(tree, 0);
	cr_assert_eq(store_work_open(folder.state, &w, reason, sizeof(reason)), 0, "%s", reason);
	store_work_load(&w, result, strlen(result), &DISCARD_NOTHING, 0, &answer);
	cr_assert_eq(answer.error, 0, "%s", answer.text);
	store_answer_done(&answer);
	m = option_memory_new(folder.state);
	option_memory_open(m, NULL);
	cr_expect_not_null(option_memory_find(m, "a"), "beside the running server");
	option_memory_free(m);
	store_work_close(&w);
	m = option_memory_new(folder.state);
	option_memory_open(m, NULL);
	cr_expect_not_null(option_memory_find(m, "a"), "before the next start");
	option_memory_free(m);
	json_decref(tree);
	free(result);
	free(text);
	state_folder_remove(&folder);
	judge_remove(&j);
}
