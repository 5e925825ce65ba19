/* job_files.c - see job_files.h */
#include "amps-transcoder/job_files.h"

#include <libgen.h>
#include <string.h>

#include "amps-transcoder/options/check_graph.h"
#include "amps-transcoder/options/options.h"
#include "amps-transcoder/options/url.h"
#include "amps-transcoder/source/tls.h"

struct collection {
	struct job_files *files;
	int error;
};

/* Takes `path`, which may be NULL: no memory. */
static void add(struct collection *c, char *path)
{
	char **grown =
		path ? reallocarray(c->files->paths, c->files->count + 1, sizeof(*grown)) : NULL;

	if (!grown) {
		free(path);
		c->error = -ENOMEM;
		return;
	}
	c->files->paths = grown;
	grown[c->files->count++] = path;
}

static void on_graph_file(void *owner, const char *filter, const char *path)
{
	struct collection *c = owner;
	char *copy;

	(void)filter;
	if (!url_is_file(path)) {
		c->files->network = true;
		return;
	}
	copy = strdup(url_file_path(path));
	/* "logo%03d.png" stands for many files of its folder */
	if (copy && strchr(copy, '%')) {
		char *folder = strdup(dirname(copy));

		free(copy);
		copy = folder;
	}
	add(c, copy);
}

/* The graphs of one output's options, [[key, value], ...]. */
static void add_output(struct collection *c, const json_t *options)
{
	size_t i;
	json_t *pair;

	json_array_foreach (options, i, pair) {
		const char *key = json_string_value(json_array_get(pair, 0));
		const char *value = json_string_value(json_array_get(pair, 1));

		if (key && value && option_is_graph(key, OPTION_OUTPUT))
			graph_files(value, on_graph_file, c);
	}
}

int job_files_collect(struct job_files *f, const json_t *spec, const struct source_options *options)
{
	struct collection c = {.files = f};
	const char *source = json_string_value(json_object_get(spec, "source"));
	const AVDictionaryEntry *e = NULL;
	size_t i;
	json_t *output;

	while ((e = av_dict_get(options->libav, "", e, AV_DICT_IGNORE_SUFFIX)))
		if (source_tls_names_file(e->key))
			add(&c, strdup(e->value));
	if (source && strcmp(options->format, "lavfi") == 0)
		graph_files(source, on_graph_file, &c);
	json_array_foreach (json_object_get(spec, "outputs"), i, output)
		add_output(&c, json_object_get(output, "options"));
	return c.error;
}

void job_files_done(struct job_files *f)
{
	for (size_t i = 0; i < f->count; i++)
		free(f->paths[i]);
	free(f->paths);
	*f = (struct job_files){0};
}
