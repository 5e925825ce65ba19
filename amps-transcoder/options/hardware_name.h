/* hardware_name.h - the names of hardware in `hwaccel`, and what libav has for each.  Pure, apart
 * from libav's tables. */
#ifndef AMPS_HARDWARE_NAME_H
#define AMPS_HARDWARE_NAME_H

#include <libavcodec/avcodec.h>
#include <libavutil/hwcontext.h>
#include "common/base.h"

/* libav's type for a name in any case ("nvidia" is cuda); AV_HWDEVICE_TYPE_NONE if this libav has
 * no such type. */
enum AVHWDeviceType hardware_type(const char *name);

/* The name of the hardware on which an encoder works ("vaapi" of h264_vaapi); NULL if it is no
 * such encoder. */
const char *hardware_of_encoder(const AVCodec *encoder);

/* The types that `auto` tries, in this order; ends with AV_HWDEVICE_TYPE_NONE. */
extern const enum AVHWDeviceType hardware_auto[];

/* The format of pictures in the device's memory; AV_PIX_FMT_NONE if it has none. */
enum AVPixelFormat hardware_format(enum AVHWDeviceType type);

/* True if the encoder takes pictures of this format. */
bool hardware_takes(const AVCodec *encoder, enum AVPixelFormat format);

/* The device's H.264 encoder; NULL if this libav has none. */
const AVCodec *hardware_encoder(enum AVHWDeviceType type);

/* The decoder for the device's pictures; libav's own one if that can use the device. */
const AVCodec *hardware_decoder(enum AVHWDeviceType type, enum AVCodecID codec);

/* An encoder in software of the same codec; the encoder itself if there is none. */
const AVCodec *hardware_replaced(const AVCodec *encoder);

/* The device's filter that scales ("scale_vaapi"); NULL if this libav has none. */
const char *hardware_scaler(enum AVHWDeviceType type);

/* True for a filter that works in the memory of a device, or moves pictures to it or from it. */
bool hardware_is_filter(const char *name);

#endif
