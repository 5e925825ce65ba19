#include "amps-cli/yaml.h"

#include <assert.h>
#include <string.h>
#include "common/text/utf8.h"

#define STEP 2 /* columns a level */

static bool is_plain(uint32_t c)
{
	return (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') || (c >= 0xa0 && c < 0x2028) ||
	       (c > 0x2029 && c < 0xfeff) || (c > 0xfeff && c < 0xfffe) || c > 0xffff;
}

static void put_char(struct buf *out, const char *bytes, size_t n, uint32_t c)
{
	if (is_plain(c))
		buf_add(out, bytes, n);
	else if (c == '"' || c == '\\')
		buf_printf(out, "\\%c", (int)c);
	else if (c < 0x100)
		buf_printf(out, "\\x%02x", (unsigned)c);
	else
		buf_printf(out, "\\u%04x", (unsigned)c);
}

static void put_quoted(struct buf *out, const char *text, bool value)
{
	size_t len = strlen(text);

	buf_putc(out, '"');
	for (size_t at = 0; at < len;) {
		uint32_t c = '?';
		size_t n = utf8_next(text + at, len - at, &c);

		assert(n <= len - at);
		/* "$${" is a literal "${" */
		if (value && c == '$' && text[at + 1] == '{')
			buf_putc(out, '$');
		put_char(out, n > 0 ? text + at : "?", n > 0 ? n : 1, c);
		at += n > 0 ? n : 1;
	}
	buf_putc(out, '"');
}

void yaml_put_quoted(struct buf *out, const char *text)
{
	put_quoted(out, text, false);
}

void yaml_put_value(struct buf *out, const char *text)
{
	put_quoted(out, text, true);
}

static void put_node(struct buf *out, const json_t *value, int indent, bool command);

static void put_indent(struct buf *out, int indent)
{
	for (int i = 0; i < indent; i++)
		buf_putc(out, ' ');
}

static bool is_yaml_word(const char *key)
{
	static const char *const words[] = {"y",   "n",	   "yes",   "no",  "on",
					    "off", "true", "false", "null"};

	for (size_t i = 0; i < array_size(words); i++)
		if (strcmp(key, words[i]) == 0)
			return true;
	return false;
}

static void put_key(struct buf *out, const char *key)
{
	bool letter = key[0] >= 'a' && key[0] <= 'z';

	if (letter && key[strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0' &&
	    !is_yaml_word(key))
		buf_puts(out, key);
	else
		yaml_put_quoted(out, key);
	buf_putc(out, ':');
}

static void put_scalar(struct buf *out, const json_t *value, bool command)
{
	_cleanup_(freep) char *text = NULL;

	if (json_is_string(value)) {
		if (command)
			yaml_put_quoted(out, json_string_value(value));
		else
			yaml_put_value(out, json_string_value(value));
		return;
	}
	/* numbers, true, false, null, {} and [] are the same in JSON and YAML */
	text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
	if (text != NULL)
		buf_puts(out, text);
	else
		out->failed = true;
}

/* The first key is written at the current column, the others at `indent`. */
static void put_mapping(struct buf *out, const json_t *mapping, int indent, bool command)
{
	const char *key;
	json_t *value;
	bool first = true;

	assert(indent % STEP == 0);
	json_object_foreach ((json_t *)(uintptr_t)mapping, key, value) {
		if (!first)
			put_indent(out, indent);
		first = false;
		put_key(out, key);
		put_node(out, value, indent + STEP, command || strcmp(key, "custom_ffmpeg") == 0);
	}
}

static void put_list(struct buf *out, const json_t *list, int indent, bool command)
{
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		put_indent(out, indent);
		buf_putc(out, '-');
		if (json_object_size(item) > 0) {
			buf_putc(out, ' ');
			put_mapping(out, item, indent + STEP, command);
		} else {
			put_node(out, item, indent + STEP, command);
		}
	}
}

/* The value behind "key:" or "-", with its newline. */
static void put_node(struct buf *out, const json_t *value, int indent, bool command)
{
	if (json_object_size(value) > 0) {
		buf_putc(out, '\n');
		put_indent(out, indent);
		put_mapping(out, value, indent, command);
	} else if (json_array_size(value) > 0) {
		buf_putc(out, '\n');
		put_list(out, value, indent, command);
	} else {
		buf_putc(out, ' ');
		put_scalar(out, value, command);
		buf_putc(out, '\n');
	}
}

void yaml_put_tree(struct buf *out, const json_t *mapping)
{
	put_mapping(out, mapping, 0, false);
}
