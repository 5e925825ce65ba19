/* remux.h - ingest of a source that is not a transport stream: libav demuxes it, and its mpegts
 * muxer writes into the ring. */
#ifndef AMPS_REMUX_H
#define AMPS_REMUX_H

#include "amps-transcoder/roles/intake.h"
#include "amps-transcoder/ts/sink.h"

/* Runs an opened source that is not a transport stream to its end; returns the exit code. */
int remux_run(struct intake *in, struct ts_sink *sink);

#endif
