/* guide_files.h - the imported guides in the state folder, one file for each source, and the
 * snapshot that is made of them.
 *
 * A file is replaced as a whole (temporary file, fsync, rename), so there is always a complete one.
 * All of this blocks: for the guide's thread, and for the start. */
#ifndef AMPS_GUIDE_FILES_H
#define AMPS_GUIDE_FILES_H

#include <jansson.h>
#include "amps-master/store/publication.h"
#include "common/limits.h"

#define GUIDE_KEY_MAX 24

/* The catalog that guides are matched with. */
struct guide_catalog {
	int fd; /* -1 = none yet */
	uint64_t bytes;
};

/* A source, as the thread gets it. */
struct guide_spec {
	char key[GUIDE_KEY_MAX]; /* names its file */
	json_t *source;		 /* of epg.sources; borrowed */
	int keep_days, past_days;
	bool allow_private; /* streaming.allow_private */
};

/* What is known of a source's file. */
struct guide_file {
	bool present;
	int64_t fetched_wall_s; /* when it was last fetched, or found unchanged */
	uint64_t lineup;	/* guide_files_lineup() of the catalog that it was matched with */
	uint64_t programmes, channels, matched;
	bool left_out; /* it is too large beside the others */
};

/* JSON, in a sealed file in memory, so that it is not copied on its way to a worker. */
struct guide_text_file {
	int fd; /* owned; -1 = none */
	uint64_t bytes;
};

/* The text of a tree; fd -1: it cannot be made.  NULL: there was no memory for the tree. */
void guide_text_file_make(struct guide_text_file *ret, const json_t *tree);

/* What depends on the line-up: the ids and names that are matched.  Scheduled channels do not
 * count, because they come and go.  0 or -Exxx. */
must_check int guide_files_lineup(const struct guide_catalog *c, uint64_t *ret);

/* The description of the import for amps-helper (amps-helper/tasks.h); *ret is for free().  Asks
 * for the document only if it is another than that of the file, unless the line-up has changed, or
 * the document has programmes that the file lacks but that are among the kept days now. */
must_check int guide_files_describe(const char *folder, const struct guide_catalog *c,
				    const struct guide_spec *spec, int64_t wall_s, char **ret);

/* Keeps what an import has written; an empty file: what is there is still right.  0 or -Exxx:
 * -EINVAL, it is not one of these files. */
must_check int guide_files_keep(const char *folder, const char *key, int fd);

/* Removes files of other sources than these. */
void guide_files_clean(const char *folder, const struct guide_spec *specs, size_t count);

/* Makes the snapshot: of each guide id the programmes of the first source that has any.  If they
 * are more than a snapshot may hold, the largest source is left out, then the next.  `files` gets
 * what is known of each, *ret_report what matched: [{"id", "name", "epg_id", "how", "source",
 * "channel", "channel_name", "suggestions"}]; none without a catalog. */
must_check int guide_files_join(const char *folder, const struct guide_catalog *c,
				const struct guide_spec *specs, size_t count, uint64_t generation,
				struct guide_file *files, struct published *ret,
				struct guide_text_file *ret_report);

#endif
