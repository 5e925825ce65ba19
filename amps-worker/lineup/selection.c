#include "amps-worker/lineup/selection.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "amps-worker/http/reply.h"
#include "amps-worker/lineup/groups.h"
#include "common/text/group.h"
#include "common/text/text.h"

/* ?ids= as numbers; no valid number means no filter. */
struct id_filter {
	size_t count;
	uint64_t ids[FILTER_IDS_MAX];
};

static int compare_ids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void parse_ids(const char *list, struct id_filter *f)
{
	struct span rest = {list, strlen(list)}, id;

	f->count = 0;
	while (f->count < FILTER_IDS_MAX && http_next_element(&rest, &id)) {
		char text[24];

		snprintf(text, sizeof(text), "%.*s", (int)MIN(id.len, sizeof(text)), id.at);
		if (id.len < sizeof(text) &&
		    text_parse_u64(text, UINT64_MAX, &f->ids[f->count]) == 0)
			f->count++;
	}
	qsort(f->ids, f->count, sizeof(f->ids[0]), compare_ids);
}

int selection_begin(struct selection *s)
{
	assert(!s->filter && s->catalog && s->groups && s->ids && s->region);
	s->filter = calloc(1, sizeof(*s->filter));
	if (!s->filter)
		return -ENOMEM;
	parse_ids(s->ids, s->filter);
	s->expires_us = INT64_MAX;
	return 0;
}

void selection_end(struct selection *s)
{
	free(s->filter);
	s->filter = NULL;
}

/* Remembers the last group: neighbours mostly share one, and the list may be as long as a request
 * line. */
static bool group_wanted(struct selection *s, const char *group)
{
	if (!s->groups[0])
		return true;
	if (!group)
		return false;
	if (!s->seen_group || strcmp(s->seen_group, group) != 0) {
		s->seen_group = group;
		s->seen_wanted = group_in_list(s->groups, group);
	}
	return s->seen_wanted;
}

void selection_expire(struct selection *s, int64_t us)
{
	if (us == TIME_NONE)
		return;
	if (us > s->wall_us)
		s->expires_us = MIN(s->expires_us, us);
	else
		s->changed_us = MAX(s->changed_us, us);
}

bool selection_has(struct selection *s, const struct catalog_channel *ch)
{
	const struct id_filter *ids = s->filter;
	const char *group = catalog_text(s->catalog, ch->group_at);
	uint64_t id = ch->id;

	if (ids->count > 0 && !bsearch(&id, ids->ids, ids->count, sizeof(id), compare_ids))
		return false;
	if (!group_wanted(s, group) || !group_allowed(s->token, group))
		return false;
	if (!catalog_region_allowed(s->catalog, ch, s->region))
		return false;
	if (ch->flags & CHANNEL_SCHEDULED) {
		selection_expire(s, ch->start_wall_us);
		selection_expire(s, ch->end_wall_us);
	}
	return catalog_on_air(ch, s->wall_us);
}

void selection_add_key(struct buf *key, const struct facts *f, const char *const *texts,
		       size_t count, const struct token_entry *token)
{
	uint64_t content = catalog_content_hash(f->catalog);
	uint64_t imported = f->guide ? guide_header(f->guide)->snapshot.generation : 0;

	buf_add(key, &imported, sizeof(imported));
	buf_add(key, &content, sizeof(content));
	/* each with its NUL: two lists of texts never have the same bytes */
	for (size_t i = 0; i < count; i++)
		buf_add(key, texts[i], strlen(texts[i]) + 1);
	if (token)
		buf_add(key, token->groups,
			MIN(token->group_count, TOKEN_GROUPS_MAX) * TOKEN_GROUP_BYTES);
}

bool selection_read(const struct request *q, const char *name, char *dst, size_t cap,
		    struct reply *r)
{
	int found = http_query(q->http, name, dst, cap);

	if (found < 0) {
		reply_error(r, 400, 0, "%s is not properly encoded", name);
		return false;
	}
	if (found == 0)
		dst[0] = '\0';
	return true;
}

bool selection_read_switch(const struct request *q, const char *name, bool *ret, struct reply *r)
{
	char text[HTTP_LINE_MAX];

	if (!selection_read(q, name, text, sizeof(text), r))
		return false;
	if (text[0])
		*ret = strcasecmp(text, "false") != 0 && strcmp(text, "0") != 0 &&
		       strcasecmp(text, "no") != 0;
	return true;
}
