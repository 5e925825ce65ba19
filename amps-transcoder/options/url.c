#include "amps-transcoder/options/url.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static void copy_part(char *dst, size_t cap, const char *from, size_t n)
{
	assert(cap > 0);
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

/* Host and port, behind any user; *ret_len is 0 if there is none. */
static const char *find_authority(const char *url, size_t *ret_len)
{
	const char *from = strstr(url, "://"), *at;
	size_t len;

	*ret_len = 0;
	if (!from || url_is_file(url))
		return url;
	from += 3;
	len = strcspn(from, "/?#");
	at = memrchr(from, '@', len);
	if (at) {
		len -= (size_t)(at + 1 - from);
		from = at + 1;
	}
	*ret_len = len;
	return from;
}

void url_host(const char *url, char *dst, size_t cap)
{
	size_t len;
	const char *host = find_authority(url, &len);

	*dst = '\0';
	if (len && *host == '[') {
		const char *close = memchr(host, ']', len);

		if (close)
			copy_part(dst, cap, host + 1, (size_t)(close - host) - 1);
		return;
	}
	copy_part(dst, cap, host, MIN(strcspn(host, ":"), len));
}

uint16_t url_port(const char *url)
{
	size_t len;
	const char *host = find_authority(url, &len);
	const char *colon = memrchr(host, ':', len), *close = memrchr(host, ']', len);
	unsigned long port = colon && (!close || colon > close) ? strtoul(colon + 1, NULL, 10) : 0;

	return port <= UINT16_MAX ? (uint16_t)port : 0;
}

/* The value of a query parameter; false if it is not there. */
static bool url_query(const char *url, const char *name, char *dst, size_t cap)
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

bool url_listens(const char *url, const char *mode)
{
	static const char *const called[] = {"udp", "rtp", "srt", "rist"};
	char scheme[16], host[256], text[16];
	size_t i = 0;

	url_scheme(url, scheme, sizeof(scheme));
	url_host(url, host, sizeof(host));
	while (i < array_size(called) && strcmp(called[i], scheme) != 0)
		i++;
	if (i == array_size(called))
		return false;
	if (!*host || !strncmp(url, "rist://@", 8))
		return true;
	if (strcmp(scheme, "srt") != 0)
		return false;
	if (url_query(url, "mode", text, sizeof(text)))
		mode = text;
	return mode && !strcmp(mode, "listener");
}
