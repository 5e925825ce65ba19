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

Test(url, a_form)
{
	static const char *const links[][2] = {
		{"ts", "https://h/stream/5.ts?token=t"},
		{"hls", "https://h/hls/5/index.m3u8?token=t"},
		{"dash", "https://h/dash/5/manifest.mpd?token=t"},
		{"audio", "https://h/audio/5?token=t"},
		{"mp4", "https://h/stream/5?format=mp4&token=t"},
		{"ws", "wss://h/ws/5?token=t"},
		{"rtsp", "rtsp://h:8554/5?token=t"},
	};

	for (size_t i = 0; i < array_size(links); i++) {
		cr_expect(url_knows_format(links[i][0]));
		expect(&(struct url_parts){.base = "https://h",
					  .stream_id = "5",
					  .token = "t",
					  .rtsp_port = 8554,
					  .format = links[i][0]},
		       links[i][1]);
	}
	expect(&(struct url_parts){.base = "https://h", .format = "ws"},
	       "https://h/playlist.m3u?format=ws");
	expect(&(struct url_parts){.base = "http://[::1]:5000/tv",
				  .stream_id = "5",
				  .rtsp_port = 9,
				  .format = "rtsp"},
	       "rtsp://[::1]:9/5");
	expect(&(struct url_parts){.base = "http://me:secret@[::1]:5000",
				  .stream_id = "5",
				  .rtsp_port = 9,
				  .format = "rtsp"},
	       "rtsp://[::1]:9/5");
	cr_expect_not(url_knows_format("avi"));
}
