/* ring_map.h - the double mapping shared by ring.c and ring_writer.c. */
#ifndef AMPS_RING_MAP_H
#define AMPS_RING_MAP_H

#include <stdint.h>

/* Maps a whole ring and its data once more behind it, so that a run across the end of the ring is
 * contiguous.  NULL on failure (errno says why). */
void *ring_map_twice(int fd, uint64_t data_bytes, int protection, uint64_t *ret_map_bytes);

#endif
