/* groups.h - the groups that a token may see.  Pure. */
#ifndef AMPS_GROUPS_H
#define AMPS_GROUPS_H

#include "common/shm/tokens.h"

/* May this token (NULL: no token is needed) see a channel of this group (NULL: of no group)? */
bool group_allowed(const struct token_entry *token, const char *group);

#endif
