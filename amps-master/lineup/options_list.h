/* options_list.h - a mapping of ffmpeg options as the ordered list that a job gets.
 *
 * The rules of ffmpeg-python: null is a bare flag, a list repeats the option, numbers and booleans
 * are written out.  Pure. */
#ifndef AMPS_OPTIONS_LIST_H
#define AMPS_OPTIONS_LIST_H

#include <jansson.h>
#include "common/base.h"

/* What a key of a profile means beside an option of ffmpeg's. */
#define KEY_OWN	    1u /* Amps' alone, never an option */
#define KEY_FORM    2u /* of the output's form or its hardware: no option of a codec */
#define KEY_CODEC   4u /* names a codec; KEY_VIDEO, KEY_AUDIO: for which streams */
#define KEY_VIDEO   8u
#define KEY_AUDIO   16u
#define KEY_SOUND   32u /* applies to the sound, perhaps also to the picture */
#define KEY_ENCODES 64u /* changes the sound, which must be encoded for it */
unsigned options_list_key(const char *name);

/* [["vcodec","copy"],["vn",null],["map","0:v"],["map","0:a"],["r","25"],["loop","1"]] from
 * {"vcodec":"copy","vn":null,"map":["0:v","0:a"],"r":25,"loop":true}, in the mapping's order.
 * Left out are Amps' own keys (KEY_OWN) and values that no option can have (mappings, lists in
 * lists).  Names are kept as they are: a job knows the second names of options.  A mapping
 * that is NULL or not an object gives [].  The list is the caller's; NULL when there is no
 * memory. */
json_t *options_list(const json_t *mapping);

/* A scalar as an option's text: "25", "0.5", "true" becomes "1".  The caller's; NULL for a value
 * that is no scalar, and without memory. */
json_t *options_list_value(const json_t *value);

#endif
