/* single.h - makes a transport stream of several programmes one of a single programme, packet by
 * packet and in place: a segment of HLS may have only one (RFC 8216, 3.2).
 *
 * The packets of the other programmes, and of tables about all of them, become null packets, which
 * the caller leaves out, and each packet of the PAT becomes a PAT with this programme alone; no
 * continuity counter changes. Pure. */
#ifndef AMPS_TS_SINGLE_H
#define AMPS_TS_SINGLE_H

#include "amps-transcoder/ts/parse.h"

/* Does the stream have other programmes beside the one that the parser follows? */
static inline bool ts_single_needed(const struct ts_parse *p)
{
	return p->program_count > 1;
}

/* A packet that the parser has been fed. */
void ts_single_packet(const struct ts_parse *p, uint8_t *packet);

/* How many of these bytes, whole packets, stand before the first null packet. */
size_t ts_single_run(const uint8_t *packets, size_t bytes);

#endif
