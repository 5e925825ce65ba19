/* interleave.h - packets of several streams in the order of their DTS.
 *
 * A packet waits until each awaited stream has one, or until the newest packet of one is
 * `patience_90k` ahead of it.  Streams that may pause for minutes (subtitles) are not awaited:
 * their packets are put in order, and nothing waits for them.  Times are 90 kHz ticks.  One thread.
 */
#ifndef AMPS_INTERLEAVE_H
#define AMPS_INTERLEAVE_H

#include <libavcodec/packet.h>
#include "common/base.h"

#define INTERLEAVE_STREAMS_MAX 16
#define INTERLEAVE_PACKETS_MAX 4096 /* more do not wait */

struct interleave {
	AVPacket *packets[INTERLEAVE_PACKETS_MAX]; /* owned; by DTS; stream_index is the stream */
	unsigned count;
	unsigned queued[INTERLEAVE_STREAMS_MAX]; /* packets of a stream */
	bool awaited[INTERLEAVE_STREAMS_MAX];
	int64_t patience_90k;
	int64_t newest_90k; /* largest DTS of awaited streams */
};

/* No packet, no awaited stream. */
void interleave_init(struct interleave *i, int64_t patience_90k);
void interleave_done(struct interleave *i); /* accepts a zeroed struct */

void interleave_await(struct interleave *i, unsigned stream);

/* Takes the packet's reference; it has a DTS.  0 or AVERROR(ENOMEM). */
must_check int interleave_put(struct interleave *i, unsigned stream, AVPacket *packet);

/* The next packet, which the caller frees; NULL: it waits.  `all`: nothing waits. */
AVPacket *interleave_take(struct interleave *i, bool all);

#endif
