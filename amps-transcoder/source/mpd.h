/* mpd.h - the manifest of a live DASH presentation (ISO/IEC 23009-1), as far as a player of one
 * picture and its sounds needs it: the list of available segments.
 *
 * Of each period the best picture and, one a set, the best sounds are taken; encrypted ones, texts
 * and other containers than fragmented MP4 are skipped.  SegmentTemplate (by number or time, with a
 * timeline or a duration) and SegmentList are followed.  Pure: text in, lists out. */
#ifndef AMPS_MPD_H
#define AMPS_MPD_H

#include "common/base.h"
#include "common/text/buf.h"

#define MPD_TRACKS_MAX	 5   /* a picture and its sounds */
#define MPD_SEGMENTS_MAX 120 /* of a track: the newest */
#define MPD_LANGUAGE_MAX 16

struct mpd_segment {
	int64_t start_us; /* behind the begin of the presentation */
	int64_t duration_us;
	char *init, *media; /* URLs, absolute; init NULL = none */
};

struct mpd_track {
	bool video;
	uint64_t bandwidth; /* bits per second, 0 unknown */
	char language[MPD_LANGUAGE_MAX];
	struct mpd_segment segments[MPD_SEGMENTS_MAX];
	size_t count;
};

struct mpd {
	bool live;
	int64_t update_us; /* interval of updates; 0 = each time, TIME_NONE = not given */
	int64_t delay_us;  /* how far behind the newest segment to begin; 0 = not given */
	struct mpd_track tracks[MPD_TRACKS_MAX]; /* the picture first */
	unsigned track_count;
};

/* True if these first bytes of a file look like a manifest. */
bool mpd_probe(const uint8_t *bytes, size_t n);

/* Parses a manifest fetched from `url`; of a live one, segments not available at wall_us are left
 * out, and one that is not live may have no tracks.  0, -ENOMEM, -EBADMSG (*ret_problem says why;
 * static). */
must_check int mpd_parse(const char *xml, size_t n, const char *url, int64_t wall_us,
			 struct mpd **ret, const char **ret_problem);
struct mpd *mpd_free(struct mpd *m);

/* The duration of the track's longest segment, rounded up to seconds; at least 1. */
int64_t mpd_target_s(const struct mpd_track *t);

/* An HLS playlist (RFC 8216) of the track, finished if the presentation is; its first segment has
 * this media sequence number. */
void mpd_playlist(const struct mpd *m, const struct mpd_track *t, uint64_t sequence,
		  struct buf *out);

/* The master playlist; track N is at "<prefix>N". */
void mpd_master(const struct mpd *m, const char *prefix, struct buf *out);

#endif
