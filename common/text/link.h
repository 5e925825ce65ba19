/* link.h - signed links: they open one channel until a time, without a token.
 *
 *	?exp=SECONDS[&ip=ADDRESS][&region=CC][&by=TOKEN]&sig=SIGNATURE
 *
 * The signature is HMAC-SHA256 under a key of the server over the channel and all of these; so each
 * holds as it was made, and none can be left out.  `by` names the token whose viewer made the link,
 * hidden under the key: the link's viewers count as that token's, and end with it.  Pure. */
#ifndef AMPS_LINK_H
#define AMPS_LINK_H

#include "common/base.h"

#define LINK_KEY_BYTES	 32
#define LINK_SIGNATURE	 32 /* hexadecimal digits */
#define LINK_QUERY_MAX	 192
#define LINK_SECONDS_MAX 31536000 /* a year */
#define LINK_ADDRESS_MAX 46

struct link {
	uint32_t channel;
	int64_t expires_s;		/* since 1970 */
	char address[LINK_ADDRESS_MAX]; /* of the client, "" = any */
	char region[3]; /* in which the viewer counts to be, "" = as without a link */
	uint64_t token; /* tokens_name(), 0 = none */
};

/* Writes the query, without "?". */
void link_write(const uint8_t key[LINK_KEY_BYTES], const struct link *l,
		char query[LINK_QUERY_MAX]);

/* Completes a link whose fields are from a query but for the token, of which `by` is the text ("" =
 * none).  Is this its signature?  Takes the same time for each wrong one. */
must_check bool link_verify(const uint8_t key[LINK_KEY_BYTES], struct link *l, const char *by,
			    const char *signature);

/* "3600", "30m", "4h", "7d": seconds from 1 to LINK_SECONDS_MAX.  0 or -EINVAL. */
must_check int link_parse_seconds(const char *text, int64_t *ret);

#endif
