#include "amps-master/guide/guide.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "amps-master/guide/guide_files.h"
#include "amps-master/util/work_queue.h"
#include "common/clock.h"
#include "common/hash.h"
#include "common/limits.h"
#include "common/log/log.h"
#include "common/programs.h"
#include "common/text/text.h"
#include "common/timer.h"

#define SECOND_US	1000000ull
#define LINEUP_DELAY_US (2 * SECOND_US)	 /* changes of the line-up often come together ... */
#define LINEUP_EVERY_US (10 * SECOND_US) /* ... and an import may take long */
#define LEFT_OUT	"the guide is left out, because all guides together are larger than 1 GiB"
static_assert(GUIDE_BYTES_MAX == 1ull << 30, "the text of LEFT_OUT");

struct source {
	char key[GUIDE_KEY_MAX];
	json_t *spec; /* owned */
	char shown[256];
	uint64_t refresh_us, due_us, tried_us; /* monotonic */
	unsigned failures;
	char error[ERROR_TEXT_MAX];
	struct guide_file file;
};

struct guide_importer {
	struct guide_env env;
	char folder[PATH_MAX];
	struct work_queue *queue;
	struct event *timer;
	struct guide_catalog catalog;
	uint64_t lineup; /* guide_files_lineup() of it */
	struct source sources[GUIDE_SOURCES_MAX];
	size_t count;
	int keep_days, past_days;
	bool allow_private;
	uint64_t generation;
	struct guide_text_file matches; /* fd -1 = not known yet */
	struct guide_now *now;
	bool begun;
	bool working;		  /* the thread or a helper has something to do */
	char busy[GUIDE_KEY_MAX]; /* the source that is being imported, "" = none */
	bool lineup_changed, sources_changed;
	struct helper *helper;
};

/* What the thread does: all of it is copied or owned. */
struct job {
	struct work work;
	struct guide_importer *g; /* of the loop */
	enum { JOB_LINEUP, JOB_DESCRIBE, JOB_JOIN } kind;
	char folder[PATH_MAX];
	struct guide_catalog catalog;
	struct guide_spec specs[GUIDE_SOURCES_MAX];
	size_t count;
	struct guide_spec subject; /* the source that is described or kept; key "" = none */
	int file;		   /* what its import has written, -1 = nothing to keep */
	uint64_t generation;

	int error;
	bool joined;
	uint64_t lineup;
	char *text;			/* the description */
	struct guide_text_file matches; /* fd -1 = none */
	struct guide_file files[GUIDE_SOURCES_MAX];
	struct published published;
};

static void run_next(struct guide_importer *g);

static struct source *find(struct guide_importer *g, const char *key)
{
	for (size_t i = 0; i < g->count; i++)
		if (strcmp(g->sources[i].key, key) == 0)
			return &g->sources[i];
	return NULL;
}

/* ---------- the thread ---------- */

static void job_free(struct job *j)
{
	for (size_t i = 0; i < j->count; i++)
		json_decref(j->specs[i].source);
	json_decref(j->subject.source);
	close_fd(&j->catalog.fd);
	close_fd(&j->file);
	close_fd(&j->published.fd);
	close_fd(&j->matches.fd);
	free(j->text);
	free(j);
}

static void run_job(struct work *w)
{
	struct job *j = (struct job *)w;
	struct stat st;
	bool unchanged = false;

	switch (j->kind) {
	case JOB_LINEUP:
		j->error = guide_files_lineup(&j->catalog, &j->lineup);
		return;
	case JOB_DESCRIBE:
		j->error = guide_files_describe(j->folder, &j->catalog, &j->subject,
						clock_wall_us() / 1000000, &j->text);
		return;
	case JOB_JOIN:
		break;
	}
	if (j->file >= 0) {
		unchanged = fstat(j->file, &st) == 0 && st.st_size == 0;
		j->error = guide_files_keep(j->folder, j->subject.key, j->file);
	} else {
		guide_files_clean(j->folder, j->specs, j->count);
	}
	if (j->error < 0 || unchanged)
		return;
	j->error = guide_files_join(j->folder, &j->catalog, j->specs, j->count, j->generation,
				    j->files, &j->published, &j->matches);
	j->joined = j->error == 0;
}

static void drop_job(struct work *w)
{
	job_free((struct job *)w);
}

static int copy_spec(const struct guide_importer *g, const struct source *s, struct guide_spec *ret)
{
	*ret = (struct guide_spec){.source = json_deep_copy(s->spec),
				   .keep_days = g->keep_days,
				   .past_days = g->past_days,
				   .allow_private = g->allow_private};
	memcpy(ret->key, s->key, sizeof(ret->key));
	return ret->source != NULL ? 0 : -ENOMEM;
}

/* Gives the job its own copies of what the loop may change meanwhile. */
static int job_fill(struct job *j, const struct guide_importer *g, const struct source *subject)
{
	int r = subject != NULL ? copy_spec(g, subject, &j->subject) : 0;

	for (size_t i = 0; r == 0 && j->kind == JOB_JOIN && i < g->count; i++)
		r = copy_spec(g, &g->sources[i], &j->specs[j->count++]);
	if (r < 0 || g->catalog.fd < 0)
		return r;
	j->catalog.fd = fcntl(g->catalog.fd, F_DUPFD_CLOEXEC, 0);
	return j->catalog.fd < 0 ? -errno : 0;
}

/* Takes the file.  0, or -Exxx: the thread gets nothing to do. */
static int post(struct guide_importer *g, int kind, const struct source *subject, int file,
		void (*done)(struct work *w))
{
	struct job *j = calloc(1, sizeof(*j));
	int r;

	assert(!g->working);
	if (j == NULL) {
		close_fd(&file);
		return -ENOMEM;
	}
	j->work = (struct work){.run = run_job, .done = done, .drop = drop_job};
	j->g = g;
	j->kind = kind;
	j->file = file;
	j->published.fd = j->matches.fd = -1;
	j->catalog = (struct guide_catalog){-1, g->catalog.bytes};
	j->generation = g->generation + 1;
	memcpy(j->folder, g->folder, sizeof(j->folder));
	r = job_fill(j, g, subject);
	if (r < 0) {
		job_free(j);
		return r;
	}
	g->working = true;
	work_queue_post(g->queue, &j->work);
	return 0;
}

/* ---------- a source ---------- */

static void succeed(struct source *s)
{
	s->failures = 0;
	s->error[0] = '\0';
	s->due_us = clock_mono_us() + s->refresh_us;
}

static void fail(struct source *s, const char *reason)
{
	uint64_t delay_s = (uint64_t)GUIDE_RETRY_MIN_S << MIN(s->failures, 12u);

	delay_s =
		MIN(MIN(delay_s, (uint64_t)GUIDE_RETRY_MAX_S), MAX(s->refresh_us / SECOND_US, 1u));
	s->failures++;
	s->due_us = clock_mono_us() + delay_s * SECOND_US;
	text_copy_foreign(s->error, sizeof(s->error), reason);
	log_warn("the guide cannot be imported (%s), keeping the last one and trying again in "
		 "%" PRIu64 " s source=%s",
		 s->error, delay_s, s->shown);
}

/* The import has ended, well or not. */
static void end_import(struct guide_importer *g)
{
	g->busy[0] = '\0';
	run_next(g);
}

static void take_join(struct guide_importer *g, struct job *j)
{
	uint64_t now = clock_mono_us();
	int64_t wall_s = clock_wall_us() / 1000000;

	assert(j->generation == g->generation + 1);
	g->generation = j->generation;
	close_fd(&g->matches.fd);
	g->matches = (struct guide_text_file){TAKE_FD(j->matches.fd), j->matches.bytes};
	for (size_t i = 0; i < j->count; i++) {
		struct source *s = find(g, j->specs[i].key);
		int64_t age_s = MAX(wall_s - j->files[i].fetched_wall_s, 0);

		if (s == NULL)
			continue;
		if (j->files[i].left_out && !s->file.left_out)
			log_error(LEFT_OUT ", serving the others source=%s", s->shown);
		s->file = j->files[i];
		/* the first time: when it is due follows from the age of its file */
		if (!g->begun && s->file.present && (uint64_t)age_s * SECOND_US < s->refresh_us)
			s->due_us = now + s->refresh_us - (uint64_t)age_s * SECOND_US;
	}
	guide_now_follow_guide(g->now, &j->published);
	g->env.publish(g->env.owner, &j->published);
}

static void on_joined(struct work *w)
{
	struct job *j = (struct job *)w;
	struct guide_importer *g = j->g;
	struct source *s = find(g, j->subject.key);
	char reason[ERROR_TEXT_MAX];

	g->working = false;
	if (j->joined)
		take_join(g, j);
	if (j->error < 0 && s == NULL)
		log_error("the guide cannot be made of its files (%s), serving the last one",
			  strerror(-j->error));
	if (j->error < 0 && s != NULL) {
		snprintf(reason, sizeof(reason), "its file cannot be kept: %s",
			 strerror(-j->error));
		fail(s, reason);
	} else if (s != NULL) {
		succeed(s);
		s->file.fetched_wall_s = clock_wall_us() / 1000000;
		if (j->joined)
			log_info("a guide is imported source=%s programmes=%" PRIu64
				 " channels=%" PRIu64,
				 s->shown, s->file.programmes, s->file.matched);
	}
	g->begun = true;
	job_free(j);
	end_import(g);
}

static void on_imported(void *owner, struct helper_result *result)
{
	struct guide_importer *g = owner;
	struct source *s = find(g, g->busy);
	int r;

	g->helper = NULL;
	g->working = false;
	if (s != NULL && result->error == 0) {
		r = post(g, JOB_JOIN, s, TAKE_FD(result->output_fd), on_joined);
		if (r == 0)
			return;
		fail(s, strerror(-r));
	} else if (s != NULL) {
		fail(s, result->reason);
	}
	end_import(g);
}

static int start_helper(struct guide_importer *g, const char *description)
{
	char program[PATH_MAX];
	const char *const argv[] = {program, "guide", NULL};
	const struct helper_spec spec = {.argv = argv,
					 .input = description,
					 .input_bytes = strlen(description),
					 .timeout_ms =
						 (GUIDE_SECONDS_MAX + HELPER_GRACE_S + 1) * 1000,
					 .output_bytes = GUIDE_BYTES_MAX + GUIDE_REPORT_MAX,
					 .unprivileged = true};
	int r = programs_find("amps-helper", program, sizeof(program));

	return r < 0 ? r : helper_start(g->env.helpers, &spec, on_imported, g, &g->helper);
}

static void on_described(struct work *w)
{
	struct job *j = (struct job *)w;
	struct guide_importer *g = j->g;
	struct source *s = find(g, j->subject.key);
	int r = j->error;

	g->working = false;
	if (r == 0 && s != NULL)
		r = start_helper(g, j->text);
	job_free(j);
	if (r == 0 && s != NULL) {
		g->working = true;
		return;
	}
	if (s != NULL)
		fail(s, strerror(-r));
	end_import(g);
}

static void on_lineup(struct work *w)
{
	struct job *j = (struct job *)w;
	struct guide_importer *g = j->g;

	g->working = false;
	if (j->error == 0)
		g->lineup = j->lineup;
	for (size_t i = 0; j->error == 0 && i < g->count; i++) {
		struct source *s = &g->sources[i];
		uint64_t earliest = MAX(clock_mono_us() + LINEUP_DELAY_US,
					s->tried_us ? s->tried_us + LINEUP_EVERY_US : 0);

		if (s->file.present && s->file.lineup != g->lineup)
			s->due_us = MIN(s->due_us, earliest);
	}
	job_free(j);
	run_next(g);
}

/* ---------- what is next ---------- */

static struct source *first_due(struct guide_importer *g)
{
	struct source *first = NULL;

	for (size_t i = 0; i < g->count; i++)
		if (first == NULL || g->sources[i].due_us < first->due_us)
			first = &g->sources[i];
	return first;
}

/* Joins the files for other sources, or looks at the line-up.  0 or -Exxx. */
static int follow_changes(struct guide_importer *g)
{
	int r = 0;

	if (g->sources_changed) {
		r = post(g, JOB_JOIN, NULL, -1, on_joined);
		g->sources_changed = r < 0;
	} else if (g->lineup_changed) {
		r = g->count > 0 ? post(g, JOB_LINEUP, NULL, -1, on_lineup) : 0;
		g->lineup_changed = r < 0;
	}
	return r;
}

static void begin_import(struct guide_importer *g, struct source *s)
{
	int r;

	memcpy(g->busy, s->key, sizeof(g->busy));
	s->tried_us = clock_mono_us();
	r = post(g, JOB_DESCRIBE, s, -1, on_described);
	if (r == 0)
		return;
	g->busy[0] = '\0';
	fail(s, strerror(-r));
}

static void run_next(struct guide_importer *g)
{
	struct source *s;
	uint64_t now;
	int r;

	if (g->working)
		return;
	r = follow_changes(g);
	if (r < 0) {
		log_error("the guide cannot follow a change (%s), trying again in %d s",
			  strerror(-r), GUIDE_RETRY_MIN_S);
		g->begun = true; /* the server starts without a guide */
		timer_set(g->timer, GUIDE_RETRY_MIN_S * SECOND_US);
		return;
	}
	s = first_due(g);
	if (g->working || s == NULL)
		return;
	if (s->due_us <= clock_mono_us())
		begin_import(g, s);
	s = first_due(g); /* another one, if it failed */
	now = clock_mono_us();
	if (!g->working)
		timer_set(g->timer, MAX(s->due_us, now + 1) - now);
}

static void on_timer(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	run_next(arg);
}

/* ---------- the settings ---------- */

static void source_done(struct source *s)
{
	json_decref(s->spec);
}

/* What makes a source the same one. */
static void make_key(char key[GUIDE_KEY_MAX], const json_t *spec)
{
	static const char *const names[] = {"url", "path", "shift", "timezone"};
	uint64_t h = HASH_START;

	for (size_t i = 0; i < array_size(names); i++) {
		const json_t *value = json_object_get(spec, names[i]);
		char number[32];

		snprintf(number, sizeof(number), "%.3f", json_number_value(value));
		h = hash_text(h, json_is_number(value) ? number : json_string_value(value));
	}
	snprintf(key, GUIDE_KEY_MAX, "%016" PRIx64, hash_end(h));
}

/* Fills in a source, with what is known of it already. */
static void source_init(struct source *s, const struct source *old, json_t *spec, const char *key)
{
	const char *url = json_string_value(json_object_get(spec, "url"));
	const char *path = json_string_value(json_object_get(spec, "path"));
	double refresh_s = json_number_value(json_object_get(spec, "refresh"));

	*s = old != NULL ? *old : (struct source){0};
	text_copy(s->key, sizeof(s->key), key);
	s->spec = json_incref(spec);
	s->refresh_us = (uint64_t)(MAX(refresh_s, 1.0) * 1e6);
	s->due_us = 0;
	s->failures = 0;
	text_redact_url(url != NULL ? url : path, s->shown, sizeof(s->shown));
}

static void read_settings(struct guide_importer *g, const json_t *settings)
{
	const json_t *epg = json_object_get(settings, "epg"),
		     *list = json_object_get(epg, "sources");
	struct source *sources = calloc(GUIDE_SOURCES_MAX, sizeof(*sources));
	size_t i, n = 0;
	json_t *spec;

	if (sources == NULL)
		return;
	g->keep_days = (int)json_integer_value(json_object_get(epg, "keep_days"));
	g->past_days = (int)json_integer_value(json_object_get(epg, "past_days"));
	g->allow_private = json_is_true(
		json_object_get(json_object_get(settings, "streaming"), "allow_private"));
	json_array_foreach (list, i, spec) {
		char key[GUIDE_KEY_MAX];
		size_t same = 0;

		make_key(key, spec);
		while (same < n && strcmp(sources[same].key, key) != 0)
			same++;
		if (same == n && n < GUIDE_SOURCES_MAX)
			source_init(&sources[n++], find(g, key), spec, key);
	}
	g->sources_changed |= n != g->count;
	for (i = 0; i < n && i < g->count; i++)
		g->sources_changed |= strcmp(sources[i].key, g->sources[i].key) != 0;
	for (i = 0; i < g->count; i++)
		source_done(&g->sources[i]);
	memcpy(g->sources, sources, sizeof(g->sources));
	g->count = n;
	free(sources);
}

static void follow_catalog(struct guide_importer *g, const struct published *p)
{
	int fd;

	if (p->fd < 0)
		return;
	fd = fcntl(p->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0) {
		log_error("the guide cannot follow the line-up (%s), matching with the last one",
			  strerror(errno));
		return;
	}
	close_fd(&g->catalog.fd);
	g->catalog = (struct guide_catalog){fd, p->bytes};
	guide_now_follow_catalog(g->now, &g->catalog);
	g->lineup_changed = g->begun;
}

void guide_follow(struct guide_importer *g, const struct publication *p, bool reload)
{
	follow_catalog(g, &p->snapshots[SNAPSHOT_CATALOG]);
	if (p->settings != NULL)
		read_settings(g, p->settings);
	g->sources_changed |= !g->begun;
	if (reload && p->settings != NULL)
		guide_refresh(g);
	run_next(g);
}

bool guide_begun(const struct guide_importer *g)
{
	return g->begun;
}

void guide_refresh(struct guide_importer *g)
{
	for (size_t i = 0; i < g->count; i++)
		g->sources[i].due_us = 0;
	run_next(g);
}

/* ---------- reports ---------- */

static json_t *time_or_null(int64_t wall_s)
{
	char text[32];

	if (wall_s <= 0)
		return json_null();
	time_format_iso8601(wall_s * 1000000, text);
	return json_string(text);
}

static json_t *report_source(const struct guide_importer *g, const struct source *s)
{
	uint64_t now = clock_mono_us();
	bool busy = strcmp(g->busy, s->key) == 0;
	int64_t wait_s = s->due_us > now ? (int64_t)((s->due_us - now) / SECOND_US) : 0;
	const char *error = s->error[0] ? s->error : s->file.left_out ? LEFT_OUT : NULL;
	const char *state = busy	      ? "importing"
			    : error != NULL   ? "failed"
			    : s->file.present ? "ok"
					      : "waiting";

	return json_pack("{s:s, s:s, s:o, s:o, s:I, s:I, s:I, s:s?}", "source", s->shown, "state",
			 state, "fetched",
			 time_or_null(s->file.present ? s->file.fetched_wall_s : 0), "next",
			 time_or_null(clock_wall_us() / 1000000 + wait_s), "channels",
			 (json_int_t)s->file.channels, "matched", (json_int_t)s->file.matched,
			 "programmes", (json_int_t)s->file.programmes, "error", error);
}

json_t *guide_report(const struct guide_importer *g)
{
	json_t *list = json_array();

	for (size_t i = 0; i < g->count; i++)
		json_array_append_new(list, report_source(g, &g->sources[i]));
	return list;
}

const struct guide_text_file *guide_matches(const struct guide_importer *g)
{
	return &g->matches;
}

void guide_ask_now(struct guide_importer *g, uint64_t ticket)
{
	guide_now_ask(g->now, ticket);
}

/* ---------- its life ---------- */

static int make_folder(struct guide_importer *g)
{
	int n = snprintf(g->folder, sizeof(g->folder), "%s/guide", g->env.state_dir);

	if (n < 0 || (size_t)n + GUIDE_KEY_MAX + 8 > sizeof(g->folder))
		return -ENAMETOOLONG;
	return mkdir(g->folder, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int guide_new(const struct guide_env *env, struct guide_importer **ret)
{
	struct guide_importer *g = calloc(1, sizeof(*g));
	const struct work_queue_env queue = {.base = env->base, .owner = g};
	int r;

	if (g == NULL)
		return -ENOMEM;
	g->env = *env;
	g->catalog.fd = g->matches.fd = -1;
	g->timer = evtimer_new(env->base, on_timer, g);
	r = g->timer != NULL ? make_folder(g) : -ENOMEM;
	if (r == 0)
		r = work_queue_new(&queue, &g->queue);
	if (r == 0)
		r = guide_now_new(env->base, env->answer_now, env->owner, &g->now);
	if (r < 0)
		guide_free(g);
	else
		*ret = g;
	return r;
}

struct guide_importer *guide_free(struct guide_importer *g)
{
	if (g == NULL)
		return NULL;
	helper_cancel(g->helper);
	work_queue_free(g->queue);
	if (g->timer != NULL)
		event_free(g->timer);
	for (size_t i = 0; i < g->count; i++)
		source_done(&g->sources[i]);
	close_fd(&g->catalog.fd);
	close_fd(&g->matches.fd);
	guide_now_free(g->now);
	free(g);
	return NULL;
}
