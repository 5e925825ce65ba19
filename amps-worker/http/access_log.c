/* access_log.c - see access_log.h.
 *
 * Writes to pipes, terminals and sockets do not block.  A regular file has no such mode; a write of
 * a few KiB goes into the page cache in microseconds, and takes longer only if the kernel delays
 * all writers because the disk is far behind.  Other servers accept that, too: a thread for it
 * would have to exist in each worker before it enters the sandbox, wanted or not. */
#include "amps-worker/http/access_log.h"

#include <assert.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "amps-worker/context/context.h"
#include "common/log/log.h"

void access_log_init(struct access_log *l)
{
	*l = (struct access_log){.fd = -1};
}

static void report_drops(struct access_log *l)
{
	uint64_t now = clock_mono_us(), lines = l->unreported;

	if (!lines || now < l->report_us)
		return;
	l->unreported = 0;
	l->report_us = now + ACCESS_LOST_LOG_US;
	/* if the ordinary log is full, a warning would only wait behind these lines */
	if (!l->framed)
		log_warn("the access log cannot be written (%s), going on without these lines "
			 "lines=%llu",
			 strerror(l->reason), (unsigned long long)lines);
}

/* Counts the lines that end in these bytes as dropped. */
static void drop(struct access_log *l, const char *at, size_t n, int reason)
{
	uint64_t lines = 0;

	for (size_t i = 0; i < n; i++)
		lines += at[i] == '\n';
	page_add(&l->page->access_log_dropped, lines);
	l->unreported += lines;
	l->reason = reason;
}

/* How many of the bytes to write at once: whole lines of at most LOG_LINE_MAX, which a pipe takes
 * completely or not at all, so that lines of several workers never mix.  A file opened for append
 * takes any write as a whole. */
static size_t piece_length(const char *at, size_t left)
{
	const char *end = left > LOG_LINE_MAX ? memrchr(at, '\n', LOG_LINE_MAX) : NULL;

	return end ? (size_t)(end + 1 - at) : left;
}

/* The bytes written, or -Exxx. */
static ssize_t write_piece(struct access_log *l, const char *at, size_t n)
{
	size_t before = l->torn; /* the newline in front ends the line that was cut */
	ssize_t r = l->socket ? send(l->fd, at - before, n + before, MSG_DONTWAIT | MSG_NOSIGNAL)
			      : write(l->fd, at - before, n + before);

	if (r <= 0)
		return r < 0 ? -errno : -ENOSPC;
	l->torn = false;
	l->inside = at[r - (ssize_t)before - 1] != '\n';
	return r - (ssize_t)before;
}

static void write_lines(struct access_log *l)
{
	char *lines = l->lines + 1;
	size_t at = 0;

	l->full = false;
	while (at < l->len && !l->full) {
		size_t n = piece_length(lines + at, l->len - at);
		ssize_t r = write_piece(l, lines + at, n);

		if (r >= 0) {
			at += (size_t)r;
		} else if (r == -EAGAIN || r == -EINTR) {
			l->full = true;
			l->reason = EAGAIN;
		} else {
			drop(l, lines + at, n, (int)-r);
			l->torn = l->inside;
			at += n;
		}
	}
	assert(at <= l->len && l->len <= ACCESS_LOG_BYTES);
	l->len -= at;
	memmove(lines, lines + at, l->len);
}

void access_log_flush(struct access_log *l)
{
	if (l->fd < 0)
		return;
	write_lines(l);
	report_drops(l);
}

static void append(struct access_log *l, const char *line, size_t n)
{
	if (!l->full && l->len + n > ACCESS_LOG_FLUSH)
		write_lines(l);
	assert(l->len <= ACCESS_LOG_BYTES);
	if (l->len + n > ACCESS_LOG_BYTES) {
		drop(l, line, n, l->reason);
		return;
	}
	assert(n > 0 && line[n - 1] == '\n');
	memcpy(l->lines + 1 + l->len, line, n);
	l->len += n;
}

void access_log_close(struct access_log *l)
{
	if (l->fd < 0)
		return;
	write_lines(l);
	drop(l, l->lines + 1, l->len, l->reason);
	l->report_us = 0;
	report_drops(l);
	close(l->fd);
	free(l->lines);
	access_log_init(l);
}

void access_log_open(struct access_log *l, int fd, bool framed, struct worker_page *page)
{
	struct stat st;

	if (l->fd >= 0) {
		write_lines(l);
		close_fd(&l->fd);
	} else {
		l->lines = malloc(ACCESS_LOG_BYTES + 1);
		if (!l->lines) {
			log_warn("no memory for the access log, going on without it");
			close(fd);
			return;
		}
		l->lines[0] = '\n';
	}
	l->fd = fd;
	l->framed = framed;
	l->socket = fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
	l->full = l->torn = l->inside = false;
	l->page = page;
}

struct access_entry *access_log_end(struct access_log *l, struct access_entry *e, uint64_t bytes)
{
	char line[LOG_LINE_MAX];

	if (e && l->fd >= 0)
		append(l, line, access_line(e, bytes, l->framed, line));
	free(e);
	return NULL;
}
