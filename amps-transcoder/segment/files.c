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

static void name_of(uint32_t number, char name[NAME_MAX_])
{
	snprintf(name, NAME_MAX_, "%u.ts", number);
}

static void remove_number(const struct segment_files *f, uint32_t number)
{
	char name[NAME_MAX_];

	name_of(number, name);
	unlinkat(f->folder, name, 0);
}

static bool number_of(const char *name, uint32_t *ret)
{
	size_t digits = strspn(name, "0123456789");
	char text[NAME_MAX_];
	uint64_t number;

	if (digits == 0 || digits >= sizeof(text) || strcmp(name + digits, ".ts") != 0)
		return false;
	memcpy(text, name, digits);
	text[digits] = '\0';
	if (text_parse_u64(text, SEGMENT_NUMBER_MAX, &number) < 0)
		return false;
	*ret = (uint32_t)number;
	return true;
}

int segment_files_open(struct segment_files *f, const char *path, uint32_t first, uint32_t end)
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
		bool ours = number_of(e->d_name, &number);

		if (e->d_name[0] != '.' && !(ours && number >= first && number < end))
			unlinkat(f->folder, e->d_name, 0);
	}
	closedir(list);
	return 0;
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

static int add(struct segment_files *f, uint32_t number, uint64_t bytes, uint32_t duration_90k)
{
	int r = grow(f);
	size_t end = f->first + f->count;

	if (r < 0)
		return r;
	assert(end < f->cap);
	assert(f->count == 0 || f->at[end - 1].number < number);
	f->at[end] = (struct segment_file){
		.number = number, .bytes = (uint32_t)bytes, .duration_90k = duration_90k};
	f->count++;
	return 0;
}

int segment_files_adopt(struct segment_files *f, const struct segment *s)
{
	int r = add(f, s->number, s->bytes, s->duration_90k);

	if (r == 0)
		f->bytes += s->bytes;
	return r;
}

int segment_files_begin(struct segment_files *f, uint32_t number)
{
	char name[NAME_MAX_];

	assert(f->folder >= 0 && f->fd < 0);
	name_of(number, name);
	f->fd = openat(f->folder, name, OPEN_NEW, 0600);
	if (f->fd < 0 && errno == EEXIST && unlinkat(f->folder, name, 0) == 0)
		f->fd = openat(f->folder, name, OPEN_NEW, 0600);
	f->fd_number = number;
	f->fd_bytes = 0;
	return f->fd < 0 ? -errno : 0;
}

int segment_files_append(struct segment_files *f, const void *bytes, size_t n)
{
	const char *from = bytes;

	assert(f->fd >= 0);
	while (n > 0) {
		ssize_t done = write(f->fd, from, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done < 0 ? -errno : -EIO;
		from += done;
		n -= (size_t)done;
		f->fd_bytes += (uint64_t)done;
		f->bytes += (uint64_t)done;
	}
	return 0;
}

int segment_files_end(struct segment_files *f, uint32_t duration_90k, int64_t *ret_written_s)
{
	struct stat st;
	int r;

	assert(f->fd >= 0);
	r = fstat(f->fd, &st) != 0 ? -errno : add(f, f->fd_number, f->fd_bytes, duration_90k);
	if (r < 0)
		return r;
	close_fd(&f->fd);
	*ret_written_s = st.st_mtim.tv_sec;
	return 0;
}

void segment_files_drop(struct segment_files *f)
{
	if (f->fd < 0)
		return;
	close_fd(&f->fd);
	remove_number(f, f->fd_number);
	assert(f->bytes >= f->fd_bytes);
	f->bytes -= f->fd_bytes;
}

static void remove_first(struct segment_files *f)
{
	const struct segment_file *oldest = &f->at[f->first];

	assert(f->count > 0 && f->bytes >= oldest->bytes);
	remove_number(f, oldest->number);
	f->bytes -= oldest->bytes;
	f->first++;
	f->count--;
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
	close_fd(&f->folder);
	free(f->at);
	*f = SEGMENT_FILES_INIT;
}
