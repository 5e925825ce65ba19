/* yt_dlp.h - channels whose source is a page, and what yt-dlp is told about it.  Pure. */
#ifndef AMPS_YT_DLP_H
#define AMPS_YT_DLP_H

#include <jansson.h>
#include "common/base.h"

/* The options of source_handler that are passed on; ends with NULL. */
extern const char *const yt_dlp_options[];

/* True if the entry (of a channel or a source) names a page that yt-dlp looks up. */
bool yt_dlp_wanted(const json_t *entry);

/* True, with the reason, for a page that must not reach yt-dlp. */
bool yt_dlp_page_wrong(const char *page, char *text, size_t cap);

/* What yt-dlp reads on its stdin: options of its configuration file and the page, so that no user
 * of the machine sees them in the list of processes.  The caller's; NULL without memory. */
char *yt_dlp_config(const json_t *entry, const char *page);

#endif
