#include "amps-master/util/child_log.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include "common/clock.h"
#include "common/limits.h"
#include "common/log/log.h"
#include "common/log/log_line.h"

/* Is this the rest of a JSON line, with no second head in it? */
static bool ends_json(const char *tail)
{
	char whole[LOG_LINE_MAX + 1];
	json_auto_t *line = NULL;

	if (snprintf(whole, sizeof(whole), "{%s", tail) >= (int)sizeof(whole))
		return false;
	line = json_loads(whole, JSON_REJECT_DUPLICATES, NULL);
	return json_object_size(line) == 2 && json_is_string(json_object_get(line, "message")) &&
	       json_is_object(json_object_get(line, "fields"));
}

static bool is_tail(const char *tail)
{
	return strlen(tail) < LOG_LINE_MAX && log_is_plain(tail) &&
	       (!log_is_json() || ends_json(tail));
}

/* Counts the line; false: it is one too many. */
static bool has_room(struct child_log *c, const char *program)
{
	uint64_t now_us = clock_mono_us();

	if (!c->window_us || now_us - c->window_us >= LOG_WINDOW_US)
		*c = (struct child_log){.window_us = now_us};
	if (c->lines == LOG_COPIES)
		log_warn("a process logs too much, leaving lines out of what the API shows "
			 "process=%s ms=%u",
			 program, (unsigned)(LOG_WINDOW_US / 1000));
	c->lines++;
	return c->lines <= LOG_COPIES;
}

int child_log_take(struct child_log *c, const char *program, pid_t pid,
		   const struct msg_log_line *m)
{
	int64_t wall_us = clock_wall_us();

	if (m->level > LOG_ERROR)
		return -EBADMSG;
	if (!log_enabled((enum log_level)m->level) || !has_room(c, program) || !is_tail(m->tail))
		return 0;
	/* a child that lies about the time, or whose line came late */
	if (m->wall_us <= wall_us && wall_us - m->wall_us <= LOG_LATE_US)
		wall_us = m->wall_us;
	log_keep_other(wall_us, (enum log_level)m->level, program, pid > 0 ? pid : (pid_t)m->pid,
		       m->tail);
	return 0;
}
