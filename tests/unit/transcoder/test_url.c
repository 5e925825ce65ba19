/* test_url.c - which parts of a source's URL a job acts on */
#include <string.h>
#include "unit.h"

#include "amps-transcoder/options/url.h"

Test(url, a_listener_has_no_remote_host)
{
	static const char *const called[] = {
		"srt://:9000?mode=listener",
		"srt://0.0.0.0:9000?a=1&mode=listener",
		"srt://:9000",
		"udp://@:5004",
		"udp://:5004",
		"rtp://:5004",
		"rist://@0.0.0.0:9000",
	};
	static const char *const calling[] = {
		"http://203.0.113.5/redir/x.ts?a=1&mode=listener",
		"https://203.0.113.5/?mode=listener",
		"rtsp://203.0.113.5/x?mode=listener",
		"rtmp://203.0.113.5/x?mode=listener&listen=1",
		"tcp://203.0.113.5:1?mode=listener&listen",
		"udp://203.0.113.5:1?mode=listener",
		"srt://203.0.113.5:1?mode=caller",
		"srt://203.0.113.5:1",
		"http:///x?mode=listener",
		"/srv/film.ts?mode=listener",
		"file:///srv/film.ts?mode=listener",
	};

	for (size_t i = 0; i < array_size(called); i++)
		cr_expect(url_listens(called[i], NULL), "%s", called[i]);
	for (size_t i = 0; i < array_size(calling); i++)
		cr_expect_not(url_listens(calling[i], NULL), "%s", calling[i]);
}

Test(url, only_srt_uses_the_option_mode)
{
	cr_expect(url_listens("srt://0.0.0.0:9000", "listener"));
	cr_expect_not(url_listens("srt://203.0.113.5:9000?mode=caller", "listener"));
	cr_expect_not(url_listens("srt://203.0.113.5:9000", "caller"));
	cr_expect_not(url_listens("http://203.0.113.5/x.ts", "listener"));
}

Test(url, ports)
{
	static const struct {
		const char *url;
		uint16_t port;
	} rows[] = {
		{"tcp://host:1234", 1234},
		{"tcp://user:5@host:1234/x", 1234},
		{"tcp://[::1]:99?x=:7", 99},
		{"tcp://[2001:db8::1]", 0},
		{"http://host/x:5", 0},
		{"tcp://host:99999", 0},
		{"/a:5", 0},
	};

	for (size_t i = 0; i < array_size(rows); i++)
		cr_expect_eq(url_port(rows[i].url), rows[i].port, "%s", rows[i].url);
}

Test(url, hosts)
{
	static const char *const rows[][2] = {
		{"http://host/x", "host"},
		{"http://u:p@host:80/x", "host"},
		{"http://u:p@[::1]:80/x", "::1"},
		{"http://host?a@b", "host"},
		{"/srv/x.ts", ""},
		{"udp://@:1", ""},
	};
	char host[64];

	for (size_t i = 0; i < array_size(rows); i++) {
		url_host(rows[i][0], host, sizeof(host));
		cr_expect_str_eq(host, rows[i][1], "%s", rows[i][0]);
	}
}
