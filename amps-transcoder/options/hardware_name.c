#include "amps-transcoder/options/hardware_name.h"

#include <libavfilter/avfilter.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "amps-transcoder/av/compat.h"
#include "amps-transcoder/options/options.h"

const enum AVHWDeviceType hardware_auto[] = {AV_HWDEVICE_TYPE_CUDA, AV_HWDEVICE_TYPE_VAAPI,
					     AV_HWDEVICE_TYPE_QSV, AV_HWDEVICE_TYPE_NONE};

/* What libav has for each type that decodes or encodes. */
static const struct {
	enum AVHWDeviceType type;
	enum AVPixelFormat format;
	const char *encoder, *decoder,
		*scaler; /* `decoder`: the end of its name; NULL: libav's own */
} kinds[] = {
	{AV_HWDEVICE_TYPE_CUDA, AV_PIX_FMT_CUDA, "h264_nvenc", NULL, "scale_cuda"},
	{AV_HWDEVICE_TYPE_VAAPI, AV_PIX_FMT_VAAPI, "h264_vaapi", NULL, "scale_vaapi"},
	{AV_HWDEVICE_TYPE_QSV, AV_PIX_FMT_QSV, "h264_qsv", "_qsv", "scale_qsv"},
	{AV_HWDEVICE_TYPE_VULKAN, AV_PIX_FMT_VULKAN, "h264_vulkan", NULL, "scale_vulkan"},
	{AV_HWDEVICE_TYPE_VDPAU, AV_PIX_FMT_VDPAU, NULL, NULL, NULL},
	{AV_HWDEVICE_TYPE_DRM, AV_PIX_FMT_DRM_PRIME, NULL, NULL, NULL},
	{AV_HWDEVICE_TYPE_OPENCL, AV_PIX_FMT_OPENCL, NULL, NULL, NULL},
};

static size_t find(enum AVHWDeviceType type)
{
	size_t i = 0;

	while (i < array_size(kinds) && kinds[i].type != type)
		i++;
	return i;
}

enum AVHWDeviceType hardware_type(const char *name)
{
	enum AVHWDeviceType type = AV_HWDEVICE_TYPE_NONE;

	if (strcasecmp(name, "nvidia") == 0 || strcasecmp(name, "nvenc") == 0)
		name = "cuda";
	while ((type = av_hwdevice_iterate_types(type)) != AV_HWDEVICE_TYPE_NONE)
		if (strcasecmp(av_hwdevice_get_type_name(type), name) == 0)
			break;
	return type;
}

const char *hardware_of_encoder(const AVCodec *encoder)
{
	const char *suffix = strrchr(encoder->name, '_');

	for (size_t i = 0; suffix && i < array_size(kinds); i++)
		if (kinds[i].encoder && strcmp(strrchr(kinds[i].encoder, '_'), suffix) == 0)
			return suffix + 1;
	return NULL;
}

enum AVPixelFormat hardware_format(enum AVHWDeviceType type)
{
	size_t i = find(type);

	return i < array_size(kinds) ? kinds[i].format : AV_PIX_FMT_NONE;
}

bool hardware_takes(const AVCodec *encoder, enum AVPixelFormat format)
{
	const enum AVPixelFormat *list = av_compat_pix_fmts(encoder);

	for (; list && *list != AV_PIX_FMT_NONE; list++)
		if (*list == format)
			return true;
	return false;
}

const AVCodec *hardware_encoder(enum AVHWDeviceType type)
{
	size_t i = find(type);

	return i < array_size(kinds) && kinds[i].encoder
		       ? avcodec_find_encoder_by_name(kinds[i].encoder)
		       : NULL;
}

const AVCodec *hardware_decoder(enum AVHWDeviceType type, enum AVCodecID codec)
{
	const AVCodec *own = avcodec_find_decoder(codec), *device;
	size_t i = find(type);
	char name[64];

	if (i == array_size(kinds) || !kinds[i].decoder)
		return own;
	snprintf(name, sizeof(name), "%s%s", avcodec_get_name(codec), kinds[i].decoder);
	device = avcodec_find_decoder_by_name(name);
	return device ? device : own;
}

const AVCodec *hardware_replaced(const AVCodec *encoder)
{
	const AVCodec *other;
	void *state = NULL;

	if (encoder->id == AV_CODEC_ID_H264 && (other = avcodec_find_encoder_by_name("libx264")))
		return other;
	if (encoder->id == AV_CODEC_ID_HEVC && (other = avcodec_find_encoder_by_name("libx265")))
		return other;
	while ((other = av_codec_iterate(&state)))
		if (av_codec_is_encoder(other) && other->id == encoder->id &&
		    !option_is_hardware(other->name))
			return other;
	return encoder;
}

const char *hardware_scaler(enum AVHWDeviceType type)
{
	size_t i = find(type);

	return i < array_size(kinds) && kinds[i].scaler && avfilter_get_by_name(kinds[i].scaler)
		       ? kinds[i].scaler
		       : NULL;
}

bool hardware_is_filter(const char *name)
{
	static const char *const suffixes[] = {"_vaapi",  "_cuda",   "_qsv",
					       "_opencl", "_vulkan", "_npp"};
	const char *suffix = strrchr(name, '_');

	if (strncmp(name, "hwupload", 8) == 0 || strcmp(name, "hwdownload") == 0 ||
	    strcmp(name, "hwmap") == 0)
		return true;
	for (size_t i = 0; suffix && i < array_size(suffixes); i++)
		if (strcmp(suffix, suffixes[i]) == 0)
			return true;
	return false;
}
