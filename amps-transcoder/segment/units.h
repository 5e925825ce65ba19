/* units.h - the access units of one elementary stream, put together from transport packets: whole
 * pictures, single frames of sound, as packets that libav's muxers take.
 *
 * A picture is the payload of one PES (ISO 13818-1, 2.14.1, as broadcast does it).  Frames of sound
 * are found by their headers; their times count samples from a PES's time on, and follow the times
 * of later ones only where these are off by more than UNITS_DRIFT_MS: up to UNITS_HOLE_MS the next
 * frame is repeated instead.  A unit of which a packet is missing is dropped.  One thread. */
#ifndef AMPS_UNITS_H
#define AMPS_UNITS_H

#include <libavcodec/avcodec.h>
#include "amps-transcoder/ts/parse.h"

#define UNITS_DRIFT_MS	40
#define UNITS_HOLE_MS	150	   /* units further apart may lack some between them */
#define UNITS_BYTES_MAX (8u << 20) /* of a picture */

struct units;

/* Units of this stream of a programme.  0, AVERROR(ENOMEM), or AVERROR_DECODER_NOT_FOUND for a
 * codec that libav does not know. */
must_check int units_new(const struct ts_stream *stream, struct units **ret);
struct units *units_free(struct units *u); /* returns NULL; accepts NULL */

/* Feeds a packet of its PID at this position, behind the parser, whose stream it is.  0 or
 * AVERROR(ENOMEM). */
must_check int units_packet(struct units *u, const struct ts_stream *stream, const uint8_t *packet,
			    uint64_t pos);

/* The PES that begins at `pos` is a random access point. */
void units_access(struct units *u, uint64_t pos);

/* Does the unit behind the last one that units_next() gave begin a group, as far as is known?  A
 * picture is complete when the first packet of the next one has come. */
bool units_access_follows(const struct units *u);

/* What follows does not go on where this stopped; the unit under way is dropped or kept. */
void units_gap(struct units *u, bool keep);

/* What the codec's parameters are, once the extradata is known (a frame of sound, an access point
 * of pictures); NULL before. */
const AVCodecParameters *units_parameters(const struct units *u);
/* True once after they have changed. */
bool units_changed(struct units *u);

/* The oldest complete unit, in 90 kHz ticks (pictures) or samples (sound), with its duration.  1,
 * 0 (there is none yet), or AVERROR(ENOMEM).  A unit with AV_PKT_FLAG_KEY begins a group. */
must_check int units_next(struct units *u, AVPacket *ret);

#endif
