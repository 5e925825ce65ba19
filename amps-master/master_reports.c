#include <stdio.h>
#include <string.h>
#include "amps-master/api/api.h"
#include "amps-master/control/control_commands.h"
#include "amps-master/guide/guide.h"
#include "amps-master/api/links.h"
#include "amps-master/master_state.h"
#include "amps-master/children/nursery.h"
#include "amps-master/config/reload.h"
#include "amps-master/api/tokens.h"
#include "amps-master/tuners/tuners.h"
#include "amps-master/children/worker_pool.h"
#include "common/clock.h"
#include "common/log/log.h"

static uint64_t count_of_output(void *owner, uint32_t output_slot)
{
	return viewers_of_output(&((struct master *)owner)->viewers, output_slot);
}

static json_t *report_tuners(void *owner)
{
	struct master *m = owner;

	return tuners_report(m->tuners, m, count_of_output);
}

static json_t *report_viewers(void *owner)
{
	return viewers_report(&((struct master *)owner)->viewers);
}

static size_t channel_count(const struct master *m)
{
	const struct lineup *lineup = tuners_lineup(m->tuners);

	return lineup ? lineup->channels.count : 0;
}

/* The id of a channel as a member's name. */
static const char *id_name(const json_t *id, char name[24])
{
	snprintf(name, 24, "%lld", (long long)json_integer_value(id));
	return name;
}

/* {"5": state}: the state of a channel's own tuner or, if it has none, of one of its variants. */
static json_t *channel_states(const json_t *tuners)
{
	json_t *states = json_object();
	const json_t *tuner;
	size_t i;

	json_array_foreach (tuners, i, tuner) {
		const char *key = json_string_value(json_object_get(tuner, "key"));
		json_t *state = json_object_get(tuner, "state");
		char name[24];
		const char *id = id_name(json_object_get(tuner, "stream_id"), name);

		if (!json_object_get(states, id) || (key && strcmp(key, id) == 0))
			json_object_set(states, id, state);
	}
	return states;
}

static json_t *report_channels(void *owner)
{
	const struct master *m = owner;
	const struct lineup *lineup = tuners_lineup(m->tuners);
	json_t *list = lineup ? lineup_channels(lineup) : json_array();
	json_auto_t *tuners = report_tuners(owner), *states = channel_states(tuners);
	json_t *channel;
	size_t i;

	json_array_foreach (list, i, channel) {
		char name[24];
		json_t *state =
			json_object_get(states, id_name(json_object_get(channel, "id"), name));

		json_object_set_new(channel, "state",
				    state ? json_incref(state) : json_string("idle"));
	}
	return list;
}

static const char *database_state(const struct master *m)
{
	int health = store_health(m->store);

	if (health == -ENOENT)
		return "deleted";
	return health == 0 ? "ok" : "not writable";
}

static json_t *report_status(void *owner)
{
	const struct master *m = owner;
	uint64_t uptime_us = clock_mono_us() - m->epoch_mono_us;
	pid_t nursery = nursery_pid(m->nursery);
	char url[512];

	settings_url(&m->settings, m->listeners.port, url, sizeof(url));
	return json_pack(
		"{s:I, s:s, s:i, s:s, s:s, s:i, s:i, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:I, "
		"s:o}",
		"uptime_seconds", (json_int_t)(uptime_us / 1000000), "version", AMPS_VERSION, "pid",
		(int)getpid(), "database", database_state(m), "url", url, "port",
		(int)m->listeners.port, "rtsp_port", (int)m->rtsp.port, "config",
		serve_options_config(m->options), "generation", (json_int_t)m->generation,
		"channels", (json_int_t)channel_count(m), "tuners",
		(json_int_t)tuners_count(m->tuners), "viewers",
		(json_int_t)viewers_open(&m->viewers), "bytes_sent",
		(json_int_t)viewers_bytes_sent(&m->viewers), "throughput_bps",
		(json_int_t)m->viewers.throughput_bps, "nursery_pid",
		nursery ? json_integer(nursery) : json_null(), "worker_restarts",
		(json_int_t)worker_pool_restarts(m->pool), "workers", worker_pool_report(m->pool));
}

static json_t *report_schedule(void *owner)
{
	const struct master *m = owner;
	const struct lineup *lineup = tuners_lineup(m->tuners);

	return lineup ? json_incref(lineup->schedule) : json_array();
}

/* The server's URL and the token for its links: the shared token, never one of auth.tokens. */
static json_t *report_links(void *owner)
{
	const struct master *m = owner;
	char url[512], token[TOKEN_BYTES_MAX + 1];
	int r = worker_pool_shared_token(m->pool, token);
	json_t *report;

	/* a link without a token would look as if none were needed */
	if (r < 0 && r != -ENOENT)
		return NULL;
	settings_url(&m->settings, m->listeners.port, url, sizeof(url));
	report = json_pack("{s:s, s:s?, s:i}", "url", url, "token", r == 0 ? token : NULL,
			   "rtsp_port", (int)m->rtsp.port);
	explicit_bzero(token, sizeof(token));
	return report;
}

static json_t *report_tokens(void *owner)
{
	const struct master *m = owner;

	return api_tokens_report(m->pool, m->settings.workers);
}

static void create_token(void *owner, control_ticket ticket, const json_t *params)
{
	api_request(((struct master *)owner)->api, ticket, API_TOKEN_ADD, "", params);
}

static void revoke_token(void *owner, control_ticket ticket, const char *name)
{
	api_request(((struct master *)owner)->api, ticket, API_TOKEN_REVOKE, name, NULL);
}

static int make_link(void *owner, const char *base, const json_t *asked, json_t **ret_link,
		     char reason[ERROR_TEXT_MAX])
{
	const struct master *m = owner;
	char url[512];

	settings_url(&m->settings, m->listeners.port, url, sizeof(url));
	return links_make(m->link_key, tuners_lineup(m->tuners), base != NULL ? base : url, asked,
			  ret_link, reason);
}

static int stop_tuner(void *owner, const char *key)
{
	struct master *m = owner;

	return tuners_stop(m->tuners, key);
}

static json_t *explain_channel(void *owner, const char *key)
{
	struct master *m = owner;

	return tuners_why(m->tuners, key);
}

static int kick_viewer(void *owner, uint64_t viewer)
{
	struct master *m = owner;
	unsigned worker;
	int r = viewers_find(&m->viewers, viewer, &worker);

	if (r == 0)
		worker_pool_kick(m->pool, worker, viewer);
	return r;
}

static void reload_config(void *owner, control_ticket ticket, const struct discard *discard)
{
	struct master *m = owner;

	if (m->phase == MASTER_RUNNING)
		reload_request(m->reload, ticket, discard);
	else
		control_fail(m->control, ticket, "stopping", "the server is stopping", NULL);
}

static void answer_config(void *owner, uint64_t ticket, struct store_answer *a)
{
	struct master *m = owner;

	if (a->error == 0)
		control_answer(m->control, ticket, TAKE_PTR(a->config));
	else
		control_fail(m->control, ticket, "failed", a->text, NULL);
}

static void export_config(void *owner, control_ticket ticket)
{
	struct master *m = owner;

	store_submit(m->store, &(struct store_operation){.kind = STORE_EXPORT}, answer_config, m,
		     ticket);
}

static void import_channels(void *owner, control_ticket ticket, int file)
{
	struct master *m = owner;

	api_import(m->api, ticket, file);
}

static void answer_backup(void *owner, uint64_t ticket, struct store_answer *a)
{
	struct master *m = owner;

	if (a->error == 0)
		control_answer(m->control, ticket, json_pack("{s:b}", "copied", 1));
	else
		control_fail(m->control, ticket, "failed", a->text, NULL);
}

static void back_up(void *owner, control_ticket ticket, int file)
{
	struct master *m = owner;

	store_submit(m->store, &(struct store_operation){.kind = STORE_BACKUP, .fd = file},
		     answer_backup, m, ticket);
}

static void ask_channels_now(void *owner, control_ticket ticket)
{
	guide_ask_now(((struct master *)owner)->guide, ticket);
}

static json_t *report_guide(void *owner)
{
	return guide_report(((struct master *)owner)->guide);
}

static int guide_matches_file(void *owner, uint64_t *ret_bytes)
{
	const struct guide_text_file *matches = guide_matches(((struct master *)owner)->guide);

	*ret_bytes = matches->bytes;
	return matches->fd;
}

static void refresh_guide(void *owner)
{
	struct master *m = owner;

	if (m->phase == MASTER_RUNNING)
		guide_refresh(m->guide);
}

const struct control_backend master_backend = {
	.report = {[REPORT_CHANNELS] = report_channels,
		   [REPORT_GUIDE] = report_guide,
		   [REPORT_LINKS] = report_links,
		   [REPORT_SCHEDULE] = report_schedule,
		   [REPORT_STATUS] = report_status,
		   [REPORT_TOKENS] = report_tokens,
		   [REPORT_TUNERS] = report_tuners,
		   [REPORT_VIEWERS] = report_viewers},
	.stop = stop_tuner,
	.why = explain_channel,
	.kick = kick_viewer,
	.reload = reload_config,
	.config = export_config,
	.import = import_channels,
	.backup = back_up,
	.refresh_guide = refresh_guide,
	.guide_matches = guide_matches_file,
	.channels_now = ask_channels_now,
	.token_create = create_token,
	.link = make_link,
	.token_revoke = revoke_token,
	.shutdown = master_stop,
};

static void announce_auth(const struct master *m)
{
	if (!m->settings.auth_enabled)
		printf("  auth      off: every client that can connect may watch\n");
	else if (m->settings.token_from)
		printf("  auth      on, %s\n", m->settings.token_from);
	else
		printf("  auth      on, the token is in %s/token\n", m->settings.state_dir);
}

static void announce_user(const struct master *m)
{
	if (m->account.other)
		printf("  user      %s\n", m->account.name);
	else if (geteuid() == 0)
		printf("  user      root%s\n", m->account.chosen ? ""
								 : ": make a user " ACCOUNT_DEFAULT
								   " or name one in server.user");
}

void master_announce(struct master *m)
{
	char url[512];

	if (m->announced)
		return;
	m->announced = true;
	settings_url(&m->settings, m->listeners.port, url, sizeof(url));
	log_info("serving pid=%d ms=%llu url=%s version=%s", (int)getpid(),
		 (unsigned long long)(clock_mono_us() - m->epoch_mono_us) / 1000, url,
		 AMPS_VERSION);
	if (m->settings.log_json && geteuid() == 0 && !m->account.chosen)
		log_warn("the server runs as root, continuing (make a user " ACCOUNT_DEFAULT
			 " or name one in server.user)");
	if (m->settings.log_json)
		return; /* programs that read the log get no banner */
	printf("Amps %s\n", AMPS_VERSION);
	printf("  url       %s (listening on %s, %u worker%s)\n", url, m->listeners.address,
	       m->settings.workers, m->settings.workers == 1 ? "" : "s");
	if (m->rtsp.count)
		printf("  rtsp      on port %u\n", m->rtsp.port);
	printf("  channels  %zu from %s\n", channel_count(m), serve_options_config(m->options));
	announce_auth(m);
	announce_user(m);
	fflush(stdout);
}

/* A server whose database fails still serves: it is ready, and the line says what is wrong. */
static void describe(const struct master *m, char *dst, size_t cap)
{
	char url[512];
	int n;

	if (m->phase >= MASTER_STOPPING) {
		snprintf(dst, cap, "Stopping");
		return;
	}
	settings_url(&m->settings, m->listeners.port, url, sizeof(url));
	n = snprintf(dst, cap, "%.200s: %zu channels, %zu running, %llu viewers", url,
		     channel_count(m), (size_t)tuners_count(m->tuners),
		     (unsigned long long)viewers_open(&m->viewers));
	if (m->health != 0 && n >= 0 && (size_t)n < cap)
		n += snprintf(dst + n, cap - (size_t)n, "; the database is %s", database_state(m));
	if (m->reload_refused && n >= 0 && (size_t)n < cap)
		snprintf(dst + n, cap - (size_t)n, "; the last reload was refused: %s", m->text);
}

void master_report_service(struct master *m)
{
	char status[SERVICE_STATUS_BYTES];

	if (m->service.fd < 0)
		return;
	if (m->phase >= MASTER_STOPPING)
		service_set_state(&m->service, SERVICE_STOPPING);
	else if (m->phase == MASTER_RUNNING && worker_pool_all_ready(m->pool) &&
		 m->service.state == SERVICE_STARTING)
		service_set_state(&m->service, SERVICE_READY);
	if (m->service.state != SERVICE_STARTING) {
		describe(m, status, sizeof(status));
		service_set_status(&m->service, status);
	}
	service_send(&m->service, clock_mono_us());
}
