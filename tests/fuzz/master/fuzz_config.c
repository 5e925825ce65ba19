/* Any bytes as a configuration file: reader, checker and the formatting of what they find. */
#include <stdint.h>
#include <stddef.h>

#include "amps-master/config/config_check.h"
#include "amps-master/config/config_yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void check_tree(json_t *tree, const struct marks *marks, struct problems *problems)
{
	struct option_asks *asks = option_asks_new();
	json_t *model = NULL;
	int error = config_check(tree, "fuzz", marks, asks, problems, &model);

	/* No model without errors, and no errors with a model. */
	if ((error == 0) != (problems->errors == 0) || (error == 0) != (model != NULL))
		abort();
	option_asks_free(asks);
	json_decref(model);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct marks *marks = marks_new();
	struct buf text = BUF_INIT;
	struct problems problems;
	json_t *tree = NULL;

	if (marks == NULL || problems_init(&problems) < 0)
		return 0;
	if (config_yaml_parse("fuzz", bytes, n, marks, &problems, &tree) == 0)
		check_tree(tree, marks, &problems);
	else if (problems.errors == 0)
		abort();
	problems_format(&problems, &text);
	buf_done(&text);
	json_decref(tree);
	marks_free(marks);
	problems_done(&problems);
	return 0;
}
