/* sounds.h - the sounds of a programme that MP4 can carry, and their names (segment.h), by which
 * tracks find theirs again when the tables change.  Pure. */
#ifndef AMPS_SEGMENT_SOUNDS_H
#define AMPS_SEGMENT_SOUNDS_H

#include "amps-transcoder/ts/parse.h"
#include "common/limits.h"

struct sound {
	const struct ts_stream *stream;
	char name[SEGMENT_SOUND_MAX];
};

/* In the order of the PMT. */
struct sounds {
	struct sound at[SEGMENT_SOUNDS_MAX];
	unsigned count;
};

/* Those of the programme that `carries` accepts; more than there is room for are left out. */
void sounds_list(const struct ts_parse *p, bool (*carries)(const struct ts_stream *s),
		 struct sounds *ret);

/* The one with this name, or NULL. */
const struct sound *sounds_find(const struct sounds *s, const char *name);

/* The one that is played if the viewer does not choose: the first without a special purpose, or the
 * first.  NULL: there is none. */
const struct sound *sounds_usual(const struct sounds *s);

#endif
