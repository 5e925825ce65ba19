/* sound_frame.h - how long a frame of AAC lasts, from its own header.  libavformat does not know it
 * without decoding, and does not trust it with HE-AAC; but there rate and samples are both halved.
 * Pure. */
#ifndef AMPS_SOUND_FRAME_H
#define AMPS_SOUND_FRAME_H

#include "common/base.h"

/* Duration in 90 kHz ticks of a frame with an ADTS header (ISO 13818-7, 6.2) or a LOAS header with
 * its configuration (ISO 14496-3, 1.7); 0 for anything else. */
int64_t sound_frame_length_90k(const uint8_t *bytes, size_t n);

#endif
