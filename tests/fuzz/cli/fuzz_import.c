/* Any bytes as a playlist: the output has no byte that YAML forbids, and each channel its lines. */
#include <string.h>
#include "amps-cli/import/channel.h"
#include "common/text/utf8.h"

struct result {
	struct buf out;
	uint64_t channels;
};

static void on_entry(void *owner, const struct m3u_entry *entry)
{
	struct result *r = owner;
	json_t *channel = import_channel(entry, ++r->channels, "copy");

	if (channel)
		import_put_yaml(&r->out, r->channels, channel);
	json_decref(channel);
}

static void on_note(void *owner, uint64_t line, const char *text)
{
	(void)owner;
	if (line == 0 || text[0] == '\0')
		abort();
}

static void check(const struct result *r)
{
	uint64_t items = 0;

	if (r->out.len > 0 && !utf8_valid(r->out.data, r->out.len))
		abort();
	for (size_t i = 0; i < r->out.len; i++) {
		unsigned char c = (unsigned char)r->out.data[i];

		if ((c < 0x20 && c != '\n') || c == 0x7f)
			abort();
		if (c == '\n' && i + 1 < r->out.len && r->out.data[i + 1] != ' ')
			abort();
		items += c == ' ' && i + 3 < r->out.len && (i == 0 || r->out.data[i - 1] == '\n') &&
			 r->out.data[i + 2] == '-';
	}
	if (items != r->channels)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct result r = {BUF_INIT, 0};
	const struct m3u_events events = {&r, on_entry, on_note};
	struct m3u *m = m3u_new(&events);
	size_t first = size > 0 ? data[size - 1] % size : 0;

	if (m != NULL && m3u_feed(m, (const char *)data, first) == 0 &&
	    m3u_feed(m, (const char *)data + first, size - first) == 0 && m3u_end(m) == 0)
		check(&r);
	m3u_free(m);
	buf_done(&r.out);
	return 0;
}
