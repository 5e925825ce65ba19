#include "amps-helper/guide/match.h"

#include <assert.h>
#include <string.h>

#include "amps-helper/guide/name.h"
#include "common/hash.h"
#include "common/limits.h"
#include "common/search.h"

#define TARGET_NAMES_MAX 4
#define COMMON_WORD	 50 /* a word that so many channels have says nothing */

enum salt { SALT_ID = 1, SALT_STRICT, SALT_LOOSE };

struct target {
	struct guide_target public;
	struct guide_name names[TARGET_NAMES_MAX];
	size_t name_count;
};

struct channel {
	char *id;
	char *name; /* NULL: it has none yet */
	unsigned names;
	bool may;
};

/* A hash that belongs to a channel. */
struct link {
	uint64_t hash;
	uint32_t channel;
};

struct links {
	struct link *at;
	size_t count, cap;
};

struct guide_match {
	struct target *targets;
	size_t target_count;
	uint64_t *wanted; /* ids and names of targets; open addressing, 0 = free */
	size_t wanted_mask;
	struct channel *channels;
	uint32_t channel_count, channel_cap;
	uint32_t *by_id; /* number + 1; open addressing */
	size_t by_id_mask;
	struct links names, words;
};

static uint64_t salted(uint64_t hash, enum salt salt)
{
	return (hash ^ (uint64_t)salt * 0x9e3779b97f4a7c15ull) | 1;
}

static uint64_t id_hash(const char *id)
{
	return hash_end(hash_text(HASH_START, id));
}

/* ---------- targets ---------- */

static void want(struct guide_match *m, uint64_t hash)
{
	size_t at = hash & m->wanted_mask;

	assert(hash != 0); /* 0 is an empty place */
	while (m->wanted[at] != 0 && m->wanted[at] != hash)
		at = (at + 1) & m->wanted_mask;
	m->wanted[at] = hash;
}

static bool is_wanted(const struct guide_match *m, uint64_t hash)
{
	size_t at = hash & m->wanted_mask;

	while (m->wanted[at] != 0 && m->wanted[at] != hash)
		at = (at + 1) & m->wanted_mask;
	return m->wanted[at] != 0;
}

static int read_target(struct guide_match *m, const json_t *from, struct target *t)
{
	const char *id = json_string_value(json_array_get(from, 0));

	if (id == NULL)
		return -EINVAL;
	t->public = (struct guide_target){.id = strdup(id), .channel = GUIDE_NONE};
	if (t->public.id == NULL)
		return -ENOMEM;
	want(m, salted(id_hash(id), SALT_ID));
	for (size_t i = 1; i < json_array_size(from) && t->name_count < TARGET_NAMES_MAX; i++) {
		const char *text = json_string_value(json_array_get(from, i));
		struct guide_name name =
			text != NULL ? guide_name_of(text) : (struct guide_name){0};

		if (name.strict == 0)
			continue;
		want(m, salted(name.strict, SALT_STRICT));
		if (name.loose != 0)
			want(m, salted(name.loose, SALT_LOOSE));
		t->names[t->name_count++] = name;
	}
	return 0;
}

int guide_match_new(const json_t *targets, struct guide_match **ret)
{
	struct guide_match *m = calloc(1, sizeof(*m));
	size_t n = json_array_size(targets), size = 64;
	int r = 0;

	if (m == NULL)
		return -ENOMEM;
	while (size < n * (1 + 2 * TARGET_NAMES_MAX) * 3 / 2)
		size *= 2;
	assert((size & (size - 1)) == 0);
	m->wanted_mask = size - 1;
	m->wanted = calloc(size, sizeof(*m->wanted));
	m->targets = calloc(MAX(n, 1u), sizeof(*m->targets));
	m->by_id_mask = 1023;
	m->by_id = calloc(m->by_id_mask + 1, sizeof(*m->by_id));
	if (m->wanted == NULL || m->targets == NULL || m->by_id == NULL)
		r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = read_target(m, json_array_get(targets, i), &m->targets[m->target_count++]);
	if (r < 0)
		guide_match_free(m);
	else
		*ret = m;
	return r;
}

void guide_match_free(struct guide_match *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < m->target_count; i++)
		free((char *)(uintptr_t)m->targets[i].public.id);
	for (uint32_t i = 0; i < m->channel_count; i++) {
		free(m->channels[i].id);
		free(m->channels[i].name);
	}
	free(m->targets);
	free(m->wanted);
	free(m->channels);
	free(m->by_id);
	free(m->names.at);
	free(m->words.at);
	free(m);
}

/* ---------- channels of the guide ---------- */

/* Where the id is, or belongs. */
static uint32_t *find(const struct guide_match *m, const char *id)
{
	size_t at = id_hash(id) & m->by_id_mask;

	while (m->by_id[at] != 0 && strcmp(m->channels[m->by_id[at] - 1].id, id) != 0)
		at = (at + 1) & m->by_id_mask;
	return &m->by_id[at];
}

static int grow(struct guide_match *m)
{
	uint32_t cap = m->channel_cap > 0 ? 2 * m->channel_cap : 512, *slots;
	struct channel *channels = reallocarray(m->channels, cap, sizeof(*channels));

	if (channels == NULL)
		return -ENOMEM;
	m->channels = channels;
	m->channel_cap = cap;
	slots = calloc(2ul * cap, sizeof(*slots));
	if (slots == NULL)
		return -ENOMEM;
	free(m->by_id);
	m->by_id = slots;
	m->by_id_mask = 2ul * cap - 1;
	assert(m->channel_count < cap);
	for (uint32_t i = 0; i < m->channel_count; i++)
		*find(m, m->channels[i].id) = i + 1;
	return 0;
}

int guide_match_channel(struct guide_match *m, const char *id, uint32_t *ret)
{
	uint32_t *slot = find(m, id);
	struct channel *c;
	int r = 0;

	if (*slot != 0) {
		*ret = *slot - 1;
		return 0;
	}
	if (m->channel_count == GUIDE_CHANNELS_MAX)
		return -E2BIG;
	if (m->channel_count == m->channel_cap)
		r = grow(m);
	if (r < 0)
		return r;
	c = &m->channels[m->channel_count];
	*c = (struct channel){.id = strdup(id), .may = is_wanted(m, salted(id_hash(id), SALT_ID))};
	if (c->id == NULL)
		return -ENOMEM;
	*ret = m->channel_count++;
	*find(m, id) = m->channel_count;
	/* find() ends at an empty place */
	assert(m->channel_count <= (m->by_id_mask + 1) / 2);
	return 0;
}

static int link_add(struct links *l, uint64_t hash, uint32_t channel)
{
	struct link *grown;

	if (l->count == l->cap) {
		l->cap = l->cap > 0 ? 2 * l->cap : 1024;
		grown = reallocarray(l->at, l->cap, sizeof(*grown));
		if (grown == NULL)
			return -ENOMEM;
		l->at = grown;
	}
	assert(l->count < l->cap);
	l->at[l->count++] = (struct link){hash, channel};
	return 0;
}

int guide_match_name(struct guide_match *m, uint32_t channel, const char *text)
{
	struct channel *c = &m->channels[channel];
	struct guide_name name = guide_name_of(text);
	int r;

	assert(channel < m->channel_count);
	if (name.strict == 0 || c->names == GUIDE_NAMES_MAX)
		return 0;
	if (c->name == NULL && (c->name = strdup(text)) == NULL)
		return -ENOMEM;
	c->names++;
	r = link_add(&m->names, salted(name.strict, SALT_STRICT), channel);
	if (r == 0 && name.loose != 0)
		r = link_add(&m->names, salted(name.loose, SALT_LOOSE), channel);
	for (size_t i = 0; r == 0 && i < name.word_count; i++)
		r = link_add(&m->words, name.words[i], channel);
	c->may |= is_wanted(m, salted(name.strict, SALT_STRICT)) ||
		  is_wanted(m, salted(name.loose, SALT_LOOSE));
	return r;
}

bool guide_match_may(const struct guide_match *m, uint32_t channel)
{
	assert(channel < m->channel_count);
	return m->channels[channel].may;
}

const char *guide_match_channel_id(const struct guide_match *m, uint32_t channel)
{
	assert(channel < m->channel_count);
	return m->channels[channel].id;
}

const char *guide_match_channel_name(const struct guide_match *m, uint32_t channel)
{
	const struct channel *c = &m->channels[channel];

	assert(channel < m->channel_count);
	return c->name != NULL ? c->name : c->id;
}

uint32_t guide_match_channel_count(const struct guide_match *m)
{
	return m->channel_count;
}

/* ---------- the decision ---------- */

static int compare_links(const void *a, const void *b)
{
	const struct link *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return (x->channel > y->channel) - (x->channel < y->channel);
}

/* The first link of this hash, or the end. */
static size_t first_link(const struct links *l, uint64_t hash)
{
	const struct link key = {.hash = hash};

	return search_first(&key, l->at, l->count, sizeof(key), compare_links);
}

static void add_hint(struct guide_target *t, uint32_t channel)
{
	assert(t->hint_count <= GUIDE_HINTS_MAX);
	for (size_t i = 0; i < t->hint_count; i++)
		if (t->hints[i] == channel)
			return;
	if (t->hint_count < GUIDE_HINTS_MAX)
		t->hints[t->hint_count++] = channel;
}

/* The channels with any of the target's names, read in one way: sets the match if there is one
 * only.  True: there is at least one. */
static bool match_names(const struct guide_match *m, struct target *t, enum salt salt)
{
	uint32_t found = GUIDE_NONE;
	bool several = false;

	for (size_t i = 0; i < t->name_count; i++) {
		uint64_t hash = salt == SALT_STRICT ? t->names[i].strict : t->names[i].loose;
		uint64_t wanted = salted(hash, salt);

		if (hash == 0)
			continue;
		for (size_t at = first_link(&m->names, wanted);
		     at < m->names.count && m->names.at[at].hash == wanted; at++) {
			several |= found != GUIDE_NONE && found != m->names.at[at].channel;
			found = m->names.at[at].channel;
			add_hint(&t->public, found);
		}
	}
	if (found == GUIDE_NONE)
		return false;
	assert(found < m->channel_count);
	t->public.how = several ? GUIDE_AMBIGUOUS : GUIDE_BY_NAME;
	if (several)
		return true;
	t->public.channel = found;
	t->public.hint_count = 0;
	return true;
}

struct vote {
	uint32_t channel, votes;
};

static int compare_votes(const void *a, const void *b)
{
	const struct vote *x = a, *y = b;

	if (x->votes != y->votes)
		return x->votes > y->votes ? -1 : 1;
	return (x->channel > y->channel) - (x->channel < y->channel);
}

static void suggest(const struct guide_match *m, struct target *t)
{
	struct vote votes[256];
	const struct guide_name *name = &t->names[0];
	size_t count = 0;

	for (size_t i = 0; t->name_count > 0 && i < name->word_count; i++) {
		size_t first = first_link(&m->words, name->words[i]), at = first, v;

		while (at < m->words.count && m->words.at[at].hash == name->words[i])
			at++;
		for (size_t k = first; k < at && at - first < COMMON_WORD; k++) {
			for (v = 0; v < count && votes[v].channel != m->words.at[k].channel; v++)
				;
			if (v == count && count < array_size(votes))
				votes[count++] = (struct vote){m->words.at[k].channel, 0};
			if (v < count)
				votes[v].votes++;
		}
	}
	qsort(votes, count, sizeof(votes[0]), compare_votes);
	for (size_t i = 0; i < count; i++)
		add_hint(&t->public, votes[i].channel);
}

void guide_match_resolve(struct guide_match *m)
{
	if (m->names.count > 0)
		qsort(m->names.at, m->names.count, sizeof(m->names.at[0]), compare_links);
	if (m->words.count > 0)
		qsort(m->words.at, m->words.count, sizeof(m->words.at[0]), compare_links);
	for (size_t i = 0; i < m->target_count; i++) {
		struct target *t = &m->targets[i];
		uint32_t *slot = find(m, t->public.id);

		assert(t->public.how == GUIDE_NOTHING);
		if (*slot != 0) {
			t->public.how = GUIDE_BY_ID;
			t->public.channel = *slot - 1;
		} else if (!match_names(m, t, SALT_STRICT) && !match_names(m, t, SALT_LOOSE)) {
			suggest(m, t);
		}
	}
}

size_t guide_match_target_count(const struct guide_match *m)
{
	return m->target_count;
}

const struct guide_target *guide_match_target(const struct guide_match *m, size_t index)
{
	assert(index < m->target_count);
	return &m->targets[index].public;
}
