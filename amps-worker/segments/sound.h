/* sound.h - what players are told of a sound, from its name (common/shm/segment.h).  Pure. */
#ifndef AMPS_SOUND_H
#define AMPS_SOUND_H

#include "common/text/buf.h"

enum sound_purpose {
	SOUND_MAIN,
	SOUND_CLEAN_EFFECTS,
	SOUND_HEARING_IMPAIRED,
	SOUND_DESCRIPTION, /* of the picture, for people who do not see it */
};

struct sound_facts {
	char language[4]; /* BCP 47: the shortest code; "" = not known */
	enum sound_purpose purpose;
	unsigned nth; /* of those with the same language and purpose, from 1 on */
};

struct sound_facts sound_read(const char *name);

/* Appends what a player shows in its list of sounds: the language in its own words.  Two sounds of
 * a channel have the same only if their language has two codes ("deu" and "ger"). */
void sound_label(struct buf *b, const char *name);

#endif
