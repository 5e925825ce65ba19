#include "amps-master/lineup.h"

#include <stdio.h>
#include <string.h>
#include "amps-master/lineup_build.h"
#include "common/hash.h"
#include "common/limits.h"

struct lineup *lineup_free(struct lineup *l)
{
	if (l == NULL)
		return NULL;
	free(l->tuners);
	pool_done(&l->pool);
	buf_done(&l->channels);
	json_decref(l->schedule);
	free(l);
	return NULL;
}

uint64_t lineup_generation(const struct lineup *l)
{
	return l->generation;
}

size_t lineup_tuner_count(const struct lineup *l)
{
	return l->tuner_count;
}

const struct lineup_tuner *lineup_tuner_at(const struct lineup *l, size_t index)
{
	return index < l->tuner_count ? &l->tuners[index] : NULL;
}

/* Index of the channel's first tuner, or of where it would be. */
static size_t channel_first(const struct lineup *l, uint32_t channel)
{
	size_t low = 0, high = l->tuner_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (l->tuners[middle].channel < channel)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_of(const struct lineup *l, size_t index, uint32_t channel)
{
	return index < l->tuner_count && l->tuners[index].channel == channel;
}

const struct lineup_tuner *lineup_find_key(const struct lineup *l, const char *key)
{
	char *end;
	unsigned long long channel = strtoull(key, &end, 10);

	if (key[0] < '0' || key[0] > '9' || channel > CHANNEL_ID_MAX)
		return NULL;
	for (size_t i = channel_first(l, (uint32_t)channel); is_of(l, i, (uint32_t)channel); i++)
		if (strcmp(l->tuners[i].key, key) == 0)
			return &l->tuners[i];
	return NULL;
}

int lineup_resolve(const struct lineup *l, uint32_t channel, const char *variant,
		   const struct lineup_tuner **ret_tuner, const struct lineup_output **ret_output)
{
	for (size_t i = channel_first(l, channel); is_of(l, i, channel); i++) {
		const struct lineup_tuner *t = &l->tuners[i];

		for (size_t o = 0; o < t->output_count; o++) {
			if (strcmp(t->outputs[o].variant, variant) != 0)
				continue;
			*ret_tuner = t;
			*ret_output = &t->outputs[o];
			return 0;
		}
	}
	return -ENOENT;
}

const struct lineup_settings *lineup_settings(const struct lineup *l)
{
	return &l->settings;
}

size_t lineup_channel_count(const struct lineup *l)
{
	return l->channel_count;
}

json_t *lineup_channels(const struct lineup *l)
{
	return json_loadb(l->channels.data, l->channels.len, 0, NULL);
}

const json_t *lineup_schedule(const struct lineup *l)
{
	return l->schedule;
}

uint64_t lineup_channel_hash(const struct lineup *l, uint32_t channel)
{
	uint64_t h = HASH_START;

	for (size_t i = channel_first(l, channel); is_of(l, i, channel); i++) {
		const struct lineup_tuner *t = &l->tuners[i];

		h = hash_u64(hash_text(h, t->key), t->hash);
		h = hash_text(h, t->unavailable);
		for (size_t o = 0; o < t->output_count; o++)
			h = hash_u64(hash_text(h, t->outputs[o].variant), t->outputs[o].hash);
	}
	return hash_end(h);
}
