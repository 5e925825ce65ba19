/* sound.h - how long a piece of encoded sound lasts.  Allocates; not for the hot path. */
#ifndef AMPS_TS_SOUND_H
#define AMPS_TS_SOUND_H

#include "common/base.h"

#define TS_SOUND_PADDING 64u /* bytes, zero, that must follow the data (libavcodec reads ahead) */

/* The frames that begin in `data`, a PES's payload of the codec with libav's name `codec`.  0 where
 * none is found or the codec is not known. */
int64_t ts_sound_length_90k(const char *codec, const uint8_t *data, size_t n);

#endif
