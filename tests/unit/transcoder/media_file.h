/* media_file.h - media that the tests of the transcoder share. */
#ifndef MEDIA_FILE_H
#define MEDIA_FILE_H

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "unit.h"

/* Makes a file with the ffmpeg command once, in the build's own folder. */
static inline const char *media_file(const char *name, const char *arguments)
{
	static char path[4096];
	char command[8192], part[4200];
	const char *bin = getenv("AMPS_BIN");

	snprintf(path, sizeof(path), "%s/media", bin ? bin : "build");
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/media/%s", bin ? bin : "build", name);
	if (access(path, R_OK) == 0)
		return path;
	snprintf(part, sizeof(part), "%s/media/part%d-%s", bin ? bin : "build", (int)getpid(), name);
	snprintf(command, sizeof(command), "ffmpeg -v error -y %s '%s' </dev/null", arguments,
		 part);
	cr_assert_eq(system(command), 0, "%s", command);
	cr_assert_eq(rename(part, path), 0);
	return path;
}

#endif
