#include "amps-transcoder/av/stream_text.h"

#include <stdio.h>

void stream_text(const AVStream *stream, char *dst, size_t cap)
{
	const AVDictionaryEntry *language = av_dict_get(stream->metadata, "language", NULL, 0);
	const AVDictionaryEntry *codec = av_dict_get(stream->metadata, STREAM_TEXT_CODEC, NULL, 0);
	const char *type = av_get_media_type_string(stream->codecpar->codec_type);

	snprintf(dst, cap, "%s stream %d (%s%s%s)", type ? type : "data", stream->index,
		 codec ? codec->value : avcodec_get_name(stream->codecpar->codec_id),
		 language ? ", " : "", language ? language->value : "");
}
