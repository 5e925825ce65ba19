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
