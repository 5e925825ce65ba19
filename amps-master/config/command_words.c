#include "amps-master/config/command_words.h"

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

static bool is_known(const char *word, size_t n)
{
	static const char *const names[] = {"source", "id", "name"};

	for (size_t i = 0; i < array_size(names); i++) {
		if (strlen(names[i]) == n && memcmp(names[i], word, n) == 0)
			return true;
	}
	return false;
}

const char *command_words_unknown(const char *text, size_t *ret_len)
{
	for (const char *p = text; *p != '\0'; p++) {
		size_t n = 0;

		if (*p != '{')
			continue;
		if (p[1] == '{') {
			p++;
			continue;
		}
		while (isalnum((unsigned char)p[1 + n]) || p[1 + n] == '_')
			n++;
		if (n == 0 || p[1 + n] != '}' || is_known(p + 1, n))
			continue;
		*ret_len = n + 2;
		return p;
	}
	return NULL;
}
