/* remux.h - ingest of what is not a transport stream: libav demuxes, its mpegts muxer writes into
 * the ring, paced by the DTS. */
#ifndef AMPS_REMUX_H
#define AMPS_REMUX_H

#include "amps-transcoder/roles/intake.h"
#include "amps-transcoder/ts/sink.h"

/* Runs an opened source that is not a transport stream to its end; returns the exit code. */
int remux_run(struct intake *in, struct ts_sink *sink);

#endif
