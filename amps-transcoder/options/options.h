/* options.h - the table of ffmpeg's option names and of their meaning here.
 *
 * Profiles and input options are written with the names of the ffmpeg command.  Some of those are
 * options of libav objects (encoders, muxers, demuxers, protocols); the rest exists only in the
 * command itself and is implemented here or not at all.  Names come from `ffmpeg -h long`
 * and libav's own AVOption tables (MPEG's "b:v" = name "b", stream specifier "v"). */
#ifndef AMPS_OPTIONS_H
#define AMPS_OPTIONS_H

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/opt.h>
#include "common/base.h"

#define OPTION_STREAM_MAX 15 /* number of an output's last stream of one kind */

enum option_side { OPTION_OUTPUT = 1, OPTION_INPUT = 2 };

enum option_kind {
	OPTION_UNKNOWN,
	OPTION_OURS,	  /* implemented here */
	OPTION_SEGMENTER, /* a setting of our own HLS and DASH packager */
	OPTION_IGNORED,	  /* an option of ffmpeg without a meaning here */
	OPTION_REFUSED,	  /* an option of ffmpeg without which the stream would be wrong */
	OPTION_ENCODER,	  /* an AVOption of the chosen encoder */
	OPTION_MUXER,	  /* an AVOption of the muxer */
	OPTION_RAW,	  /* describes a raw input: an option of the demuxer named by "f" */
	OPTION_DEMUXER,	  /* an AVOption of a demuxer, a protocol or a decoder */
	OPTION_ELSEWHERE, /* an AVOption of some other codec, muxer or protocol */
	OPTION_KIND_COUNT_
};

/* How a value of our own options is written. */
enum option_value {
	VALUE_FLAG, /* none; "0" or "false" switches it off */
	VALUE_TEXT,
	VALUE_INT,
	VALUE_COUNT,	/* 1 or more */
	VALUE_RATIO,	/* 16:9, 1.78 */
	VALUE_RATE,	/* 25, 30000/1001, ntsc */
	VALUE_SIZE,	/* 1280x720, hd720 */
	VALUE_DURATION, /* seconds or [-]HH:MM:SS.m */
	VALUE_NUMBER,
	VALUE_PIX_FMT,
	VALUE_SAMPLE_FMT,
	VALUE_LAYOUT,
	VALUE_VIDEO_CODEC,
	VALUE_AUDIO_CODEC,
	VALUE_ANY_CODEC,
	VALUE_VIDEO_GRAPH,
	VALUE_AUDIO_GRAPH,
	VALUE_ANY_GRAPH,
	VALUE_COMPLEX, /* complex.h */
	VALUE_FORMAT,
	VALUE_METADATA,	   /* key=value */
	VALUE_BSF,	   /* bitstream filters: name[=option=value...][,...] */
	VALUE_DISPOSITION, /* default+forced, +default, -default, 0 */
	VALUE_STREAM_ID,   /* 0:256 */
	VALUE_FPS_MODE,	   /* cfr, vfr, passthrough, auto, drop; 0 to 2, -1 */
	VALUE_KEY_FRAMES,  /* key_rule.h */
	VALUE_LOUDNESS,	   /* -23; no value, or "1": -23; "0": off */
	VALUE_SWS,	   /* flags of the scaler: bicubic+accurate_rnd */
	VALUE_MAP
};

/* A row of the table. */
struct option_def {
	const char *name;
	enum option_kind kind;
	unsigned sides; /* enum option_side, or-ed */
	enum option_value value;
	const char *why; /* OPTION_IGNORED, OPTION_REFUSED: the reason; else NULL */
};

/* What decides where an AVOption is looked up; NULL members are skipped. */
struct option_target {
	const AVCodec *video, *audio; /* encoders; NULL when copied, off or unknown */
	const AVOutputFormat *muxer;
	const AVInputFormat *demuxer; /* NULL: any */
};

/* "b:v:0" -> "b" and 'v'; *ret_media is 'v', 'a', 's', 'd', 'g' or 0 (no specifier); that of
 * "metadata:s:a:0", a stream's, is 'a'.  ffmpeg's and ffmpeg-python's second names become the first
 * ("vcodec" -> "c" and 'v', "video_bitrate" -> "b" and 'v').  False when the name is too long. */
bool option_split(const char *key, char *name, size_t cap, char *ret_media);

/* The number of the stream that a key names: 1 for "b:a:1" and for "metadata:s:a:1"; -1: all
 * streams of the kind; -EINVAL: it names no stream of an output. */
int option_stream(const char *key);

/* True if a flag with this value is on.  NULL: without a value, as "-re". */
bool option_flag_on(const char *value);

/* The row of a name (without specifier) on that side; failing that, of the other side; or NULL. */
const struct option_def *option_find(const char *name, enum option_side side);

/* True if the value of this key is the text of a filter graph. */
bool option_is_graph(const char *key, enum option_side side);

/* What an option is on one side of a job. */
enum option_kind option_classify(const char *name, char media, enum option_side side,
				 const struct option_target *target);

/* The AVOption of an encoder or NULL: its private ones first, then the generic ones that fit the
 * encoder's media type. */
const AVOption *option_find_encoder(const AVCodec *codec, const char *name);
const AVOption *option_find_muxer(const AVOutputFormat *format, const char *name);

/* What libav's demuxers of raw pictures and sound call an OPTION_RAW ("s" is video_size); any other
 * name is returned as it is. */
const char *option_input_name(const char *name);

/* True if the demuxer has an option of its own of this name. */
bool option_find_demuxer(const AVInputFormat *demuxer, const char *name);

/* True if something that may play a source of this scheme ("file": a path) has it: one of the
 * protocols it may use, any demuxer of files, a decoder, or libav for every source; and takes this
 * value (NULL: any). */
bool option_input_fits(const char *name, const char *scheme, const char *value);

/* The known name nearest to `name`, or NULL. */
const char *option_suggest(const char *name, enum option_side side);

/* An encoder by its own name or its codec's ("h264" -> libx264); NULL when there is none. */
const AVCodec *option_encoder(const char *name, enum AVMediaType type);

/* The encoder name nearest to `name`, or NULL. */
const char *option_suggest_encoder(const char *name, enum AVMediaType type);

/* True for the name of an encoder that needs hardware or another system than this one. */
bool option_is_hardware(const char *name);

/* The table itself, for options.c. */
extern const struct option_def option_table[];
extern const size_t option_table_count;

#endif
