#include "amps-master/config/config_yaml.h"

#include <assert.h>
#include <string.h>
#include <yaml.h>

#include "amps-master/config/config_scalar.h"
#include "common/limits.h"

#define TOO_DEEP   "nested too deeply%s"
#define NODE_BYTES 64 /* a text counts as one more node for each 64 bytes */
#define CORE_TAG   "tag:yaml.org,2002:"

/* A container that is still open. */
struct frame {
	json_t *node;	/* owned until it is attached */
	json_t *merges; /* the mappings that << names, or NULL */
	char *key;	/* whose value comes next; NULL in a sequence and between pairs */
	char *anchor;
	int line;      /* of the container's beginning */
	int key_line;  /* of `key` */
	size_t count;  /* nodes inside, with aliases expanded */
	size_t height; /* levels of containers inside, with aliases expanded */
	bool command;  /* inside custom_ffmpeg */
};

/* A finished node, and what its parent needs to know about it. */
struct item {
	json_t *node;
	struct mark mark;
	size_t count;
	size_t height;
};

struct builder {
	const char *file;
	const char *bytes;
	size_t size;
	struct marks *marks;
	struct problems *problems;
	struct frame frames[CONFIG_DEPTH_MAX];
	size_t depth;
	json_t *anchor_numbers; /* name -> index in anchors */
	struct item *anchors;
	size_t anchor_count, anchor_cap;
	bool aliased; /* an alias was expanded */
	json_t *root;
};

static void path_of(const struct builder *b, struct buf *path)
{
	for (size_t i = 0; i < b->depth; i++) {
		const struct frame *f = &b->frames[i];

		if (json_is_array(f->node))
			buf_printf(path, "[%zu]", json_array_size(f->node));
		else if (f->key != NULL)
			buf_printf(path, "%s%s", path->len > 0 ? "." : "", f->key);
	}
}

static int problem(struct builder *b, enum problem_severity severity, int line, const char *text,
		   const char *word)
{
	_cleanup_(buf_done) struct buf path = BUF_INIT;

	path_of(b, &path);
	problems_add(b->problems, severity, b->file, line, path.data != NULL ? path.data : "", text,
		     word);
	return severity == PROBLEM_ERROR ? -EINVAL : 0;
}

static struct frame *top(struct builder *b)
{
	assert(b->depth <= CONFIG_DEPTH_MAX);
	return b->depth > 0 ? &b->frames[b->depth - 1] : NULL;
}

static bool wants_key(const struct frame *f)
{
	return f != NULL && f->key == NULL && json_is_object(f->node);
}

static void frame_done(struct frame *f)
{
	json_decref(f->node);
	json_decref(f->merges);
	free(f->key);
	free(f->anchor);
	*f = (struct frame){0};
}

static int anchor_set(struct builder *b, const char *name, const struct item *item)
{
	json_t *number;

	assert(item->node != NULL && b->anchor_count <= b->anchor_cap);
	if (b->anchor_count == b->anchor_cap) {
		size_t cap = b->anchor_cap == 0 ? 16 : b->anchor_cap * 2;
		struct item *anchors = reallocarray(b->anchors, cap, sizeof(*anchors));

		if (anchors == NULL)
			return -ENOMEM;
		b->anchors = anchors;
		b->anchor_cap = cap;
	}
	number = json_integer((json_int_t)b->anchor_count);
	if (json_object_set_new(b->anchor_numbers, name, number) < 0)
		return -ENOMEM;
	b->anchors[b->anchor_count] = *item;
	json_incref(item->node);
	b->anchor_count++;
	return 0;
}

/* `<<: *base` or `<<: [*a, *b]`: applied when the mapping ends, because its own keys win. */
static int add_merge(struct builder *b, struct frame *f, json_t *node)
{
	size_t i;
	json_t *each;

	if (f->merges == NULL)
		f->merges = json_array();
	if (json_is_object(node))
		return json_array_append(f->merges, node) < 0 ? -ENOMEM : 0;
	if (!json_is_array(node))
		return problem(b, PROBLEM_ERROR, f->key_line,
			       "'%s' takes a mapping or a list of mappings", "<<");
	json_array_foreach (node, i, each) {
		if (!json_is_object(each))
			return problem(b, PROBLEM_ERROR, f->key_line,
				       "'%s' takes a mapping or a list of mappings", "<<");
		if (json_array_append(f->merges, each) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int attach_pair(struct builder *b, struct frame *f, const struct item *item)
{
	struct mark mark = {f->key_line, item->mark.raw};
	int error = 0;

	assert(f->key != NULL && item->node != f->node);
	if (strcmp(f->key, "<<") == 0) {
		error = add_merge(b, f, item->node);
	} else {
		if (json_object_get(f->node, f->key) != NULL)
			problem(b, PROBLEM_WARNING, f->key_line,
				"'%s' is given twice; the last one counts", f->key);
		if (json_object_set(f->node, f->key, item->node) < 0 ||
		    marks_set_key(b->marks, f->node, f->key, mark) < 0)
			error = -ENOMEM;
	}
	free(TAKE_PTR(f->key));
	return error;
}

/* Adds a finished node to its parent, or makes it the root; takes item->node. */
static int attach(struct builder *b, const struct item *item, const char *anchor)
{
	struct frame *f = top(b);
	int error = 0;

	if (anchor != NULL)
		error = anchor_set(b, anchor, item);
	if (error == 0 && f == NULL) {
		assert(b->root == NULL);
		b->root = json_incref(item->node);
	} else if (error == 0) {
		f->count += item->count;
		f->height = MAX(f->height, item->height + 1);
		if (f->count > CONFIG_NODES_MAX)
			error = problem(b, PROBLEM_ERROR, item->mark.line,
					b->aliased ? "aliases expand to too many values%s"
						   : "the file has too many values%s",
					"");
		else if (b->depth + item->height > CONFIG_DEPTH_MAX)
			error = problem(b, PROBLEM_ERROR, item->mark.line, TOO_DEEP, "");
		else if (json_is_object(f->node))
			error = attach_pair(b, f, item);
		else if (marks_set_index(b->marks, f->node, json_array_size(f->node), item->mark) <
				 0 ||
			 json_array_append(f->node, item->node) < 0)
			error = -ENOMEM;
	}
	json_decref(item->node);
	return error;
}

static int merge_from(struct builder *b, struct frame *f, json_t *base)
{
	const char *key;
	json_t *value;

	json_object_foreach (base, key, value) {
		if (json_object_get(f->node, key) != NULL)
			continue;
		f->count++;
		if (json_object_set(f->node, key, value) < 0 ||
		    marks_set_key(b->marks, f->node, key, marks_key(b->marks, base, key)) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int container_end(struct builder *b)
{
	struct frame *f = top(b);
	_cleanup_(freep) char *anchor = NULL;
	struct item item;
	size_t i;
	json_t *base;
	int error = 0;

	/* libyaml's events are balanced: an end has its start, and a key its value */
	assert(f != NULL && f->key == NULL);
	anchor = TAKE_PTR(f->anchor);
	json_array_foreach (f->merges, i, base) {
		error = merge_from(b, f, base);
		if (error < 0)
			return error;
	}
	item = (struct item){json_incref(f->node), {f->line, NULL}, f->count + 1, f->height};
	frame_done(f);
	b->depth--;
	return attach(b, &item, anchor);
}

/* True if the next node is part of a command. */
static bool in_command(struct builder *b)
{
	const struct frame *f = top(b);

	return f != NULL &&
	       (f->command || (f->key != NULL && strcmp(f->key, "custom_ffmpeg") == 0));
}

static int unknown_tag(struct builder *b, const char *tag, int line)
{
	if (strncmp(tag, CORE_TAG, strlen(CORE_TAG)) == 0)
		return problem(b, PROBLEM_ERROR, line, "unknown tag '!!%s'",
			       tag + strlen(CORE_TAG));
	return problem(b, PROBLEM_ERROR, line, "unknown tag '%s'", tag);
}

static int container_start(struct builder *b, const yaml_event_t *event, int line)
{
	bool list = event->type == YAML_SEQUENCE_START_EVENT;
	const char *tag = (const char *)(list ? event->data.sequence_start.tag
					      : event->data.mapping_start.tag);
	const yaml_char_t *anchor =
		list ? event->data.sequence_start.anchor : event->data.mapping_start.anchor;
	bool command = in_command(b);
	json_t *node;

	if (wants_key(top(b)))
		return problem(b, PROBLEM_ERROR, line, "a key must be a plain word%s", "");
	if (b->depth == CONFIG_DEPTH_MAX)
		return problem(b, PROBLEM_ERROR, line, TOO_DEEP, "");
	if (tag != NULL && strcmp(tag, list ? CORE_TAG "seq" : CORE_TAG "map") != 0)
		return unknown_tag(b, tag, line);
	node = list ? json_array() : json_object();
	if (node == NULL)
		return -ENOMEM;
	b->frames[b->depth++] = (struct frame){
		.node = node,
		.anchor = anchor != NULL ? strdup((const char *)anchor) : NULL,
		.line = line,
		.command = command,
	};
	return 0;
}

/* If a variable is not set, reports it and keeps the text as written: the check goes on and finds
 * the others too. */
static int expand(struct builder *b, const char *text, int line, json_t **ret)
{
	_cleanup_(buf_done) struct buf out = BUF_INIT;
	char name[64];
	int error = config_scalar_expand(text, &out, name);
	bool expanded = error == 0;

	if (error == -ENOENT)
		problem(b, PROBLEM_ERROR, line, "the environment has no variable '%s'", name);
	else if (error == -EINVAL)
		problem(b, PROBLEM_ERROR, line,
			"'${' needs a name and '}' (write '$${' for a literal one)%s", "");
	error = 0;
	if (!buf_ok(&out))
		error = -ENOMEM;
	else
		*ret = expanded ? json_stringn(out.data, out.len) : json_string(text);
	if (error == 0 && *ret == NULL)
		error = problem(b, PROBLEM_ERROR, line, "is not valid UTF-8%s", "");
	return error;
}

/* *ret_plain: the scalar is resolved like an unquoted word.  -EINVAL for an unknown tag. */
static int tag_rule(struct builder *b, const yaml_event_t *event, int line, bool *ret_plain)
{
	static const char *const plain_tags[] = {CORE_TAG "null", CORE_TAG "bool", CORE_TAG "int",
						 CORE_TAG "float"};
	const char *tag = (const char *)event->data.scalar.tag;

	*ret_plain = event->data.scalar.plain_implicit != 0;
	if (tag == NULL)
		return 0;
	*ret_plain = false;
	if (strcmp(tag, CORE_TAG "str") == 0 || strcmp(tag, CORE_TAG "timestamp") == 0)
		return 0;
	for (size_t i = 0; i < array_size(plain_tags); i++)
		*ret_plain = *ret_plain || strcmp(tag, plain_tags[i]) == 0;
	return *ret_plain ? 0 : unknown_tag(b, tag, line);
}

static int make_scalar(struct builder *b, const yaml_event_t *event, int line, struct item *item)
{
	const char *text = (const char *)event->data.scalar.value;
	bool plain;
	int error;

	*item = (struct item){NULL, {line, NULL}, 1 + event->data.scalar.length / NODE_BYTES, 0};
	if (strlen(text) != event->data.scalar.length)
		return problem(b, PROBLEM_ERROR, line, "holds a NUL character%s", "");
	error = tag_rule(b, event, line, &plain);
	if (error < 0)
		return error;
	if (strstr(text, "${") != NULL && !in_command(b))
		return expand(b, text, line, &item->node);
	item->node = plain ? config_scalar_plain(text) : json_string(text);
	if (item->node == NULL)
		return -ENOMEM;
	if (json_is_string(item->node))
		return 0;
	item->mark.raw = marks_keep(b->marks, text);
	if (item->mark.raw != NULL)
		return 0;
	json_decref(item->node);
	return -ENOMEM;
}

static int scalar(struct builder *b, const yaml_event_t *event, int line)
{
	struct frame *f = top(b);
	struct item item;
	int error;

	if (wants_key(f)) {
		const char *key = (const char *)event->data.scalar.value;

		if (strlen(key) != event->data.scalar.length)
			return problem(b, PROBLEM_ERROR, line, "a key holds a NUL character%s", "");
		f->key = strdup(key);
		f->key_line = line;
		return f->key != NULL ? 0 : -ENOMEM;
	}
	error = make_scalar(b, event, line, &item);
	return error < 0 ? error : attach(b, &item, (const char *)event->data.scalar.anchor);
}

static int alias(struct builder *b, const yaml_event_t *event, int line)
{
	const char *name = (const char *)event->data.alias.anchor;
	const json_t *number = json_object_get(b->anchor_numbers, name);
	struct item item;

	if (number == NULL)
		return problem(b, PROBLEM_ERROR, line, "unknown alias '*%s'", name);
	if (wants_key(top(b)))
		return problem(b, PROBLEM_ERROR, line, "a key must be a plain word%s", "");
	b->aliased = true;
	assert((size_t)json_integer_value(number) < b->anchor_count);
	item = b->anchors[json_integer_value(number)];
	json_incref(item.node);
	item.mark.line = line;
	return attach(b, &item, NULL);
}

static int take_event(struct builder *b, const yaml_event_t *event)
{
	int line = (int)event->start_mark.line + 1;

	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (b->root != NULL)
			return problem(b, PROBLEM_ERROR, line, "more than one document%s", "");
		return 0;
	case YAML_SCALAR_EVENT:
		return scalar(b, event, line);
	case YAML_ALIAS_EVENT:
		return alias(b, event, line);
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		return container_start(b, event, line);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return container_end(b);
	default:
		return 0;
	}
}

/* The number of lines before a byte that is not UTF-8; libyaml reports only its offset. */
static size_t lines_before(const struct builder *b, size_t offset)
{
	size_t lines = 0;

	for (size_t i = 0; i < MIN(offset, b->size); i++)
		lines += b->bytes[i] == '\n';
	return lines;
}

static int syntax_problem(struct builder *b, const yaml_parser_t *parser)
{
	const char *text = parser->problem != NULL ? parser->problem : "not readable as YAML";
	size_t line = parser->problem_mark.line;

	if (parser->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (parser->error == YAML_READER_ERROR)
		line = lines_before(b, parser->problem_offset);
	else if (line == 0 && parser->context != NULL)
		line = parser->context_mark.line;
	problems_add(b->problems, PROBLEM_ERROR, b->file, (int)line + 1, "", "YAML syntax: %s",
		     text);
	return -EINVAL;
}

static int read_events(struct builder *b, yaml_parser_t *parser)
{
	bool done = false;
	int error = 0;

	while (!done && error == 0) {
		yaml_event_t event;

		if (!yaml_parser_parse(parser, &event))
			return syntax_problem(b, parser);
		done = event.type == YAML_STREAM_END_EVENT;
		error = take_event(b, &event);
		yaml_event_delete(&event);
	}
	return error;
}

static void builder_done(struct builder *b)
{
	while (b->depth > 0)
		frame_done(&b->frames[--b->depth]);
	for (size_t i = 0; i < b->anchor_count; i++)
		json_decref(b->anchors[i].node);
	free(b->anchors);
	json_decref(b->anchor_numbers);
	json_decref(b->root);
}

int config_yaml_parse(const char *file, const void *bytes, size_t n, struct marks *marks,
		      struct problems *problems, json_t **ret_tree)
{
	struct builder b = {.file = file,
			    .bytes = bytes,
			    .size = n,
			    .marks = marks,
			    .problems = problems,
			    .anchor_numbers = json_object()};
	yaml_parser_t parser;
	int error;

	if (!yaml_parser_initialize(&parser)) {
		builder_done(&b);
		return -ENOMEM;
	}
	yaml_parser_set_input_string(&parser, bytes, n);
	error = read_events(&b, &parser);
	yaml_parser_delete(&parser);
	assert(error != 0 || b.depth == 0);
	if (error == 0 && (b.root == NULL || json_is_null(b.root))) {
		json_decref(b.root);
		b.root = json_object();
	}
	if (error == 0 && !json_is_object(b.root)) {
		problems_add(problems, PROBLEM_ERROR, file, 1, "",
			     "the file must be a mapping of sections (server:, streams:, ...)");
		error = -EINVAL;
	}
	if (error == 0)
		*ret_tree = TAKE_PTR(b.root);
	builder_done(&b);
	return error;
}
