#include "amps-master/control/control_commands.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "common/limits.h"
#include "common/text/text.h"

#define SHUTDOWN_TIMEOUT_MAX_S 3600

struct request {
	const struct control_backend *backend;
	void *owner;
	struct control *control;
	control_ticket ticket;
	const json_t *params; /* may be NULL */
	int file;	      /* of the client, -1 = none */
};

static void bad_params(const struct request *r, const char *message)
{
	control_fail(r->control, r->ticket, "bad_params", message, NULL);
}

static void run_ping(const struct request *r)
{
	control_answer(r->control, r->ticket, json_string("pong"));
}

static void run_stop(const struct request *r)
{
	const char *key = json_string_value(json_object_get(r->params, "key"));
	char message[TUNER_KEY_MAX + 64];

	if (!key || strlen(key) >= TUNER_KEY_MAX) {
		bad_params(r, "\"key\" names a tuner, such as \"5\" or \"5/sd\"");
		return;
	}
	if (r->backend->stop(r->owner, key) == 0) {
		control_answer(r->control, r->ticket, json_pack("{s:s}", "stopped", key));
		return;
	}
	snprintf(message, sizeof(message), "no tuner %s is running", key);
	control_fail(r->control, r->ticket, "not_found", message, NULL);
}

static void run_why(const struct request *r)
{
	const char *key = json_string_value(json_object_get(r->params, "key"));
	json_t *answer = key && strlen(key) < TUNER_KEY_MAX ? r->backend->why(r->owner, key) : NULL;
	char message[TUNER_KEY_MAX + 64];

	if (!key || strlen(key) >= TUNER_KEY_MAX) {
		bad_params(r, "\"key\" names a channel, such as \"5\" or \"5/sd\"");
	} else if (answer) {
		control_answer(r->control, r->ticket, answer);
	} else {
		snprintf(message, sizeof(message), "there is no channel %s", key);
		control_fail(r->control, r->ticket, "not_found", message, NULL);
	}
}

static bool viewer_of(const json_t *value, uint64_t *ret)
{
	if (json_is_integer(value) && json_integer_value(value) > 0) {
		*ret = (uint64_t)json_integer_value(value);
		return true;
	}
	return json_is_string(value) &&
	       text_parse_u64(json_string_value(value), INT64_MAX, ret) == 0;
}

static void run_kick(const struct request *r)
{
	uint64_t viewer;

	if (!viewer_of(json_object_get(r->params, "viewer"), &viewer)) {
		bad_params(r, "\"viewer\" is the id of a viewer");
		return;
	}
	if (r->backend->kick(r->owner, viewer) == 0)
		control_answer(r->control, r->ticket,
			       json_pack("{s:I}", "kicked", (json_int_t)viewer));
	else
		control_fail(r->control, r->ticket, "not_found", "no such viewer", NULL);
}

static void run_config(const struct request *r)
{
	r->backend->config(r->owner, r->ticket);
}

/* Passes the client's file on. */
static void run_with_file(const struct request *r,
			  void (*run)(void *owner, control_ticket ticket, int file))
{
	int file = r->file >= 0 ? fcntl(r->file, F_DUPFD_CLOEXEC, 0) : -1;

	if (file >= 0)
		run(r->owner, r->ticket, file);
	else
		bad_params(r, "the method needs a descriptor beside its line");
}

static void run_import(const struct request *r)
{
	run_with_file(r, r->backend->import);
}

static void run_backup(const struct request *r)
{
	run_with_file(r, r->backend->backup);
}

static void run_token_create(const struct request *r)
{
	if (json_is_object(r->params))
		r->backend->token_create(r->owner, r->ticket, r->params);
	else
		bad_params(r, "the params describe a token, such as {\"name\": \"kitchen\"}");
}

static void run_token_revoke(const struct request *r)
{
	const char *name = json_string_value(json_object_get(r->params, "name"));

	if (name)
		r->backend->token_revoke(r->owner, r->ticket, name);
	else
		bad_params(r, "\"name\" is that of a token");
}

static void run_link(const struct request *r)
{
	char reason[ERROR_TEXT_MAX];
	json_t *link = NULL;
	int e = r->backend->link(r->owner, NULL, r->params, &link, reason);

	if (e == 0)
		control_answer(r->control, r->ticket, link);
	else
		control_fail(r->control, r->ticket, e == -ENOENT ? "not_found" : "bad_params",
			     reason, NULL);
}

static void run_reload(const struct request *r)
{
	struct discard discard;

	if (discard_read(r->params, &discard) < 0)
		bad_params(r, "\"" DISCARD_KEY "\" is true or the id of a channel");
	else
		r->backend->reload(r->owner, r->ticket, &discard);
}

static void run_epg_refresh(const struct request *r)
{
	r->backend->refresh_guide(r->owner);
	control_answer(r->control, r->ticket, json_pack("{s:b}", "refreshing", 1));
}

static void run_epg_match(const struct request *r)
{
	uint64_t bytes;
	int fd = r->backend->guide_matches(r->owner, &bytes);

	if (fd >= 0)
		control_answer_file(r->control, r->ticket, fd, bytes);
	else
		control_answer(r->control, r->ticket, json_array());
}

static void run_list_now(const struct request *r)
{
	r->backend->channels_now(r->owner, r->ticket);
}

static void run_shutdown(const struct request *r)
{
	const json_t *timeout = json_object_get(r->params, "timeout");
	double seconds = SHUTDOWN_MS / 1000.0;

	if (timeout && !json_is_null(timeout)) {
		seconds = json_is_number(timeout) ? json_number_value(timeout) : -1;
		if (!(seconds >= 0 && seconds <= SHUTDOWN_TIMEOUT_MAX_S)) {
			bad_params(r, "\"timeout\" is a number of seconds from 0 to 3600");
			return;
		}
	}
	control_answer(r->control, r->ticket, json_pack("{s:f}", "timeout", seconds));
	r->backend->shutdown(r->owner, (unsigned)(seconds * 1000));
}

/* A method runs a function, or answers a report. */
static const struct {
	const char *method;
	void (*run)(const struct request *r);
	enum control_report report; /* where `run` is NULL */
} commands[] = {
	{"backup", .run = run_backup},
	{"config", .run = run_config},
	{"epg", .report = REPORT_GUIDE},
	{"epg_match", .run = run_epg_match},
	{"epg_refresh", .run = run_epg_refresh},
	{"import", .run = run_import},
	{"kick", .run = run_kick},
	{"link", .run = run_link},
	{"links", .report = REPORT_LINKS},
	{"list", .report = REPORT_CHANNELS},
	{"list_now", .run = run_list_now},
	{"ping", .run = run_ping},
	{"reload", .run = run_reload},
	{"schedule", .report = REPORT_SCHEDULE},
	{"shutdown", .run = run_shutdown},
	{"status", .report = REPORT_STATUS},
	{"stop", .run = run_stop},
	{"token_create", .run = run_token_create},
	{"token_revoke", .run = run_token_revoke},
	{"tokens", .report = REPORT_TOKENS},
	{"tuners", .report = REPORT_TUNERS},
	{"viewers", .report = REPORT_VIEWERS},
	{"why", .run = run_why},
};

void control_commands_run(const struct control_backend *b, void *owner, struct control *c,
			  control_ticket ticket, const char *method, const json_t *params, int file)
{
	_cleanup_(closep) int owned = file;
	const struct request request = {b, owner, c, ticket, params, owned};

	for (size_t i = 0; i < array_size(commands); i++) {
		if (strcmp(commands[i].method, method) != 0)
			continue;
		assert(commands[i].run || b->report[commands[i].report]);
		if (commands[i].run)
			commands[i].run(&request);
		else
			control_answer(c, ticket, b->report[commands[i].report](owner));
		return;
	}
	control_fail(c, ticket, "unknown_method", "no such method", NULL);
}
