/* Whole heads through the routes against a fixed catalog, with and without tokens: every request
 * gets an answer with a well-formed head, and no line of a playlist or the access log is forged. */
#include "amps-worker/http/access_entry.h"
#include "tests/unit/worker/catalog_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fixture *make(bool auth)
{
	static const char *const variants[][2] = {{"sd", "SD"}, {"HD+", "Full \"HD\""}};
	struct fixture *f = fixture_new();
	struct catalog_channel *ch = fixture_channel(f, 1, "one, \"two\"", "News");
	struct catalog_program p = fixture_program(f, "Next", "soon", FIXTURE_NOW + 60000000);
	struct catalog_cidr cidr = {.prefix_bits = 0};

	fixture_variants(f, ch, variants, 2);
	fixture_programs(f, ch, &p, 1);
	ch->description_at = fixture_text(f, "Line\r\n#EXTINF:-1,forged");
	ch = fixture_channel(f, 2, "two", "Kids");
	fixture_regions(f, ch, "USDE", "CN");
	fixture_channel(f, 5, "audio", NULL)->form = FORM_AUDIO;
	if (auth) {
		f->settings.auth_enabled = true;
		fixture_token(f, "s", TOKEN_VIEWER, TOKEN_SHARED);
		fixture_token(f, "a", TOKEN_ADMIN, 0);
		f->settings.proxies_at = fixture_put(f, &cidr, sizeof(cidr));
		f->settings.proxy_count = 1;
	}
	if (fixture_publish(f, 1) < 0)
		abort();
	return f;
}

static void check_head(const struct buf *head)
{
	for (size_t i = 0; i < head->len; i++) {
		unsigned char c = (unsigned char)head->data[i];

		if ((c < 0x20 || c == 0x7f) && c != '\r' && c != '\n')
			abort();
	}
	if (head->len < 16 || memcmp(head->data, "HTTP/1.1 ", 9) != 0 ||
	    strstr(head->data, "\r\n\r\n") != head->data + head->len - 4)
		abort();
}

static void check_playlist(const struct body *b)
{
	if (strncmp(b->type, "audio/x-mpegurl", 15) != 0)
		return;
	for (const char *line = b->plain; *line; line = strchr(line, '\n') + 1)
		if (strncmp(line, "#EXTM3U ", 8) && strncmp(line, "#EXTINF:-1 ", 11) &&
		    strncmp(line, "#KODIPROP:", 10) && strncmp(line, "#EXTREM:AMP-", 12) &&
		    strncmp(line, "http", 4))
			abort();
	if (strstr(b->plain, "\n#EXTINF:-1,forged"))
		abort();
}

/* Nothing that a client says makes a second line of one, or a half. */
static void check_access_line(const struct fixture *f, const struct http_request *http,
			      const struct reply *r)
{
	struct access_entry *e = access_entry_new(http, &f->facts, r);
	char line[LOG_LINE_MAX];
	size_t n = e ? access_line(e, 1, false, line) : 0;

	if (n < 2 || line[n - 1] != '\n')
		abort();
	for (size_t i = 0; i + 1 < n; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			abort();
	free(e);
}

static void answer(struct fixture *f, const struct http_request *http)
{
	struct reply_terms terms = reply_terms(http);
	struct buf head = BUF_INIT;
	struct span body;
	struct reply r;

	reply_init(&r);
	route_dispatch(worker_routes, http, &f->facts, &r);
	check_access_line(f, http, &r);
	fixture_await(f, &r);
	if (reply_render(&r, &terms, FIXTURE_NOW, &head, &body) < 0)
		abort();
	check_head(&head);
	if (r.kind == REPLY_SHARED)
		check_playlist(r.shared);
	reply_done(&r);
	buf_done(&head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fixture *open, *closed;
	static struct http_request http;
	size_t scanned = 0;
	const char *reason;
	int status;

	if (!open) {
		open = make(false);
		closed = make(true);
	}
	if (http_parse_head((const char *)data, size, &scanned, &http, &status, &reason) !=
	    HTTP_HEAD_COMPLETE)
		return 0;
	answer(open, &http);
	answer(closed, &http);
	return 0;
}
