#include "amps-master/store/store_work.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "amps-master/util/json.h"
#include "amps-master/store/store_merge.h"

void store_answer_done(struct store_answer *a)
{
	publication_free(a->publication);
	json_decref(a->problems);
	json_decref(a->notices);
	json_decref(a->config);
	*a = (struct store_answer){0};
}

int store_work_open(const char *state_dir, struct store_work *w, char *text, size_t text_cap)
{
	struct store_work work = {0};
	uint64_t generation = 0;
	int r = db_open(state_dir, &work.db, text, text_cap);

	if (r < 0)
		return r;
	r = db_meta_get_u64(work.db, "generation", &generation);
	if (r == 0 || r == -ENOENT)
		r = publisher_init(&work.publisher, state_dir, generation);
	if (r < 0) {
		snprintf(text, text_cap, "cannot read the database: %s", strerror(-r));
		store_work_close(&work);
		return r;
	}
	*w = work;
	return 0;
}

void store_work_close(struct store_work *w)
{
	publisher_done(&w->publisher);
	w->db = db_close(w->db);
}

static void printf_like(3, 4)
	answer_fail(struct store_answer *a, int error, const char *format, ...)
{
	va_list args;

	a->error = error;
	va_start(args, format);
	vsnprintf(a->text, sizeof(a->text), format, args);
	va_end(args);
}

/* A transaction failed: nothing of it is kept, and the running line-up stays. */
static void answer_db_fail(struct store_work *w, struct store_answer *a, int error)
{
	if (a->error != 0)
		return;
	w->error = error;
	answer_fail(a, error, "the database cannot be written (%s); the running line-up stays",
		    error == -EBUSY ? "locked by another process" : db_error(w->db));
}

/* "config.yaml:3: auth.token: too short" */
static json_t *problem_line(const json_t *problem)
{
	char s1[32], s2[32], s3[32], s4[32];
	const char *file = json_read_text(problem, "file", s1);
	const char *line = json_read_text(problem, "line", s2);
	const char *path = json_read_text(problem, "path", s3);
	const char *message = json_read_text(problem, "message", s4);

	/* what concerns the whole file has line 0 */
	bool lined = line != NULL && strcmp(line, "0") != 0;

	return json_sprintf("%s%s%s: %s%s%s", file != NULL ? file : "?", lined ? ":" : "",
			    lined ? line : "", path != NULL ? path : "", path != NULL ? ": " : "",
			    message != NULL ? message : "?");
}

/* The file's warnings go in front of those of the publication. */
static int report_warnings(json_t *report, const json_t *result)
{
	const json_t *problems = json_object_get(result, "problems");
	json_int_t found = json_integer_value(json_object_get(result, "warnings"));
	json_t *all = json_array();
	size_t i;
	json_t *item;
	int r = all != NULL ? 0 : -ENOMEM;

	json_array_foreach (problems, i, item)
		if (r == 0 && json_array_append_new(all, problem_line(item)) < 0)
			r = -ENOMEM;
	if (r == 0 && found > (json_int_t)json_array_size(problems) &&
	    json_array_append_new(
		    all, json_sprintf("... and %lld more",
				      (long long)found - (long long)json_array_size(problems))))
		r = -ENOMEM;
	if (r == 0 && (json_array_extend(all, json_object_get(report, "warnings")) < 0 ||
		       json_object_set(report, "warnings", all) < 0))
		r = -ENOMEM;
	json_decref(all);
	return r;
}

/* Inside a transaction: the settings and rows as they stand -> a draft.  `model`: what was merged
 * just now, or NULL. */
static int draft_stored(struct store_work *w, const json_t *model, int64_t wall_us,
			struct draft *draft, struct store_answer *a)
{
	_cleanup_(freep) char *text = NULL;
	struct channel_rows rows = CHANNEL_ROWS_INIT;
	char reason[ERROR_TEXT_MAX];
	json_t *settings;
	int r = db_meta_get(w->db, "settings", &text);

	if (r == -ENOENT) {
		answer_fail(a, r, "no configuration was loaded yet");
		return r;
	}
	if (r == 0)
		r = db_channel_list(w->db, &rows);
	if (r < 0)
		return r;
	store_merge_trees(model, &rows);
	settings = json_loads(text, 0, NULL);
	r = -EBADMSG;
	if (settings == NULL)
		answer_fail(a, r, "the settings in the database cannot be read");
	else
		r = publish_build(&w->publisher, settings, &rows, wall_us, draft, reason,
				  sizeof(reason));
	if (settings != NULL && r < 0)
		answer_fail(a, r, "%s", reason);
	json_decref(settings);
	channel_rows_done(&rows);
	return r;
}

/* `result`: the loader's, with a model. */
static void load_model(struct store_work *w, const json_t *result, int64_t wall_us,
		       struct store_answer *a)
{
	const json_t *model = json_object_get(result, "model");
	/* what option_memory.h wants to be kept, or NULL */
	const char *options = json_string_value(json_object_get(result, "options"));
	struct draft draft = DRAFT_INIT;
	bool changed = false;
	int r = db_begin(w->db);

	if (r == 0) {
		r = store_merge(w->db, model, a->notices, &changed);
		if (r == -EINVAL)
			answer_fail(a, r, "the configuration has a channel without a usable id");
	}
	if (r == 0)
		r = draft_stored(w, model, wall_us, &draft, a);
	if (r == 0)
		r = report_warnings(draft.publication->report, result);
	if (r == 0 && options != NULL)
		r = db_meta_put(w->db, "options", options, NULL);
	if (r == 0 && changed)
		r = db_meta_put_u64(w->db, "generation", draft.publication->generation);
	if (r == 0)
		r = db_commit(w->db);
	if (r < 0) {
		answer_db_fail(w, a, r);
		db_rollback(w->db);
		draft_done(&draft);
		return;
	}
	w->error = 0;
	a->publication = publisher_accept(&w->publisher, &draft);
	a->publication->server = json_deep_copy(json_object_get(model, "server"));
}

void store_work_load(struct store_work *w, const char *bytes, size_t n, int64_t wall_us,
		     struct store_answer *ret)
{
	json_t *result = json_loadb(bytes, n, 0, NULL);
	json_t *problems = json_object_get(result, "problems");
	json_int_t errors = json_integer_value(json_object_get(result, "errors"));

	*ret = (struct store_answer){.notices = json_array()};
	if (!json_is_object(result) || ret->notices == NULL) {
		answer_fail(ret, -EBADMSG, "the helper that reads the configuration failed");
	} else if (!json_is_object(json_object_get(result, "model"))) {
		answer_fail(ret, -EINVAL, "%lld problem%s", (long long)errors,
			    errors == 1 ? "" : "s");
		ret->problems = json_incref(problems);
	} else {
		load_model(w, result, wall_us, ret);
	}
	json_decref(result);
}

/* The current line-up is published even if its new generation cannot be stored. */
void store_work_republish(struct store_work *w, int64_t wall_us, struct store_answer *ret)
{
	struct draft draft = DRAFT_INIT;
	int r;

	*ret = (struct store_answer){0};
	r = draft_stored(w, NULL, wall_us, &draft, ret);
	if (r < 0) {
		answer_db_fail(w, ret, r);
		return;
	}
	r = db_begin(w->db);
	if (r == 0)
		r = db_meta_put_u64(w->db, "generation", draft.publication->generation);
	if (r == 0)
		r = db_commit(w->db);
	if (r < 0)
		db_rollback(w->db);
	w->error = r;
	ret->publication = publisher_accept(&w->publisher, &draft);
}

/* Puts the rows under `streams` and `scheduled_streams`. */
static int export_channels(json_t *config, const struct channel_rows *rows)
{
	json_t *streams = json_array(), *scheduled = json_array();
	int r = 0;

	for (size_t i = 0; i < rows->count && r == 0; i++) {
		const struct channel_row *row = &rows->rows[i];
		json_t *list = row->origin == ORIGIN_SCHEDULE ? scheduled : streams;

		if (!row->deleted &&
		    json_array_append_new(list, json_loads(row->definition, 0, NULL)) < 0)
			r = -EBADMSG;
	}
	if (json_object_set_new(config, "streams", streams) < 0)
		r = -ENOMEM;
	if (json_object_set_new(config, "scheduled_streams", scheduled) < 0)
		r = -ENOMEM;
	return r;
}

/* The model as a file has it: profiles are called ffmpeg_profiles there. */
static int export_profiles(json_t *config)
{
	json_t *profiles = json_incref(json_object_get(config, "profiles"));

	if (profiles == NULL)
		return 0;
	json_object_del(config, "profiles");
	return json_object_set_new(config, "ffmpeg_profiles", profiles) < 0 ? -ENOMEM : 0;
}

void store_work_export(struct store_work *w, struct store_answer *ret)
{
	_cleanup_(freep) char *text = NULL;
	struct channel_rows rows = CHANNEL_ROWS_INIT;
	json_t *config = NULL;
	int r = db_meta_get(w->db, "settings", &text);

	*ret = (struct store_answer){0};
	if (r == 0)
		r = db_channel_list(w->db, &rows);
	if (r == 0) {
		config = json_loads(text, 0, NULL);
		r = config != NULL ? export_profiles(config) : -EBADMSG;
	}
	if (r == 0)
		r = export_channels(config, &rows);
	channel_rows_done(&rows);
	if (r == 0) {
		ret->config = config;
		return;
	}
	json_decref(config);
	answer_fail(ret, r, "the configuration cannot be read from the database: %s", strerror(-r));
}

static int write_probe(struct store_work *w)
{
	int r = db_begin(w->db);

	if (r == 0)
		r = db_meta_put_u64(w->db, "probe", w->probes++);
	if (r == 0)
		r = db_commit(w->db);
	if (r < 0)
		db_rollback(w->db);
	return r;
}

void store_work_probe(struct store_work *w)
{
	int r = db_writable(w->db);

	w->error = r == 0 && w->error < 0 ? write_probe(w) : r;
}
