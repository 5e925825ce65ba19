/* config_case.h - a configuration text through the reader and the checker, for tests. */
#ifndef AMPS_TESTS_CONFIG_CASE_H
#define AMPS_TESTS_CONFIG_CASE_H

#include <string.h>
#include "amps-master/config/config_check.h"
#include "amps-master/config/config_yaml.h"

struct config_case {
	struct problems problems;
	struct marks *marks;
	json_t *tree, *model; /* NULL when there is none */
	struct buf text;      /* the problems as `amps check` prints them, of a file "c" */
};

static inline void config_case_done(struct config_case *c)
{
	json_decref(c->model);
	json_decref(c->tree);
	marks_free(c->marks);
	problems_done(&c->problems);
	buf_done(&c->text);
}

static inline void config_case_run(struct config_case *c, const char *yaml)
{
	*c = (struct config_case){.marks = marks_new()};
	if (c->marks == NULL || problems_init(&c->problems) < 0)
		abort();
	if (config_yaml_parse("c", yaml, strlen(yaml), c->marks, &c->problems, &c->tree) == 0 &&
	    config_check(c->tree, "c", c->marks, NULL, &c->problems, &c->model) < 0)
		c->model = NULL;
	problems_format(&c->problems, &c->text);
	buf_puts(&c->text, "");
}

#endif
