/* Any bytes through the text rules, and what must hold for each of them. */
#include <stdio.h>
#include <string.h>
#include "common/text/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		__builtin_trap();
}

static void check_copy(const char *text, size_t cap)
{
	char *dst = malloc(cap);
	bool whole;

	if (dst == NULL)
		return;
	whole = text_copy(dst, cap, text);
	check(strlen(dst) < cap && strncmp(dst, text, strlen(dst)) == 0);
	check(whole == (strlen(dst) == strlen(text)));
	free(dst);
}

/* Whatever a source looks like: what follows "key=" or "/pin=", or stands before "@", is hidden.
 */
static void check_redact(const char *text, size_t cap)
{
	size_t room = strlen(text) + 64;
	char *dst = malloc(MAX(cap, room)), *url = malloc(room);

	if (dst != NULL && url != NULL) {
		text_redact_url(text, dst, cap);
		check(strlen(dst) < cap);
		snprintf(url, room, "http://me:h1dd3n@host/pin=h1dd3n/?key=h1dd3n&%s", text);
		text_redact_url(url, dst, room);
		check(strstr(text, "h1dd3n") != NULL || strstr(dst, "h1dd3n") == NULL);
		snprintf(url, room, "%s /&u=h1dd3n&id=7", text);
		text_redact_url(url, dst, room);
		check(strstr(text, "h1dd3n") != NULL || strstr(dst, "h1dd3n") == NULL);
	}
	free(dst);
	free(url);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const words[] = {"streams", "ffmpeg_profile", "auth", ""};
	size_t cap = size > 0 ? 1 + data[0] : 1;
	char *text = malloc(size + 1), region[3];
	uint64_t number;

	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	check_copy(text, cap);
	check_redact(text, cap);
	if (text_parse_u64(text, 1000, &number) == 0)
		check(number <= 1000);
	if (text_region(text, size, region))
		check(region[0] >= 'A' && region[1] <= 'Z' && region[2] == '\0');
	text_suggest(text, words, array_size(words));
	free(text);
	return 0;
}
