/* reply.c - see reply.h.  Conditional requests and content coding follow RFC 9110 sections 8.8.3,
 * 12.5.3 and 13.1.2. */
#include "amps-worker/http/reply.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "amps-worker/http/range.h"

#define GZIP_ETAG_SUFFIX "-gz"

void reply_init(struct reply *r)
{
	*r = (struct reply){.status = 200, .variant = "", .file = {.fd = -1}};
}

void reply_done(struct reply *r)
{
	buf_done(&r->body);
	buf_done(&r->fields);
	held_cancel(&r->held);
	r->shared = body_unref(r->shared);
	close_fd(&r->file.fd);
	free(r->stream);
	free(r->kept);
	if (r->load) {
		assert(r->load->count > 0 && r->load->bytes >= r->load_bytes);
		r->load->count--;
		r->load->bytes -= r->load_bytes;
	}
}

const char *reply_status_text(int status)
{
	static const struct {
		int status;
		const char *text;
	} names[] = {
		{101, "Switching Protocols"},
		{200, "OK"},
		{201, "Created"},
		{204, "No Content"},
		{206, "Partial Content"},
		{304, "Not Modified"},
		{400, "Bad Request"},
		{401, "Unauthorized"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{406, "Not Acceptable"},
		{408, "Request Timeout"},
		{409, "Conflict"},
		{412, "Precondition Failed"},
		{413, "Content Too Large"},
		{414, "URI Too Long"},
		{415, "Unsupported Media Type"},
		{416, "Range Not Satisfiable"},
		{426, "Upgrade Required"},
		{429, "Too Many Requests"},
		{431, "Request Header Fields Too Large"},
		/* of RTSP (RFC 2326, 7.1.1) */
		{453, "Not Enough Bandwidth"},
		{454, "Session Not Found"},
		{455, "Method Not Valid in This State"},
		{461, "Unsupported Transport"},
		{500, "Internal Server Error"},
		{501, "Not Implemented"},
		{502, "Bad Gateway"},
		{503, "Service Unavailable"},
		{504, "Gateway Timeout"},
		{505, "Version Not Supported"},
		{551, "Option Not Supported"}, /* of RTSP */
	};

	for (size_t i = 0; i < array_size(names); i++)
		if (names[i].status == status)
			return names[i].text;
	return "Unknown";
}

/* A JSON string (RFC 8259 section 7); the text is UTF-8. */
static void add_json_string(struct buf *b, const char *text)
{
	buf_putc(b, '"');
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			buf_putc(b, '\\');
		if (c < 0x20 || c == 0x7f)
			buf_printf(b, "\\u%04x", c);
		else
			buf_putc(b, (char)c);
	}
	buf_putc(b, '"');
}

void reply_error(struct reply *r, int status, unsigned retry_after, const char *format, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	r->kind = REPLY_BYTES;
	r->unsized = false;
	r->status = status;
	r->type = "application/json";
	r->shared = body_unref(r->shared);
	close_fd(&r->file.fd);
	held_cancel(&r->held);
	buf_reset(&r->body);
	buf_puts(&r->body, "{\"error\": ");
	add_json_string(&r->body, text);
	buf_puts(&r->body, "}\n");
	if (status == 401)
		reply_challenge(r);
	if ((status == 429 || status == 503) && retry_after > 0)
		reply_field(r, "Retry-After", "%u", retry_after);
}

void reply_challenge(struct reply *r)
{
	assert(r->status == 401);
	reply_field(r, "WWW-Authenticate", "Bearer realm=\"amps\"");
}

void reply_count(struct reply *r, struct reply_load *load, uint32_t bytes)
{
	assert(!r->load);
	r->load = load;
	r->load_bytes = bytes;
	load->count++;
	load->bytes += bytes;
}

void reply_field(struct reply *r, const char *name, const char *format, ...)
{
	char value[HTTP_LINE_MAX];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(value, sizeof(value), format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(value) || strpbrk(value, "\r\n") || strpbrk(name, "\r\n"))
		return;
	buf_printf(&r->fields, "%s: %s\r\n", name, value);
}

/* Do the parameters of a coding give it the weight 0 ("q=0", "q=0.0")? */
static bool weight_is_zero(struct span parameters)
{
	for (size_t i = 0; i + 2 < parameters.len; i++) {
		if ((parameters.at[i] | 0x20) != 'q' || parameters.at[i + 1] != '=')
			continue;
		for (i += 2; i < parameters.len; i++)
			if (parameters.at[i] >= '1' && parameters.at[i] <= '9')
				return false;
		return true;
	}
	return false;
}

static bool accepts_gzip(const struct http_request *q)
{
	struct span rest = http_field(q, "Accept-Encoding"), e;
	bool any = false;

	while (http_next_element(&rest, &e)) {
		const char *semicolon = memchr(e.at, ';', e.len);
		size_t n = semicolon ? (size_t)(semicolon - e.at) : e.len;
		struct span coding = span_trim((struct span){e.at, n});
		bool wanted = !weight_is_zero((struct span){e.at + n, e.len - n});

		if (span_is_nocase(coding, "gzip") || span_is_nocase(coding, "x-gzip"))
			return wanted;
		if (span_is(coding, "*"))
			any = wanted;
	}
	return any;
}

struct reply_terms reply_terms(const struct http_request *q)
{
	return (struct reply_terms){
		.method = q->method,
		.minor = q->minor,
		.keep_alive = q->keep_alive,
		.gzip = accepts_gzip(q),
		.none_match = http_field(q, "If-None-Match"),
		.modified_since = http_field(q, "If-Modified-Since"),
		.range = http_field(q, "Range"),
		.if_range = http_field(q, "If-Range"),
	};
}

/* Weak comparison with each entity tag the client holds. */
static bool none_match_holds(struct span rest, const char *etag)
{
	struct span e;

	while (http_next_element(&rest, &e)) {
		if (span_is(e, "*"))
			return true;
		if (e.len > 2 && e.at[0] == 'W' && e.at[1] == '/')
			e = (struct span){e.at + 2, e.len - 2};
		if (span_is(e, etag))
			return true;
	}
	return false;
}

/* A time as RFC 9110 section 5.6.7 prefers it. */
static bool read_date(struct span text, int64_t *ret_s)
{
	char copy[40];
	struct tm tm = {0};
	const char *end;

	if (!text.at || text.len >= sizeof(copy))
		return false;
	snprintf(copy, sizeof(copy), "%.*s", (int)text.len, text.at);
	end = strptime(copy, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	if (!end || *end)
		return false;
	*ret_s = timegm(&tm);
	return true;
}

/* Does the client have it already?  A tag is the better proof than a time. */
static bool is_fresh(const struct reply_terms *t, const char *etag, int64_t modified_s)
{
	int64_t since_s = INT64_MIN;

	if (t->none_match.at)
		return etag[0] && none_match_holds(t->none_match, etag);
	return modified_s && read_date(t->modified_since, &since_s) && modified_s <= since_s;
}

/* Which representation of a shared body or a file this client gets. */
struct choice {
	bool gzip;
	char etag[48];
	struct span bytes;
	uint64_t length; /* of those bytes and the tail, or of the part of the file */
	const struct body_tail *tail;
	const char *type;
	int64_t modified_s; /* 0 = not known */
};

static struct choice choose(const struct reply *r, const struct reply_terms *t)
{
	struct choice c = {.type = r->type, .bytes = {r->body.data, r->body.len}};
	const struct body *b = r->shared;
	bool packed;
	size_t n;

	c.length = c.bytes.len;
	if (r->kind == REPLY_FILE) {
		snprintf(c.etag, sizeof(c.etag), "%s", r->file.etag);
		c.length = r->file.length;
	}
	if (r->kind != REPLY_SHARED || !b)
		return c;
	packed = b->gzip && (t->gzip || r->packed_type);
	c.gzip = packed && !r->packed_type;
	c.type = packed && r->packed_type ? r->packed_type : b->type;
	c.bytes = packed ? (struct span){b->gzip, b->gzip_len}
			 : (struct span){b->plain, b->plain_len};
	c.length = c.bytes.len;
	if (b->follow) {
		c.tail = packed ? &b->follow->packed : &b->follow->plain;
		c.length += c.tail->bytes;
	}
	/* a time of HTTP has no fraction: the second after the change */
	if (r->modified_s && b->changed_us > 0)
		c.modified_s = MAX(r->modified_s, b->changed_us / 1000000 + 1);
	else
		c.modified_s = r->modified_s;
	n = strlen(b->etag);
	if (n < 2)
		return c;
	/* A strong tag names bytes, so the two codings have two tags. */
	snprintf(c.etag, sizeof(c.etag), "%.*s%s\"", (int)(n - 1), b->etag,
		 packed ? GZIP_ETAG_SUFFIX : "");
	return c;
}

static void add_date(struct buf *head, const char *name, int64_t wall_s)
{
	time_t seconds = (time_t)wall_s;
	char text[64];
	struct tm tm;

	/* The worker never sets a locale, so the names are English as RFC 9110 wants them. */
	if (gmtime_r(&seconds, &tm) &&
	    strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm))
		buf_printf(head, "%s: %s\r\n", name, text);
}

static void add_connection(const struct reply *r, const struct reply_terms *t, struct buf *head)
{
	if (r->status == 101)
		buf_puts(head, "Connection: Upgrade\r\n");
	else if (r->close || r->kind == REPLY_STREAM || !t->keep_alive)
		buf_puts(head, "Connection: close\r\n");
	else if (t->minor == 0)
		buf_puts(head, "Connection: keep-alive\r\n");
}

static void add_representation(const struct reply *r, const struct choice *c, int status,
			       struct buf *head)
{
	bool has_body = status != 304 && status != 204;

	if (r->kind == REPLY_STREAM) {
		if (c->type)
			buf_printf(head, "Content-Type: %s\r\n", c->type);
		return;
	}
	if (has_body && c->type)
		buf_printf(head, "Content-Type: %s\r\n", c->type);
	if (has_body && r->chunked)
		buf_puts(head, "Transfer-Encoding: chunked\r\n");
	else if (has_body && !r->unsized && !r->follow)
		buf_printf(head, "Content-Length: %llu\r\n", (unsigned long long)c->length);
	if (status == 206)
		buf_printf(head, "Content-Range: bytes %llu-%llu/%llu\r\n",
			   (unsigned long long)r->file.offset,
			   (unsigned long long)(r->file.offset + r->file.length - 1),
			   (unsigned long long)r->file.size);
	if (r->kind == REPLY_FILE && !r->follow)
		buf_puts(head, "Accept-Ranges: bytes\r\n");
	if (has_body && c->gzip)
		buf_puts(head, "Content-Encoding: gzip\r\n");
	if (c->etag[0])
		buf_printf(head, "ETag: %s\r\n", c->etag);
	if (c->modified_s)
		add_date(head, "Last-Modified", c->modified_s);
	if (r->kind == REPLY_SHARED)
		buf_puts(head, "Vary: Accept-Encoding\r\n");
}

/* Chooses the part of the file that the request asks for; 416 if it has none. */
static void choose_part(struct reply *r, const struct reply_terms *t)
{
	struct reply_file *f = &r->file;
	struct span range = t->method == HTTP_GET && range_allowed(t->if_range, f->etag)
				    ? t->range
				    : (struct span){0};

	f->offset = 0;
	f->length = f->size;
	if (r->follow) {
		/* HTTP/1.0 has no chunks: the end of the connection is the end of the file */
		r->chunked = t->minor > 0;
		r->close |= !r->chunked;
		return;
	}
	switch (range_parse(range, f->size, &f->offset, &f->length)) {
	case RANGE_PART:
		assert(f->length <= f->size && f->offset <= f->size - f->length);
		r->status = 206;
		break;
	case RANGE_UNSATISFIABLE:
		buf_reset(&r->fields); /* nothing that would let a cache keep the error */
		reply_field(r, "Content-Range", "bytes */%llu", (unsigned long long)f->size);
		reply_error(r, 416, 0, "the file has no such bytes");
		break;
	default:
		break;
	}
}

void reply_add_chunk(const struct reply *r, bool first, struct buf *head)
{
	assert(r->chunked);
	if (!first)
		buf_puts(head, "\r\n");
	if (r->file.length > 0)
		buf_printf(head, "%llx\r\n", (unsigned long long)r->file.length);
	else
		buf_puts(head, "0\r\n\r\n");
}

int reply_render(struct reply *r, const struct reply_terms *t, int64_t wall_us, struct buf *head,
		 struct span *ret_body)
{
	struct choice c = choose(r, t);
	bool reads = t->method == HTTP_GET || t->method == HTTP_HEAD;
	bool fresh;

	/* within that second it may change again */
	if (c.modified_s > wall_us / 1000000)
		c.modified_s = 0;
	fresh = r->status == 200 && reads && is_fresh(t, c.etag, c.modified_s);
	assert((r->status >= 200 || (r->status == 101 && r->kind == REPLY_STREAM)) &&
	       r->status < 600 && !held_waits(&r->held));
	if (fresh) {
		r->status = 304;
	} else if (r->kind == REPLY_FILE) {
		choose_part(r, t);
		c = choose(r, t);
	}
	buf_printf(head, "HTTP/1.1 %d %s\r\n", r->status, reply_status_text(r->status));
	add_date(head, "Date", wall_us / 1000000);
	add_representation(r, &c, r->status, head);
	buf_puts(head, "X-Content-Type-Options: nosniff\r\n");
	if (r->media)
		buf_puts(head, "Access-Control-Allow-Origin: *\r\n"
			       "Access-Control-Expose-Headers: Content-Range, Date, ETag\r\n");
	if (r->fields.len)
		buf_add(head, r->fields.data, r->fields.len);
	add_connection(r, t, head);
	buf_puts(head, "\r\n");
	if (r->chunked && t->method == HTTP_GET)
		reply_add_chunk(r, true, head);
	if (!buf_ok(head) || !buf_ok(&r->body) || !buf_ok(&r->fields))
		return -ENOMEM;
	if (r->kind == REPLY_STREAM || t->method == HTTP_HEAD || r->status == 304 ||
	    r->status == 204) {
		c.bytes = (struct span){NULL, 0};
		c.tail = NULL;
	}
	*ret_body = c.bytes;
	r->tail = c.tail;
	return 0;
}
