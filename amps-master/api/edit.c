#include "amps-master/api/edit.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include "amps-master/config/config_check.h"
#include "amps-master/config/option_memory.h"
#include "amps-master/lineup/lineup.h"
#include "amps-master/util/json.h"
#include "common/clock.h"
#include "common/text/text.h"

#define ID_RULE "must be a whole number from 0 to 2147483647"

/* One channel of the request. */
struct entry {
	uint32_t id;
	char path[24]; /* of its problems: "" or "[3]" */
	char *stored;  /* its definition in the database; NULL = there is none */
	json_t *was;   /* the same, parsed */
	json_t *wanted;
	json_t *is; /* checked */
};

struct edit {
	struct store_work *w;
	struct api_call *call;
	json_t *body;
	bool list; /* the body is an array of channels */
	struct entry *entries;
	size_t count;
	struct problems problems;
	int status; /* of a refusal that is worse than 400 */
	struct option_asks *asks;
	struct option_memory *memory;
};

static void edit_done(struct edit *e)
{
	for (size_t i = 0; i < e->count; i++) {
		free(e->entries[i].stored);
		json_decref(e->entries[i].was);
		json_decref(e->entries[i].wanted);
		json_decref(e->entries[i].is);
	}
	free(e->entries);
	json_decref(e->body);
	problems_done(&e->problems);
	option_asks_free(e->asks);
	option_memory_free(e->memory);
}

static bool is_refused(const struct edit *e)
{
	return e->call->result.status != 0;
}

/* A problem of the whole request that has a status of its own. */
static void printf_like(4, 5)
	complain(struct edit *e, int status, const struct entry *entry, const char *format, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	e->status = MAX(e->status, status);
	problems_add(&e->problems, PROBLEM_ERROR, "", 0, entry->path, "%s", text);
}

/* ---------- the body ---------- */

static void read_body(struct edit *e)
{
	struct api_call *c = e->call;

	e->body = call_read_body(c);
	if (e->body != NULL && c->m.bytes > HTTP_BODY_MAX && !json_is_array(e->body))
		call_fail(c, 413, "the request body is too large");
}

static bool make_entries(struct edit *e, size_t count)
{
	e->entries = calloc(count, sizeof(*e->entries));
	if (e->entries == NULL) {
		call_fail(e->call, 503, "out of memory");
		return false;
	}
	e->count = count;
	return true;
}

/* ---------- new channels ---------- */

/* Reads the row of an id; a tombstone counts as none.  False: the database cannot be read. */
static bool read_stored(struct edit *e, struct entry *entry)
{
	struct channel_row row = {0};
	int r = db_channel_get(e->w->db, entry->id, &row);

	if (r == 0 && row.deleted)
		free(row.definition);
	else if (r == 0)
		entry->stored = row.definition;
	if (entry->stored != NULL)
		entry->was = json_loads(entry->stored, 0, NULL);
	if (r == 0 || r == -ENOENT)
		return true;
	if (!is_refused(e))
		call_fail(e->call, 503, "the database cannot be read: %s", strerror(-r));
	return false;
}

/* 1: the entry names an id, 0: it does not, -EINVAL. */
static int named_id(const json_t *from, uint32_t *ret)
{
	const json_t *id = json_object_get(from, "id");
	uint64_t value;

	if (id == NULL || json_is_null(id))
		return 0;
	if (json_is_string(id) &&
	    text_parse_u64(json_string_value(id), CHANNEL_ID_MAX, &value) == 0) {
		*ret = (uint32_t)value;
		return 1;
	}
	if (!json_is_integer(id) || json_integer_value(id) < 0 ||
	    json_integer_value(id) > CHANNEL_ID_MAX)
		return -EINVAL;
	*ret = (uint32_t)json_integer_value(id);
	return 1;
}

static char *id_key(uint32_t id, char key[16])
{
	snprintf(key, 16, "%u", (unsigned)id);
	return key;
}

/* Gives an entry the id that it names. */
static void claim_named(struct edit *e, struct entry *entry, json_t *claimed)
{
	char key[16];

	if (json_object_get(claimed, id_key(entry->id, key)) != NULL) {
		complain(e, 409, entry, "id: %u is named twice", (unsigned)entry->id);
		return;
	}
	json_object_set_new(claimed, key, json_true());
	if (!read_stored(e, entry) || entry->stored == NULL)
		return;
	complain(e, 409, entry, "id: %u is already the id of %s", (unsigned)entry->id,
		 json_object_get(entry->was, "schedule") != NULL ? "a scheduled channel"
								 : "another channel");
}

/* The next free ids, for the entries that name none. */
static void claim_next(struct edit *e, const json_t *claimed)
{
	uint64_t next = 0;
	int r = db_meta_get_u64(e->w->db, "highest_id", &next);
	char key[16];

	if (r < 0 && r != -ENOENT) {
		call_fail(e->call, 503, "the database cannot be read: %s", strerror(-r));
		return;
	}
	for (size_t i = 0; i < e->count; i++) {
		struct entry *entry = &e->entries[i];

		if (json_object_get(entry->wanted, "id") != NULL)
			continue;
		do
			next++;
		while (next <= CHANNEL_ID_MAX &&
		       json_object_get(claimed, id_key((uint32_t)next, key)) != NULL);
		if (next > CHANNEL_ID_MAX) {
			complain(e, 409, entry, "id: there is no higher one left; name a free one");
			return;
		}
		entry->id = (uint32_t)next;
	}
}

static void remove_nulls(json_t *object)
{
	const char *key;
	json_t *value;
	void *next;

	json_object_foreach_safe(object, next, key, value) if (json_is_null(value))
		json_object_del(object, key);
}

static void read_new(struct edit *e)
{
	json_auto_t *claimed = json_object();
	size_t count = json_is_array(e->body) ? json_array_size(e->body) : 1;
	size_t most = e->call->worker == API_NO_WORKER ? CHANNELS_MAX : API_ENTRIES_MAX;

	e->list = json_is_array(e->body);
	if (count == 0 && e->call->m.operation == API_IMPORT) {
		call_succeed(e->call, 200, json_array());
		return;
	}
	if (count == 0 || count > most) {
		call_fail(e->call, 400, "a list has from 1 to %zu channels", most);
		return;
	}
	if (!make_entries(e, count))
		return;
	for (size_t i = 0; i < count; i++) {
		struct entry *entry = &e->entries[i];
		int named;

		if (e->list)
			snprintf(entry->path, sizeof(entry->path), "[%zu]", i);
		entry->wanted = json_incref(e->list ? json_array_get(e->body, i) : e->body);
		if (!json_is_object(entry->wanted)) {
			complain(e, 400, entry, "must be an object");
			continue;
		}
		remove_nulls(entry->wanted);
		named = named_id(entry->wanted, &entry->id);
		if (named < 0)
			complain(e, 400, entry, "id: " ID_RULE);
		else if (named > 0)
			claim_named(e, entry, claimed);
	}
	if (!is_refused(e))
		claim_next(e, claimed);
}

/* ---------- a source ---------- */

static bool is_of_source(const char *key)
{
	return strcmp(key, "source") == 0 || strcmp(key, "input_options") == 0 ||
	       strcmp(key, "input_args") == 0 || strcmp(key, "interface") == 0 ||
	       strcmp(key, "proxy") == 0;
}

/* A source is checked as that of a channel which copies it. */
static void read_source(struct edit *e)
{
	struct entry *entry;
	const char *key;
	json_t *value;

	if (!make_entries(e, 1))
		return;
	entry = &e->entries[0];
	json_object_foreach (e->body, key, value)
		if (!is_of_source(key))
			complain(e, 400, entry, "%s: is no field of a source", key);
	if (!json_is_object(e->body)) {
		call_fail(e->call, 400, "the body must be an object");
		return;
	}
	entry->wanted = json_copy(e->body);
	json_object_update_new(entry->wanted,
			       json_pack("{s:s, s:s}", "name", "probe", "ffmpeg_profile", "copy"));
	remove_nulls(entry->wanted);
}

/* What amps-transcoder is to probe. */
static void take_probe(struct edit *e)
{
	const struct channel_entry entry = {.definition = e->entries[0].is};
	struct lineup_channel *channel = NULL;
	int r = lineup_channel_new(e->w->settings, &entry, 0, &channel);

	if (r < 0)
		call_fail(e->call, 503, "%s", strerror(-r));
	else if (channel->tuners[0].unavailable != NULL)
		call_fail(e->call, 502, "%s", channel->tuners[0].unavailable);
	else
		e->call->probe = strdup(channel->tuners[0].sources[0].spec);
	if (e->call->probe == NULL && !is_refused(e))
		call_fail(e->call, 503, "out of memory");
	lineup_channel_unref(channel);
}

/* ---------- channels that are there ---------- */

/* Is the entry's tag in If-Match?  Strong comparison (RFC 9110 section 13.1.1). */
static bool match_holds(const char *match, const char *etag)
{
	size_t n = strlen(etag);

	while (*match != '\0') {
		match += strspn(match, " \t,");
		if (*match == '*')
			return true;
		if (match[0] == '"' && strncmp(match + 1, etag, n) == 0 && match[n + 1] == '"')
			return true;
		match += strcspn(match, ",");
	}
	return false;
}

/* The one channel that the request names. */
static struct entry *find_entry(struct edit *e)
{
	struct api_call *c = e->call;
	struct entry *entry;

	if (!make_entries(e, 1))
		return NULL;
	entry = &e->entries[0];
	entry->id = (uint32_t)c->m.id;
	if (!read_stored(e, entry))
		return NULL;
	if (entry->was == NULL) {
		call_fail(c, 404, "there is no channel %u", (unsigned)entry->id);
		return NULL;
	}
	call_set_etag(c, entry->stored);
	if (c->m.match[0] != '\0' && !match_holds(c->m.match, c->result.etag)) {
		call_fail(c, 412, "the channel has changed since it was read");
		return NULL;
	}
	return entry;
}

static void read_change(struct edit *e)
{
	struct entry *entry = find_entry(e);
	const char *key;
	json_t *value;

	if (entry == NULL)
		return;
	if (!json_is_object(e->body)) {
		call_fail(e->call, 400, "the body must be an object");
		return;
	}
	entry->wanted = json_copy(entry->was);
	json_object_foreach (e->body, key, value)
		if (strcmp(key, "id") != 0)
			json_object_set(entry->wanted, key, value);
	remove_nulls(entry->wanted);
}

static void read_change_of_programs(struct edit *e)
{
	struct entry *entry = find_entry(e);
	const json_t *program;
	size_t i;

	if (entry == NULL)
		return;
	if (!json_is_array(e->body)) {
		call_fail(e->call, 400, "the body must be an array of programmes");
		return;
	}
	/* in a file a programme may be without a title: it then has the channel's name */
	json_array_foreach (e->body, i, program)
		if (!json_read_has(program, "title"))
			complain(e, 400, entry, "next_programs[%zu]: 'title' is missing", i);
	entry->wanted = json_copy(entry->was);
	json_object_set(entry->wanted, "next_programs", e->body);
}

/* ---------- the rules ---------- */

static void add_command(json_t *list, const json_t *owner)
{
	json_t *command = json_object_get(owner, "custom_ffmpeg");

	if (command != NULL)
		json_array_append(list, command);
}

/* Every command of a definition, in order. */
static json_t *commands_of(const json_t *definition)
{
	static const char *const lists[] = {"sources", "adaptive_bitrates"};
	json_t *commands = json_array(), *item;
	size_t i;

	add_command(commands, definition);
	for (size_t k = 0; k < array_size(lists); k++)
		json_array_foreach (json_object_get(definition, lists[k]), i, item)
			add_command(commands, item);
	return commands;
}

static bool any_shell(const json_t *commands)
{
	size_t i;
	json_t *command;

	/* the check takes texts and numbers for booleans, too */
	json_array_foreach (commands, i, command)
		if (json_object_get(command, "shell") != NULL &&
		    !json_is_false(json_object_get(command, "shell")))
			return true;
	return false;
}

/* A token that every player carries must not run programs. */
static void check_commands(struct edit *e, const struct entry *entry)
{
	json_auto_t *was = commands_of(entry->was), *is = commands_of(entry->is);
	bool named = json_read_has(json_object_get(e->w->settings, "auth"), "admin_token");

	if (json_equal(was, is))
		return;
	if (any_shell(is))
		complain(e, 403, entry,
			 "custom_ffmpeg: a command with shell can be set in the configuration file "
			 "only");
	else if (e->call->rights < API_COMMANDS)
		complain(e, 403, entry,
			 "custom_ffmpeg: only auth.admin_token may change a command%s",
			 named ? "" : ", and the configuration has none");
}

/* Another machine must not choose files and devices of this one, which viewers would see. */
static void check_source(struct edit *e, const struct entry *entry)
{
	const char *source = json_string_value(json_object_get(entry->wanted, "source"));

	if (e->call->foreign && source != NULL && text_is_local(source))
		complain(e, 400, entry,
			 "source: is local; a list from a URL may not name files of this machine, "
			 "send it as m3u if this is intended");
}

static void check_entry(struct edit *e, struct entry *entry)
{
	int r;

	if (!json_is_object(entry->wanted))
		return;
	check_source(e, entry);
	json_object_set_new(entry->wanted, "id", json_integer(entry->id));
	r = config_check_channel(entry->wanted, entry->path,
				 json_object_get(e->w->settings, "profiles"), e->asks, &e->problems,
				 &entry->is);
	assert(r != -EINVAL || e->problems.errors > 0);
	if (r == -ENOMEM && !is_refused(e))
		call_fail(e->call, 503, "out of memory");
	else if (r == 0)
		check_commands(e, entry);
}

/* Lets the memory, or the verdicts that were asked for, judge the options.  False: they must be
 * asked for first. */
static bool judge_options(struct edit *e)
{
	struct api_call *c = e->call;
	_cleanup_(freep) char *text = NULL;
	json_t *open;
	int r = db_meta_get(e->w->db, "options", &text);

	e->memory = option_memory_new(NULL);
	if (e->memory == NULL || (r < 0 && r != -ENOENT)) {
		call_fail(c, 503, "the database cannot be read: %s", strerror(-r));
		return false;
	}
	option_memory_read(e->memory, text);
	open = option_asks_recall(e->asks, e->memory);
	if (json_array_size(open) > 0 && c->verdicts == NULL && e->problems.errors == 0) {
		c->questions = open;
		return false;
	}
	json_decref(open);
	option_asks_judge(e->asks, e->memory, c->verdicts, NULL, "", &e->problems);
	return true;
}

/* [{"path", "message"}] of the errors. */
static json_t *problem_list(const struct edit *e)
{
	json_t *list = json_array(), *item;
	size_t i;

	json_array_foreach (e->problems.list, i, item)
		if (strcmp(json_string_value(json_object_get(item, "severity")), "error") == 0)
			json_array_append_new(
				list, json_pack("{s:O, s:O}", "path", json_object_get(item, "path"),
						"message", json_object_get(item, "message")));
	return list;
}

/* "name: must not be empty; source: ..." */
static void refuse(struct edit *e)
{
	json_t *list = problem_list(e), *item;
	_cleanup_(buf_done) struct buf text = BUF_INIT;
	size_t i;

	json_array_foreach (list, i, item) {
		const char *path = json_string_value(json_object_get(item, "path"));

		buf_printf(&text, "%s%s%s%s", i > 0 ? "; " : "", path, path[0] != '\0' ? ": " : "",
			   json_string_value(json_object_get(item, "message")));
	}
	call_refuse(e->call, MAX(e->status, 400), text.data != NULL ? text.data : "refused", list);
}

/* False: the request is refused, or waits for libav. */
static bool check_entries(struct edit *e)
{
	e->asks = option_asks_new();
	if (e->asks == NULL) {
		call_fail(e->call, 503, "out of memory");
		return false;
	}
	for (size_t i = 0; i < e->count && !is_refused(e); i++)
		check_entry(e, &e->entries[i]);
	if (is_refused(e) || !judge_options(e))
		return false;
	if (e->problems.errors > 0)
		refuse(e);
	else if (store_work_channel_count(e->w) + e->count > CHANNELS_MAX &&
		 e->entries[0].was == NULL && e->call->m.operation != API_PROBE)
		call_fail(e->call, 409, "a line-up has at most %d channels", CHANNELS_MAX);
	return !is_refused(e);
}

/* ---------- storing ---------- */

static int by_id(const void *a, const void *b)
{
	const struct store_change *x = a, *y = b;

	return x->channel < y->channel ? -1 : x->channel > y->channel;
}

static bool store_entries(struct edit *e, struct store_answer *ret)
{
	_cleanup_(freep) struct store_change *changes = calloc(e->count, sizeof(*changes));
	_cleanup_(freep) char *options = NULL;

	if (changes == NULL) {
		call_fail(e->call, 503, "out of memory");
		return false;
	}
	if (e->call->deadline_us > 0 && clock_mono_us() > e->call->deadline_us) {
		call_fail(e->call, 503, "the request had to wait too long; nothing is changed");
		return false;
	}
	for (size_t i = 0; i < e->count; i++)
		changes[i] = (struct store_change){e->entries[i].id, e->entries[i].is};
	qsort(changes, e->count, sizeof(*changes), by_id);
	if (e->memory != NULL) {
		option_memory_keep(e->memory);
		options = option_memory_text(e->memory);
	}
	store_work_change(e->w, changes, e->count, options, ret);
	return ret->changed;
}

static void answer_list(struct edit *e)
{
	json_t *list = json_array();

	for (size_t i = 0; i < e->count; i++)
		json_array_append(list, e->entries[i].is);
	call_succeed(e->call, e->call->m.dry_run ? 200 : 201, list);
}

static void answer(struct edit *e)
{
	struct api_call *c = e->call;
	struct entry *entry = &e->entries[0];
	char *text = entry->is != NULL ? json_dumps(entry->is, JSON_COMPACT) : NULL;
	json_t *programs = json_object_get(entry->is, "next_programs");

	c->result.etag[0] = '\0';
	if (text != NULL && !e->list)
		call_set_etag(c, text);
	if (c->m.operation == API_STREAM_DELETE) {
		call_succeed(c, 200,
			     json_pack("{s:s, s:O}", "message", "Stream deleted successfully",
				       "stream", entry->was));
	} else if (c->m.operation == API_PROGRAMS_CHANGE) {
		call_succeed(c, 200, programs != NULL ? json_incref(programs) : json_array());
	} else if (e->list) {
		answer_list(e);
	} else {
		call_succeed_text(c, c->m.operation == API_STREAM_ADD ? 201 : 200, TAKE_PTR(text));
	}
	free(text);
}

static void read_request(struct edit *e)
{
	switch (e->call->m.operation) {
	case API_STREAM_ADD:
	case API_IMPORT:
		read_new(e);
		break;
	case API_PROBE:
		read_source(e);
		break;
	case API_STREAM_CHANGE:
		read_change(e);
		break;
	case API_PROGRAMS_CHANGE:
		read_change_of_programs(e);
		break;
	default:
		find_entry(e);
		break;
	}
}

void edit_run(struct store_work *w, void *call, int64_t wall_us, struct store_answer *ret)
{
	struct edit e = {.w = w, .call = call};
	bool deletes = e.call->m.operation == API_STREAM_DELETE;

	(void)wall_us;
	*ret = (struct store_answer){0};
	call_reset(e.call); /* it may have run in a transaction that failed */
	if (problems_init(&e.problems) < 0)
		call_fail(e.call, 503, "out of memory");
	else if (!deletes)
		read_body(&e);
	if (!is_refused(&e))
		read_request(&e);
	if (!is_refused(&e) && (deletes || check_entries(&e))) {
		if (e.call->m.operation == API_PROBE)
			take_probe(&e);
		else if (e.call->m.dry_run || store_entries(&e, ret))
			answer(&e);
	}
	if (is_refused(&e) && e.call->result.status >= 400)
		e.call->result.etag[0] = '\0';
	edit_done(&e);
}
