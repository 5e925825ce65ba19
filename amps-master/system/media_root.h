/* media_root.h - the folder of segments: <channel>/<track>/<number>.ts
 *
 * Jobs write there and workers read there; the master makes the folders, measures the room and
 * removes what an earlier server left.  One server at a time owns it. */
#ifndef AMPS_MEDIA_ROOT_H
#define AMPS_MEDIA_ROOT_H

#include <limits.h>
#include "amps-master/system/account.h"
#include "amps-master/system/discontinuities.h"

struct media_root {
	char path[PATH_MAX];
	int fd;		/* of the folder, for workers; -1 = not open */
	int lock_fd;	/* its lock */
	bool own;	/* a folder that the server chose itself, removed at its end */
	uint64_t limit; /* bytes, of media_limit_mb */
	struct discontinuities discontinuities;
};

#define MEDIA_ROOT_INIT ((struct media_root){.fd = -1, .lock_fd = -1})

/* Chooses the folder, as the user that started the server: `configured` must exist; without it
 * (NULL) it is a folder in /dev/shm if that is large enough for limit_mb, else <state_dir>/media,
 * made for `owner`.  0, or -Exxx with the reason in `text`. */
must_check int media_root_choose(struct media_root *m, const char *configured,
				 const char *state_dir, uint64_t limit_mb,
				 const struct account *owner, char *text, size_t text_cap);

/* Opens and locks it, as the user that the server has become, and removes the segments there.  0,
 * or -Exxx with the reason in `text`. */
must_check int media_root_open(struct media_root *m, char *text, size_t text_cap);

/* Makes the folder of a track.  0 or -Exxx. */
must_check int media_root_make_track(const struct media_root *m, uint32_t channel, uint32_t track);

/* Removes it with what is in it, and the channel's if it is empty then. */
void media_root_remove_track(const struct media_root *m, uint32_t channel, uint32_t track);

/* Its segments may take so much together from now on. */
void media_root_set_limit(struct media_root *m, uint64_t limit_mb);

/* Bytes that all segments together may take, `used` of which they take now: the limit, or 80% of
 * what the file system has for them. */
uint64_t media_root_room(const struct media_root *m, uint64_t used);

/* Removes the segments, and the folder if the server chose it.  Accepts MEDIA_ROOT_INIT. */
void media_root_close(struct media_root *m);

#endif
