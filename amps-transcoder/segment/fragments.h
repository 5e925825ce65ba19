/* fragments.h - one elementary stream as fragments of MP4 (ISO 14496-12, CMAF: ISO 23000-19): an
 * init segment, then pairs of moof and mdat whose decode times are absolute.
 *
 * libavformat's muxer writes the boxes.  Times are in the stream's own time base: 1/90000 for
 * pictures, 1/sample rate for sound, so that the durations of sound add up without rounding.  There
 * is no edit list, because players in browsers ignore it.  One thread. */
#ifndef AMPS_FRAGMENTS_H
#define AMPS_FRAGMENTS_H

#include <libavcodec/avcodec.h>
#include "common/base.h"
#include "common/text/buf.h"

struct fragments;

/* A fragment; its bytes live until the next call. */
struct fragment {
	const uint8_t *bytes;
	size_t len;
	int64_t dts, duration; /* of its samples, in the time base */
	int64_t pts;	       /* the smallest */
	bool independent;      /* its first sample can be decoded alone */
};

/* Can MP4 carry this codec, with durations that its headers tell? */
bool fragments_carry(enum AVCodecID id);

/* A muxer for packets of these parameters, whose extradata is complete.  0 or a libav error:
 * AVERROR_PATCHWELCOME for a codec that MP4 cannot carry. */
must_check int fragments_new(const AVCodecParameters *parameters, struct fragments **ret);
struct fragments *fragments_free(struct fragments *f); /* returns NULL; accepts NULL */

AVRational fragments_time_base(const struct fragments *f);

/* The init segment: ftyp and moov.  NULL before the first sample of a codec whose boxes it has to
 * tell. */
const struct buf *fragments_init(const struct fragments *f);

/* Adds a sample; its duration must be set, and its DTS grow.  0 or a libav error. */
must_check int fragments_add(struct fragments *f, const AVPacket *packet);

/* DTS of the first sample that waits for the next fragment, AV_NOPTS_VALUE = none. */
int64_t fragments_first(const struct fragments *f);

/* Writes them as a fragment.  1, 0 (there are none), or a libav error. */
must_check int fragments_cut(struct fragments *f, struct fragment *ret);

#endif
