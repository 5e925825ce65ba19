/* playlist_watch.h - bounds what a source's playlists and manifests may make libavformat keep.
 *
 * libavformat reads a playlist to its end, however long that is, and keeps every segment and
 * variant in memory.  The connections that its demuxers open are watched here: those that bring a
 * playlist (they begin with "#EXTM3U") or a manifest (with "<") are counted as their bytes arrive,
 * from the interrupt callback, which libavformat asks before each read.  Media between them starts
 * the count anew, so that a live playlist may be read for ever. */
#ifndef AMPS_PLAYLIST_WATCH_H
#define AMPS_PLAYLIST_WATCH_H

#include <libavformat/avformat.h>
#include "common/base.h"

#define PLAYLIST_WATCHED_MAX 64 /* connections at a time: two for each rendition that is played */

struct playlist_watch {
	struct watched {
		AVIOContext *pb;
		int64_t seen; /* bytes of it that were looked at */
		bool playlist;
	} list[PLAYLIST_WATCHED_MAX];
	unsigned count;
	uint64_t bytes;	   /* of playlists since the last media */
	unsigned variants; /* variants and renditions that they name */
	char problem[128]; /* what was too much; "" = nothing */
};

/* Begins to watch a connection that is open.  One too many is not watched. */
void playlist_watch_add(struct playlist_watch *w, AVIOContext *pb);
void playlist_watch_remove(struct playlist_watch *w, const AVIOContext *pb);

/* Looks at what has come.  True once a playlist was too large, for ever. */
bool playlist_watch_look(struct playlist_watch *w);

/* Media has come. */
void playlist_watch_media(struct playlist_watch *w);

#endif
