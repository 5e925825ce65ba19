/* content.h - watches what a channel shows: feeds the judge (judge.h) with the packets of its first
 * picture and of its first sound, and decodes the few that the judge asks for.  One thread. */
#ifndef AMPS_CONTENT_H
#define AMPS_CONTENT_H

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include "amps-transcoder/content/judge.h"
#include "amps-transcoder/content/luma.h"

struct content {
	struct content_judge judge;
	AVCodecContext *picture, *sound; /* NULL = not opened */
	AVFrame *frame;
	AVPacket *kept; /* the last key frame, if it was not decoded; else empty */
	int64_t kept_90k;
	/* the last key frame that was; the first of those that were the same, and of those alike */
	struct luma shown, same, alike;
	bool sound_fresh; /* the decoder of sound begins: its first frame says nothing */
	bool broken;	  /* pictures cannot be decoded: they are not judged */
};

/* 0 or AVERROR(ENOMEM). */
must_check int content_init(struct content *c);
void content_done(struct content *c);

/* Another source, or a place that does not go on where it stopped. */
void content_restart(struct content *c);

/* A packet of the demuxer, whose times are in 90 kHz. */
void content_packet(struct content *c, const AVFormatContext *ic, const AVPacket *packet);

#endif
