/* page.h - the page at /, /ui and /watch/<id>, its style and its script (amps-worker/page/).
 *
 * The three hold no data: the script asks for the playlist with the token of whoever uses the
 * page.  Handlers of route.c. */
#ifndef AMPS_PAGE_H
#define AMPS_PAGE_H

#include "amps-worker/http/route.h"

void page_html(const struct request *q, struct reply *r);
void page_css(const struct request *q, struct reply *r);
void page_js(const struct request *q, struct reply *r);

#endif
