/* playlist_request.h - who asks for a playlist or a manifest of segments, of what, and in which
 * session (sessions.h).
 *
 * Each function that returns false has answered the request with the error. */
#ifndef AMPS_PLAYLIST_REQUEST_H
#define AMPS_PLAYLIST_REQUEST_H

#include "amps-worker/http/request.h"
#include "amps-worker/segments/segments.h"

struct playlist_request {
	struct request q; /* with the token of its session */
	const struct catalog_channel *channel;
	const struct catalog_variant *variant;
	struct session_name session;
	enum viewer_protocol protocol;
};

/* Sets p->channel from the path. */
bool playlist_request_channel(struct playlist_request *p, struct reply *r);

/* May it watch the channel, and can that play?  Sets p->variant. */
bool playlist_request_find(struct playlist_request *p, struct reply *r);

/* "" = the channel's own profile. */
const char *playlist_request_variant(const struct playlist_request *p);

/* A new session. */
void playlist_request_begin(struct playlist_request *p);

/* The session of this token, address and user agent: one viewer as long as none of them changes. If
 * the server has ended it, the viewer may begin another one after a while. */
void playlist_request_name(struct playlist_request *p);

/* The text of its session, for links. */
void playlist_request_text(const struct playlist_request *p, char out[SESSION_TEXT + 1]);

/* The session of ?s=, and its token.  401 if it is not one of this channel or its token is no
 * longer valid. */
bool playlist_request_session(struct playlist_request *p, struct reply *r);

/* Its session asks for this rendition's playlist. */
bool playlist_request_touch(const struct playlist_request *p, const struct rendition *rendition,
			    struct reply *r);

#endif
