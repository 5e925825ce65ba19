/* group.h - compares names of groups, ignoring case and white space around them.  Pure. */
#ifndef AMPS_GROUP_H
#define AMPS_GROUP_H

#include "common/base.h"

/* Are two UTF-8 names the same group?  Folds the case of Latin, Greek and Cyrillic letters. */
bool group_equal(const char *a, size_t a_len, const char *b, size_t b_len);

/* Is `group` in a comma-separated list?  Empty elements are skipped. */
bool group_in_list(const char *list, const char *group);

/* Does the list contain no name? */
bool group_list_empty(const char *list);

/* The lower case of a letter of up to two bytes of UTF-8, if it is at a regular distance; any other
 * character stays. */
uint32_t group_fold(uint32_t c);

#endif
