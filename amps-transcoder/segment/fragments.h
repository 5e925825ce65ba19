/* fragments.h - elementary streams as fragments of MP4 (ISO 14496-12, CMAF: ISO 23000-19): an init
 * segment, then pairs of moof and mdat whose decode times are absolute.
 *
 * CMAF has one stream in each file, other fragments have picture and sound.  libavformat's muxer
 * writes the boxes.  Times are in a stream's own time base: 1/90000 for pictures, 1/sample rate for
 * sound, so that the durations of sound add up without rounding.  There is no edit list, because
 * players in browsers ignore it.  One thread. */
#ifndef AMPS_FRAGMENTS_H
#define AMPS_FRAGMENTS_H

#include <libavcodec/avcodec.h>
#include "common/base.h"
#include "common/text/buf.h"

#define FRAGMENT_STREAMS_MAX 2u

struct fragments;

/* A fragment; its bytes live until the next call.  The times are those of the first stream. */
struct fragment {
	const uint8_t *bytes;
	size_t len;
	int64_t dts, duration; /* of its samples, in the time base; dts AV_NOPTS_VALUE: it has none
				*/
	int64_t pts;	       /* the smallest */
	bool independent;      /* its first sample can be decoded alone */
};

/* Can MP4 carry this codec, with durations that its headers tell? */
bool fragments_carry(enum AVCodecID id);

/* A muxer for packets of these parameters, whose extradata is complete.  0 or a libav error:
 * AVERROR_PATCHWELCOME for a codec that MP4 cannot carry. */
must_check int fragments_new(const AVCodecParameters *parameters, struct fragments **ret);
/* The same for several streams in one file; the first fragment has the number `first`, from 1. */
must_check int fragments_new_streams(const AVCodecParameters *const *parameters, unsigned count,
				     unsigned first, struct fragments **ret);
struct fragments *fragments_free(struct fragments *f); /* returns NULL; accepts NULL */

/* The init segment: ftyp and moov.  NULL before the first samples of the streams whose boxes it
 * makes of them. */
const struct buf *fragments_init(const struct fragments *f);

/* Adds a sample of the packet's stream_index; its duration must be set, and its DTS grow.  0 or a
 * libav error. */
must_check int fragments_add(struct fragments *f, const AVPacket *packet);

/* What follows is apart from what was added before the last fragment: its times count, not the sum
 * of the durations so far.  Only where no sample waits. */
void fragments_gap(struct fragments *f);

/* DTS of the first sample of this stream that waits for the next fragment, AV_NOPTS_VALUE = none.
 */
int64_t fragments_first_of(const struct fragments *f, unsigned stream);
static inline int64_t fragments_first(const struct fragments *f)
{
	return fragments_first_of(f, 0);
}

/* Writes them as a fragment; the init segment must be there.  1, 0 (there are none), or a libav
 * error. */
must_check int fragments_cut(struct fragments *f, struct fragment *ret);

#endif
