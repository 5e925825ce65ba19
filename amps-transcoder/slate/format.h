/* format.h - what a slate must look like: the streams that the channel last had, read from the
 * bytes of its ring. */
#ifndef AMPS_SLATE_FORMAT_H
#define AMPS_SLATE_FORMAT_H

#include <libavcodec/avcodec.h>
#include "common/text/buf.h"

#define SLATE_STREAMS_MAX 9 /* a picture and eight sounds */

struct slate_stream {
	enum AVMediaType type; /* picture or sound */
	enum AVCodecID codec;
	unsigned pid;
	int disposition; /* AV_DISPOSITION_* */
	char language[8];
	/* of a picture */
	int width, height;
	AVRational rate, aspect; /* pictures a second; of a sample, 0 = not known */
	/* of sound */
	int sample_rate, channels;
};

struct slate_format {
	struct slate_stream streams[SLATE_STREAMS_MAX];
	unsigned count;
	int pmt_pid, programme; /* 0 = not known */
};

/* Reads the format of a piece of a transport stream; takes the bytes.  0 or a libav error
 * (AVERROR_STREAM_NOT_FOUND: there is neither picture nor sound). */
must_check int slate_format_read(struct buf *bytes, struct slate_format *ret);

#endif
