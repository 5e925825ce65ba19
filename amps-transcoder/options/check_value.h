/* check_value.h - checks the values of ffmpeg's options.  Offline: only encoders are opened, with a
 * tiny picture, and only for a limited number of different settings.  Single-threaded. */
#ifndef AMPS_CHECK_VALUE_H
#define AMPS_CHECK_VALUE_H

#include <jansson.h>
#include "amps-transcoder/options/options.h"

/* State kept between checks: contexts to try values on, and results. */
struct value_checker {
	AVCodecContext *codecs[64]; /* one for each encoder, never opened */
	size_t codec_count;
	json_t *trials; /* "libx264 preset bogus" -> true (works) or false */
	json_t *graphs; /* a graph of filters -> "" or what is wrong */
	unsigned trial_count;
};

/* 0 or -ENOMEM. */
must_check int value_checker_init(struct value_checker *c);
void value_checker_done(struct value_checker *c);

/* For a row of our table.  False with a sentence in `text`; `value` NULL = a bare flag. */
bool check_own_value(const struct option_def *def, char media, const char *value, char *text,
		     size_t cap);

/* For an encoder's option. */
bool check_encoder_value(struct value_checker *c, const AVCodec *codec, const char *name,
			 const char *value, char *text, size_t cap);

/* For the values in a graph of filters, which is read without mistakes. */
bool check_filter_values(struct value_checker *c, const char *graph, char *text, size_t cap);

/* For a muxer's option. */
bool check_muxer_value(const AVOutputFormat *format, const char *name, const char *value,
		       char *text, size_t cap);

#endif
