#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include "amps-worker/http/access.h"
#include "unit.h"
#include "worker/catalog_fixture.h"

/* A request of these header lines (each with CRLF), parsed into *ret. */
static void request(const char *target, const char *fields, struct http_request *ret)
{
	static char head[4096];

	snprintf(head, sizeof(head), "GET %s HTTP/1.0\r\n%s\r\n", target, fields);
	cr_assert(fixture_request(head, ret), "%s", head);
}

static struct fixture *make(const char *proxy, unsigned bits)
{
	struct fixture *f = fixture_new();
	struct catalog_cidr cidr = {.prefix_bits = bits};

	if (proxy) {
		cr_assert_eq(inet_pton(AF_INET6, proxy, cidr.address), 1);
		f->settings.proxies_at = fixture_put(f, &cidr, sizeof(cidr));
		f->settings.proxy_count = 1;
	}
	return f;
}

static void expect_region(struct fixture *f, const char *target, const char *fields,
			  const char *expected)
{
	struct http_request http;
	char region[3];

	request(target, fields, &http);
	access_region(&(struct request){.http = &http, .facts = &f->facts}, region);
	cr_expect_str_eq(region, expected, "%s %s: %s, not %s", target, fields, region, expected);
}

Test(access, finds_the_region_in_its_order)
{
	struct fixture *f = make(NULL, 0);

	cr_assert_eq(fixture_publish(f, 1), 0);
	expect_region(f, "/", "", "");
	expect_region(f, "/?region=us", "X-Amps-Region: DE\r\n", "US");
	expect_region(f, "/?region=usa", "X-Amps-Region: DE\r\n", "DE");
	expect_region(f, "/?region=", "X-Region: fr\r\nX-Amps-Region: DE\r\n", "DE");
	expect_region(f, "/", "CF-IPCountry: T1\r\nX-Appengine-Country: gb\r\n", "GB");
	expect_region(f, "/", "X-Amps-Region: D\r\nX-Region: 12\r\nCF-IPCountry: NL\r\n", "NL");
	f->settings.flags = SETTING_REGION_HEADERS;
	cr_assert_eq(fixture_publish(f, 2), 0);
	expect_region(f, "/?region=us", "X-Region: DE\r\n", "DE");
	f->settings.flags = SETTING_REGION_QUERY;
	cr_assert_eq(fixture_publish(f, 3), 0);
	expect_region(f, "/?region=us", "X-Region: DE\r\n", "US");
	expect_region(f, "/", "X-Region: DE\r\n", "");
	fixture_free(f);
}

static void expect_client(struct fixture *f, const char *fields, const char *expected)
{
	char text[INET6_ADDRSTRLEN];
	struct http_request http;
	struct in6_addr client;

	request("/", fields, &http);
	client = access_client(&http, &f->facts);
	inet_ntop(AF_INET6, &client, text, sizeof(text));
	cr_expect_str_eq(text, expected, "%s: %s, not %s", fields, text, expected);
}

#define FROM "X-Forwarded-For: "

Test(access, the_client_is_the_address_before_the_last_trusted_proxy)
{
	struct fixture *f = make("::ffff:192.0.2.0", 120);

	cr_assert_eq(fixture_publish(f, 1), 0);
	expect_client(f, "", "::ffff:192.0.2.7");
	expect_client(f, FROM "10.9.9.9\r\n", "::ffff:10.9.9.9");
	expect_client(f, FROM "6.6.6.6, 10.9.9.9\r\n", "::ffff:10.9.9.9");
	expect_client(f, FROM "6.6.6.6,10.9.9.9:80 ,\t192.0.2.9\r\n", "::ffff:10.9.9.9");
	expect_client(f, FROM "6.6.6.6\r\nx-forwarded-for: 2001:db8::1\r\n", "2001:db8::1");
	expect_client(f, FROM "6.6.6.6, [2001:db8::1]:80\r\n" FROM "192.0.2.9\r\n", "2001:db8::1");
	expect_client(f, FROM "6.6.6.6, nonsense, 192.0.2.9\r\n", "::ffff:192.0.2.9");
	expect_client(f, FROM ",\r\n", "::ffff:192.0.2.7");
	expect_client(f, FROM "192.0.2.1\r\n", "::ffff:192.0.2.1");
	f->settings.proxy_count = 0;
	cr_assert_eq(fixture_publish(f, 2), 0);
	expect_client(f, FROM "10.9.9.9\r\n", "::ffff:192.0.2.7");
	fixture_free(f);
}

/* A list of proxies is followed for a bounded number of steps. */
Test(access, a_long_list_of_proxies_is_followed_to_its_limit)
{
	struct fixture *f = make("::ffff:192.0.2.0", 120);
	struct buf list = BUF_INIT;

	cr_assert_eq(fixture_publish(f, 1), 0);
	buf_puts(&list, FROM "203.0.113.9");
	for (unsigned i = 1; i < FORWARDED_HOPS_MAX; i++)
		buf_puts(&list, ", 192.0.2.9");
	buf_puts(&list, "\r\n");
	expect_client(f, list.data, "::ffff:203.0.113.9");
	list.len -= 2;
	buf_puts(&list, ", 192.0.2.9\r\n");
	expect_client(f, list.data, "::ffff:192.0.2.9");
	buf_done(&list);
	fixture_free(f);
}

Test(access, believes_trusted_proxies_only)
{
	static const struct {
		const char *proxy;
		unsigned bits;
		bool trusted; /* the peer is 192.0.2.7 */
	} cases[] = {
		{"::ffff:192.0.2.0", 96 + 24, true},
		{"::ffff:192.0.2.7", 128, true},
		{"::ffff:192.0.2.6", 128, false},
		{"::ffff:192.0.2.6", 127, true},
		{"::ffff:192.0.3.0", 96 + 24, false},
		{"::", 0, true},
		{"2001:db8::", 32, false},
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		struct fixture *f = make(cases[i].proxy, cases[i].bits);

		cr_assert_eq(fixture_publish(f, 1), 0);
		cr_expect_eq(access_peer_trusted(&f->facts), cases[i].trusted, "%s/%u",
			     cases[i].proxy, cases[i].bits);
		expect_region(f, "/", "X-Region: DE\r\n", cases[i].trusted ? "DE" : "");
		expect_region(f, "/?region=US", "X-Region: DE\r\n", "US");
		fixture_free(f);
	}
}

/* All of IPv4 below 192.0.2.0 is NO, what follows is SE. */
static struct geoip *countries(void)
{
	static struct {
		struct geoip_header header;
		uint64_t from[2];
		char region[2][2];
	} image = {.header = {.snapshot = {.magic = GEOIP_MAGIC,
					   .version = GEOIP_VERSION,
					   .header_bytes = sizeof(image.header),
					   .total_bytes = sizeof(image.header) + 20,
					   .generation = 1},
			      .count = 2},
		   .from = {0, 0xffffc0000200},
		   .region = {{'N', 'O'}, {'S', 'E'}}};
	struct snapshot *s;

	cr_assert_eq(snapshot_open_memory(&geoip_type, &image, sizeof(image.header) + 20, &s), 0);
	return geoip_of(s);
}

Test(access, the_country_of_the_address_comes_last_and_cannot_be_forged)
{
	struct fixture *f = make("::ffff:10.0.0.0", 104);
	struct geoip *g = countries();

	cr_assert_eq(fixture_publish(f, 1), 0);
	f->facts.geoip = g;
	inet_pton(AF_INET6, "::ffff:192.0.2.1", &f->facts.peer);
	expect_region(f, "/", "", "SE");
	expect_region(f, "/?region=de", "", "DE");
	expect_region(f, "/", "X-Region: DE\r\nX-Forwarded-For: 192.0.1.1\r\n", "SE");
	inet_pton(AF_INET6, "::ffff:10.0.0.1", &f->facts.peer);
	expect_region(f, "/", "X-Forwarded-For: 192.0.1.1, 192.0.2.1\r\n", "SE");
	expect_region(f, "/", "X-Forwarded-For: 192.0.2.1, 192.0.1.1\r\n", "NO");
	expect_region(f, "/", "X-Forwarded-For: 192.0.1.1\r\nX-Region: DE\r\n", "DE");
	f->settings.flags = 0;
	cr_assert_eq(fixture_publish(f, 2), 0);
	expect_region(f, "/?region=de", "X-Forwarded-For: 192.0.1.1\r\nX-Region: DE\r\n", "NO");
	snapshot_unref((struct snapshot *)(void *)g);
	fixture_free(f);
}

/* A region that the client invents counts only as far as the configuration trusts its source. */
Test(access, a_forged_region_counts_as_far_as_its_source_is_trusted)
{
	static const unsigned trusts[] = {0, SETTING_REGION_QUERY, SETTING_REGION_HEADERS,
					  SETTING_REGION_QUERY | SETTING_REGION_HEADERS};
	/* none, one that the peer is, one that it is not but claims to come from */
	static const char *const proxies[] = {NULL, "::ffff:192.0.2.7", "::ffff:10.0.0.1"};
	static const char fields[] = "X-Region: DE\r\nCF-IPCountry: FR\r\n" FROM "10.0.0.1\r\n";
	unsigned cases = 0;

	for (size_t t = 0; t < array_size(trusts); t++) {
		for (size_t p = 0; p < array_size(proxies); p++) {
			struct fixture *f = make(proxies[p], 128);
			bool header = (trusts[t] & SETTING_REGION_HEADERS) && p < 2;
			bool query = trusts[t] & SETTING_REGION_QUERY;

			f->settings.flags = trusts[t];
			cr_assert_eq(fixture_publish(f, 1), 0);
			expect_region(f, "/", fields, header ? "DE" : "");
			expect_region(f, "/?region=US", fields, query ? "US" : header ? "DE" : "");
			cases += 2;
			fixture_free(f);
		}
	}
	cr_expect_eq(cases, 24);
}

static void expect_base(struct fixture *f, const char *fields, const char *expected)
{
	struct http_request http;
	char base[BASE_URL_MAX];

	request("/", fields, &http);
	access_base_url(&http, &f->facts, base, sizeof(base));
	cr_expect_str_eq(base, expected, "%s: %s, not %s", fields, base, expected);
}

#define FORWARDED "X-Forwarded-Proto: https\r\nX-Forwarded-Host: tv.example, inner\r\n"

Test(access, knows_the_address_of_links)
{
	struct fixture *f = make(NULL, 0);

	cr_assert_eq(fixture_publish(f, 1), 0);
	expect_base(f, "", "http://localhost:5000");
	expect_base(f, "Host: tv.lan:81\r\n", "http://tv.lan:81");
	expect_base(f, "Host: tv.lan\r\n" FORWARDED, "http://tv.lan");
	f->settings.public_url_at = fixture_text(f, "https://tv.example/amps//");
	cr_assert_eq(fixture_publish(f, 2), 0);
	expect_base(f, "Host: tv.lan:81\r\n", "https://tv.example/amps");
	fixture_free(f);

	f = make("::ffff:192.0.2.0", 96 + 24);
	cr_assert_eq(fixture_publish(f, 1), 0);
	expect_base(f, "Host: tv.lan\r\n" FORWARDED, "https://tv.example");
	expect_base(f, "Host: tv.lan\r\nX-Forwarded-Proto: ftp\r\n", "http://tv.lan");
	expect_base(f, "Host: tv.lan\r\nX-Forwarded-Host: a\"b\r\n", "http://tv.lan");
	fixture_free(f);
}

static void expect_host(struct fixture *f, const char *host, bool known)
{
	char fields[300];
	struct http_request http;

	snprintf(fields, sizeof(fields), "Host: %s\r\n", host);
	request("/", fields, &http);
	cr_expect_eq(access_host_known(&http, &f->facts), known, "%s", host);
}

Test(access, knows_which_names_are_this_servers)
{
	static const char *const always[] = {"127.0.0.1",     "192.0.2.1:5000", "[2001:db8::1]:80",
					     "[::1]",	      "localhost:5000", "nas",
					     "TV.local:5000", "tv.lan.",	"a.home.arpa:1"};
	static const char *const never[] = {"evil.example",	 "evil.example:5000",
					    "127.0.0.1.example", "lan.example",
					    "xlocal.example",	 "tv.example.evil"};
	struct fixture *f = make(NULL, 0);

	cr_assert_eq(fixture_publish(f, 1), 0);
	for (size_t i = 0; i < array_size(always); i++)
		expect_host(f, always[i], true);
	for (size_t i = 0; i < array_size(never); i++)
		expect_host(f, never[i], false);
	expect_host(f, "tv.example", false);
	f->settings.public_url_at = fixture_text(f, "https://tv.example:8443/amps/");
	f->settings.allowed_hosts_at = fixture_text(f, "one.example\nTwo.example\n");
	cr_assert_eq(fixture_publish(f, 2), 0);
	expect_host(f, "TV.example", true);
	expect_host(f, "one.example:81", true);
	expect_host(f, "two.example.", true);
	for (size_t i = 0; i < array_size(never); i++)
		expect_host(f, never[i], false);
	fixture_free(f);

	f = make("::ffff:192.0.2.0", 96 + 24);
	cr_assert_eq(fixture_publish(f, 1), 0);
	expect_host(f, "evil.example", true);
	fixture_free(f);
}

static void expect_token(const char *target, const char *fields, int found, const char *expected)
{
	char text[TOKEN_BYTES_MAX + 1] = "";
	struct http_request http;

	request(target, fields, &http);
	cr_expect_eq(access_token_text(&http, text, sizeof(text)), found, "%s %s", target, fields);
	if (found == 1)
		cr_expect_str_eq(text, expected);
}

Test(access, finds_the_token)
{
	char longest[TOKEN_BYTES_MAX + 32], too_long[TOKEN_BYTES_MAX + 32];
	char text[TOKEN_BYTES_MAX + 1];

	snprintf(longest, sizeof(longest), "X-Amps-Token: %0*d\r\n", TOKEN_BYTES_MAX, 0);
	snprintf(too_long, sizeof(too_long), "X-Amps-Token: %0*d\r\n", TOKEN_BYTES_MAX + 1, 0);
	expect_token("/", "", 0, NULL);
	expect_token("/?token=a%2Bb", "", 1, "a+b");
	expect_token("/?token=q", "Authorization: BEARER  b\r\n", 1, "b");
	expect_token("/?token=q", "Authorization: Bearer b\r\nX-Amps-Token: h\r\n", 1, "h");
	expect_token("/?token=%00", "", -EINVAL, NULL);
	expect_token("/", too_long, -EINVAL, NULL);
	memcpy(text, longest + strlen("X-Amps-Token: "), TOKEN_BYTES_MAX);
	text[TOKEN_BYTES_MAX] = '\0';
	expect_token("/", longest, 1, text);
}

Test(access, puts_no_administrator_token_into_links)
{
	struct fixture *f = fixture_new();
	char text[TOKEN_BYTES_MAX + 1];
	struct token_entry admin = {.role = TOKEN_ADMIN, .token = "chief"};
	struct token_entry hashed = {.flags = TOKEN_HASHED, .token = "d1ge57"};
	struct http_request http = {.fields = {{{"X-Amps-Token", 12}, {"kept by the client", 18}}},
				    .field_count = 1};
	struct request q = {.http = &http};
	struct token_entry only = {.role = TOKEN_ADMIN, .flags = TOKEN_SHARED, .token = "one"};

	fixture_token(f, "mine", TOKEN_VIEWER, 0);
	cr_assert_eq(fixture_publish(f, 1), 0);
	q.facts = &(struct facts){.tokens = f->tokens};
	q.token = &f->entries[0];
	access_link_token(&q, text);
	cr_expect_str_eq(text, "mine");
	q.token = &only;
	access_link_token(&q, text);
	cr_expect_str_eq(text, "one", "one token for all is also what lists carry");
	q.token = NULL;
	access_link_token(&q, text);
	cr_expect_str_eq(text, "");
	q.token = &admin;
	access_link_token(&q, text);
	cr_expect_str_neq(text, "chief");
	q.token = &hashed;
	access_link_token(&q, text);
	cr_expect_str_eq(text, "kept by the client", "the server knows its digest only");
	fixture_free(f);
}

/* The token of a request of RTSP with this Authorization. */
static int rtsp_token(const char *authorization, char text[TOKEN_BYTES_MAX + 1])
{
	struct http_request http;
	const char *reason;
	char head[1024];
	size_t scanned = 0;
	int status;

	snprintf(head, sizeof(head),
		 "PLAY rtsp://tv/5?token=q RTSP/1.0\r\nAuthorization: %s\r\n\r\n", authorization);
	cr_assert_eq(http_parse_rtsp_head(head, strlen(head), &scanned, &http, &status, &reason),
		     HTTP_HEAD_COMPLETE);
	return access_token_text(&http, text, TOKEN_BYTES_MAX + 1);
}

Test(access, a_password_is_a_token_in_rtsp)
{
	char text[TOKEN_BYTES_MAX + 1];

	cr_assert(rtsp_token("Basic bWU6c2VjcmV0", text) == 1 && !strcmp(text, "secret"));
	cr_assert(rtsp_token("basic  Og==", text) == 1 && !strcmp(text, ""));
	cr_assert(rtsp_token("Basic YTpiOmM=", text) == 1 && !strcmp(text, "b:c"));
	cr_assert(rtsp_token("Digest username=x", text) == 1 && !strcmp(text, "q"));
	cr_assert_eq(rtsp_token("Basic bm9jb2xvbg==", text), -EINVAL);
	cr_assert_eq(rtsp_token("Basic b", text), -EINVAL);
	cr_assert_eq(rtsp_token("Basic !!!!", text), -EINVAL);
	cr_assert_eq(rtsp_token("Basic YToAYg==", text), -EINVAL);
	expect_token("/?token=q", "Authorization: Basic bWU6c2VjcmV0\r\n", 1, "q");
}

static void expect_rtsp(const char *base, uint16_t port, const char *expected)
{
	struct facts facts = {.rtsp_port = port};
	char url[64];

	access_rtsp_url(base, &facts, url, sizeof(url));
	cr_expect_str_eq(url, expected, "%s: %s", base, url);
}

Test(access, links_to_rtsp_have_its_port)
{
	expect_rtsp("http://tv:5000", 8554, "rtsp://tv:8554");
	expect_rtsp("https://tv.example/amps", 8554, "rtsp://tv.example:8554");
	expect_rtsp("http://[2001:db8::1]:5000", 554, "rtsp://[2001:db8::1]:554");
	expect_rtsp("http://[2001:db8::1]", 554, "rtsp://[2001:db8::1]:554");
	expect_rtsp("http://me:secret@tv:5000/amps", 8554, "rtsp://tv:8554");
	expect_rtsp("http://tv:5000", 0, "");
}
