#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include "amps-master/api/api.h"
#include "amps-master/control/control_commands.h"
#include "amps-master/api/events.h"
#include "amps-master/access/geoip_import.h"
#include "amps-master/guide/guide.h"
#include "amps-master/hooks/hooks.h"
#include "amps-master/util/json.h"
#include "amps-master/config/loader.h"
#include "amps-master/master_state.h"
#include "amps-master/children/nursery.h"
#include "amps-master/config/problems.h"
#include "amps-master/config/reload.h"
#include "amps-master/store/state_secret.h"
#include "amps-master/tuners/tuners.h"
#include "amps-master/children/worker_pool.h"
#include "common/shm/chantab.h"
#include "common/clock.h"
#include "common/log/log.h"
#include "common/programs.h"
#include "common/shm/shm.h"
#include "common/shm/tokens.h"
#include "common/text/text.h"

#define STATE_DIR_MODE 0700

static int complain(struct master *m, const char *what, int error)
{
	snprintf(m->text, sizeof(m->text), "%.400s: %s", what, strerror(-error));
	return error;
}

static int find_programs(struct master *m)
{
	const struct {
		const char *name;
		char *path;
	} programs[] = {{"amps-master", m->master_program},
			{"amps-worker", m->worker_program},
			{"amps-transcoder", m->transcoder_program}};

	for (size_t i = 0; i < array_size(programs); i++) {
		int r = programs_find(programs[i].name, programs[i].path, PATH_MAX);

		if (r < 0)
			return complain(m, programs[i].name, r);
	}
	serve_options_loader_argv(m->options, m->master_program, m->loader_argv);
	return 0;
}

static const char *text_of(const json_t *problem, const char *key)
{
	const char *text = json_string_value(json_object_get(problem, key));

	return text ? text : "";
}

static void log_problem(const json_t *problem, const char *what_we_do)
{
	const char *path = text_of(problem, "path");

	log_warn("the configuration has a problem at %s (%s), %s file=%s line=%lld",
		 *path != '\0' ? path : "its top", text_of(problem, "message"), what_we_do,
		 text_of(problem, "file"),
		 (long long)json_integer_value(json_object_get(problem, "line")));
}

/* Prints them as `amps check` does, or logs them if the log is JSON. */
static void print_problems(const json_t *loaded)
{
	json_t *list = json_object_get(loaded, "problems");
	const json_t *problem;
	size_t i;

	if (log_is_json()) {
		json_array_foreach (list, i, problem)
			log_problem(problem, "starting anyway if possible");
		return;
	}

	const struct problems problems = {
		.list = list,
		.errors = (unsigned)json_integer_value(json_object_get(loaded, "errors")),
		.warnings = (unsigned)json_integer_value(json_object_get(loaded, "warnings")),
	};

	if (json_array_size(list) > 0)
		problems_print(&problems, stderr);
}

static int judge_loaded(struct master *m, const json_t *loaded)
{
	json_t *model = json_object_get(loaded, "model");
	json_t *server = json_object_get(model, "server");
	const char *format = json_string_value(json_object_get(server, "log_format"));

	log_init("master", LOG_INFO, format && strcmp(format, "json") == 0);
	print_problems(loaded);
	if (!model) {
		snprintf(m->text, sizeof(m->text), "the configuration %s cannot be used",
			 serve_options_config(m->options));
		return -EINVAL;
	}
	return settings_read(&m->settings, model, m->text, sizeof(m->text));
}

struct loader_answer {
	bool here;
	int error, fd;
};

static void on_loaded(void *owner, struct helper_result *result)
{
	struct loader_answer *answer = owner;

	answer->here = true;
	answer->error = result->error == -EIO ? 0 : result->error;
	answer->fd = TAKE_FD(result->output_fd);
}

/* Runs the loop until the loader has ended.  0 and its result, or -Exxx: -EINTR on a signal. */
static int run_loader(struct master *m, int *ret_fd)
{
	struct loader_answer answer = {.fd = -1};
	struct helper *loader;
	int r = loader_start(m->helpers, m->loader_argv, on_loaded, &answer, &loader);

	if (r < 0)
		return r;
	while (!answer.here && !m->interrupted)
		event_base_loop(m->base, EVLOOP_ONCE);
	if (!answer.here) {
		helper_cancel(loader);
		return -EINTR;
	}
	*ret_fd = answer.fd;
	return answer.error;
}

/* Runs the loader and reads the master's settings from its result.  *ret_fd is the result, at its
 * beginning: the store reads it again. */
static int load_config(struct master *m, int *ret_fd)
{
	_cleanup_(closep) int fd = -1;
	json_t *loaded;
	int r;

	r = run_loader(m, &fd);
	if (r < 0)
		return complain(m, "the configuration's loader", r);
	loaded = json_fd_load(fd);
	if (!loaded)
		return complain(m, "the configuration's loader wrote no result", -EPIPE);
	r = judge_loaded(m, loaded);
	json_decref(loaded);
	if (r == 0 && lseek(fd, 0, SEEK_SET) == 0)
		*ret_fd = TAKE_FD(fd);
	return r;
}

static int prepare_process(struct master *m)
{
	struct rlimit files;

	/* The nursery forks the jobs: when it dies, this process must inherit them, not init. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
		return complain(m, "prctl", -errno);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	signal(SIGPIPE, SIG_IGN);
	log_init("master", m->settings.log_level, m->settings.log_json);
	return 0;
}

static int make_places(struct master *m)
{
	const char *const folders[] = {m->settings.state_dir, m->settings.runtime_dir, NULL};
	int r = account_find(&m->account, m->settings.user, folders, m->text, sizeof(m->text));

	if (r == 0)
		r = runtime_dir_open(&m->runtime, m->settings.runtime_dir, &m->account, m->text,
				     sizeof(m->text));
	if (r < 0)
		return r;
	r = make_folders(m->settings.state_dir, STATE_DIR_MODE, &m->account);
	if (r < 0)
		return complain(m, m->settings.state_dir, r);
	return media_root_choose(&m->media, m->settings.media_root, m->settings.state_dir,
				 m->settings.media_limit_mb, &m->account, m->text, sizeof(m->text));
}

/* A key of MEDIA_KEY_BYTES in a file of the state folder, made at the first start. */
static int keep_key(struct master *m, const char *name, char key[TOKEN_BYTES_MAX + 1])
{
	char path[PATH_MAX + 16];
	int r;

	snprintf(path, sizeof(path), "%s/%s", m->settings.state_dir, name);
	r = state_secret_keep(path, MEDIA_KEY_BYTES, key);
	if (r == 0 && strspn(key, "0123456789abcdef") != 2 * MEDIA_KEY_BYTES)
		r = -EINVAL;
	return r < 0 ? complain(m, path, r) : 0;
}

/* The folder of segments, the numbers that outlive it, and the key that signs their URLs. */
static int open_media(struct master *m)
{
	int r = media_root_open(&m->media, m->text, sizeof(m->text));

	if (r < 0)
		return r;
	r = discontinuities_open(&m->media.discontinuities, m->settings.state_dir, clock_wall_us(),
				 clock_mono_us());
	if (r < 0)
		return complain(m, m->media.discontinuities.path, r);
	r = keep_key(m, "media.key", m->media_key);
	return r < 0 ? r : keep_key(m, "link.key", m->link_key);
}

/* Becomes server.user, after everything that needs root: the ports and the folders. */
static int drop_root(struct master *m)
{
	const char *config = serve_options_config(m->options);
	int r = account_become(&m->account);

	if (r < 0)
		return complain(m, "server.user", r);
	if (m->account.other && access(config, R_OK) != 0)
		log_warn("the server's user cannot read the configuration (%s), a reload will fail "
			 "user=%s path=%s",
			 strerror(errno), m->account.name, config);
	return 0;
}

static int make_chantab(struct master *m)
{
	m->chantab_fd = shm_create("amps-channel-table", CHANTAB_BYTES);
	if (m->chantab_fd < 0)
		return complain(m, "the channel table", m->chantab_fd);
	m->chantab = shm_map_write(m->chantab_fd, CHANTAB_BYTES);
	if (!m->chantab)
		return complain(m, "the channel table", -errno);
	chantab_init(m->chantab);
	atomic_store_explicit(&m->chantab->start_mono_us, m->epoch_mono_us, memory_order_relaxed);
	return shm_seal_writer(m->chantab_fd);
}

struct first_answer {
	struct master *m;
	bool here;
	int error;
};

static void on_first(void *owner, uint64_t cookie, struct store_answer *a)
{
	struct first_answer *answer = owner;

	(void)cookie;
	assert(!answer->here && !answer->m->first);
	answer->here = true;
	answer->error = a->error;
	answer->m->first = TAKE_PTR(a->publication);
	if (a->error == 0)
		return;
	print_problems(a->problems);
	text_copy(answer->m->text, sizeof(answer->m->text), a->text);
}

/* Opens the database and waits for the first line-up, without which nothing can be served. */
static int load_store(struct master *m, int config_fd)
{
	struct first_answer answer = {.m = m};
	int r = store_open(m->base, m->settings.state_dir, &m->store, m->text, sizeof(m->text));

	if (r < 0) {
		close(config_fd);
		return r;
	}
	store_submit(m->store, &(struct store_operation){.kind = STORE_LOAD, .fd = config_fd},
		     on_first, &answer, 0);
	while (!answer.here && !m->interrupted)
		event_base_loop(m->base, EVLOOP_ONCE);
	/* Its callback must not use `answer` after this function returns. */
	if (!answer.here)
		m->store = store_close(m->store);
	return answer.here ? answer.error : -EINTR;
}

static void env_output_ring(void *owner, unsigned worker, const struct msg_output_ring *ring,
			    int fd)
{
	worker_pool_output_ring(((struct master *)owner)->pool, worker, ring, fd);
}

static void env_output_offer(void *owner, int worker, const struct msg_output_offer *m, int fd)
{
	worker_pool_output_offer(((struct master *)owner)->pool, worker, m, fd);
}

static void env_output_offer_end(void *owner, const struct msg_output_offer_end *m)
{
	worker_pool_output_offer_end(((struct master *)owner)->pool, m);
}

static void env_output_turn(void *owner, unsigned worker, const struct msg_output_turn *turn)
{
	worker_pool_output_turn(((struct master *)owner)->pool, worker, turn);
}

static void env_output_gone(void *owner, unsigned worker, const struct msg_output_gone *gone)
{
	worker_pool_output_gone(((struct master *)owner)->pool, worker, gone);
}

static int env_fork_job(void *owner, int fd)
{
	return nursery_fork_job(((struct master *)owner)->nursery, fd);
}

static void env_nursery_hangs(void *owner)
{
	nursery_replace(((struct master *)owner)->nursery);
}

static void env_tuner_changed(void *owner, uint32_t channel, const char *key, uint32_t state,
			      const char *error)
{
	const struct master *m = owner;

	event_of_tuner(m->chantab, channel, key, (enum tuner_state)state, error);
}

static void env_tuner_news(void *owner, enum tuner_news news, uint32_t channel, const char *key,
			   uint32_t state, const char *error)
{
	static const enum hook_kind kinds[NEWS_COUNT_] = {
		[NEWS_STARTED] = HOOK_CHANNEL_STARTED,
		[NEWS_FAILED] = HOOK_CHANNEL_FAILED,
		[NEWS_RECOVERED] = HOOK_CHANNEL_RECOVERED,
	};
	const struct master *m = owner;

	assert(news < NEWS_COUNT_);
	hooks_put_channel(m->hooks, kinds[news], channel, key, (enum tuner_state)state, error);
}

static json_t *describe_viewer(const struct master *m, const struct viewer_seen *v)
{
	const struct tokens *tokens = tokens_of(worker_pool_tokens(m->pool));
	const struct token_entry *token =
		tokens && v->token ? tokens_by_name(tokens, v->token, clock_wall_us()) : NULL;
	json_t *viewer = viewers_describe_seen(v);

	if (viewer && token && token->name[0])
		json_object_set_new(
			viewer, "token_name",
			json_stringn(token->name, strnlen(token->name, sizeof(token->name))));
	return viewer;
}

static void env_viewer_changed(void *owner, bool started, const struct viewer_seen *v)
{
	const struct master *m = owner;
	enum hook_kind hook = started ? HOOK_VIEWER_STARTED : HOOK_VIEWER_ENDED;

	event_of_viewer(m->chantab, started, v->id, v->channel);
	if (hooks_wants(m->hooks, hook))
		hooks_put(m->hooks, hook, describe_viewer(m, v));
}

static int env_api_call(void *owner, unsigned worker, const struct msg *m)
{
	return api_on_call(((struct master *)owner)->api, worker, m);
}

static int open_hooks(struct master *m)
{
	const struct hooks_env hooks = {
		.base = m->base, .helpers = m->helpers, .chantab = m->chantab};
	int r = hooks_new(&hooks, &m->hooks);

	return r < 0 ? complain(m, "the hooks", r) : 0;
}

static int make_children(struct master *m)
{
	const struct tuners_env tuners = {.base = m->base,
					  .helpers = m->helpers,
					  .chantab = m->chantab,
					  .epoch_mono_us = (int64_t)m->epoch_mono_us,
					  .log_level = m->settings.log_level,
					  .log_json = m->settings.log_json,
					  .media = &m->media,
					  .owner = m,
					  .output_ring = env_output_ring,
					  .output_offer = env_output_offer,
					  .output_offer_end = env_output_offer_end,
					  .output_turn = env_output_turn,
					  .output_gone = env_output_gone,
					  .fork_job = env_fork_job,
					  .state_changed = env_tuner_changed,
					  .news = env_tuner_news,
					  .nursery_hangs = env_nursery_hangs};
	struct nursery_env nursery = {.base = m->base,
				      .log_json = m->settings.log_json,
				      .program = m->transcoder_program,
				      .brake = &m->brake};
	struct worker_pool_env pool = {.base = m->base,
				       .program = m->worker_program,
				       .listen_fds = m->listeners.fds,
				       .rtsp_fds = m->rtsp.count ? m->rtsp.fds : NULL,
				       .rtp_fds = m->rtp.count ? m->rtp.fds : NULL,
				       .count = m->settings.workers,
				       .chantab_fd = m->chantab_fd,
				       .media_fd = m->media.fd,
				       .media_key = m->media_key,
				       .link_key = m->link_key,
				       .log_level = m->settings.log_level,
				       .log_json = m->settings.log_json,
				       .brake = &m->brake,
				       .owner = m,
				       .changed = master_changed,
				       .api_call = env_api_call};
	int r = tuners_new(&tuners, &m->tuners);

	assert(m->chantab && m->settings.workers > 0 && m->settings.workers <= WORKERS_MAX);
	nursery.tuners = pool.tuners = m->tuners;
	if (r == 0)
		r = nursery_new(&nursery, &m->nursery);
	if (r == 0)
		r = worker_pool_new(&pool, &m->pool);
	if (r == 0) {
		viewers_init(&m->viewers, m->pool, m->settings.workers);
		m->viewers.changed = env_viewer_changed;
		m->viewers.owner = m;
	}
	return r < 0 ? complain(m, "the children", r) : 0;
}

static void log_reload(const struct reload_result *result)
{
	const json_t *problem;
	size_t i;

	if (result->error < 0) {
		json_array_foreach (result->problems, i, problem)
			log_problem(problem, "ignoring the file");
		log_error("cannot reload (%s), keeping the running configuration", result->text);
		return;
	}
	log_info("the configuration is reloaded added=%zu changed=%zu removed=%zu",
		 json_array_size(json_object_get(result->report, "added")),
		 json_array_size(json_object_get(result->report, "changed")),
		 json_array_size(json_object_get(result->report, "removed")));
}

static void env_reloaded(void *owner, uint64_t ticket, const struct reload_result *result)
{
	struct master *m = owner;

	log_reload(result);
	m->reload_refused = result->error < 0;
	if (m->reload_refused)
		text_copy(m->text, sizeof(m->text), result->text);
	/* even if the file was refused: the access log may have been rotated */
	master_open_access_log(m);
	if (ticket == 0)
		return;
	if (api_is_ticket(ticket))
		api_reloaded(m->api, ticket, result);
	else if (result->error < 0)
		control_fail(m->control, ticket, result->problems ? "config" : "internal",
			     result->text, result->problems);
	else
		control_answer(m->control, ticket,
			       json_incref((json_t *)(uintptr_t)result->report));
}

static void on_request(void *owner, struct control *c, control_ticket ticket, const char *method,
		       const json_t *params, int file)
{
	struct master *m = owner;

	control_commands_run(&master_backend, m, c, ticket, method, params, file);
}

static void env_reload(void *owner, uint64_t ticket, const struct discard *discard)
{
	struct master *m = owner;
	const struct reload_result stopping = {.error = -EBUSY, .text = "the server is stopping"};

	if (m->phase == MASTER_RUNNING)
		reload_request(m->reload, ticket, discard);
	else
		api_reloaded(m->api, ticket, &stopping);
}

static void env_answered(void *owner, uint64_t ticket, enum api_operation operation, int status,
			 const char *json)
{
	struct master *m = owner;
	json_auto_t *body = json_loads(json, 0, NULL);
	const char *error = json_string_value(json_object_get(body, "error"));
	const json_t *problems = json_object_get(body, "problems");

	if (status == 201 && operation == API_STREAM_ADD)
		control_answer(m->control, ticket,
			       json_pack("{s:I}", "added", (json_int_t)json_array_size(body)));
	else if (status < 300)
		control_answer(m->control, ticket, json_incref(body));
	else
		control_fail(m->control, ticket, status == 503 ? "failed" : "refused",
			     error ? error : "out of memory", problems);
}

static void env_guide(void *owner, struct published *p)
{
	worker_pool_publish_snapshot(((struct master *)owner)->pool, SNAPSHOT_GUIDE, p);
}

static void env_now(void *owner, uint64_t ticket, const struct guide_text_file *text)
{
	const struct master *m = owner;

	control_answer_file(m->control, ticket, text->fd, text->bytes);
}

static int open_guide(struct master *m)
{
	const struct guide_env guide = {.base = m->base,
					.helpers = m->helpers,
					.state_dir = m->settings.state_dir,
					.owner = m,
					.publish = env_guide,
					.answer_now = env_now};
	int r = guide_new(&guide, &m->guide);

	return r < 0 ? complain(m, "the guide", r) : 0;
}

static int open_geoip(struct master *m)
{
	int r = geoip_import_new(m->helpers, m->pool, m->chantab, &m->geoip);

	return r < 0 ? complain(m, "the countries of addresses", r) : 0;
}

/* What changes the server while it runs: the control socket, the API, reloads. */
static int open_control(struct master *m)
{
	const struct reload_env reload = {.helpers = m->helpers,
					  .store = m->store,
					  .pool = m->pool,
					  .loader_argv = m->loader_argv,
					  .owner = m,
					  .apply = master_apply,
					  .done = env_reloaded};
	const struct api_env api = {.store = m->store,
				    .pool = m->pool,
				    .helpers = m->helpers,
				    .transcoder = m->transcoder_program,
				    .backend = &master_backend,
				    .owner = m,
				    .apply = master_apply,
				    .reload = env_reload,
				    .answered = env_answered};
	const struct control_env control = {.base = m->base, .owner = m, .request = on_request};
	int r = reload_new(&reload, &m->reload);

	if (r == 0)
		r = api_new(&api, &m->api);
	if (r == 0)
		r = control_open(&control, m->runtime.control_path, &m->control);
	return r < 0 ? complain(m, m->runtime.control_path, r) : 0;
}

/* RTSP on its usual port is a default: a second server on this machine goes without it. */
static int open_rtsp(struct master *m)
{
	const struct settings *s = &m->settings;
	int r;

	/* the manager keeps its socket, and clients would wait there for an answer */
	if (s->rtsp == RTSP_OFF && m->service.rtsp_fd < 0)
		return 0;
	if (m->service.rtsp_fd >= 0)
		r = listen_share(&m->rtsp, m->service.rtsp_fd, s->workers, m->text,
				 sizeof(m->text));
	else
		r = listen_open(&m->rtsp, s->host, s->rtsp_port, s->workers, m->text,
				sizeof(m->text));
	if (r < 0 && s->rtsp == RTSP_DEFAULT) {
		log_warn("RTSP is off: %s (server.rtsp_port names another)", m->text);
		m->text[0] = '\0';
		return 0;
	}
	if (r == 0)
		r = listen_open_pairs(&m->rtp, s->host, s->rtp_port, s->workers, m->text,
				      sizeof(m->text));
	return r;
}

static int open_http(struct master *m)
{
	const struct settings *s = &m->settings;

	if (m->service.http_fd >= 0)
		return listen_share(&m->listeners, m->service.http_fd, s->workers, m->text,
				    sizeof(m->text));
	return listen_open(&m->listeners, s->host, s->port, s->workers, m->text, sizeof(m->text));
}

static int start(struct master *m)
{
	int config_fd = -1;
	int r = service_open(&m->service, m->text, sizeof(m->text));

	if (r == 0)
		r = find_programs(m);
	if (r == 0)
		r = master_make_events(m); /* from here on a signal ends the start cleanly */
	if (r == 0)
		r = load_config(m, &config_fd);
	if (r == 0)
		r = prepare_process(m);
	if (r == 0)
		r = make_places(m);
	if (r == 0)
		r = open_http(m);
	if (r == 0)
		r = open_rtsp(m);
	if (r == 0)
		r = drop_root(m);
	if (r == 0)
		r = open_media(m);
	if (r == 0)
		r = make_chantab(m);
	if (r == 0)
		r = load_store(m, TAKE_FD(config_fd));
	close_fd(&config_fd);
	if (r == 0)
		r = open_hooks(m);
	if (r == 0)
		r = make_children(m);
	if (r == 0)
		r = open_guide(m);
	if (r == 0)
		r = open_geoip(m);
	if (r == 0)
		r = open_control(m);
	return r;
}

int master_start(struct master *m)
{
	int r;

	m->epoch_mono_us = clock_mono_us();
	r = start(m);
	if (r < 0) {
		if (m->text[0] && !m->interrupted && log_is_json())
			log_error("cannot start (%s), ending", m->text);
		else if (m->text[0] && !m->interrupted)
			fprintf(stderr, "amps-master: %s\n", m->text);
		service_set_status(&m->service, m->text);
		service_send(&m->service, clock_mono_us());
		return r;
	}
	assert(m->first && m->phase == MASTER_STARTING);
	master_apply(m, m->first);
	publication_free(TAKE_PTR(m->first));
	/* clients must not get an empty guide where there is one of yesterday, nor be refused
	 * because their countries are not read yet */
	while ((!guide_begun(m->guide) || !geoip_import_idle(m->geoip)) && !m->interrupted)
		event_base_loop(m->base, EVLOOP_ONCE);
	master_open_access_log(m);
	nursery_start(m->nursery);
	worker_pool_start(m->pool);
	return 0;
}
