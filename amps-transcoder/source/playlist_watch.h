/* playlist_watch.h - bounds the memory that playlists and manifests of a source can take in
 * libavformat.
 *
 * libavformat reads a playlist to its end, however long that is, and keeps every segment and
 * variant in memory.  The connections that its demuxers open are watched here: the bytes of those
 * that carry a playlist (it begins with "#EXTM3U") or a manifest (with "<") are counted in the
 * interrupt callback, which libavformat calls before each read.  Media resets the count, so that a
 * live playlist may be read without end.  The target durations of HLS (RFC 8216, 4.3.3.1) are read
 * on the way. */
#ifndef AMPS_PLAYLIST_WATCH_H
#define AMPS_PLAYLIST_WATCH_H

#include <libavformat/avformat.h>
#include "common/base.h"

#define PLAYLIST_TARGET_MAX_S 60 /* a longer target duration counts as that */
#define PLAYLIST_WATCHED_MAX  64 /* connections at a time: two for each rendition that is played */

struct playlist_watch {
	struct watched {
		AVIOContext *pb;
		int64_t seen; /* bytes of it that were looked at */
		bool playlist;
	} list[PLAYLIST_WATCHED_MAX];
	unsigned count;
	uint64_t bytes;	   /* of playlists since the last media */
	unsigned variants; /* variants and renditions that they name */
	unsigned target_s; /* the longest target duration; 0 = none was seen */
	char problem[128]; /* what was too much; "" = nothing */
};

/* Begins to watch an open connection.  Beyond PLAYLIST_WATCHED_MAX it does nothing. */
void playlist_watch_add(struct playlist_watch *w, AVIOContext *pb);
void playlist_watch_remove(struct playlist_watch *w, const AVIOContext *pb);

/* Counts new bytes.  True once a playlist was too large, and from then on. */
bool playlist_watch_look(struct playlist_watch *w);

/* Media has come. */
void playlist_watch_media(struct playlist_watch *w);

#endif
