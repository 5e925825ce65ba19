#include "amps-transcoder/ts/watch.h"

#include <assert.h>
#include <string.h>

void ts_watch_init(struct ts_watch *w)
{
	ts_parse_init(&w->parse);
	w->count = 0;
}

static bool is_another(const struct ts_watch *w, const struct ts_stream *s)
{
	for (unsigned i = 0; i < w->count; i++)
		if (w->known[i].pid == s->pid)
			return w->known[i].type != s->type ||
			       strcmp(w->known[i].codec, s->codec) != 0;
	return false;
}

bool ts_watch_packet(struct ts_watch *w, const uint8_t *packet)
{
	const struct ts_parse *p = &w->parse;
	bool changed = false;

	if (ts_pid(packet) == 0)
		ts_parse_pat(&w->parse, packet);
	if (ts_pid(packet) != p->pmt_pid || !ts_parse_pmt(&w->parse, packet))
		return false;
	for (unsigned i = 0; i < p->stream_count; i++)
		changed = changed || is_another(w, &p->streams[i]);
	assert(p->stream_count <= array_size(w->known));
	memcpy(w->known, p->streams, p->stream_count * sizeof(*w->known));
	w->count = p->stream_count;
	return changed;
}
