#include "amps-master/util/discard.h"

#include <string.h>
#include "common/limits.h"

int discard_read(const json_t *params, struct discard *ret)
{
	const json_t *value = json_object_get(params, DISCARD_KEY);

	*ret = DISCARD_NOTHING;
	if (value == NULL || json_is_null(value) || json_is_false(value))
		return 0;
	if (json_is_true(value)) {
		ret->all = true;
		return 0;
	}
	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    json_integer_value(value) > CHANNEL_ID_MAX)
		return -EINVAL;
	ret->ids[ret->count++] = (uint32_t)json_integer_value(value);
	return 0;
}

bool discard_has(const struct discard *d, uint32_t id)
{
	for (size_t i = 0; i < d->count && !d->all; i++)
		if (d->ids[i] == id)
			return true;
	return d->all;
}

int discard_add(struct discard *d, const struct discard *more)
{
	if (d->count + more->count > DISCARD_IDS_MAX)
		return -E2BIG;
	d->all = d->all || more->all;
	memcpy(d->ids + d->count, more->ids, more->count * sizeof(*d->ids));
	d->count += more->count;
	return 0;
}
