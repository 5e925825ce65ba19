/* rtsp_session.h - sessions of RTSP: who they belong to, and their media on the way out.
 *
 *	           PLAY            the first media       freed
 *	READY -----------> STARTING -----------> PLAYING -----> from every state
 *
 * A session is controlled by the connection that set it up.  Interleaved, its media go over that
 * connection, and both end together.  Over UDP it outlives the connection, until it is torn down,
 * kicked, or silent for RTSP_EXPIRE_MS, at first RTSP_TIMEOUT_S: a request or a receiver's report
 * keeps it alive.  Then another connection from the same address may control it.  A client may have
 * RTSP_ALONE_MAX sessions without a connection; the one that is silent for the longest time makes
 * room for one more.
 *
 * A session is the packer of its viewer (live/packer.h), which frees it; before there is a viewer,
 * the connection does. */
#ifndef AMPS_RTSP_SESSION_H
#define AMPS_RTSP_SESSION_H

#include "amps-worker/http/access_log.h"
#include "amps-worker/live/viewer.h"
#include "amps-worker/rtsp/rtp.h"
#include "amps-worker/rtsp/rtsp_request.h"

#define RTSP_SESSION_ID	    16u /* characters */
#define RTSP_STREAM_BUCKETS 1024u
#define RTSP_CLIENT_BUCKETS 1024u

struct rtsp_control;
struct rtsp_session;
TAILQ_HEAD(rtsp_session_list, rtsp_session);
LIST_HEAD(rtsp_stream_bucket, rtsp_session);
LIST_HEAD(rtsp_client_bucket, rtsp_session);

/* What the sessions of a worker share. */
struct rtsp_sessions {
	struct conns *conns;		  /* borrowed, as is the next */
	struct viewers *viewers;	  /* NULL before rtsp_sessions_init() */
	struct datagram_socket rtp, rtcp; /* no UDP before rtsp_sessions_open_udp() */
	uint16_t rtp_port, rtcp_port;
	struct event reports; /* RTCP has come */
	struct rtsp_session_list list;
	/* those over UDP, by the SSRC of their stream, which is random */
	struct rtsp_stream_bucket streams[RTSP_STREAM_BUCKETS];
	/* those without a connection, by their client; of each at most RTSP_ALONE_MAX */
	struct rtsp_client_bucket alone[RTSP_CLIENT_BUCKETS];
	/* the clocks of the packets whose heads were written last, see packer_ops.head() */
	struct rtp_clock ahead[PACKED_UNITS];
	uint64_t ahead_us;
};

/* What a session tells the connection that controls it, which embeds this. */
struct rtsp_control_ops {
	/* The media begin: PLAY can be answered.  Over UDP only. */
	void (*begun)(struct rtsp_control *c);
	/* No media will come: answers a PLAY that waits for them. */
	void (*refuse)(struct rtsp_control *c, int status, const char *text);
	/* The client sent this while media are interleaved; as packer_ops.receive(). */
	int (*receive)(struct rtsp_control *c, const void *bytes, size_t n, struct buf *out);
	/* The session is freed; c->session is NULL. */
	void (*ended)(struct rtsp_control *c);
};

struct rtsp_control {
	const struct rtsp_control_ops *ops;
	struct rtsp_session *session; /* NULL = none */
};

enum rtsp_session_state { RTSP_READY, RTSP_STARTING, RTSP_PLAYING, RTSP_SESSION_STATE_COUNT_ };

struct rtsp_session {
	struct packer packer; /* first */
	TAILQ_ENTRY(rtsp_session) link;
	LIST_ENTRY(rtsp_session) in_bucket; /* of UDP */
	LIST_ENTRY(rtsp_session) in_alone;  /* while it has no connection */
	struct rtsp_sessions *all;
	struct rtsp_control *control; /* NULL: its connection is gone */
	uint8_t state;		      /* enum rtsp_session_state */
	bool udp;
	uint8_t channels[2]; /* interleaved: of RTP and RTCP */
	uint16_t rtcp_port;  /* UDP: the client's */
	char id[RTSP_SESSION_ID + 1];
	struct in6_addr peer;
	struct stream_params params; /* of its media, as SETUP asked for them */
	struct rtp_stream rtp;
	uint64_t bytes;		    /* of media sent */
	uint64_t expires_us;	    /* over UDP; clock_mono_us() */
	uint64_t report_us;	    /* when the next sender report is due */
	struct access_entry *entry; /* of its PLAY */
	/* of UDP */
	struct datagrams datagrams;
	struct datagram_path rtp_path, rtcp_path;
};

void rtsp_sessions_init(struct rtsp_sessions *all, struct conns *conns, struct viewers *viewers);

/* Takes the two sockets. */
void rtsp_sessions_open_udp(struct rtsp_sessions *all, int rtp_fd, int rtcp_fd);

/* Ends all sessions over UDP; the others end with their connections.  Both accept a zeroed struct.
 */
void rtsp_sessions_drain(struct rtsp_sessions *all);
void rtsp_sessions_done(struct rtsp_sessions *all); /* there are none any more */

/* Every second or more often: sends reports, ends what is silent. */
void rtsp_sessions_tick(struct rtsp_sessions *all);

/* A session for these media, controlled by `control`, to the peer of connection c.  0, -ENOMEM, or
 * -Exxx: the client cannot be reached in this way. */
must_check int rtsp_session_new(struct rtsp_sessions *all, struct rtsp_control *control,
				const struct conn *c, const struct stream_params *params,
				const struct rtsp_transport *t);

/* The session of this identifier that a client at `control` may use: its own, or one over UDP of
 * the same address without a connection, which it then controls.  NULL: there is none. */
struct rtsp_session *rtsp_session_find(struct rtsp_sessions *all, struct rtsp_control *control,
				       const struct in6_addr *peer, struct span id);

/* The only setter of the state. */
void rtsp_session_set_state(struct rtsp_session *s, enum rtsp_session_state state);

/* A sign of life of its client. */
void rtsp_session_touch(struct rtsp_session *s);

/* Ends it, with its viewer.  Frees the connection that carries its media. */
void rtsp_session_end(struct rtsp_session *s, enum viewer_end why);

/* Its connection does not control it any more, and is not told its end. */
void rtsp_session_leave(struct rtsp_session *s);

/* Its connection is gone: ends it unless it plays over UDP. */
void rtsp_session_orphan(struct rtsp_session *s);

#endif
