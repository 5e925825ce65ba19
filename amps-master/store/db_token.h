/* db_token.h - the tokens that the API has made, in the database: never the token itself, only its
 * SHA-256.
 *
 * Used by the database thread only; errors as in db.h. */
#ifndef AMPS_DB_TOKEN_H
#define AMPS_DB_TOKEN_H

#include <jansson.h>
#include "amps-master/store/db.h"

/* All of them, by name: entries as auth.tokens has them, with `created`.  A new reference. */
must_check int db_token_list(struct db *db, json_t **ret);

/* Adds one.  -EEXIST: the name is taken. */
must_check int db_token_add(struct db *db, const char *name, const json_t *entry);

/* -ENOENT: there is none of that name. */
must_check int db_token_delete(struct db *db, const char *name);

#endif
