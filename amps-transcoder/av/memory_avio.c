#include "amps-transcoder/av/memory_avio.h"

#include <assert.h>
#include <string.h>

#include <libavutil/error.h>
#include <libavutil/mem.h>

#define BUFFER_BYTES 4096

struct memory {
	struct buf bytes;
	size_t at;
};

static int memory_read(void *opaque, uint8_t *dst, int cap)
{
	struct memory *m = opaque;
	size_t n = MIN((size_t)cap, m->bytes.len - m->at);

	assert(m->at <= m->bytes.len);
	memcpy(dst, m->bytes.data + m->at, n);
	m->at += n;
	return n ? (int)n : AVERROR_EOF;
}

AVIOContext *memory_avio_open(struct buf *bytes)
{
	struct memory *m = calloc(1, sizeof(*m));
	uint8_t *buffer = av_malloc(BUFFER_BYTES);
	AVIOContext *pb = NULL;

	if (m && buffer && buf_ok(bytes))
		pb = avio_alloc_context(buffer, BUFFER_BYTES, 0, m, memory_read, NULL, NULL);
	if (!pb) {
		av_free(buffer);
		free(m);
		buf_done(bytes);
		return NULL;
	}
	m->bytes = *bytes;
	*bytes = BUF_INIT;
	return pb;
}

void memory_avio_close(AVIOContext *pb)
{
	struct memory *m = pb ? pb->opaque : NULL;

	if (!pb)
		return;
	buf_done(&m->bytes);
	free(m);
	av_freep(&pb->buffer);
	avio_context_free(&pb);
}

bool memory_avio_is(const AVIOContext *pb)
{
	return pb->read_packet == memory_read;
}
