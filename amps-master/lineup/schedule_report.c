#include "amps-master/lineup/schedule_report.h"

#include "amps-master/util/json.h"

static const char *state_name(const struct schedule_window *w, int64_t wall_us)
{
	if (schedule_on_air(w, wall_us))
		return "on air";
	return schedule_next_change(w, wall_us) != TIME_NONE ? "waiting" : "ended";
}

static json_t *time_text(int64_t wall_us)
{
	char text[32];

	if (wall_us == TIME_NONE)
		return json_null();
	time_format_iso8601(wall_us, text);
	return json_string(text);
}

int schedule_report_add(json_t *list, const struct channel_entry *entry, int64_t wall_us)
{
	struct schedule_window w;
	char name[32];
	json_t *line;

	if (!entry->scheduled || schedule_parse(entry->definition, &w) < 0)
		return 0;
	line = json_pack("{sI ss? ss so so}", "id", (json_int_t)entry->id, "name",
			 json_read_text(entry->definition, "name", name), "state",
			 state_name(&w, wall_us), "start", time_text(w.start_wall_us), "end",
			 time_text(w.end_wall_us));
	return line == NULL || json_array_append_new(list, line) < 0 ? -ENOMEM : 0;
}
