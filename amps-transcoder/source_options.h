/* source_options.h - input_options and input_args of a job's spec, sorted by who follows them. */
#ifndef AMPS_SOURCE_OPTIONS_H
#define AMPS_SOURCE_OPTIONS_H

#include <jansson.h>
#include <libavutil/dict.h>
#include "common/base.h"

struct source_options {
	bool re;
	int64_t loop;		    /* additional rounds; -1 = for ever */
	int64_t seek_us, length_us; /* -ss, -t; 0 = none */
	int64_t programme;	    /* programid; 0 = the source as it is */
	char format[32];	    /* -f */
	AVDictionary *libav;	    /* the rest */
};

/* Reads the spec into a zeroed struct.  0, or -EINVAL (source_options_done() all the same). */
must_check int source_options_read(struct source_options *o, const json_t *spec);
void source_options_done(struct source_options *o);

/* Logs by name which of `ours` are still in `left` after libav took what it knows. */
void source_options_leftover(const AVDictionary *left, const AVDictionary *ours);

/* Keeps in *left what is in `other` too: options that neither the protocol nor the demuxer took. */
void source_options_common(AVDictionary **left, const AVDictionary *other);

#endif
