/* guide.c - see guide.h; RFC 9110 */
#include "amps-worker/lineup/guide.h"

#include <assert.h>
#include <string.h>

#include "amps-worker/http/access.h"
#include "amps-worker/http/body_maker.h"
#include "amps-worker/http/reply.h"
#include "amps-worker/lineup/guide_list.h"
#include "amps-worker/lineup/selection.h"
#include "common/text/group.h"

#define XML_TYPE  "application/xml"
#define JSON_TYPE "application/json"

/* Parameters read from a request, with their storage. */
struct asked {
	struct guide_params params;
	char base[BASE_URL_MAX];
	char region[3];
	char token[TOKEN_BYTES_MAX + 1];
	char groups[HTTP_LINE_MAX];
	char ids[HTTP_LINE_MAX];
};

static bool read_params(const struct request *q, enum guide_form form, struct asked *a,
			struct reply *r)
{
	const struct facts *f = q->facts;
	bool query = catalog_settings(f->catalog)->flags & SETTING_REGION_QUERY, now = false;

	if (!selection_read(q, "group", a->groups, sizeof(a->groups), r) ||
	    !selection_read(q, "ids", a->ids, sizeof(a->ids), r) ||
	    !selection_read_switch(q, "now", &now, r))
		return false;
	if (group_list_empty(a->groups))
		a->groups[0] = '\0';
	access_base_url(q->http, f, a->base, sizeof(a->base));
	access_region(q, a->region);
	access_link_token(q, a->token);
	a->params = (struct guide_params){
		.form = form == GUIDE_JSON && now ? GUIDE_JSON_NOW : form,
		.base = a->base,
		.region = a->region,
		.link_region = query ? a->region : "",
		.link_token = a->token,
		.groups = a->groups,
		.ids = a->ids,
		.token = q->token,
		.wall_us = f->wall_us,
	};
	return true;
}

/* All that the document depends on, except time. */
static void make_key(const struct facts *f, const struct guide_params *p, struct buf *key)
{
	const char *const texts[] = {p->base,	    p->region, p->link_region,
				     p->link_token, p->groups, p->ids};

	buf_add(key, "guide", 5);
	buf_putc(key, (char)p->form);
	selection_add_key(key, f, texts, array_size(texts), p->token);
}

static int source_step(void *state, struct buf *out, int64_t *ret_expires_us)
{
	return guide_list_step(state, out, ret_expires_us);
}

static void source_free(void *state)
{
	guide_list_end(state);
}

static struct body_follow *source_follow(void *state)
{
	return guide_list_follow(state);
}

static int64_t source_changed_us(void *state)
{
	return guide_list_changed_us(state);
}

/* Sets r->shared or holds r until it is set.  0, -ENOMEM, -EBUSY (too many makings wait), -EFBIG.
 */
static int find_body(const struct facts *f, const struct guide_params *p, const struct buf *key,
		     struct reply *r)
{
	static const struct body_source xml = {XML_TYPE, source_step, source_free, source_follow,
					       source_changed_us};
	static const struct body_source json = {JSON_TYPE, source_step, source_free, NULL,
						source_changed_us};
	struct guide_list *list;

	r->shared = body_cache_get(f->cache, key->data, key->len, f->wall_us);
	if (r->shared || body_maker_join(f->maker, key->data, key->len, r))
		return 0;
	list = guide_list_begin(f->catalog, f->guide, p);
	return list ? body_maker_start(f->maker, key->data, key->len, f->wall_us,
				       p->form == GUIDE_XML ? &xml : &json, list, r)
		    : -ENOMEM;
}

static void answer(const struct request *q, enum guide_form form, struct reply *r)
{
	const struct facts *f = q->facts;
	_cleanup_(buf_done) struct buf key = BUF_INIT;
	struct asked a;
	int error;

	if (!read_params(q, form, &a, r))
		return;
	make_key(f, &a.params, &key);
	error = buf_ok(&key) ? find_body(f, &a.params, &key, r) : -ENOMEM;
	if (error == -EFBIG) {
		reply_error(r, 413, 0, "%s", BODY_TOO_LARGE);
		return;
	}
	if (error < 0) {
		reply_error(r, 503, 1, "no memory to make the guide");
		return;
	}
	r->kind = REPLY_SHARED;
	/* not when the document was made: the current one may be older than the last change */
	r->modified_s = f->lineup_s;
	/* the content depends on token and region, and the token is in every link */
	reply_field(r, "Cache-Control", "private, no-cache");
	reply_field(r, "Vary",
		    "X-Amps-Token, Authorization, X-Amps-Region, X-Region, "
		    "CF-IPCountry, X-Appengine-Country");
}

void guide_xml(const struct request *q, struct reply *r)
{
	answer(q, GUIDE_XML, r);
}

void guide_xml_gz(const struct request *q, struct reply *r)
{
	answer(q, GUIDE_XML, r);
	if (r->kind == REPLY_SHARED)
		r->packed_type = "application/gzip";
}

void guide_json(const struct request *q, struct reply *r)
{
	answer(q, GUIDE_JSON, r);
}
