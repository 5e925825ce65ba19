#include "amps-helper/guide/name.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "common/hash.h"
#include "common/text/group.h"
#include "common/text/utf8.h"

#define WORD_MAX 48

struct words {
	char at[GUIDE_WORDS_MAX][WORD_MAX];
	size_t count;
};

static const char *const qualities[] = {"hd",	"fhd",	"uhd",	"sd",	"4k",	 "8k", "hevc",
					"h264", "h265", "720p", "1080", "1080p", "hq"};

/* Codes that no channel has as a word of its own name, as far as we know. */
static const char countries[] =
	" ad ae al am ar at au az ba be bg br by ca ch cl cn co cy cz de dk ee eg es fi fr gb ge "
	"gr hk hr hu ie il in ir is it jo jp kr kz lb lt lu lv ma md me mk mt mx my nl no nz pe "
	"ph pk pl pt ro rs ru sa se sg si sk th tn tr tw ua uk us usa vn za ";

static bool is_quality(const char *word)
{
	for (size_t i = 0; i < array_size(qualities); i++)
		if (strcmp(word, qualities[i]) == 0)
			return true;
	return false;
}

static bool is_country(const char *word)
{
	char padded[WORD_MAX + 2];

	snprintf(padded, sizeof(padded), " %s ", word);
	return strlen(word) <= 3 && strstr(countries, padded) != NULL;
}

static void add_char(struct words *w, size_t *len, uint32_t c)
{
	char *word = w->at[w->count];

	if (c < 0x80 && *len + 1 < WORD_MAX) {
		word[(*len)++] = (char)c;
	} else if (c >= 0x80 && c < 0x800 && *len + 2 < WORD_MAX) {
		word[(*len)++] = (char)(0xc0 | c >> 6);
		word[(*len)++] = (char)(0x80 | (c & 0x3f));
	} else if (c >= 0x800 && *len + 4 < WORD_MAX) {
		/* any form that is the same for the same character will do */
		memcpy(word + *len,
		       (const char[]){(char)(0xe0 | c >> 15), (char)(0x80 | (c >> 10 & 31)),
				      (char)(0x80 | (c >> 5 & 31)), (char)(0x80 | (c & 31))},
		       4);
		*len += 4;
	}
}

static void end_word(struct words *w, size_t *len)
{
	w->at[w->count][*len] = '\0';
	if (*len > 0)
		w->count++;
	*len = 0;
}

static void split(const char *text, struct words *w)
{
	size_t left = strlen(text), len = 0, n;

	w->count = 0;
	for (; left > 0 && w->count < GUIDE_WORDS_MAX; text += n, left -= n) {
		uint32_t c = 0;

		n = utf8_next(text, left, &c);
		n = MAX(n, 1u);
		c = group_fold(c);
		if (c == '+')
			c = 'p'; /* "Canal+" is not "Canal" */
		/* a no-break space separates, too */
		if (c < 0x80 ? isalnum((int)c) != 0 : c != 0xa0)
			add_char(w, &len, c);
		else
			end_word(w, &len);
	}
	if (w->count < GUIDE_WORDS_MAX)
		end_word(w, &len);
}

static uint64_t hash_words(const struct words *w, size_t first, size_t end)
{
	uint64_t h = HASH_START;

	for (size_t i = first; i < end; i++)
		h = hash_bytes(h, w->at[i], strlen(w->at[i]));
	return first < end ? hash_end(h) | 1 : 0;
}

struct guide_name guide_name_of(const char *text)
{
	struct guide_name name = {0};
	struct words w, kept = {.count = 0};
	size_t first = 0, end;

	split(text, &w);
	name.strict = hash_words(&w, 0, w.count);
	for (size_t i = 0; i < w.count; i++)
		if (!is_quality(w.at[i]))
			memcpy(kept.at[kept.count++], w.at[i], WORD_MAX);
	end = kept.count;
	if (end > 1 && is_country(kept.at[end - 1]))
		end--;
	if (end - first > 1 && is_country(kept.at[first]))
		first++;
	name.loose = hash_words(&kept, first, end);
	for (size_t i = first; i < end; i++)
		name.words[name.word_count++] = hash_words(&kept, i, i + 1);
	return name;
}
