/* guide.c - imports a guide: fetches or opens it, unpacks, reads and matches it, and writes what is
 * kept. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "amps-helper/guide/document.h"
#include "amps-helper/guide/write.h"
#include "amps-helper/tasks.h"
#include "amps-helper/web.h"
#include "common/clock.h"
#include "common/limits.h"

struct import {
	const char *url, *path, *timezone, *etag, *modified;
	double shift_hours;
	int allow_private;
	int keep_days, past_days, spool_fd;
	json_t *targets, *keep; /* borrowed; `keep` goes into the report as it is */
	struct guide_match *match;
	struct guide_spool spool;
	struct guide_document document;
	bool unchanged;
	char got_etag[WEB_TAG_MAX], got_modified[WEB_TAG_MAX];
};

static int read_task(const json_t *task, struct import *i, char *reason, size_t cap)
{
	json_error_t wrong;

	if (json_unpack_ex((json_t *)(uintptr_t)task, &wrong, JSON_STRICT,
			   "{s?:s, s?:s, s:s, s:F, s:i, s:i, s?:s, s?:s, s?:b, s:o, s:o, s:i}",
			   "url", &i->url, "path", &i->path, "timezone", &i->timezone, "shift",
			   &i->shift_hours, "keep_days", &i->keep_days, "past_days", &i->past_days,
			   "etag", &i->etag, "modified", &i->modified, "allow_private",
			   &i->allow_private, "targets", &i->targets, "keep", &i->keep, "spool",
			   &i->spool_fd) < 0 ||
	    !json_is_array(i->targets) || (i->url == NULL) == (i->path == NULL)) {
		snprintf(reason, cap, "guide: the description is wrong: %s", wrong.text);
		return -EINVAL;
	}
	return 0;
}

static int take(void *owner, const char *bytes, size_t n, char *reason, size_t cap)
{
	struct import *i = owner;

	return guide_document_add(&i->document, bytes, n, reason, cap);
}

static int fetch(struct import *i, char *reason, size_t cap)
{
	struct web w = {.url = i->url,
			.limit = GUIDE_SOURCE_MAX,
			.seconds = GUIDE_SECONDS_MAX,
			.etag = i->etag,
			.modified = i->modified,
			.allow_private = i->allow_private,
			.take = take,
			.owner = i};
	int r = web_get(&w, reason, cap);

	i->unchanged = r == 0 && w.unchanged;
	memcpy(i->got_etag, w.got_etag, sizeof(i->got_etag));
	memcpy(i->got_modified, w.got_modified, sizeof(i->got_modified));
	return r;
}

/* Reads a file, unless it has the size and the time that we have already. */
static int read_file(struct import *i, char *reason, size_t cap)
{
	_cleanup_(closep) int fd = open(i->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char bytes[65536];
	struct stat st;
	ssize_t n;
	int r = 0;

	if (fd < 0 || fstat(fd, &st) < 0) {
		snprintf(reason, cap, "the file cannot be opened: %s", strerror(errno));
		return -errno;
	}
	if (!S_ISREG(st.st_mode)) {
		snprintf(reason, cap, "it is not a file");
		return -EINVAL;
	}
	snprintf(i->got_modified, sizeof(i->got_modified), "%lld.%09ld %lld",
		 (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, (long long)st.st_size);
	i->unchanged = i->modified != NULL && strcmp(i->modified, i->got_modified) == 0;
	while (r == 0 && !i->unchanged && (n = read(fd, bytes, sizeof(bytes))) != 0)
		r = n < 0 ? -errno : take(i, bytes, (size_t)n, reason, cap);
	return r;
}

static int import_document(struct import *i, char *reason, size_t cap)
{
	int r = i->url != NULL ? fetch(i, reason, cap) : read_file(i, reason, cap);

	if (r == 0 && !i->unchanged)
		r = guide_document_end(&i->document, reason, cap);
	return r;
}

static int write_result(struct import *i, int64_t now_s, const struct guide_parse_env *env,
			char *reason, size_t cap)
{
	struct guide_left_out out = guide_parse_left_out(i->document.parse);
	json_t *report;
	int r;

	if (guide_parse_count(i->document.parse) == 0) {
		snprintf(reason, cap, "the guide has no programmes");
		return -ENODATA;
	}
	guide_match_resolve(i->match);
	r = guide_spool_finish(&i->spool, env->from_s);
	if (r < 0)
		return r;
	report = json_pack("{s:O, s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "keep", i->keep, "etag",
			   i->got_etag, "modified", i->got_modified, "fetched", (json_int_t)now_s,
			   "channels", (json_int_t)guide_match_channel_count(i->match), "found",
			   (json_int_t)guide_parse_count(i->document.parse), "left_out_until",
			   (json_int_t)out.last_end_s, "left_out_from",
			   (json_int_t)out.first_start_s);
	r = report != NULL ? guide_write(i->match, &i->spool, report, STDOUT_FILENO) : -ENOMEM;
	json_decref(report);
	return r;
}

static int run(struct import *i, char *reason, size_t cap)
{
	int64_t now_s = clock_wall_us() / 1000000;
	struct guide_parse_env env = {.spool = &i->spool,
				      .from_s = now_s - i->past_days * GUIDE_DAY_S,
				      .until_s = now_s + i->keep_days * GUIDE_DAY_S,
				      .shift_s = (int64_t)(i->shift_hours * 3600),
				      .local = strcmp(i->timezone, "UTC") != 0};
	int r = guide_match_new(i->targets, &i->match);

	if (r < 0)
		return r;
	if (env.local) {
		setenv("TZ", i->timezone, 1);
		tzset();
	}
	env.match = i->match;
	r = guide_document_init(&i->document, &env);
	if (r < 0)
		return r;
	r = import_document(i, reason, cap);
	return r == 0 && !i->unchanged ? write_result(i, now_s, &env, reason, cap) : r;
}

int guide_run(const json_t *task, char *reason, size_t cap)
{
	struct import i = {.spool = {.fd = -1}};
	int r = read_task(task, &i, reason, cap);

	if (r == 0) {
		i.spool.fd = i.spool_fd;
		r = run(&i, reason, cap);
	}
	guide_document_done(&i.document);
	guide_spool_done(&i.spool);
	guide_match_free(i.match);
	return r;
}
