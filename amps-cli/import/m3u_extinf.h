/* m3u_extinf.h - the rest of an #EXTINF line: duration, attributes, name.  Pure. */
#ifndef AMPS_CLI_M3U_EXTINF_H
#define AMPS_CLI_M3U_EXTINF_H

#include "common/base.h"

/* An attribute's name with its NUL.  YAML allows keys of 1024 bytes, escapes included. */
#define M3U_NAME_BYTES 256

/* What is ambiguous in a line. */
enum m3u_guess {
	M3U_GUESS_QUOTES, /* a quoted value contains quotes, or they are not closed */
	M3U_GUESS_BLANKS, /* a value without quotes contains blanks */
	M3U_GUESS_NAME,	  /* there is no comma before the name */
	M3U_GUESS_LONG,	  /* the name of an attribute is too long and is left out */
	M3U_GUESS_COUNT_
};

struct m3u_extinf {
	void *owner;
	/* `name` is cleaned (see struct m3u_pair), `value` has `len` > 0 bytes. */
	void (*attribute)(void *owner, const char *name, const char *value, size_t len);
	void (*guess)(void *owner, enum m3u_guess guess);
};

/* Parses the text behind the colon and reports its attributes.  Returns the name within `text`,
 * without blanks in front ("" if there is none). */
const char *m3u_extinf_read(const char *text, const struct m3u_extinf *to);

/* Cleans an attribute's name into `dst`: prefix, then lower case, with '_' for what struct m3u_pair
 * rules out; false if nothing is left or it is too long. */
bool m3u_clean_name(const char *prefix, const char *name, size_t len, char dst[M3U_NAME_BYTES]);

#endif
