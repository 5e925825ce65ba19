/* signature.h - what the URLs of HLS carry instead of a token: HMAC-SHA256 under the server's key.
 *
 * A segment's URL has the signature of its channel and of the ten minutes in which its file was
 * made, a part's that of its number.  It is the same for all viewers and never changes, so caches
 * share segments.  A media playlist's URL has a session (`s`), which belongs to one token and one
 * channel.  Pure; a key has MEDIA_KEY_BYTES. */
#ifndef AMPS_SIGNATURE_H
#define AMPS_SIGNATURE_H

#include "amps-worker/http/parse.h"
#include "common/limits.h"

#define SIGNATURE_TEXT	  32u /* hexadecimal digits */
#define SESSION_TEXT	  80u
#define SIGNATURE_SECONDS 600	/* files made in so many seconds share a signature */
#define SIGNATURE_PARTS	  1024u /* parts in a row that share a signature */
#define SIGNATURE_INIT_S  0	/* of init segments, which show nothing: forever */

/* The signature of the channel's files that were made at that time: when they were last written,
 * in seconds since 1970. */
void signature_write(const uint8_t *key, uint32_t channel, int64_t made_s,
		     char out[SIGNATURE_TEXT + 1]);

/* The time that stands for a part, whose URL is known before it is made: its number decides, and no
 * file is so old. */
static inline int64_t signature_part_s(uint32_t part)
{
	return -(int64_t)SIGNATURE_SECONDS * (1 + part / SIGNATURE_PARTS);
}

/* Is `text` the signature of the channel's files that were made at that time? */
bool signature_matches(const uint8_t *key, uint32_t channel, int64_t made_s, struct span text);

/* What a session's text says. */
struct session_name {
	uint64_t number; /* never 0; its first byte names the worker that began it */
	uint64_t tag;	 /* of the token, signature_token(); 0 = it began without one */
	/* Of the signed link it began with, signature_link(); 0 = it began without one. */
	uint64_t link;
};

#define SIGNATURE_BOUND (1ull << 63) /* in signature_link(): the link is for one address */

/* When a link expires, in whole seconds, and its region ("" = none), in one number and back. */
uint64_t signature_link(int64_t until_wall_us, const char region[3], bool bound);
int64_t signature_link_read(uint64_t link, char region[3]);

/* A keyed hash of a token's name (tokens_name()); never 0. */
uint64_t signature_token(const uint8_t *key, uint64_t name);

/* The same of what makes a viewer without a session one viewer, for its nth session. */
uint64_t signature_viewer(const uint8_t *key, uint32_t channel, uint64_t tag,
			  const uint8_t address[16], struct span agent, unsigned nth);

void session_name_write(const uint8_t *key, uint32_t channel, const struct session_name *name,
			char out[SESSION_TEXT + 1]);

/* 0, or -EINVAL: not a session of this channel under this key. */
must_check int session_name_read(const uint8_t *key, uint32_t channel, struct span text,
				 struct session_name *ret);

#endif
