/* segments.h - what the master knows of segments: their index across generations, their folders,
 * the room that they may take.  Private to the files of tuner.h, made in tuner_segments.c. */
#ifndef AMPS_TUNER_SEGMENTS_H
#define AMPS_TUNER_SEGMENTS_H

#include "amps-master/lineup/lineup_channel.h"
#include "common/shm/ring.h"
#include "common/text/buf.h"

struct tuner;
struct tuners;

/* What the segments of all channels take. */
struct media_use {
	uint64_t used, room; /* bytes */
	unsigned percent;    /* of their windows that jobs may keep */
	unsigned pulses;
	uint64_t full_until_us; /* the file system was full; what it reports as free is ignored
				   until then */
};

/* Copies what an earlier generation of an index lists into a ring that no job has seen. */
void segments_carry(const struct ring *from, int fd, uint64_t data_bytes);
/* Bytes of the index of such an output. */
uint64_t segments_index_bytes(const struct lineup_output *def);
/* Makes the folders of all the tuner's tracks.  0 or -Exxx. */
must_check int segments_make_folders(struct tuner *t);
/* Removes them, with what is in them, once there is neither a job nor an output. */
void segments_sweep(struct tuner *t);
/* The spec of a segment job. */
void segments_spec(const struct tuner *t, struct buf *spec);
/* The spec of one of its outputs, whose folder has the number `track`, and its files the letter of
 * this place (struct segment_media); the caller's.  NULL without memory. */
char *segments_output_spec(const struct channel_segments *s, uint32_t track, unsigned place);
/* The place of a further sound (the output's track) of its variant; SEGMENT_SOUNDS_MAX: none is
 * free.  0 for any other output. */
unsigned segments_place(const struct tuner *t, const struct output_id *id);
/* Has its definition a variant whose folder a running segment job does not know? */
bool segments_lack_track(const struct tuner *t);
/* The number of this variant's folder. */
uint32_t segments_track(struct tuner *t, const struct lineup_output *def);
/* Measures the segments.  True if there is no room for more. */
bool segments_full(struct tuners *ts);
/* A job has found the file system full.  The files that it removed made some room, which would be
 * used up at once. */
void segments_hold(struct tuners *ts);
/* Measures the segments.  Near the limit, jobs shorten their windows. */
void segments_pulse(struct tuners *ts);

#endif
