/* lookup.h - asks yt-dlp for the address of a source that is a page, and reads its answer.
 *
 * The answer comes from a site: it is checked here, and the job treats its addresses as those of
 * any remote source. */
#ifndef AMPS_LOOKUP_H
#define AMPS_LOOKUP_H

#include <jansson.h>
#include "amps-master/lineup/lineup_channel.h"
#include "amps-master/system/helper.h"
#include "common/text/buf.h"

/* Where the media of a page are. */
struct found_source {
	char *source;
	char *sound;		 /* NULL = it comes with the picture */
	json_t *headers;	 /* of requests: [[name, value], ...] */
	char *cookies;		 /* libav's option; NULL = none */
	int64_t expires_wall_us; /* when the addresses end; TIME_NONE = not known */
};

/* Starts yt-dlp for this page, by its path or (NULL) the one on PATH; the rest as helper_start().
 * -ENOENT: it was not found. */
must_check int lookup_start(struct helpers *hs, const struct lineup_source *page, const char *path,
			    void (*done)(void *owner, struct helper_result *result), void *owner,
			    struct helper **ret);

/* Reads the result.  0, or -Exxx and the reason, without secrets. */
must_check int lookup_read(const struct helper_result *result, int64_t now_wall_us,
			   struct found_source *ret, char *reason, size_t cap);

/* Appends its members to a job's spec: `,"source":...`. */
void found_source_print(const struct found_source *f, struct buf *spec);
void found_source_done(struct found_source *f); /* may be called again */

/* Parses what yt-dlp printed; public for its tests.  0, -ENODATA (no address), -EPROTONOSUPPORT (an
 * address that is not allowed), -ENOMEM. */
must_check int found_source_parse(const char *text, size_t n, int64_t now_wall_us,
				  struct found_source *ret);

/* When a URL says that it expires: the earliest "expire=", "exp/" and the like that is in the
 * future, or TIME_NONE. */
int64_t found_source_expiry(const char *url, int64_t now_wall_us);

#endif
