/* worker_page.h - a worker's page: its counters and a record for each of its viewers.
 *
 *	offset 0    struct worker_page (header and counters)
 *	4096        struct viewer_record[WORKER_VIEWERS_MAX]
 *	...         struct viewer_counts (viewers by output and by token)
 *	...         struct viewer_front[VIEWER_FRONTS]
 *	...         struct session_uses
 *	...         struct wrong_tokens
 *
 * W: that worker, all fields.  Readers: the master (`amps viewers`, idle rules, heartbeat) and the
 * other workers (/metrics, limits).  Counters are relaxed and only grow; a record is valid while
 * its `serial` is not 0 and reads the same before and after it was copied.
 *
 * A record holds what another process needs to go on with the viewer (struct viewer_place): the
 * ring's generation, where in it the next byte lies, and what must be sent before that.  A worker
 * that is killed between a send and the record's update leaves `accepted` behind what the socket
 * has taken; the socket itself knows (tcp_info, SIOCOUTQ), and the difference is to be skipped. */
#ifndef AMPS_WORKER_PAGE_H
#define AMPS_WORKER_PAGE_H

#include <assert.h>
#include <stdatomic.h>
#include "common/base.h"
#include "common/limits.h"

#define WORKER_PAGE_MAGIC   0x4547415057534d41ull /* "AMSWPAGE" */
#define WORKER_PAGE_VERSION 12u
#define VIEWER_SERIAL_SHIFT 40 /* serial of a viewer = index of its worker << 40 | count */

enum viewer_protocol {
	VIEWER_TS = 0,
	VIEWER_AUDIO,
	VIEWER_HLS,
	VIEWER_DASH,
	VIEWER_WEBSOCKET,
	VIEWER_RTSP,
	VIEWER_MP4,
	VIEWER_PROTOCOL_COUNT_
};

#define ZAP_BUCKETS 10u

struct worker_page {
	uint64_t magic;
	uint32_t version;
	uint32_t record_bytes;	       /* sizeof(struct viewer_record) */
	_Atomic uint64_t heartbeat_us; /* clock_mono_us(), at least every 500 ms */
	_Atomic uint64_t connections_open;
	_Atomic uint64_t connections_total;
	_Atomic uint64_t connections_refused; /* no descriptor or over a cap */
	_Atomic uint64_t requests_total;
	_Atomic uint64_t responses[6]; /* by first digit of the status; [0] unused */
	_Atomic uint64_t viewers_open;
	_Atomic uint64_t viewers_total;
	_Atomic uint64_t viewer_skips;	   /* a slow viewer moved to a newer access point */
	_Atomic uint64_t viewers_dropped;  /* closed because slow or stopped */
	_Atomic uint64_t websocket_errors; /* viewers ended for breaking the protocol */
	_Atomic uint64_t bytes_sent;	   /* media bytes */
	_Atomic uint64_t catalog_generation;
	_Atomic uint64_t access_log_dropped; /* lines that could not be written */
	_Atomic uint64_t answers_dropped;    /* ended for memory: their clients read slowest */
	_Atomic uint64_t socket_bytes; /* the kernel's, for viewers that do not read; sampled */
	_Atomic uint32_t records_used; /* records above this index were never used */
	uint32_t pad;
	/* From a request to the first media sent, from a key frame on: how many took so long, by
	 * worker_page_zap_ms[], the last one longer; and the sum of all. */
	_Atomic uint64_t zaps[ZAP_BUCKETS];
	_Atomic uint64_t zap_us;
};

struct viewer_record {
	_Atomic uint64_t serial; /* 0 = free; unique in the server: worker index << 40 | count */
	uint32_t channel;
	_Atomic uint32_t output; /* slot of the channel table it reads, UINT32_MAX = waits */
	int64_t since_wall_us;
	/* The next five change together, `moves` is odd meanwhile; release / acquire. */
	_Atomic uint32_t moves;
	_Atomic uint32_t rest;	/* of a cut unit: bytes before pos that were not accepted */
	_Atomic uint32_t front; /* else the place of bytes to send first, plus 1; 0 = none */
	char region[3];		/* that its request named, else of its address; "" = not known */
	uint8_t located;	/* 1: it named none */
	_Atomic uint64_t generation; /* of the ring it follows; 0 = waits for one */
	_Atomic uint64_t pos;	     /* ring position of its next byte */
	_Atomic uint64_t accepted;   /* bytes that its socket has taken, the head included */
	_Atomic uint64_t bytes;	     /* media bytes sent */
	_Atomic uint64_t lag;	     /* bytes behind the ring's newest */
	uint8_t address[16];	     /* IPv4 as ::ffff:a.b.c.d */
	_Atomic uint64_t
		delivery_bps; /* of its connection, sampled, as the next two; 0 = unknown */
	_Atomic uint32_t rtt_us;
	_Atomic uint32_t retransmits;
	_Atomic uint32_t skips; /* to a newer access point */
	uint16_t port;
	uint8_t protocol;      /* enum viewer_protocol */
	_Atomic uint8_t waits; /* 1: for its grant; its token does not count it */
	char variant[VARIANT_NAME_MAX + 4];
	char track[TRACK_NAME_MAX + 1];
	char user_agent[80];
	_Atomic uint64_t token; /* tokens_name() of the token it came with, 0 = none */
	/* Of HLS: its number; 0 = a connection of its own, or it waits for its grant. */
	_Atomic uint64_t session;
	int64_t until_wall_us; /* when its signed link expires; 0 = it came without one */
};

/* Open addressing by the token's hash; a search ends at the first empty place.  A place whose count
 * is 0 may be given to another token, and is emptied once nothing lies behind it. */
struct token_viewers {
	_Atomic uint64_t token; /* worker_page_token(), 0 = empty */
	_Atomic uint64_t viewers;
};

/* Sums over the records, so that readers need not scan them.  There are as many places for tokens
 * as for viewers, so one is always free. */
struct viewer_counts {
	_Atomic uint32_t of_output[OUTPUTS_MAX];
	struct token_viewers of_token[WORKER_VIEWERS_MAX];
};

/* Bytes that must go to a viewer before the ring's and that the ring does not have.  There are
 * places for as many viewers as are usually blocked inside such bytes. */
#define VIEWER_FRONT_NONE 0u
#define VIEWER_FRONT_LOST UINT32_MAX /* in the record: there was no place */
struct viewer_front {
	_Atomic uint32_t len;
	uint32_t words[VIEWER_FRONT_MAX / 4];
};

/* What this worker has sent to a session, wherever that has its record.  Any worker serves a
 * session's requests; the one with the record adds up what all have sent. */
struct session_use {
	_Atomic uint64_t session; /* 0 = free */
	_Atomic uint64_t bytes;
	_Atomic uint64_t seen_us; /* clock_mono_us() of its last request here */
};

/* A session that the server has ended must not begin again: the numbers of the last ones. */
struct session_uses {
	_Atomic uint32_t used;	      /* places of `of` above this index were never used */
	_Atomic uint32_t ended_count; /* ever; the newest is ended[(ended_count - 1) % ...] */
	_Atomic uint64_t ended[SESSIONS_ENDED];
	_Atomic uint64_t ended_us[SESSIONS_ENDED]; /* clock_mono_us(); written before the number */
	struct session_use of[WORKER_VIEWERS_MAX];
};

/* A client that has sent wrong tokens.  A reader may see a place in the moment in which it is given
 * to another client, and then counts too few. */
struct wrong_client {
	_Atomic uint64_t client;    /* address_client(); 0 = free */
	_Atomic uint32_t count;	    /* the next one goes to at_s[count % WRONG_TOKENS_MAX] */
	_Atomic uint32_t refused_s; /* when it was last refused with 429 */
	_Atomic uint32_t at_s[WRONG_TOKENS_MAX]; /* seconds of clock_mono_us(); 0 = none */
};

struct wrong_tokens {
	struct wrong_client of[WRONG_TOKEN_SETS][WRONG_TOKEN_WAYS];
};

/* Where a viewer stands, as another process goes on from it: send the front or the rest of the cut
 * unit ([pos - rest, pos) of the ring), then the ring from pos on. */
struct viewer_place {
	uint64_t generation, pos, accepted;
	uint32_t rest, front_len;
	uint32_t front[VIEWER_FRONT_MAX / 4];
};

#define WORKER_PAGE_RECORDS_OFFSET 4096u
#define WORKER_PAGE_COUNTS_OFFSET                                                                  \
	(WORKER_PAGE_RECORDS_OFFSET + WORKER_VIEWERS_MAX * sizeof(struct viewer_record))
#define WORKER_PAGE_FRONTS_OFFSET (WORKER_PAGE_COUNTS_OFFSET + sizeof(struct viewer_counts))
#define WORKER_PAGE_FRONTS_BYTES  (VIEWER_FRONTS * sizeof(struct viewer_front))
#define WORKER_PAGE_USES_OFFSET                                                                    \
	((WORKER_PAGE_FRONTS_OFFSET + WORKER_PAGE_FRONTS_BYTES + 63) / 64 * 64)
#define WORKER_PAGE_WRONG_OFFSET (WORKER_PAGE_USES_OFFSET + sizeof(struct session_uses))
#define WORKER_PAGE_BYTES	 (WORKER_PAGE_WRONG_OFFSET + sizeof(struct wrong_tokens))

static_assert(sizeof(struct worker_page) == 280, "layout of struct worker_page");
static_assert(sizeof(struct viewer_record) == 312, "layout of struct viewer_record");
static_assert(sizeof(struct session_use) == 24, "layout of struct session_use");
static_assert(sizeof(struct wrong_client) == 96, "layout of struct wrong_client");
static_assert(WORKER_PAGE_WRONG_OFFSET % 8 == 0, "place of struct wrong_tokens");
static_assert(sizeof(struct viewer_front) == VIEWER_FRONT_MAX + 4, "layout of struct viewer_front");

/* Master: writes the header of a freshly created object mapped at `map`. */
void worker_page_init(void *map);

/* Readers: 0 if magic, version and sizes are ours, else -EINVAL. */
must_check int worker_page_check(const void *map);

/* The record array behind the page. */
static inline struct viewer_record *worker_page_records(void *map)
{
	return (struct viewer_record *)(void *)((char *)map + WORKER_PAGE_RECORDS_OFFSET);
}

/* The upper ends of all buckets of zaps but the last. */
extern const uint32_t worker_page_zap_ms[ZAP_BUCKETS - 1];

/* The worker: a viewer got its first media so long after its request. */
void worker_page_add_zap(struct worker_page *page, uint64_t took_us);

/* The uses of sessions behind it. */
static inline struct session_uses *worker_page_uses(const void *map)
{
	return (struct session_uses *)((uintptr_t)map + WORKER_PAGE_USES_OFFSET);
}

/* The clients with wrong tokens behind those. */
static inline struct wrong_tokens *worker_page_wrong_tokens(const void *map)
{
	return (struct wrong_tokens *)((uintptr_t)map + WORKER_PAGE_WRONG_OFFSET);
}

/* The worker: publishes a record in a free place, or frees the place (serial 0 in *from). */
void worker_page_put(void *map, size_t index, const struct viewer_record *from);

/* The hash of a text by which records name a token (tokens_name()); never 0. */
uint64_t worker_page_token(const char *token, size_t len);

/* The worker: `by` viewers more or less that came with that token or read that output. */
void worker_page_add_token(void *map, uint64_t token, int by);
void worker_page_add_output(void *map, uint32_t output, int by);

/* Readers: how many viewers of this page came with that token, or read that output (UINT32_MAX:
 * none).
 */
uint64_t worker_page_token_viewers(const void *map, uint64_t token);
uint32_t worker_page_output_viewers(const void *map, uint32_t output);

/* The worker: the viewer has moved.  `front` is the record's: VIEWER_FRONT_NONE, VIEWER_FRONT_LOST,
 * or a place plus 1, which gets the front of `to`. */
void worker_page_move(void *map, size_t index, const struct viewer_place *to, uint32_t front);

/* Readers: 0, -ENOENT (free), -EAGAIN (it is being moved, or was when its worker died), or -ENODATA
 * (it cannot go on elsewhere: its bytes had no place). */
must_check int worker_page_place(const void *map, size_t index, struct viewer_place *ret);

/* Readers: a consistent copy of record `index`.  0, or -ENOENT (free or changed meanwhile). */
must_check int worker_page_get(const void *map, size_t index, struct viewer_record *ret);

#endif
