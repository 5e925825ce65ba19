/* check_options.h - `amps-transcoder --check-options`: checks whether libav accepts the options of
 * profiles and inputs.  Offline; opens no source.
 *
 * In:  [{"path":"ffmpeg_profiles.hd","kind":"profile","options":[["vcodec","libx264"],...]},
 *       {"path":"streams[3].input_options","kind":"input","source":"http://...",
 *        "options":[["re",null]],"args":["-stream_loop","-1"]}, ...]
 * Out: {"problems":[{"path":"ffmpeg_profiles.hd.vcodec","severity":"error","message":"..."}, ...],
 *	 "reading":["ffmpeg_profiles.hd", ...],
 *	 "files":["/usr/bin/amps-transcoder","/usr/lib/.../libavcodec.so.59", ...]}
 * The answer depends on `files`: this program and all its libraries.  The entries in `reading` have
 * filters that read files, so the next answer may differ.
 *
 * Equal entries are checked once. */
#ifndef AMPS_CHECK_OPTIONS_H
#define AMPS_CHECK_OPTIONS_H

#include <jansson.h>
#include "common/base.h"

/* stdin to stdout.  The program's exit status: 0, or 1 when the request cannot be read. */
int check_options_command(void);

/* The problems of a parsed request (borrowed).  The paths of entries whose filters read files are
 * appended to `reading` (may be NULL).  Returns NULL if the request is not an array of objects, or
 * without memory. */
json_t *check_options(const json_t *request, json_t *reading);

#endif
