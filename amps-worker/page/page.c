/* page.c - see page.h.  The files are embedded when Amps is built (cmake/page.cmake). */
#include "amps-worker/page/page.h"

#include "amps-worker/http/body_cache.h"
#include "page_files.h"

/* Images may come from any host: they are the logos of the operator's channels.  What the player
 * plays comes from a script. */
#define POLICY                                                                                     \
	"default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "            \
	"img-src 'self' http: https: data:; media-src blob:; base-uri 'none'; "                    \
	"form-action 'none'; frame-ancestors 'none'"

static void answer(const struct request *q, const struct page_file *file, struct reply *r)
{
	const struct facts *f = q->facts;

	r->shared = body_cache_text(f->cache, file->name, file->text, file->type, f->wall_us);
	if (!r->shared) {
		reply_error(r, 503, 1, "no memory to send the page");
		return;
	}
	r->kind = REPLY_SHARED;
	reply_field(r, "Cache-Control", "no-cache");
	reply_field(r, "Content-Security-Policy", "%s", POLICY);
	reply_field(r, "Referrer-Policy", "no-referrer");
}

void page_html(const struct request *q, struct reply *r)
{
	static const struct page_file page = {"page.html", "text/html; charset=utf-8", PAGE_HTML};

	answer(q, &page, r);
}

void page_part(const struct request *q, struct reply *r)
{
	for (size_t i = 0; i < array_size(page_files); i++)
		if (span_is(q->segment[0], page_files[i].name)) {
			answer(q, &page_files[i], r);
			return;
		}
	reply_error(r, 404, 0, "the page has no such file");
}
