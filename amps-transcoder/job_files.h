/* job_files.h - the files beside its source that a job reads, as far as its orders name them:
 * certificates and keys of the input options, and what filters read (pictures, subtitles, fonts).
 *
 * They must be known before the sandbox is entered. */
#ifndef AMPS_JOB_FILES_H
#define AMPS_JOB_FILES_H

#include <jansson.h>
#include "amps-transcoder/options/source_options.h"
#include "common/base.h"

struct job_files {
	char **paths; /* owned */
	size_t count;
	bool network; /* a filter reads from a URL */
};

/* Collects into a zeroed struct, from the JOB message's spec.  0 or -ENOMEM (job_files_done() all
 * the same). */
must_check int job_files_collect(struct job_files *f, const json_t *spec,
				 const struct source_options *options);
void job_files_done(struct job_files *f);

#endif
