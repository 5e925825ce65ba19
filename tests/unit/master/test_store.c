#include "amps-master/store/store.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include "amps-master/store/store_work.h"
#include "common/shm/catalog.h"
#include "snapshots.h"
#include "state_folder.h"

#define NOW 1700000000000000ll /* 2023-11-14T22:13:20Z */

static const char two[] =
	"{'problems':[],'model':{'auth':{'enabled':false},'profiles':{},'streams':["
	"{'id':1,'name':'A','source':'a.ts','ffmpeg_profile':'copy'},"
	"{'id':2,'name':'B','source':'b.ts','ffmpeg_profile':'copy'}],'scheduled_streams':[]}}";

/* Single quotes read better in C. */
static char *quoted(const char *text)
{
	char *copy = strdup(text);

	for (char *p = copy; *p != '\0'; p++)
		if (*p == '\'')
			*p = '"';
	return copy;
}

static void work_open(struct state_folder *f, struct store_work *w)
{
	char text[512] = "";

	cr_assert_eq(store_work_open(f->state, w, text, sizeof(text)), 0, "%s", text);
}

static struct store_answer load(struct store_work *w, const char *result)
{
	struct store_answer a;
	char *bytes = quoted(result);

	store_work_load(w, bytes, strlen(bytes), &DISCARD_NOTHING, NOW, &a);
	free(bytes);
	return a;
}

/* Compares what was added, changed, removed and noted with the expected JSON; frees the answer. */
static void check_answer(struct store_answer *a, const char *expected)
{
	char *wanted_text = quoted(expected), *is_text;
	json_t *wanted = json_loads(wanted_text, 0, NULL), *is = json_object();
	static const char *const keys[] = {"added", "changed", "removed"};

	cr_assert_eq(a->error, 0, "%s", a->text);
	for (size_t i = 0; i < 3; i++) {
		json_t *ids = json_array(), *item;
		size_t n;

		json_array_foreach (json_object_get(a->publication->report, keys[i]), n, item)
			json_array_append(ids, json_object_get(item, "id"));
		json_object_set_new(is, keys[i], ids);
	}
	json_object_set_new(is, "notices", json_integer((json_int_t)json_array_size(a->notices)));
	is_text = json_dumps(is, JSON_COMPACT);
	cr_assert(json_equal(is, wanted), "%s", is_text);
	free(is_text);
	free(wanted_text);
	json_decref(is);
	json_decref(wanted);
	store_answer_done(a);
}

static void check_load(struct store_work *w, const char *result, const char *expected)
{
	struct store_answer a = load(w, result);

	check_answer(&a, expected);
}

/* Each change is a transaction. */
static void change_all(struct store_work *w, const struct store_change *changes, size_t count,
		       struct store_answer *ret)
{
	struct store_answer changed;

	store_work_change(w, changes, count, NULL, &changed);
	store_work_commit(w, NOW, ret);
	cr_assert_eq(changed.changed, ret->error == 0 && changed.error == 0);
	if (changed.error < 0)
		*ret = changed;
	else
		store_answer_done(&changed);
}

/* What the API will do; NULL deletes.  Compares as check_load() does. */
static void change(struct store_work *w, uint32_t id, const char *definition, const char *expected)
{
	struct store_answer a;
	char *text = definition != NULL ? quoted(definition) : NULL;
	json_t *entry = text != NULL ? json_loads(text, 0, NULL) : NULL;

	change_all(w, &(struct store_change){id, entry}, 1, &a);
	check_answer(&a, expected);
	json_decref(entry);
	free(text);
}

static void check_refused_change(struct store_work *w, uint32_t id, json_t *entry, int error)
{
	struct store_answer a;

	change_all(w, &(struct store_change){id, entry}, 1, &a);
	cr_assert_eq(a.error, error, "%s", a.text);
	cr_assert_null(a.publication);
	store_answer_done(&a);
}

static char *name_of(struct store_work *w, uint32_t id)
{
	struct channel_rows rows = CHANNEL_ROWS_INIT;
	const struct channel_row *row;
	char *name = NULL;
	json_t *entry;

	cr_assert_eq(db_channel_list(w->db, &rows), 0);
	row = channel_rows_find(&rows, id);
	if (row != NULL) {
		entry = json_loads(row->definition, 0, NULL);
		name = strdup(json_string_value(json_object_get(entry, "name")));
		json_decref(entry);
	}
	channel_rows_done(&rows);
	return name;
}

static void check_name(struct store_work *w, uint32_t id, const char *expected)
{
	char *name = name_of(w, id);

	if (expected == NULL)
		cr_assert_null(name, "%s", name);
	else
		cr_assert(name != NULL && strcmp(name, expected) == 0, "%s", name);
	free(name);
}

Test(store, a_file_is_loaded_and_loaded_again)
{
	struct state_folder f;
	struct store_work w;
	uint64_t generation = 0;

	state_folder_make(&f);
	work_open(&f, &w);
	check_load(&w, two, "{'added':[1,2],'changed':[],'removed':[],'notices':0}");
	check_load(&w, two, "{'added':[],'changed':[],'removed':[],'notices':0}");
	cr_assert_eq(w.publisher.generation, 2);
	/* the second load wrote nothing */
	cr_assert_eq(db_meta_get_u64(w.db, "generation", &generation), 0);
	cr_assert_eq(generation, 1);
	check_load(&w,
		   "{'model':{'auth':{'enabled':false},'streams':["
		   "{'id':2,'name':'B','source':'c.ts','ffmpeg_profile':'copy'},"
		   "{'id':7,'name':'G','source':'g.ts','ffmpeg_profile':'copy'}]}}",
		   "{'added':[7],'changed':[2],'removed':[1],'notices':0}");
	cr_assert_eq(db_meta_get_u64(w.db, "highest_id", &generation), 0);
	cr_assert_eq(generation, 7);
	check_load(&w, two, "{'added':[1],'changed':[2],'removed':[7],'notices':0}");
	cr_assert_eq(db_meta_get_u64(w.db, "highest_id", &generation), 0);
	cr_assert_eq(generation, 7);
	store_work_close(&w);
	/* the next start goes on counting */
	work_open(&f, &w);
	cr_assert_geq(w.publisher.generation, 4);
	store_work_close(&w);
	state_folder_remove(&f);
}

Test(store, settings_alone_change)
{
	struct state_folder f;
	struct store_work w;

	state_folder_make(&f);
	work_open(&f, &w);
	check_load(&w,
		   "{'model':{'auth':{'enabled':false},'profiles':{'p':{'vcodec':'libx264'}},"
		   "'streams':[{'id':1,'name':'A','source':'a.ts','ffmpeg_profile':'p'},"
		   "{'id':2,'name':'B','source':'b.ts','ffmpeg_profile':'copy'}]}}",
		   "{'added':[1,2],'changed':[],'removed':[],'notices':0}");
	check_load(&w,
		   "{'model':{'auth':{'enabled':false},'profiles':{'p':{'vcodec':'libx265'}},"
		   "'streams':[{'id':1,'name':'A','source':'a.ts','ffmpeg_profile':'p'},"
		   "{'id':2,'name':'B','source':'b.ts','ffmpeg_profile':'copy'}]}}",
		   "{'added':[],'changed':[1],'removed':[],'notices':0}");
	store_work_close(&w);
	state_folder_remove(&f);
}

Test(store, an_api_change_stays_until_the_entry_changes)
{
	struct state_folder f;
	struct store_work w;

	state_folder_make(&f);
	work_open(&f, &w);
	check_load(&w, two, "{'added':[1,2],'changed':[],'removed':[],'notices':0}");
	change(&w, 1, "{'id':1,'name':'by API','source':'a.ts','ffmpeg_profile':'copy'}",
	       "{'added':[],'changed':[1],'removed':[],'notices':0}");
	/* the other entry changes: this one's API change stays */
	check_load(&w,
		   "{'model':{'auth':{'enabled':false},'streams':["
		   "{'id':1,'name':'A','source':'a.ts','ffmpeg_profile':'copy'},"
		   "{'id':2,'name':'B2','source':'b.ts','ffmpeg_profile':'copy'}]}}",
		   "{'added':[],'changed':[2],'removed':[],'notices':0}");
	check_name(&w, 1, "by API");
	/* now it changes itself: the file wins, with a line in the log */
	check_load(&w,
		   "{'model':{'auth':{'enabled':false},'streams':["
		   "{'id':1,'name':'A2','source':'a.ts','ffmpeg_profile':'copy'},"
		   "{'id':2,'name':'B2','source':'b.ts','ffmpeg_profile':'copy'}]}}",
		   "{'added':[],'changed':[1],'removed':[],'notices':1}");
	check_name(&w, 1, "A2");
	store_work_close(&w);
	state_folder_remove(&f);
}

Test(store, a_tombstone_stays_until_the_entry_changes)
{
	struct state_folder f;
	struct store_work w;

	state_folder_make(&f);
	work_open(&f, &w);
	check_load(&w, two, "{'added':[1,2],'changed':[],'removed':[],'notices':0}");
	change(&w, 2, NULL, "{'added':[],'changed':[],'removed':[2],'notices':0}");
	check_refused_change(&w, 2, NULL, -ENOENT);
	check_load(&w, two, "{'added':[],'changed':[],'removed':[],'notices':0}");
	check_load(&w, two, "{'added':[],'changed':[],'removed':[],'notices':0}");
	check_load(&w,
		   "{'model':{'auth':{'enabled':false},'streams':["
		   "{'id':1,'name':'A','source':'a.ts','ffmpeg_profile':'copy'},"
		   "{'id':2,'name':'B','source':'z.ts','ffmpeg_profile':'copy'}]}}",
		   "{'added':[2],'changed':[],'removed':[],'notices':1}");
	/* deleted through the API, then gone from the file: forgotten, and free to come back */
	change(&w, 2, NULL, "{'added':[],'changed':[],'removed':[2],'notices':0}");
	check_load(&w,
		   "{'model':{'auth':{'enabled':false},'streams':["
		   "{'id':1,'name':'A','source':'a.ts','ffmpeg_profile':'copy'}]}}",
		   "{'added':[],'changed':[],'removed':[],'notices':0}");
	check_name(&w, 2, NULL);
	check_load(&w, two, "{'added':[2],'changed':[],'removed':[],'notices':0}");
	store_work_close(&w);
	state_folder_remove(&f);
}

Test(store, a_channel_of_the_api_is_its_own)
{
	struct state_folder f;
	struct store_work w;

	state_folder_make(&f);
	work_open(&f, &w);
	check_load(&w, two, "{'added':[1,2],'changed':[],'removed':[],'notices':0}");
	change(&w, 3, "{'id':3,'name':'New','source':'n.ts','ffmpeg_profile':'copy'}",
	       "{'added':[3],'changed':[],'removed':[],'notices':0}");
	check_load(&w, two, "{'added':[],'changed':[],'removed':[],'notices':0}");
	check_name(&w, 3, "New");
	/* the file gets an entry of that id: it is new there, so it wins */
	check_load(&w,
		   "{'model':{'auth':{'enabled':false},'streams':["
		   "{'id':1,'name':'A','source':'a.ts','ffmpeg_profile':'copy'},"
		   "{'id':3,'name':'C','source':'c.ts','ffmpeg_profile':'copy'}]}}",
		   "{'added':[],'changed':[3],'removed':[2],'notices':1}");
	check_name(&w, 3, "C");
	/* changed through the API, then removed from the file */
	change(&w, 3, "{'id':3,'name':'D','source':'c.ts','ffmpeg_profile':'copy'}",
	       "{'added':[],'changed':[3],'removed':[],'notices':0}");
	check_load(&w, two, "{'added':[2],'changed':[],'removed':[3],'notices':1}");
	check_name(&w, 3, NULL);
	store_work_close(&w);
	state_folder_remove(&f);
}

/* The same file again, but what the API did is discarded. */
static void check_discard(struct store_work *w, const struct discard *discard, const char *expected)
{
	struct store_answer a;
	char *bytes = quoted(two);

	store_work_load(w, bytes, strlen(bytes), discard, NOW, &a);
	free(bytes);
	check_answer(&a, expected);
}

Test(store, changes_of_the_api_can_be_discarded)
{
	const struct discard one = {.count = 1, .ids = {2}}, all = {.all = true};
	struct state_folder f;
	struct store_work w;

	state_folder_make(&f);
	work_open(&f, &w);
	check_load(&w, two, "{'added':[1,2],'changed':[],'removed':[],'notices':0}");
	change(&w, 1, "{'id':1,'name':'by API','source':'a.ts','ffmpeg_profile':'copy'}",
	       "{'added':[],'changed':[1],'removed':[],'notices':0}");
	change(&w, 2, NULL, "{'added':[],'changed':[],'removed':[2],'notices':0}");
	change(&w, 3, "{'id':3,'name':'New','source':'n.ts','ffmpeg_profile':'copy'}",
	       "{'added':[3],'changed':[],'removed':[],'notices':0}");
	check_discard(&w, &one, "{'added':[2],'changed':[],'removed':[],'notices':1}");
	check_name(&w, 1, "by API");
	check_name(&w, 2, "B");
	check_discard(&w, &all, "{'added':[],'changed':[1],'removed':[3],'notices':2}");
	check_name(&w, 1, "A");
	check_name(&w, 3, NULL);
	check_discard(&w, &all, "{'added':[],'changed':[],'removed':[],'notices':0}");
	store_work_close(&w);
	state_folder_remove(&f);
}

Test(store, a_changed_channel_leaves_the_others_resolved)
{
	struct state_folder f;
	struct store_work w;
	struct lineup_channel *first, *second;

	state_folder_make(&f);
	work_open(&f, &w);
	check_refused_change(&w, 1, NULL, -EAGAIN); /* nothing is in force yet */
	check_load(&w, two, "{'added':[1,2],'changed':[],'removed':[],'notices':0}");
	first = w.channels.at[0];
	second = w.channels.at[1];
	change(&w, 2, "{'id':2,'name':'B2','source':'b.ts','ffmpeg_profile':'copy'}",
	       "{'added':[],'changed':[2],'removed':[],'notices':0}");
	cr_assert_eq(w.channels.at[0], first);
	cr_assert_neq(w.channels.at[1], second);
	second = w.channels.at[1];
	/* so does a load of an unchanged file */
	check_load(&w, two, "{'added':[],'changed':[],'removed':[],'notices':0}");
	cr_assert_eq(w.channels.at[0], first);
	cr_assert_eq(w.channels.at[1], second);
	/* a setting that every channel depends on */
	check_load(&w,
		   "{'model':{'auth':{'enabled':false},'streaming':{'stall_timeout':9},"
		   "'profiles':{},'streams':["
		   "{'id':1,'name':'A','source':'a.ts','ffmpeg_profile':'copy'},"
		   "{'id':2,'name':'B','source':'b.ts','ffmpeg_profile':'copy'}]}}",
		   "{'added':[],'changed':[1,2],'removed':[],'notices':0}");
	/* in force after a restart too */
	store_work_close(&w);
	work_open(&f, &w);
	check_name(&w, 2, "B2");
	store_work_close(&w);
	state_folder_remove(&f);
}

Test(store, a_change_that_cannot_be_stored_changes_nothing)
{
	struct state_folder f;
	struct store_work w;
	sqlite3 *other;
	char path[128];
	json_t *entry = json_pack("{si ss}", "id", 9, "name", "N");

	state_folder_make(&f);
	work_open(&f, &w);
	check_load(&w, two, "{'added':[1,2],'changed':[],'removed':[],'notices':0}");
	state_folder_file(&f, "amps.db", path);
	cr_assert_eq(sqlite3_open(path, &other), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	check_refused_change(&w, 9, entry, -EBUSY);
	check_refused_change(&w, 1, NULL, -EBUSY);
	cr_assert_eq(w.channels.count, 2);
	cr_assert_eq(w.publisher.generation, 1);
	cr_assert_eq(sqlite3_close(other), SQLITE_OK);
	json_decref(entry);
	change(&w, 1, NULL, "{'added':[],'changed':[],'removed':[1],'notices':0}");
	store_work_close(&w);
	state_folder_remove(&f);
}

Test(store, a_refused_file_changes_nothing)
{
	struct state_folder f;
	struct store_work w;
	struct store_answer a;

	state_folder_make(&f);
	work_open(&f, &w);
	check_load(&w, two, "{'added':[1,2],'changed':[],'removed':[],'notices':0}");
	a = load(
		&w,
		"{'errors':2,'problems':[{'severity':'error','file':'c.yaml','line':3,'path':'streams',"
		"'message':'m'},{'severity':'warning'},{'severity':'error'}]}");
	cr_assert_eq(a.error, -EINVAL);
	cr_assert_str_eq(a.text, "2 problems");
	cr_assert_eq(json_array_size(a.problems), 3);
	cr_assert_null(a.publication);
	store_answer_done(&a);
	a = load(&w, "{'errors':1,'problems':[{'severity':'error'}],'model':null}");
	cr_assert_str_eq(a.text, "1 problem");
	store_answer_done(&a);
	a = load(&w, "{'problems':");
	cr_assert_eq(a.error, -EBADMSG);
	store_answer_done(&a);
	a = load(&w, "");
	cr_assert_eq(a.error, -EBADMSG);
	store_answer_done(&a);
	a = load(&w, "{'model':{'streams':[{'id':1,'name':'X'},{'id':1,'name':'Y'}]}}");
	cr_assert_eq(a.error, -EINVAL);
	store_answer_done(&a);
	a = load(&w, "{'model':{'streams':[{'name':'X'}]}}");
	cr_assert_eq(a.error, -EINVAL);
	store_answer_done(&a);
	check_name(&w, 1, "A");
	check_load(&w, two, "{'added':[],'changed':[],'removed':[],'notices':0}");
	store_work_close(&w);
	state_folder_remove(&f);
}

Test(store, warnings_of_the_file_are_reported)
{
	struct state_folder f;
	struct store_work w;
	struct store_answer a;
	json_t *warnings;

	state_folder_make(&f);
	work_open(&f, &w);
	a = load(&w, "{'problems':[{'severity':'warning','file':'c.yaml','line':3,"
		     "'path':'auth.token','message':'is the example'}],"
		     "'model':{'auth':{'token':'x','tokens':[{'token':'y','expires':'z'}]}}}");
	cr_assert_eq(a.error, 0, "%s", a.text);
	warnings = json_object_get(a.publication->report, "warnings");
	cr_assert_eq(json_array_size(warnings), 2);
	cr_assert_str_eq(json_string_value(json_array_get(warnings, 0)),
			 "c.yaml:3: auth.token: is the example");
	store_answer_done(&a);
	store_work_close(&w);
	state_folder_remove(&f);
}

Test(store, republish_needs_something_loaded)
{
	struct state_folder f;
	struct store_work w;
	struct store_answer a;

	state_folder_make(&f);
	work_open(&f, &w);
	store_work_republish(&w, NOW, &a);
	cr_assert_eq(a.error, -ENOENT);
	store_answer_done(&a);
	check_load(&w,
		   "{'model':{'auth':{'enabled':false},'scheduled_streams':[{'id':9,'name':'S',"
		   "'source':'a.ts','ffmpeg_profile':'copy','schedule':{'start':"
		   "'2023-11-14T22:13:21Z'}}]}}",
		   "{'added':[],'changed':[],'removed':[],'notices':0}");
	store_work_republish(&w, NOW + 1000000, &a);
	cr_assert_eq(a.error, 0, "%s", a.text);
	cr_assert_eq(json_array_size(json_object_get(a.publication->report, "added")), 1);
	store_answer_done(&a);
	store_work_close(&w);
	state_folder_remove(&f);
}

/* ---------- scheduled channels and a clock that jumps ---------- */

/* A server that stands before a clock of its own: as the master does, it publishes again when the
 * next change has come (wall_timer.h), and whenever the clock was set. */
struct clock_world {
	struct state_folder folder;
	struct store_work work;
	int64_t wall_us, next_us;
	char ids[64]; /* on air, as published last: "7 8" */
	unsigned publications;
};

/* 7 lasts the hour between the two half past twos of the night in which Berlin's clocks are set
 * back; 8 the minute around the moment in which they are set forward; 9 begins between them and has
 * no end. */
static const char windows[] =
	"{'problems':[],'model':{'auth':{'enabled':false},'profiles':{},'streams':[],"
	"'scheduled_streams':["
	"{'id':7,'name':'A','source':'a.ts','ffmpeg_profile':'copy','schedule':{"
	"'start':'2023-10-29T02:30:00+02:00','end':'2023-10-29T02:30:00+01:00'}},"
	"{'id':8,'name':'B','source':'b.ts','ffmpeg_profile':'copy','schedule':{"
	"'start':'2024-03-31T01:59:30+01:00','end':'2024-03-31T03:00:30+02:00'}},"
	"{'id':9,'name':'C','source':'c.ts','ffmpeg_profile':'copy','schedule':{"
	"'start':'2024-01-01 00:00'}}]}}";

static int64_t at(const char *text)
{
	int64_t wall_us;

	cr_assert_eq(time_parse_iso8601(text, &wall_us, NULL), 0, "%s", text);
	return wall_us;
}

static void take(struct clock_world *c, struct store_answer *a)
{
	const struct channel_list *on_air = &a->publication->lineup->channels;
	size_t n = 0;

	cr_assert_eq(a->error, 0, "%s", a->text);
	c->ids[0] = '\0';
	for (size_t i = 0; i < on_air->count; i++)
		n += (size_t)snprintf(c->ids + n, sizeof(c->ids) - n, "%s%u", i > 0 ? " " : "",
				      (unsigned)on_air->at[i]->id);
	c->next_us = a->publication->next_change_wall_us;
	c->publications++;
	/* a change that is due at once would be one without an end */
	cr_assert(c->next_us == TIME_NONE || c->next_us > c->wall_us);
	store_answer_done(a);
}

static void republish(struct clock_world *c)
{
	struct store_answer a;

	store_work_republish(&c->work, c->wall_us, &a);
	take(c, &a);
}

static void start(struct clock_world *c)
{
	struct store_answer a;
	char *bytes = quoted(windows);

	work_open(&c->folder, &c->work);
	store_work_load(&c->work, bytes, strlen(bytes), &DISCARD_NOTHING, c->wall_us, &a);
	free(bytes);
	take(c, &a);
}

/* Time goes by; what it brings happens in its order. */
static void pass(struct clock_world *c, const char *until)
{
	int64_t end_us = at(until);

	cr_assert_geq(end_us, c->wall_us);
	while (c->next_us != TIME_NONE && c->next_us <= end_us) {
		c->wall_us = c->next_us;
		republish(c);
	}
	c->wall_us = end_us;
}

/* Somebody sets the clock. */
static void set(struct clock_world *c, const char *time)
{
	c->wall_us = at(time);
	republish(c);
}

static void check_on_air(const struct clock_world *c, const char *ids)
{
	char text[32];

	time_format_iso8601(c->wall_us, text);
	cr_expect_str_eq(c->ids, ids, "at %s: '%s', not '%s'", text, c->ids, ids);
}

static void clock_world_make(struct clock_world *c, const char *now)
{
	*c = (struct clock_world){0};
	/* the zone of the machine means nothing to a schedule */
	setenv("TZ", "Europe/Berlin", 1);
	tzset();
	state_folder_make(&c->folder);
	c->wall_us = at(now);
	start(c);
}

static void clock_world_remove(struct clock_world *c)
{
	store_work_close(&c->work);
	state_folder_remove(&c->folder);
}

Test(store, scheduled_channels_come_and_go_where_summer_time_begins_and_ends)
{
	struct clock_world c;

	clock_world_make(&c, "2023-10-29T00:00:00Z");
	check_on_air(&c, "");
	pass(&c, "2023-10-29T00:29:59Z");
	check_on_air(&c, "");
	pass(&c, "2023-10-29T00:30:00Z");
	check_on_air(&c, "7");
	pass(&c, "2023-10-29T01:29:59Z");
	check_on_air(&c, "7");
	pass(&c, "2023-10-29T01:30:00Z");
	check_on_air(&c, "");
	pass(&c, "2024-01-01T00:00:00Z");
	check_on_air(&c, "9");
	pass(&c, "2024-03-31T00:59:30Z");
	check_on_air(&c, "8 9");
	pass(&c, "2024-03-31T01:00:29Z");
	check_on_air(&c, "8 9");
	pass(&c, "2024-03-31T01:00:30Z");
	check_on_air(&c, "9");
	cr_expect_eq(c.next_us, TIME_NONE);
	cr_expect_eq(c.publications, 6, "one at the start, and one for each change");
	clock_world_remove(&c);
}

Test(store, scheduled_channels_follow_a_clock_that_is_set)
{
	struct clock_world c;

	clock_world_make(&c, "2023-10-29T00:00:00Z");
	/* forward over a whole window, and into one */
	set(&c, "2024-02-01T00:00:00Z");
	check_on_air(&c, "9");
	set(&c, "2024-03-31T01:00:00Z");
	check_on_air(&c, "8 9");
	/* back into one that is over, in front of all, and on again as time goes by */
	set(&c, "2023-10-29T01:00:00Z");
	check_on_air(&c, "7");
	set(&c, "1970-01-01T00:00:00Z");
	check_on_air(&c, "");
	cr_expect_eq(c.next_us, at("2023-10-29T00:30:00Z"));
	pass(&c, "2023-10-29T01:00:00Z");
	check_on_air(&c, "7");
	/* a second to and fro across an edge */
	for (int i = 0; i < 3; i++) {
		set(&c, "2023-10-29T01:29:59Z");
		check_on_air(&c, "7");
		pass(&c, "2023-10-29T01:30:00Z");
		check_on_air(&c, "");
	}
	clock_world_remove(&c);
}

Test(store, scheduled_channels_are_right_after_a_restart_at_another_time)
{
	static const struct {
		const char *now, *ids;
	} starts[] = {{"2023-10-29T01:00:00Z", "7"},
		      {"2024-03-31T01:00:00Z", "8 9"},
		      {"2023-10-28T00:00:00Z", ""},
		      {"2030-01-01T00:00:00Z", "9"},
		      {"2023-10-29T00:30:00Z", "7"}};
	struct clock_world c;

	clock_world_make(&c, "2023-10-29T00:00:00Z");
	for (size_t i = 0; i < array_size(starts); i++) {
		uint64_t generation = c.work.publisher.generation;

		store_work_close(&c.work);
		c.work = (struct store_work){0};
		c.wall_us = at(starts[i].now);
		start(&c);
		check_on_air(&c, starts[i].ids);
		cr_expect_geq(c.work.publisher.generation, generation);
	}
	clock_world_remove(&c);
}

Test(store, a_locked_database_is_reported_and_recovers)
{
	struct state_folder f;
	struct store_work w;
	struct store_answer a;
	sqlite3 *other;
	char path[128];

	state_folder_make(&f);
	work_open(&f, &w);
	check_load(&w, two, "{'added':[1,2],'changed':[],'removed':[],'notices':0}");
	state_folder_file(&f, "amps.db", path);
	cr_assert_eq(sqlite3_open(path, &other), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	a = load(&w, two);
	cr_assert_eq(a.error, -EBUSY);
	cr_assert_not_null(strstr(a.text, "locked"), "%s", a.text);
	cr_assert_null(a.publication);
	store_answer_done(&a);
	cr_assert_eq(w.error, -EBUSY);
	/* reading goes on, so a schedule window still opens */
	store_work_republish(&w, NOW, &a);
	cr_assert_eq(a.error, 0, "%s", a.text);
	store_answer_done(&a);
	cr_assert_eq(w.error, -EBUSY);
	cr_assert_eq(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(other);
	store_work_probe(&w);
	cr_assert_eq(w.error, 0);
	check_load(&w, two, "{'added':[],'changed':[],'removed':[],'notices':0}");
	store_work_close(&w);
	state_folder_remove(&f);
}

/* A checked configuration of so many channels, the caller's. */
static char *many_channels(int count)
{
	json_t *streams = json_array(), *result;
	char *bytes;

	for (int i = 0; i < count; i++) {
		json_t *item =
			json_pack("{si ss ss ss ss ss s[{ss ss}]}", "id", i, "name", "A channel",
				  "group", "News", "logo", "http://logos.example/picture.png",
				  "source", "http://h/a.ts", "ffmpeg_profile", "copy",
				  "adaptive_bitrates", "name", "sd", "ffmpeg_profile", "copy");

		json_array_append_new(streams, item);
	}
	result = json_pack("{s[]s{s{sb}so}}", "problems", "model", "auth", "enabled", 0, "streams",
			   streams);
	bytes = json_dumps(result, JSON_COMPACT);
	json_decref(result);
	return bytes;
}

/* The processor time, in ms, of a first load and of loading the same again. */
/* The file may not grow any more. */
static void fill_disk(struct store_work *w)
{
	sqlite3 *handle = sqlite3_db_handle(db_statement(w->db, DB_META_GET));

	cr_assert_eq(sqlite3_exec(handle, "PRAGMA max_page_count = 1", NULL, NULL, NULL),
		     SQLITE_OK);
}

Test(store, a_first_load_on_a_full_disk_serves_what_is_stored_or_says_why_not)
{
	struct state_folder f;
	struct store_work w;
	struct store_answer a;
	char *bytes = many_channels(1000);

	state_folder_make(&f);
	work_open(&f, &w);
	fill_disk(&w);
	store_work_load(&w, bytes, strlen(bytes), &DISCARD_NOTHING, NOW, &a);
	cr_expect_eq(a.error, -ENOSPC);
	cr_expect_not_null(strstr(a.text, "full"), "%s", a.text);
	cr_expect_null(a.publication);
	cr_expect_null(a.warning);
	store_answer_done(&a);
	store_work_close(&w);
	work_open(&f, &w);
	check_load(&w, two, "{'added':[1,2],'changed':[],'removed':[],'notices':0}");
	store_work_close(&w);
	work_open(&f, &w);
	fill_disk(&w);
	store_work_load(&w, bytes, strlen(bytes), &DISCARD_NOTHING, NOW, &a);
	cr_expect_eq(a.error, 0, "%s", a.text);
	cr_assert_not_null(a.publication);
	cr_expect_eq(a.publication->lineup->channels.count, 2);
	cr_expect_not_null(a.publication->settings);
	cr_assert_not_null(a.warning);
	cr_expect_not_null(strstr(a.warning, "serving what was stored before"));
	store_answer_done(&a);
	free(bytes);
	store_work_close(&w);
	state_folder_remove(&f);
}

static double load_cost_ms(int channels)
{
	char *bytes = many_channels(channels);
	struct state_folder f;
	struct store_work w;
	struct store_answer a;
	clock_t begin;

	state_folder_make(&f);
	work_open(&f, &w);
	begin = clock();
	for (int i = 0; i < 2; i++) {
		store_work_load(&w, bytes, strlen(bytes), &DISCARD_NOTHING, NOW, &a);
		cr_assert_eq(a.error, 0, "%s", a.text);
		store_answer_done(&a);
	}
	begin = clock() - begin;
	free(bytes);
	store_work_close(&w);
	state_folder_remove(&f);
	return (double)begin * 1000 / CLOCKS_PER_SEC;
}

/* Eight times the channels cost about eight times as much; sixty-four times would be a search of
 * all channels for each.  The processor's time does not grow when the machine is busy. */
Test(store, a_load_costs_in_proportion_to_its_channels)
{
	double few_ms = load_cost_ms(1250), many_ms = load_cost_ms(10000);

	cr_assert_lt(many_ms, 24 * few_ms, "%.0f ms for 1,250 channels, %.0f ms for 10,000", few_ms,
		     many_ms);
}

/* What a callback got. */
struct got {
	struct event_base *base;
	unsigned calls, wanted;
	int error;
	struct publication *publication;
	char text[256];
	size_t problems;
};

static void on_done(void *owner, uint64_t cookie, struct store_answer *a)
{
	struct got *got = owner;

	cr_assert_eq(cookie, 7);
	got->error = a->error;
	snprintf(got->text, sizeof(got->text), "%s", a->text);
	publication_free(got->publication);
	got->publication = TAKE_PTR(a->publication);
	got->problems = json_array_size(a->problems);
	if (++got->calls == got->wanted)
		event_base_loopbreak(got->base);
}

static void submit_load(struct store *s, int fd, struct got *got)
{
	store_submit(s, &(struct store_operation){.kind = STORE_LOAD, .fd = fd}, on_done, got, 7);
}

static int result_fd(const char *text)
{
	char *bytes = quoted(text);
	int fd = memfd_create("test-result", MFD_CLOEXEC);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, bytes, strlen(bytes)), (ssize_t)strlen(bytes));
	free(bytes);
	return fd;
}

static void wait_for(struct got *got, unsigned calls)
{
	got->wanted = got->calls + calls;
	event_base_loop(got->base, EVLOOP_NO_EXIT_ON_EMPTY);
	cr_assert_eq(got->calls, got->wanted);
}

/* What the API does in the thread. */
static void add_third(struct store_work *w, void *arg, int64_t wall_us, struct store_answer *ret)
{
	json_t *entry = json_pack("{si ss}", "id", 3, "name", "C");

	(void)wall_us;
	cr_assert_not_null(arg);
	store_work_change(w, &(struct store_change){3, entry}, 1, NULL, ret);
	json_decref(entry);
}

Test(store, several_channels_change_in_one_transaction)
{
	struct state_folder f;
	struct store_work w;
	struct store_answer a;
	json_t *third = json_pack("{si ss}", "id", 3, "name", "C");
	json_t *first = json_pack("{si ss}", "id", 1, "name", "A2");
	const struct store_change changes[] = {{1, first}, {2, NULL}, {3, third}};
	const struct store_change wrong[] = {{1, NULL}, {3, NULL}, {4, NULL}};

	state_folder_make(&f);
	work_open(&f, &w);
	check_load(&w, two, "{'added':[1,2],'changed':[],'removed':[],'notices':0}");
	change_all(&w, changes, 3, &a);
	check_answer(&a, "{'added':[3],'changed':[1],'removed':[2],'notices':0}");
	/* one that cannot be made: none is */
	change_all(&w, wrong, 3, &a);
	cr_assert_eq(a.error, -ENOENT, "%s", a.text);
	store_answer_done(&a);
	check_name(&w, 1, "A2");
	check_name(&w, 3, "C");
	cr_assert_eq(w.channels.count, 2);
	json_decref(first);
	json_decref(third);
	store_work_close(&w);
	state_folder_remove(&f);
}

/* SQLite rolls a transaction back by itself after some errors, also of a read. */
Test(store, changes_fail_together_once_their_transaction_is_lost)
{
	struct state_folder f;
	struct store_work w;
	struct store_answer changed, a;
	json_t *first = json_pack("{si ss}", "id", 1, "name", "A2");
	json_t *second = json_pack("{si ss}", "id", 2, "name", "B2");
	uint64_t before = 0, after = 0;

	state_folder_make(&f);
	work_open(&f, &w);
	check_load(&w, two, "{'added':[1,2],'changed':[],'removed':[],'notices':0}");
	cr_assert_eq(db_meta_get_u64(w.db, "generation", &before), 0);
	store_work_change(&w, &(struct store_change){1, first}, 1, NULL, &changed);
	cr_assert(changed.changed);
	db_rollback(w.db);
	/* the next change is not stored on its own */
	store_work_change(&w, &(struct store_change){2, second}, 1, NULL, &changed);
	cr_expect_eq(changed.error, -EIO, "%s", changed.text);
	store_work_commit(&w, NOW, &a);
	cr_expect_eq(a.error, -EIO, "%s", a.text);
	cr_expect_null(a.publication);
	check_name(&w, 2, "B");
	/* nor is the generation, where no change comes any more */
	store_work_change(&w, &(struct store_change){1, first}, 1, NULL, &changed);
	cr_assert(changed.changed);
	db_rollback(w.db);
	store_work_commit(&w, NOW, &a);
	cr_expect_eq(a.error, -EIO, "%s", a.text);
	cr_assert_eq(db_meta_get_u64(w.db, "generation", &after), 0);
	cr_expect_eq(after, before);
	check_name(&w, 1, "A");
	change(&w, 1, "{'id':1,'name':'A3'}",
	       "{'added':[],'changed':[1],'removed':[],'notices':0}");
	json_decref(first);
	json_decref(second);
	store_work_close(&w);
	state_folder_remove(&f);
}

Test(store, a_change_is_refused_once_the_file_is_gone)
{
	struct state_folder f;
	struct store_work w;
	json_t *entry = json_pack("{si ss}", "id", 9, "name", "N");
	char path[128];

	state_folder_make(&f);
	work_open(&f, &w);
	check_load(&w, two, "{'added':[1,2],'changed':[],'removed':[],'notices':0}");
	state_folder_file(&f, "amps.db", path);
	cr_assert_eq(unlink(path), 0);
	check_refused_change(&w, 9, entry, -ENOENT);
	cr_assert_eq(w.error, -ENOENT);
	cr_assert_eq(w.channels.count, 2);
	json_decref(entry);
	store_work_close(&w);
	state_folder_remove(&f);
}

Test(store, answers_come_through_the_loop)
{
	struct state_folder f;
	struct store *s = NULL;
	struct got got = {.base = event_base_new()};
	const struct published *published;
	struct catalog *c = NULL;
	char text[512] = "";

	state_folder_make(&f);
	cr_assert_eq(store_open(got.base, f.state, &s, text, sizeof(text)), 0, "%s", text);
	cr_assert_eq(store_health(s), 0);
	submit_load(s, result_fd(two), &got);
	cr_assert_eq(got.calls, 0);
	wait_for(&got, 1);
	cr_assert_eq(got.error, 0, "%s", got.text);
	published = &got.publication->snapshots[SNAPSHOT_CATALOG];
	cr_assert_eq(open_catalog(published->fd, published->bytes, &c), 0);
	cr_assert_eq(catalog_channel_count(c), 2);
	close_catalog(c);
	store_submit(
		s, &(struct store_operation){.kind = STORE_CHANGE, .call = add_third, .arg = &got},
		on_done, &got, 7);
	wait_for(&got, 1);
	cr_assert_eq(got.error, 0, "%s", got.text);
	cr_assert_eq(got.publication->lineup->channels.count, 3);
	store_dispose(s, TAKE_PTR(got.publication->lineup));
	store_dispose(s, NULL);
	/* several at once, answered in order */
	store_submit(s, &(struct store_operation){.kind = STORE_REPUBLISH}, on_done, &got, 7);
	submit_load(s, result_fd("{'problems':[{'severity':'error'}]}"), &got);
	wait_for(&got, 2);
	cr_assert_eq(got.error, -EINVAL);
	cr_assert_eq(got.problems, 1);
	cr_assert_null(got.publication);
	submit_load(s, -1, &got);
	wait_for(&got, 1);
	cr_assert_eq(got.error, -EBADMSG);
	cr_assert_eq(store_health(s), 0);
	/* closing with work under way */
	for (int i = 0; i < 8; i++)
		submit_load(s, result_fd(two), &got);
	cr_assert_null(store_close(s));
	cr_assert_null(store_close(NULL));
	event_base_free(got.base);
	state_folder_remove(&f);
}

/* Changes of one transaction: `held` keeps the thread busy until all of them have been submitted.
 */
struct shared {
	struct got *got;
	struct store *store;
	int held; /* an eventfd */
	unsigned changed, publications, failed;
	bool breaks;	  /* the fourth change */
	uint64_t took_us; /* from the first to the last one */
};

static void hold(struct store_work *w, void *arg, int64_t wall_us, struct store_answer *ret)
{
	struct shared *shared = arg;
	eventfd_t count;

	(void)w;
	(void)wall_us;
	*ret = (struct store_answer){0};
	cr_assert_eq(eventfd_read(shared->held, &count), 0);
}

/* One of the changes; it may be called twice. */
struct addition {
	struct shared *shared;
	uint32_t id;
};

static void add(struct store_work *w, void *arg, int64_t wall_us, struct store_answer *ret)
{
	const struct addition *a = arg;
	json_t *entry = json_pack("{si ss}", "id", (int)a->id, "name", "N");
	bool breaks = a->shared->breaks && a->id == 13;

	(void)wall_us;
	store_work_change(w, &(struct store_change){a->id, breaks ? NULL : entry}, 1, NULL, ret);
	json_decref(entry);
}

static void on_shared(void *owner, uint64_t cookie, struct store_answer *a)
{
	struct shared *shared = owner;

	shared->changed += a->changed;
	shared->publications += a->publication != NULL;
	shared->failed += a->error < 0;
	/* what a change has made is in a publication that came before */
	cr_assert(!a->changed || shared->publications > 0);
	on_done(shared->got, cookie, a);
}

static void change_together(struct shared *shared)
{
	struct addition additions[8];

	*shared = (struct shared){.got = shared->got,
				  .store = shared->store,
				  .held = eventfd(0, EFD_CLOEXEC),
				  .breaks = shared->breaks};
	store_submit(shared->store,
		     &(struct store_operation){.kind = STORE_CALL, .call = hold, .arg = shared},
		     on_shared, shared, 7);
	for (uint32_t i = 0; i < 8; i++) {
		additions[i] = (struct addition){shared, 10 + i};
		store_submit(shared->store,
			     &(struct store_operation){
				     .kind = STORE_CHANGE, .call = add, .arg = &additions[i]},
			     on_shared, shared, 7);
	}
	shared->took_us = clock_mono_us();
	cr_assert_eq(eventfd_write(shared->held, 1), 0);
	wait_for(shared->got, 9);
	shared->took_us = clock_mono_us() - shared->took_us;
	close_fd(&shared->held);
}

Test(store, changes_that_wait_share_a_transaction_and_a_publication)
{
	struct state_folder f;
	struct got got = {.base = event_base_new()};
	struct shared shared = {.got = &got, .breaks = true};
	char text[512] = "";

	state_folder_make(&f);
	cr_assert_eq(store_open(got.base, f.state, &shared.store, text, sizeof(text)), 0, "%s",
		     text);
	submit_load(shared.store, result_fd(two), &got);
	wait_for(&got, 1);
	/* one cannot be made: those that share its transaction are made without it */
	change_together(&shared);
	cr_expect_eq(shared.failed, 1);
	cr_expect_eq(shared.changed, 7);
	submit_load(shared.store, result_fd(two), &got);
	wait_for(&got, 1);
	cr_expect_eq(got.publication->lineup->channels.count, 9);
	shared.breaks = false;
	change_together(&shared);
	cr_expect_eq(shared.changed, 8);
	cr_expect_eq(shared.failed, 0);
	/* all but the last take STORE_BATCH_MS */
	cr_expect_leq(shared.publications, 1 + shared.took_us / 1000 / STORE_BATCH_MS,
		      "%u publications in %llu us", shared.publications,
		      (unsigned long long)shared.took_us);
	submit_load(shared.store, result_fd(two), &got);
	wait_for(&got, 1);
	cr_expect_eq(got.publication->lineup->channels.count, 10);
	cr_assert_null(store_close(shared.store));
	publication_free(got.publication);
	event_base_free(got.base);
	state_folder_remove(&f);
}

static struct got back_up(struct store *s, struct event_base *base, int fd)
{
	struct got got = {.base = base};

	store_submit(s, &(struct store_operation){.kind = STORE_BACKUP, .fd = fd}, on_done, &got,
		     7);
	wait_for(&got, 1);
	return got;
}

Test(store, a_backup_does_not_wait_for_changes_nor_they_for_it)
{
	struct state_folder f;
	struct got got = {.base = event_base_new()};
	struct shared shared = {.got = &got, .held = eventfd(0, EFD_CLOEXEC)};
	char text[512] = "";
	int copy = memfd_create("test-copy", MFD_CLOEXEC), pair[2];
	struct got done;
	struct stat st;

	state_folder_make(&f);
	cr_assert_eq(store_open(got.base, f.state, &shared.store, text, sizeof(text)), 0, "%s",
		     text);
	submit_load(shared.store, result_fd(two), &got);
	wait_for(&got, 1);
	/* the database thread is busy until `held` is written to */
	store_submit(shared.store,
		     &(struct store_operation){.kind = STORE_CALL, .call = hold, .arg = &shared},
		     on_shared, &shared, 7);
	done = back_up(shared.store, got.base, fcntl(copy, F_DUPFD_CLOEXEC, 0));
	cr_expect_eq(done.error, 0, "%s", done.text);
	cr_expect_eq(fstat(copy, &st), 0);
	cr_expect_gt(st.st_size, 0);
	/* nothing would ever take the copy */
	cr_assert_eq(pipe2(pair, O_CLOEXEC), 0);
	cr_expect_eq(back_up(shared.store, got.base, pair[1]).error, -EINVAL);
	close(pair[0]);
	cr_assert_eq(eventfd_write(shared.held, 1), 0);
	wait_for(&got, 1);
	cr_assert_null(store_close(shared.store));
	close_fd(&shared.held);
	close(copy);
	publication_free(got.publication);
	event_base_free(got.base);
	state_folder_remove(&f);
}

Test(store, a_backup_ends_early_when_the_store_closes)
{
	struct state_folder f;
	struct store_work w;
	struct store_answer a;
	int fd = memfd_create("backup", MFD_CLOEXEC);
	struct stat st;

	state_folder_make(&f);
	work_open(&f, &w);
	store_work_backup(f.state, fd, &(const atomic_bool){true}, &a);
	cr_expect_eq(a.error, -ECANCELED, "%s", a.text);
	cr_assert_eq(fstat(fd, &st), 0);
	cr_expect_eq(st.st_size, 0);
	store_work_backup(f.state, fd, &(const atomic_bool){false}, &a);
	cr_expect_eq(a.error, 0, "%s", a.text);
	close(fd);
	store_work_close(&w);
	state_folder_remove(&f);
}

Test(store, a_damaged_database_fails_the_start)
{
	struct state_folder f;
	struct store *s = NULL;
	struct event_base *base = event_base_new();
	char text[512] = "", path[128];
	FILE *file;

	state_folder_make(&f);
	snprintf(path, sizeof(path), "%s/a", f.path);
	cr_assert_eq(mkdir(path, 0700), 0);
	cr_assert_eq(mkdir(f.state, 0700), 0);
	state_folder_file(&f, "amps.db", path);
	file = fopen(path, "w");
	fputs("this is a text file in place of the database", file);
	fclose(file);
	cr_assert_eq(store_open(base, f.state, &s, text, sizeof(text)), -EBADMSG);
	cr_assert_null(s);
	cr_assert_not_null(strstr(text, "damaged"), "%s", text);
	event_base_free(base);
	state_folder_remove(&f);
}
