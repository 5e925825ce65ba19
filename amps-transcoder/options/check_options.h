/* check_options.h - `amps-transcoder --check-options`: are the options of these profiles and inputs
 * such that libav will take them?  Offline; opens no source.
 *
 * In:  [{"path":"ffmpeg_profiles.hd","kind":"profile","options":[["vcodec","libx264"],...]},
 *       {"path":"streams[3].input_options","kind":"input","source":"http://...",
 *        "options":[["re",null]],"args":["-stream_loop","-1"]}, ...]
 * Out: {"problems":[{"path":"ffmpeg_profiles.hd.vcodec","severity":"error","message":"..."}, ...],
 *	 "reading":["ffmpeg_profiles.hd", ...],
 *	 "files":["/usr/bin/amps-transcoder","/usr/lib/.../libavcodec.so.59", ...]}
 * The files are what the answer depends on: this program and all its libraries.  The entries in
 * `reading` have filters that read files, so their answer may be another one next time.
 *
 * Entries that are alike are checked once. */
#ifndef AMPS_CHECK_OPTIONS_H
#define AMPS_CHECK_OPTIONS_H

#include <jansson.h>
#include "common/base.h"

/* stdin to stdout.  The program's exit status: 0, or 1 when the request cannot be read. */
int check_options_command(void);

/* The problems of a request already read (borrowed).  The paths of entries whose filters read files
 * are appended to `reading` (NULL: not asked for).  NULL: no array of objects, or no memory. */
json_t *check_options(const json_t *request, json_t *reading);

#endif
