/* media_file.h - opens the files that jobs write, and nothing else.
 *
 * The worker has one descriptor, of the folder of segments, and opens beneath it: no symbolic link
 * is followed, nothing but a regular file is served. */
#ifndef AMPS_MEDIA_FILE_H
#define AMPS_MEDIA_FILE_H

#include "amps-worker/http/reply.h"

/* Which file: <channel>/<track>/<number>.ts, or as segment.h says of CMAF. */
struct media_name {
	uint32_t channel, track, number;
	char kind;    /* first letter of a file of CMAF (segment.h), 0 of a transport stream */
	bool init;    /* the init segment of that number */
	bool growing; /* also one that is not complete yet */
};

/* Opens it and says when it was last written (seconds since 1970).  *ret is complete but for what
 * reply_render() sets.  0, -ENOENT (there is no such file), -EMFILE and the like. */
must_check int media_file_open(int folder, const struct media_name *name, struct reply_file *ret,
			       int64_t *ret_written_s);

#endif
