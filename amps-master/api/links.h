/* links.h - signed links (common/text/link.h), for POST /api/links and `amps link`. */
#ifndef AMPS_API_LINKS_H
#define AMPS_API_LINKS_H

#include <jansson.h>
#include "amps-master/lineup/lineup.h"
#include "common/limits.h"

/* `asked`: {"channel": id, "ttl": "4h" or seconds, "ip": address, "region": "CC"}, all but the
 * channel optional.  `base`: the beginning of links; `key`: hexadecimal.  0 and
 * {"url","hls","dash", "expires"}, -EINVAL or -ENOENT (no such channel) with the reason. */
must_check int links_make(const char *key, const struct lineup *lineup, const char *base,
			  const json_t *asked, json_t **ret, char reason[ERROR_TEXT_MAX]);

#endif
