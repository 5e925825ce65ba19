#include "master/config_case.h"

#include "unit.h"

#include "common/limits.h"

static json_t *read_yaml(struct config_case *c, const char *yaml)
{
	*c = (struct config_case){.marks = marks_new()};
	cr_assert_eq(problems_init(&c->problems), 0);
	if (config_yaml_parse("c", yaml, strlen(yaml), c->marks, &c->problems, &c->tree) < 0)
		c->tree = NULL;
	problems_format(&c->problems, &c->text);
	return c->tree;
}

/* The tree of `yaml` as compact JSON must be `expected`. */
static void expect_tree(const char *yaml, const char *expected)
{
	struct config_case c;
	char *text = json_dumps(read_yaml(&c, yaml), JSON_COMPACT);

	cr_expect_str_eq(text != NULL ? text : "(none)", expected, "%s gave %s\n%s", yaml, text,
			 c.text.data);
	free(text);
	config_case_done(&c);
}

Test(config_yaml, an_empty_file_is_an_empty_mapping)
{
	expect_tree("", "{}");
	expect_tree("# only a comment\n", "{}");
	expect_tree("---\n...\n", "{}");
	expect_tree("~\n", "{}");
	expect_tree("\xef\xbb\xbf"
		    "a: 1\n",
		    "{\"a\":1}");
}

Test(config_yaml, plain_words_have_the_types_of_yaml_1_1)
{
	expect_tree("a: [yes, No, ON, off, True, FALSE, y, yEs]\n",
		    "{\"a\":[true,false,true,false,true,false,\"y\",\"yEs\"]}");
	expect_tree("a: [~, null, NULL, ]\n", "{\"a\":[null,null,null]}");
	expect_tree("a: [0, -5, +7, 1_000, 0x1F, 0b101, 017, 08, 9223372036854775808]\n",
		    "{\"a\":[0,-5,7,1000,31,5,15,\"08\",\"9223372036854775808\"]}");
	expect_tree("a: [1.5, -.5, 2., 1.5e+3, 1e3, .inf, .nan, ., -]\n",
		    "{\"a\":[1.5,-0.5,2.0,1500.0,\"1e3\",\".inf\",\".nan\",\".\",\"-\"]}");
	expect_tree("a: [1:30, 2024-05-04, 2024-05-04T18:00:00Z, 800k, 0:v, 1.2.3]\n",
		    "{\"a\":[\"1:30\",\"2024-05-04\",\"2024-05-04T18:00:00Z\",\"800k\",\"0:v\","
		    "\"1.2.3\"]}");
}

Test(config_yaml, quotes_and_tags_make_text)
{
	expect_tree("a: ['5', \"no\", !!str 5, !!int 5]\n", "{\"a\":[\"5\",\"no\",\"5\",5]}");
	expect_tree("a: !!seq [!!map {b: 1}]\n", "{\"a\":[{\"b\":1}]}");
	expect_tree("a: |\n  one\n  two\n", "{\"a\":\"one\\ntwo\\n\"}");
	expect_tree("5: x\nyes: y\n", "{\"5\":\"x\",\"yes\":\"y\"}");
}

Test(config_yaml, aliases_and_merge_keys)
{
	expect_tree("a: &x [1, 2]\nb: *x\n", "{\"a\":[1,2],\"b\":[1,2]}");
	expect_tree("a: &x {k: 1, l: 2}\nb: {<<: *x, l: 3}\n",
		    "{\"a\":{\"k\":1,\"l\":2},\"b\":{\"l\":3,\"k\":1}}");
	expect_tree("a: &x {k: 1}\nb: &y {k: 2, m: 3}\nc: {<<: [*x, *y]}\n",
		    "{\"a\":{\"k\":1},\"b\":{\"k\":2,\"m\":3},\"c\":{\"k\":1,\"m\":3}}");
	expect_tree("a: &x 1\nb: &x 2\nc: *x\n", "{\"a\":1,\"b\":2,\"c\":2}");
}

Test(config_yaml, lines_and_raw_texts_are_kept)
{
	struct config_case c;
	json_t *tree = read_yaml(&c, "a: &x\n  k: NO\n\nb:\n  - one\n  - two\nc:\n  <<: *x\n");
	const json_t *a = json_object_get(tree, "a"), *b = json_object_get(tree, "b");

	cr_assert_not_null(tree);
	cr_expect_eq(marks_key(c.marks, tree, "b").line, 4);
	cr_expect_eq(marks_index(c.marks, b, 1).line, 6);
	cr_expect_eq(marks_key(c.marks, a, "k").line, 2);
	cr_expect_str_eq(marks_key(c.marks, a, "k").raw, "NO");
	cr_expect_str_eq(marks_key(c.marks, json_object_get(tree, "c"), "k").raw, "NO");
	cr_expect_null(marks_index(c.marks, b, 1).raw);
	cr_expect_eq(marks_key(c.marks, tree, "z").line, 0);
	config_case_done(&c);
}

Test(config_yaml, variables_are_replaced_in_values_only)
{
	setenv("AMPS_TEST_A", "x: [1]", 1);
	setenv("AMPS_TEST_B", "", 1);
	expect_tree("a: '${AMPS_TEST_A}'\n", "{\"a\":\"x: [1]\"}");
	expect_tree("a: <${AMPS_TEST_A}|${AMPS_TEST_B}>\n", "{\"a\":\"<x: [1]|>\"}");
	expect_tree("a: $${AMPS_TEST_A} $5 $\n", "{\"a\":\"${AMPS_TEST_A} $5 $\"}");
	expect_tree("${AMPS_TEST_A}: 1\n", "{\"${AMPS_TEST_A}\":1}");
	expect_tree(
		"custom_ffmpeg: {command: '${NOT_SET_1}', env: ['${NOT_SET_2}']}\n",
		"{\"custom_ffmpeg\":{\"command\":\"${NOT_SET_1}\",\"env\":[\"${NOT_SET_2}\"]}}");
	expect_tree("custom_ffmpeg: ${NOT_SET_1}\nb: ${AMPS_TEST_B}\n",
		    "{\"custom_ffmpeg\":\"${NOT_SET_1}\",\"b\":\"\"}");
}

Test(config_yaml, every_unset_variable_is_reported)
{
	struct config_case c;

	cr_expect_not_null(read_yaml(&c, "a: ${NOT_SET_1}\nb: [1, '${NOT_SET_2}']\nc: ${5}\n"));
	cr_expect_str_eq(c.text.data,
			 "c:1: a: the environment has no variable 'NOT_SET_1'\n"
			 "c:2: b[1]: the environment has no variable 'NOT_SET_2'\n"
			 "c:3: c: '${' needs a name and '}' (write '$${' for a literal one)\n");
	config_case_done(&c);
}

Test(config_yaml, aliases_cannot_exceed_the_node_limit)
{
	struct config_case c;
	struct buf text = BUF_INIT;

	buf_puts(&text, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
	for (int i = 1; i < 12; i++) {
		buf_printf(&text, "a%d: &a%d [", i, i);
		for (int j = 0; j < 10; j++)
			buf_printf(&text, "%s*a%d", j > 0 ? ", " : "", i - 1);
		buf_puts(&text, "]\n");
	}
	cr_expect_null(read_yaml(&c, text.data));
	cr_expect(strstr(c.text.data, "aliases expand to too many values") != NULL, "%s", c.text.data);
	config_case_done(&c);
	buf_done(&text);
}

Test(config_yaml, depth_is_bounded)
{
	struct config_case c;
	char deep[201];

	memset(deep, '[', 200);
	deep[200] = '\0';
	cr_expect_null(read_yaml(&c, deep));
	cr_expect_str_eq(c.text.data, "c:1: [0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]"
				      "[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]"
				      "[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]"
				      "[0][0][0][0][0][0]: nested too deeply\n");
	config_case_done(&c);
}

Test(config_yaml, aliases_cannot_exceed_the_depth_limit)
{
	struct config_case c;
	struct buf text = BUF_INIT;

	buf_puts(&text, "a0: &a0 [x]\n");
	for (int i = 1; i < CONFIG_DEPTH_MAX; i++)
		buf_printf(&text, "a%d: &a%d [*a%d]\n", i, i, i - 1);
	cr_expect_null(read_yaml(&c, text.data));
	cr_expect_str_eq(c.text.data, "c:64: a63[0]: nested too deeply\n");
	config_case_done(&c);
	buf_done(&text);
}

Test(config_yaml, merges_and_long_texts_count_as_written_out)
{
	struct config_case c;
	struct buf text = BUF_INIT;

	buf_puts(&text, "a0: &a0 {x: 1}\n");
	for (int i = 1; i < 40; i++)
		buf_printf(&text, "a%d: &a%d {x: {<<: *a%d}, y: {<<: *a%d}}\n", i, i, i - 1, i - 1);
	cr_expect_null(read_yaml(&c, text.data));
	cr_expect(strstr(c.text.data, "aliases expand to too many values") != NULL, "%s", c.text.data);
	config_case_done(&c);
	buf_reset(&text);
	buf_puts(&text, "a: &a ");
	for (int i = 0; i < 100000; i++)
		buf_puts(&text, "0123456789");
	buf_puts(&text, "\nb: [*a");
	for (int i = 0; i < 1000; i++)
		buf_puts(&text, ", *a");
	buf_puts(&text, "]\n");
	cr_expect_null(read_yaml(&c, text.data));
	config_case_done(&c);
	buf_done(&text);
}

Test(config_yaml, bytes_that_are_no_utf8_are_refused)
{
	struct config_case c;

	cr_expect_null(read_yaml(&c, "a: \"\xff\xfe\"\n"));
	cr_expect_eq(c.problems.errors, 1);
	config_case_done(&c);
	cr_expect_null(read_yaml(&c, "a: 1\nb:\n  c: \x07\nd: 1\n"));
	cr_expect_str_eq(c.text.data, "c:3: YAML syntax: control characters are not allowed\n");
	config_case_done(&c);
}
