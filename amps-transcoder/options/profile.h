/* profile.h - the options of one output, sorted by what uses them.
 *
 * Reads {"options":[[key, value|null],...]} with the names options/options.h knows.  What a profile
 * leaves open is decided here: H.264 by libx264 and AAC, 8-bit 4:2:0, the source's best picture and
 * sound, a key frame every two seconds. */
#ifndef AMPS_PROFILE_H
#define AMPS_PROFILE_H

#include <jansson.h>
#include <libavcodec/avcodec.h>
#include <libavutil/dict.h>
#include <libavutil/hwcontext.h>
#include "amps-transcoder/options/complex.h"
#include "amps-transcoder/options/options.h"
#include "amps-transcoder/options/stream_map.h"
#include "common/base.h"

#define PROFILE_MAPS_MAX 16
#define PROFILE_GRID_90K 180000 /* key frames are two seconds apart unless the profile says */

enum stream_use { USE_ENCODE, USE_COPY, USE_OFF };

struct profile_kind {
	enum stream_use use;
	const AVCodec *codec;		 /* USE_ENCODE */
	bool named;			 /* the profile names the codec */
	bool replaced;			 /* the hardware, or its absence, chose the codec */
	char *filter;			 /* the user's graph; NULL = none */
	const struct complex_part *part; /* of filter_complex, borrowed; NULL = none */
	char *bsf;			 /* bitstream filters in front of the muxer; NULL = none */
	AVDictionary *options;		 /* for the encoder */
	AVDictionary *metadata;		 /* of the stream */
	const char *disposition; /* as the profile has it, borrowed; NULL: as the source has it */
};

/* `hwaccel`, or the hardware of the encoder that the profile names; texts are borrowed. */
struct profile_hardware {
	const char *name;   /* NULL = software */
	const char *device; /* NULL = the first */
	enum AVHWDeviceType
		type;  /* of `name`; NONE: it is `auto`, or this libav has no such type */
	bool fallback; /* in software where the hardware cannot be used */
};

/* Which stream of an output a profile is read for: the first sound is 'a' and 0. */
struct profile_stream {
	char media;
	int number;
};

struct profile {
	struct profile_kind video, audio;
	bool subtitles;		/* subtitles are copied (there is no encoder for them) */
	bool without_subtitles; /* `sn`: leave out subtitles; overrides `subtitles` */
	struct profile_hardware hardware;
	struct complex complex;
	struct stream_map maps[PROFILE_MAPS_MAX];
	unsigned map_count;  /* 0: the best of each kind */
	AVRational rate;     /* pictures a second; 0/0 = the source's */
	AVRational rate_max; /* 0/0 = none */
	bool steady;	     /* pictures come at a constant rate */
	bool deinterlace;
	int width, height; /* `s`; 0 = the filter's */
	char aspect[32];
	char sws_flags[128];		/* of the scaler; "" = libswscale's */
	enum AVPixelFormat pix_fmt;	/* NONE = decided from the encoder */
	bool sound_set;			/* codec, bit rate, channels, rate or filter of the sound */
	int sample_rate, channels;	/* 0 = the source's */
	enum AVSampleFormat sample_fmt; /* NONE = the encoder's first */
	int volume;			/* 256 = as it is; 0 = not given */
	double loudness;		/* LUFS; 0 = as it is */
	char layout[64];
	int gop_frames;			     /* `g`; 0 = not given */
	const char *key_frames;		     /* key_rule.h, borrowed; NULL = none */
	unsigned ids[OPTION_STREAM_MAX + 1]; /* PIDs by stream; 0 = the muxer's */
	AVDictionary *mux;		     /* for the muxer */
	AVDictionary *metadata;
};

/* Reads the options of the whole output and of this stream of it (NULL: only of the whole output),
 * and its "hwaccel": {"type","device","fallback"}, or "software": true after its fallback.  A codec
 * that the profile names stays, unless it is one of hardware that falls back.  Where the codec is
 * chosen by the hardware, options that only some encoders have are left out: they were written for
 * another one.  Texts of `spec` are borrowed.  0, -EINVAL (`problem` says why), -ENOMEM. */
must_check int profile_init(struct profile *p, const json_t *spec,
			    const struct profile_stream *stream, char *problem, size_t cap);
void profile_done(struct profile *p); /* accepts a zeroed struct */

/* Sound is encoded by this encoder; options that it does not have are dropped. */
void profile_set_encoder(struct profile *p, const char *encoder);

#endif
