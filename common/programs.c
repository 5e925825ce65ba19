#include "common/programs.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

int programs_find(const char *name, char *dst, size_t cap)
{
	static const char *const places[] = {"", "../libexec/amps/", "../../bin/"};
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n < 0)
		return -errno;
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (slash == NULL)
		return -ENOENT;
	slash[1] = '\0';
	for (size_t i = 0; i < array_size(places); i++) {
		int len = snprintf(dst, cap, "%s%s%s", self, places[i], name);

		if (len > 0 && (size_t)len < cap && access(dst, X_OK) == 0)
			return 0;
	}
	return -ENOENT;
}

/* Is it executable there?  An empty folder: `name` is a path. */
static bool is_program(const char *folder, size_t len, const char *name, char *dst, size_t cap)
{
	int n = snprintf(dst, cap, "%.*s%s%s", (int)len, folder, len > 0 ? "/" : "", name);

	return n > 0 && (size_t)n < cap && access(dst, X_OK) == 0;
}

int programs_in(const char *path, const char *name, char *dst, size_t cap)
{
	const char *at = path != NULL ? path : "/usr/local/bin:/usr/bin:/bin";
	size_t n;

	for (;; at += n + 1) {
		n = strcspn(at, ":");
		if (is_program(n > 0 ? at : ".", MAX(n, 1), name, dst, cap))
			return 0;
		if (at[n] == '\0')
			return -ENOENT;
	}
}

int programs_on_path(const char *name, char *dst, size_t cap)
{
	if (strchr(name, '/') == NULL)
		return programs_in(getenv("PATH"), name, dst, cap);
	return is_program("", 0, name, dst, cap) ? 0 : -ENOENT;
}
