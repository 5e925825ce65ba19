#include "amps-master/store/publish.h"
#include "amps-master/store/channel_entries.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include "common/shm/catalog.h"
#include "common/shm/tokens.h"
#include "snapshots.h"
#include "state_folder.h"

#define NOW 1700000000000000ll /* 2023-11-14T22:13:20Z */

/* A publisher, and what it is fed with. */
struct fixture {
	struct state_folder folder;
	struct publisher publisher;
	struct channel_row rows[8];
	size_t count;
	json_t *settings;
};

/* Single quotes read better in C. */
static char *quoted(const char *text)
{
	char *copy = strdup(text);

	for (char *p = copy; *p != '\0'; p++)
		if (*p == '\'')
			*p = '"';
	return copy;
}

static void settings_set(struct fixture *f, const char *text)
{
	char *copy = quoted(text);

	json_decref(f->settings);
	f->settings = json_loads(copy, 0, NULL);
	cr_assert_not_null(f->settings, "%s", copy);
	free(copy);
}

static void start(struct fixture *f, const char *settings)
{
	char above[80];

	*f = (struct fixture){0};
	state_folder_make(&f->folder);
	snprintf(above, sizeof(above), "%s/a", f->folder.path);
	cr_assert_eq(mkdir(above, 0700), 0);
	cr_assert_eq(mkdir(f->folder.state, 0700), 0);
	cr_assert_eq(publisher_init(&f->publisher, f->folder.state, 41), 0);
	settings_set(f, settings);
}

static void stop(struct fixture *f)
{
	publisher_done(&f->publisher);
	for (size_t i = 0; i < f->count; i++)
		free(f->rows[i].definition);
	json_decref(f->settings);
	state_folder_remove(&f->folder);
}

static void add(struct fixture *f, uint32_t id, enum channel_origin origin, const char *definition)
{
	f->rows[f->count++] =
		(struct channel_row){.id = id, .origin = origin, .definition = quoted(definition)};
}

static int build(struct fixture *f, const struct channel_rows *rows, int64_t wall_us,
		 struct draft *draft, char *text, size_t cap)
{
	const struct channel_list none = CHANNEL_LIST_INIT;
	struct channel_list all = CHANNEL_LIST_INIT;
	int r;

	cr_assert_eq(channel_profiles_complete(f->settings), 0);
	r = channel_entries_read(rows, f->settings, &none, &all);
	if (r == 0)
		r = publish_build(&f->publisher, f->settings, NULL, &all, wall_us, draft, text,
				  cap);
	channel_list_done(&all);
	return r;
}

static struct publication *publish_at(struct fixture *f, int64_t wall_us)
{
	struct channel_rows rows = {.rows = f->rows, .count = f->count};
	struct draft draft = DRAFT_INIT;
	char text[256] = "";

	cr_assert_eq(build(f, &rows, wall_us, &draft, text, sizeof(text)), 0, "%s", text);
	return publisher_accept(&f->publisher, &draft);
}

static struct catalog *published_catalog(const struct publication *p)
{
	const struct published *s = &p->snapshots[SNAPSHOT_CATALOG];
	struct catalog *c = NULL;

	cr_assert_eq(open_catalog(s->fd, s->bytes, &c), 0);
	cr_assert_eq(s->generation, p->generation);
	cr_assert_eq(catalog_generation(c), p->generation);
	return c;
}

static struct tokens *published_tokens(const struct publication *p)
{
	const struct published *s = &p->snapshots[SNAPSHOT_TOKENS];
	struct tokens *t = NULL;

	cr_assert_eq(open_tokens(s->fd, s->bytes, &t), 0);
	return t;
}

static void check_report(const struct publication *p, const char *expected)
{
	char *copy = quoted(expected);
	json_t *wanted = json_loads(copy, 0, NULL);
	char *is = json_dumps(p->report, JSON_COMPACT);

	cr_assert_not_null(wanted, "%s", copy);
	cr_assert(json_equal(p->report, wanted), "%s", is);
	json_decref(wanted);
	free(copy);
	free(is);
}

static void check_text(const struct catalog *c, uint32_t at, const char *expected)
{
	const char *text = catalog_text(c, at);

	if (expected == NULL)
		cr_assert_null(text, "%s", text);
	else
		cr_assert_str_eq(text, expected);
}

Test(publish, a_channel_with_everything)
{
	struct fixture f;
	struct publication *p;
	struct catalog *c;
	const struct catalog_channel *ch;
	const struct catalog_program *programs;
	const struct catalog_variant *variants;

	start(&f, "{'auth':{'enabled':false},'server':{'max_viewers':9}}");
	add(&f, 1, ORIGIN_FILE,
	    "{'name':'Sintel, \\\"HD\\\"','tvg_name':'Sintel','epg_id':'sintel.hd','logo':'http://l/',"
	    "'group':'Movies','channel_number':101,'source':'a.ts','ffmpeg_profile':'copy',"
	    "'description':'A\\nfilm','program_feed':'http://f/','regions_allowed':['us','CA','USA',"
	    "7],'regions_blocked':['cn'],'next_programs':[{'title':'One','start':"
	    "'2024-05-24T19:30:00Z','end':'later','description':'d'},{'title':'Two'}],"
	    "'adaptive_bitrates':[{'name':'sd','label':'Sintel SD','ffmpeg_profile':'copy'},"
	    "{'name':'hd+','source':'sftp://x/'}]}");
	p = publish_at(&f, NOW);
	c = published_catalog(p);
	ch = catalog_find(c, 1);
	check_text(c, ch->name_at, "Sintel, \"HD\"");
	check_text(c, ch->tvg_name_at, "Sintel");
	check_text(c, ch->tvg_id_at, "sintel.hd");
	check_text(c, ch->logo_at, "http://l/");
	check_text(c, ch->group_at, "Movies");
	check_text(c, ch->number_at, "101");
	check_text(c, ch->description_at, "A\nfilm");
	check_text(c, ch->program_feed_at, "http://f/");
	check_text(c, ch->unavailable_at, NULL);
	cr_assert(catalog_region_allowed(c, ch, "US"));
	cr_assert_eq(ch->regions_allowed_count, 2);
	cr_assert_not(catalog_region_allowed(c, ch, "CN"));
	programs = catalog_programs(c, ch);
	cr_assert_eq(ch->program_count, 2);
	check_text(c, programs[0].start_at, "2024-05-24T19:30:00Z");
	check_text(c, programs[0].end_at, "later");
	cr_assert_eq(programs[0].start_wall_us, 1716579000000000ll);
	cr_assert_eq(programs[0].end_wall_us, TIME_NONE);
	check_text(c, programs[1].start_at, NULL);
	cr_assert_eq(programs[1].start_wall_us, TIME_NONE);
	variants = catalog_variants(c, ch);
	cr_assert_eq(ch->variant_count, 2);
	check_text(c, variants[0].label_at, "Sintel SD");
	check_text(c, variants[0].unavailable_at, NULL);
	check_text(c, variants[1].name_at, "hd+");
	check_text(c, variants[1].label_at, "HD+");
	cr_assert_not(variants[0].own_tuner);
	cr_assert(variants[1].own_tuner);
	cr_assert_not_null(catalog_text(c, variants[1].unavailable_at));
	cr_assert_eq(catalog_settings(c)->max_viewers, 9);
	cr_assert_eq(p->next_change_wall_us, TIME_NONE);
	close_catalog(c);
	publication_free(p);
	publication_free(NULL);
	stop(&f);
}

Test(publish, missing_names_have_fallbacks)
{
	struct fixture f;
	struct publication *p;
	struct catalog *c;

	start(&f, "{'auth':{'enabled':false}}");
	add(&f, 1, ORIGIN_FILE, "{'name':'A','tvg_id':'x','group':'','epg_id':null,'source':'s'}");
	add(&f, 20, ORIGIN_FILE, "{'name':77,'epg_id':5,'source':'s','ffmpeg_profile':'copy'}");
	add(&f, 300, ORIGIN_FILE, "{'name':'C','source':'s','ffmpeg_profile':'copy'}");
	p = publish_at(&f, NOW);
	c = published_catalog(p);
	check_text(c, catalog_find(c, 1)->tvg_id_at, "x");
	check_text(c, catalog_find(c, 1)->tvg_name_at, "A");
	check_text(c, catalog_find(c, 1)->group_at, NULL);
	cr_assert_not_null(catalog_text(c, catalog_find(c, 1)->unavailable_at));
	check_text(c, catalog_find(c, 20)->name_at, "77");
	check_text(c, catalog_find(c, 20)->tvg_id_at, "5");
	check_text(c, catalog_find(c, 300)->tvg_id_at, "300");
	close_catalog(c);
	publication_free(p);
	stop(&f);
}

Test(publish, settings)
{
	struct fixture f;
	struct publication *p;
	struct catalog *c;
	const struct catalog_settings *s;
	const struct catalog_cidr *proxies;

	start(&f, "{'auth':{'enabled':true,'token':'t'},'server':{'public_url':'https://tv/',"
		  "'rtsp_port':0,'trusted_proxies':['10.0.0.0/8','::1','fe80::/10','bad',"
		  "'1.2.3.4/33']},'region':{'trust':['headers']},"
		  "'streaming':{'slow_viewer':'drop','join_ms':250,'start_timeout':2.5,"
		  "'idle_timeout':0}}");
	p = publish_at(&f, NOW);
	c = published_catalog(p);
	s = catalog_settings(c);
	cr_assert_eq(s->flags, SETTING_REGION_HEADERS | SETTING_SLOW_DROP);
	check_text(c, s->public_url_at, "https://tv/");
	cr_assert_eq(s->auth_enabled, 1);
	cr_assert_eq(s->join_ms, 250);
	cr_assert_eq(s->start_timeout_ms, 2500);
	cr_assert_eq(s->proxy_count, 3);
	proxies = catalog_proxies(c);
	cr_assert_eq(proxies[0].prefix_bits, 104);
	cr_assert_eq(proxies[0].address[10], 0xff);
	cr_assert_eq(proxies[0].address[12], 10);
	cr_assert_eq(proxies[1].prefix_bits, 128);
	cr_assert_eq(proxies[1].address[15], 1);
	cr_assert_eq(proxies[2].prefix_bits, 10);
	close_catalog(c);
	publication_free(p);
	stop(&f);
}

Test(publish, report_of_differences)
{
	struct fixture f;
	uint64_t hash;
	struct publication *p;
	struct catalog *c;

	start(&f, "{'auth':{'enabled':false}}");
	add(&f, 1, ORIGIN_FILE, "{'name':'A','source':'s','ffmpeg_profile':'copy'}");
	add(&f, 3, ORIGIN_FILE, "{'name':'C','source':'s','ffmpeg_profile':'copy'}");
	add(&f, 5, ORIGIN_FILE, "{'name':'E','source':'s','ffmpeg_profile':'copy'}");
	p = publish_at(&f, NOW);
	cr_assert_eq(p->generation, 42);
	check_report(p, "{'added':[{'id':1,'name':'A'},{'id':3,'name':'C'},{'id':5,'name':'E'}],"
			"'changed':[],'removed':[],'warnings':[]}");
	c = published_catalog(p);
	hash = catalog_content_hash(c);
	close_catalog(c);
	publication_free(p);
	p = publish_at(&f, NOW + 1000000);
	check_report(p, "{'added':[],'changed':[],'removed':[],'warnings':[]}");
	cr_assert_eq(p->generation, 43);
	c = published_catalog(p);
	cr_assert_eq(catalog_content_hash(c), hash);
	close_catalog(c);
	publication_free(p);
	/* 1 goes, 3 gets another source (the catalog has none), 5 another name, 7 comes */
	free(f.rows[0].definition);
	f.rows[0] = f.rows[1];
	f.rows[1] = f.rows[2];
	free(f.rows[0].definition);
	f.rows[0].definition = quoted("{'name':'C','source':'t','ffmpeg_profile':'copy'}");
	free(f.rows[1].definition);
	f.rows[1].definition = quoted("{'name':'F','source':'s','ffmpeg_profile':'copy'}");
	f.count = 2;
	add(&f, 7, ORIGIN_API, "{'name':'G','source':'s','ffmpeg_profile':'copy'}");
	p = publish_at(&f, NOW);
	check_report(p, "{'added':[{'id':7,'name':'G'}],'changed':[{'id':3,'name':'C'},"
			"{'id':5,'name':'F'}],'removed':[{'id':1,'name':'A'}],'warnings':[]}");
	publication_free(p);
	stop(&f);
}

Test(publish, schedules)
{
	struct fixture f;
	struct publication *p;
	struct catalog *c;
	const int64_t minute = 60000000;

	start(&f, "{'auth':{'enabled':false}}");
	add(&f, 1, ORIGIN_FILE, "{'name':'Always','source':'s','ffmpeg_profile':'copy'}");
	add(&f, 900, ORIGIN_SCHEDULE,
	    "{'name':'Spotlight','source':'s','ffmpeg_profile':'copy','schedule':{"
	    "'start':'2023-11-14T22:14:20Z','end':'2023-11-14T22:15:20Z'}}");
	p = publish_at(&f, NOW);
	c = published_catalog(p);
	cr_assert_null(catalog_find(c, 900));
	cr_assert_null(lineup_find_key(p->lineup, "900"));
	cr_assert_eq(p->next_change_wall_us, NOW + minute);
	close_catalog(c);
	publication_free(p);
	p = publish_at(&f, NOW + minute);
	check_report(p, "{'added':[{'id':900,'name':'Spotlight'}],'changed':[],'removed':[],"
			"'warnings':[]}");
	c = published_catalog(p);
	cr_assert_eq(catalog_find(c, 900)->flags, CHANNEL_SCHEDULED);
	cr_assert_eq(catalog_find(c, 900)->end_wall_us, NOW + 2 * minute);
	cr_assert_not_null(lineup_find_key(p->lineup, "900"));
	cr_assert_eq(p->next_change_wall_us, NOW + 2 * minute);
	close_catalog(c);
	publication_free(p);
	p = publish_at(&f, NOW + 2 * minute);
	check_report(p, "{'added':[],'changed':[],'removed':[{'id':900,'name':'Spotlight'}],"
			"'warnings':[]}");
	cr_assert_eq(p->next_change_wall_us, TIME_NONE);
	publication_free(p);
	stop(&f);
}

Test(publish, tombstones_are_not_published)
{
	struct fixture f;
	struct publication *p;
	struct catalog *c;

	start(&f, "{'auth':{'enabled':false}}");
	add(&f, 1, ORIGIN_API, "{'name':'Gone','source':'s','ffmpeg_profile':'copy'}");
	f.rows[0].deleted = true;
	p = publish_at(&f, NOW);
	c = published_catalog(p);
	cr_assert_eq(catalog_channel_count(c), 0);
	close_catalog(c);
	publication_free(p);
	stop(&f);
}

static const struct token_entry *find(const struct tokens *t, const char *token)
{
	return tokens_find(t, token, strlen(token), NOW);
}

Test(publish, tokens_of_the_configuration)
{
	struct fixture f;
	struct publication *p;
	struct tokens *t;
	const struct token_entry *e;

	start(&f, "{'auth':{'enabled':true,'token':'watch','admin_token':'rule','tokens':["
		  "{'name':'living-room','token':'room','max_viewers':2,'groups':['News'],"
		  "'expires':'2027-01-01T00:00:00Z'},"
		  "{'name':'old','token':'old','expires':'2020-01-01'},"
		  "{'name':'bad','token':'bad','expires':'someday'},"
		  "{'name':'boss','token':'boss','role':'admin'}]}}");
	p = publish_at(&f, NOW);
	cr_assert_eq(p->snapshots[SNAPSHOT_TOKENS].generation, 1);
	t = published_tokens(p);
	cr_assert_eq(tokens_shared(t), find(t, "watch"));
	cr_assert_eq(find(t, "watch")->role, TOKEN_VIEWER);
	cr_assert_eq(find(t, "rule")->role, TOKEN_ADMIN);
	cr_assert_eq(find(t, "rule")->flags & TOKEN_SHARED, 0);
	cr_assert_eq(find(t, "boss")->role, TOKEN_ADMIN);
	e = find(t, "room");
	cr_assert_str_eq(e->name, "living-room");
	cr_assert_eq(e->max_viewers, 2);
	cr_assert_eq(e->group_count, 1);
	cr_assert_str_eq(e->groups[0], "News");
	cr_assert_null(find(t, "old"));
	cr_assert_null(find(t, "bad"));
	cr_assert_eq(json_array_size(json_object_get(p->report, "warnings")), 1);
	cr_assert_null(json_object_get(p->report, "token_file"));
	close_tokens(t);
	publication_free(p);
	/* the same tokens are not published again, others are the next generation */
	p = publish_at(&f, NOW);
	cr_assert_lt(p->snapshots[SNAPSHOT_TOKENS].fd, 0);
	publication_free(p);
	settings_set(&f, "{'auth':{'token':'other'}}");
	p = publish_at(&f, NOW);
	cr_assert_eq(p->snapshots[SNAPSHOT_TOKENS].generation, 2);
	t = published_tokens(p);
	cr_assert_null(find(t, "watch"));
	/* without an administrator's token the shared one rules */
	cr_assert_eq(find(t, "other")->role, TOKEN_ADMIN);
	close_tokens(t);
	publication_free(p);
	stop(&f);
}

Test(publish, no_tokens_where_auth_is_off)
{
	struct fixture f;
	struct publication *p;
	struct tokens *t;

	start(&f, "{'auth':{'enabled':false,'token':'watch','admin_token':'rule'}}");
	p = publish_at(&f, NOW);
	t = published_tokens(p);
	cr_assert_null(find(t, "watch"));
	cr_assert_null(find(t, "rule"));
	close_tokens(t);
	publication_free(p);
	stop(&f);
}

static void read_token(const struct fixture *f, char token[64])
{
	char path[128];
	struct stat st;
	ssize_t n;
	int fd;

	state_folder_file(&f->folder, "token", path);
	fd = open(path, O_RDONLY);
	cr_assert_geq(fd, 0);
	cr_assert_eq(fstat(fd, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0600);
	n = read(fd, token, 63);
	close(fd);
	cr_assert_eq(n, 33);
	cr_assert_eq(token[32], '\n');
	token[32] = '\0';
	cr_assert_eq(strspn(token, "0123456789abcdef"), 32);
}

Test(publish, a_token_is_made_once)
{
	struct fixture f;
	struct publication *p;
	struct tokens *t;
	char first[64], second[64], path[128];

	start(&f, "{'auth':{'enabled':true,'token':null}}");
	p = publish_at(&f, NOW);
	read_token(&f, first);
	t = published_tokens(p);
	cr_assert_eq(tokens_shared(t), find(t, first));
	state_folder_file(&f.folder, "token", path);
	cr_assert_str_eq(json_string_value(json_object_get(p->report, "token_file")), path);
	close_tokens(t);
	publication_free(p);
	/* the next start takes the same */
	publisher_done(&f.publisher);
	cr_assert_eq(publisher_init(&f.publisher, f.folder.state, 0), 0);
	p = publish_at(&f, NOW);
	read_token(&f, second);
	cr_assert_str_eq(first, second);
	t = published_tokens(p);
	cr_assert_not_null(find(t, first));
	close_tokens(t);
	publication_free(p);
	stop(&f);
}

/* Writes `content` as the token_file and publishes; "" in `word` = works. */
static void check_token_file(const char *content, size_t n, const char *word)
{
	struct fixture f;
	char path[128], settings[256], text[512] = "";
	struct draft draft = DRAFT_INIT;
	struct channel_rows rows = CHANNEL_ROWS_INIT;
	int fd, r;

	start(&f, "{}");
	state_folder_file(&f.folder, "amps.db", path); /* any name that is removed again */
	if (content != NULL) {
		fd = open(path, O_WRONLY | O_CREAT, 0600);
		cr_assert_eq(write(fd, content, n), (ssize_t)n);
		close(fd);
	}
	snprintf(settings, sizeof(settings), "{'auth':{'token_file':'%s'}}", path);
	settings_set(&f, settings);
	r = build(&f, &rows, NOW, &draft, text, sizeof(text));
	if (word[0] == '\0') {
		struct tokens *t = published_tokens(draft.publication);

		cr_assert_eq(r, 0, "%s", text);
		cr_assert_not_null(find(t, "from-a-file"));
		close_tokens(t);
	} else {
		cr_assert_lt(r, 0);
		cr_assert_not_null(strstr(text, word), "%s", text);
		cr_assert_not_null(strstr(text, path), "%s", text);
	}
	draft_done(&draft);
	stop(&f);
}

Test(publish, token_file)
{
	char much[5000];

	memset(much, 'x', sizeof(much));
	check_token_file("from-a-file", 11, "");
	check_token_file("  from-a-file\r\n\n", 16, "");
	check_token_file("", 0, "no token");
	check_token_file(" \n", 2, "no token");
	check_token_file("a\0b", 3, "no token");
	check_token_file(much, sizeof(much), "more than");
	check_token_file(NULL, 0, "No such file");
}

static uint64_t cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

Test(publish, ten_thousand_channels_are_quick)
{
	struct fixture f;
	struct channel_rows rows = {.count = 10000};
	struct draft draft = DRAFT_INIT;
	char text[256] = "", definition[512];
	uint64_t before_us, took_us;

	start(&f, "{'auth':{'enabled':false}}");
	rows.rows = calloc(rows.count, sizeof(*rows.rows));
	for (size_t i = 0; i < rows.count; i++) {
		snprintf(definition, sizeof(definition),
			 "{'name':'Channel %zu','group':'Group %zu','logo':'http://logos/%zu.png',"
			 "'source':'http://h/%zu.ts','ffmpeg_profile':'copy','next_programs':["
			 "{'title':'A','start':'2024-05-24T19:30:00Z'}],'adaptive_bitrates':["
			 "{'name':'sd','ffmpeg_profile':'copy'}]}",
			 i, i % 50, i, i);
		rows.rows[i] =
			(struct channel_row){.id = (uint32_t)i, .definition = quoted(definition)};
	}
	before_us = cpu_us();
	cr_assert_eq(build(&f, &rows, NOW, &draft, text, sizeof(text)), 0, "%s", text);
	took_us = cpu_us() - before_us;
	/* the build may be sanitized: only what is far off fails */
	cr_expect_lt(took_us, 20000000, "%llu us", (unsigned long long)took_us);
	fprintf(stderr, "published in %llu us\n", (unsigned long long)took_us);
	draft_done(&draft);
	channel_rows_done(&rows);
	stop(&f);
}
