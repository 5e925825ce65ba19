/* segment.h - the index of segments: what a ring of the forms of segments holds (form.h).
 *
 * Its unit is one struct segment, at position segment_position(part): a part of a segment, which is
 * published when its bytes are complete in the segment's file.  A segment of a transport stream is
 * one part, whose number is the segment's.  The writer begins at the number it starts with, not at
 * 0: numbers grow over all jobs, generations and starts of the server.  Numbers between the commit
 * of a predecessor and the first entry of its successor may be missing; `oldest` never points
 * there.
 *
 * A random access point holds the facts of a playlist from its part on: its intro is one struct
 * segment_media.  The newest one counts.
 *
 * The file of a segment is media_root/<channel>/<track>/<number>.ts, where the track is the number
 * of the variant: 0 is the channel itself, its variants follow from 1 as listed.  Those of CMAF are
 * v<number>.m4s and a<number>.m4s beside it, with v<init>.mp4 and a<init>.mp4; further sounds of
 * the variant have b, c and so on in the place of a.
 *
 * A sound is named after its language (ISO 639-2, "und" = not known), its purpose if that is not
 * the usual one (-ce clean effects, -hi for hearing impaired people, -ad audio description), and
 * a number if others are like it: "deu", "deu-ad", "und-2".
 *
 * W: job (and the master, which copies the entries of an earlier generation before hand-over).
 * Readers: workers, the master, and the job's successor.  Fields are hostile: read them with the
 * functions below. */
#ifndef AMPS_SEGMENT_H
#define AMPS_SEGMENT_H

#include "common/shm/ring.h"

enum {
	SEGMENT_INDEPENDENT = 1u << 0,	 /* begins with a random access point */
	SEGMENT_DISCONTINUITY = 1u << 1, /* does not continue the part before it */
	SEGMENT_LAST = 1u << 2,		 /* its segment is complete */
	SEGMENT_STAND_IN = 1u << 3,	 /* another sound, while the source lacks the track's */
	SEGMENT_CLOSED_LATE = 1u << 4,	 /* SEGMENT_LAST came when it had been published already */
};

/* A part lasts at least so much of the part target, but for the last one of a segment and those in
 * front of an access point (draft-pantos-hls-rfc8216bis, 4.4.4.9). */
#define SEGMENT_PART_LEAST_PERCENT 85u

enum { SEGMENT_HAS_PICTURE = 1u << 0, SEGMENT_HAS_SOUND = 1u << 1 };

/* Captions among the data of the pictures (CEA-608). */
enum segment_captions { CAPTIONS_UNKNOWN, CAPTIONS_NONE, CAPTIONS_CARRIED, CAPTIONS_COUNT_ };

/* A part of a segment. */
struct segment {
	uint32_t number;	/* media sequence of its segment */
	uint32_t discontinuity; /* discontinuity sequence: discontinuities before its first byte,
				   its own included */
	int64_t start_90k;	/* first PTS, unwrapped, as in the source */
	int64_t wall_us;	/* PROGRAM-DATE-TIME of its first frame; never changes */
	int64_t made_s;		/* st_mtime of its file, in whole seconds; its URL is signed for
				   this time */
	uint32_t part;		/* its own running number */
	uint32_t first;		/* the part with which its segment begins */
	uint32_t at, bytes;	/* where it is in the segment's file */
	uint32_t duration_90k;	/* to the first PTS of the next one */
	uint32_t oldest;	/* first segment of the playlist that ends with this one; the files
				   from there on exist, and stay for a while behind the window */
	uint32_t flags;
	uint32_t init; /* number of its init segment; 0 = none */
	/* CMAF: the file's times minus the source's, and when (in the file's time) the run of this
	 * part began; a run has no discontinuity and one init segment */
	int64_t offset_90k;
	int64_t began_90k;
};

/* Facts of a playlist. */
struct segment_media {
	uint32_t track;	      /* number of the folder of its files */
	uint32_t target_s;    /* TARGETDURATION, sealed for the playlist's life */
	uint32_t independent; /* 1: every segment begins with a random access point */
	uint32_t peak_bps;    /* of the segments so far; 0 = not known */
	uint32_t average_bps;
	uint32_t rate_milli; /* frames in 1000 seconds; 0 = not known */
	uint16_t width, height;
	uint32_t streams;  /* of the source's programme: SEGMENT_HAS_* */
	uint32_t part_ms;  /* PART-TARGET, sealed as well; 0 = segments have one part each */
	uint32_t captions; /* enum segment_captions */
	/* codecs of the track's streams, as in CODECS (RFC 6381); "" = not known, or no such stream
	 */
	char picture[SEGMENT_CODEC_MAX], sound[SEGMENT_CODEC_MAX];
	/* of sound in CMAF */
	uint16_t channels; /* 0 = not known */
	uint16_t place;	   /* of its files: 0 for 'a'; the usual sound of its variant has 0 */
	char name[SEGMENT_SOUND_MAX];
	char sounds[SEGMENT_SOUNDS_MAX][SEGMENT_SOUND_MAX]; /* names of all; "" = no more */
};

static_assert(sizeof(struct segment) == 80, "layout of struct segment");
static_assert(sizeof(struct segment_media) == 248, "layout of struct segment_media");
static_assert(sizeof(struct segment_media) <= RING_INTRO_MAX, "facts fit into a slot");

static inline uint64_t segment_position(uint32_t part)
{
	return (uint64_t)part * sizeof(struct segment);
}

/* Is it the first letter of a file of CMAF? */
static inline bool segment_letter_ok(char letter)
{
	return letter == 'v' || (letter >= 'a' && letter < 'a' + (int)SEGMENT_SOUNDS_MAX);
}

/* The newest entry.  0, or -ENOENT: there is none. */
must_check int segment_newest(const struct ring *r, struct segment *ret);

/* The entry of this part, checked: its number is right, its duration and size are in range, its
 * `oldest` is not above its segment.  0, -ENOENT (not there, or overwritten), -EBADMSG. */
must_check int segment_read(const struct ring *r, uint32_t part, struct segment *ret);

/* The newest facts, checked; the codecs are printable, without quotation marks or
 * commas, the names of sounds small letters, digits and hyphens.  0, -ENOENT,
 * -EBADMSG. */
must_check int segment_media_read(const struct ring *r, struct segment_media *ret);

/* Is it what a sound may be named? */
bool segment_sound_ok(const char *name);

#endif
