/* joined.h - two demuxers behind one: a picture and its sound that come from different addresses.
 *
 * The context that is shown has the streams of both and no connection of its own: only the
 * functions here may read, seek and close it. */
#ifndef AMPS_JOINED_H
#define AMPS_JOINED_H

#include <libavformat/avformat.h>
#include "common/base.h"

/* Takes both, also in failure.  0 or a libav error. */
must_check int joined_open(AVFormatContext *picture, AVFormatContext *sound, AVFormatContext **ret);

/* As av_read_frame(): the packets of both in the order of their DTS.  The end is that of both, or
 * of the first one that ends if either is live. */
must_check int joined_read(AVFormatContext *ic, AVPacket *packet);

/* Both to this time behind their beginnings.  0 or a libav error. */
must_check int joined_seek(AVFormatContext *ic, int64_t behind_us);

void joined_close(AVFormatContext **ic); /* accepts NULL in *ic */

#endif
