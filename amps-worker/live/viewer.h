/* viewer.h - one client that follows one ring.
 *
 * A viewer sends straight from the ring's mapping, all there is, in one call.  Its position is
 * always the first byte of a unit (a packet of a transport stream): if a send stops inside a unit,
 * the rest of it is copied out at once, so that the client receives whole units whatever happens to
 * the ring meanwhile.  Bytes that are not the ring's (the answer's head, the intro of a random
 * access point, that rest) are kept in `pending` and always go first.  With a packer the units
 * are the protocol's, each sent as a whole or copied out in the same way; with datagrams `pending`
 * has media only, which are packed when they are sent.
 *
 *	waits for its grant (grants.h): as below, and its output may not be wanted yet
 *	waits for a ring or its first random access point: ring NULL, in output->waiting
 *	follows a ring: in ring->viewers
 *	blocked, because the socket is full: passes skip it, EV_WRITE (of datagrams.h) feeds it
 *
 * A viewer that is further from the newest byte than ring_guard() is too slow.  It continues at the
 * newest random access point, marked as a discontinuity, or is dropped (streaming.slow_viewer).  A
 * ring of boxes can be left only where a fragment ends: the rest of the one that is under way is
 * copied out while it is still there.  A blocked viewer is judged when its socket has room again,
 * so a paused player may sleep as long as its TCP connection lives: drop it only if its peer has
 * acknowledged nothing, probes included, for VIEWER_STOPPED_MS.  A client that shut only its own
 * side is still served; it ends with the first reset, or after VIEWER_HALF_CLOSED_MS without
 * anything to send. */
#ifndef AMPS_VIEWER_H
#define AMPS_VIEWER_H

#include "amps-worker/http/conn.h"
#include "amps-worker/live/grants.h"
#include "amps-worker/live/icy.h"
#include "amps-worker/live/output.h"
#include "amps-worker/live/packer.h"
#include "amps-worker/live/records.h"

/* What all viewers of a worker need; borrowed. */
struct viewers {
	struct context *context;
	struct schedule *schedule;
	struct outputs *outputs;
	struct records *records;
	struct grants *grants;
	struct units *units;
};

struct viewer_way;

struct viewer {
	/* first: what the connection knows of it; stream.conn is NULL with datagrams */
	struct stream stream;
	TAILQ_ENTRY(viewer) link; /* ring->viewers or output->waiting */
	struct viewers *all;
	struct output *output;
	struct stream_ring *ring;
	struct viewer_record *record;
	struct packer *packer; /* NULL: the ring's bytes as they are */
	const struct viewer_way *way;
	uint64_t pos;	      /* multiple of the ring's unit */
	uint64_t piece_end;   /* of boxes: where it may leave the ring, once pos has come there */
	uint64_t asked_us;    /* when its request came; 0 = it has had media */
	uint64_t swept_bytes; /* sent when viewer_sweep() last looked */
	uint8_t *pending;
	uint32_t pending_at, pending_len, pending_cap;
	uint32_t head_left;   /* bytes of pending that are not media */
	bool cut;	      /* pending is the rest of the unit before pos, and nothing else */
	uint8_t end;	      /* enum viewer_end: why it ends, if it does */
	uint16_t idle_sweeps; /* in a row without a byte sent */
	struct viewer_options options;
	bool titles; /* among the sound */
	struct icy icy;
	struct grant grant; /* of a token with a limit: it begins nothing before it has this */
};

/* May the server have one more viewer, and this worker a record for it? */
bool viewers_have_room(const struct viewers *all);

/* What became of a viewer; the caller frees the connection of one that is gone. */
enum viewer_verdict { VIEWER_GOES_ON, VIEWER_GONE };

/* Makes the connection's answer a viewer of this output; `head` is the rendered answer.  It may
 * already be streaming on return.  `packer` is NULL, or RTSP's, and then is the viewer's on 0 and
 * -EPIPE; with datagrams, only the client's address is taken from the connection.  0, -EUSERS (the
 * server is full), -ENOMEM, -EPIPE (it is gone; with datagrams it has been freed). */
must_check int viewer_start(struct viewers *all, struct conn *c, const struct http_request *q,
			    const struct stream_params *p, const struct buf *head,
			    struct packer *packer);

/* Ends it, with the protocol's last words; frees the connection. */
void viewer_end(struct viewer *v, enum viewer_end why);

/* The same for one whose end is known: a function here answered VIEWER_GONE. */
void viewer_close(struct viewer *v);

/* Ends one that waits, with this error as its answer. */
void viewer_refuse(struct viewer *v, int status, const char *text);

/* Sends bytes of the viewer's protocol between its units; leaves them out if there is no room. */
must_check enum viewer_verdict viewer_say(struct viewer *v, const void *bytes, size_t n);

/* Starts the viewers that wait, if the output's newest ring has a random access point.  May free
 * the output. */
void viewer_begin_waiting(struct output *o);

/* Sends what there is; moves to the next ring when this one is drained. */
enum viewer_verdict viewer_feed(struct viewer *v);

/* A pass found it blocked: updates its record, and drops a slow one if slow viewers are dropped. */
enum viewer_verdict viewer_blocked(struct viewer *v);

/* Every few seconds: has the peer stopped answering? */
enum viewer_verdict viewer_sweep(struct viewer *v);
#define VIEWER_SWEEP_US 2500000u

/* If it has stopped reading: its connection, what the kernel holds for it, and in what order those
 * that stopped are to end.  False: it reads, or nothing is held for it alone. */
bool viewer_stopped(const struct viewer *v, struct conn_holder *ret);

#endif
