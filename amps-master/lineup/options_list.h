/* options_list.h - a mapping of ffmpeg options as the ordered list that a job gets.
 *
 * The rules of ffmpeg-python: null is a bare flag, a list repeats the option, numbers and booleans
 * are written out.  Pure. */
#ifndef AMPS_OPTIONS_LIST_H
#define AMPS_OPTIONS_LIST_H

#include <jansson.h>
#include "common/base.h"

/* [["vcodec","copy"],["vn",null],["map","0:v"],["map","0:a"],["r","25"],["loop","1"]] from
 * {"vcodec":"copy","vn":null,"map":["0:v","0:a"],"r":25,"loop":true}, in the mapping's order.
 * Left out are the keys that are ours (output_format, ll_hls, audio_only) and values that no option
 * can have (mappings, so `hwaccel` too; lists in lists).  ffmpeg-python's names video_bitrate and
 * audio_bitrate become b:v and b:a.  A NULL or other than
 * object mapping gives [].  The list is the caller's; NULL when there is no memory. */
json_t *options_list(const json_t *mapping);

/* A scalar as an option's text: "25", "0.5", "true" becomes "1".  The caller's; NULL for a value
 * that is no scalar, and without memory. */
json_t *options_list_value(const json_t *value);

#endif
