/* dash.h - live DASH, played by libavformat's demuxer of HLS.
 *
 * libavformat's own DASH demuxer loses its place each time it reads a live manifest again (segments
 * twice, segments left out).  We read the manifest (mpd.h) and hand its segments to the demuxer of
 * HLS as playlists in memory, made anew whenever it asks for them.  A presentation that is not live
 * stays with libavformat's. */
#ifndef AMPS_DASH_H
#define AMPS_DASH_H

#include <libavformat/avformat.h>
#include "common/base.h"

struct source;
struct dash;

/* Reads the manifest from the source's open connection.  0 and *ret; -ENOTSUP: it is not live, or
 * not such that we could play it; -Exxx: it cannot be read.  The source outlives it. */
must_check int dash_new(struct source *s, struct dash **ret);
struct dash *dash_free(struct dash *d); /* behind avformat_close_input() */

/* Prepares a fresh context (nothing but its interrupt callback set) and the options for
 * avformat_open_input(ic, dash_url(), HLS, options). */
must_check int dash_prepare(struct dash *d, AVFormatContext *ic, AVDictionary **options);
const char *dash_url(void);

#endif
