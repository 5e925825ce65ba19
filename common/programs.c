#include "common/programs.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

int programs_find(const char *name, char *dst, size_t cap)
{
	static const char *const places[] = {"", "../libexec/amps/"};
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

int programs_on_path(const char *name, char *dst, size_t cap)
{
	const char *at = getenv("PATH");
	size_t n;

	if (strchr(name, '/') != NULL)
		at = "";
	else if (at == NULL)
		at = "/usr/local/bin:/usr/bin:/bin";
	for (;; at += n + 1) {
		int len;

		n = strcspn(at, ":");
		len = snprintf(dst, cap, "%.*s%s%s", (int)n, at, n > 0 ? "/" : "", name);
		if (len > 0 && (size_t)len < cap && strchr(dst, '/') != NULL &&
		    access(dst, X_OK) == 0)
			return 0;
		if (at[n] == '\0')
			return -ENOENT;
	}
}
