/* json_fd.h - JSON trees through a memfd, as a whole.
 *
 * jansson's own loading from a descriptor reads byte by byte, one system call each: seconds for a
 * line-up of ten thousand channels. */
#ifndef AMPS_JSON_FD_H
#define AMPS_JSON_FD_H

#include <jansson.h>
#include "common/base.h"

/* The tree in the whole file, wherever its offset stands (which stays).  NULL: not JSON, or no
 * memory. */
json_t *json_fd_load(int fd);

/* Replaces the file's content by the tree, compact; the offset is then at its end.
 * 0, -ENOMEM or -Exxx. */
must_check int json_fd_save(int fd, const json_t *tree);

#endif
