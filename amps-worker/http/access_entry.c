#include "amps-worker/http/access_entry.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "amps-worker/http/access.h"
#include "common/clock.h"
#include "common/log/log.h"
#include "common/log/log_line.h"
#include "common/text/address.h"
#include "common/text/text.h"

#define CUT	   "..."
#define LEFT_EARLY 499 /* the client left before the answer */
#define NO_CHANNEL UINT32_MAX
#define RAW_MAX	   (HTTP_LINE_MAX + 64)
#define DRAFT_TEXT (ACCESS_TARGET_MAX + (PIECE_COUNT_ - 1) * ACCESS_TEXT_MAX)

enum piece { ADDRESS, NAME, METHOD, TARGET, AGENT, VARIANT, PIECE_COUNT_ };

/* All facts of a request except its texts. */
struct known {
	uint64_t begun_us;
	uint32_t channel;
	uint16_t status; /* 0 = none yet */
	bool bad;	 /* could not be parsed: TARGET is the line as it came */
	bool rtsp;
	uint8_t minor;
	uint16_t at[PIECE_COUNT_]; /* of each piece in text, NUL-ended; "" = none */
};

struct access_entry {
	struct known known;
	char text[];
};

/* An entry under construction. */
struct draft {
	struct known known;
	char text[DRAFT_TEXT];
	size_t used;
};

/* Text that is not in an entry yet. */
struct raw {
	char *at; /* [RAW_MAX] */
	size_t n;
};

static const char *piece(const struct access_entry *e, enum piece which)
{
	return e->text + e->known.at[which];
}

static void put_text(struct draft *d, enum piece which, const char *text, size_t len, size_t max)
{
	size_t used = d->used;

	assert(max >= sizeof(CUT) && used + max <= sizeof(d->text));
	d->known.at[which] = (uint16_t)used;
	if (!log_escape(d->text, used + max - sizeof(CUT), &used, text, len, log_is_json())) {
		memcpy(d->text + used, CUT, sizeof(CUT));
		used += sizeof(CUT) - 1;
	}
	d->text[used] = '\0';
	d->used = used + 1;
	assert(d->used <= sizeof(d->text));
}

/* Names have no quotes in a text line, so their blanks are escaped, too. */
static void put_name(struct draft *d, enum piece which, const char *name, size_t len)
{
	char word[ACCESS_TEXT_MAX];
	size_t n = 0;

	put_text(d, which, name, len, ACCESS_TEXT_MAX);
	if (log_is_json())
		return;
	for (const char *c = d->text + d->known.at[which]; *c && n < sizeof(word) - 5; c++)
		n += (size_t)snprintf(word + n, sizeof(word) - n, *c == ' ' ? "\\x20" : "%c", *c);
	word[n] = '\0';
	memcpy(d->text + d->known.at[which], word, n + 1);
	d->used = d->known.at[which] + n + 1;
	assert(d->used <= sizeof(d->text));
}

static void put_address(struct draft *d, const struct in6_addr *a)
{
	char text[INET6_ADDRSTRLEN];

	address_text(a, text);
	put_text(d, ADDRESS, text, strlen(text), ACCESS_TEXT_MAX);
}

static void raw_add(struct raw *r, const char *bytes, size_t n)
{
	assert(r->n < RAW_MAX);
	n = MIN(n, RAW_MAX - 1 - r->n);
	if (n)
		memcpy(r->at + r->n, bytes, n);
	r->n += n;
}

/* Where in "name=value" the value of a secret begins; the length of s if there is none.  A name may
 * begin after any separator: a token in a malformed address must be hidden, too. */
static size_t secret_at(struct span s)
{
	size_t name = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] == '=' && text_name_is_secret(s.at + name, i - name))
			return i + 1;
		if (memchr("=?;#", s.at[i], 4))
			name = i + 1;
	}
	return s.len;
}

/* Copies a target with the values of secret names hidden.  A value ends where http_query() ends
 * it. */
static void hide_values(struct span target, struct raw *out)
{
	while (target.len) {
		const char *amp = memchr(target.at, '&', target.len);
		size_t len = amp ? (size_t)(amp - target.at) : target.len;
		size_t shown = secret_at((struct span){target.at, len});

		raw_add(out, target.at, shown);
		if (shown < len)
			raw_add(out, "***", 3);
		if (amp)
			raw_add(out, "&", 1);
		len += amp != NULL;
		target = (struct span){target.at + len, target.len - len};
	}
}

/* Puts a text of the client that may contain its token. */
static void put_hidden(struct draft *d, enum piece which, const struct tokens *tokens,
		       struct span text)
{
	char hidden[RAW_MAX];
	struct raw raw = {hidden, 0};

	raw_add(&raw, text.at, text.len);
	if (tokens)
		raw.n = tokens_hide(tokens, raw.at, raw.n);
	put_text(d, which, raw.at, raw.n, ACCESS_TEXT_MAX);
}

/* Replaces what lies at `at` up to one of `ends` by "***". */
static void hide_part(char *at, const char *ends)
{
	size_t n = strcspn(at, ends);

	if (n < 3)
		return; /* no signature is so short */
	memcpy(at, "***", 3);
	memmove(at + 3, at + n, strlen(at + n) + 1);
}

/* Hides the signature and the session in an address of HLS or DASH. */
static void hide_session(char *target)
{
	char *signature, *session;

	if (strncmp(target, "/hls/", 5) != 0 && strncmp(target, "/dash/", 6) != 0)
		return;
	signature = strstr(target, "/~");
	if (signature)
		hide_part(signature + 2, "/?");
	for (session = target; (session = strpbrk(session, "?&")); session++)
		if (strncmp(session + 1, "s=", 2) == 0)
			hide_part(session + 3, "&");
}

static void put_target(struct draft *d, const struct tokens *tokens, struct span path,
		       struct span query)
{
	char whole[RAW_MAX], hidden[RAW_MAX], shown[RAW_MAX];
	struct raw raw = {whole, 0}, safe = {hidden, 0};

	raw_add(&raw, path.at, path.len);
	if (query.len) {
		raw_add(&raw, "?", 1);
		raw_add(&raw, query.at, query.len);
	}
	for (size_t i = 0; i < raw.n; i++)
		if (whole[i] == '\0')
			whole[i] = '\x01'; /* a NUL would end the string here */
	if (tokens)
		raw.n = tokens_hide(tokens, raw.at, raw.n);
	hide_values((struct span){whole, raw.n}, &safe);
	hidden[safe.n] = '\0';
	text_redact_url(hidden, shown, sizeof(shown)); /* a URL inside a value */
	hide_session(shown);
	put_text(d, TARGET, shown, strlen(shown), ACCESS_TARGET_MAX);
}

static struct draft draft_new(const struct facts *facts)
{
	return (struct draft){.known = {.begun_us = facts->mono_us, .channel = NO_CHANNEL},
			      .used = 1};
}

static struct access_entry *draft_keep(const struct draft *d)
{
	struct access_entry *e = malloc(sizeof(*e) + d->used);

	if (!e)
		return NULL;
	e->known = d->known;
	memcpy(e->text, d->text, d->used);
	return e;
}

struct access_entry *access_entry_new(const struct http_request *q, const struct facts *facts,
				      const struct reply *reply)
{
	struct draft d = draft_new(facts);
	struct in6_addr client = access_client(q, facts);
	struct span agent = http_field(q, "User-Agent");

	d.known.rtsp = q->rtsp;
	d.known.minor = (uint8_t)q->minor;
	put_address(&d, &client);
	if (reply->asker)
		put_name(&d, NAME, reply->asker->name,
			 strnlen(reply->asker->name, sizeof(reply->asker->name)));
	put_hidden(&d, METHOD, facts->tokens, q->method_text);
	put_target(&d, facts->tokens, q->path, q->query);
	if (agent.len)
		put_hidden(&d, AGENT, facts->tokens, agent);
	if (reply->kind == REPLY_STREAM) {
		d.known.channel = reply->channel;
		put_name(&d, VARIANT, reply->variant, strlen(reply->variant));
	}
	return draft_keep(&d);
}

struct access_entry *access_entry_new_bad(const char *head, size_t len, const struct facts *facts)
{
	struct draft d = draft_new(facts);
	const char *end = len ? memchr(head, '\n', len) : NULL;
	size_t n = end ? (size_t)(end - head) : len;

	if (n && head[n - 1] == '\r')
		n--;
	n = MIN(n, HTTP_LINE_MAX);
	d.known.bad = true;
	put_address(&d, &facts->peer);
	put_target(&d, facts->tokens, (struct span){head, n}, (struct span){0});
	return draft_keep(&d);
}

void access_entry_set_status(struct access_entry *e, int status)
{
	if (e)
		e->known.status = (uint16_t)status;
}

/* The line under construction; pieces are bounded so that it always has room. */
struct line {
	char *at;
	size_t n;
};

static void add(struct line *l, const char *format, ...) printf_like(2, 3);
static void add(struct line *l, const char *format, ...)
{
	size_t room = LOG_LINE_MAX - l->n;
	va_list args;
	int n;

	assert(l->n < LOG_LINE_MAX);
	va_start(args, format);
	n = vsnprintf(l->at + l->n, room, format, args);
	va_end(args);
	l->n += MIN((size_t)n, room - 1);
}

/* What the line says about its end. */
struct ending {
	int status;
	unsigned long long bytes, ms;
	char when[TIME_TEXT_MAX];
};

static void add_text(struct line *l, const struct access_entry *e, const struct ending *end)
{
	const char *name = piece(e, NAME), *agent = piece(e, AGENT), *variant = piece(e, VARIANT);

	add(l, "%s - %s [%s] \"", piece(e, ADDRESS), *name ? name : "-", end->when);
	if (e->known.bad)
		add(l, "%s", piece(e, TARGET));
	else
		add(l, "%s %s %s/1.%u", piece(e, METHOD), piece(e, TARGET),
		    e->known.rtsp ? "RTSP" : "HTTP", e->known.minor);
	add(l, "\" %d %llu \"-\" \"%s\" ms=%llu", end->status, end->bytes, *agent ? agent : "-",
	    end->ms);
	if (e->known.channel != NO_CHANNEL)
		add(l, " channel=%u", e->known.channel);
	if (*variant)
		add(l, " variant=%s", variant);
	add(l, "\n");
}

static void add_member(struct line *l, const char *name, const char *text)
{
	if (*text)
		add(l, ",\"%s\":\"%s\"", name, text);
}

static void add_json(struct line *l, const struct access_entry *e, const struct ending *end)
{
	add(l, "\"address\":\"%s\"", piece(e, ADDRESS));
	add_member(l, "token_name", piece(e, NAME));
	add_member(l, "method", piece(e, METHOD));
	add_member(l, e->known.bad ? "line" : "target", piece(e, TARGET));
	if (!e->known.bad)
		add(l, ",\"%s\":\"1.%u\"", e->known.rtsp ? "rtsp" : "http", e->known.minor);
	add(l, ",\"status\":%d,\"bytes\":%llu,\"ms\":%llu", end->status, end->bytes, end->ms);
	add_member(l, "agent", piece(e, AGENT));
	if (e->known.channel != NO_CHANNEL)
		add(l, ",\"channel\":\"%u\"", e->known.channel);
	add_member(l, "variant", piece(e, VARIANT));
}

size_t access_line(const struct access_entry *e, uint64_t bytes, bool framed,
		   char line[LOG_LINE_MAX])
{
	struct ending end = {.status = e->known.status ? e->known.status : LEFT_EARLY,
			     .bytes = bytes,
			     .ms = (clock_mono_us() - e->known.begun_us) / 1000};
	int64_t wall_us = clock_wall_us();
	struct line l = {.at = line};

	time_format_ms(wall_us, end.when);
	if (framed)
		l.n = (size_t)log_head(line, LOG_LINE_MAX, wall_us, LOG_INFO);
	if (!log_is_json()) {
		add_text(&l, e, &end);
		return l.n;
	}
	if (framed)
		add(&l, "\"message\":\"request\",\"fields\":{");
	else
		add(&l, "{\"ts\":\"%s\",", end.when);
	add_json(&l, e, &end);
	add(&l, framed ? "}}\n" : "}\n");
	return l.n;
}
