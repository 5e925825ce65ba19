/* conn.h - a client's connection: requests in, answers out, or a viewer.
 *
 *	 accept
 *	   |
 *	   v      head complete          last byte sent, keep-alive
 *	 READ ---------------> SEND ------------------------------> READ
 *	   |                     |  last byte sent, close
 *	   | \                   v
 *	   |  +--> MAKE        LINGER --> closed
 *	   |         |  the body is made
 *	   |         +-------> SEND
 *	   | a stream
 *	   +-------> STREAM
 *	               |  waited in vain: an error answer
 *	               +-----> SEND
 *
 * From every state: closed (peer gone, deadline, limit, shutdown).  conn_set_state() is the only
 * setter, conn_update_events() the only place that arms events.  READ: a head must be complete
 * HTTP_HEAD_DEADLINE_MS after its first byte (or the accept), whatever trickles in; between
 * requests HTTP_IDLE_MS pass.  Bodies of requests are thrown away, no route takes one yet; after a
 * chunked one the connection ends.  MAKE: the request stays in the buffer until its answer's body
 * has been made (body_maker.h).  SEND: an answer must be taken at HTTP_SEND_RATE.  LINGER: our
 * side is shut and what the client still sends is thrown away, so that its last answer is not lost
 * to a reset. */
#ifndef AMPS_CONN_H
#define AMPS_CONN_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include "amps-worker/worker.h"

enum conn_state {
	CONN_READ,
	CONN_MAKE,
	CONN_SEND,
	CONN_STREAM,
	CONN_LINGER,
	CONN_CLOSED,
	CONN_STATE_COUNT_
};

struct answer; /* one that is being sent; conn.c */

struct conn {
	TAILQ_ENTRY(conn) link;
	struct worker *worker;
	struct event event;
	int fd;
	uint8_t state; /* enum conn_state */
	bool eof;      /* the client shut its side */
	bool begun;    /* a byte of the next head has come */
	bool yields;   /* has requests left that wait for the next turn */
	uint16_t port;
	short armed; /* events the event is armed with */
	struct in6_addr peer;
	uint64_t deadline_us; /* of the state; 0 = none */
	struct buf in;
	size_t turn_bytes;    /* sent in this turn of the loop */
	size_t scanned;	      /* of in, see http_parse_head() */
	uint64_t linger_left; /* in LINGER: how much may still come and is thrown away */
	struct answer *answer;
	struct viewer *viewer;
	struct access_entry *entry; /* of the request under way, where the access log is on */
};

/* Takes fd, a connected non-blocking socket.  0 or -ENOMEM (fd is then closed). */
must_check int conn_new(struct worker *w, int fd, const struct sockaddr_storage *peer);
struct conn *conn_free(struct conn *c); /* returns NULL; accepts NULL */

/* Arms the event for what the state waits for. */
void conn_update_events(struct conn *c);

/* The bytes a second at which the client has taken its answer so far; false where no shared body is
 * being sent, or not for ANSWER_SHED_MS yet. */
bool conn_answer_rate(const struct conn *c, uint64_t *ret_bytes_per_second);

/* A viewer that waited in vain: frees it and answers instead.  May free the connection. */
void conn_refuse_viewer(struct conn *c, int status, const char *text);

/* Closes what is idle and ends viewers; answers under way go on. */
void conn_drain_all(struct worker *w);

/* The address as IPv6, IPv4 mapped. */
struct in6_addr conn_address(const struct sockaddr_storage *sa, uint16_t *ret_port);

#endif
