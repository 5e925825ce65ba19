#include "amps-transcoder/segment/files.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/text/text.h"

#define NAME_MAX_ 24
#define OPEN_NEW  (O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC)

#define INIT "mp4"

static void name_of(const struct segment_files *f, uint32_t number, const char *extension,
		    char name[NAME_MAX_])
{
	snprintf(name, NAME_MAX_, "%s%u.%s", f->prefix, number, extension);
}

/* Is it a file of this track, whatever its number?  A name without a prefix is a transport
 * stream's. */
static bool is_ours(const struct segment_files *f, const char *name)
{
	if (*f->prefix)
		return *name == *f->prefix;
	return *name != '.' && !segment_letter_ok(*name);
}

static void remove_number(const struct segment_files *f, uint32_t number, const char *extension)
{
	char name[NAME_MAX_];

	name_of(f, number, extension, name);
	unlinkat(f->folder, name, 0);
}

static bool number_of(const struct segment_files *f, const char *name, const char *extension,
		      uint32_t *ret)
{
	size_t before = strlen(f->prefix), digits;
	char text[NAME_MAX_];
	uint64_t number;

	if (strncmp(name, f->prefix, before) != 0)
		return false;
	name += before;
	digits = strspn(name, "0123456789");
	if (digits == 0 || digits >= sizeof(text) || name[digits] != '.' ||
	    strcmp(name + digits + 1, extension) != 0)
		return false;
	memcpy(text, name, digits);
	text[digits] = '\0';
	if (text_parse_u64(text, SEGMENT_NUMBER_MAX, &number) < 0)
		return false;
	*ret = (uint32_t)number;
	return true;
}

static void note_init(struct segment_files *f, uint32_t number)
{
	unsigned at = f->init_count;

	if (f->init_count == SEGMENT_INITS_MAX) {
		remove_number(f, f->inits[0], INIT);
		memmove(&f->inits[0], &f->inits[1], --f->init_count * sizeof(f->inits[0]));
		at--;
	}
	for (; at > 0 && f->inits[at - 1] > number; at--)
		f->inits[at] = f->inits[at - 1];
	f->inits[at] = number;
	f->init_count++;
}

/* Init segments that no file needs any more. */
static void remove_inits(struct segment_files *f, uint32_t needed)
{
	while (f->init_count > 0 && f->inits[0] < needed) {
		remove_number(f, f->inits[0], INIT);
		memmove(&f->inits[0], &f->inits[1], --f->init_count * sizeof(f->inits[0]));
	}
}

/* Is it a file to keep: a complete one with a number in [first, end), or the last one still
 * growing? */
static bool is_wanted(const struct segment_files *f, const char *name, uint32_t first, uint32_t end)
{
	uint32_t number;

	return (number_of(f, name, f->extension, &number) && number >= first && number < end) ||
	       (number_of(f, name, f->growing, &number) && end > 0 && number == end - 1);
}

int segment_files_open(struct segment_files *f, const char *path, uint32_t first, uint32_t end,
		       uint32_t init)
{
	const struct dirent *e;
	uint32_t number;
	DIR *list;
	int again;

	f->folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	again = f->folder < 0 ? -1 : openat(f->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	list = again < 0 ? NULL : fdopendir(again);
	if (!list) {
		close_fd(&again);
		return -errno;
	}
	while ((e = readdir(list))) {
		if (!is_ours(f, e->d_name))
			continue;
		if (is_wanted(f, e->d_name, first, end))
			continue;
		if (number_of(f, e->d_name, INIT, &number) && init > 0 && number >= init &&
		    number < end)
			note_init(f, number);
		else
			unlinkat(f->folder, e->d_name, 0);
	}
	closedir(list);
	return 0;
}

/* Cuts off what the file has behind so many bytes.  0, or -Exxx: it cannot be had with these. */
static int cut_off(const struct segment_files *f, const char *name, uint64_t bytes)
{
	_cleanup_(closep) int fd = -1;
	struct stat st;

	if (fstatat(f->folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size < bytes)
		return -ENODATA;
	if ((uint64_t)st.st_size == bytes)
		return 0;
	fd = openat(f->folder, name, OPEN_NEW & ~O_EXCL, 0600);
	return fd < 0 || ftruncate(fd, (off_t)bytes) != 0 ? -errno : 0;
}

void segment_files_finish(const struct segment_files *f, uint32_t number, uint64_t bytes)
{
	char grown[NAME_MAX_], name[NAME_MAX_];
	int r;

	assert(strcmp(f->growing, f->extension) != 0);
	name_of(f, number, f->growing, grown);
	name_of(f, number, f->extension, name);
	r = cut_off(f, grown, bytes);
	if (r == 0 && renameat(f->folder, grown, f->folder, name) == 0)
		return;
	if (r != -ENOENT)
		unlinkat(f->folder, grown, 0);
	/* the job may have completed it, and not listed its last part any more */
	else if (cut_off(f, name, bytes) < 0)
		unlinkat(f->folder, name, 0);
}

/* Makes room for one more. */
static int grow(struct segment_files *f)
{
	size_t cap = MAX(2 * f->cap, 64u);
	struct segment_file *grown;

	if (f->first > 0 && f->first >= f->cap / 2) {
		memmove(f->at, f->at + f->first, f->count * sizeof(*f->at));
		f->first = 0;
	}
	if (f->first + f->count < f->cap)
		return 0;
	grown = reallocarray(f->at, cap, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	f->at = grown;
	f->cap = cap;
	return 0;
}

static int add(struct segment_files *f, const struct segment_file *file)
{
	int r = grow(f);
	size_t end = f->first + f->count;

	if (r < 0)
		return r;
	assert(end < f->cap);
	assert(f->count == 0 || f->at[end - 1].number < file->number);
	f->at[end] = *file;
	f->count++;
	return 0;
}

int segment_files_adopt(struct segment_files *f, const struct segment *s)
{
	int r = add(f, &(struct segment_file){.number = s->number,
					      .init = s->init,
					      .bytes = s->bytes,
					      .duration_90k = s->duration_90k});

	if (r == 0)
		f->bytes += s->bytes;
	return r;
}

/* Creates a file of this name; an existing one is removed first.  A descriptor or -Exxx. */
static int create(const struct segment_files *f, const char *name)
{
	int fd = openat(f->folder, name, OPEN_NEW, 0600);

	if (fd < 0 && errno == EEXIST && unlinkat(f->folder, name, 0) == 0)
		fd = openat(f->folder, name, OPEN_NEW, 0600);
	return fd < 0 ? -errno : fd;
}

int segment_files_init(struct segment_files *f, uint32_t number, const void *bytes, size_t n)
{
	char name[NAME_MAX_];
	int fd, r;

	name_of(f, number, INIT, name);
	fd = create(f, name);
	if (fd < 0)
		return fd;
	note_init(f, number);
	r = write_all(fd, bytes, n);
	close_fd(&fd);
	return r;
}

int segment_files_begin(struct segment_files *f, uint32_t number)
{
	char name[NAME_MAX_];

	assert(f->folder >= 0 && f->fd < 0);
	name_of(f, number, f->growing, name);
	f->fd = create(f, name);
	f->fd_number = number;
	f->fd_bytes = 0;
	return MIN(f->fd, 0);
}

int segment_files_append(struct segment_files *f, const void *bytes, size_t n)
{
	int r;

	assert(f->fd >= 0);
	r = write_all(f->fd, bytes, n);
	if (r < 0)
		return r;
	f->fd_bytes += n;
	f->bytes += n;
	return 0;
}

int segment_files_written(const struct segment_files *f, int64_t *ret_s)
{
	struct stat st;

	assert(f->fd >= 0);
	if (fstat(f->fd, &st) != 0)
		return -errno;
	*ret_s = st.st_mtim.tv_sec;
	return 0;
}

int segment_files_end(struct segment_files *f, uint32_t duration_90k, uint32_t init,
		      int64_t *ret_written_s)
{
	char grown[NAME_MAX_], name[NAME_MAX_];
	int r = segment_files_written(f, ret_written_s);

	name_of(f, f->fd_number, f->growing, grown);
	name_of(f, f->fd_number, f->extension, name);
	if (r == 0 && renameat(f->folder, grown, f->folder, name) != 0)
		r = -errno;
	if (r == 0)
		r = add(f, &(struct segment_file){.number = f->fd_number,
						  .init = init,
						  .bytes = (uint32_t)f->fd_bytes,
						  .duration_90k = duration_90k});
	if (r == 0)
		close_fd(&f->fd);
	return r;
}

void segment_files_drop(struct segment_files *f)
{
	if (f->fd < 0)
		return;
	close_fd(&f->fd);
	remove_number(f, f->fd_number, f->growing);
	assert(f->bytes >= f->fd_bytes);
	f->bytes -= f->fd_bytes;
}

static void remove_first(struct segment_files *f)
{
	const struct segment_file *oldest = &f->at[f->first];

	assert(f->count > 0 && f->bytes >= oldest->bytes);
	remove_number(f, oldest->number, f->extension);
	f->bytes -= oldest->bytes;
	f->first++;
	f->count--;
	if (f->count > 0)
		remove_inits(f, f->at[f->first].init);
}

void segment_files_forget(struct segment_files *f, uint32_t number, uint64_t now_us)
{
	for (size_t i = 0; i < f->count; i++) {
		struct segment_file *file = &f->at[f->first + i];

		if (file->number < number && !file->left_us)
			file->left_us = now_us;
	}
}

uint32_t segment_files_slide(struct segment_files *f, int64_t window_90k, unsigned least,
			     uint64_t keep_us, uint64_t now_us)
{
	size_t listed = 0;
	int64_t lasts_90k = 0;
	uint32_t oldest;

	assert(f->count > 0);
	while (listed < f->count) {
		const struct segment_file *file = &f->at[f->first + f->count - 1 - listed];

		if (file->left_us || (lasts_90k >= window_90k && listed >= least))
			break;
		lasts_90k += file->duration_90k;
		listed++;
	}
	assert(listed > 0);
	oldest = f->at[f->first + f->count - listed].number;
	segment_files_forget(f, oldest, now_us);
	while (f->count > listed && now_us - f->at[f->first].left_us >= keep_us)
		remove_first(f);
	return oldest;
}

void segment_files_close(struct segment_files *f, bool remove)
{
	segment_files_drop(f);
	while (remove && f->count)
		remove_first(f);
	if (remove)
		remove_inits(f, UINT32_MAX);
	close_fd(&f->folder);
	free(f->at);
	*f = SEGMENT_FILES_INIT;
}
