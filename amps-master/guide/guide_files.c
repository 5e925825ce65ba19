#include "amps-master/guide/guide_files.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "amps-master/util/json.h"
#include "common/hash.h"
#include "common/shm/catalog.h"
#include "common/shm/guide.h"
#include "common/shm/shm.h"
#include "common/text/buf.h"
#include "common/text/text.h"

#define SUFFIX ".guide"
#define FRAME_BYTES                                                                                \
	(sizeof(struct guide_header) + 16) /* of a snapshot: its header, and alignment */

/* A source's file, mapped; and what its report says. */
struct part {
	int fd;
	void *map;
	size_t bytes;
	struct snapshot *snapshot;
	json_t *source, *matches; /* borrowed from `report` */
	json_t *report;
	bool left_out;	/* of the snapshot */
	uint64_t taken; /* bytes of it that go into the snapshot */
};

static void part_close(struct part *p)
{
	snapshot_unref(p->snapshot);
	if (p->map != NULL)
		munmap(p->map, p->bytes);
	close_fd(&p->fd);
	json_decref(p->report);
	*p = (struct part){.fd = -1};
}

static const struct guide *guide_in(const struct part *p)
{
	return guide_of(p->snapshot);
}

/* Takes the descriptor.  0, -EINVAL or another -Exxx. */
static int part_open_fd(int fd, struct part *p)
{
	struct stat st;
	int r;

	*p = (struct part){.fd = fd};
	if (fstat(fd, &st) < 0 || st.st_size <= 0)
		return -EINVAL;
	p->bytes = (size_t)st.st_size;
	p->map = mmap(NULL, p->bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (p->map == MAP_FAILED) {
		p->map = NULL;
		return -ENOMEM;
	}
	r = snapshot_open_memory(&guide_type, p->map, p->bytes, &p->snapshot);
	return r;
}

static void path_of(char path[PATH_MAX], const char *folder, const char *key, const char *suffix)
{
	snprintf(path, PATH_MAX, "%s/%s%s", folder, key, suffix);
}

static int part_open(const char *folder, const char *key, struct part *p)
{
	char path[PATH_MAX];
	int fd, r;

	path_of(path, folder, key, SUFFIX);
	*p = (struct part){.fd = -1};
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	r = part_open_fd(fd, p);
	if (r < 0)
		part_close(p);
	return r;
}

/* Reads the report; one that cannot be read is as if there were none. */
static void part_read_report(struct part *p)
{
	const struct guide_header *h = guide_header(guide_in(p));

	if (h->report_bytes > 0 && h->report_bytes <= GUIDE_REPORT_MAX)
		p->report =
			json_loadb((const char *)p->map + h->report_at, h->report_bytes, 0, NULL);
	p->source = json_object_get(p->report, "source");
	p->matches = json_object_get(p->report, "matches");
}

static uint64_t lineup_of(const struct part *p)
{
	const char *text =
		json_string_value(json_object_get(json_object_get(p->source, "keep"), "lineup"));

	return text != NULL ? strtoull(text, NULL, 16) : 0;
}

/* ---------- the line-up ---------- */

static int open_catalog(const struct guide_catalog *c, struct catalog **ret)
{
	struct snapshot *s;
	int r = c->fd >= 0 ? snapshot_open(&catalog_type, c->fd, c->bytes, &s) : -ENOENT;

	if (r == 0)
		*ret = catalog_of(s);
	return r;
}

static uint64_t hash_lineup(const struct catalog *c)
{
	uint64_t h = HASH_START;

	for (size_t i = 0; i < catalog_channel_count(c); i++) {
		const struct catalog_channel *ch = catalog_channel_at(c, i);

		if (ch->flags & CHANNEL_SCHEDULED)
			continue;
		h = hash_text(h, catalog_text(c, ch->tvg_id_at));
		h = hash_text(h, catalog_text(c, ch->name_at));
		h = hash_text(h, catalog_text(c, ch->tvg_name_at));
	}
	return hash_end(h);
}

int guide_files_lineup(const struct guide_catalog *c, uint64_t *ret)
{
	struct catalog *catalog = NULL;
	int r = open_catalog(c, &catalog);

	if (r < 0)
		return r;
	*ret = hash_lineup(catalog);
	snapshot_unref(catalog_snapshot(catalog));
	return 0;
}

/* [[id, name, ...], ...], each id once. */
static json_t *targets_of(const struct catalog *c)
{
	json_t *list = json_array(), *known = json_object();

	for (size_t i = 0; i < catalog_channel_count(c); i++) {
		const struct catalog_channel *ch = catalog_channel_at(c, i);
		const char *id = catalog_text(c, ch->tvg_id_at),
			   *name = catalog_text(c, ch->name_at);
		const char *tvg_name = catalog_text(c, ch->tvg_name_at);
		json_t *target = json_object_get(known, id);

		if (target == NULL) {
			target = json_array();
			json_array_append_new(target, json_string(id));
			json_array_append(list, target);
			json_object_set_new(known, id, target);
		}
		if (name != NULL)
			json_array_append_new(target, json_string(name));
		if (tvg_name != NULL && (name == NULL || strcmp(name, tvg_name) != 0))
			json_array_append_new(target, json_string(tvg_name));
	}
	json_decref(known);
	return list;
}

/* Has the file all programmes of its document that are among the days to be kept now? */
static bool is_complete(const struct part *p, const struct guide_spec *spec, int64_t wall_s)
{
	const json_t *until = json_object_get(p->source, "left_out_until"),
		     *from = json_object_get(p->source, "left_out_from");

	if (!json_is_integer(until) || !json_is_integer(from))
		return false;
	return json_integer_value(until) <= wall_s - spec->past_days * GUIDE_DAY_S &&
	       (json_integer_value(from) == 0 ||
		json_integer_value(from) >= wall_s + spec->keep_days * GUIDE_DAY_S);
}

static void add_text(json_t *task, const char *key, const json_t *from, const char *name)
{
	const char *text = json_string_value(json_object_get(from, name));

	if (text != NULL && text[0] != '\0')
		json_object_set_new(task, key, json_string(text));
}

/* What the file was made of, so that it is not fetched again if it is the same. */
static void add_known(json_t *task, const char *folder, const struct guide_spec *spec,
		      uint64_t lineup, int64_t wall_s)
{
	struct part p;

	if (part_open(folder, spec->key, &p) < 0)
		return;
	part_read_report(&p);
	if (lineup_of(&p) == lineup && is_complete(&p, spec, wall_s)) {
		add_text(task, "etag", p.source, "etag");
		add_text(task, "modified", p.source, "modified");
	}
	part_close(&p);
}

int guide_files_describe(const char *folder, const struct guide_catalog *c,
			 const struct guide_spec *spec, int64_t wall_s, char **ret)
{
	const char *zone = json_string_value(json_object_get(spec->source, "timezone"));
	struct catalog *catalog = NULL;
	char lineup[24];
	json_t *task;
	int r = open_catalog(c, &catalog);

	if (r < 0)
		return r;
	snprintf(lineup, sizeof(lineup), "%" PRIx64, hash_lineup(catalog));
	task = json_pack("{s:s, s:f, s:i, s:i, s:{s:s}, s:o}", "timezone",
			 zone != NULL ? zone : "UTC", "shift",
			 json_number_value(json_object_get(spec->source, "shift")), "keep_days",
			 spec->keep_days, "past_days", spec->past_days, "keep", "lineup", lineup,
			 "targets", targets_of(catalog));
	add_text(task, "url", spec->source, "url");
	add_text(task, "path", spec->source, "path");
	if (spec->allow_private)
		json_object_set_new(task, "allow_private", json_true());
	add_known(task, folder, spec, hash_lineup(catalog), wall_s);
	snapshot_unref(catalog_snapshot(catalog));
	*ret = task != NULL ? json_dumps(task, JSON_COMPACT) : NULL;
	json_decref(task);
	return *ret != NULL ? 0 : -ENOMEM;
}

/* ---------- the files ---------- */

static int copy_range(int to, int from, uint64_t at, uint64_t bytes)
{
	off_t offset = (off_t)at;

	while (bytes > 0) {
		ssize_t n = sendfile(to, from, &offset, (size_t)MIN(bytes, 1ull << 30));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		bytes -= (uint64_t)n;
	}
	return 0;
}

static int sync_folder(const char *folder)
{
	_cleanup_(closep) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int replace_file(const char *folder, const char *key, int from, uint64_t bytes)
{
	char path[PATH_MAX], next[PATH_MAX];
	_cleanup_(closep) int fd = -1;
	int r;

	path_of(path, folder, key, SUFFIX);
	path_of(next, folder, key, ".tmp");
	fd = open(next, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	r = copy_range(fd, from, 0, bytes);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && rename(next, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(next);
	return r < 0 ? r : sync_folder(folder);
}

/* It was found unchanged now. */
static int touch(const char *folder, const char *key)
{
	char path[PATH_MAX];

	path_of(path, folder, key, SUFFIX);
	return utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

int guide_files_keep(const char *folder, const char *key, int fd)
{
	struct part p;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size == 0)
		return touch(folder, key);
	r = part_open_fd(dup(fd), &p);
	if (r == 0)
		r = replace_file(folder, key, fd, p.bytes);
	part_close(&p);
	return r;
}

void guide_files_clean(const char *folder, const struct guide_spec *specs, size_t count)
{
	DIR *dir = opendir(folder);
	struct dirent *e;

	while (dir != NULL && (e = readdir(dir)) != NULL) {
		bool ours = strstr(e->d_name, SUFFIX) != NULL || strstr(e->d_name, ".tmp") != NULL;

		for (size_t i = 0; ours && i < count; i++)
			ours = strncmp(e->d_name, specs[i].key, strlen(specs[i].key)) != 0;
		if (ours)
			unlinkat(dirfd(dir), e->d_name, 0);
	}
	if (dir != NULL)
		closedir(dir);
}

/* ---------- the snapshot ---------- */

/* A channel of a source that goes into the snapshot. */
struct pick {
	struct guide_channel channel;
	size_t part;
};

struct joining {
	struct part *parts;
	size_t part_count;
	struct pick *picks;
	size_t count;
	int fd;
	uint64_t at; /* written */
};

static uint64_t *xml_place(struct guide_channel *ch)
{
	return &ch->xml_at;
}

static uint64_t xml_length(const struct guide_channel *ch)
{
	return ch->xml_bytes;
}

static uint64_t *packed_place(struct guide_channel *ch)
{
	return &ch->packed_at;
}

static uint64_t packed_length(const struct guide_channel *ch)
{
	return ch->packed_bytes;
}

static uint64_t *programmes_place(struct guide_channel *ch)
{
	return &ch->programmes_at;
}

static uint64_t programmes_length(const struct guide_channel *ch)
{
	return ch->programme_count * sizeof(struct guide_programme);
}

static bool is_used(const struct part *p)
{
	return p->snapshot != NULL && !p->left_out;
}

static bool is_taken(const struct joining *j, size_t part, uint64_t hash)
{
	for (size_t i = 0; i < part; i++)
		if (is_used(&j->parts[i]) && guide_find_hash(guide_in(&j->parts[i]), hash) != NULL)
			return true;
	return false;
}

/* In the order of the sources, and of their files, so that neighbours stay neighbours. */
static int compare_places(const void *a, const void *b)
{
	const struct pick *x = a, *y = b;

	if (x->part != y->part)
		return x->part < y->part ? -1 : 1;
	return (x->channel.xml_at > y->channel.xml_at) - (x->channel.xml_at < y->channel.xml_at);
}

static int compare_hashes(const void *a, const void *b)
{
	const struct pick *x = a, *y = b;

	return (x->channel.id_hash > y->channel.id_hash) -
	       (x->channel.id_hash < y->channel.id_hash);
}

/* What a channel adds to the snapshot. */
static uint64_t size_of(const struct guide_channel *ch)
{
	return sizeof(*ch) + xml_length(ch) + packed_length(ch) + programmes_length(ch);
}

/* Picks the channels of the sources that are used.  Returns their bytes. */
static uint64_t pick_used(struct joining *j)
{
	uint64_t bytes = 0;

	j->count = 0;
	for (size_t i = 0; i < j->part_count; i++) {
		struct part *p = &j->parts[i];
		size_t count = is_used(p) ? guide_channel_count(guide_in(p)) : 0;

		p->taken = 0;
		for (size_t k = 0; k < count; k++) {
			const struct guide_channel *ch = guide_channel_at(guide_in(p), k);

			if (is_taken(j, i, ch->id_hash))
				continue;
			j->picks[j->count++] = (struct pick){*ch, i};
			p->taken += size_of(ch);
		}
		bytes += p->taken;
	}
	return bytes;
}

static void leave_out_largest(struct joining *j)
{
	struct part *largest = &j->parts[0];

	for (size_t i = 1; i < j->part_count; i++)
		if (j->parts[i].taken > largest->taken)
			largest = &j->parts[i];
	assert(is_used(largest));
	largest->left_out = true;
}

static int pick_channels(struct joining *j)
{
	size_t most = 0;

	for (size_t i = 0; i < j->part_count; i++)
		most += is_used(&j->parts[i]) ? guide_channel_count(guide_in(&j->parts[i])) : 0;
	j->picks = calloc(MAX(most, 1u), sizeof(*j->picks));
	if (j->picks == NULL)
		return -ENOMEM;
	while (pick_used(j) > GUIDE_BYTES_MAX - FRAME_BYTES || j->count > CHANNELS_MAX)
		leave_out_largest(j);
	qsort(j->picks, j->count, sizeof(*j->picks), compare_places);
	return 0;
}

/* Copies one kind of bytes of all channels, those that follow each other at once, and moves the
 * channels' offsets to where they are now. */
static int copy_area(struct joining *j, uint64_t *(*place)(struct guide_channel *),
		     uint64_t (*length)(const struct guide_channel *))
{
	int r = 0;

	for (size_t i = 0, end; r == 0 && i < j->count; i = end) {
		uint64_t from = *place(&j->picks[i].channel), bytes = 0;

		for (end = i; end < j->count && j->picks[end].part == j->picks[i].part &&
			      *place(&j->picks[end].channel) == from + bytes;
		     end++) {
			*place(&j->picks[end].channel) = j->at + bytes;
			bytes += length(&j->picks[end].channel);
		}
		r = copy_range(j->fd, j->parts[j->picks[i].part].fd, from, bytes);
		j->at += bytes;
	}
	return r;
}

static int write_bytes(struct joining *j, const void *bytes, size_t n)
{
	j->at += n;
	return write_all(j->fd, bytes, n);
}

static int align(struct joining *j)
{
	static const char zeros[8];

	return write_bytes(j, zeros, (8 - j->at % 8) % 8);
}

static int write_channels(struct joining *j, struct guide_header *h)
{
	_cleanup_(buf_done) struct buf list = BUF_INIT;

	qsort(j->picks, j->count, sizeof(*j->picks), compare_hashes);
	h->channels_at = j->at;
	h->channel_count = (uint32_t)j->count;
	for (size_t i = 0; i < j->count; i++) {
		h->programme_count += j->picks[i].channel.programme_count;
		buf_add(&list, &j->picks[i].channel, sizeof(j->picks[i].channel));
	}
	return buf_ok(&list) ? write_bytes(j, list.data, list.len) : -ENOMEM;
}

static int write_snapshot(struct joining *j, struct guide_header *h)
{
	int r = write_bytes(j, h, sizeof(*h));

	if (r == 0)
		r = copy_area(j, xml_place, xml_length);
	if (r == 0)
		r = copy_area(j, packed_place, packed_length);
	if (r == 0)
		r = align(j);
	if (r == 0)
		r = copy_area(j, programmes_place, programmes_length);
	if (r == 0)
		r = align(j);
	if (r == 0)
		r = write_channels(j, h);
	assert(r < 0 || j->at <= GUIDE_BYTES_MAX);
	h->snapshot.total_bytes = j->at;
	if (r == 0 && pwrite(j->fd, h, sizeof(*h), 0) != (ssize_t)sizeof(*h))
		r = -EIO;
	return r < 0 ? r : shm_end(j->fd);
}

static int make_snapshot(struct part *parts, size_t count, uint64_t generation,
			 struct published *ret)
{
	struct joining j = {.parts = parts, .part_count = count, .fd = -1};
	struct guide_header h = {.snapshot = {.magic = GUIDE_MAGIC,
					      .version = GUIDE_VERSION,
					      .header_bytes = sizeof(h),
					      .generation = generation}};
	int r = pick_channels(&j);

	if (r == 0)
		r = j.fd = shm_begin("amps-guide");
	if (r >= 0)
		r = write_snapshot(&j, &h);
	if (r == 0)
		*ret = (struct published){TAKE_FD(j.fd), h.snapshot.total_bytes, generation};
	close_fd(&j.fd);
	free(j.picks);
	return r;
}

/* ---------- the report ---------- */

static bool is_match(const json_t *match)
{
	const char *how = json_string_value(json_object_get(match, "how"));

	return how != NULL && (strcmp(how, "id") == 0 || strcmp(how, "name") == 0);
}

/* By guide id: its match in the first source that has one, else the first that says anything. */
static json_t *matches_of(const struct guide_spec *specs, const struct part *parts, size_t count,
			  struct guide_file *files)
{
	json_t *all = json_object(), *match;
	size_t k;

	for (size_t i = 0; i < count; i++) {
		char shown[512];
		const char *url = json_string_value(json_object_get(specs[i].source, "url"));
		const char *path = json_string_value(json_object_get(specs[i].source, "path"));

		if (parts[i].left_out)
			continue;
		text_redact_url(url != NULL ? url : path, shown, sizeof(shown));
		json_array_foreach (parts[i].matches, k, match) {
			const char *id = json_string_value(json_object_get(match, "id"));
			json_t *before = id != NULL ? json_object_get(all, id) : match;

			files[i].matched += is_match(match);
			if (before != NULL && (is_match(before) || !is_match(match)))
				continue;
			json_object_set_new(match, "source",
					    is_match(match) ? json_string(shown) : json_null());
			json_object_set(all, id, match);
		}
	}
	return all;
}

static json_t *value_or_null(const json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	return value != NULL ? json_incref(value) : json_null();
}

void guide_text_file_make(struct guide_text_file *ret, const json_t *tree)
{
	char *text = tree != NULL ? json_dumps(tree, JSON_COMPACT) : NULL;
	size_t bytes = text != NULL ? strlen(text) : 0;
	int fd = text != NULL ? shm_snapshot("amps-guide-text", text, bytes) : -ENOMEM;

	free(text);
	*ret = (struct guide_text_file){MAX(fd, -1), bytes};
}

static void report_of(const struct catalog *c, const json_t *matches, struct guide_text_file *ret)
{
	json_t *list = json_array();

	for (size_t i = 0; i < catalog_channel_count(c); i++) {
		const struct catalog_channel *ch = catalog_channel_at(c, i);
		const char *id = catalog_text(c, ch->tvg_id_at);
		const json_t *match = json_object_get(matches, id);
		json_t *hints = json_object_get(match, "hints");

		json_array_append_new(
			list, json_pack("{s:I, s:s?, s:s, s:o, s:o, s:o, s:o, s:o}", "id",
					(json_int_t)ch->id, "name", catalog_text(c, ch->name_at),
					"epg_id", id, "how",
					match ? value_or_null(match, "how") : json_string("none"),
					"source", value_or_null(match, "source"), "channel",
					value_or_null(match, "channel"), "channel_name",
					value_or_null(match, "name"), "suggestions",
					hints ? json_incref(hints) : json_array()));
	}
	guide_text_file_make(ret, list);
	json_decref(list);
}

static void open_parts(const char *folder, const struct guide_spec *specs, size_t count,
		       struct part *parts, struct guide_file *files)
{
	for (size_t i = 0; i < count; i++) {
		struct stat st;

		files[i] = (struct guide_file){0};
		if (part_open(folder, specs[i].key, &parts[i]) < 0 || fstat(parts[i].fd, &st) < 0)
			continue;
		part_read_report(&parts[i]);
		files[i] = (struct guide_file){
			.present = true,
			.fetched_wall_s = st.st_mtim.tv_sec,
			.lineup = lineup_of(&parts[i]),
			.programmes = guide_header(guide_in(&parts[i]))->programme_count,
			.channels = (uint64_t)json_integer_value(
				json_object_get(parts[i].source, "channels"))};
	}
}

int guide_files_join(const char *folder, const struct guide_catalog *c,
		     const struct guide_spec *specs, size_t count, uint64_t generation,
		     struct guide_file *files, struct published *ret,
		     struct guide_text_file *ret_report)
{
	struct part *parts = calloc(MAX(count, 1u), sizeof(*parts));
	struct catalog *catalog = NULL;
	json_t *matches;
	int r;

	if (parts == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		parts[i].fd = -1;
	open_parts(folder, specs, count, parts, files);
	r = make_snapshot(parts, count, generation, ret);
	for (size_t i = 0; i < count; i++)
		files[i].left_out = parts[i].left_out;
	ret_report->fd = -1;
	if (r == 0 && open_catalog(c, &catalog) == 0) {
		matches = matches_of(specs, parts, count, files);
		report_of(catalog, matches, ret_report);
		json_decref(matches);
		snapshot_unref(catalog_snapshot(catalog));
	}
	for (size_t i = 0; i < count; i++)
		part_close(&parts[i]);
	free(parts);
	return r;
}
