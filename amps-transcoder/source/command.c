#include "amps-transcoder/source/command.h"

#include <poll.h>
#include <string.h>

#include <libavutil/error.h>

#include "amps-transcoder/command/keeper.h"
#include "common/clock.h"
#include "common/log/log.h"
#include "common/text/text.h"

#define STEP_MS	  20  /* between two looks at orders while the command starts */
#define REASON_MS 500 /* for the keeper's words after the end of the output */
#define CLOSE_MS  (COMMAND_STOP_US / 1000 + 300)

static void note_end(struct command *c, const char *text)
{
	if (!c->ended)
		text_copy_foreign(c->text, sizeof(c->text), text);
	c->ended = true;
}

/* Takes the messages that wait.  False when the keeper is gone. */
static bool take_messages(struct command *c)
{
	struct msg_command_ended ended;
	struct msg m;
	int r;

	while ((r = msg_receive(c->keeper, &m)) == 0) {
		if (m.type == MSG_COMMAND_OUTPUT && c->output < 0)
			c->output = TAKE_FD(m.fds[0]);
		else if (m.type == MSG_COMMAND_ENDED &&
			 msg_decode_command_ended(m.bytes, m.len, &ended) == 0)
			note_end(c, ended.text);
		else if (m.type == MSG_LOG_LINE)
			/* one for which there is no room is left out */
			(void)!msg_send_bytes(c->master, m.bytes, m.len, NULL, 0);
		msg_done(&m);
	}
	if (r != -EAGAIN)
		note_end(c, "the process that runs the command died");
	return r == -EAGAIN;
}

static bool await_keeper(const struct command *c, int timeout_ms)
{
	struct pollfd p = {.fd = c->keeper, .events = POLLIN};

	return poll(&p, 1, timeout_ms) > 0;
}

int command_open(struct command *c, struct job *job)
{
	int r = msg_send_command_run(c->keeper, &(struct msg_command_run){}, NULL);

	if (r < 0)
		note_end(c, "the process that runs the command died");
	while (c->output < 0 && !c->ended) {
		if (job_interrupt(job))
			return job_ending(job) ? -ECANCELED : -ETIMEDOUT;
		if (await_keeper(c, STEP_MS))
			take_messages(c);
	}
	c->finished = c->output < 0;
	return c->finished ? -ENODATA : 0;
}

/* The output has ended.  The keeper says why, unless only the output was closed. */
static int finish(struct command *c)
{
	uint64_t end_us = clock_mono_us() + REASON_MS * 1000;

	while (!c->ended && clock_mono_us() < end_us)
		if (await_keeper(c, STEP_MS))
			take_messages(c);
	note_end(c, "the command closed its standard output");
	c->finished = true;
	return 0;
}

int command_read(struct command *c, uint8_t *dst, size_t cap, int timeout_ms)
{
	struct pollfd p[] = {{.fd = c->output, .events = POLLIN},
			     {.fd = c->ended ? -1 : c->keeper, .events = POLLIN}};
	ssize_t n;

	if (c->finished)
		return 0;
	if (poll(p, array_size(p), timeout_ms) <= 0)
		return AVERROR(EAGAIN);
	/* without a keeper, a process that the command left behind may go on writing, without
	 * limits */
	if (p[1].revents && !take_messages(c))
		return finish(c);
	if (!p[0].revents)
		return AVERROR(EAGAIN);
	n = read(c->output, dst, cap);
	if (n == 0)
		return finish(c);
	return n < 0 ? AVERROR(errno) : (int)n;
}

void command_close(struct command *c)
{
	uint64_t end_us = clock_mono_us() + CLOSE_MS * 1000ull;

	if (c->keeper < 0)
		return;
	if (msg_send_shutdown(c->keeper, &(struct msg_shutdown){}, NULL) < 0)
		log_debug("the keeper of the command is gone already");
	close_fd(&c->output);
	while (clock_mono_us() < end_us)
		if (await_keeper(c, STEP_MS) && !take_messages(c))
			break;
	c->keeper = -1;
}
