/* remux.h - ingest of what is not a transport stream: libav demuxes, its mpegts muxer writes into
 * the ring, paced by the DTS. */
#ifndef AMPS_REMUX_H
#define AMPS_REMUX_H

#include "amps-transcoder/ingest.h"

/* Runs an opened source that is not a transport stream to its end; returns the exit code. */
int remux_run(struct ingest *in);

/* Can this codec live in a transport stream? */
bool remux_codec_fits(enum AVCodecID id);

/* How long this source may send nothing: a live playlist has something new only once in a segment,
 * everything else must keep to stall_us. */
uint64_t remux_stall_us(const AVFormatContext *demuxer, bool live, uint64_t stall_us);

/* "0:video:h264,1:audio:aac" of an opened demuxer. */
void remux_streams_text(const AVFormatContext *demuxer, char *dst, size_t cap);

#endif
