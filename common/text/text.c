#include "common/text/text.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>
#include "common/limits.h"
#include "common/text/utf8.h"

#define SUGGEST_BYTES_MAX 64

static bool utf8_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* The longest prefix of at most n bytes that ends between two characters. */
static size_t utf8_floor(const char *s, size_t n)
{
	size_t end = n;

	for (unsigned back = 0; back < 4 && end > 0 && utf8_continuation(s[end]); back++)
		end--;
	/* four continuation bytes in a row are not UTF-8: cut anywhere */
	return utf8_continuation(s[end]) ? n : end;
}

bool text_copy(char *dst, size_t cap, const char *src)
{
	size_t len = strlen(src), n = len;

	if (cap == 0)
		return len == 0;
	if (len >= cap)
		n = utf8_floor(src, cap - 1);
	assert(n < cap);
	memcpy(dst, src, n);
	dst[n] = '\0';
	return n == len;
}

bool text_copy_foreign(char *dst, size_t cap, const char *src)
{
	bool whole = text_copy(dst, cap, src);
	size_t len = cap ? strlen(dst) : 0;

	assert(cap == 0 || len < cap);
	for (size_t i = 0; i < len;) {
		uint32_t c;
		size_t n = utf8_next(dst + i, len - i, &c);

		if (n == 0 || c < 0x20 || c == 0x7f)
			dst[i] = '?';
		i += MAX(n, 1);
	}
	return whole;
}

void text_last_line(const char *text, const char *prefix, char *dst, size_t cap)
{
	const char *line = text, *found = "";
	char copy[ERROR_TEXT_MAX];
	size_t n;

	for (; *line != '\0'; line += n + (line[n] != '\0')) {
		n = strcspn(line, "\r\n");
		if (n > 0 && strncmp(line, prefix, strlen(prefix)) == 0)
			found = line;
	}
	n = MIN(strcspn(found, "\r\n"), sizeof(copy) - 1);
	memcpy(copy, found, n);
	copy[n] = '\0';
	text_copy_foreign(dst, cap, copy);
}

int text_parse_u64(const char *text, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;
	bool over = false;

	if (text[0] == '\0')
		return -EINVAL;
	for (const char *p = text; *p != '\0'; p++) {
		unsigned digit = (unsigned)(*p - '0');

		if (digit > 9)
			return -EINVAL;
		if (__builtin_mul_overflow(value, 10u, &value) ||
		    __builtin_add_overflow(value, digit, &value) || value > max)
			over = true;
	}
	if (over)
		return -ERANGE;
	*ret = value;
	return 0;
}

/* The destination of redacted text; what does not fit is left out. */
struct sink {
	char *at;
	size_t room; /* for text, the NUL not counted */
};

static void sink_add(struct sink *s, const char *from, size_t n)
{
	if (n > s->room) {
		n = utf8_floor(from, s->room);
		s->room = n; /* nothing may follow a piece that was cut */
	}
	assert(n <= s->room);
	memcpy(s->at, from, n);
	s->at += n;
	s->room -= n;
}

int text_hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int text_percent_byte(const char *text, size_t len)
{
	int high, low;

	if (len < 3 || text[0] != '%')
		return -1;
	high = text_hex_value(text[1]);
	low = text_hex_value(text[2]);
	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* A parameter's name without percent-encoding, in lower case, cut at 63 bytes. */
static void plain_name(const char *name, size_t len, char plain[64])
{
	size_t n = 0;

	for (size_t i = 0; i < len && n < 63; i++) {
		int byte = text_percent_byte(name + i, len - i);

		if (byte >= 0)
			i += 2;
		else
			byte = (unsigned char)name[i];
		if (byte != '\0')
			plain[n++] = (char)tolower(byte);
	}
	assert(n < 64);
	plain[n] = '\0';
}

/* True if `word` is in `name` with no letter or digit beside it. */
static bool has_word(const char *name, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = strstr(name, word); p != NULL; p = strstr(p + 1, word))
		if ((p == name || !isalnum((unsigned char)p[-1])) && !isalnum((unsigned char)p[n]))
			return true;
	return false;
}

bool text_name_is_secret(const char *name, size_t len)
{
	/* parts: anywhere in the name; words: with no letter beside them; wholes: the whole name */
	static const char *const parts[] = {
		"token", "key",	  "pass",  "auth", "sig",  "secret", "pwd",	"jwt",	   "hmac",
		"hdnts", "hdnea", "hdntl", "sess", "cred", "login",  "account", "streamid"};
	static const char *const words[] = {"pw", "pin", "sid", "hash"};
	static const char *const wholes[] = {"u", "p", "st", "code", "mac", "md5"};
	char plain[64];

	plain_name(name, len, plain);
	for (size_t i = 0; i < array_size(parts); i++)
		if (strstr(plain, parts[i]) != NULL)
			return true;
	for (size_t i = 0; i < array_size(words); i++)
		if (has_word(plain, words[i]))
			return true;
	for (size_t i = 0; i < array_size(wholes); i++)
		if (strcmp(plain, wholes[i]) == 0)
			return true;
	return strstr(plain, "user") != NULL && strstr(plain, "agent") == NULL;
}

/* Length of "user:password@" at the start of an authority, 0 if there is none. */
static size_t userinfo_length(const char *authority)
{
	size_t end = strcspn(authority, "/?#|"), at = 0;

	for (size_t i = 0; i < end; i++)
		if (authority[i] == '@')
			at = i + 1;
	return at;
}

/* Length of one of these characters in percent-encoding, even if the '%' is encoded itself, any
 * number of times ("%3F", "%253F"); 0 = there is none. */
static size_t encoded(const char *at, const char *characters)
{
	size_t n = 1;
	int c;

	if (*at != '%')
		return 0;
	while (at[n] == '2' && at[n + 1] == '5')
		n += 2;
	if (text_hex_value(at[n]) < 0 || text_hex_value(at[n + 1]) < 0)
		return 0;
	c = text_hex_value(at[n]) * 16 + text_hex_value(at[n + 1]);
	return c != '\0' && strchr(characters, c) ? n + 2 : 0;
}

/* Redacts a parameter inside an encoded URL: "%3Ftoken%3Dvalue%26".  Returns what it consumed: 0
 * unless the parameter is a secret. */
static size_t redact_encoded_parameter(struct sink *out, const char *from)
{
	size_t name = 0, is, value;

	while (isalnum((unsigned char)from[name]) || (from[name] && strchr("-_.", from[name])))
		name++;
	is = from[name] == '=' ? 1 : encoded(from + name, "=");
	if (name == 0 || is == 0 || !text_name_is_secret(from, name))
		return 0;
	sink_add(out, from, name + is);
	value = name + is;
	while (from[value] != '\0' && !strchr("&#|", from[value]) &&
	       encoded(from + value, "&#|") == 0)
		value++;
	if (value > name + is)
		sink_add(out, "***", 3);
	return value;
}

/* Copies "name=value" behind `opener`: '?', '&', ';', '#', '|', '~' or '/', with a secret value
 * replaced.  Returns what was consumed: an ordinary value is left to the caller, because it may
 * hold a URL itself. */
static size_t redact_parameter(struct sink *out, char opener, const char *from)
{
	bool segment = opener == '/'; /* in a path: "/hdnts=exp=1~hmac=2/" */
	size_t name = strcspn(from, segment ? "=&;#?|~/" : "=&;#?|~");
	size_t value;

	if (from[name] != '=')
		return 0;
	sink_add(out, from, name + 1);
	if (!text_name_is_secret(from, name))
		return name + 1;
	/* a secret may contain semicolons: hide too much rather than too little */
	value = strncmp(from + name + 1, "#!", 2) == 0 ? 2 : 0; /* SRT's "streamid=#!::u=me" */
	value += strcspn(from + name + 1 + value, segment ? "/?&#|" : "&#|");
	if (value > 0)
		sink_add(out, "***", 3);
	return name + 1 + value;
}

/* A segment like "5" or "5.ts". */
static bool is_panel_id(const char *at)
{
	size_t digits = strspn(at, "0123456789");

	return digits > 0 && (at[digits] == '\0' || strchr("./?#|", at[digits]) != NULL);
}

static bool is_panel_kind(const char *at, const char *end)
{
	static const char *const kinds[] = {"live", "movie", "series", "timeshift"};

	for (size_t i = 0; i < array_size(kinds); i++)
		if (strlen(kinds[i]) == (size_t)(end - at) &&
		    !strncasecmp(at, kinds[i], strlen(kinds[i])))
			return true;
	return false;
}

/* Finds the name and password in a path of an IPTV panel: "/live/NAME/PASSWORD/5.ts" with anything
 * in front and behind, "/timeshift/NAME/PASSWORD/60/DATE/5.ts", "/NAME/PASSWORD/5" alone.  The
 * number behind them distinguishes a panel from "/live/sport/hd/index.m3u8".  NULL = not such a
 * path. */
static const char *panel_secrets(const char *path, size_t *ret_len)
{
	const char *at[9]; /* behind each slash */
	unsigned n = 0;

	/* a bounded number of slashes, so that a text with many "://" takes linear time */
	for (const char *p = path; n < array_size(at) && *p != '\0' && !strchr("?#|", *p); p++)
		if (*p == '/')
			at[n++] = p + 1;
	for (unsigned i = 0; i + 2 < n; i++) {
		bool begins = i > 0 ? is_panel_kind(at[i - 1], at[i] - 1)
				    : n == 3 && !is_panel_kind(at[0], at[1] - 1);

		assert(at[i] < at[i + 1] && at[i + 1] < at[i + 2]);
		if (begins && is_panel_id(at[i + 2]) && at[i + 1] - 1 > at[i] &&
		    at[i + 2] - 1 > at[i + 1]) {
			*ret_len = (size_t)(at[i + 2] - 1 - at[i]);
			return at[i];
		}
	}
	return NULL;
}

/* True if the scheme that ends at `end`, where "://" follows, begins with "rtmp".  `begin` is the
 * start of the text. */
static bool is_rtmp(const char *begin, const char *end)
{
	const char *at = end;

	while (at > begin && isalnum((unsigned char)at[-1]))
		at--;
	return end - at >= 4 && strncasecmp(at, "rtmp", 4) == 0;
}

/* The stream key of "/app/KEY": everything behind the application, because it may contain slashes.
 * NULL = there is none. */
static const char *rtmp_key(const char *path, size_t *ret_len)
{
	const char *key = *path == '/' ? path + 1 + strcspn(path + 1, "/?#| ") : path;

	*ret_len = *key == '/' ? strcspn(key + 1, "?#| ") : 0;
	return *ret_len > 0 ? key + 1 : NULL;
}

/* Copies the authority without its "user:password@".  Returns what was consumed. */
static size_t redact_authority(struct sink *out, const char *from)
{
	size_t info = userinfo_length(from), host = strcspn(from + info, "/?#|");

	if (info > 0)
		sink_add(out, "***@", 4);
	sink_add(out, from + info, host);
	return info + host;
}

void text_redact_url(const char *url, char *dst, size_t cap)
{
	struct sink out = {dst, cap > 0 ? cap - 1 : 0};
	const char *begin = url;
	const char *hidden = NULL; /* the next secret in a path */
	const char *shown = "";	   /* its replacement */
	size_t hidden_len = 0, n;

	if (cap == 0)
		return;
	while (*url != '\0') {
		char c = *url;

		if (url == hidden) {
			sink_add(&out, shown, strlen(shown));
			url += hidden_len;
		} else if (strncmp(url, "://", 3) == 0) {
			bool rtmp = is_rtmp(begin, url);

			sink_add(&out, url, 3);
			url += 3;
			url += redact_authority(&out, url);
			shown = rtmp ? "***" : "***/***";
			/* a file has no host */
			hidden = strchr("/@", url[-1]) ? NULL
				 : rtmp		       ? rtmp_key(url, &hidden_len)
						       : panel_secrets(url, &hidden_len);
		} else if ((n = encoded(url, "?&;#|/")) > 0) {
			sink_add(&out, url, n);
			url += n;
			url += redact_encoded_parameter(&out, url);
		} else {
			sink_add(&out, url++, 1);
			if (url != hidden && strchr("?&;#|~/", c) != NULL)
				url += redact_parameter(&out, c, url);
		}
	}
	*out.at = '\0';
}

void text_redact_words(char *line, char *dst, size_t cap)
{
	size_t used = 0;

	while (*line && used + 1 < cap) {
		size_t n = strcspn(line, " '\"");
		char behind = line[n];

		line[n] = '\0';
		/* a playlist may name only the end of a URL */
		text_redact_url(line, dst + used, cap - used);
		used += strlen(dst + used);
		line[n] = behind;
		line += n;
		if (*line && used + 1 < cap)
			dst[used++] = *line++;
	}
	dst[MIN(used, cap - 1)] = '\0';
}

/* Length of the URL or absolute path that begins here as a word, without punctuation behind it;
 * 0 = there is none. */
static size_t location_length(const char *begin, const char *at)
{
	size_t n = strcspn(at, " \t\"'<>()"), scheme = 0;

	if (at != begin && !strchr(" \t\"'<>()=", at[-1]))
		return 0;
	while (isalnum((unsigned char)at[scheme]) || (at[scheme] && strchr("+.-", at[scheme])))
		scheme++;
	if (!(scheme > 0 && strncmp(at + scheme, "://", 3) == 0) && !(at[0] == '/' && n > 1))
		return 0;
	while (n > 0 && strchr(":,.;", at[n - 1]))
		n--;
	return n;
}

/* The host of a URL; its length is 0 where it has none. */
static const char *host_of(const char *url, size_t *ret_len)
{
	const char *host = strstr(url, "://");

	*ret_len = 0;
	if (!host)
		return NULL;
	host += 3 + userinfo_length(host + 3);
	*ret_len = strcspn(host, ":/?#|");
	return host;
}

/* True if `word` is at `at`, with no letter or digit beside it. */
static bool is_word(const char *begin, const char *at, const char *word, size_t len)
{
	return strncmp(at, word, len) == 0 && !isalnum((unsigned char)at[len]) &&
	       (at == begin || !isalnum((unsigned char)at[-1]));
}

static void add_the_source(struct sink *out, const char *begin)
{
	static const char words[] = "the source";
	size_t n = sizeof(words) - 1, done = (size_t)(out->at - begin);

	/* "the source http://..." becomes "the source", not "the source the source" */
	assert(out->at >= begin);
	if (done > n && out->at[-1] == ' ' && memcmp(out->at - 1 - n, words, n) == 0) {
		out->at--;
		out->room++;
		return;
	}
	sink_add(out, words, n);
}

void text_hide_source(const char *text, const char *source, char *dst, size_t cap)
{
	struct sink out = {dst, cap > 0 ? cap - 1 : 0};
	size_t source_len = strlen(source), host_len, n;
	const char *begin = text, *host = host_of(source, &host_len);

	if (cap == 0)
		return;
	while (*text != '\0') {
		if (source_len > 1 && strncmp(text, source, source_len) == 0)
			n = source_len;
		else if (host_len > 0 && is_word(begin, text, host, host_len))
			n = host_len;
		else
			n = location_length(begin, text);
		if (n > 0)
			add_the_source(&out, dst);
		else
			sink_add(&out, text, 1);
		text += MAX(n, 1u);
	}
	*out.at = '\0';
}

bool text_region(const char *text, size_t len, char out[3])
{
	if (len != 2)
		return false;
	for (size_t i = 0; i < 2; i++) {
		char upper = (char)(text[i] & ~0x20);

		if (upper < 'A' || upper > 'Z' || (text[i] & 0x40) == 0)
			return false;
		out[i] = upper;
	}
	out[2] = '\0';
	return true;
}

/* One row of the optimal string alignment distance: insert, delete, replace, swap neighbours. */
static void distance_row(const char *a, const char *b, size_t blen, size_t i,
			 unsigned rows[3][SUGGEST_BYTES_MAX + 1])
{
	unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];

	row[0] = (unsigned)i;
	for (size_t j = 1; j <= blen; j++) {
		int ca = tolower((unsigned char)a[i - 1]), cb = tolower((unsigned char)b[j - 1]);
		unsigned best = above[j - 1] + (ca != cb);

		best = MIN(best, MIN(above[j], row[j - 1]) + 1);
		if (i > 1 && j > 1 && ca == tolower((unsigned char)b[j - 2]) &&
		    cb == tolower((unsigned char)a[i - 2]))
			best = MIN(best, above2[j - 2] + 1);
		row[j] = best;
	}
}

static unsigned edit_distance(const char *a, size_t alen, const char *b, size_t blen)
{
	unsigned rows[3][SUGGEST_BYTES_MAX + 1];

	assert(alen <= SUGGEST_BYTES_MAX && blen <= SUGGEST_BYTES_MAX);
	for (size_t j = 0; j <= blen; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= alen; i++)
		distance_row(a, b, blen, i, rows);
	return rows[alen % 3][blen];
}

const char *text_suggest(const char *word, const char *const *candidates, size_t n)
{
	size_t len = strnlen(word, SUGGEST_BYTES_MAX + 1);
	unsigned best = len < 3 ? 1 : len < 6 ? 2 : len < 10 ? 3 : 4; /* one more than allowed */
	const char *nearest = NULL;

	if (len > SUGGEST_BYTES_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t other = strnlen(candidates[i], SUGGEST_BYTES_MAX + 1);
		unsigned distance;

		if (other > SUGGEST_BYTES_MAX || other + best <= len || len + best <= other)
			continue;
		distance = edit_distance(word, len, candidates[i], other);
		if (distance < best) {
			best = distance;
			nearest = candidates[i];
		}
	}
	return nearest;
}

bool text_is_local(const char *source)
{
	static const char scheme[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "0123456789+-.";
	size_t n = strspn(source, scheme);

	return n == 0 || strncmp(source + n, "://", 3) != 0 || strncasecmp(source, "file:", 5) == 0;
}
