/* memory_avio.h - bytes that libavformat reads as if they were a connection. */
#ifndef AMPS_MEMORY_AVIO_H
#define AMPS_MEMORY_AVIO_H

#include <libavformat/avio.h>
#include "common/text/buf.h"

/* Takes the bytes, also when it fails; NULL without memory. */
AVIOContext *memory_avio_open(struct buf *bytes);
void memory_avio_close(AVIOContext *pb); /* NULL is accepted */

/* True if it was made by memory_avio_open(). */
bool memory_avio_is(const AVIOContext *pb);

#endif
