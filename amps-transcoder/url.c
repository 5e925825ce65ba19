/* url.c - see url.h */
#include "amps-transcoder/url.h"

#include <ctype.h>
#include <string.h>

static void copy_part(char *dst, size_t cap, const char *from, size_t n)
{
	n = MIN(n, cap - 1);
	memcpy(dst, from, n);
	dst[n] = '\0';
}

/* Length of the scheme before ':', 0 if there is none. */
static size_t scheme_len(const char *url)
{
	size_t n = 0;

	while (isalnum((unsigned char)url[n]) || (n && strchr("+-.", url[n]) && url[n]))
		n++;
	return url[n] == ':' ? n : 0;
}

void url_scheme(const char *url, char *dst, size_t cap)
{
	size_t n = scheme_len(url);

	if (n == 0 || strncmp(url + n, "://", 3) != 0)
		copy_part(dst, cap, "file", 4);
	else
		copy_part(dst, cap, url, n);
	for (char *c = dst; *c; c++)
		*c = (char)tolower((unsigned char)*c);
}

bool url_is_file(const char *url)
{
	char scheme[8];

	url_scheme(url, scheme, sizeof(scheme));
	return !strcmp(scheme, "file");
}

const char *url_file_path(const char *url)
{
	if (!strncasecmp(url, "file://", 7))
		return url + 7;
	return strncasecmp(url, "file:", 5) ? url : url + 5;
}

void url_host(const char *url, char *dst, size_t cap)
{
	const char *host = strstr(url, "://");
	const char *end, *at;

	*dst = '\0';
	if (!host || url_is_file(url))
		return;
	host += 3;
	end = host + strcspn(host, "/?#");
	at = memrchr(host, '@', (size_t)(end - host));
	if (at)
		host = at + 1;
	if (*host == '[') {
		const char *close = memchr(host, ']', (size_t)(end - host));

		if (close)
			copy_part(dst, cap, host + 1, (size_t)(close - host) - 1);
		return;
	}
	copy_part(dst, cap, host, MIN(strcspn(host, ":"), (size_t)(end - host)));
}

bool url_query(const char *url, const char *name, char *dst, size_t cap)
{
	const char *at = strchr(url, '?');
	size_t len = strlen(name);

	while (at) {
		at++;
		if (!strncmp(at, name, len) && at[len] == '=') {
			copy_part(dst, cap, at + len + 1, strcspn(at + len + 1, "&#"));
			return true;
		}
		at = strchr(at, '&');
	}
	return false;
}
