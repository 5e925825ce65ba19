#include "amps-worker/live/rights.h"

#include <assert.h>

#include "amps-worker/context/context.h"
#include "amps-worker/lineup/groups.h"
#include "amps-worker/live/viewer.h"
#include "common/clock.h"
#include "common/log/log.h"

/* What the server publishes now. */
struct facts_now {
	const struct catalog *catalog;
	const struct tokens *tokens;
	const struct geoip *geoip;
	bool auth;
	int64_t wall_us;
};

/* May it be where the viewer is? */
static bool region_allows(const struct facts_now *f, const struct viewer_record *r,
			  const struct catalog_channel *channel)
{
	struct in6_addr address;
	char region[3];

	if (!r->located)
		return catalog_region_allowed(f->catalog, channel, r->region);
	memcpy(&address, r->address, sizeof(address));
	if (!geoip_find(f->geoip, &address, region))
		region[0] = '\0';
	return catalog_region_allowed(f->catalog, channel, region);
}

static bool may_stay(const struct facts_now *f, const struct viewer_record *r)
{
	const struct catalog_channel *channel = catalog_find(f->catalog, r->channel);
	uint64_t name = atomic_load_explicit(&r->token, memory_order_relaxed);
	const struct token_entry *token =
		f->auth && name ? tokens_by_name(f->tokens, name, f->wall_us) : NULL;

	if (f->auth && r->until_wall_us && f->wall_us >= r->until_wall_us)
		return false;
	/* a link needs no token, but keeps the one that it was made with */
	if (f->auth && !token && (name || !r->until_wall_us))
		return false;
	if (!channel)
		return true; /* the master ends its outputs */
	return group_allowed(token, catalog_text(f->catalog, channel->group_at)) &&
	       region_allows(f, r, channel);
}

static size_t end_others(struct rights *rights, const struct records *all,
			 const struct facts_now *f)
{
	size_t ended = 0;

	rights->next_wall_us = f->auth ? tokens_next_expiry(f->tokens, f->wall_us) : INT64_MAX;
	for (uint32_t i = 0; i < all->used; i++) {
		const struct viewer_record *r = &worker_page_records(all->context->page)[i];
		const struct record_owner *o = &all->owners[i];

		if (!o->viewer && !o->session)
			continue;
		if (may_stay(f, r)) {
			if (r->until_wall_us)
				rights->next_wall_us = MIN(rights->next_wall_us, r->until_wall_us);
			continue;
		}
		ended++;
		if (o->viewer)
			viewer_end(o->viewer, VIEWER_END_KICKED);
		else
			o->end(o->session);
	}
	return ended;
}

void rights_tick(struct rights *rights, struct records *records, int64_t wall_us)
{
	const struct context *x = records->context;
	struct facts_now f = {.catalog = context_catalog(x),
			      .tokens = context_tokens(x),
			      .geoip = context_geoip(x),
			      .wall_us = wall_us};
	size_t ended;

	if (!f.catalog || !f.tokens)
		return;
	if (rights->tokens == tokens_generation(f.tokens) &&
	    rights->catalog == catalog_generation(f.catalog) &&
	    rights->geoip == geoip_generation(f.geoip) && wall_us < rights->next_wall_us &&
	    wall_us < records->next_end_wall_us)
		return;
	rights->tokens = tokens_generation(f.tokens);
	rights->catalog = catalog_generation(f.catalog);
	rights->geoip = geoip_generation(f.geoip);
	records->next_end_wall_us = INT64_MAX;
	f.auth = catalog_settings(f.catalog)->auth_enabled;
	ended = end_others(rights, records, &f);
	if (ended)
		log_info("ended viewers that are no longer allowed to watch viewers=%zu", ended);
}
