/* playlist.h - /playlist.m3u: the line-up as one client may see it.
 *
 * Filters: region, group, ids, variants; format chooses the form of the links.  A list is made in
 * slices (body_maker.h) and kept in the body cache, with a key of everything it was made from,
 * until the catalog changes or a programme or a scheduled channel next begins or ends. */
#ifndef AMPS_PLAYLIST_H
#define AMPS_PLAYLIST_H

#include "amps-worker/http/route.h"

void playlist_handle(const struct request *q, struct reply *r);

/* Where its links lead. */
enum playlist_links {
	LINKS_OWN, /* each channel's own form */
	LINKS_TS,
	LINKS_HLS,
	LINKS_DASH,
	LINKS_RTSP,
	LINKS_AUDIO,
	LINKS_MP4,
	LINKS_WEBSOCKET,
};

/* What a playlist is made from, besides the catalog. */
struct playlist_params {
	const char *base;	 /* "http://host:5000" */
	const char *rtsp_base;	 /* "rtsp://host:8554", "" = RTSP is off */
	const char *region;	 /* "" = unknown */
	const char *link_region; /* region to repeat in links, "" = none */
	const char *link_token;	 /* "" = none */
	/* Signed links instead: the key, NULL = none, until when, and for which token. */
	const uint8_t *link_key;
	int64_t link_expires_s;
	uint64_t link_by;
	const char *groups; /* comma list, "" = all */
	const char *ids;    /* comma list, "" = all */
	bool variants;
	enum playlist_links links;
	const struct token_entry *token; /* limits the groups; NULL = no limit */
	int64_t wall_us;
};

/* A list that is written step by step; it copies what it needs.  `g`: names what is next on
 * channels without programmes of their own; NULL = there is none.  NULL without memory. */
struct playlist;
struct playlist *playlist_begin(const struct catalog *c, const struct guide *g,
				const struct playlist_params *p);
void playlist_end(struct playlist *list); /* accepts NULL */

/* Appends some channels.  1, or 0 if the list is complete: *ret_expires_us is then the wall time at
 * which the text would first differ, or INT64_MAX.  -ENOMEM. */
must_check int playlist_step(struct playlist *list, struct buf *out, int64_t *ret_expires_us);

#endif
