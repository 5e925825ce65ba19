/* facts.h - what a playlist says of a stream's codecs, read from the stream's own headers: CODECS
 * (RFC 6381), the size of the picture, the frame rate, whether there are captions.
 *
 * Packets of a transport stream are fed behind the parser, from an access point on, until the facts
 * are known.  Those of a stream in MP4 follow from the parameters of its muxer. */
#ifndef AMPS_FACTS_H
#define AMPS_FACTS_H

#include <libavcodec/codec_par.h>
#include "amps-transcoder/ts/parse.h"
#include "common/shm/segment.h"

#define FACTS_ES_BYTES 8192u

/* The beginning of an access unit. */
struct facts_unit {
	unsigned pid; /* TS_PID_NONE: none of this kind */
	uint8_t bytes[FACTS_ES_BYTES];
	size_t len;
	bool begun;
};

struct facts {
	struct facts_unit video, audio;
};

/* Begins to collect the streams of this programme. */
void facts_begin(struct facts *f, const struct ts_parse *p);
void facts_packet(struct facts *f, const uint8_t *packet);
/* Fills in the codecs, captions, width, height and rate_milli, as far as they are known. */
void facts_read(const struct facts *f, const struct ts_parse *p, struct segment_media *ret);

/* The same of one stream in MP4, whose access units last so long (pictures). */
void facts_of_parameters(const AVCodecParameters *c, int64_t duration_90k,
			 struct segment_media *ret);

/* Of the beginning of an access unit of pictures.  A source with captions has them, maybe empty
 * ones, in each picture (CEA-708, 4.3). */
enum segment_captions facts_captions(const uint8_t *bytes, size_t len);

#endif
