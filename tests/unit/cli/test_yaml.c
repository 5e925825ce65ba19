#include "amps-cli/yaml.h"
#include "unit.h"

static void expect(const char *json, const char *yaml)
{
	json_t *tree = json_loads(json, 0, NULL);
	struct buf b = BUF_INIT;

	cr_assert_not_null(tree);
	yaml_put_tree(&b, tree);
	cr_expect_str_eq(b.data != NULL ? b.data : "", yaml);
	buf_done(&b);
	json_decref(tree);
}

Test(yaml_tree, scalars)
{
	expect("{\"a\":null,\"b\":true,\"c\":1.5,\"d\":-3,\"e\":\"NO\",\"f\":{},\"g\":[],\"h\":30.0}",
	       "a: null\nb: true\nc: 1.5\nd: -3\ne: \"NO\"\nf: {}\ng: []\nh: 30.0\n");
}

Test(yaml_tree, keys_that_yaml_would_read_otherwise)
{
	expect("{\"no\":1,\"b:v\":2,\"A\":3,\"\":4,\"1\":5}",
	       "\"no\": 1\n\"b:v\": 2\n\"A\": 3\n\"\": 4\n\"1\": 5\n");
}

Test(yaml_tree, nesting)
{
	expect("{\"a\":{\"b\":{\"c\":1},\"d\":[1,\"x\"]},\"l\":[{\"i\":1,\"m\":{\"n\":[2]}},{\"i\":2},"
	       "{},[3]]}",
	       "a:\n  b:\n    c: 1\n  d:\n    - 1\n    - \"x\"\n"
	       "l:\n  - i: 1\n    m:\n      \"n\":\n        - 2\n  - i: 2\n  - {}\n  -\n    - 3\n");
}

Test(yaml_tree, variables_are_escaped)
{
	expect("{\"name\":\"${A}\",\"custom_ffmpeg\":{\"command\":\"${A}\"}}",
	       "name: \"$${A}\"\ncustom_ffmpeg:\n  command: \"${A}\"\n");
}
