/* log_copy.c - see log_copy.h.  Global as the log is. */
#include "common/msg/log_copy.h"

#include <unistd.h>
#include "common/log/log.h"
#include "common/msg/msg.h"

static struct {
	int socket;
	bool command;
	uint32_t pid;
} to;

static void send_line(int64_t wall_us, enum log_level level, const char *tail)
{
	const struct msg_log_line m = {.wall_us = wall_us,
				       .level = (uint8_t)level,
				       .command = to.command,
				       .pid = to.pid,
				       .tail = tail};

	(void)!msg_send_log_line(to.socket, &m, NULL);
}

void log_copy_to(int socket, bool command)
{
	log_set_copy(NULL);
	to.socket = socket;
	to.command = command;
	to.pid = (uint32_t)getpid();
	log_set_copy(send_line);
}
