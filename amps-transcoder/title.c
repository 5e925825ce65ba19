#include "amps-transcoder/title.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void title_init(struct title *t, int argc, char **argv)
{
	char **env = environ;
	char *end = argv[argc - 1] + strlen(argv[argc - 1]) + 1;
	size_t count = 0;

	while (env[count])
		count++;
	char **copy = calloc(count + 1, sizeof(*copy));

	/* move the environment away: its memory follows the arguments, so a title may be longer */
	for (size_t i = 0; copy && i < count; i++) {
		if (env[i] == end)
			end += strlen(end) + 1;
		copy[i] = strdup(env[i]);
	}
	if (copy)
		environ = copy;
	t->area = argv[0];
	t->bytes = copy ? (size_t)(end - argv[0]) : strlen(argv[0]) + 1;
}

void title_set(struct title *t, const char *format, ...)
{
	va_list args;

	assert(t->bytes > 0);
	memset(t->area, 0, t->bytes);
	va_start(args, format);
	vsnprintf(t->area, t->bytes, format, args);
	va_end(args);
}
