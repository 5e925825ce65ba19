/* fetch.c - a document from the web. */
#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "amps-helper/tasks.h"
#include "common/limits.h"
#include "common/text/text.h"

struct fetch {
	const char *url; /* borrowed */
	uint64_t limit;	 /* bytes of the document */
	int seconds;

	CURL *curl;
	uint64_t written;
	char status[128]; /* of the last answer: "404 Not Found" */
	int error;	  /* why take_body() refused bytes; 0 = the status */
};

static size_t take_header(char *line, size_t one, size_t n, void *arg)
{
	struct fetch *f = arg;
	char text[sizeof(f->status)];
	const char *status;

	if (n < 5 || memcmp(line, "HTTP/", 5) != 0)
		return one * n;
	snprintf(text, sizeof(text), "%.*s", (int)n, line);
	text[strcspn(text, "\r\n")] = '\0';
	status = strchr(text, ' ');
	text_copy_foreign(f->status, sizeof(f->status), status != NULL ? status + 1 : text);
	return one * n;
}

static bool succeeded(const struct fetch *f)
{
	long code = 0;

	return curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &code) == CURLE_OK &&
	       code / 100 == 2;
}

static size_t take_body(char *bytes, size_t one, size_t n, void *arg)
{
	struct fetch *f = arg;

	if (!succeeded(f))
		return 0;
	f->written += n;
	f->error = f->written > f->limit ? -EFBIG : write_all(STDOUT_FILENO, bytes, n);
	return f->error < 0 ? 0 : one * n;
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
	bool ok = set_authorities(c) && curl_easy_setopt(c, CURLOPT_URL, f->url) == CURLE_OK &&
		  curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
		  curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "http,https") == CURLE_OK &&
		  curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L) == CURLE_OK &&
		  curl_easy_setopt(c, CURLOPT_MAXREDIRS, (long)FETCH_REDIRECTS_MAX) == CURLE_OK &&
		  curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)f->seconds) == CURLE_OK &&
		  curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT,
				   (long)MIN(f->seconds, FETCH_CONNECT_SECONDS)) == CURLE_OK &&
		  /* a look-up of a name that hangs must not delay the end */
		  curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
		  curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
		  curl_easy_setopt(c, CURLOPT_ACCEPT_ENCODING, "gzip, deflate") == CURLE_OK &&
		  curl_easy_setopt(c, CURLOPT_USERAGENT, "Amps/" AMPS_VERSION) == CURLE_OK &&
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

	if (f->error == -EFBIG) {
		snprintf(reason, cap, "the document has more than %" PRIu64 " %s",
			 f->limit >> 20 ? f->limit >> 20 : f->limit,
			 f->limit >> 20 ? "MiB" : "bytes");
	} else if (f->error < 0) {
		snprintf(reason, cap, "cannot be written: %s", strerror(-f->error));
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

static int perform(struct fetch *f, char *reason, size_t cap)
{
	char error[CURL_ERROR_SIZE] = "";
	CURLcode code;
	int r = set_options(f, error);

	if (r < 0)
		return r;
	code = curl_easy_perform(f->curl);
	return code == CURLE_OK && succeeded(f) ? 0 : explain(f, code, error, reason, cap);
}

int fetch_run(const json_t *task, char *reason, size_t cap)
{
	struct fetch f = {.seconds = FETCH_SECONDS_MAX};
	json_int_t limit = FETCH_BYTES_MAX;
	json_error_t wrong;
	int r;

	if (json_unpack_ex((json_t *)(uintptr_t)task, &wrong, JSON_STRICT, "{s:s, s?:i, s?:I}",
			   "url", &f.url, "seconds", &f.seconds, "bytes", &limit) < 0) {
		snprintf(reason, cap, "fetch: %s", wrong.text);
		return -EINVAL;
	}
	if (f.seconds < 1 || f.seconds > FETCH_SECONDS_MAX || limit < 1 ||
	    limit > FETCH_BYTES_MAX) {
		snprintf(reason, cap, "fetch: a limit is out of range");
		return -EINVAL;
	}
	f.limit = (uint64_t)limit;
	f.curl = curl_easy_init();
	if (f.curl == NULL)
		return -ENOMEM;
	r = perform(&f, reason, cap);
	curl_easy_cleanup(f.curl);
	curl_global_cleanup();
	return r;
}
