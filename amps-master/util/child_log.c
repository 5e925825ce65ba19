#include "amps-master/util/child_log.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include "common/clock.h"
#include "common/limits.h"
#include "common/log/log.h"
#include "common/text/utf8.h"

static bool has_controls(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return true;
	return false;
}

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
	size_t n = strlen(tail);

	return n < LOG_LINE_MAX && utf8_valid(tail, n) && !has_controls(tail) &&
	       (!log_is_json() || ends_json(tail));
}

/* Counts the line; false: it is one too many. */
static bool has_room(struct child_log *c, const char *program)
{
	uint64_t now_us = clock_mono_us();
	unsigned left_out = c->left_out;

	if (!c->window_us || now_us - c->window_us >= LOG_WINDOW_US) {
		*c = (struct child_log){.window_us = now_us};
		if (left_out > 0)
			log_warn("a process logs too much, leaving lines out of what the API shows "
				 "process=%s lines=%u",
				 program, left_out);
	}
	if (c->lines < LOG_COPIES) {
		c->lines++;
		return true;
	}
	c->left_out++;
	return false;
}

int child_log_take(struct child_log *c, const char *program, pid_t pid,
		   const struct msg_log_line *m)
{
	int64_t wall_us = clock_wall_us();

	if (m->level > LOG_ERROR)
		return -EBADMSG;
	if (!has_room(c, program))
		return 0;
	if (!is_tail(m->tail)) {
		c->left_out++;
		return 0;
	}
	/* a child that lies about the time, or whose line came late */
	if (m->wall_us <= wall_us && wall_us - m->wall_us <= LOG_LATE_US)
		wall_us = m->wall_us;
	log_keep_other(wall_us, (enum log_level)m->level, program, pid > 0 ? pid : (pid_t)m->pid,
		       m->tail);
	return 0;
}
