#include "amps-transcoder/mux/interleave.h"

#include <assert.h>
#include <libavutil/error.h>
#include <string.h>

void interleave_init(struct interleave *i, int64_t patience_90k)
{
	memset(i, 0, sizeof(*i));
	i->patience_90k = patience_90k;
	i->newest_90k = INT64_MIN;
}

void interleave_done(struct interleave *i)
{
	for (unsigned n = 0; n < i->count; n++)
		av_packet_free(&i->packets[n]);
	i->count = 0;
}

void interleave_await(struct interleave *i, unsigned stream)
{
	assert(stream < INTERLEAVE_STREAMS_MAX);
	i->awaited[stream] = true;
}

int interleave_put(struct interleave *i, unsigned stream, AVPacket *packet)
{
	AVPacket *own = av_packet_alloc();
	unsigned at = i->count;

	assert(stream < INTERLEAVE_STREAMS_MAX && i->count < INTERLEAVE_PACKETS_MAX);
	if (!own)
		return AVERROR(ENOMEM);
	av_packet_move_ref(own, packet);
	own->stream_index = (int)stream;
	/* nearly always the newest */
	for (; at > 0 && i->packets[at - 1]->dts > own->dts; at--)
		i->packets[at] = i->packets[at - 1];
	i->packets[at] = own;
	i->count++;
	if (i->awaited[stream])
		i->newest_90k = MAX(i->newest_90k, own->dts);
	i->queued[stream]++;
	return 0;
}

/* True if the first packet must wait no longer. */
static bool is_due(const struct interleave *i)
{
	bool complete = true;

	for (size_t n = 0; n < INTERLEAVE_STREAMS_MAX; n++)
		complete = complete && (!i->awaited[n] || i->queued[n] > 0);
	return complete || i->count == INTERLEAVE_PACKETS_MAX ||
	       i->newest_90k > i->packets[0]->dts + i->patience_90k;
}

AVPacket *interleave_take(struct interleave *i, bool all)
{
	AVPacket *first;

	if (i->count == 0 || (!all && !is_due(i)))
		return NULL;
	first = i->packets[0];
	i->count--;
	memmove(i->packets, i->packets + 1, i->count * sizeof(i->packets[0]));
	assert(i->queued[first->stream_index] > 0);
	i->queued[first->stream_index]--;
	return first;
}
