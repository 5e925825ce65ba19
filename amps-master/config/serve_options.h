/* serve_options.h - the command line of amps-master, which overrides the configuration. */
#ifndef AMPS_SERVE_OPTIONS_H
#define AMPS_SERVE_OPTIONS_H

#include <jansson.h>
#include "common/base.h"

enum serve_option {
	SERVE_CONFIG,
	SERVE_HOST,
	SERVE_PORT,
	SERVE_WORKERS,
	SERVE_STATE_DIR,
	SERVE_RUNTIME_DIR,
	SERVE_MEDIA_ROOT,
	SERVE_LOG_LEVEL,
	SERVE_OPTION_COUNT_
};

struct serve_options {
	const char *value[SERVE_OPTION_COUNT_]; /* as given, or NULL; borrowed from argv */
	const char *load;			/* --load FILE */
	bool help, version;
};

/* Parses argv.  0, or -EINVAL after an error message on stderr. */
must_check int serve_options_parse(struct serve_options *o, int argc, char **argv);

/* Without --config: ./config.yaml if it exists, else /etc/amps/amps.yaml.  A constant. */
const char *serve_options_default_file(void);
/* --config, else the default. */
const char *serve_options_config(const struct serve_options *o);

/* Writes the options into a model (model.h), over the values of the file.  0 or -ENOMEM. */
must_check int serve_options_lay_over(const struct serve_options *o, json_t *model);

/* The loader's command line: `program --load FILE` and the given options.  `ret` has room for
 * SERVE_ARGV_MAX pointers; strings are borrowed. */
#define SERVE_ARGV_MAX (4 + 2 * SERVE_OPTION_COUNT_)
void serve_options_loader_argv(const struct serve_options *o, const char *program,
			       const char **ret);

#endif
