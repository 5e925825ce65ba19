/* media.h - the packets of a slate: a still picture with text, and silence, in a channel's format.
 *
 * Everything is encoded once: a group of pictures of about a second, and one packet of silence a
 * sound.  They are repeated for ever, each with the next time of its stream. */
#ifndef AMPS_SLATE_MEDIA_H
#define AMPS_SLATE_MEDIA_H

#include "amps-transcoder/slate/format.h"

#define SLATE_PICTURES_MAX 60

struct slate_track {
	const struct slate_stream *stream; /* borrowed from the format */
	AVCodecParameters *parameters;
	AVPacket *packets[SLATE_PICTURES_MAX]; /* the first one is a key frame */
	unsigned count;
	AVRational step; /* seconds from one packet to the next */
};

struct slate_media {
	struct slate_track tracks[SLATE_STREAMS_MAX];
	unsigned count;
};

/* Asked before each frame: true = the media are not needed any more. */
struct slate_stop {
	bool (*asked)(void *owner);
	void *owner;
};

/* A stream whose codec has no encoder here gets a usual codec, or is left out.  0 or a libav error
 * (AVERROR_ENCODER_NOT_FOUND: no stream has an encoder; AVERROR_EXIT: stopped).  All need
 * slate_media_done(). */
must_check int slate_media_make(const struct slate_format *format, const char *text,
				const struct slate_stop *stop, struct slate_media *ret);
void slate_media_done(struct slate_media *m);

#endif
