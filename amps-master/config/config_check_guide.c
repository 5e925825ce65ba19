/* Regions, programmes and schedule windows. */
#include <stdio.h>
#include <string.h>

#include "amps-master/config/config_check_parts.h"
#include "common/clock.h"
#include "common/limits.h"
#include "common/text/text.h"

static void add_region(struct check *c, const struct spot *at, const char *text, size_t n,
		       json_t *out)
{
	char code[3];

	if (!text_region(text, n, code))
		check_error(c, at, "'%.*s' is not a region code of two letters",
			    (int)(n < 40 ? n : 40), text);
	else if (json_array_append_new(out, json_string(code)) < 0)
		c->out_of_memory = true;
}

static void add_regions(struct check *c, const struct spot *at, json_t *out)
{
	/* an unquoted NO is a boolean in YAML, but means Norway here */
	const char *text = at->raw != NULL ? at->raw : json_string_value(at->value);

	if (text == NULL) {
		check_error(c, at, "must be a region code of two letters, not %s",
			    check_name(at).text);
		return;
	}
	for (text += strspn(text, ", "); *text != '\0'; text += strspn(text, ", ")) {
		size_t n = strcspn(text, ", ");

		add_region(c, at, text, n, out);
		text += n;
	}
}

/* Reject an empty region code: it must not lift a restriction. */
static void refuse_blank(struct check *c, const struct spot *at)
{
	const char *text = at->raw != NULL ? at->raw : json_string_value(at->value);

	if (text != NULL && text[strspn(text, ", ")] == '\0')
		check_error(c, at, "must not be empty");
}

json_t *config_check_regions(struct check *c, const struct field *f, const struct spot *at)
{
	size_t n = json_array_size(at->value);
	json_t *out;

	(void)f;
	if (json_is_object(at->value)) {
		check_error(c, at, "must be a list, not a mapping");
		return NULL;
	}
	out = json_array();
	if (!json_is_array(at->value)) {
		add_regions(c, at, out);
		refuse_blank(c, at);
	}
	for (size_t i = 0; i < n; i++) {
		struct spot item = check_enter_index(c, at->value, i);

		add_regions(c, &item, out);
		refuse_blank(c, &item);
		check_leave(c, &item);
	}
	if (json_array_size(out) > REGIONS_MAX)
		check_error(c, at, "has %zu entries; %d are allowed", json_array_size(out),
			    REGIONS_MAX);
	return out;
}

static json_t *read_programme_time(struct check *c, const struct field *f, const struct spot *at)
{
	json_t *text = value_text(c, f, at);
	int64_t us;

	if (text != NULL && time_parse_iso8601(json_string_value(text), &us, NULL) < 0)
		check_warning(c, at,
			      "%s is not a time like 2026-01-31T18:00:00Z: the programme "
			      "is left out of the XMLTV guide",
			      check_name(at).text);
	return text;
}

static bool finish_programme(struct check *c, const struct spot *at, json_t *out)
{
	if (json_object_get(out, "title") == NULL)
		check_warning(c, at, "'title' is missing: the channel's name is shown");
	return true;
}

static const struct field programme_fields[] = {
	FIELD("title", value_text),
	FIELD("start", read_programme_time),
	FIELD("end", read_programme_time),
	FIELD("description", value_text),
};
static const struct section programme_section = {FIELDS(programme_fields),
						 .finish = finish_programme};
const struct field config_check_programme = {.read = value_section, .section = &programme_section};

static const struct field schedule_fields[] = {FIELD("start", value_text),
					       FIELD("end", value_text)};
const struct section config_check_schedule = {FIELDS(schedule_fields)};

/* The window of the current entry is wrong at this place. */
static void refuse_window(struct check *c, const struct spot *at, const char *why)
{
	if (c->alone)
		check_error(c, at, "%s", why);
	else
		check_warning(c, at, "%s: the entry is left out", why);
}

/* One side of the window: 0 and the time (TIME_NONE = open), -EINVAL when unreadable. */
static int window_time(struct check *c, const struct spot *schedule, const json_t *out,
		       const char *key, int64_t *ret_us)
{
	struct spot at = check_enter_key(c, schedule->value, key);
	const char *text = json_string_value(json_object_get(out, key));
	char why[160];
	bool zoned = true;
	int error = 0;

	*ret_us = TIME_NONE;
	if (text != NULL)
		error = time_parse_iso8601(text, ret_us, &zoned);
	if (error < 0) {
		snprintf(why, sizeof(why), "%s is not a time like 2026-01-31T18:00:00Z",
			 check_name(&at).text);
		refuse_window(c, &at, why);
	} else if (!zoned) {
		check_warning(c, &at, "has no time zone: UTC is taken");
	}
	check_leave(c, &at);
	return error;
}

bool config_check_window(struct check *c, const struct spot *at, const json_t *out)
{
	const json_t *read = json_object_get(out, "schedule");
	struct spot schedule = check_enter_key(c, at->value, "schedule");
	int64_t start, end;
	bool keep = true;

	if (read != NULL) {
		int start_error = window_time(c, &schedule, read, "start", &start);
		int end_error = window_time(c, &schedule, read, "end", &end);

		keep = start_error == 0 && end_error == 0;
		if (keep && start != TIME_NONE && end != TIME_NONE && end <= start) {
			struct spot at_end = check_enter_key(c, schedule.value, "end");

			refuse_window(c, &at_end, "'end' is not after 'start'");
			check_leave(c, &at_end);
			keep = false;
		}
	}
	check_leave(c, &schedule);
	return keep;
}
