/* page.h - the page at /, /ui and /watch/<id>, its style and its scripts.
 *
 * It contains no data: the scripts ask for it with the user's token. */
#ifndef AMPS_PAGE_H
#define AMPS_PAGE_H

#include "amps-worker/http/route.h"

void page_html(const struct request *q, struct reply *r);
/* /ui/<name> */
void page_part(const struct request *q, struct reply *r);

#endif
