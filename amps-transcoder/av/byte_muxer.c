#include "amps-transcoder/av/byte_muxer.h"

int byte_muxer_open(const char *format, int most,
		    int (*write)(void *owner, av_written_byte *bytes, int n), void *owner,
		    AVFormatContext **ret)
{
	uint8_t *buffer = av_malloc((size_t)most);
	AVFormatContext *muxer = NULL;
	int r = buffer ? avformat_alloc_output_context2(&muxer, NULL, format, NULL)
		       : AVERROR(ENOMEM);

	if (r >= 0) {
		muxer->pb = avio_alloc_context(buffer, most, 1, owner, NULL, write, NULL);
		r = muxer->pb ? 0 : AVERROR(ENOMEM);
	}
	if (r < 0) {
		av_free(buffer);
		avformat_free_context(muxer);
		return r;
	}
	muxer->flags |= AVFMT_FLAG_FLUSH_PACKETS | AVFMT_FLAG_CUSTOM_IO;
	*ret = muxer;
	return 0;
}

void byte_muxer_close(AVFormatContext **muxer)
{
	if (!*muxer)
		return;
	av_freep(&(*muxer)->pb->buffer);
	avio_context_free(&(*muxer)->pb);
	avformat_free_context(*muxer);
	*muxer = NULL;
}
