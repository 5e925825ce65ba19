/* compat.h - the differences between the versions of FFmpeg's libraries, 5.1 to 9.
 * This is the only file of the transcoder that asks for a library's version. */
#ifndef AMPS_AV_COMPAT_H
#define AMPS_AV_COMPAT_H

#include <libavcodec/avcodec.h>
#include <libavfilter/buffersrc.h>
#include <libavfilter/version.h>
#include <libavformat/avformat.h>

#include "common/base.h"

#define AV_COMPAT_FRAME_DURATION   (LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(57, 30, 100))
#define AV_COMPAT_FRAME_FLAG_KEY   (LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(58, 7, 100))
#define AV_COMPAT_SUPPORTED_CONFIG (LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(61, 13, 100))
#define AV_COMPAT_SOURCE_COLOURS   (LIBAVFILTER_VERSION_INT >= AV_VERSION_INT(9, 16, 100))

/* The bytes that a write callback of avio_alloc_context() gets. */
#if LIBAVFORMAT_VERSION_MAJOR >= 61
typedef const uint8_t av_written_byte;
#else
typedef uint8_t av_written_byte;
#endif

/* Duration of a picture in the time base of its pts; 0 = unknown. */
static inline int64_t av_compat_duration(const AVFrame *frame)
{
#if AV_COMPAT_FRAME_DURATION
	return frame->duration;
#else
	return frame->pkt_duration;
#endif
}

static inline void av_compat_set_duration(AVFrame *frame, int64_t duration)
{
#if AV_COMPAT_FRAME_DURATION
	frame->duration = duration;
#else
	frame->pkt_duration = duration;
#endif
}

static inline bool av_compat_is_key(const AVFrame *frame)
{
#if AV_COMPAT_FRAME_FLAG_KEY
	return frame->flags & AV_FRAME_FLAG_KEY;
#else
	return frame->key_frame;
#endif
}

static inline void av_compat_set_key(AVFrame *frame, bool key)
{
#if AV_COMPAT_FRAME_FLAG_KEY
	frame->flags = key ? frame->flags | AV_FRAME_FLAG_KEY : frame->flags & ~AV_FRAME_FLAG_KEY;
#else
	frame->key_frame = key;
#endif
}

/* What an encoder supports: lists owned by libavcodec, or NULL if it supports all. */
#if AV_COMPAT_SUPPORTED_CONFIG
static inline const void *av_compat_config(const AVCodec *codec, enum AVCodecConfig config)
{
	const void *list = NULL;

	if (avcodec_get_supported_config(NULL, codec, config, 0, &list, NULL) < 0)
		return NULL;
	return list;
}
#endif

/* Ends with AV_PIX_FMT_NONE. */
static inline const enum AVPixelFormat *av_compat_pix_fmts(const AVCodec *codec)
{
#if AV_COMPAT_SUPPORTED_CONFIG
	return av_compat_config(codec, AV_CODEC_CONFIG_PIX_FORMAT);
#else
	return codec->pix_fmts;
#endif
}

/* Ends with AV_SAMPLE_FMT_NONE. */
static inline const enum AVSampleFormat *av_compat_sample_fmts(const AVCodec *codec)
{
#if AV_COMPAT_SUPPORTED_CONFIG
	return av_compat_config(codec, AV_CODEC_CONFIG_SAMPLE_FORMAT);
#else
	return codec->sample_fmts;
#endif
}

/* Ends with 0. */
static inline const int *av_compat_sample_rates(const AVCodec *codec)
{
#if AV_COMPAT_SUPPORTED_CONFIG
	return av_compat_config(codec, AV_CODEC_CONFIG_SAMPLE_RATE);
#else
	return codec->supported_samplerates;
#endif
}

/* Describes the pictures that enter a filter graph.  Before libavfilter 9.16 a graph took the
 * colour properties from each picture; since then filters pass on those of the source filter. */
static inline void av_compat_set_colours(AVBufferSrcParameters *source, enum AVColorSpace space,
					 enum AVColorRange range)
{
#if AV_COMPAT_SOURCE_COLOURS
	source->color_space = space;
	source->color_range = range;
#else
	(void)source, (void)space, (void)range;
#endif
}

#endif
