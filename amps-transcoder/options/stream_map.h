/* stream_map.h - ffmpeg's `map` option for one input: which streams go into an output.
 *
 * "[label]" (an output of filter_complex), "0", "0:v", "0:v:1", "0:a?", "-0:s", "0:3", "0:#0x100",
 * "0:p:2:v", "0:m:language:eng" (ffmpeg(1), "Stream specifiers").  Pure. */
#ifndef AMPS_STREAM_MAP_H
#define AMPS_STREAM_MAP_H

#include <libavformat/avformat.h>
#include "common/base.h"

struct stream_map {
	bool negative, optional;
	bool label;    /* `spec` is an output of filter_complex */
	char spec[96]; /* the part after the number of the input; "" = all streams */
};

/* 0, or -EINVAL for text that is no map of input 0. */
must_check int stream_map_parse(const char *text, struct stream_map *ret);

/* True if stream `index` of the source matches. */
bool stream_map_matches(const struct stream_map *m, AVFormatContext *source, unsigned index);

#endif
