/* scan.h - can decoding start at this picture?  Looks for the first start code that decides it.
 * For sources that never set random_access_indicator.  Pure. */
#ifndef AMPS_TS_SCAN_H
#define AMPS_TS_SCAN_H

#include "common/base.h"

#define TS_SCAN_PACKETS 8u /* packets of a picture that are scanned */

enum ts_scan_verdict { TS_SCAN_UNDECIDED, TS_SCAN_ACCESS, TS_SCAN_OTHER };

/* True if the start codes of this stream_type are known. */
bool ts_scan_knows(unsigned stream_type);

/* Goes on with n bytes of the elementary stream; *word carries the last four bytes from call to
 * call
 * (~0 at a picture's begin). */
enum ts_scan_verdict ts_scan(unsigned stream_type, uint32_t *word, const uint8_t *bytes, size_t n);

#endif
