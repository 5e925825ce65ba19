#include "amps-helper/web.h"

#include <assert.h>
#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "amps-helper/tasks.h"
#include "common/inside.h"
#include "common/limits.h"
#include "common/text/text.h"

struct fetch {
	struct web *web;
	CURL *curl;
	struct curl_slist *fields;
	uint64_t taken;
	char status[128]; /* of the last answer: "404 Not Found" */
	int error;	  /* why take_body() refused bytes; 0 = the status */
	bool outside;	  /* a connection to an address outside was begun */
	bool refused;	  /* an address was refused */
	char *reason;
	size_t cap;
};

/* The value of this field, if the line has it. */
static void read_field(const char *line, size_t n, const char *name, char value[WEB_TAG_MAX])
{
	size_t m = strlen(name);

	if (n <= m || strncasecmp(line, name, m) != 0)
		return;
	for (line += m, n -= m; n > 0 && (*line == ' ' || *line == '\t'); line++)
		n--;
	while (n > 0 && strchr("\r\n ", line[n - 1]) != NULL)
		n--;
	/* one that is too long is useless when it is cut */
	if (n < WEB_TAG_MAX)
		snprintf(value, WEB_TAG_MAX, "%.*s", (int)n, line);
}

static size_t take_header(char *line, size_t one, size_t n, void *arg)
{
	struct fetch *f = arg;
	char text[sizeof(f->status)];
	const char *status;

	read_field(line, n, "ETag:", f->web->got_etag);
	read_field(line, n, "Last-Modified:", f->web->got_modified);
	if (n < 5 || memcmp(line, "HTTP/", 5) != 0)
		return one * n;
	f->web->got_etag[0] = f->web->got_modified[0] = '\0';
	snprintf(text, sizeof(text), "%.*s", (int)n, line);
	text[strcspn(text, "\r\n")] = '\0';
	status = strchr(text, ' ');
	text_copy_foreign(f->status, sizeof(f->status), status != NULL ? status + 1 : text);
	return one * n;
}

static long code_of(const struct fetch *f)
{
	long code = 0;

	return curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &code) == CURLE_OK ? code : 0;
}

static bool succeeded(const struct fetch *f)
{
	return code_of(f) / 100 == 2;
}

static size_t take_body(char *bytes, size_t one, size_t n, void *arg)
{
	struct fetch *f = arg;

	/* after a failure no more is given */
	assert(f->error >= 0);
	if (!succeeded(f))
		return 0;
	f->taken += n;
	if (f->taken > f->web->limit) {
		f->error = -EFBIG;
		snprintf(f->reason, f->cap, "the document has more than %" PRIu64 " %s",
			 f->web->limit >> 20 ? f->web->limit >> 20 : f->web->limit,
			 f->web->limit >> 20 ? "MiB" : "bytes");
	} else {
		f->error = f->web->take(f->web->owner, bytes, n, f->reason, f->cap);
	}
	return f->error < 0 ? 0 : one * n;
}

/* Inside addresses are only for a URL whose own host is inside: a host outside must not direct us
 * to them, neither by a redirect nor by a name that changes its address. */
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct fetch *f = arg;

	if (purpose != CURLSOCKTYPE_IPCXN)
		return CURL_SOCKET_BAD;
	if (!address_inside(&a->addr)) {
		f->outside = true;
	} else if (f->outside && !f->web->allow_private) {
		f->refused = true;
		return CURL_SOCKET_BAD;
	}
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/* libcurl itself does not look at the variable, only its command does. */
static bool set_authorities(CURL *c)
{
	const char *file = getenv(FETCH_AUTHORITIES);

	return file == NULL || curl_easy_setopt(c, CURLOPT_CAINFO, file) == CURLE_OK;
}

static int set_options(struct fetch *f, char *error)
{
	CURL *c = f->curl;
	bool ok =
		set_authorities(c) && curl_easy_setopt(c, CURLOPT_URL, f->web->url) == CURLE_OK &&
		curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
		curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "http,https") == CURLE_OK &&
		curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L) == CURLE_OK &&
		curl_easy_setopt(c, CURLOPT_MAXREDIRS, (long)FETCH_REDIRECTS_MAX) == CURLE_OK &&
		curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)f->web->seconds) == CURLE_OK &&
		curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT,
				 (long)MIN(f->web->seconds, FETCH_CONNECT_SECONDS)) == CURLE_OK &&
		curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK &&
		curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, f) == CURLE_OK &&
		/* a look-up of a name that hangs must not delay the end */
		curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
		curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
		curl_easy_setopt(c, CURLOPT_ACCEPT_ENCODING, "gzip, deflate") == CURLE_OK &&
		curl_easy_setopt(c, CURLOPT_USERAGENT, "Amps/" AMPS_VERSION) == CURLE_OK &&
		curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L) == CURLE_OK &&
		curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)FETCH_SECONDS_MAX) == CURLE_OK &&
		curl_easy_setopt(c, CURLOPT_HTTPHEADER, f->fields) == CURLE_OK &&
		curl_easy_setopt(c, CURLOPT_ERRORBUFFER, error) == CURLE_OK &&
		curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_header) == CURLE_OK &&
		curl_easy_setopt(c, CURLOPT_HEADERDATA, f) == CURLE_OK &&
		curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
		curl_easy_setopt(c, CURLOPT_WRITEDATA, f) == CURLE_OK;

	return ok ? 0 : -ENOMEM;
}

/* libcurl's own texts name hosts and times, never the URL. */
static int explain(const struct fetch *f, CURLcode code, const char *error, char *reason,
		   size_t cap)
{
	long number = 0;

	if (f->error < 0 && reason[0] == '\0') {
		snprintf(reason, cap, "cannot be written: %s", strerror(-f->error));
	} else if (f->error < 0) {
		return f->error;
	} else if (f->refused && code == CURLE_COULDNT_CONNECT) {
		snprintf(reason, cap, "a redirect leads to an address inside this network");
	} else if (code == CURLE_OK || code == CURLE_WRITE_ERROR) {
		snprintf(reason, cap, "the server answers %s", f->status);
	} else if (code == CURLE_UNSUPPORTED_PROTOCOL) {
		snprintf(reason, cap, "only http and https are allowed");
	} else if (code == CURLE_COULDNT_CONNECT &&
		   curl_easy_getinfo(f->curl, CURLINFO_OS_ERRNO, &number) == CURLE_OK &&
		   number != 0) {
		snprintf(reason, cap, "no connection: %s", strerror((int)number));
	} else {
		text_copy_foreign(reason, cap, error[0] != '\0' ? error : curl_easy_strerror(code));
	}
	return f->error < 0 ? f->error : -EIO;
}

static bool add_field(struct fetch *f, const char *name, const char *value)
{
	_cleanup_(freep) char *line = NULL;
	struct curl_slist *fields;

	if (value == NULL || value[0] == '\0')
		return true;
	if (strpbrk(value, "\r\n") != NULL || asprintf(&line, "%s: %s", name, value) < 0) {
		line = NULL;
		return false;
	}
	fields = curl_slist_append(f->fields, line);
	if (fields != NULL)
		f->fields = fields;
	return fields != NULL;
}

static int perform(struct fetch *f)
{
	char error[CURL_ERROR_SIZE] = "";
	CURLcode code;
	int r;

	if (!add_field(f, "If-None-Match", f->web->etag) ||
	    !add_field(f, "If-Modified-Since", f->web->modified))
		return -ENOMEM;
	r = set_options(f, error);
	if (r < 0)
		return r;
	code = curl_easy_perform(f->curl);
	f->web->unchanged = code == CURLE_OK && f->fields != NULL && code_of(f) == 304;
	return code == CURLE_OK && (succeeded(f) || f->web->unchanged)
		       ? 0
		       : explain(f, code, error, f->reason, f->cap);
}

int web_get(struct web *w, char *reason, size_t cap)
{
	struct fetch f = {.web = w, .reason = reason, .cap = cap, .curl = curl_easy_init()};
	int r;

	if (f.curl == NULL)
		return -ENOMEM;
	w->unchanged = false;
	w->got_etag[0] = w->got_modified[0] = '\0';
	r = perform(&f);
	curl_easy_cleanup(f.curl);
	curl_slist_free_all(f.fields);
	curl_global_cleanup();
	return r;
}

struct web_post {
	CURL *curl;
	struct curl_slist *fields;
	char error[CURL_ERROR_SIZE];
};

static size_t drop_body(char *bytes, size_t one, size_t n, void *arg)
{
	(void)bytes;
	(void)arg;
	return one * n;
}

static bool set_post_options(struct web_post *p, const char *url, int seconds)
{
	CURL *c = p->curl;

	return set_authorities(c) && curl_easy_setopt(c, CURLOPT_URL, url) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)seconds) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_USERAGENT, "Amps/" AMPS_VERSION) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_HTTPHEADER, p->fields) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_ERRORBUFFER, p->error) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, drop_body) == CURLE_OK;
}

int web_post_new(const char *url, int seconds, struct web_post **ret)
{
	struct web_post *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -ENOMEM;
	p->curl = curl_easy_init();
	p->fields = curl_slist_append(NULL, "Content-Type: application/json");
	if (p->curl == NULL || p->fields == NULL || !set_post_options(p, url, seconds)) {
		web_post_free(p);
		return -ENOMEM;
	}
	*ret = p;
	return 0;
}

void web_post_free(struct web_post *p)
{
	curl_easy_cleanup(p->curl);
	curl_slist_free_all(p->fields);
	free(p);
	curl_global_cleanup();
}

int web_post(struct web_post *p, const char *json, char *reason, size_t cap)
{
	long status = 0;
	CURLcode code;

	p->error[0] = '\0';
	if (curl_easy_setopt(p->curl, CURLOPT_POSTFIELDS, json) != CURLE_OK)
		return -ENOMEM;
	code = curl_easy_perform(p->curl);
	if (code != CURLE_OK) {
		text_copy_foreign(reason, cap,
				  p->error[0] != '\0' ? p->error : curl_easy_strerror(code));
		return -EIO;
	}
	curl_easy_getinfo(p->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status / 100 == 2)
		return 0;
	snprintf(reason, cap, "the receiver answers %ld", status);
	return -EIO;
}
