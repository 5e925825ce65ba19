#include "amps-master/store/store_work.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "amps-master/util/json.h"
#include "amps-master/store/db_token.h"
#include "amps-master/store/store_merge.h"
#include "common/hash.h"

#define WARNINGS_MAX 20 /* about channels of the API */

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
	assert(w->batch == NULL);
	publisher_done(&w->publisher);
	channel_list_done(&w->channels);
	json_decref(w->settings);
	json_decref(w->tokens);
	w->settings = w->tokens = NULL;
	w->db = db_close(w->db);
}

static void printf_like(3, 4)
	answer_fail(struct store_answer *a, int error, const char *format, ...)
{
	va_list args;

	assert(error < 0);
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

/* What an operation makes; kept once its transaction is committed. */
struct next {
	struct draft draft;
	json_t *settings;
	json_t *tokens;
	uint64_t settings_hash;
	struct channel_list channels;
	json_t *warnings; /* of a load, about channels of the API; may be NULL */
};

static void next_done(struct next *n)
{
	draft_done(&n->draft);
	json_decref(n->settings);
	json_decref(n->tokens);
	json_decref(n->warnings);
	channel_list_done(&n->channels);
}

/* Puts all of it into force. */
static struct publication *next_accept(struct store_work *w, struct next *n)
{
	struct publication *p = publisher_accept(&w->publisher, &n->draft);

	assert(n->settings != NULL);
	json_decref(w->settings);
	channel_list_done(&w->channels);
	w->settings = TAKE_PTR(n->settings);
	json_decref(w->tokens);
	w->tokens = TAKE_PTR(n->tokens);
	w->settings_hash = n->settings_hash;
	w->channels = n->channels;
	n->channels = CHANNEL_LIST_INIT;
	next_done(n);
	return p;
}

/* Ends a transaction that is committed (0) or failed: all of it is in force, or nothing. */
static void next_end(struct store_work *w, struct next *n, int error, struct store_answer *a)
{
	if (error < 0) {
		answer_db_fail(w, a, error);
		db_rollback(w->db);
		next_done(n);
		return;
	}
	assert(a->error == 0);
	w->error = 0;
	a->publication = next_accept(w, n);
}

static int next_publish(struct store_work *w, int64_t wall_us, struct next *n,
			struct store_answer *a)
{
	char reason[ERROR_TEXT_MAX];
	int r = publish_build(&w->publisher, n->settings, n->tokens, &n->channels, wall_us,
			      &n->draft, reason, sizeof(reason));

	if (r < 0)
		answer_fail(a, r, "%s", reason);
	return r;
}

/* The settings of the database; those in force while their text is the same. */
static int settings_stored(struct store_work *w, struct next *n, struct store_answer *a)
{
	_cleanup_(freep) char *text = NULL;
	int r = db_meta_get(w->db, "settings", &text);

	if (r < 0) {
		if (r == -ENOENT)
			answer_fail(a, r, "no configuration was loaded yet");
		return r;
	}
	n->settings_hash = hash_end(hash_text(HASH_START, text));
	if (w->settings != NULL && n->settings_hash == w->settings_hash) {
		n->settings = json_incref(w->settings);
		return 0;
	}
	n->settings = json_loads(text, 0, NULL);
	if (n->settings == NULL) {
		answer_fail(a, -EBADMSG, "the settings in the database cannot be read");
		return -EBADMSG;
	}
	return channel_profiles_complete(n->settings);
}

/* The name of a profile that the channel has and the settings have not, or NULL. */
static const char *unknown_profile(const json_t *definition, const json_t *profiles)
{
	const char *name = json_string_value(json_object_get(definition, "ffmpeg_profile"));
	size_t i;
	json_t *variant;

	if (name != NULL && json_object_get(profiles, name) == NULL)
		return name;
	json_array_foreach (json_object_get(definition, "adaptive_bitrates"), i, variant) {
		name = json_string_value(json_object_get(variant, "ffmpeg_profile"));
		if (name != NULL && json_object_get(profiles, name) == NULL)
			return name;
	}
	return NULL;
}

/* The file's channels are checked with the file; it may lack a profile that the API's have. */
static int warn_of_profiles(struct next *n, const struct channel_rows *rows)
{
	const json_t *profiles = json_object_get(n->settings, "profiles");

	n->warnings = json_array();
	for (size_t i = 0; i < rows->count && json_array_size(n->warnings) < WARNINGS_MAX; i++) {
		const struct channel_row *row = &rows->rows[i];
		bool changed = row->origin == ORIGIN_API && !row->deleted;
		json_auto_t *definition = changed ? json_loads(row->definition, 0, NULL) : NULL;
		const char *name = unknown_profile(definition, profiles);

		if (name != NULL &&
		    json_array_append_new(n->warnings,
					  json_sprintf("channel %u, as the API has set it, has the "
						       "unknown profile '%s'",
						       (unsigned)row->id, name)) < 0)
			return -ENOMEM;
	}
	return n->warnings != NULL ? 0 : -ENOMEM;
}

/* The settings and rows of the database, resolved; unchanged ones are shared with those in force.
 * `model`: what was merged just now, or NULL. */
static int next_stored(struct store_work *w, const json_t *model, struct next *n,
		       struct store_answer *a)
{
	static const struct channel_list none = CHANNEL_LIST_INIT;
	struct channel_rows rows = CHANNEL_ROWS_INIT;
	int r = settings_stored(w, n, a);

	if (r == 0)
		r = db_token_list(w->db, &n->tokens);
	if (r == 0)
		r = db_channel_list(w->db, &rows);
	if (r == 0) {
		store_merge_trees(model, &rows);
		r = channel_entries_read(&rows, n->settings,
					 n->settings == w->settings ? &w->channels : &none,
					 &n->channels);
		if (r == -EBADMSG)
			answer_fail(a, r, "a channel in the database cannot be read");
	}
	if (r == 0 && model != NULL)
		r = warn_of_profiles(n, &rows);
	channel_rows_done(&rows);
	return r;
}

/* What the master itself follows; NULL without memory. */
static json_t *settings_of(const json_t *model)
{
	static const char *const keys[] = {"server",	"media_root", "media_limit_mb", "epg",
					   "streaming", "region",     "hooks"};
	json_t *part = json_object();

	for (size_t i = 0; i < array_size(keys); i++) {
		const json_t *value = json_object_get(model, keys[i]);

		if (value != NULL &&
		    json_object_set_new(part, keys[i], json_deep_copy(value)) < 0) {
			json_decref(part);
			return NULL;
		}
	}
	return part;
}

/* `result`: the loader's, with a model. */
static void load_model(struct store_work *w, const json_t *result, const struct discard *discard,
		       int64_t wall_us, struct store_answer *a)
{
	const json_t *model = json_object_get(result, "model");
	/* what option_memory.h wants to be kept, or NULL */
	const char *options = json_string_value(json_object_get(result, "options"));
	struct next next = {0};
	bool changed = false;
	int r = db_begin(w->db);

	if (r == 0) {
		r = store_merge(w->db, model, discard, a->notices, &changed);
		if (r == -EINVAL)
			answer_fail(a, r, "the configuration has a channel without a usable id");
	}
	if (r == 0)
		r = next_stored(w, model, &next, a);
	if (r == 0)
		r = next_publish(w, wall_us, &next, a);
	if (r == 0)
		r = report_warnings(next.draft.publication->report, result);
	if (r == 0 && json_array_extend(json_object_get(next.draft.publication->report, "warnings"),
					next.warnings) < 0)
		r = -ENOMEM;
	if (r == 0 && options != NULL)
		r = db_meta_put(w->db, "options", options, NULL);
	if (r == 0 && changed)
		r = db_meta_put_u64(w->db, "generation", next.draft.publication->generation);
	if (r == 0)
		r = db_commit(w->db);
	next_end(w, &next, r, a);
	if (a->publication)
		a->publication->settings = settings_of(model);
}

/* The first load found no room for what it changes: streams must go on from what is stored.  If
 * nothing is, the answer stays. */
static void serve_stored(struct store_work *w, const json_t *model, int64_t wall_us,
			 struct store_answer *a)
{
	struct store_answer stored;

	assert(a->error == -ENOSPC);
	store_work_republish(w, wall_us, &stored);
	if (stored.publication == NULL) {
		store_answer_done(&stored);
		return;
	}
	store_answer_done(a);
	*a = stored;
	a->publication->settings = settings_of(model);
	a->warning = "the disk of the database is full: serving what was stored before; when there "
		     "is room, reload for the configuration file";
}

void store_work_load(struct store_work *w, const char *bytes, size_t n,
		     const struct discard *discard, int64_t wall_us, struct store_answer *ret)
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
		load_model(w, result, discard, wall_us, ret);
		if (ret->error == -ENOSPC && w->settings == NULL)
			serve_stored(w, json_object_get(result, "model"), wall_us, ret);
	}
	json_decref(result);
}

/* What is in force, once more. */
static int next_kept(const struct store_work *w, struct next *n)
{
	int r = channel_list_init(w->channels.count, &n->channels);

	if (r < 0)
		return r;
	n->settings = json_incref(w->settings);
	n->tokens = json_incref(w->tokens);
	n->settings_hash = w->settings_hash;
	channel_list_share(&n->channels, &w->channels, 0, w->channels.count);
	return 0;
}

/* The current line-up is published even if its new generation cannot be stored. */
void store_work_republish(struct store_work *w, int64_t wall_us, struct store_answer *ret)
{
	struct next next = {0};
	int r;

	*ret = (struct store_answer){0};
	r = w->settings == NULL ? next_stored(w, NULL, &next, ret) : next_kept(w, &next);
	if (r == 0)
		r = next_publish(w, wall_us, &next, ret);
	if (r < 0) {
		answer_db_fail(w, ret, r);
		next_done(&next);
		return;
	}
	r = db_begin(w->db);
	if (r == 0)
		r = db_meta_put_u64(w->db, "generation", next.draft.publication->generation);
	if (r == 0)
		r = db_commit(w->db);
	if (r < 0)
		db_rollback(w->db);
	w->error = r;
	ret->publication = next_accept(w, &next);
}

/* Writes the row that an edit makes of what is there.  -ENOENT: nothing to delete. */
static int change_row(struct store_work *w, uint32_t channel, const json_t *entry,
		      struct channel_row *row)
{
	int r = db_channel_get(w->db, channel, row);

	if (r == -ENOENT && entry != NULL) {
		*row = (struct channel_row){.id = channel};
		r = 0;
	}
	if (r < 0 || (entry == NULL && row->deleted))
		return r < 0 ? r : -ENOENT;
	row->deleted = entry == NULL;
	if (entry == NULL && !row->in_file)
		return db_channel_delete(w->db, channel);
	row->origin = ORIGIN_API;
	if (entry != NULL) {
		free(row->definition);
		row->definition = json_dumps(entry, JSON_COMPACT);
		row->tree = (json_t *)(uintptr_t)entry;
	}
	return row->definition != NULL ? db_channel_put(w->db, row, entry) : -ENOMEM;
}

/* Changes of one transaction. */
struct store_batch {
	struct next next;
	struct store_answer failed; /* of the first change that could not be made */
};

/* Opens a transaction for what is in force. */
static int batch_open(struct store_work *w)
{
	struct store_batch *b = calloc(1, sizeof(*b));
	int r = b != NULL ? next_kept(w, &b->next) : -ENOMEM;

	if (r == 0)
		r = db_begin(w->db);
	if (r == 0) {
		w->batch = b;
		return 0;
	}
	if (b != NULL)
		next_done(&b->next);
	free(b);
	return r;
}

/* What was written into a file that has been moved or deleted would be lost. */
static int change_begin(struct store_work *w, struct store_answer *a)
{
	int r;

	if (w->batch != NULL)
		return db_in_transaction(w->db) ? 0 : -EIO;
	if (w->settings == NULL) {
		answer_fail(a, -EAGAIN, "no configuration is in force yet");
		return -EAGAIN;
	}
	r = db_writable(w->db);
	if (r == -ENOENT) {
		w->error = r;
		answer_fail(a, r, "the database file was moved or deleted");
	}
	return r < 0 ? r : batch_open(w);
}

/* Writes the rows, which are the caller's also on failure. */
static int change_rows(struct store_work *w, const struct store_change *changes,
		       struct channel_rows *rows, struct store_answer *a)
{
	int r = 0;

	for (size_t count = rows->count, i = 0; i < count && r == 0; i++) {
		assert(i == 0 || changes[i - 1].channel < changes[i].channel);
		rows->count = i + 1;
		r = change_row(w, changes[i].channel, changes[i].entry, &rows->rows[i]);
		if (r == -ENOENT)
			answer_fail(a, r, "there is no channel %u", (unsigned)changes[i].channel);
	}
	return r;
}

/* Lays the rows over the channels of the transaction. */
static int change_channels(struct store_work *w, const struct channel_rows *rows,
			   const char *options)
{
	struct next *next = &w->batch->next;
	struct channel_list changed;
	int r = store_raise_highest_id(w->db, rows->rows[rows->count - 1].id, NULL);

	if (r == 0 && options != NULL)
		r = db_meta_put(w->db, "options", options, NULL);
	if (r == 0)
		r = channel_entries_change(&next->channels, next->settings, rows, &changed);
	if (r < 0)
		return r;
	channel_list_done(&next->channels);
	next->channels = changed;
	return 0;
}

/* Notes how a change went: after one that failed, the commit fails, too. */
static void change_end(struct store_work *w, int error, struct store_answer *a)
{
	a->changed = error == 0;
	if (error == 0)
		return;
	answer_db_fail(w, a, error);
	if (w->batch != NULL && w->batch->failed.error == 0)
		w->batch->failed = *a;
}

void store_work_change(struct store_work *w, const struct store_change *changes, size_t count,
		       const char *options, struct store_answer *ret)
{
	struct channel_rows rows = {.rows = calloc(count, sizeof(*rows.rows)), .count = count};
	int r;

	assert(count > 0);
	*ret = (struct store_answer){0};
	r = rows.rows != NULL ? change_begin(w, ret) : -ENOMEM;
	if (r == 0)
		r = change_rows(w, changes, &rows, ret);
	else
		rows.count = 0;
	if (r == 0)
		r = change_channels(w, &rows, options);
	channel_rows_done(&rows);
	change_end(w, r, ret);
}

const json_t *store_work_tokens(const struct store_work *w)
{
	return w->batch != NULL ? w->batch->next.tokens : w->tokens;
}

bool store_has_token(const json_t *list, const char *name)
{
	const json_t *entry;
	size_t i;

	json_array_foreach (list, i, entry) {
		const char *has = json_string_value(json_object_get(entry, "name"));

		if (has != NULL && strcmp(has, name) == 0)
			return true;
	}
	return false;
}

void store_work_token(struct store_work *w, const char *name, const json_t *entry,
		      struct store_answer *ret)
{
	json_t *tokens = NULL;
	int r;

	assert(store_has_token(store_work_tokens(w), name) == (entry == NULL));
	*ret = (struct store_answer){0};
	r = change_begin(w, ret);
	if (r == 0)
		r = entry != NULL ? db_token_add(w->db, name, entry) : db_token_delete(w->db, name);
	if (r == 0)
		r = db_token_list(w->db, &tokens);
	if (r == 0) {
		json_decref(w->batch->next.tokens);
		w->batch->next.tokens = tokens;
	}
	change_end(w, r, ret);
}

void store_work_commit(struct store_work *w, int64_t wall_us, struct store_answer *ret)
{
	_cleanup_(freep) struct store_batch *b = TAKE_PTR(w->batch);
	struct next *next = b != NULL ? &b->next : NULL;
	int r;

	*ret = (struct store_answer){0};
	if (b == NULL)
		return;
	*ret = b->failed;
	r = ret->error;
	if (r == 0 && !db_in_transaction(w->db))
		r = -EIO;
	if (r == 0)
		r = next_publish(w, wall_us, next, ret);
	if (r == 0)
		r = db_meta_put_u64(w->db, "generation", next->draft.publication->generation);
	if (r == 0)
		r = db_commit(w->db);
	next_end(w, next, r, ret);
}

size_t store_work_channel_count(const struct store_work *w)
{
	return w->batch != NULL ? w->batch->next.channels.count : w->channels.count;
}

/* Puts the rows under `streams` and `scheduled_streams`. */
static int export_channels(json_t *config, const struct channel_rows *rows)
{
	json_t *streams = json_array(), *scheduled = json_array();
	int r = 0;

	for (size_t i = 0; i < rows->count && r == 0; i++) {
		const struct channel_row *row = &rows->rows[i];
		json_t *entry = row->deleted ? NULL : json_loads(row->definition, 0, NULL);
		json_t *list = channel_row_scheduled(row, entry) ? scheduled : streams;

		if (!row->deleted && json_array_append_new(list, entry) < 0)
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

/* Those of the API behind those of the file. */
static int export_tokens(const struct store_work *w, json_t *config)
{
	json_t *to = json_object_get(json_object_get(config, "auth"), "tokens"), *entry;
	const json_t *made = store_work_tokens(w);
	int r = 0;
	size_t i;

	json_array_foreach (made, i, entry) {
		json_t *copy = json_copy(entry);

		json_object_del(copy, "created");
		if (json_array_append_new(to, copy) < 0)
			r = -ENOMEM;
	}
	return r;
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
		r = export_tokens(w, config);
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

void store_work_backup(const char *state_dir, int fd, const atomic_bool *stop,
		       struct store_answer *ret)
{
	int r = db_backup(state_dir, fd, stop);

	*ret = (struct store_answer){0};
	if (r < 0)
		answer_fail(ret, r, "the database cannot be copied: %s", strerror(-r));
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
