#include "amps-transcoder/segment/sounds.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* The name without a number. */
static void base_name(const struct ts_stream *s, char name[SEGMENT_SOUND_MAX])
{
	static const char *const purposes[TS_PURPOSE_COUNT_] = {
		[TS_PURPOSE_MAIN] = "",
		[TS_PURPOSE_CLEAN_EFFECTS] = "-ce",
		[TS_PURPOSE_HEARING_IMPAIRED] = "-hi",
		[TS_PURPOSE_VISUAL_IMPAIRED] = "-ad"};

	assert(s->purpose < TS_PURPOSE_COUNT_);
	snprintf(name, SEGMENT_SOUND_MAX, "%s%s", s->language[0] ? s->language : "und",
		 purposes[s->purpose]);
}

static void add(struct sounds *to, const struct ts_stream *s)
{
	struct sound *sound = &to->at[to->count];
	unsigned nth = 1;
	size_t n;

	base_name(s, sound->name);
	n = strlen(sound->name);
	for (unsigned i = 0; i < to->count; i++) {
		char other[SEGMENT_SOUND_MAX];

		base_name(to->at[i].stream, other);
		nth += strcmp(other, sound->name) == 0;
	}
	if (nth > 1)
		snprintf(sound->name + n, SEGMENT_SOUND_MAX - n, "-%u", nth);
	sound->stream = s;
	to->count++;
}

void sounds_list(const struct ts_parse *p, bool (*carries)(const struct ts_stream *s),
		 struct sounds *ret)
{
	static_assert(SEGMENT_SOUNDS_MAX <= 9 && SEGMENT_SOUND_MAX > sizeof("und-ad-9") - 1,
		      "names fit");
	ret->count = 0;
	for (unsigned i = 0; i < p->stream_count && ret->count < SEGMENT_SOUNDS_MAX; i++)
		if (p->streams[i].kind == TS_KIND_AUDIO && carries(&p->streams[i]))
			add(ret, &p->streams[i]);
}

const struct sound *sounds_find(const struct sounds *s, const char *name)
{
	for (unsigned i = 0; i < s->count; i++)
		if (strcmp(s->at[i].name, name) == 0)
			return &s->at[i];
	return NULL;
}

const struct sound *sounds_usual(const struct sounds *s)
{
	for (unsigned i = 0; i < s->count; i++)
		if (s->at[i].stream->purpose == TS_PURPOSE_MAIN)
			return &s->at[i];
	return s->count > 0 ? &s->at[0] : NULL;
}
