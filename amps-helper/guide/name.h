/* name.h - names of channels, compared as people read them: without case, spaces and
 * punctuation; loosely, also without words for the quality of the picture and for the country at
 * the begin or end ("DE: ZDF HD" is "zdf").  Pure. */
#ifndef AMPS_GUIDE_NAME_H
#define AMPS_GUIDE_NAME_H

#include "common/base.h"

#define GUIDE_WORDS_MAX 12

struct guide_name {
	uint64_t strict, loose;		 /* hashes; 0: nothing is left of the name */
	uint64_t words[GUIDE_WORDS_MAX]; /* of the loose form */
	size_t word_count;
};

struct guide_name guide_name_of(const char *text);

#endif
