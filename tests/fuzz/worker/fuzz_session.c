/* A session's text: only what session_name_write() made is read, and as it was. */
#include <stdlib.h>
#include <string.h>
#include "amps-worker/segments/signature.h"

#define CHANNEL 5u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the input may claim to be, signed: it is read back. */
static void check_signed(const uint8_t *key, const uint8_t *data, size_t size)
{
	struct session_name name = {0}, again;
	char text[SESSION_TEXT + 1];
	struct span span = {text, SESSION_TEXT};

	memcpy(&name, data, MIN(size, sizeof(name)));
	session_name_write(key, CHANNEL, &name, text);
	if (strlen(text) != SESSION_TEXT)
		abort();
	if (session_name_read(key, CHANNEL, span, &again) < 0) {
		if (name.number != 0)
			abort();
		return;
	}
	if (again.number != name.number || again.tag != name.tag)
		abort();
	if (session_name_read(key, CHANNEL + 1, span, &again) == 0)
		abort();
	if (size == 0)
		return;
	text[data[0] % SESSION_TEXT] ^= 1;
	if (session_name_read(key, CHANNEL, span, &again) == 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[MEDIA_KEY_BYTES] = {1, 2, 3};
	struct session_name name;
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	/* no input has the signature of a key that it does not know */
	if (session_name_read(key, CHANNEL, (struct span){text, size}, &name) == 0)
		abort();
	signature_matches(key, CHANNEL, 1700000000, (struct span){text, size});
	check_signed(key, data, size);
	free(text);
	return 0;
}
