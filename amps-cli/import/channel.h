/* channel.h - entries of an M3U playlist as channels of a configuration.
 *
 * Attributes and their keys:
 *
 *	tvg-id                              epg_id
 *	tvg-name                            tvg_name
 *	tvg-logo, logo                      logo
 *	group-title, else #EXTGRP           group
 *	tvg-chno, channel-number, ch-number channel_number
 *	http-user-agent, user-agent         input_options: user_agent (of an HTTP source)
 *	http-referrer, http-referer,
 *	referrer, referer                   input_options: referer (of an HTTP source)
 *
 * The last two are also read from #EXTVLCOPT and behind a '|' at the end of an HTTP URL (Kodi),
 * where any other name is a header of the request.  The first value of a key wins.  Every other
 * attribute keeps its own name (`amps check` warns about it and keeps it); if that is a key of
 * Amps, "m3u-" is put in front. */
#ifndef AMPS_CLI_IMPORT_CHANNEL_H
#define AMPS_CLI_IMPORT_CHANNEL_H

#include <jansson.h>
#include "amps-cli/import/m3u.h"

/* The channel, without an id; `id` names one that has no name.  A new reference; NULL: there is no
 * memory. */
json_t *import_channel(const struct m3u_entry *entry, uint64_t id, const char *profile);

/* Appends such a channel as an item of `streams:`. */
void import_put_yaml(struct buf *out, uint64_t id, const json_t *channel);

/* True if the source is a file or device of this machine, with or without "file:", not a URL.  With
 * such an entry, a playlist from elsewhere could show viewers any file that the server can read. */
bool import_is_local(const struct m3u_entry *entry);

#endif
