/* m3u.h - a push parser of M3U playlists: bytes go in, entries come out.
 *
 * Accepts what real playlists contain: LF, CR and CRLF, a byte order mark, bytes that are not UTF-8
 * (taken as Latin-1), a file without #EXTM3U.  Memory is constant: lines have at most M3U_LINE_MAX
 * bytes, an entry at most M3U_PAIRS_MAX attributes of together M3U_ENTRY_MAX bytes; more is left
 * out with a note.  Nothing here prints.
 *
 * A name begins behind the first comma after the last quoted attribute, so that it may contain
 * commas. An ambiguous line is read with a note.  An option line belongs to the next URL, before or
 * after its #EXTINF.  #EXTGRP applies until the next one, as in Kodi. */
#ifndef AMPS_CLI_M3U_H
#define AMPS_CLI_M3U_H

#include "common/base.h"
#include "common/text/buf.h"

/* An attribute of #EXTINF or an option line, in the order of the file.  Texts are UTF-8 without
 * NUL.  Names are in lower case (of ASCII) and hold no white space, control character, '=', '"' or
 * ','; those of #EXTVLCOPT begin with "vlc-", those of #KODIPROP with "kodi-". */
struct m3u_pair {
	const char *name;
	const char *value; /* never empty */
};

struct m3u_entry {
	uint64_t line;	   /* of the URL, from 1 */
	const char *name;  /* without blanks around it; "" = none */
	const char *group; /* of #EXTGRP, "" if none */
	const char *url;
	const struct m3u_pair *pairs;
	size_t pair_count;
};

/* Everything is borrowed for the call. */
struct m3u_events {
	void *owner;
	void (*entry)(void *owner, const struct m3u_entry *entry);
	/* Something was repaired or left out. */
	void (*note)(void *owner, uint64_t line, const char *text);
};

struct m3u;

struct m3u *m3u_new(const struct m3u_events *events); /* NULL: no memory */
struct m3u *m3u_free(struct m3u *m);		      /* returns NULL; accepts NULL */

/* Parses the next bytes.  0, -EILSEQ (UTF-16, which players do not read), -EBADMSG (the
 * first line begins with '<': HTML or XML), -ENOMEM. */
must_check int m3u_feed(struct m3u *m, const char *bytes, size_t n);

/* The end of the file: parses a last line without a newline.  Returns as m3u_feed(). */
must_check int m3u_end(struct m3u *m);

#endif
