/* m3u_extinf.h - the rest of an #EXTINF line: duration, attributes, name.  Pure. */
#ifndef AMPS_CLI_M3U_EXTINF_H
#define AMPS_CLI_M3U_EXTINF_H

#include "common/base.h"

/* Of an attribute's name, with its NUL.  YAML takes keys of 1024 bytes, escapes included. */
#define M3U_NAME_BYTES 256

/* What a line leaves open, and how it is read then. */
enum m3u_guess {
	M3U_GUESS_QUOTES, /* a value holds the quotes it stands in, or they are not closed */
	M3U_GUESS_BLANKS, /* a value holds blanks, but does not stand in quotes */
	M3U_GUESS_NAME,	  /* no comma in front of the name */
	M3U_GUESS_LONG,	  /* the name of an attribute is too long to be kept */
	M3U_GUESS_COUNT_
};

struct m3u_extinf {
	void *owner;
	/* `name` is cleaned (see struct m3u_pair), `value` has `len` > 0 bytes. */
	void (*attribute)(void *owner, const char *name, const char *value, size_t len);
	void (*guess)(void *owner, enum m3u_guess guess);
};

/* Reads what stands behind the colon and reports its attributes.  Returns the name within `text`,
 * without blanks in front ("" if there is none). */
const char *m3u_extinf_read(const char *text, const struct m3u_extinf *to);

/* Cleans an attribute's name into `dst`: prefix, then lower case, with '_' for what struct m3u_pair
 * rules out; false if nothing is left or it is too long. */
bool m3u_clean_name(const char *prefix, const char *name, size_t len, char dst[M3U_NAME_BYTES]);

#endif
