/* value.h - reads the values of options that only the ffmpeg command or Amps has.  Pure.  Each
 * returns 0, or -EINVAL for an invalid text. */
#ifndef AMPS_VALUE_H
#define AMPS_VALUE_H

#include "common/base.h"

#define LOUDNESS_USUAL -23.0 /* LUFS; EBU R 128 */

/* "default+forced" replaces *flags (AV_DISPOSITION_*), "+default" and "-default" change them, "0"
 * clears them. */
must_check int value_disposition(const char *text, int *flags);

/* "1:0x101": the PID of the output's second stream. */
must_check int value_stream_id(const char *text, unsigned *ret_stream, unsigned *ret_id);

/* ffmpeg's fps_mode and the older vsync; steady: pictures come at a constant rate. */
must_check int value_fps_mode(const char *text, bool *ret_steady);

/* LUFS, 0 = off; NULL is a bare flag. */
must_check int value_loudness(const char *text, double *ret_lufs);

#endif
