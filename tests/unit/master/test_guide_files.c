/* test_guide_files.c - files of imported guides, and the snapshot that is made of them. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "amps-master/guide/guide.h"
#include "amps-master/guide/guide_files.h"
#include "common/hash.h"
#include "common/shm/guide.h"
#include "common/shm/shm.h"
#include "unit.h"

#define NOW_S 1700000000

static const struct guide_spec spec = {.key = "source", .keep_days = 2, .past_days = 1};

/* A line-up without channels. */
static struct guide_catalog empty_catalog(void)
{
	struct {
		struct catalog_header h;
		struct catalog_settings settings;
		char channels[8];
	} image = {.h = {.snapshot = {.magic = CATALOG_MAGIC,
				      .version = CATALOG_VERSION,
				      .header_bytes = sizeof(image.h),
				      .total_bytes = sizeof(image),
				      .generation = 1},
			 .channel_bytes = sizeof(struct catalog_channel),
			 .variant_bytes = sizeof(struct catalog_variant),
			 .program_bytes = sizeof(struct catalog_program),
			 .settings_at = offsetof(typeof(image), settings),
			 .channels_at = offsetof(typeof(image), channels)}};
	struct guide_catalog c = {.bytes = sizeof(image)};

	image.h.content_hash =
		hash_end(hash_bytes(HASH_START, (const char *)&image + sizeof(image.h),
				    sizeof(image) - sizeof(image.h)));
	c.fd = shm_snapshot("test-catalog", &image, sizeof(image));
	cr_assert_geq(c.fd, 0);
	return c;
}

static void make_folder(char folder[64])
{
	snprintf(folder, 64, "/tmp/amps-unit-guide.XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
}

static void remove_folder(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *e;

	while ((e = readdir(dir)) != NULL)
		unlinkat(dirfd(dir), e->d_name, 0);
	closedir(dir);
	cr_assert_eq(rmdir(folder), 0);
}

/* Writes the file of a source: one channel with so many bytes of XML, and a report. */
static void write_file(const char *folder, const char *key, uint64_t id_hash, uint64_t xml_bytes,
		       const char *report)
{
	struct guide_header h = {.snapshot = {.magic = GUIDE_MAGIC,
					      .version = GUIDE_VERSION,
					      .header_bytes = sizeof(h),
					      .generation = 1},
				 .channels_at = sizeof(h) + xml_bytes,
				 .channel_count = 1,
				 .report_bytes = strlen(report)};
	struct guide_channel ch = {.id_hash = id_hash,
				   .xml_at = sizeof(h),
				   .xml_bytes = xml_bytes,
				   .packed_at = sizeof(h),
				   .programmes_at = sizeof(h)};
	char path[128];
	int fd;

	h.report_at = h.channels_at + sizeof(ch);
	h.snapshot.total_bytes = h.report_at + h.report_bytes;
	snprintf(path, sizeof(path), "%s/%s.guide", folder, key);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	cr_assert_geq(fd, 0);
	cr_assert_eq(pwrite(fd, &h, sizeof(h), 0), (ssize_t)sizeof(h));
	cr_assert_eq(pwrite(fd, &ch, sizeof(ch), (off_t)h.channels_at), (ssize_t)sizeof(ch));
	cr_assert_eq(pwrite(fd, report, strlen(report), (off_t)h.report_at),
		     (ssize_t)strlen(report));
	close(fd);
}

/* Would an import at this time ask whether the document has changed? */
static bool asks_for_changes(const char *folder, const struct guide_catalog *c, int64_t wall_s)
{
	struct guide_spec s = spec;
	json_t *task;
	bool asks;
	char *text;

	s.source = json_pack("{s:s}", "url", "http://tv.lan/guide.xml");
	cr_assert_eq(guide_files_describe(folder, c, &s, wall_s, &text), 0);
	task = json_loads(text, 0, NULL);
	asks = json_object_get(task, "etag") != NULL;
	json_decref(task);
	json_decref(s.source);
	free(text);
	return asks;
}

static void write_report(const char *folder, uint64_t lineup, const char *more)
{
	char report[256];

	snprintf(report, sizeof(report),
		 "{\"source\":{\"keep\":{\"lineup\":\"%llx\"},\"etag\":\"x\"%s},\"matches\":[]}",
		 (unsigned long long)lineup, more);
	write_file(folder, spec.key, 7, 8, report);
}

Test(guide_files, a_document_is_read_again_for_the_days_that_its_file_lacks)
{
	struct guide_catalog c = empty_catalog();
	char folder[64], more[96];
	uint64_t lineup;

	make_folder(folder);
	cr_assert_eq(guide_files_lineup(&c, &lineup), 0);
	snprintf(more, sizeof(more), ",\"left_out_until\":%lld,\"left_out_from\":%lld",
		 NOW_S - 86400ll, NOW_S + 3 * 86400ll);
	write_report(folder, lineup, more);
	cr_expect(asks_for_changes(folder, &c, NOW_S));
	cr_expect(asks_for_changes(folder, &c, NOW_S + 86400));
	/* what began three days later is within two days now */
	cr_expect_not(asks_for_changes(folder, &c, NOW_S + 86401));
	/* as is, after a change of past_days, what had ended then */
	cr_expect_not(asks_for_changes(folder, &c, NOW_S - 1));
	write_report(folder, lineup, ",\"left_out_until\":0,\"left_out_from\":0");
	cr_expect(asks_for_changes(folder, &c, NOW_S + 50 * 86400));
	/* of an earlier version: it is not known */
	write_report(folder, lineup, "");
	cr_expect_not(asks_for_changes(folder, &c, NOW_S));
	write_report(folder, lineup + 1, ",\"left_out_until\":0,\"left_out_from\":0");
	cr_expect_not(asks_for_changes(folder, &c, NOW_S));
	remove_folder(folder);
	close_fd(&c.fd);
}

static void join(const char *folder, size_t count, struct guide_file *files, struct published *ret)
{
	struct guide_catalog c = {.fd = -1};
	struct guide_spec specs[3] = {{.key = "a"}, {.key = "b"}, {.key = "c"}};
	struct guide_text_file report;

	for (size_t i = 0; i < count; i++)
		specs[i].source = json_pack("{s:s}", "url", "http://tv.lan/guide.xml");
	cr_assert_eq(guide_files_join(folder, &c, specs, count, 1, files, ret, &report), 0);
	cr_expect_eq(report.fd, -1);
	for (size_t i = 0; i < count; i++)
		json_decref(specs[i].source);
}

Test(guide_files, a_guide_that_is_too_large_beside_the_others_is_left_out)
{
	struct guide_file files[3];
	struct published p;
	struct snapshot *s;
	char folder[64];

	make_folder(folder);
	write_file(folder, "a", 1, 4096, "{}");
	/* sparse, and never copied: it would fill the snapshot alone */
	write_file(folder, "b", 2, GUIDE_BYTES_MAX - 1024, "{}");
	write_file(folder, "c", 3, 4096, "{}");
	join(folder, 3, files, &p);
	cr_expect(files[1].present && files[1].left_out);
	cr_expect(!files[0].left_out && !files[2].left_out);
	cr_assert_eq(snapshot_open(&guide_type, p.fd, p.bytes, &s), 0);
	cr_expect_eq(guide_channel_count(guide_of(s)), 2);
	cr_expect_not_null(guide_find_hash(guide_of(s), 1));
	cr_expect_not_null(guide_find_hash(guide_of(s), 3));
	snapshot_unref(s);
	close_fd(&p.fd);
	remove_folder(folder);
}

static void take_guide(void *owner, struct published *p)
{
	(void)owner;
	close_fd(&p->fd);
}

Test(guide_files, an_import_that_cannot_begin_fails_with_the_reason)
{
	struct guide_catalog c = empty_catalog();
	struct rlimit usual, none;
	struct publication *p = publication_new();
	struct guide_importer *g;
	char folder[64], guides[80];
	struct guide_env env = {.base = event_base_new(), .publish = take_guide};
	json_t *report;

	make_folder(folder);
	env.state_dir = folder;
	cr_assert_eq(guide_new(&env, &g), 0);
	p->snapshots[SNAPSHOT_CATALOG] = (struct published){c.fd, c.bytes, 1};
	p->settings = json_pack("{s:{s:i, s:i, s:[{s:s, s:i}]}}", "epg", "keep_days", 1,
				"past_days", 1, "sources", "path", "/none", "refresh", 3600);
	guide_follow(g, p, false);
	getrlimit(RLIMIT_NOFILE, &usual);
	none = (struct rlimit){3, usual.rlim_max};
	setrlimit(RLIMIT_NOFILE, &none);
	while (!guide_begun(g))
		event_base_loop(env.base, EVLOOP_ONCE);
	setrlimit(RLIMIT_NOFILE, &usual);
	report = guide_report(g);
	cr_expect_str_eq(json_string_value(json_object_get(json_array_get(report, 0), "state")),
			 "failed");
	cr_expect_str_eq(json_string_value(json_object_get(json_array_get(report, 0), "error")),
			 strerror(EMFILE));
	json_decref(report);
	guide_free(g);
	publication_free(p);
	event_base_free(env.base);
	snprintf(guides, sizeof(guides), "%s/guide", folder);
	remove_folder(guides);
	remove_folder(folder);
}
