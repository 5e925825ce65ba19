/* groups.h - comparing names of groups as people write them: letters in any case, white space
 * around them ignored.  Pure. */
#ifndef AMPS_GROUPS_H
#define AMPS_GROUPS_H

#include "common/shm/tokens.h"

/* Do two UTF-8 names mean one group?  Case is folded for Latin, Greek and Cyrillic letters. */
bool group_equal(const char *a, size_t a_len, const char *b, size_t b_len);

/* Is `group` one of a comma-separated list?  Empty elements mean nothing. */
bool group_in_list(const char *list, const char *group);

/* Is there a name in the list at all? */
bool group_list_empty(const char *list);

/* May this token (NULL: no token is needed) see a channel of this group (NULL: of no group)? */
bool group_allowed(const struct token_entry *token, const char *group);

#endif
