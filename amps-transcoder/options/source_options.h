/* source_options.h - input_options and input_args of a job's spec, sorted by what uses them. */
#ifndef AMPS_SOURCE_OPTIONS_H
#define AMPS_SOURCE_OPTIONS_H

#include <jansson.h>
#include <libavformat/avformat.h>
#include "common/base.h"

struct source_options {
	bool re;
	int64_t loop;		    /* additional rounds; -1 = forever */
	int64_t seek_us, length_us; /* -ss, -t; 0 = none */
	int64_t until_us;	    /* -to, which length_us follows; 0 = none */
	/* -vn, -an, -sn, -dn */
	bool without[AVMEDIA_TYPE_NB];
	int64_t programme;   /* programid; 0 = the source as it is */
	char format[32];     /* -f */
	AVDictionary *libav; /* the rest, as the operator calls it */
};

/* Reads the spec, with the headers of a source that was looked up, into a zeroed struct.  0, or
 * -EINVAL (source_options_done() all the same). */
must_check int source_options_read(struct source_options *o, const json_t *spec);
void source_options_done(struct source_options *o);

/* Adds the rest to *d as libav calls it. */
void source_options_for_libav(const struct source_options *o, AVDictionary **d);

/* Logs that nothing takes an option of this name. */
void source_options_unused(const char *name);

/* Logs by their names which of the rest are still in `left` after libav took what it knows. */
void source_options_leftover(const struct source_options *o, const AVDictionary *left);

/* The same for a transport stream, which is not demuxed: options of libav's demuxers have no effect
 * and are not reported. */
void source_options_leftover_ts(const struct source_options *o, const AVDictionary *left);

/* True if some kinds of streams are to be left out. */
bool source_options_without_any(const struct source_options *o);

/* Streams that were not asked for are discarded. */
void source_options_discard(const struct source_options *o, AVFormatContext *demuxer);

/* Keeps in *left what is in `other` too: options that neither the protocol nor the demuxer took. */
void source_options_common(AVDictionary **left, const AVDictionary *other);

#endif
