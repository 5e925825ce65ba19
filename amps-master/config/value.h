/* value.h - the tables that hold the configuration's rules: a section is a table of fields; a field
 * names the function that reads its value, and the limits of the value.
 *
 * A reader returns the value in its final type, as a new reference, or NULL after it has reported
 * a problem (or if the value must be left out).  Readers never get null: a key without a value
 * counts as absent.  A number is accepted where text is expected, and numeric text where a number
 * is expected. */
#ifndef AMPS_VALUE_H
#define AMPS_VALUE_H

#include "amps-master/config/check.h"

struct field;
struct section;

typedef json_t *(*value_fn)(struct check *c, const struct field *f, const struct spot *at);

#define FIELD_REQUIRED 1u
#define FIELD_FILLED   2u /* must not be "" */
#define FIELD_SINGLE   4u /* a list of one may be written without its brackets */
#define FIELD_LAST     8u /* read after the fields without this flag */

struct field {
	const char *name; /* NULL for the items of a list */
	value_fn read;
	unsigned flags;
	double min, max;	    /* number: range; text: bytes; list: items (max 0 = usual) */
	const char *fallback;	    /* JSON of the default; NULL = the key stays absent */
	const char *const *choices; /* "name" or "spelling=name", NULL at the end */
	const struct section *section;
	const struct field *item; /* of a list */
};

struct section {
	const struct field *fields;
	size_t count;
	const struct section *base; /* more fields, or NULL */
	value_fn other;		    /* reads any other key; NULL = unknown keys are reported */
	/* The key that a text in place of the mapping is the value of; NULL = a mapping is needed.
	 */
	const char *(*alone)(const char *text);
	/* Rules over the whole; false leaves the mapping out.  May be NULL. */
	bool (*finish)(struct check *c, const struct spot *at, json_t *out);
};

/* One row of a table; a whole table as the beginning of its section. */
#define FIELD(name_, read_, ...)                                                                   \
	{                                                                                          \
		.name = (name_), .read = (read_), ##__VA_ARGS__                                    \
	}
#define FIELDS(table) .fields = (table), .count = array_size(table)

json_t *value_text(struct check *c, const struct field *f, const struct spot *at);
json_t *value_bool(struct check *c, const struct field *f, const struct spot *at);
json_t *value_int(struct check *c, const struct field *f, const struct spot *at);
json_t *value_number(struct check *c, const struct field *f, const struct spot *at);

/* A number, or one with a unit: 500ms, 30s, 5m, 6h, 2d.  Returns seconds as a real number. */
json_t *value_seconds(struct check *c, const struct field *f, const struct spot *at);
json_t *value_choice(struct check *c, const struct field *f, const struct spot *at);
json_t *value_list(struct check *c, const struct field *f, const struct spot *at);
json_t *value_section(struct check *c, const struct field *f, const struct spot *at);

/* Any scalar or list of scalars: the value of an ffmpeg option. */
json_t *value_option(struct check *c, const struct field *f, const struct spot *at);

/* A mapping of ffmpeg options. */
json_t *value_options(struct check *c, const struct field *f, const struct spot *at);

/* An ISO-8601 time, kept as written. */
json_t *value_time(struct check *c, const struct field *f, const struct spot *at);

/* An http or https URL. */
json_t *value_web_url(struct check *c, const struct field *f, const struct spot *at);

#endif
