/* mp4_ring.h - a variant as endless fragmented MP4 in a ring: reads the ring of its transport
 * stream and writes fragments of picture and sound, MP4_FRAGMENT_MS at most.
 *
 *	waits for a key frame (sound alone: for a frame), and for the codec of the sound
 *	runs until a codec changes, and then begins again with an init segment
 *
 * A fragment that begins with a key frame is an access point, whose intro is the init segment.  The
 * init segment is also in the ring, but for the first one: readers that are there get it when the
 * codec changes.  Times are those of the transport stream; where these fall back or leap, they are
 * moved so that the file's go on.  A job that follows another one begins where that stopped.
 *
 * The last box of moov tells which languages of sound can be chosen: "uuid" with
 * MP4_LANGUAGES_UUID and their codes, separated by commas, such as "deu,eng".  Players skip it;
 * that of the page offers a list. */
#ifndef AMPS_MP4_RING_H
#define AMPS_MP4_RING_H

#include "amps-transcoder/job/job.h"
#include "amps-transcoder/segment/track.h"

#define MP4_FRAGMENT_MS	   100
#define MP4_LANGUAGES_UUID "amps.sound-langs" /* 16 bytes */

struct mp4_ring;

/* Takes the ring of a JOB_EVENT_OUTPUT.  NULL if the output cannot be made; the master has been
 * informed. */
struct mp4_ring *mp4_ring_new(struct job *job, const struct job_event *event);
struct mp4_ring *mp4_ring_free(struct mp4_ring *m); /* returns NULL; accepts NULL */

uint32_t mp4_ring_output(const struct mp4_ring *m);

/* Takes the larger ring of another JOB_EVENT_OUTPUT of this output. */
void mp4_ring_larger(struct mp4_ring *m, const struct job_event *event);

/* Takes the ring of a JOB_EVENT_SOURCE_RING. */
void mp4_ring_source(struct mp4_ring *m, struct job_event *event);

/* Takes the next bytes of its source. */
enum segment_step mp4_ring_step(struct mp4_ring *m);

#endif
