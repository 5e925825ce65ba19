/* hls_languages.h - the languages of an HLS source's sounds and subtitles.
 *
 * libavformat's demuxer of HLS drops what the transport streams in its segments say of their
 * languages.  We look at the first bytes of the first segment of each playlist, and set the
 * languages of the streams afterwards. */
#ifndef AMPS_HLS_LANGUAGES_H
#define AMPS_HLS_LANGUAGES_H

#include <libavformat/avformat.h>
#include "common/base.h"

struct hls_languages;

/* Watches what the demuxer of a fresh context opens, whatever its format; takes ic->opaque and
 * ic->io_open until hls_languages_apply().  NULL without memory: no languages then. */
struct hls_languages *hls_languages_watch(AVFormatContext *ic);

/* Gives the streams of the context, open now, their languages if it is one of HLS; stops watching.
 */
void hls_languages_apply(struct hls_languages *h, AVFormatContext *ic);

struct hls_languages *hls_languages_free(struct hls_languages *h);

#endif
