-- schema.sql - the database of amps-master: what was loaded from the file and what was changed since.
--
-- The master's database thread is its only user.  PRAGMA user_version is 2 for this layout; a later
-- layout is reached by the migrations in amps-master/store/db.c, a newer one than known is refused.

-- Facts of the whole server, one a row:
--   settings     JSON: the model without its channels (server, auth, streaming, profiles, ...)
--   highest_id   the highest channel id ever used
--   options      JSON: how libav judged the option lists in use (amps-master/config/option_memory.h)
--   generation   the last generation of the catalog that was published with a change
--   probe        a number written only to learn whether a database that failed works again
CREATE TABLE meta (
	key TEXT PRIMARY KEY NOT NULL,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Channels.  `definition` is the entry as it stands, a JSON object; the other columns are taken from
-- it for queries.
--
-- origin     'file': as the file says; 'schedule': the same, from scheduled_streams;
--            'api': made or changed through the API
-- file_hash  of the file's entry of this id when the file was last loaded; NULL: the file has none.
--            An entry with another hash was changed in the file and wins over the API.
-- deleted    1: a tombstone, the file's channel was deleted through the API and stays so until its
--            entry in the file changes
CREATE TABLE channel (
	id INTEGER PRIMARY KEY NOT NULL CHECK (id BETWEEN 0 AND 2147483647),
	origin TEXT NOT NULL CHECK (origin IN ('file', 'api', 'schedule')),
	file_hash INTEGER CHECK (origin = 'api' OR file_hash IS NOT NULL),
	deleted INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1)),
	name TEXT NOT NULL,
	group_name TEXT,
	number TEXT,
	definition TEXT NOT NULL
) STRICT;

-- Tokens that the API has made.  `definition` is an entry of auth.tokens as JSON, with token_sha256
-- in place of the token, which is not stored, and with `created`.
CREATE TABLE token (
	name TEXT PRIMARY KEY NOT NULL,
	definition TEXT NOT NULL
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 2;
