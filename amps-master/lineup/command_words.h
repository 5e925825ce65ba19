/* command_words.h - splits a command line like a shell, and finds and replaces the placeholders
 * {source}, {id} and {name} of custom_ffmpeg.  Pure. */
#ifndef AMPS_COMMAND_WORDS_H
#define AMPS_COMMAND_WORDS_H

#include <jansson.h>
#include "common/base.h"
#include "common/text/buf.h"

/* The placeholders, in the order of command_word_names. */
enum command_word { COMMAND_SOURCE, COMMAND_ID, COMMAND_NAME, COMMAND_WORD_COUNT_ };
extern const char *const command_word_names[COMMAND_WORD_COUNT_];

/* What replaces them.  Borrowed. */
struct command_values {
	const char *text[COMMAND_WORD_COUNT_];
};

/* Splits at blanks; '...', "..." and \ as in a POSIX shell, nothing else is special.
 * 0 and an array of texts; -EINVAL: a quote is not closed; -ENOMEM. */
must_check int command_words_split(const char *text, json_t **ret_words);

/* The first placeholder in `text` that is not {source}, {id} or {name}: its beginning (at the
 * brace) and its length with both braces, or NULL.  {{ and }} are literal braces; so is a brace
 * that does not enclose a word. */
const char *command_words_unknown(const char *text, size_t *ret_len);

/* Appends one word of a command line, with the values in the place of their placeholders.  A value
 * is never split and never looked at again: its blanks, quotes and braces stay.
 * 0, or -EINVAL: the word would begin with the `-` of a value, so the program would take it for an
 * option (*ret_word says which value).  A value that is "-" alone is no option. */
must_check int command_word_expand(const char *word, const struct command_values *v,
				   struct buf *out, enum command_word *ret_word);

/* Appends a shell's command text.  A placeholder becomes the expansion of a variable, quoted by its
 * place, so that the value stays one word and the shell never reads it as a part of the text.
 * *ret_used has a bit for each variable (command_variables) that must be in the environment.
 * 0, -EINVAL as above, or -E2BIG: quotes and parentheses are nested too deeply. */
must_check int command_shell_expand(const char *text, const struct command_values *v,
				    struct buf *out, unsigned *ret_used,
				    enum command_word *ret_word);
extern const char *const command_variables[COMMAND_WORD_COUNT_];

#endif
