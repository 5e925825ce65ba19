/* state_secret.h - a secret in a file of its own (0600), made once and kept: a token, a key. */
#ifndef AMPS_STATE_SECRET_H
#define AMPS_STATE_SECRET_H

#include "common/base.h"
#include "common/limits.h"

/* Reads the file's one line, without blanks around it.  0, -EINVAL (it is empty, or has a NUL),
 * -EMSGSIZE (longer than TOKEN_BYTES_MAX), or another -Exxx. */
must_check int state_secret_read(const char *path, char ret_secret[TOKEN_BYTES_MAX + 1]);

/* The same; a missing file is made, with so many random bytes as hexadecimal digits. */
must_check int state_secret_keep(const char *path, size_t bytes,
				 char ret_secret[TOKEN_BYTES_MAX + 1]);

#endif
