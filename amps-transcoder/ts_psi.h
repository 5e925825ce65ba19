/* ts_psi.h - PAT and PMT of a transport stream (ISO 13818-1, 2.4.4), for ts_parse.c.  Pure. */
#ifndef AMPS_TS_PSI_H
#define AMPS_TS_PSI_H

#include "amps-transcoder/ts_parse.h"

/* Feeds a packet of PID 0. */
void ts_psi_pat(struct ts_parse *p, const uint8_t *packet);

/* Feeds a packet of the programme's PMT PID.  True when it completed a new or changed PMT. */
bool ts_psi_pmt(struct ts_parse *p, const uint8_t *packet);

#endif
