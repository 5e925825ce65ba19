/* range.c - see range.h */
#include "amps-worker/http/range.h"

#include <assert.h>

/* Takes a number off `s`: 1, 0 without a digit there, -ERANGE when it does not fit. */
static int take_number(struct span *s, uint64_t *ret)
{
	uint64_t n = 0;
	size_t i = 0;

	for (; i < s->len && s->at[i] >= '0' && s->at[i] <= '9'; i++) {
		unsigned digit = (unsigned)(s->at[i] - '0');

		if (n > (UINT64_MAX - digit) / 10)
			return -ERANGE;
		n = n * 10 + digit;
	}
	*s = (struct span){s->at + i, s->len - i};
	*ret = n;
	return i > 0;
}

/* "N-", "N-M" or "-N"; false if it is none of these. */
static bool read_spec(struct span s, int *ret_has_first, uint64_t *ret_first, int *ret_has_last,
		      uint64_t *ret_last)
{
	*ret_has_first = take_number(&s, ret_first);
	if (*ret_has_first < 0 || !s.len || *s.at != '-')
		return false;
	s = (struct span){s.at + 1, s.len - 1};
	*ret_has_last = take_number(&s, ret_last);
	return *ret_has_last >= 0 && s.len == 0 && (*ret_has_first || *ret_has_last);
}

enum range_verdict range_parse(struct span field, uint64_t size, uint64_t *ret_first,
			       uint64_t *ret_length)
{
	static const char unit[] = "bytes=";
	uint64_t first, last;
	int has_first, has_last;
	struct span rest, spec, more;

	if (field.len < sizeof(unit) - 1 ||
	    !span_is_nocase((struct span){field.at, sizeof(unit) - 1}, unit))
		return RANGE_WHOLE;
	rest = (struct span){field.at + sizeof(unit) - 1, field.len - (sizeof(unit) - 1)};
	if (!http_next_element(&rest, &spec) || http_next_element(&rest, &more) ||
	    !read_spec(spec, &has_first, &first, &has_last, &last))
		return RANGE_WHOLE;
	if (!has_first) { /* the last bytes */
		last = MIN(last, size);
		if (!last)
			return RANGE_UNSATISFIABLE;
		*ret_first = size - last;
		*ret_length = last;
		return RANGE_PART;
	}
	if (has_last && last < first)
		return RANGE_WHOLE;
	if (first >= size)
		return RANGE_UNSATISFIABLE;
	*ret_first = first;
	*ret_length = (has_last ? MIN(last, size - 1) : size - 1) - first + 1;
	assert(*ret_length > 0 && *ret_length <= size - first);
	return RANGE_PART;
}

bool range_allowed(struct span if_range, const char *etag)
{
	return !if_range.at || span_is(if_range, etag);
}
