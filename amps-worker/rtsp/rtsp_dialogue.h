/* rtsp_dialogue.h - the dialogue of RTSP (RFC 2326) on one connection: requests in, answers out.
 *
 * The dialogue is the connection's stream (http/conn.h).  From an interleaved PLAY on the viewer
 * is, which owns the session and with it the dialogue, and answers go between the media.
 *
 * Answers leave in the order of the requests.  PLAY is answered when the first media can be sent,
 * so that it can say why there are none; over UDP later requests wait until then.
 *
 * A connection without a session may be idle for HTTP_IDLE_MS; a request must be complete after
 * HTTP_HEAD_DEADLINE_MS. */
#ifndef AMPS_RTSP_DIALOGUE_H
#define AMPS_RTSP_DIALOGUE_H

#include "amps-worker/rtsp/rtsp_session.h"

/* What begins the dialogues of a worker's connections; `all` is borrowed. */
struct conn_dialogues rtsp_dialogues(struct rtsp_sessions *all);

#endif
