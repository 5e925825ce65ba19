/* conn.h - a client's connection: requests in, answers out, or a stream.  One of RTSP is a stream
 * from its first byte on, in which conns.dialogues speaks its protocol.
 *
 *	 accept
 *	   |
 *	   v      head complete          last byte sent, keep-alive
 *	 READ ---------------> SEND ------------------------------> READ
 *	   |   \                 |  last byte sent, close
 *	   |    BODY             v
 *	   |   /               LINGER --> closed
 *	   | -+--> HOLD
 *	   |         |  the answer is ready, or late
 *	   |         +-------> SEND ----> HOLD: the rest of a file that grows
 *	   | a stream
 *	   +-------> STREAM
 *	               |  no media came: an error answer
 *	               +-----> SEND
 *	               |  the client ends its protocol
 *	               +-----> LINGER
 *
 * From every state: closed (peer gone, deadline, limit, shutdown).  conn_set_state() is the only
 * setter, conn_update_events() the only place that arms events.
 *
 * READ: a head must be complete HTTP_HEAD_DEADLINE_MS after its first byte (or the accept), however
 * slowly it comes; between requests HTTP_IDLE_MS may pass.  BODY: the body of a request whose route
 * takes one must come at HTTP_SEND_RATE, and is kept behind its head; a request with any other body
 * is answered and ends the connection, so that its body is never parsed as the next request.  HOLD:
 *the answer waits for something (held.h); the client may leave meanwhile.  SEND: an answer must be
 *taken at HTTP_SEND_RATE.  LINGER: our side is shut and what the client still sends is read and
 *dropped, so that a reset cannot destroy the last answer. */
#ifndef AMPS_CONN_H
#define AMPS_CONN_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include "amps-worker/context/context.h"
#include "amps-worker/http/access_log.h"
#include "amps-worker/http/route.h"

enum conn_state {
	CONN_READ,
	CONN_BODY,
	CONN_HOLD,
	CONN_SEND,
	CONN_STREAM,
	CONN_LINGER,
	CONN_CLOSED,
	CONN_STATE_COUNT_
};

struct answer;	 /* one that is being sent; answer.h */
struct incoming; /* incoming.h */
struct stream;
struct address_count;

/* Who sends a stream; no function may free the connection. */
struct stream_ops {
	/* The socket of a blocked stream has room.  False: the stream is over. */
	bool (*feed)(struct stream *s);
	/* A stream that has not begun in time may wait until this time; 0: it may not. */
	uint64_t (*waits_until)(const struct stream *s, uint64_t now_us);
	/* It will not begin: says so in its own protocol.  False: the answer is one of HTTP. */
	bool (*refuse)(struct stream *s, int status, const char *text);
	/* The client sent these bytes.  False: the stream is over. */
	bool (*received)(struct stream *s, const void *bytes, size_t n);
	/* Media bytes sent so far. */
	uint64_t (*bytes)(const struct stream *s);
	void (*free)(struct stream *s);
};

/* An answer that does not end, the first member of what sends it (live/viewer.h). */
struct stream {
	const struct stream_ops *ops;
	struct conn *conn;
	int status;   /* that its answer has: 200, or 101 */
	bool begun;   /* conn_stream_begins() was called */
	bool blocked; /* the socket is full; conn_update_events() follows each change */
	bool mutual;  /* ends when the client shuts its side */
};

/* What a listening socket is for. */
enum conn_protocol { CONN_HTTP, CONN_RTSP, CONN_PROTOCOL_COUNT_ };

/* Who speaks a protocol other than HTTP. */
struct conn_dialogues {
	/* For a new connection; NULL without memory. */
	struct stream *(*begin)(void *owner, struct conn *c);
	void *owner;
};

/* What connections ask of those above them. */
struct conn_hooks {
	/* Sets c->stream; `head` goes out before its media.  0, -EUSERS (too many viewers), or
	 * another -Exxx: the connection is then closed. */
	int (*stream)(void *owner, struct conn *c, const struct http_request *q,
		      const struct stream_params *params, const struct buf *head);
	/* An event of a client is handled: what shares the loop may be late. */
	void (*after_event)(void *owner);
	void *owner;
};

TAILQ_HEAD(conn_list, conn);

#define ADDRESS_BUCKETS 1024u

/* What the connections of a worker share; all but the list, its count and the addresses is
 * borrowed. */
struct conns {
	struct context *context;
	const struct route *routes; /* ends with a NULL pattern */
	struct body_cache *cache;
	struct body_maker *maker;
	struct segments *segments; /* what handlers of HLS need */
	struct api *api;	   /* and those of the API */
	struct access_log *access_log;
	struct conn_hooks hooks;
	struct conn_dialogues dialogues;      /* of RTSP */
	uint16_t ports[CONN_PROTOCOL_COUNT_]; /* the server listens on them; 0 = it does not */
	unsigned max;
	unsigned count;
	size_t bodies; /* bytes of those that are being received, as they were announced */
	struct conn_list list;
	struct holds holds;
	struct address_count *addresses[ADDRESS_BUCKETS];
};

struct conn {
	TAILQ_ENTRY(conn) link;
	struct conns *all;
	struct event event;
	int fd;
	uint8_t state; /* enum conn_state */
	bool eof;      /* the client shut its side */
	bool begun;    /* a byte of the next head has come */
	bool yields;   /* has requests left that wait for the next turn */
	bool more;     /* in HOLD: bytes have come that may be the next request's */
	uint16_t port;
	short armed; /* events the event is armed with */
	struct in6_addr peer;
	uint64_t deadline_us; /* of the state; 0 = none */
	struct buf in;
	size_t turn_bytes;	   /* sent in this turn of the loop */
	size_t scanned;		   /* of in, see http_parse_head() */
	uint64_t linger_left;	   /* in LINGER: bytes that may still come */
	struct incoming *incoming; /* in BODY */
	struct answer *answer;
	struct stream *stream;
	struct access_entry *entry; /* of the request under way, where the access log is on */
};

/* Takes fd, a connected non-blocking socket.  0, or closes nothing and returns -EUSERS: there are
 * too many connections, in all or of this address, or -ENOMEM. */
must_check int conn_new(struct conns *all, int fd, const struct sockaddr_storage *peer,
			enum conn_protocol protocol);
struct conn *conn_free(struct conn *c); /* returns NULL; accepts NULL */

/* Arms the event for what the state waits for. */
void conn_update_events(struct conn *c);

/* Sets the send buffer to `wanted` bytes, or to this connection's share of the kernel's memory if
 * that is less. */
void conn_set_send_buffer(struct conn *c, size_t wanted);

/* What a handler is given beside a request of this connection. */
struct facts conn_facts(const struct conn *c);

/* The bytes a second at which the client has taken its answer so far; false where no shared body is
 * being sent, or not for ANSWER_SHED_MS yet. */
bool conn_answer_rate(const struct conn *c, uint64_t *ret_bytes_per_second);

/* The stream's first media can be sent: it counts as an answer, and its deadline ends. */
void conn_stream_begins(struct conn *c);

/* Answers a stream that has not begun with this error instead; frees the stream.  May free the
 * connection. */
void conn_refuse_stream(struct conn *c, int status, const char *text);

/* A connection that may be ended for its memory. */
struct conn_holder {
	struct conn *conn;
	size_t bytes;
	uint64_t order; /* the lowest goes first */
};

void conn_sort_holders(struct conn_holder *list, size_t count);

/* Closes what is idle and ends streams; answers under way go on.  The loop ends with the last
 * connection. */
void conn_drain_all(struct conns *all);

/* The address as IPv6, IPv4 mapped. */
struct in6_addr conn_address(const struct sockaddr_storage *sa, uint16_t *ret_port);

/* The port that a socket is bound to; 0 without one. */
uint16_t conn_bound_port(int fd);

#endif
