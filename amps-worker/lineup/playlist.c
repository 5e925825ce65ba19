/* playlist.c - see playlist.h.  The text follows the older Amps and what Kodi, Jellyfin and
 * tvheadend read; each entry ends with its URL. */
#include "amps-worker/lineup/playlist.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include "amps-worker/http/access.h"
#include "amps-worker/http/body_maker.h"
#include "amps-worker/lineup/m3u.h"
#include "amps-worker/lineup/selection.h"
#include "common/shm/programmes.h"
#include "common/text/group.h"
#include "common/text/link.h"
#include "common/text/text.h"
#include "common/text/xml.h"

#define PLAYLIST_TYPE "audio/x-mpegurl; charset=utf-8"
#define STEP_CHANNELS 64
#define STEP_BYTES    16384u /* a step ends behind the channel that passes it */

/* A list that is being written. */
struct playlist {
	const struct catalog *catalog; /* one reference */
	const struct guide *guide;     /* likewise, or NULL */
	struct playlist_params params;
	struct token_entry token; /* params.token points to it, if there is one */
	size_t next;		  /* channel */
	struct buf *out;	  /* during a step */
	struct buf query;	  /* "&region=US&token=...", the same for every link */
	struct selection selection;
	char texts[]; /* of params */
};

/* The first programme that has not started, else the first listed. */
static const struct catalog_program *next_program(struct playlist *r,
						  const struct catalog_channel *ch)
{
	const struct catalog_program *p = catalog_programs(r->catalog, ch);

	for (uint32_t i = 0; p && i < ch->program_count; i++) {
		if (p[i].start_wall_us != TIME_NONE && p[i].start_wall_us > r->params.wall_us) {
			selection_expire(&r->selection, p[i].start_wall_us);
			return &p[i];
		}
	}
	return p && ch->program_count ? p : NULL;
}

/* The form that an entry's link names. */
static enum playlist_links links_of(const struct playlist *r, const struct catalog_channel *ch,
				    const struct catalog_variant *v)
{
	enum form form = v ? v->form : ch->form;

	if (r->params.links != LINKS_OWN)
		return r->params.links;
	switch (form) {
	case FORM_HLS:
	case FORM_LL_HLS:
		return LINKS_HLS;
	case FORM_DASH:
		return LINKS_DASH;
	case FORM_RTSP:
		return r->params.rtsp_base[0] ? LINKS_RTSP : LINKS_TS;
	case FORM_AUDIO:
		return LINKS_AUDIO;
	case FORM_MSE:
		return LINKS_MP4;
	default:
		return LINKS_TS;
	}
}

/* Of what an entry's link leads to; NULL: it is not of HTTP. */
static const char *type_of(const struct playlist *r, const struct catalog_channel *ch,
			   const struct catalog_variant *v)
{
	static const char *const types[] = {[LINKS_TS] = "video/mp2t",
					    [LINKS_HLS] = "application/x-mpegURL",
					    [LINKS_DASH] = "application/dash+xml",
					    [LINKS_RTSP] = NULL,
					    [LINKS_AUDIO] = "audio/aac",
					    [LINKS_MP4] = "video/mp4",
					    [LINKS_WEBSOCKET] = "video/mp2t"};
	enum playlist_links links = links_of(r, ch, v);
	bool mp3 = v ? v->mp3 : ch->flags & CHANNEL_SOUND_MP3;

	return links == LINKS_AUDIO && mp3 ? "audio/mpeg" : types[links];
}

static void add_extinf(struct playlist *r, const struct catalog_channel *ch,
		       const struct catalog_variant *v)
{
	const struct catalog *c = r->catalog;
	const char *number = catalog_text(c, ch->number_at);
	const char *name = catalog_text(c, ch->name_at);
	const char *label = v ? catalog_text(c, v->label_at) : NULL;
	const char *type = type_of(r, ch, v);
	struct buf *b = r->out;

	buf_puts(b, "#EXTINF:-1");
	m3u_attribute(b, "tvg-id", catalog_text(c, ch->tvg_id_at));
	m3u_attribute(b, "tvg-name", catalog_text(c, ch->tvg_name_at));
	m3u_attribute(b, "tvg-logo", catalog_text(c, ch->logo_at));
	m3u_attribute(b, "group-title", catalog_text(c, ch->group_at));
	m3u_attribute(b, "channel-number", number);
	m3u_attribute(b, "tvg-chno", number);
	buf_putc(b, ',');
	if (!name || !m3u_name(b, name))
		buf_printf(b, "%u", ch->id);
	if (label) {
		buf_puts(b, " (");
		m3u_name(b, label);
		buf_putc(b, ')');
	}
	buf_putc(b, '\n');
	/* Kodi opens a link of HTTP of unknown type an extra time to probe it, which would start a
	 * tuner */
	if (type)
		buf_printf(b, "#KODIPROP:mimetype=%s\n", type);
}

static void add_next_line(struct playlist *r, const char *title, const char *start,
			  const char *description)
{
	buf_puts(r->out, "#EXTREM:AMP-NEXT");
	m3u_attribute(r->out, "title", title);
	m3u_attribute(r->out, "start", start);
	m3u_attribute(r->out, "description", description);
	buf_putc(r->out, '\n');
}

/* What is next in the imported guide.  The list changes with it, but once a minute at the most. */
static void add_next_imported(struct playlist *r, const struct guide_channel *imported)
{
	_cleanup_(buf_done) struct buf title = BUF_INIT, description = BUF_INIT;
	int64_t wall_us = r->params.wall_us;
	uint32_t at = guide_now(r->guide, imported, wall_us);
	struct guide_entry e;
	char start[32];

	if (guide_entry_at(r->guide, imported, at, &e) && e.start_us <= wall_us)
		at++;
	if (!guide_entry_at(r->guide, imported, at, &e))
		return;
	selection_expire(&r->selection, programmes_minute(e.start_us));
	xml_read(&title, e.title.at, e.title.len);
	xml_read(&description, e.description.at, e.description.len);
	time_format_iso8601(e.start_us, start);
	r->out->failed |= !buf_ok(&title) || !buf_ok(&description);
	add_next_line(r, title.data, start, description.data);
}

static void add_next(struct playlist *r, const struct catalog_channel *ch)
{
	const struct catalog_program *p = next_program(r, ch);
	const struct catalog *c = r->catalog;
	bool to_come = p && p->start_wall_us != TIME_NONE && p->start_wall_us > r->params.wall_us;
	const struct guide_channel *imported =
		to_come ? NULL : guide_find(r->guide, catalog_text(c, ch->tvg_id_at));

	if (imported)
		add_next_imported(r, imported);
	else if (p)
		add_next_line(r, catalog_text(c, p->title_at), catalog_text(c, p->start_at),
			      catalog_text(c, p->description_at));
}

static void add_region_list(struct playlist *r, const char *name, uint32_t at, uint32_t count)
{
	if (!at || !count)
		return;
	/* pairs of letters without a NUL; catalog_region_allowed() has checked the offsets */
	const char *codes = catalog_text(r->catalog, at);

	if (!codes || strnlen(codes, (size_t)count * 2) < (size_t)count * 2)
		return;
	buf_printf(r->out, " %s=", name);
	for (uint32_t i = 0; i < count; i++) {
		if (i)
			buf_putc(r->out, ',');
		buf_add(r->out, codes + (size_t)i * 2, 2);
	}
}

static void add_description(struct buf *b, const char *text)
{
	size_t before = b->len;

	buf_puts(b, "#EXTREM:AMP-DESCRIPTION ");
	if (m3u_text(b, text))
		buf_putc(b, '\n');
	else
		b->len = before;
}

static void add_extrem(struct playlist *r, const struct catalog_channel *ch,
		       const struct catalog_variant *v)
{
	const struct catalog *c = r->catalog;
	const char *feed = catalog_text(c, ch->program_feed_at);
	const char *description = catalog_text(c, ch->description_at);
	struct buf *b = r->out;

	if (v) {
		buf_puts(b, "#EXTREM:AMP-VARIANT");
		m3u_attribute(b, "name", catalog_text(c, v->name_at));
		buf_putc(b, '\n');
	}
	add_next(r, ch);
	if (feed) {
		buf_puts(b, "#EXTREM:AMP-PROGRAM-FEED");
		m3u_attribute(b, "url", feed);
		buf_putc(b, '\n');
	}
	if (description)
		add_description(b, description);
	if (ch->regions_allowed_count || ch->regions_blocked_count) {
		buf_puts(b, "#EXTREM:AMP-REGION");
		add_region_list(r, "allow", ch->regions_allowed_at, ch->regions_allowed_count);
		add_region_list(r, "block", ch->regions_blocked_at, ch->regions_blocked_count);
		buf_putc(b, '\n');
	}
}

/* The query of a signed link to this channel, in the region that the list was made for. */
static void add_signed(struct playlist *r, const struct catalog_channel *ch)
{
	const struct playlist_params *p = &r->params;
	struct link l = {.channel = ch->id, .expires_s = p->link_expires_s, .token = p->link_by};
	char query[LINK_QUERY_MAX];

	text_copy(l.region, sizeof(l.region), p->region);
	link_write(p->link_key, &l, query);
	buf_printf(r->out, "&%s", query);
}

static void add_link(struct playlist *r, const struct catalog_channel *ch,
		     const struct catalog_variant *v)
{
	static const struct {
		const char *front, *back, *query;
	} paths[] = {[LINKS_TS] = {"/stream", ".ts", ""},
		     [LINKS_HLS] = {"/hls", "/index.m3u8", ""},
		     [LINKS_DASH] = {"/dash", "/manifest.mpd", ""},
		     [LINKS_RTSP] = {"", "", ""},
		     [LINKS_AUDIO] = {"/audio", "", ""},
		     [LINKS_MP4] = {"/stream", "", "&format=mp4"},
		     [LINKS_WEBSOCKET] = {"/ws", "", ""}};
	enum playlist_links links = links_of(r, ch, v);
	struct buf *b = r->out;
	const char *name = v ? catalog_text(r->catalog, v->name_at) : NULL;
	size_t mark;

	/* "ws" is to "wss" as "http" is to "https" */
	if (links == LINKS_WEBSOCKET && !strncmp(r->params.base, "http", 4))
		buf_printf(b, "ws%s", r->params.base + 4);
	else
		buf_puts(b, links == LINKS_RTSP ? r->params.rtsp_base : r->params.base);
	buf_printf(b, "%s/%u%s", paths[links].front, ch->id, paths[links].back);
	mark = b->len;
	buf_puts(b, paths[links].query);
	if (name) {
		buf_puts(b, "&variant=");
		m3u_encode(b, name);
	}
	if (r->params.link_key)
		add_signed(r, ch);
	else
		buf_add(b, r->query.data, r->query.len);
	if (buf_ok(b) && b->len > mark)
		b->data[mark] = '?';
	buf_putc(b, '\n');
}

static void add_entry(struct playlist *r, const struct catalog_channel *ch,
		      const struct catalog_variant *v)
{
	add_extinf(r, ch, v);
	add_extrem(r, ch, v);
	add_link(r, ch, v);
}

static void add_query(struct buf *b, const char *name, const char *value)
{
	if (!value[0])
		return;
	buf_printf(b, "&%s=", name);
	m3u_encode(b, value);
}

/* The URL of the guide has the filters of the list, so that both show the same channels. */
static void add_header(struct playlist *r)
{
	const struct playlist_params *p = &r->params;
	_cleanup_(buf_done) struct buf url = BUF_INIT;
	size_t mark;

	buf_puts(&url, p->base);
	buf_puts(&url, "/epg.xml");
	mark = url.len;
	add_query(&url, "group", p->groups);
	add_query(&url, "ids", p->ids);
	buf_add(&url, r->query.data, r->query.len);
	if (buf_ok(&url) && url.len > mark)
		url.data[mark] = '?';
	buf_puts(r->out, "#EXTM3U");
	if (buf_ok(&url)) {
		m3u_attribute(r->out, "x-tvg-url", url.data);
		m3u_attribute(r->out, "url-tvg", url.data);
	} else {
		r->out->failed = true;
	}
	buf_putc(r->out, '\n');
}

static const char *keep_text(char **at, const char *text)
{
	size_t n = strlen(text) + 1;
	char *copy = memcpy(*at, text, n);

	*at += n;
	return copy;
}

/* Copies the parameters: they must outlive the request and the snapshots they were read from.
 * Returns the end of the texts. */
static const char *keep_params(struct playlist *r, const struct playlist_params *p)
{
	char *at = r->texts;

	r->params = *p;
	r->params.base = keep_text(&at, p->base);
	r->params.rtsp_base = keep_text(&at, p->rtsp_base);
	r->params.region = keep_text(&at, p->region);
	r->params.link_region = keep_text(&at, p->link_region);
	r->params.link_token = keep_text(&at, p->link_token);
	r->params.groups = keep_text(&at, p->groups);
	r->params.ids = keep_text(&at, p->ids);
	if (p->token) {
		r->token = *p->token;
		r->params.token = &r->token;
	}
	return at;
}

struct playlist *playlist_begin(const struct catalog *c, const struct guide *g,
				const struct playlist_params *p)
{
	size_t bytes = strlen(p->base) + strlen(p->rtsp_base) + strlen(p->region) +
		       strlen(p->link_region) + strlen(p->link_token) + strlen(p->groups) +
		       strlen(p->ids) + 7;
	struct playlist *r = calloc(1, sizeof(*r) + bytes);
	const char *end;

	if (!r)
		return NULL;
	end = keep_params(r, p);
	assert(end == r->texts + bytes);
	snapshot_ref(catalog_snapshot(c));
	r->catalog = c;
	if (g)
		snapshot_ref(guide_snapshot(g));
	r->guide = g;
	return r;
}

void playlist_end(struct playlist *r)
{
	if (!r)
		return;
	snapshot_unref(catalog_snapshot(r->catalog));
	if (r->guide)
		snapshot_unref(guide_snapshot(r->guide));
	buf_done(&r->query);
	selection_end(&r->selection);
	free(r);
}

/* Writes what stands before the channels. */
static bool add_front(struct playlist *r)
{
	const struct playlist_params *p = &r->params;

	r->selection = (struct selection){.catalog = r->catalog,
					  .region = p->region,
					  .groups = p->groups,
					  .ids = p->ids,
					  .token = p->token,
					  .wall_us = p->wall_us};
	if (selection_begin(&r->selection) < 0)
		return false;
	add_query(&r->query, "region", r->params.link_region);
	add_query(&r->query, "token", r->params.link_token);
	add_header(r);
	return buf_ok(&r->query);
}

static void add_channel(struct playlist *r, const struct catalog_channel *ch)
{
	const struct catalog_variant *v;

	if (!selection_has(&r->selection, ch))
		return;
	add_entry(r, ch, NULL);
	v = r->params.variants ? catalog_variants(r->catalog, ch) : NULL;
	for (uint32_t n = 0; v && n < ch->variant_count; n++)
		add_entry(r, ch, &v[n]);
}

int playlist_step(struct playlist *r, struct buf *out, int64_t *ret_expires_us)
{
	size_t count = catalog_channel_count(r->catalog),
	       until = MIN(r->next + STEP_CHANNELS, count);
	size_t before = out->len;

	assert(r->next <= count);
	r->out = out;
	if (!r->selection.filter && !add_front(r))
		return -ENOMEM;
	while (r->next < until && out->len - before < STEP_BYTES && buf_ok(out))
		add_channel(r, catalog_channel_at(r->catalog, r->next++));
	if (!buf_ok(out))
		return -ENOMEM;
	*ret_expires_us = r->selection.expires_us;
	return r->next < count;
}

/* Parameters read from a request, with their storage. */
struct asked {
	struct playlist_params params;
	char base[BASE_URL_MAX];
	char rtsp_base[BASE_URL_MAX];
	char region[3];
	char token[TOKEN_BYTES_MAX + 1];
	char groups[HTTP_LINE_MAX];
	char ids[HTTP_LINE_MAX];
};

static bool read_links(const struct request *q, struct playlist_params *p, struct reply *r)
{
	static const char *const names[] = {
		[LINKS_OWN] = "",      [LINKS_TS] = "ts",	[LINKS_HLS] = "hls",
		[LINKS_DASH] = "dash", [LINKS_RTSP] = "rtsp",	[LINKS_AUDIO] = "audio",
		[LINKS_MP4] = "mp4",   [LINKS_WEBSOCKET] = "ws"};
	char text[8] = "";
	int found = http_query(q->http, "format", text, sizeof(text));

	for (size_t i = 0; found >= 0 && i < array_size(names); i++)
		if (strcmp(text, names[i]) == 0) {
			p->links = (enum playlist_links)i;
			if (p->links != LINKS_RTSP || p->rtsp_base[0])
				return true;
			reply_error(r, 404, 0, "this server does not serve RTSP");
			return false;
		}
	reply_error(r, 400, 0, "format must be ts, hls, dash, rtsp, audio, mp4 or ws");
	return false;
}

/* ?links=24h: signed links, which need no token, as far as the viewer's own goes.  They are the
 * same for a minute, so that a list can be kept. */
static bool read_signed(const struct request *q, struct playlist_params *p, struct reply *r)
{
	char text[16] = "";
	int found = http_query(q->http, "links", text, sizeof(text));
	int64_t seconds;

	if (found == 0)
		return true;
	if (found < 0 || link_parse_seconds(text, &seconds) < 0 || !q->facts->link_key) {
		reply_error(r, 400, 0, "links is how long they hold, such as 24h or 7d");
		return false;
	}
	p->link_key = q->facts->link_key;
	p->link_expires_s = (q->facts->wall_us / 60000000 + 1) * 60 + seconds;
	p->link_token = "";
	/* they end with the token of a viewer who asks for them */
	if (q->token && q->token->role == TOKEN_VIEWER)
		p->link_by = tokens_name(q->facts->tokens, q->token);
	return true;
}

static bool read_params(const struct request *q, struct asked *a, struct reply *r)
{
	const struct facts *f = q->facts;
	bool query = catalog_settings(f->catalog)->flags & SETTING_REGION_QUERY;
	bool variants = true;

	if (!selection_read(q, "group", a->groups, sizeof(a->groups), r) ||
	    !selection_read(q, "ids", a->ids, sizeof(a->ids), r) ||
	    !selection_read_switch(q, "variants", &variants, r))
		return false;
	if (group_list_empty(a->groups))
		a->groups[0] = '\0';
	access_base_url(q->http, f, a->base, sizeof(a->base));
	access_rtsp_url(a->base, f, a->rtsp_base, sizeof(a->rtsp_base));
	access_region(q, a->region);
	access_link_token(q, a->token);
	a->params = (struct playlist_params){
		.base = a->base,
		.rtsp_base = a->rtsp_base,
		.region = a->region,
		.link_region = query ? a->region : "",
		.link_token = a->token,
		.groups = a->groups,
		.ids = a->ids,
		.variants = variants,
		.token = q->token,
		.wall_us = f->wall_us,
	};
	return read_links(q, &a->params, r) && read_signed(q, &a->params, r);
}

/* All that the body depends on, except time. */
static void make_key(const struct facts *f, const struct playlist_params *p, struct buf *key)
{
	const char *const texts[] = {p->base,	    p->rtsp_base, p->region, p->link_region,
				     p->link_token, p->groups,	  p->ids};

	buf_add(key, "playlist", 9);
	buf_putc(key, p->variants ? 1 : 0);
	buf_putc(key, (char)p->links);
	buf_add(key, &p->link_expires_s, sizeof(p->link_expires_s));
	buf_add(key, &p->link_by, sizeof(p->link_by));
	selection_add_key(key, f, texts, array_size(texts), p->token);
}

static int source_step(void *state, struct buf *out, int64_t *ret_expires_us)
{
	return playlist_step(state, out, ret_expires_us);
}

static void source_free(void *state)
{
	playlist_end(state);
}

/* Sets r->shared or holds r until it is set.  False without memory, or if too many makings wait. */
static bool find_body(const struct facts *f, const struct playlist_params *p, const struct buf *key,
		      struct reply *r)
{
	static const struct body_source source = {PLAYLIST_TYPE, source_step, source_free, NULL,
						  NULL};
	struct playlist *list;

	r->shared = body_cache_get(f->cache, key->data, key->len, f->wall_us);
	if (r->shared || body_maker_join(f->maker, key->data, key->len, r))
		return true;
	list = playlist_begin(f->catalog, f->guide, p);
	return list &&
	       body_maker_start(f->maker, key->data, key->len, f->wall_us, &source, list, r) == 0;
}

void playlist_handle(const struct request *q, struct reply *r)
{
	const struct facts *f = q->facts;
	_cleanup_(buf_done) struct buf key = BUF_INIT;
	struct asked a;
	bool found;

	if (!read_params(q, &a, r))
		return;
	make_key(f, &a.params, &key);
	found = buf_ok(&key) && find_body(f, &a.params, &key, r);
	if (!found) {
		reply_error(r, 503, 1, "no memory to make the playlist");
		return;
	}
	r->kind = REPLY_SHARED;
	/* the content depends on token and region, and the token is in every link */
	reply_field(r, "Cache-Control", "private, no-cache");
	reply_field(r, "Vary",
		    "X-Amps-Token, Authorization, X-Amps-Region, X-Region, "
		    "CF-IPCountry, X-Appengine-Country");
}
