/* page.h - the pages at / and /ui and at /watch/<id>, their style and their scripts.
 *
 * They contain no data: the scripts request the playlist with the user's token. */
#ifndef AMPS_PAGE_H
#define AMPS_PAGE_H

#include "amps-worker/http/route.h"

void page_html(const struct request *q, struct reply *r);
void page_css(const struct request *q, struct reply *r);
void page_watch(const struct request *q, struct reply *r);
/* /ui/<name> */
void page_script(const struct request *q, struct reply *r);

#endif
