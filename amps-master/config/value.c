#include "amps-master/config/value.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "amps-master/lineup/options_list.h"
#include "common/clock.h"
#include "common/limits.h"

#define NUMBER_TEXT_MAX 64

json_t *value_text(struct check *c, const struct field *f, const struct spot *at)
{
	size_t max = f->max > 0 ? (size_t)f->max : CONFIG_TEXT_MAX;
	json_t *text;

	assert(f->max >= 0);
	if (json_is_string(at->value))
		text = json_incref(at->value);
	else if (at->raw != NULL)
		text = json_string(at->raw);
	else
		text = json_is_number(at->value) ? options_list_value(at->value) : NULL;
	if (text == NULL)
		return check_error(c, at, "must be text, not %s", check_name(at).text);
	if ((f->flags & FIELD_FILLED) != 0 && json_string_length(text) == 0)
		check_error(c, at, "must not be empty");
	else if (json_string_length(text) > max)
		check_error(c, at, "is longer than %zu bytes", max);
	else
		return text;
	json_decref(text);
	return NULL;
}

json_t *value_bool(struct check *c, const struct field *f, const struct spot *at)
{
	static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
	const char *text = json_string_value(at->value);

	(void)f;
	if (json_is_boolean(at->value))
		return json_incref(at->value);
	if (json_is_integer(at->value) && (json_integer_value(at->value) & ~1ll) == 0)
		return json_boolean(json_integer_value(at->value));
	for (size_t i = 0; text != NULL && i < array_size(words); i++) {
		if (strcasecmp(text, words[i]) == 0)
			return json_boolean(i % 2);
	}
	return check_error(c, at, "must be true or false, not %s", check_name(at).text);
}

/* Reads a number or a text that begins with one; false if there is none.  *ret_rest is the text
 * behind it. */
static bool read_number(const json_t *value, double *ret, const char **ret_rest)
{
	const char *text = json_string_value(value);
	char *end;

	*ret_rest = "";
	if (json_is_number(value)) {
		*ret = json_number_value(value);
		return true;
	}
	if (text == NULL || strlen(text) >= NUMBER_TEXT_MAX)
		return false;
	text += strspn(text, " \t");
	/* strtod() also reads "inf", "nan" and hexadecimal. */
	if (strspn(text, "+-.0123456789") == 0 || strpbrk(text, "xX") != NULL)
		return false;
	*ret = strtod(text, &end);
	*ret_rest = end + strspn(end, " \t");
	return end != text && isfinite(*ret);
}

static json_t *not_a_number(struct check *c, const struct field *f, const struct spot *at,
			    const char *what)
{
	return check_error(c, at, "must be %s from %.15g to %.15g, not %s", what, f->min, f->max,
			   check_name(at).text);
}

json_t *value_int(struct check *c, const struct field *f, const struct spot *at)
{
	const char *rest;
	double number;

	/* every whole number in the range has an exact double */
	assert(f->min <= f->max && f->min >= -0x1p53 && f->max <= 0x1p53);
	if (read_number(at->value, &number, &rest) && *rest == '\0' && number == floor(number) &&
	    number >= f->min && number <= f->max)
		return json_integer((json_int_t)number);
	return not_a_number(c, f, at, "a whole number");
}

json_t *value_number(struct check *c, const struct field *f, const struct spot *at)
{
	const char *rest;
	double number;

	assert(f->min < f->max);
	if (read_number(at->value, &number, &rest) && *rest == '\0' && number >= f->min &&
	    number <= f->max)
		return json_real(number);
	return not_a_number(c, f, at, "a number");
}

json_t *value_seconds(struct check *c, const struct field *f, const struct spot *at)
{
	static const struct {
		const char *unit;
		double seconds;
	} units[] = {{"", 1}, {"ms", .001}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
	const char *rest;
	double number;
	bool known = read_number(at->value, &number, &rest);

	assert(f->min >= 0 && f->min < f->max);
	for (size_t i = 0; known && i < array_size(units); i++) {
		double seconds = number * units[i].seconds;

		if (strcmp(rest, units[i].unit) == 0 && seconds >= f->min && seconds <= f->max)
			return json_real(seconds);
	}
	return not_a_number(c, f, at, "a number of seconds");
}

/* `choice` is "spelling=name" or "name": returns the name if the spelling is `word`, else NULL. */
static const char *choice_match(const char *choice, const char *word)
{
	const char *equals = strchr(choice, '=');
	size_t n = equals != NULL ? (size_t)(equals - choice) : strlen(choice);

	if (strlen(word) != n || strncasecmp(choice, word, n) != 0)
		return NULL;
	return equals != NULL ? equals + 1 : choice;
}

static json_t *choice_error(struct check *c, const struct field *f, const struct spot *at)
{
	_cleanup_(buf_done) struct buf names = BUF_INIT;

	for (size_t i = 0; f->choices[i] != NULL; i++) {
		if (strchr(f->choices[i], '=') == NULL)
			buf_printf(&names, "%s%s", names.len > 0 ? ", " : "", f->choices[i]);
	}
	return check_error(c, at, "must be one of %s, not %s", names.data != NULL ? names.data : "",
			   check_name(at).text);
}

json_t *value_choice(struct check *c, const struct field *f, const struct spot *at)
{
	const char *word = at->raw != NULL ? at->raw : json_string_value(at->value);

	assert(f->choices != NULL);
	for (size_t i = 0; word != NULL && f->choices[i] != NULL; i++) {
		const char *name = choice_match(f->choices[i], word);

		if (name != NULL)
			return json_string(name);
	}
	return choice_error(c, f, at);
}

static void read_item(struct check *c, const struct field *item, const struct spot *at, json_t *out)
{
	json_t *value = NULL;

	if (json_is_null(at->value))
		check_error(c, at, "is empty");
	else
		value = item->read(c, item, at);
	if (value != NULL && json_array_append_new(out, value) < 0)
		c->out_of_memory = true;
}

json_t *value_list(struct check *c, const struct field *f, const struct spot *at)
{
	size_t n = json_array_size(at->value);
	size_t max = f->max > 0 ? (size_t)f->max : CONFIG_LIST_MAX;
	json_t *out;

	assert(f->item != NULL && f->item->read != NULL);
	if (!json_is_array(at->value) &&
	    ((f->flags & FIELD_SINGLE) == 0 || json_is_object(at->value)))
		return check_error(c, at, "must be a list, not %s", check_name(at).text);
	if (n > max)
		return check_error(c, at, "has %zu entries; %zu are allowed", n, max);
	out = json_array();
	if (!json_is_array(at->value))
		read_item(c, f->item, at, out);
	for (size_t i = 0; i < n; i++) {
		struct spot item = check_enter_index(c, at->value, i);

		read_item(c, f->item, &item, out);
		check_leave(c, &item);
	}
	return out;
}

static const struct field *find_field(const struct section *s, const char *name)
{
	for (; s != NULL; s = s->base) {
		for (size_t i = 0; i < s->count; i++) {
			if (strcmp(s->fields[i].name, name) == 0)
				return &s->fields[i];
		}
	}
	return NULL;
}

static void unknown_key(struct check *c, const struct section *s, const struct spot *at,
			const char *key)
{
	const char *names[64];
	size_t n = 0;

	for (; s != NULL; s = s->base) {
		for (size_t i = 0; i < s->count; i++) {
			assert(n < array_size(names));
			names[n++] = s->fields[i].name;
		}
	}
	check_unknown(c, at, c->in_channel ? PROBLEM_WARNING : PROBLEM_ERROR, "key", key, names, n);
}

/* NULL: the key is left out. */
static json_t *read_key(struct check *c, const struct section *s, const struct field *f,
			const struct spot *at, const char *key)
{
	static const struct field any = {0};

	if (f == NULL && s->other == NULL) {
		unknown_key(c, s, at, key);
		return json_incref(at->value);
	}
	if (f == NULL)
		return s->other(c, &any, at);
	return json_is_null(at->value) ? NULL : f->read(c, f, at);
}

static void read_keys(struct check *c, const struct section *s, const struct spot *at, json_t *out,
		      unsigned last)
{
	const char *key;
	json_t *unused;

	json_object_foreach (at->value, key, unused) {
		const struct field *f = find_field(s, key);
		struct spot inner;
		json_t *value;

		if ((f != NULL ? f->flags & FIELD_LAST : 0) != last)
			continue;
		inner = check_enter_key(c, at->value, key);
		value = read_key(c, s, f, &inner, key);
		check_leave(c, &inner);
		if (value != NULL && json_object_set_new(out, key, value) < 0)
			c->out_of_memory = true;
	}
}

/* The default of an absent key; in the default of a section, its own defaults are filled in. */
static json_t *read_fallback(struct check *c, const struct field *f, const struct spot *at)
{
	json_t *value = json_loads(f->fallback, JSON_DECODE_ANY, NULL);
	struct spot inner = {.value = value, .line = at->line};
	json_t *whole;

	assert(at->value != NULL);
	if (f->section == NULL || value == NULL)
		return value;
	whole = f->read(c, f, &inner);
	json_decref(value);
	return whole;
}

static void fill_in(struct check *c, const struct section *s, const struct spot *at, json_t *out)
{
	for (; s != NULL; s = s->base) {
		for (size_t i = 0; i < s->count; i++) {
			const struct field *f = &s->fields[i];
			json_t *given = json_object_get(at->value, f->name);
			json_t *value;

			if (given != NULL && !json_is_null(given))
				continue;
			if ((f->flags & FIELD_REQUIRED) != 0)
				check_error(c, at, "'%s' is missing", f->name);
			assert((f->flags & FIELD_REQUIRED) == 0 || f->fallback == NULL);
			if (f->fallback == NULL)
				continue;
			value = read_fallback(c, f, at);
			if (value == NULL || json_object_set_new(out, f->name, value) < 0)
				c->out_of_memory = true;
		}
	}
}

/* A text that stands for a mapping with one key. */
static json_t *read_alone(struct check *c, const struct field *f, const struct spot *at)
{
	const char *key = f->section->alone(json_string_value(at->value));
	json_auto_t *mapping = json_pack("{s:O}", key, at->value);
	struct spot whole = *at;

	assert(key != NULL && find_field(f->section, key) != NULL);
	whole.value = mapping;
	return value_section(c, f, &whole);
}

json_t *value_section(struct check *c, const struct field *f, const struct spot *at)
{
	const struct section *s = f->section;
	json_t *out;

	assert(s != NULL);
	if (s->alone != NULL && json_is_string(at->value))
		return read_alone(c, f, at);
	if (!json_is_object(at->value))
		return check_error(c, at, "must be a mapping, not %s", check_name(at).text);
	out = json_object();
	read_keys(c, s, at, out, 0);
	read_keys(c, s, at, out, FIELD_LAST);
	fill_in(c, s, at, out);
	if (s->finish == NULL || s->finish(c, at, out))
		return out;
	json_decref(out);
	return NULL;
}

/* The values of an option that is given several times. */
static const struct field repeated_option = {.read = value_option};
static const struct field repeated_options = {.item = &repeated_option};

json_t *value_option(struct check *c, const struct field *f, const struct spot *at)
{
	if (json_is_object(at->value) || (json_is_array(at->value) && f == &repeated_option))
		return check_error(c, at, "must be a value or a list of values, not %s",
				   check_name(at).text);
	if (json_is_array(at->value))
		return value_list(c, &repeated_options, at);
	/* keep 4.0 as written: as a number it would become 4 */
	if (json_is_real(at->value) && at->raw != NULL)
		return json_string(at->raw);
	return json_incref(at->value);
}

json_t *value_options(struct check *c, const struct field *f, const struct spot *at)
{
	static const struct section options = {.other = value_option};
	static const struct field any = {.section = &options};

	(void)f;
	return value_section(c, &any, at);
}

json_t *value_time(struct check *c, const struct field *f, const struct spot *at)
{
	json_t *text = value_text(c, f, at);
	int64_t us;

	if (text == NULL || time_parse_iso8601(json_string_value(text), &us, NULL) == 0)
		return text;
	json_decref(text);
	return check_error(c, at, "%s is not a time like 2026-01-31T18:00:00Z",
			   check_name(at).text);
}

json_t *value_web_url(struct check *c, const struct field *f, const struct spot *at)
{
	json_t *text = value_text(c, f, at);
	const char *url = json_string_value(text);

	if (text == NULL ||
	    ((strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0) &&
	     strpbrk(url, " \t\r\n\"") == NULL))
		return text;
	json_decref(text);
	return check_error(c, at, "must be a URL that begins with http:// or https://");
}
