#include "amps-master/lineup/schedule.h"

static int time_parse(const json_t *schedule, const char *key, int64_t *ret_wall_us)
{
	const json_t *value = json_object_get(schedule, key);

	if (value == NULL || json_is_null(value)) {
		*ret_wall_us = TIME_NONE;
		return 0;
	}
	if (!json_is_string(value))
		return -EINVAL;
	return time_parse_iso8601(json_string_value(value), ret_wall_us, NULL);
}

int schedule_parse(const json_t *entry, struct schedule_window *ret)
{
	const json_t *schedule = json_object_get(entry, "schedule");
	struct schedule_window w;
	int r;

	/* left out or empty: both sides are open, and json_object_get() of it finds nothing */
	if (schedule != NULL && !json_is_null(schedule) && !json_is_object(schedule))
		return -EINVAL;
	r = time_parse(schedule, "start", &w.start_wall_us);
	if (r == 0)
		r = time_parse(schedule, "end", &w.end_wall_us);
	if (r < 0)
		return r;
	if (w.start_wall_us != TIME_NONE && w.end_wall_us != TIME_NONE &&
	    w.end_wall_us <= w.start_wall_us)
		return -EINVAL;
	*ret = w;
	return 0;
}

bool schedule_on_air(const struct schedule_window *w, int64_t wall_us)
{
	return (w->start_wall_us == TIME_NONE || w->start_wall_us <= wall_us) &&
	       (w->end_wall_us == TIME_NONE || wall_us < w->end_wall_us);
}

int64_t schedule_next_change(const struct schedule_window *w, int64_t wall_us)
{
	if (w->start_wall_us != TIME_NONE && wall_us < w->start_wall_us)
		return w->start_wall_us;
	if (w->end_wall_us != TIME_NONE && wall_us < w->end_wall_us)
		return w->end_wall_us;
	return TIME_NONE;
}

int64_t schedule_earlier(int64_t a_wall_us, int64_t b_wall_us)
{
	if (a_wall_us == TIME_NONE)
		return b_wall_us;
	if (b_wall_us == TIME_NONE)
		return a_wall_us;
	return MIN(a_wall_us, b_wall_us);
}
