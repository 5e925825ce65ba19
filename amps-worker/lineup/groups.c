#include "amps-worker/lineup/groups.h"

#include <string.h>

#include "common/text/group.h"

bool group_allowed(const struct token_entry *token, const char *group)
{
	if (!token || token->group_count == 0)
		return true;
	if (!group)
		return false;
	for (uint32_t i = 0; i < MIN(token->group_count, TOKEN_GROUPS_MAX); i++) {
		size_t n = strnlen(token->groups[i], TOKEN_GROUP_BYTES);

		if (group_equal(token->groups[i], n, group, strlen(group)))
			return true;
	}
	return false;
}
