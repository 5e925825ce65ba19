/* stream_text.h - a stream of a source in words, for messages. */
#ifndef AMPS_STREAM_TEXT_H
#define AMPS_STREAM_TEXT_H

#include <libavformat/avformat.h>
#include "common/base.h"

#define STREAM_TEXT_MAX 96

/* Metadata key with the name of the codec, for a codec without an id in libav. */
#define STREAM_TEXT_CODEC "amps_codec"

/* "audio stream 2 (aac, deu)" */
void stream_text(const AVStream *stream, char *dst, size_t cap);

#endif
