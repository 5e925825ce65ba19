#include "amps-master/store/state_token.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include "amps-master/util/json.h"

#define MADE_TOKEN_BYTES 16 /* written as twice as many hexadecimal digits */

/* Drops blanks and line ends on both sides; -EINVAL when nothing is left or a NUL is inside. */
static int token_trim(char *text, size_t n, char dst[TOKEN_BYTES_MAX + 1])
{
	static const char blanks[] = " \t\r\n";
	size_t from = 0;

	if (memchr(text, '\0', n) != NULL)
		return -EINVAL;
	while (from < n && strchr(blanks, text[from]) != NULL)
		from++;
	while (n > from && strchr(blanks, text[n - 1]) != NULL)
		n--;
	if (n == from)
		return -EINVAL;
	if (n - from > TOKEN_BYTES_MAX)
		return -EMSGSIZE;
	memcpy(dst, text + from, n - from);
	dst[n - from] = '\0';
	return 0;
}

static int token_read(const char *path, char dst[TOKEN_BYTES_MAX + 1])
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char text[TOKEN_BYTES_MAX + 64];
	size_t n = 0;
	ssize_t got = 1;

	if (fd < 0)
		return -errno;
	while (n < sizeof(text) && got > 0) {
		got = read(fd, text + n, sizeof(text) - n);
		if (got < 0)
			return -errno;
		n += (size_t)got;
	}
	return n < sizeof(text) ? token_trim(text, n, dst) : -EMSGSIZE;
}

static int token_make(char dst[TOKEN_BYTES_MAX + 1])
{
	unsigned char bytes[MADE_TOKEN_BYTES];

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return -EIO;
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(dst + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

static int write_whole(int fd, const char *text, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, text, n);

		if (done < 0)
			return -errno;
		text += done;
		n -= (size_t)done;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

/* Written to a second file and renamed, so that an interruption cannot leave half a token. */
static int token_write(const char *path, const char *token)
{
	_cleanup_(closep) int fd = -1;
	char beside[4104], line[TOKEN_BYTES_MAX + 2];
	int r;

	snprintf(beside, sizeof(beside), "%s.new", path);
	unlink(beside);
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	snprintf(line, sizeof(line), "%s\n", token);
	r = write_whole(fd, line, strlen(line));
	if (r == 0 && rename(beside, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(beside);
	return r;
}

static int explain(int error, const char *what, const char *path, char *text, size_t cap)
{
	if (error == -EINVAL)
		snprintf(text, cap, "%s %s holds no token", what, path);
	else if (error == -EMSGSIZE)
		snprintf(text, cap, "%s %s holds more than a token of %d bytes", what, path,
			 TOKEN_BYTES_MAX);
	else
		snprintf(text, cap, "%s %s: %s", what, path, strerror(-error));
	return error;
}

/* The token of an earlier start, else a new one. */
static int token_keep(const char *state_dir, struct state_token *t, char *text, size_t cap)
{
	int r;

	if ((size_t)snprintf(t->made_path, sizeof(t->made_path), "%s/token", state_dir) >=
	    sizeof(t->made_path))
		return explain(-ENAMETOOLONG, "the token's folder", state_dir, text, cap);
	r = token_read(t->made_path, t->token);
	if (r == -ENOENT) {
		r = token_make(t->token);
		if (r == 0)
			r = token_write(t->made_path, t->token);
	}
	return r < 0 ? explain(r, "the token file", t->made_path, text, cap) : 0;
}

int state_token_find(const json_t *auth, const char *state_dir, struct state_token *ret, char *text,
		     size_t text_cap)
{
	char scratch[32];
	const char *token = json_read_text(auth, "token", scratch);
	const char *file = json_read_text(auth, "token_file", scratch);
	struct state_token t = {0};
	int r = 0;

	if (token != NULL && strlen(token) > TOKEN_BYTES_MAX)
		r = explain(-EMSGSIZE, "the key", "auth.token", text, text_cap);
	else if (token != NULL)
		memcpy(t.token, token, strlen(token));
	else if (file != NULL) {
		r = token_read(file, t.token);
		if (r < 0)
			explain(r, "auth.token_file", file, text, text_cap);
	} else {
		r = token_keep(state_dir, &t, text, text_cap);
	}
	if (r == 0)
		*ret = t;
	return r;
}
