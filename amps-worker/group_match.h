/* group_match.h - comparing names of groups as people write them: letters in any case, white space
 * around them ignored.  Pure. */
#ifndef AMPS_GROUP_MATCH_H
#define AMPS_GROUP_MATCH_H

#include "common/base.h"

/* Do two UTF-8 names mean one group?  Case is folded for Latin, Greek and Cyrillic letters. */
bool group_equal(const char *a, size_t a_len, const char *b, size_t b_len);

/* Is `group` one of a comma-separated list?  Empty elements mean nothing. */
bool group_in_list(const char *list, const char *group);

/* Is there a name in the list at all? */
bool group_list_empty(const char *list);

#endif
