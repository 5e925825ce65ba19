#include "amps-transcoder/job/device_hint.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base.h"

#define HINT(what, file)                                                                           \
	"; " what " are hidden from the server: the unit's drop-in " file                          \
	" shows them, in a container `--device`"

static const struct {
	const char *word, *hint;
} kinds[] = {
	{"/dev/dvb", HINT("tuner cards", "dvb.conf")},
	{"/dev/dri", HINT("GPUs", "gpu.conf")},
	{"/dev/nvidia", HINT("GPUs", "gpu.conf")},
	{"hwaccel", HINT("GPUs", "gpu.conf")},
};

/* Every kernel makes this device.  The /dev of a unit or a container with devices of its own lacks
 * it, and a job may always ask for it: Landlock has no rule for that. */
static bool are_hidden(void)
{
	struct stat st;

	return lstat("/dev/console", &st) < 0 && errno == ENOENT;
}

const char *device_hint(const char *text)
{
	assert(text);
	for (size_t i = 0; i < array_size(kinds); i++) {
		if (strstr(text, kinds[i].word))
			return are_hidden() ? kinds[i].hint : "";
	}
	return "";
}
