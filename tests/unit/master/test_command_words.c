#include "amps-master/config/command_words.h"

#include <criterion/criterion.h>
#include <string.h>

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
