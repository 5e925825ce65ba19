#include "amps-master/config/serve_options.h"

#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include "common/limits.h"
#include "common/log/log.h"
#include "common/text/text.h"

enum kind { KIND_FILE, KIND_TEXT, KIND_PORT, KIND_WORKERS, KIND_LEVEL };

/* `object`, `key`: its place in the model; NULL = the top, or no place. */
static const struct rule {
	const char *option, *object, *key;
	enum kind kind;
} rules[SERVE_OPTION_COUNT_] = {
	[SERVE_CONFIG] = {"--config", NULL, NULL, KIND_FILE},
	[SERVE_HOST] = {"--host", "server", "host", KIND_TEXT},
	[SERVE_PORT] = {"--port", "server", "port", KIND_PORT},
	[SERVE_WORKERS] = {"--workers", "server", "workers", KIND_WORKERS},
	[SERVE_STATE_DIR] = {"--state-dir", "server", "state_dir", KIND_TEXT},
	[SERVE_RUNTIME_DIR] = {"--runtime-dir", "server", "runtime_dir", KIND_TEXT},
	[SERVE_MEDIA_ROOT] = {"--media-root", NULL, "media_root", KIND_TEXT},
	[SERVE_LOG_LEVEL] = {"--log-level", "server", "log_level", KIND_LEVEL},
};

static const struct option long_options[] = {
	{"config", required_argument, NULL, SERVE_CONFIG},
	{"host", required_argument, NULL, SERVE_HOST},
	{"port", required_argument, NULL, SERVE_PORT},
	{"workers", required_argument, NULL, SERVE_WORKERS},
	{"state-dir", required_argument, NULL, SERVE_STATE_DIR},
	{"runtime-dir", required_argument, NULL, SERVE_RUNTIME_DIR},
	{"media-root", required_argument, NULL, SERVE_MEDIA_ROOT},
	{"log-level", required_argument, NULL, SERVE_LOG_LEVEL},
	{"load", required_argument, NULL, 'l'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'v'},
	{0},
};

/* New reference, or NULL if the text is not valid for this kind. */
static json_t *value_of(enum kind kind, const char *text)
{
	enum log_level level;
	uint64_t n;

	switch (kind) {
	case KIND_PORT:
		return text_parse_u64(text, UINT16_MAX, &n) == 0 ? json_integer((json_int_t)n)
								 : NULL;
	case KIND_WORKERS:
		if (strcmp(text, "auto") == 0)
			return json_integer(0);
		return text_parse_u64(text, WORKERS_MAX, &n) == 0 ? json_integer((json_int_t)n)
								  : NULL;
	case KIND_LEVEL:
		return log_parse_level(text, &level) == 0 ? json_string(log_level_name(level))
							  : NULL;
	default:
		return text[0] ? json_string(text) : NULL;
	}
}

static int check_values(const struct serve_options *o)
{
	for (size_t i = 0; i < SERVE_OPTION_COUNT_; i++) {
		json_auto_t *value = o->value[i] ? value_of(rules[i].kind, o->value[i]) : NULL;

		if (o->value[i] && !value) {
			fprintf(stderr, "amps-master: %s: not a valid value: %s\n", rules[i].option,
				o->value[i]);
			return -EINVAL;
		}
	}
	return 0;
}

int serve_options_parse(struct serve_options *o, int argc, char **argv)
{
	int c;

	*o = (struct serve_options){0};
	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (c == 'h')
			o->help = true;
		else if (c == 'v')
			o->version = true;
		else if (c == 'l')
			o->load = optarg;
		else if (c >= 0 && c < SERVE_OPTION_COUNT_)
			o->value[c] = optarg;
		else
			return -EINVAL;
	}
	if (optind < argc) {
		fprintf(stderr, "amps-master: unexpected argument: %s\n", argv[optind]);
		return -EINVAL;
	}
	return check_values(o);
}

const char *serve_options_default_file(void)
{
	return access("./config.yaml", F_OK) == 0 ? "./config.yaml" : "/etc/amps/amps.yaml";
}

const char *serve_options_config(const struct serve_options *o)
{
	if (o->value[SERVE_CONFIG])
		return o->value[SERVE_CONFIG];
	return serve_options_default_file();
}

int serve_options_lay_over(const struct serve_options *o, json_t *model)
{
	for (size_t i = 0; i < SERVE_OPTION_COUNT_; i++) {
		const struct rule *rule = &rules[i];
		json_t *object = rule->object ? json_object_get(model, rule->object) : model;

		if (!o->value[i] || !rule->key)
			continue;
		if (!object && rule->object) {
			object = json_object();
			if (json_object_set_new(model, rule->object, object) != 0)
				return -ENOMEM;
		}
		if (json_object_set_new(object, rule->key, value_of(rule->kind, o->value[i])) != 0)
			return -ENOMEM;
	}
	return 0;
}

void serve_options_loader_argv(const struct serve_options *o, const char *program, const char **ret)
{
	size_t n = 0;

	ret[n++] = program;
	ret[n++] = "--load";
	ret[n++] = serve_options_config(o);
	for (size_t i = 0; i < SERVE_OPTION_COUNT_; i++) {
		if (!o->value[i] || !rules[i].key)
			continue;
		assert(rules[i].option && n + 2 < SERVE_ARGV_MAX);
		ret[n++] = rules[i].option;
		ret[n++] = o->value[i];
	}
	assert(n < SERVE_ARGV_MAX);
	ret[n] = NULL;
}
