/* shm.h - sealed memory shared between the processes of Amps (memfd_create(2), fcntl(2) seals).
 *
 * The master creates every object.  Snapshots (catalog, tokens) are written, sealed completely and
 * then handed out; live objects (rings, tables, pages) are allocated at creation and sealed against
 * resizing, so that a reader never gets SIGBUS.  Once the single writer has mapped a live object,
 * F_SEAL_FUTURE_WRITE prevents every other process of the same uid from writing to it. */
#ifndef AMPS_SHM_H
#define AMPS_SHM_H

#include "common/base.h"

/* Creates a live object of `bytes` zeroed bytes with its memory allocated (else -ENOMEM, -ENOSPC),
 * sealed SHRINK|GROW.  Returns a close-on-exec descriptor or -Exxx. */
must_check int shm_create(const char *name, size_t bytes);

/* Adds F_SEAL_FUTURE_WRITE|F_SEAL_SEAL and verifies all seals of a live object.  0 or -Exxx. */
must_check int shm_seal_writer(int fd);

/* Creates a fully sealed snapshot with this content.  Returns a descriptor or -Exxx. */
must_check int shm_snapshot(const char *name, const void *bytes, size_t n);

/* The same in two steps: the descriptor of an empty object to write to, and its seals. */
must_check int shm_begin(const char *name);
must_check int shm_end(int fd);

/* Checks that fd is a memfd of exactly `bytes` bytes that can neither shrink nor grow, and that it
 * can no longer be written to (`immutable`: not even through old mappings).  0 or -EPERM/-EINVAL.
 */
must_check int shm_verify(int fd, size_t bytes, bool immutable);

/* Maps a whole object.  NULL on failure (errno says why).  The descriptor may be closed. */
void *shm_map_read(int fd, size_t bytes);
void *shm_map_write(int fd, size_t bytes);
void shm_unmap(const void *map, size_t bytes);

#endif
