/* lookup.c - see lookup.h */
#include "amps-master/tuners/lookup.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>

#include "common/clock.h"
#include "common/programs.h"
#include "common/text/text.h"

#define PROGRAM	     "yt-dlp"
#define ERROR_PREFIX "ERROR: "
#define REPORT_HINT  "; please report this issue"
#define SECOND_US    1000000
/* of an expiry in seconds, in milliseconds */
#define DIGITS_S  10
#define DIGITS_MS 13

/* ---------- the question ---------- */

/* yt-dlp gets the variables that it needs to run and to reach the web.  The server's others may
 * hold secrets. */
static void make_environment(char *texts, size_t cap, const char *env[], size_t count)
{
	static const char *const names[] = {"PATH",	     "HOME",	     "LANG",	 "LC_ALL",
					    "http_proxy",    "https_proxy",  "no_proxy", "TMPDIR",
					    "SSL_CERT_FILE", "SSL_CERT_DIR", "ALL_PROXY"};
	size_t used = 0, n = 0;

	for (size_t i = 0; i < array_size(names) && n + 1 < count; i++) {
		const char *value = getenv(names[i]);
		int len = value != NULL
				  ? snprintf(texts + used, cap - used, "%s=%s", names[i], value)
				  : -1;

		if (len < 0 || (size_t)len >= cap - used)
			continue;
		env[n++] = texts + used;
		used += (size_t)len + 1;
	}
	env[n] = NULL;
}

int lookup_start(struct helpers *hs, const struct lineup_source *page, const char *path,
		 void (*done)(void *owner, struct helper_result *result), void *owner,
		 struct helper **ret)
{
	char program[PATH_MAX], texts[8192];
	const char *const argv[] = {program, "--ignore-config", "--config-locations", "-", NULL};
	const char *env[16];
	const struct helper_spec spec = {.argv = argv,
					 .env = env,
					 .input = page->lookup,
					 .input_bytes = strlen(page->lookup),
					 .timeout_ms = LOOKUP_MS,
					 .output_bytes = LOOKUP_BYTES_MAX,
					 .memory_mb = LOOKUP_MEMORY_MB,
					 .unprivileged = true};
	int r = programs_on_path(path != NULL ? path : PROGRAM, program, sizeof(program));

	make_environment(texts, sizeof(texts), env, array_size(env));
	return r < 0 ? r : helper_start(hs, &spec, done, owner, ret);
}

/* ---------- the answer ---------- */

void found_source_done(struct found_source *f)
{
	free(f->source);
	free(f->sound);
	free(f->cookies);
	json_decref(f->headers);
	*f = (struct found_source){.expires_wall_us = TIME_NONE};
}

void found_source_print(const struct found_source *f, struct buf *spec)
{
	json_t *members = json_pack("{ss ss* sO* ss*}", "source", f->source, "sound", f->sound,
				    "http_headers", f->headers, "cookies", f->cookies);
	_cleanup_(freep) char *text = json_dumps(members, JSON_COMPACT);

	json_decref(members);
	if (text != NULL)
		buf_printf(spec, ",%.*s", (int)strlen(text) - 2, text + 1);
	else
		spec->failed = true;
}

/* Only what reaches a server: no file, no format that reads several places. */
static bool is_allowed(const char *url)
{
	static const char *const schemes[] = {"http",  "https", "rtmp", "rtmps",
					      "rtmpt", "rtsp",	"rtsps"};
	size_t n = strcspn(url, ":"), len = strlen(url);

	if (len > LOOKUP_URL_MAX || strncmp(url + n, "://", 3) != 0 || url[n + 3] == '\0' ||
	    url[n + 3] == '/')
		return false;
	for (const unsigned char *c = (const unsigned char *)url; *c != '\0'; c++)
		if (*c <= ' ' || *c == 0x7f)
			return false;
	for (size_t i = 0; i < array_size(schemes); i++)
		if (strlen(schemes[i]) == n && strncasecmp(url, schemes[i], n) == 0)
			return true;
	return false;
}

/* The address of one format; NULL = it has none. */
static const char *address_of(const json_t *format)
{
	const char *protocol = json_string_value(json_object_get(format, "protocol"));
	const char *manifest = json_string_value(json_object_get(format, "manifest_url"));

	/* its `url` is only the common beginning of its segments' URLs */
	if (protocol != NULL && strncmp(protocol, "http_dash_segments", 18) == 0 &&
	    manifest != NULL)
		return manifest;
	return json_string_value(json_object_get(format, "url"));
}

/* Headers that belong to a request of yt-dlp's own are left out, and what could add a header. */
static bool header_is_good(const char *name, const char *value)
{
	static const char *const own[] = {"Host",   "Connection",	 "Accept-Encoding",
					  "Range",  "Transfer-Encoding", "Content-Length",
					  "Expect", "Upgrade",		 "TE"};

	for (size_t i = 0; i < array_size(own); i++)
		if (strcasecmp(name, own[i]) == 0)
			return false;
	if (*name == '\0' || strlen(name) > 64 || strlen(value) > LOOKUP_HEADER_MAX)
		return false;
	for (const unsigned char *c = (const unsigned char *)name; *c != '\0'; c++)
		if (!isalnum(*c) && *c != '-' && *c != '_')
			return false;
	for (const unsigned char *c = (const unsigned char *)value; *c != '\0'; c++)
		if (*c < ' ' || *c == 0x7f)
			return false;
	return true;
}

static json_t *headers_of(const json_t *format, const char *source)
{
	json_t *list = json_array();
	const char *name;
	json_t *value;

	if (strncasecmp(source, "http", 4) != 0)
		return list;
	json_object_foreach (json_object_get(format, "http_headers"), name, value) {
		const char *text = json_string_value(value);

		if (text == NULL || !header_is_good(name, text) ||
		    json_array_size(list) >= LOOKUP_HEADERS_MAX)
			continue;
		if (json_array_append_new(list, json_pack("[ss]", name, text)) < 0)
			break;
	}
	return list;
}

/* An attribute of the cookie before it, as yt-dlp writes them. */
static bool is_attribute(const char *part, const char *name)
{
	size_t n = strlen(name);

	return strncasecmp(part, name, n) == 0 && (part[n] == '\0' || part[n] == '=');
}

/* A cookie with its attributes: "id=5; Domain=.site; Path=/; Secure; Expires=1800000000". */
struct cookie {
	char *pair, *domain, *path;
	bool secure;
};

/* Where the cookies of an address go. */
struct cookie_place {
	const char *host, *port; /* in the address; the port with its colon, "" = the usual one */
	size_t host_len, port_len;
	bool tls;
};

static struct cookie_place place_of(const char *url)
{
	struct cookie_place p = {.tls = strncasecmp(url, "https:", 6) == 0};
	const char *end, *at;

	p.host = strstr(url, "://") + 3;
	end = p.host + strcspn(p.host, "/?#");
	at = memrchr(p.host, '@', (size_t)(end - p.host));
	p.host = at != NULL ? at + 1 : p.host;
	p.port = memrchr(p.host, ':', (size_t)(end - p.host));
	/* a colon inside [::1] */
	if (p.port == NULL || memchr(p.port, ']', (size_t)(end - p.port)) != NULL)
		p.port = end;
	p.host_len = (size_t)(p.port - p.host);
	p.port_len = (size_t)(end - p.port);
	return p;
}

/* One line of libav's option.  libav ignores `Secure`, so a cookie for HTTPS only is left out
 * elsewhere; it sends a cookie without a domain everywhere; and it compares the domain with the
 * host and its port. */
static void add_cookie(struct buf *out, const struct cookie *c, const struct cookie_place *p)
{
	if (c->pair == NULL || (c->secure && !p->tls))
		return;
	buf_printf(out, "%s; path=%s; domain=", c->pair, c->path != NULL ? c->path : "/");
	if (c->domain != NULL)
		buf_puts(out, c->domain);
	else
		buf_add(out, p->host, p->host_len);
	buf_add(out, p->port, p->port_len);
	buf_putc(out, '\n');
}

/* Notes an attribute of the cookie; false: the part is not an attribute. */
static bool take_attribute(struct cookie *c, char *part)
{
	if (is_attribute(part, "domain"))
		c->domain = part + MIN(strlen(part), strlen("domain="));
	else if (is_attribute(part, "path"))
		c->path = part + MIN(strlen(part), strlen("path="));
	else if (is_attribute(part, "secure"))
		c->secure = true;
	else
		return is_attribute(part, "expires") || is_attribute(part, "version");
	return true;
}

/* The member `cookies` of newer versions, one text of all cookies and attributes.  The caller's;
 * NULL: there is none that may be sent, or no memory. */
static char *cookies_of(const json_t *format, const char *source)
{
	const char *text = json_string_value(json_object_get(format, "cookies"));
	_cleanup_(freep) char *copy = NULL;
	struct cookie_place place = place_of(source);
	struct buf out = BUF_INIT;
	struct cookie c = {0};
	char *rest, *part;

	if (text == NULL || strncasecmp(source, "http", 4) != 0 || !header_is_good("Cookie", text))
		return NULL;
	copy = strdup(text);
	for (part = copy != NULL ? strtok_r(copy, ";", &rest) : NULL; part != NULL;
	     part = strtok_r(NULL, ";", &rest)) {
		part += strspn(part, " ");
		if (take_attribute(&c, part) || strchr(part, '=') == NULL)
			continue;
		add_cookie(&out, &c, &place);
		c = (struct cookie){.pair = part};
	}
	add_cookie(&out, &c, &place);
	if (!buf_ok(&out))
		buf_done(&out);
	return out.data;
}

static bool is_digits(const char *text, size_t n)
{
	return strspn(text, "0123456789") == n;
}

/* The time behind the name of a parameter, "=1700000000" or "/1700000000"; TIME_NONE = none. */
static int64_t time_behind(const char *at)
{
	if (*at != '=' && *at != '/')
		return TIME_NONE;
	at++;
	if (is_digits(at, DIGITS_S))
		return strtoll(at, NULL, 10) * SECOND_US;
	return is_digits(at, DIGITS_MS) ? strtoll(at, NULL, 10) * (SECOND_US / 1000) : TIME_NONE;
}

int64_t found_source_expiry(const char *url, int64_t now_wall_us)
{
	static const char *const names[] = {"expire", "expires", "expiry", "exp", "e"};
	int64_t first = TIME_NONE;

	for (const char *at = url; *at != '\0'; at++) {
		if (at > url && isalnum((unsigned char)at[-1]))
			continue;
		for (size_t i = 0; i < array_size(names); i++) {
			size_t n = strlen(names[i]);
			int64_t time =
				strncasecmp(at, names[i], n) == 0 ? time_behind(at + n) : TIME_NONE;

			if (time > now_wall_us && (first == TIME_NONE || time < first))
				first = time;
		}
	}
	return first;
}

static int take(const char *source, const char *sound, const json_t *format, int64_t now_wall_us,
		struct found_source *ret)
{
	struct found_source f = {.source = strdup(source),
				 .headers = headers_of(format, source),
				 .cookies = cookies_of(format, source)};
	int64_t sound_expires = TIME_NONE;

	if (sound != NULL && strcmp(sound, source) != 0) {
		f.sound = strdup(sound);
		sound_expires = found_source_expiry(sound, now_wall_us);
	}
	f.expires_wall_us = found_source_expiry(source, now_wall_us);
	if (sound_expires != TIME_NONE &&
	    (f.expires_wall_us == TIME_NONE || sound_expires < f.expires_wall_us))
		f.expires_wall_us = sound_expires;
	if (f.source == NULL || f.headers == NULL || (sound_expires != TIME_NONE && !f.sound)) {
		found_source_done(&f);
		return -ENOMEM;
	}
	*ret = f;
	return 0;
}

/* One line of the answer: a format, or the parts of one. */
static int take_line(const json_t *line, int64_t now_wall_us, struct found_source *ret)
{
	const json_t *first = json_is_array(line) ? json_array_get(line, 0) : line;
	const char *source = address_of(first);
	const char *sound = json_is_array(line) ? address_of(json_array_get(line, 1)) : NULL;

	if (source == NULL)
		return -ENODATA;
	if (!is_allowed(source) || (sound != NULL && !is_allowed(sound)))
		return -EPROTONOSUPPORT;
	return take(source, sound, first, now_wall_us, ret);
}

int found_source_parse(const char *text, size_t n, int64_t now_wall_us, struct found_source *ret)
{
	const char *end = text + n;
	int r = -ENODATA;

	while (text < end && r == -ENODATA) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t len = (size_t)((newline != NULL ? newline : end) - text);
		json_t *line = json_loadb(text, len, 0, NULL);

		r = take_line(line, now_wall_us, ret);
		json_decref(line);
		text += len + (newline != NULL);
	}
	return r;
}

static int read_output(int fd, int64_t now_wall_us, struct found_source *ret)
{
	char *text = malloc(LOOKUP_BYTES_MAX);
	ssize_t n = text != NULL ? pread(fd, text, LOOKUP_BYTES_MAX, 0) : -1;
	int r = text == NULL ? -ENOMEM : n < 0 ? -errno : 0;

	if (r == 0)
		r = found_source_parse(text, (size_t)n, now_wall_us, ret);
	free(text);
	return r;
}

int lookup_read(const struct helper_result *result, int64_t now_wall_us, struct found_source *ret,
		char *reason, size_t cap)
{
	char said[ERROR_TEXT_MAX], clean[ERROR_TEXT_MAX];
	int r = result->error;
	char *hint;

	if (r == 0)
		r = read_output(result->output_fd, now_wall_us, ret);
	if (r == 0)
		return 0;
	text_last_line(result->said, ERROR_PREFIX, said, sizeof(said));
	hint = strstr(said, REPORT_HINT);
	if (hint != NULL)
		*hint = '\0';
	text_redact_words(said, clean, sizeof(clean));
	if (r == -EPROTONOSUPPORT)
		snprintf(reason, cap, PROGRAM ": it answered an address that is not allowed");
	else if (result->error == -EIO && clean[0] != '\0')
		snprintf(reason, cap, PROGRAM ": %s", clean + strlen(ERROR_PREFIX));
	else if (result->error != 0)
		snprintf(reason, cap, PROGRAM ": %s", result->reason);
	else
		snprintf(reason, cap, PROGRAM ": it found nothing that can be played");
	return r;
}
