#include "amps-transcoder/ts/gone_watch.h"

#include <assert.h>

#define GONE_90K  (GONE_S * TS_HZ)
#define GONE_US	  (GONE_S * 1000000ull)
#define GOES_ON_S 2 /* what came so lately goes on */

void gone_watch_streams(struct gone_watch *w, const struct ts_parse *p, uint64_t now_us)
{
	for (unsigned i = 0; i < p->stream_count; i++) {
		const struct ts_stream *s = &p->streams[i];
		struct gone_kind *kind = s->kind == TS_KIND_VIDEO ? &w->picture : &w->sound;

		if (s->kind == TS_KIND_OTHER || s->last_pts_90k == TIME_NONE ||
		    s->last_pts_90k == kind->pts_90k)
			continue;
		assert(now_us >= kind->seen_us);
		kind->pts_90k = s->last_pts_90k;
		kind->seen_us = now_us;
	}
}

static bool is_gone(const struct gone_kind *kind, const struct gone_kind *other, uint64_t now_us)
{
	return kind->pts_90k != TIME_NONE && other->pts_90k != TIME_NONE &&
	       now_us - kind->seen_us >= GONE_US &&
	       now_us - other->seen_us < GOES_ON_S * 1000000ull &&
	       other->pts_90k - kind->pts_90k >= GONE_90K;
}

enum content_fault gone_watch_verdict(const struct gone_watch *w, uint64_t now_us)
{
	if (is_gone(&w->picture, &w->sound, now_us))
		return CONTENT_NO_PICTURE;
	return is_gone(&w->sound, &w->picture, now_us) ? CONTENT_NO_SOUND : CONTENT_GOOD;
}
