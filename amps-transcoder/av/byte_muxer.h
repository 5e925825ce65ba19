/* byte_muxer.h - a muxer of libavformat whose bytes go to a function. */
#ifndef AMPS_BYTE_MUXER_H
#define AMPS_BYTE_MUXER_H

#include <libavformat/avformat.h>
#include "amps-transcoder/av/compat.h"
#include "common/base.h"

/* Makes a muxer of this format without streams.  After each packet write() has been called for all
 * of its bytes, at most `most` at a time; it returns their number or a libav error.  0 or a libav
 * error. */
must_check int byte_muxer_open(const char *format, int most,
			       int (*write)(void *owner, av_written_byte *bytes, int n),
			       void *owner, AVFormatContext **ret);

/* Frees it without a trailer and sets it to NULL; accepts NULL. */
void byte_muxer_close(AVFormatContext **muxer);

#endif
