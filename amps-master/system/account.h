/* account.h - the user that a server becomes when root started it.
 *
 * The master binds its sockets and makes its folders as root, then becomes this user for good;
 * every child inherits that. */
#ifndef AMPS_ACCOUNT_H
#define AMPS_ACCOUNT_H

#include <sys/types.h>
#include "common/base.h"

#define ACCOUNT_DEFAULT "amps" /* where there is such a user */

struct account {
	bool other;  /* the server becomes uid and gid; else it stays what it is */
	bool chosen; /* the configuration names the user (perhaps root) */
	uid_t uid;
	gid_t gid;
	char name[64];
};

/* Finds the user to become: `wanted`, or for NULL the user `amps` if there is one and the folders
 * (a list up to NULL; those that do not exist yet are fine) belong to it.  Only root can become
 * another: a server that a plain user starts stays that user.  0, or -Exxx with the reason in
 * `text`. */
must_check int account_find(struct account *a, const char *wanted, const char *const folders[],
			    char *text, size_t text_cap);

/* Gives what `fd` refers to to the user, if that is another.  0 or -Exxx. */
must_check int account_give(const struct account *a, int fd);

/* Becomes the user, with its groups and without any way back.  0 or -Exxx. */
must_check int account_become(const struct account *a);

#endif
