/* command_words.h - splits a command line like a shell, and finds the placeholders {source}, {id}
 * and {name} of custom_ffmpeg.  Pure. */
#ifndef AMPS_COMMAND_WORDS_H
#define AMPS_COMMAND_WORDS_H

#include <jansson.h>
#include "common/base.h"

/* Splits at blanks; '...', "..." and \ as in a POSIX shell, nothing else is special.
 * 0 and an array of texts; -EINVAL: a quote is not closed; -ENOMEM. */
must_check int command_words_split(const char *text, json_t **ret_words);

/* The first placeholder in `text` that is not {source}, {id} or {name}: its beginning (at the
 * brace) and its length with both braces, or NULL.  {{ and }} are literal braces; so is a brace
 * that does not enclose a word. */
const char *command_words_unknown(const char *text, size_t *ret_len);

#endif
