#include "amps-master/lineup/command_words.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

#include "common/text/buf.h"

/* The state of the splitter: the open quote, and the word read so far. */
struct splitter {
	char quote; /* ' or " or 0 */
	bool in_word;
	struct buf word;
	json_t *words;
};

static int word_end(struct splitter *s)
{
	json_t *word;

	assert(s->in_word || s->word.len == 0);
	if (!s->in_word)
		return 0;
	s->in_word = false;
	word = json_stringn(s->word.data != NULL ? s->word.data : "", s->word.len);
	buf_reset(&s->word);
	return json_array_append_new(s->words, word);
}

/* Takes one character, or a backslash and the one behind it; returns how many, 0 without memory. */
static size_t step(struct splitter *s, const char *p)
{
	/* inside "...", a backslash only escapes these four characters */
	bool escapes = *p == '\\' && p[1] != '\0' && s->quote != '\'' &&
		       (s->quote == 0 || strchr("\"\\$`", p[1]) != NULL);

	if (s->quote == 0 && isspace((unsigned char)*p))
		return word_end(s) == 0 ? 1 : 0;
	s->in_word = true;
	if (escapes) {
		buf_putc(&s->word, p[1]);
		return 2;
	}
	if (s->quote == 0 && (*p == '\'' || *p == '"'))
		s->quote = *p;
	else if (s->quote != 0 && *p == s->quote)
		s->quote = 0;
	else
		buf_putc(&s->word, *p);
	return 1;
}

int command_words_split(const char *text, json_t **ret_words)
{
	struct splitter s = {.words = json_array()};
	int error = s.words != NULL ? 0 : -ENOMEM;

	while (error == 0 && *text != '\0') {
		size_t n = step(&s, text);

		if (n == 0)
			error = -ENOMEM;
		text += n;
	}
	if (error == 0 && s.quote != 0)
		error = -EINVAL;
	if (error == 0 && (word_end(&s) < 0 || !buf_ok(&s.word)))
		error = -ENOMEM;
	buf_done(&s.word);
	if (error == 0)
		*ret_words = TAKE_PTR(s.words);
	json_decref(s.words);
	return error;
}

const char *const command_word_names[COMMAND_WORD_COUNT_] = {"source", "id", "name"};
const char *const command_variables[COMMAND_WORD_COUNT_] = {"AMPS_SOURCE", "AMPS_ID", "AMPS_NAME"};

static bool find_word(const char *word, size_t n, enum command_word *ret)
{
	for (size_t i = 0; i < array_size(command_word_names); i++) {
		if (strlen(command_word_names[i]) == n &&
		    memcmp(command_word_names[i], word, n) == 0) {
			*ret = (enum command_word)i;
			return true;
		}
	}
	return false;
}

/* What is at a place of the text. */
enum piece { PIECE_TEXT, PIECE_BRACE, PIECE_VALUE, PIECE_UNKNOWN };

/* Reads the piece at `p`, which is no NUL: a character, a doubled brace, or a word in braces. */
static enum piece piece_at(const char *p, size_t *ret_len, enum command_word *ret_word)
{
	size_t n = 0;

	*ret_len = 1;
	if ((*p == '{' || *p == '}') && p[1] == *p) {
		*ret_len = 2;
		return PIECE_BRACE;
	}
	if (*p != '{')
		return PIECE_TEXT;
	while (isalnum((unsigned char)p[1 + n]) || p[1 + n] == '_')
		n++;
	if (n == 0 || p[1 + n] != '}')
		return PIECE_TEXT;
	*ret_len = n + 2;
	return find_word(p + 1, n, ret_word) ? PIECE_VALUE : PIECE_UNKNOWN;
}

const char *command_words_unknown(const char *text, size_t *ret_len)
{
	enum command_word word;
	size_t n;

	for (const char *p = text; *p != '\0'; p += n) {
		if (piece_at(p, &n, &word) == PIECE_UNKNOWN) {
			*ret_len = n;
			return p;
		}
	}
	return NULL;
}

static bool is_option(const char *value)
{
	return value[0] == '-' && value[1] != '\0';
}

int command_word_expand(const char *word, const struct command_values *v, struct buf *out,
			enum command_word *ret_word)
{
	size_t begin = out->len, n;

	for (const char *p = word; *p != '\0'; p += n) {
		enum command_word which = COMMAND_SOURCE;
		enum piece piece = piece_at(p, &n, &which);

		if (piece == PIECE_VALUE && out->len == begin && is_option(v->text[which])) {
			*ret_word = which;
			return -EINVAL;
		}
		if (piece == PIECE_VALUE)
			buf_puts(out, v->text[which]);
		else
			buf_add(out, p, piece == PIECE_BRACE ? 1 : n);
	}
	return 0;
}

#define SHELL_DEPTH_MAX 32

/* Where in a shell's text we are: the quotes, parentheses and backquotes that are open, or '#' for
 * a comment. */
struct shell {
	char open[SHELL_DEPTH_MAX];
	size_t depth;
	bool word_begins;
};

static char innermost(const struct shell *s)
{
	return s->depth > 0 ? s->open[s->depth - 1] : '\0';
}

static int enter(struct shell *s, char what)
{
	if (s->depth == array_size(s->open))
		return -E2BIG;
	s->open[s->depth++] = what;
	return 0;
}

/* Follows one character that is not escaped.  `before` is the one in front of it. */
static int follow(struct shell *s, char c, char before)
{
	char inside = innermost(s);

	if (inside == '\'' || inside == '#') {
		s->depth -= c == (inside == '#' ? '\n' : inside);
		return 0;
	}
	if (inside == '(' ? c == ')' : c == inside && c != '\0') {
		s->depth--;
		return 0;
	}
	if (c == '`' || c == '"' || (c == '(' && (inside != '"' || before == '$')) ||
	    (c == '\'' && inside != '"') || (c == '#' && inside != '"' && s->word_begins))
		return enter(s, c);
	return 0;
}

static void put_variable(const struct shell *s, enum command_word which, struct buf *out)
{
	static const struct {
		char inside;
		const char *before, *after;
	} quotes[] = {{'"', "", ""}, {'\'', "'\"", "\"'"}};
	const char *before = "\"", *after = "\"";

	for (size_t i = 0; i < array_size(quotes); i++) {
		if (quotes[i].inside == innermost(s)) {
			before = quotes[i].before;
			after = quotes[i].after;
		}
	}
	buf_printf(out, "%s${%s}%s", before, command_variables[which], after);
}

/* A backslash takes the meaning of the character behind it.  In front of a placeholder it is left
 * out, because it would escape the quote of the expansion. */
static size_t put_escape(const char *p, struct buf *out)
{
	enum command_word which;
	size_t n;

	if (p[1] != '\0' && piece_at(p + 1, &n, &which) == PIECE_VALUE)
		return 1;
	n = p[1] != '\0' && p[1] != '{' && p[1] != '}' ? 2 : 1;
	buf_add(out, p, n);
	return n;
}

static bool is_quote(char c)
{
	return c == '\'' || c == '"';
}

/* Does a word begin behind this character?  Behind a blank or an operator that is not quoted;
 * quotes are no part of a word. */
static bool word_begins(const struct shell *s, char c)
{
	if (is_quote(c))
		return s->word_begins;
	return !is_quote(innermost(s)) &&
	       (isspace((unsigned char)c) || strchr(";|&(`<>", c) != NULL);
}

int command_shell_expand(const char *text, const struct command_values *v, struct buf *out,
			 unsigned *ret_used, enum command_word *ret_word)
{
	struct shell s = {.word_begins = true};
	size_t n;
	int r = 0;

	*ret_used = 0;
	for (const char *p = text; *p != '\0' && r == 0; p += n) {
		enum command_word which = COMMAND_SOURCE;
		enum piece piece = piece_at(p, &n, &which);

		if (*p == '\\' && innermost(&s) != '\'') {
			n = put_escape(p, out);
		} else if (piece == PIECE_VALUE) {
			*ret_word = which;
			*ret_used |= 1u << which;
			r = s.word_begins && is_option(v->text[which]) ? -EINVAL : 0;
			put_variable(&s, which, out);
		} else {
			buf_add(out, p, piece == PIECE_BRACE ? 1 : n);
			r = follow(&s, *p, p > text ? p[-1] : '\0');
		}
		s.word_begins = n == 1 && *p != '\\' && word_begins(&s, *p);
	}
	return r;
}
