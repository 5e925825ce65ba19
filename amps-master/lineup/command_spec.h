/* command_spec.h - what a job is told of a custom_ffmpeg command: the words to run, with the
 * placeholders replaced.  Pure. */
#ifndef AMPS_COMMAND_SPEC_H
#define AMPS_COMMAND_SPEC_H

#include "amps-master/lineup/command_words.h"

/* Makes {"argv":[...], "env":["NAME=value",...], "cwd":"..."} from a checked definition: a text, a
 * list of words, or a mapping.  With `shell: true` argv is a shell with the text, and the values of
 * the placeholders are in env.  "cwd" is "" unless given.
 * 0 and a new reference; -EINVAL with a sentence why the command cannot run in `reason`; -ENOMEM.
 */
must_check int command_spec(const json_t *definition, const struct command_values *v, json_t **ret,
			    char *reason, size_t cap);

#endif
