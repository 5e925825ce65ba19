#include "amps-master/lineup/command_words.h"

#include <string.h>
#include "unit.h"

static void expect_words(const char *text, const char *expected)
{
	json_t *words = NULL;
	char *found;

	cr_assert_eq(command_words_split(text, &words), 0, "%s", text);
	found = json_dumps(words, JSON_COMPACT);
	cr_expect_str_eq(found, expected, "%s gave %s", text, found);
	free(found);
	json_decref(words);
}

Test(command_words, splits_as_a_shell_would)
{
	expect_words("", "[]");
	expect_words("  a\tb  ", "[\"a\",\"b\"]");
	expect_words("a 'b c' \"d e\"", "[\"a\",\"b c\",\"d e\"]");
	expect_words("x='a b'c \"\" ''", "[\"x=a bc\",\"\",\"\"]");
	expect_words("a\\ b '\\n' \"\\n\\\"\\$\"", "[\"a b\",\"\\\\n\",\"\\\\n\\\"$\"]");
	expect_words("$HOME `x` | ; >", "[\"$HOME\",\"`x`\",\"|\",\";\",\">\"]");
}

Test(command_words, an_open_quote_is_an_error)
{
	json_t *words = NULL;

	cr_expect_eq(command_words_split("a 'b", &words), -EINVAL);
	cr_expect_eq(command_words_split("a \"b\\\"", &words), -EINVAL);
	cr_expect_null(words);
}

Test(command_words, placeholders)
{
	static const struct {
		const char *text, *found;
	} table[] = {
		{"{source} {id} x={name}", NULL},
		{"{{url}}", NULL},
		{"{ print }", NULL},
		{"{}", NULL},
		{"a{b", NULL},
		{"{url}", "{url}"},
		{"{source}{Name} x", "{Name}"},
		{"{{{x}}}", "{x}"},
	};

	for (size_t i = 0; i < array_size(table); i++) {
		size_t n = 0;
		const char *found = command_words_unknown(table[i].text, &n);

		if (table[i].found == NULL)
			cr_expect_null(found, "%s", table[i].text);
		else
			cr_expect(found != NULL && n == strlen(table[i].found) &&
					  memcmp(found, table[i].found, n) == 0,
				  "%s", table[i].text);
	}
}

static const struct command_values values = {{"a 'b' {name}", "7", "-n"}};

static void expect_expanded(const char *word, const char *expected)
{
	struct buf out = BUF_INIT;
	enum command_word wrong;
	int r = command_word_expand(word, &values, &out, &wrong);

	buf_puts(&out, "");
	if (expected == NULL)
		cr_expect(r == -EINVAL && wrong == COMMAND_NAME, "%s", word);
	else
		cr_expect(r == 0 && strcmp(out.data, expected) == 0, "%s gave %s", word, out.data);
	buf_done(&out);
}

Test(command_words, placeholders_are_replaced_once)
{
	expect_expanded("", "");
	expect_expanded("{source}", "a 'b' {name}");
	expect_expanded("x={id}{id};", "x=77;");
	expect_expanded("{{source}}", "{source}");
	expect_expanded("{{{id}}}", "{7}");
	expect_expanded("a{b} } {", "a{b} } {");
}

Test(command_words, no_value_becomes_an_option)
{
	static const struct command_values dash = {{"-", "7", "-"}};
	struct buf out = BUF_INIT;
	enum command_word wrong;

	expect_expanded("{name}", NULL);
	expect_expanded("{name}x", NULL);
	expect_expanded("title={name}", "title=-n");
	expect_expanded("{id}{name}", "7-n");
	cr_expect_eq(command_word_expand("{name}", &dash, &out, &wrong), 0);
	buf_done(&out);
}

static void expect_shell(const char *text, const char *expected)
{
	struct buf out = BUF_INIT;
	enum command_word wrong;
	unsigned used;
	int r = command_shell_expand(text, &values, &out, &used, &wrong);

	buf_puts(&out, "");
	if (expected == NULL)
		cr_expect(r == -EINVAL && wrong == COMMAND_NAME, "%s", text);
	else
		cr_expect(r == 0 && strcmp(out.data, expected) == 0, "%s gave %s", text, out.data);
	buf_done(&out);
}

/* The shell expands a variable, so no value is ever read as a part of the text. */
Test(command_words, a_shell_gets_variables_quoted_by_their_place)
{
	expect_shell("a {source} | b", "a \"${AMPS_SOURCE}\" | b");
	expect_shell("a \"x {id} y\" {id}", "a \"x ${AMPS_ID} y\" \"${AMPS_ID}\"");
	expect_shell("a 'x {id} y'{id}", "a 'x '\"${AMPS_ID}\"' y'\"${AMPS_ID}\"");
	expect_shell("\"$(b '{id}' {id})\" {id}",
		     "\"$(b ''\"${AMPS_ID}\"'' \"${AMPS_ID}\")\" \"${AMPS_ID}\"");
	expect_shell("`b \"{id}\"` \"({id})\"", "`b \"${AMPS_ID}\"` \"(${AMPS_ID})\"");
	expect_shell("\\\" {id} '\\' {id}", "\\\" \"${AMPS_ID}\" '\\' \"${AMPS_ID}\"");
	expect_shell("a # it's\nb {id} x#'{id}'",
		     "a # it's\nb \"${AMPS_ID}\" x#''\"${AMPS_ID}\"''");
	expect_shell("\\{id} ${{X}} {{ x; }}", "\"${AMPS_ID}\" ${X} { x; }");
}

Test(command_words, no_value_becomes_an_option_of_a_shells_command)
{
	expect_shell("a {name}", NULL);
	expect_shell("a '{name}'", NULL);
	expect_shell("a $(\"{name}\")", NULL);
	expect_shell("a x={name}", "a x=\"${AMPS_NAME}\"");
	expect_shell("a 'the {name}'", "a 'the '\"${AMPS_NAME}\"''");
}

Test(command_words, a_shells_text_has_a_limit_of_depth)
{
	struct buf text = BUF_INIT, out = BUF_INIT;
	enum command_word wrong;
	unsigned used;

	for (int i = 0; i < 100; i++)
		buf_puts(&text, "\"$(");
	cr_expect_eq(command_shell_expand(text.data, &values, &out, &used, &wrong), -E2BIG);
	buf_done(&text);
	buf_done(&out);
}
