#include "amps-cli/url.h"
#include "unit.h"

static void expect(const struct url_parts *parts, const char *url)
{
	struct buf b = BUF_INIT;

	url_put(&b, parts);
	cr_expect_str_eq(b.data, url);
	buf_done(&b);
}

Test(url, the_playlist)
{
	expect(&(struct url_parts){.base = "http://h:5000/"}, "http://h:5000/playlist.m3u");
	expect(&(struct url_parts){.base = "http://h/tv//", .token = "t", .region = "US"},
	       "http://h/tv/playlist.m3u?region=US&token=t");
}

Test(url, a_channel)
{
	expect(&(struct url_parts){.base = "http://h", .stream_id = "5"}, "http://h/stream/5.ts");
	expect(&(struct url_parts){.base = "http://h",
				  .stream_id = "5",
				  .variant = "HD+ é",
				  .token = "a&b=c/?#%"},
	       "http://h/stream/5.ts?variant=HD%2B%20%C3%A9&token=a%26b%3Dc%2F%3F%23%25");
}
