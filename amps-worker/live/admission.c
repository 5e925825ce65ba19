/* admission.c - see admission.h */
#include "amps-worker/live/admission.h"

#include <string.h>

#include "amps-worker/context/context.h"
#include "amps-worker/http/access.h"
#include "amps-worker/lineup/groups.h"
#include "common/clock.h"
#include "common/shm/worker_page.h"
#include "common/text/text.h"

const struct catalog_channel *admission_channel(const struct request *q, struct span segment,
						struct reply *r)
{
	const struct catalog *c = q->facts->catalog;
	const struct catalog_channel *channel = NULL;
	char text[24];
	uint64_t id;

	if (http_decode_segment(segment, text, sizeof(text)) == 0 &&
	    text_parse_u64(text, CHANNEL_ID_MAX, &id) == 0)
		channel = catalog_find(c, (uint32_t)id);
	if (!channel)
		reply_error(r, 404, 0, "there is no such channel");
	else if (!catalog_on_air(channel, q->facts->wall_us))
		reply_error(r, 404, 0, "the channel is off the air");
	else
		return channel;
	return NULL;
}

bool admission_allowed(const struct request *q, const struct catalog_channel *channel,
		       struct reply *r)
{
	const struct catalog *c = q->facts->catalog;
	char region[3];

	access_region(q, region);
	if (!catalog_region_allowed(c, channel, region)) {
		reply_error(r, 403, 0,
			    region[0] ? "the channel may not be watched in region %s"
				      : "the channel may be watched in known regions only%s",
			    region);
		return false;
	}
	if (!group_allowed(q->token, catalog_text(c, channel->group_at))) {
		reply_error(r, 403, 0, "the token does not include the channel's group");
		return false;
	}
	return true;
}

uint64_t admission_token_name(const struct request *q)
{
	return q->token ? tokens_name(q->facts->tokens, q->token) : 0;
}

bool admission_token_room(const struct request *q)
{
	const struct facts *f = q->facts;
	uint64_t name = admission_token_name(q), viewers = 0;

	if (!q->token || q->token->max_viewers == 0)
		return true;
	for (unsigned i = 0; i < f->worker_count; i++)
		if (f->worker_pages[i])
			viewers += worker_page_token_viewers(f->worker_pages[i], name);
	return viewers < q->token->max_viewers;
}

static const struct held_error token_full = {429, "the token has all the viewers it may have"};
static const struct held_error token_gone = {401, "a valid token is needed"};

void admission_refuse_token(struct reply *r)
{
	reply_error(r, token_full.status, RETRY_AFTER_S, "%s", token_full.text);
}

const struct held_error *admission_refused_grant(const struct context *x, uint64_t token)
{
	/* every worker has the tokens by which the master decides */
	return tokens_by_name(context_tokens(x), token, clock_wall_us()) ? &token_full
									 : &token_gone;
}

bool admission_variant(const struct request *q, const struct catalog_channel *channel,
		       struct reply *r, const struct catalog_variant **ret)
{
	char name[VARIANT_NAME_MAX + 1];
	int found = http_query(q->http, "variant", name, sizeof(name));

	*ret = NULL;
	if (found == -EINVAL) {
		reply_error(r, 400, 0, "variant is not properly encoded");
		return false;
	}
	if (found == 0 || (found == 1 && !name[0]))
		return true;
	if (found == 1)
		*ret = catalog_find_variant(q->facts->catalog, channel, name);
	if (!*ret)
		reply_error(r, 404, 0, "the channel has no such variant");
	return *ret != NULL;
}

bool admission_playable(const struct request *q, const struct catalog_channel *channel,
			const struct catalog_variant *variant, struct reply *r)
{
	uint32_t at = variant ? variant->unavailable_at : channel->unavailable_at;
	const char *reason = catalog_text(q->facts->catalog, at);

	if (reason)
		reply_error(r, 502, 0, "the channel cannot play: %s", reason);
	return !reason;
}
