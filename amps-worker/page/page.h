/* page.h - the page at /, /ui and /watch/<id>, its style and its script.
 *
 * They contain no data: the script requests the playlist with the user's token. */
#ifndef AMPS_PAGE_H
#define AMPS_PAGE_H

#include "amps-worker/http/route.h"

void page_html(const struct request *q, struct reply *r);
void page_css(const struct request *q, struct reply *r);
void page_js(const struct request *q, struct reply *r);

#endif
