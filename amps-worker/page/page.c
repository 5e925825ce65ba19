/* page.c - see page.h.  The texts are embedded when Amps is built (cmake/page.cmake). */
#include "amps-worker/page/page.h"

#include "amps-worker/http/body_cache.h"
#include "page_lineup_js.h"
#include "page_live_js.h"
#include "page_mp4_js.h"
#include "page_page_css.h"
#include "page_page_html.h"
#include "page_page_js.h"
#include "page_player_js.h"
#include "page_watch_html.h"
#include "page_watch_js.h"

/* Images may come from any host: they are the logos of the operator's channels.  What the player
 * plays comes from a script. */
#define POLICY                                                                                     \
	"default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "            \
	"img-src 'self' http: https: data:; media-src blob:; base-uri 'none'; "                    \
	"form-action 'none'; frame-ancestors 'none'"

static void answer(const struct request *q, const char *key, const char *text, const char *type,
		   struct reply *r)
{
	const struct facts *f = q->facts;

	r->shared = body_cache_text(f->cache, key, text, type, f->wall_us);
	if (!r->shared) {
		reply_error(r, 503, 1, "no memory to send the page");
		return;
	}
	r->kind = REPLY_SHARED;
	reply_field(r, "Cache-Control", "no-cache");
	reply_field(r, "Content-Security-Policy", "%s", POLICY);
	reply_field(r, "Referrer-Policy", "no-referrer");
}

static void answer_script(const struct request *q, const char *key, const char *text,
			  struct reply *r)
{
	answer(q, key, text, "text/javascript; charset=utf-8", r);
}

void page_html(const struct request *q, struct reply *r)
{
	answer(q, "page.html", PAGE_HTML, "text/html; charset=utf-8", r);
}

void page_css(const struct request *q, struct reply *r)
{
	answer(q, "page.css", PAGE_CSS, "text/css; charset=utf-8", r);
}

void page_watch(const struct request *q, struct reply *r)
{
	answer(q, "watch.html", WATCH_HTML, "text/html; charset=utf-8", r);
}

void page_script(const struct request *q, struct reply *r)
{
	static const struct {
		const char *name, *text;
	} scripts[] = {{"page.js", PAGE_JS}, {"watch.js", WATCH_JS}, {"player.js", PLAYER_JS},
		       {"live.js", LIVE_JS}, {"mp4.js", MP4_JS},     {"lineup.js", LINEUP_JS}};

	for (size_t i = 0; i < array_size(scripts); i++)
		if (span_is(q->segment[0], scripts[i].name)) {
			answer_script(q, scripts[i].name, scripts[i].text, r);
			return;
		}
	reply_error(r, 404, 0, "there is no such script");
}
