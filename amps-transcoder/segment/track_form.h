/* track_form.h - what the forms of a segment track share (track.c), and what each does itself: a
 * row of functions for transport streams (track_ts.c), and one for CMAF (track_cmaf.c).
 *
 * The track follows its ring, parses packet by packet, and decides nothing: the form calls the cut
 * list at the pictures (or frames) that it sees, writes the file, and publishes its parts. */
#ifndef AMPS_TRACK_FORM_H
#define AMPS_TRACK_FORM_H

#include "amps-transcoder/job/job.h"
#include "amps-transcoder/segment/cuts.h"
#include "amps-transcoder/segment/files.h"
#include "amps-transcoder/source/ring_follow.h"
#include "amps-transcoder/ts/parse.h"

#define TRACK_CHUNK	  (64u << 10) /* read at once */
#define TRACK_HELD_MAX	  (2u << 20)  /* of a picture that is held back until it is complete */
#define TRACK_STAGE	  (TRACK_HELD_MAX + TRACK_CHUNK + TS_PACKET)
#define TRACK_SAME_90K	  (TS_HZ / 50)
#define TRACK_RELATED_90K (10 * TS_HZ) /* a source further behind has started again */

struct segment_track;

struct track_form {
	const char *prefix, *extension, *growing; /* of the files; of sound the first prefix */
	size_t size; /* of its struct, which begins with struct segment_track */
	/* Can its files carry the stream? */
	bool (*carries)(const struct ts_stream *s);
	/* 0 or -Exxx */
	int (*init)(struct segment_track *t, const struct job_event *event);
	void (*done)(struct segment_track *t);
	/* The source starts again; its tables have been parsed. */
	void (*start)(struct segment_track *t);
	/* The packet before stage[parsed], at position `pos`; ts_parse_packet() saw this in it. */
	void (*packet)(struct segment_track *t, uint8_t *packet, uint64_t pos, unsigned saw,
		       const struct ts_rap *rap);
	/* All staged packets were seen: how many bytes of the stage are no longer needed? */
	size_t (*staged)(struct segment_track *t);
	/* The source does not continue here; broke_off: it did not end properly either. */
	void (*gap)(struct segment_track *t, bool broke_off);
};

struct segment_track {
	const struct track_form *form;
	struct job *job;   /* borrowed */
	struct cuts *cuts; /* borrowed */
	uint32_t output;
	uint64_t generation;
	struct ring_writer index;
	bool running; /* the master knows that the index can be played */
	struct segment_files files;
	char prefix[2]; /* of them */
	uint16_t place; /* of sound; struct segment_media has it */
	int64_t window_90k;
	uint64_t keep_us;
	unsigned percent;

	struct ring_follow follow;
	struct ts_parse parse;
	int64_t resume_90k; /* access points before it are what an earlier job had; TIME_NONE */
	int64_t from_90k,
		from_wall_us; /* the access point that it started at, and when that came */
	bool continues;	      /* it is on the timeline of what was published */
	bool over;	      /* the source has ended */
	bool independent;     /* each segment has begun with an access point, and each will */
	int error;	      /* of the files */

	/* bytes of the source: those before `parsed` are parsed */
	uint8_t stage[TRACK_STAGE];
	size_t parsed, staged;
	uint64_t pos; /* of stage[0], since the track began */

	struct cut_track cut;
	struct segment entry; /* of the part that grows */
	bool writing;	      /* a segment has begun */
	struct segment last;  /* published */
	bool published;

	bool facts_behind; /* what the index says is older than `media` */
	struct segment_media media;
	uint64_t rate_bytes, rate_90k;	     /* of all segments so far */
	uint64_t segment_bytes, segment_90k; /* of the present one, without `entry` */
};

/* Remembers the first error; the track fails with it. */
void track_fail(struct segment_track *t, int error);

/* `entry` is complete and in the file: publishes it.  With SEGMENT_LAST its file is complete. */
void track_publish(struct segment_track *t);

/* The part that was published last turns out to be the last one of its segment, whose file is
 * complete. */
void track_close_segment(struct segment_track *t);

/* Puts `media` into the index, valid from this part on.  Several segments at once come faster than
 * access points may: then facts_behind is set, and the caller tries again later. */
void track_put_facts(struct segment_track *t, uint32_t part);

/* A segment begins with this cut: a new file, and `entry` is its first part.  The form then sets
 * what else it knows. */
void track_begin_segment(struct segment_track *t, const struct cut *cut, uint32_t flags);

/* The cut with which the track begins, or goes on after a gap, at this access point; NULL: not
 * here.  Only while nothing is written. */
const struct cut *track_start(struct segment_track *t, int64_t pts_90k);

extern const struct track_form track_ts, track_picture, track_sound;

#endif
