#include "amps-cli/term/watch.h"

#include <assert.h>
#include <string.h>
#include <time.h>
#include "amps-cli/client.h"
#include "amps-cli/term/screen.h"

#define PERIOD_MS	  1000
#define ANSWER_TIMEOUT_MS 5000 /* the longest delay of a key or signal */

static bool is_given(const struct command_call *call, const char *option)
{
	return command_value(call, option) != NULL;
}

static int show(const struct command_call *call, const struct view *view)
{
	json_auto_t *answer = NULL;
	int code = client_command(command_value(call, "socket"), view->method, NULL, &answer);

	if (code == COMMAND_DONE)
		code = view_print(answer, is_given(call, "json"), view);
	return code;
}

/* Prints one answer after the other, until stdout is closed. */
static int repeat(const struct command_call *call, const struct view *view)
{
	const struct timespec pause = {.tv_sec = PERIOD_MS / 1000};

	for (;;) {
		int code = show(call, view);

		if (code != COMMAND_DONE)
			return code;
		if (!is_given(call, "json"))
			putchar('\n');
		if (fflush(stdout) != 0)
			return COMMAND_FAILED;
		nanosleep(&pause, NULL);
	}
}

/* Asks without printing errors, because the screen is in use.  0, 1 when the server refused (*ret
 * is its error), or -Exxx. */
static int ask(const char *path, const char *method, json_t **ret)
{
	json_t *result = NULL, *error = NULL;
	struct client client;
	int r = client_open(&client, path);

	if (r == 0)
		r = client_ask(&client, method, NULL, -1, ANSWER_TIMEOUT_MS, &result, &error);
	client_close(&client);
	if (r < 0)
		return r;
	assert((result == NULL) != (error == NULL));
	*ret = result != NULL ? result : error;
	return result == NULL;
}

static int draw(const json_t *answer, const struct view *view)
{
	_cleanup_(buf_done) struct buf out = BUF_INIT;
	time_t now = time(NULL);
	char text[32] = "";
	struct tm tm;
	int r;

	if (localtime_r(&now, &tm) != NULL)
		(void)!strftime(text, sizeof(text), "%F %T", &tm);
	buf_printf(&out, "%s  %zu %s, q ends\n\n", text, json_array_size(answer), view->method);
	r = view_format(answer, view, table_terminal_width(stdout), table_terminal_color(stdout),
			&out);
	if (r == 0)
		screen_draw(&out);
	return r;
}

/* Until the user ends it (0), the server refuses (1, *ret_error), or an error (-Exxx). */
static int redraw(struct screen *screen, const char *path, const struct view *view,
		  json_t **ret_error)
{
	for (;;) {
		json_t *answer = NULL;
		int r = ask(path, view->method, &answer);

		if (r == 1) {
			*ret_error = answer;
			return 1;
		}
		if (r == 0)
			r = draw(answer, view);
		json_decref(answer);
		if (r < 0 || screen_wait(screen, PERIOD_MS))
			return r;
	}
}

static int watch(const struct command_call *call, const struct view *view)
{
	const char *path = command_value(call, "socket");
	struct screen screen;
	json_auto_t *error = NULL;
	int r = screen_open(&screen);

	if (r == 0)
		r = redraw(&screen, path, view, &error);
	screen_close(&screen);
	if (r == 1)
		client_print_error(error);
	if (r < 0)
		return client_print_failure(path, r);
	return r == 0 ? COMMAND_DONE : COMMAND_FAILED;
}

int watch_run(const struct command_call *call)
{
	const struct view *view = call->command->view;

	if (!is_given(call, "watch"))
		return show(call, view);
	if (is_given(call, "json") || table_terminal_width(stdout) == 0)
		return repeat(call, view);
	return watch(call, view);
}
